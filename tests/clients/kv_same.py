"""Sends the same bytes to two servers, and fails if their answers differ in one byte.

usage: kv_same.py PORT_OF_KV PORT_OF_REDIS

Each case is on connections of its own, on empty servers; each line of it is a command, as one types
it, perhaps after how many answers it has, as in `2= SUBSCRIBE a b`. A line that begins with a
backslash is sent as it is, escapes undone. `#` begins a remark.
"""

import re
import shlex
import socket
import sys

CASES = r"""
# Strings
SET a 1
GET a
SET a 2 XX GET
SET b 2 XX
SET b 2 NX
SET b 3 NX
SET b 3 NX GET
SET c x GET
SET c x NX XX
SET c x EX
SET c x EX 0
SET c x EX -1
SET c x EX abc
SET c x EX 9223372036854775807
SET c x PX 9223372036854775807
SET c x EX 10 PX 10
SET c x KEEPTTL EX 10
SET c x KEEPTTL KEEPTTL
SET c x EXAT 1
GET c
EXISTS c
SET c x PXAT 99999999999999
PEXPIRETIME c
EXPIRETIME c
SET c y KEEPTTL
PEXPIRETIME c
SET c y
TTL c
SET c
SET
SET a b c
GETDEL a
GETDEL a
GETEX b EX 100
TTL b
GETEX b PERSIST
TTL b
GETEX b PERSIST EX 10
GETEX b EX 0
GETEX b FOO
GETEX none EX 100
GETEX b EXAT 1
GET b
GETSET b 1
GETSET b 2
SETNX b 3
SETNX bb 3
SETEX b 10 v
TTL b
SETEX b 0 v
SETEX b abc v
PSETEX b 10000 v
PSETEX b -1 v
MSET a 1 b 2
MSET a 1 b
MSETNX a 1 zz 2
MSETNX yy 1 zz 2
MGET a b c zz nothing
GET
---
# Numbers
INCR n
INCR n
DECR n
INCRBY n 10
DECRBY n 3
INCRBY n abc
INCRBY n 9223372036854775807
DECRBY n -9223372036854775808
SET n abc
INCR n
SET n " 1"
INCR n
SET n 01
INCR n
SET n ""
INCR n
SET n -0
INCR n
SET n 9223372036854775807
INCR n
SET n -9223372036854775808
DECR n
INCR n
INCRBYFLOAT f 10.5
INCRBYFLOAT f 0.1
INCRBYFLOAT f -5
INCRBYFLOAT f abc
INCRBYFLOAT f nan
INCRBYFLOAT f inf
SET f 3.0e3
INCRBYFLOAT f 200
---
# Parts of strings
APPEND s ab
APPEND s cd
APPEND s ""
APPEND e ""
EXISTS e
STRLEN s
STRLEN none
GETRANGE s 0 -1
GETRANGE s 1 2
GETRANGE s -3 -1
GETRANGE s -1 -3
GETRANGE s 5 10
GETRANGE s 2 100
GETRANGE s -100 1
GETRANGE s 0 -100
GETRANGE s -100 -50
GETRANGE s a 1
GETRANGE none 0 -1
SUBSTR s 0 1
SETRANGE s 2 XY
GET s
SETRANGE s 8 Z
GET s
SETRANGE none 0 ""
SETRANGE none -1 x
SETRANGE none abc x
EXISTS none
SETRANGE new 3 x
GET new
SETRANGE s 536870912 x
---
# Keys
MSET a 1 b 2 c 3
DEL a x b
EXISTS c c x
UNLINK c
TOUCH c
SET a 1
EXPIRE a 100
TTL a
EXPIRE a 200 NX
EXPIRE a 200 XX
EXPIRE a 100 GT
EXPIRE a 300 GT
EXPIRE a 400 LT
EXPIRE a 200 LT
EXPIRE a 200 NX XX
EXPIRE a 200 GT LT
EXPIRE a 200 FOO
EXPIRE a abc
EXPIRE a 9223372036854775807
EXPIRE a -9223372036854775808
PEXPIRE a 9223372036854775807
EXPIRE none 100
PERSIST a
PERSIST a
PERSIST none
TTL a
TTL none
PTTL none
EXPIRETIME a
EXPIRE a 100 GT
EXPIRE a 100 LT
EXPIRE a 0
EXISTS a
SET a 1
EXPIRE a -1
EXISTS a
SET a 1
EXPIREAT a 99999999999
EXPIRETIME a
PEXPIREAT a 1
EXISTS a
TYPE a
SET a 1
TYPE a
RENAME a b
RENAME a b
GET b
RENAME b b
RENAMENX b c
SET b 5
RENAMENX b c
RENAMENX b b
COPY c d
COPY c d
COPY c d REPLACE
COPY c c
COPY none d
COPY c e DB 0
COPY c e DB 99
COPY c e FOO
GET d
OBJECT ENCODING c
OBJECT ENCODING none
OBJECT REFCOUNT none
OBJECT FOO c
OBJECT ENCODING
OBJECT
SET long 12345678901234567890123456789012345678901234567890
OBJECT ENCODING long
OBJECT ENCODING b
SET abc abc
OBJECT ENCODING abc
KEYS abc
KEYS a[b]c
KEYS nothing*
KEYS
DBSIZE
FLUSHALL
DBSIZE
RANDOMKEY
SET only 1
RANDOMKEY
SCAN 0
SCAN 0 MATCH o* COUNT 100
SCAN 0 TYPE string
SCAN 0 TYPE list
SCAN 0 MATCH x*
SCAN abc
SCAN 0 COUNT 0
SCAN 0 COUNT abc
SCAN 0 FOO bar
SCAN 0 COUNT
FLUSHDB ASYNC
FLUSHDB SYNC
FLUSHDB FOO
---
# Commands that are none
FOO
foo bar baz
GET a b
GET
"" a
"long name that no command has and that goes on for more than one hundred and twenty-eight bytes, so that it is cut somewhere near its end, here or there" x
PING a b
PING
PING hello
ECHO
ECHO hello
SELECT 0
SELECT 16
SELECT abc
QUIT
---
foo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx y
foo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb ccccccccccccccccccccccccccccccccc d e
---
# Transactions
MULTI
SET a 1
INCR a
GET a
EXEC
MULTI
MULTI
DISCARD
EXEC
DISCARD
MULTI
GET
EXEC
MULTI
FOO
EXEC
MULTI
SET a abc
INCR a
SET a x FOO
GET a
EXEC
MULTI
WATCH a
EXEC
WATCH a
SET a 1
MULTI
GET a
EXEC
WATCH a
MULTI
GET a
EXEC
WATCH a
SET a 1
UNWATCH
MULTI
GET a
EXEC
WATCH none
SET none 1
DEL none
MULTI
PING
EXEC
WATCH a
GET a
DEL nothing
MULTI
PING
UNWATCH
EXEC
MULTI
EXEC
WATCH
MULTI a
MULTI
HELLO
OBJECT FOO bar
EXEC
---
# Channels, second version
SUBSCRIBE a
GET a
PING
PING x
2= SUBSCRIBE a b
2= UNSUBSCRIBE a none
PSUBSCRIBE x*
UNSUBSCRIBE
PUNSUBSCRIBE
PUNSUBSCRIBE
UNSUBSCRIBE
GET a
PUBLISH a b
PUBSUB CHANNELS
PUBSUB NUMSUB a b
PUBSUB NUMSUB
PUBSUB NUMPAT
PUBSUB FOO
PUBSUB
SUBSCRIBE
SUBSCRIBE a
RESET
GET a
SUBSCRIBE a
QUIT
---
# Channels, third version
HELLO 3 SETNAME me
SUBSCRIBE a
PING
GET none
2= PUBLISH a hello
PSUBSCRIBE ?
4= \*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$1\r\nx\r\n*1\r\n$4\r\nPING\r\n
PUBSUB CHANNELS
PUBSUB NUMSUB a
UNSUBSCRIBE a
UNSUBSCRIBE
PUNSUBSCRIBE
CLIENT GETNAME
---
# The third version
HELLO 3
GET none
SET a 1 XX
MGET a none
SET a 1
MULTI
GET a
EXEC
WATCH a
SET a 2
MULTI
EXEC
RANDOMKEY
CONFIG GET appendonly
CONFIG GET nothing
TYPE a
HELLO 2
GET none
---
# The connection
HELLO abc
HELLO 4
HELLO 1
HELLO 3 AUTH a
HELLO 3 FOO
HELLO 3 SETNAME
HELLO 3 SETNAME "a b"
CLIENT GETNAME
CLIENT SETNAME me
CLIENT GETNAME
CLIENT SETNAME "a b"
CLIENT SETNAME ""
CLIENT GETNAME
CLIENT FOO
CLIENT GETNAME x
CLIENT
CLIENT NO-EVICT ON
CLIENT NO-EVICT FOO
AUTH secret
AUTH default any
AUTH other any
AUTH a b c
AUTH
RESET
CONFIG GET save
CONFIG GET appendonly* nothing
CONFIG GET
CONFIG FOO
CONFIG
COMMAND FOO
COMMAND COUNT x
DBSIZE x
---
# Lines
\PING\r\n
\PING\n
\  SET  a   "b c"\r\n
\GET a\r\n
\SET a "\\x41\\n\\"" \r\n
\GET 'a'\r\n
\ECHO ""\r\n
\ECHO 'it\\'s'\r\n
\\r\nPING\r\n
\*0\r\nPING\r\n
\*-1\r\nPING\r\n
\*1\r\n$4\r\nping\r\n
2= \ECHO "a\r\n
---
2= \ECHO "a"b\r\n
---
2= \*1\r\n:4\r\nPING\r\n
---
2= \*1\r\nPING\r\n
---
2= \*2147483648\r\n
---
2= \*abc\r\n
---
2= \*1\r\n$-1\r\n
---
2= \*1\r\n$abc\r\n
---
2= \*1\r\n$536870913\r\n
---
4= \*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n*x\r\n*1\r\n$4\r\nPING\r\n
"""


