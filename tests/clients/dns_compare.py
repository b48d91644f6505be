"""Asks two DNS servers the same, and prints where they do not answer the same.

usage: dns_compare.py ZONE ORIGIN ADDRESS:PORT ADDRESS:PORT

The questions are made from the zone file: every name in it, names above, below and beside those,
and names in capitals, each with every type that makes a difference; then what is malformed or not
served. The first server is the one that is tested, the second the one it is compared with. The last
line on standard output counts the questions; every other line is a difference.
"""

import random
import socket
import struct
import sys

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.zone

TYPES = "A AAAA NS CNAME SOA MX TXT SRV PTR CAA DS HINFO TYPE65280 TYPE4711".split()
PATIENCE = 20


def names_to_ask(zone, origin):
    """Every name of the zone, and names around it."""
    asked = {dns.name.from_text("elsewhere.test."), dns.name.root, dns.name.from_text("test.")}
    asked.add(dns.name.from_text("notzone.test."))
    for name in zone.nodes:
        name = name.derelativize(origin)
        while True:
            asked.add(name)
            for prefix in ["x", "*", "a.b"]:
                try:
                    asked.add(dns.name.from_text(prefix, name))
                except dns.name.NameTooLong:
                    pass
            if name == origin:
                break
            name = name.parent()
    return sorted(asked)


def shown(rrset):
    """A set of records, without the order and the letters that mean nothing."""
    name = str(rrset.name).lower()
    data = sorted(rdata.to_digestable().hex() for rdata in rrset)
    return (name, dns.rdatatype.to_text(rrset.rdtype), rrset.ttl, tuple(data))


def section(rrsets):
    return sorted(shown(rrset) for rrset in rrsets)


def picture(answer, origin):
    """What an answer says. The reference adds servers of the zone and their addresses where nobody
    asked for them, which an answer does not need (RFC 1034, section 4.3.2); they are left out."""
    answers, authority, additional = map(section, answer.sections[1:])
    if answer.flags & dns.flags.AA and answer.rcode() == 0:
        own = str(origin).lower()
        if not any(rrset[:2] == (own, "SOA") for rrset in authority):
            authority = [rrset for rrset in authority if rrset[:2] != (own, "NS")]
    wanted = set()
    for rrsets, types in [(answer.answer, "MX NS SRV"), (answer.authority, "NS")]:
        for rrset in rrsets:
            if dns.rdatatype.to_text(rrset.rdtype) not in types.split():
                continue
            if shown(rrset) in answers + authority:
                for rdata in rrset:
                    target = getattr(rdata, "target", None) or getattr(rdata, "exchange", None)
                    wanted.add(str(target).lower())
    additional = [rrset for rrset in additional if rrset[0] in wanted]
    return {
        "flags": dns.flags.to_text(answer.flags),
        "rcode": answer.rcode(),
        "question": [str(rrset) for rrset in answer.question],
        "edns": (answer.edns, answer.payload, answer.ednsflags & 0x8000),
        "answer": answers,
        "authority": authority,
        "additional": additional,
    }


def ask(server, query, transport):
    ask = dns.query.tcp if transport == "tcp" else dns.query.udp
    return ask(query, server[0], port=server[1], timeout=PATIENCE)


def compare(servers, query, transport, origin):
    """The differences, one a line. A truncated answer need not have any records, nor a refused one
    the question."""
    one, other = (picture(ask(server, query, transport), origin) for server in servers)
    keys = list(one)
    if one["rcode"] == other["rcode"] == dns.rcode.REFUSED:
        keys.remove("question")
    if "TC" in one["flags"] and "TC" in other["flags"]:
        keys = ["flags", "rcode", "question", "edns"]
    asked = f"{transport} {query.question[0]} edns {query.edns}"
    return [f"{asked}: {key}: {one[key]} {other[key]}" for key in keys if one[key] != other[key]]


