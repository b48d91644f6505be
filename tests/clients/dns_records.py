"""Asks a DNS server for every set of records that dnspython reads in a zone file.

usage: dns_records.py ZONE ORIGIN PORT

Over UDP first, and over TCP for what is truncated. Names are asked for in capitals and small
letters, and must come back so. What is below a cut is left out: the server is not the one to ask.
"""

import sys

import dns.message
import dns.name
import dns.query
import dns.rdatatype
import dns.zone

path, origin, port = sys.argv[1:]
origin = dns.name.from_text(origin)
zone = dns.zone.from_file(path, origin, relativize=False)
cuts = [n for n in zone.nodes if n != origin and zone.get_rdataset(n, "NS")]
count = 0
for name, rdataset in zone.iterate_rdatasets():
    if any(name.is_subdomain(cut) for cut in cuts):
        continue
    mixed = dns.name.from_text(str(name).swapcase())
    query = dns.message.make_query(mixed, rdataset.rdtype)
    answer, _ = dns.query.udp_with_fallback(query, "127.0.0.1", port=int(port), timeout=20)
    found = [rrset for rrset in answer.answer if rrset.rdtype == rdataset.rdtype]
    assert len(found) == 1, answer
    assert found[0].name.labels == mixed.labels, answer
    assert set(found[0]) == set(rdataset) and found[0].ttl == rdataset.ttl, answer
    count += 1
print(f"{count} sets of records, all as in the file")