class Peer:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(5)
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    def line(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError
        return line

    def value(self):
        """One answer, as bytes."""
        head = self.line()
        kind, rest = head[:1], head[1:-2]
        if kind in b"$=" and rest != b"-1":
            return head + self.file.read(int(rest) + 2)
        if kind in b"*~>" and rest != b"-1":
            return head + b"".join(self.value() for _ in range(int(rest)))
        if kind == b"%":
            return head + b"".join(self.value() for _ in range(2 * int(rest)))
        return head

    def answers(self, request, count):
        """So many answers to a request, or those before the end of the stream."""
        got = []
        try:
            self.socket.sendall(request)
            while len(got) < count:
                got.append(self.value())
        except (EOFError, ConnectionError):
            got.append(b"(closed)")
        except TimeoutError:
            got.append(b"(silence)")
        return [re.sub(rb"id\r\n:\d+", b"id\r\n:(any)", answer) for answer in got]

    def rest(self):
        """Whatever else was sent."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
            return self.file.read()
        except ConnectionError:
            return b""


def counted(line):
    """How many answers there are to a line, and the line."""
    count, mark, rest = line.partition("= ")
    return (int(count), rest) if mark and count.isdigit() else (1, line)


def request(line):
    if line.startswith("\\"):
        return line[1:].encode().decode("unicode_escape").encode("latin-1")
    words = shlex.split(line)
    parts = [b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in words]
    return b"*%d\r\n" % len(words) + b"".join(parts)


def cases():
    for case in CASES.split("---\n"):
        yield [line for line in case.splitlines() if line and not line.startswith("#")]


def main():
    ports = [int(port) for port in sys.argv[1:3]]
    more = [open(name, encoding="utf-8").read() for name in sys.argv[3:]]
    global CASES
    CASES = "---\n".join([CASES, *more])
    differences = count = 0
    for case in cases():
        peers = [Peer(port) for port in ports]
        for peer in peers:
            peer.answers(request("FLUSHALL"), 1)
        for line in [*case, None]:
            count += 1
            ours, theirs = (run(peer, line) for peer in peers)
            if ours != theirs:
                differences += 1
                print(f"{line}\n  ours   {ours}\n  theirs {theirs}")
    print(f"{count} commands, {differences} differences")
    sys.exit(differences > 0)


def run(peer, line):
    if line is None:
        return peer.rest()
    count, line = counted(line)
    return peer.answers(request(line), count)


if __name__ == "__main__":
    main()