def ask_raw(server, message):
    """The header of the answer to any bytes; nothing if there is none before the answer to what was
    asked after it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.sendto(message, server)
        after = dns.message.make_query("after.elsewhere.test.", "A", id=0xFFFF)
        sock.sendto(after.to_wire(), server)
        answer = sock.recv(65535)
        if answer[:2] == b"\xff\xff":
            return None
        flags, = struct.unpack("!H", answer[2:4])
        # The reference says whether recursion was desired only of what it could read.
        return f"{answer[:2].hex()} {flags & ~dns.flags.RD:016b}"


def odd_messages():
    """Messages that are malformed, or ask for what is not served."""
    plain = dns.message.make_query("www.zone.test.", "A", id=0x1234).to_wire()
    edns = dns.message.make_query("www.zone.test.", "A", id=0x1234, use_edns=0).to_wire()
    yield from ((f"cut to {at}", plain[:at]) for at in range(0, len(plain)))
    yield from ((f"cut edns to {at}", edns[:at]) for at in range(len(plain), len(edns)))
    yield "an answer", plain[:2] + b"\x80" + plain[3:]
    for opcode in range(1, 16):
        # NOTIFY and UPDATE the reference may know.
        if opcode not in (4, 5):
            yield f"opcode {opcode}", plain[:2] + bytes([opcode << 3]) + plain[3:]
    for at in (4, 6, 8):
        yield f"count at {at}", plain[:at] + b"\x00\x02" + plain[at + 2 :]
    yield "no question", plain[:4] + b"\x00\x00" + plain[6:]
    yield "a pointer to itself", plain[:12] + b"\xc0\x0c\x00\x01\x00\x01"
    yield "a pointer to the header", plain[:12] + b"\xc0\x00\x00\x01\x00\x01"
    yield "a pointer forward", plain[:12] + b"\xc0\x12\x00\x01\x00\x01\x01a\x00"
    yield "a label of 64", plain[:12] + b"\x40" + b"a" * 64 + b"\x00\x00\x01\x00\x01"
    long = b"\x3f" + b"a" * 63
    yield "a name of 257", plain[:12] + long * 4 + b"\x00\x00\x01\x00\x01"
    yield "two of edns", edns[:10] + b"\x00\x02" + edns[12:] + edns[len(plain) :]
    yield "version 1", edns[:-5] + b"\x01" + edns[-4:]
    yield "version 255", edns[:-5] + b"\xff" + edns[-4:]
    yield "options that end early", edns[:-2] + b"\x00\x03\x00\x01\x00"


def main():
    path, origin, *addresses = sys.argv[1:]
    origin = dns.name.from_text(origin)
    zone = dns.zone.from_file(path, origin, relativize=False, check_origin=False)
    servers = [(host, int(port)) for host, port in (a.rsplit(":", 1) for a in addresses)]
    chance = random.Random(1)
    count, differences = 0, []

    def queries():
        for name in names_to_ask(zone, origin):
            for rdtype in TYPES:
                yield dns.message.make_query(name, rdtype, use_edns=False), "udp"
            query = dns.message.make_query(name, chance.choice(TYPES), use_edns=0, payload=1232)
            query.flags = chance.choice([0, dns.flags.RD, dns.flags.AD, dns.flags.CD])
            yield query, "udp"
            mixed = "".join(chance.choice([c.lower(), c.upper()]) for c in str(name))
            yield dns.message.make_query(mixed, chance.choice(TYPES)), "tcp"
        for rdtype in set(range(0, 300)) - {dns.rdatatype.ANY}:
            # Any type is answered with one of them, each server choosing its own (RFC 8482).
            yield dns.message.make_query(origin, rdtype), "tcp"
        for rdclass in ["CH", "HS", "CLASS2", "NONE", "ANY"]:
            yield dns.message.make_query(origin, "A", rdclass), "udp"
        for payload in [0, 511, 512, 513, 600, 1232, 4096, 65535]:
            yield dns.message.make_query(origin, "MX", use_edns=0, payload=payload), "udp"
        yield dns.message.make_query(origin, "A", want_dnssec=True), "udp"
        options = [dns.edns.GenericOption(65001, b"abc")]
        yield dns.message.make_query(origin, "A", use_edns=0, options=options), "udp"

    for query, transport in queries():
        count += 1
        differences += compare(servers, query, transport, origin)
    for what, message in odd_messages():
        count += 1
        one, other = (ask_raw(server, message) for server in servers)
        if one != other:
            differences.append(f"{what}: {one} {other}")
    for difference in differences:
        print(difference)
    print(f"{count} questions")


main()
