"""Sends the same commands, chosen by chance, to two servers, and fails if their answers differ.

usage: kv_random.py PORT_OF_KV PORT_OF_REDIS SEED COUNT VERSION

The commands are those for lists, hashes, sets and sorted sets, with keys of the wrong type, options
that are none, and numbers that are too large among them. Where an answer is in no order, it is
compared without one. What depends on chance is left out, and so is what is documented to be
undefined: the order of names among different scores. Zero and minus zero are taken to be the same,
since Redis knows the difference in large sorted sets alone.
"""

import random
import socket
import sys

NUMBERS = ["9223372036854775807", "-9223372036854775807", "9223372036854775808", "abc", "", "1.5"]
SCORES = ["0.1", "1.5", "-2.75", "1e3", "3.14159", "1e-7", "123456789.123", "0.3333333333333333"]
STRANGE_SCORES = ["inf", "-inf", "+inf", "nan", "abc", "1e400", "", "1e15", "1234567890123456"]
STRANGE_WORDS = ["1.5", "0.1", "3e3", "inf", "nan", "", " 1", "1 ", "+3", "\0\r\n\xff"]
PATTERNS = ["*", "m*", "?", "[a-c]*", "[^a]*", "m[0-9]", "*x", "\\*", "[", "m?[1-3]*", "", "x*x"]
KEYS = [kind + number for kind in "lhsz" for number in "123"] + ["text", "copy"]
# Their answers have no order.
UNORDERED = ["smembers", "sinter", "sunion", "sdiff", "hkeys", "hvals", "srandmember", "spop"]
UNORDERED_PAIRS = ["hgetall", "hscan", "zscan"]


class Peer:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(10)
        self.file = self.socket.makefile("rb")

    def ask(self, words):
        words = [word.encode("latin-1") for word in words]
        parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(parts))
        return self.value()

    def value(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError
        kind, rest = line[:1], line[1:-2]
        if kind == b"$" and rest != b"-1":
            rest = self.file.read(int(rest) + 2)[:-2]
        if kind in b"*~%" and rest != b"-1":
            count = int(rest) * (2 if kind == b"%" else 1)
            return kind, [self.value() for _ in range(count)]
        return kind, b"0" if rest == b"-0" else rest


class Chooser:
    """Commands by chance."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, percent):
        return self.random.random() * 100 < percent

    def pick(self, options):
        return self.random.choice(options)

    def maybe(self, percent, *words):
        return list(words) if self.chance(percent) else []

    def many(self, choose, most=4):
        return [choose() for _ in range(self.random.randint(1, most))]

    def key(self, kind):
        return kind + self.pick("123") if self.chance(93) else self.pick(KEYS)

    def word(self):
        chance = self.random.random()
        if chance < 0.45:
            return self.pick("abcdefgh")
        if chance < 0.6:
            return str(self.random.randint(-20, 20))
        if chance < 0.7:
            return "x" * self.pick([0, 21, 22, 23, 24, 63, 64, 65, 100])
        if chance < 0.75:
            return self.pick(STRANGE_WORDS)
        return f"m{self.random.randint(0, 60)}"

    def number(self):
        chance = self.random.random()
        if chance < 0.85:
            return str(self.random.randint(-6, 6))
        if chance < 0.95:
            return str(self.random.randint(-100, 100))
        return self.pick(NUMBERS)

    def score(self):
        chance = self.random.random()
        if chance < 0.5:
            return str(self.random.randint(-5, 5))
        return self.pick(SCORES if chance < 0.92 else STRANGE_SCORES)

    def score_bound(self):
        return self.pick(["(", "", ""]) + self.score()

    def name_bound(self):
        return self.pick("-+") if self.chance(30) else self.pick("[(x") + self.word()

    def numbered(self, keys):
        return [str(len(keys)) if self.chance(92) else self.number(), *keys]

    def scan(self):
        options = self.maybe(40, "match", self.pick(PATTERNS))
        options += ["count", self.pick(["1000"] * 6 + ["0", "-1", "x"])]
        return [self.pick(["0", "0", "0", "abc", ""]), *options, *self.maybe(3, "x")]

    def command(self):
        kind = self.pick("lhsz")
        return getattr(self, self.pick(COMMANDS[kind]))(lambda: self.key(kind))

    def any_key(self, key):
        others = [["del"], ["type"], ["exists"], ["copy", "copy", "replace"]]
        name, *rest = self.pick(others)
        return [name, key(), *rest]

    def list_ends(self, key):
        if self.chance(60):
            names = ["lpush", "rpush", "lpush", "rpush", "lpushx", "rpushx"]
            return [self.pick(names), key(), *self.many(self.word)]
        if self.chance(60):
            return [self.pick(["lpop", "rpop"]), key(), *self.maybe(40, self.number())]
        ends = [self.pick(["left", "RIGHT", "left", "up"]) for _ in range(2)]
        count = self.maybe(40, "count", self.number())
        options = [
            ["lmove", key(), key(), *ends],
            ["rpoplpush", key(), key()],
            ["lmpop", *self.numbered(self.many(key, 3)), ends[0], *count, *self.maybe(3, "x")],
        ]
        return self.pick(options)

    def list_places(self, key):
        low, high = self.random.randint(-12, 3), self.random.randint(-3, 12)
        options = [
            ["llen", key()],
            ["lrange", key(), self.number(), self.number()],
            ["lindex", key(), self.number()],
            ["lset", key(), self.number(), self.word()],
            ["ltrim", key(), str(low), str(high)],
        ]
        return self.pick(options)

    def list_search(self, key):
        search = self.maybe(30, "rank", self.number()) + self.maybe(30, "count", self.number())
        search += self.maybe(20, "maxlen", self.number()) + self.maybe(3, "count")
        side = self.pick(["before", "AFTER", "after", "beside"])
        options = [
            ["linsert", key(), side, self.word(), self.word()],
            ["lrem", key(), self.number(), self.word()],
            ["lpos", key(), self.word(), *search],
        ]
        return self.pick(options)

    def hash_changes(self, key):
        by = self.pick(["1", "0.5", "-2.25", "3", "1.5e1", "abc", "inf", "nan"])
        options = [
            [self.pick(["hset", "hmset"]), key(), *self.many(self.word, 6)],
            ["hset", key(), self.word(), self.word()],
            ["hsetnx", key(), self.word(), self.word()],
            ["hdel", key(), *self.many(self.word)],
            ["hincrby", key(), self.word(), self.number()],
            ["hincrbyfloat", key(), "f" + self.pick("123"), by],
        ]
        return self.pick(options)

    def hash_looks(self, key):
        picks = self.maybe(30, "withvalues") + self.maybe(3, "x")
        options = [
            ["hget", key(), self.word()],
            ["hmget", key(), *self.many(self.word)],
            [self.pick(["hgetall", "hkeys", "hvals", "hlen"]), key()],
            [self.pick(["hexists", "hstrlen"]), key(), self.word()],
            ["hrandfield", key(), self.pick(["0", "-0", "abc"]), *picks],
            ["hscan", key(), *self.scan()],
        ]
        return self.pick(options)

    def set_changes(self, key):
        combined = ["sinterstore", "sunionstore", "sdiffstore"]
        options = [
            ["sadd", key(), *self.many(self.word, 8)],
            ["srem", key(), *self.many(self.word)],
            ["smove", key(), key(), self.word()],
            [self.pick(combined), key(), *self.many(key, 3)],
            ["spop", key(), self.pick(["1000", "0", "-1", "abc"])],
        ]
        return self.pick(options[:4] if self.chance(95) else options)

    def set_looks(self, key):
        limit = self.maybe(30, "limit", self.number()) + self.maybe(2, "x")
        options = [
            [self.pick(["smembers", "scard"]), key()],
            ["sismember", key(), self.word()],
            ["smismember", key(), *self.many(self.word)],
            ["srandmember", key(), self.pick(["1000", "0", "abc"])],
            [self.pick(["sinter", "sunion", "sdiff"]), *self.many(key, 3)],
            ["sintercard", *self.numbered(self.many(key, 3)), *limit],
            ["sscan", key(), *self.scan()],
        ]
        return self.pick(options)

    def sorted_changes(self, key):
        rules = [*self.maybe(10, "nx"), *self.maybe(10, "xx"), *self.maybe(12, "gt")]
        rules += [*self.maybe(12, "LT"), *self.maybe(20, "ch"), *self.maybe(12, "incr")]
        pairs = [word for _ in range(self.pick([1, 1, 2, 9])) for word in self.scored()]
        options = [
            ["zadd", key(), *rules, *pairs, *self.maybe(2, "x")],
            ["zadd", key(), *pairs],
            ["zincrby", key(), *self.scored()],
            ["zrem", key(), *self.many(self.word)],
            ["zadd", "names", "0", self.word(), "0", self.word(), "0", self.word()],
        ]
        return self.pick(options)

    def scored(self):
        return [self.score(), self.word()]

    def sorted_removals(self, key):
        count = self.maybe(40, "count", self.number())
        end = self.pick(["min", "MAX", "max", "x"])
        options = [
            [self.pick(["zpopmin", "zpopmax"]), key(), *self.maybe(50, self.number())],
            ["zmpop", *self.numbered(self.many(key, 3)), end, *count],
            ["zremrangebyrank", key(), self.number(), self.number()],
            ["zremrangebyscore", key(), self.score_bound(), self.score_bound()],
            ["zremrangebylex", "names", self.name_bound(), self.name_bound()],
        ]
        return self.pick(options) if self.chance(40) else ["zcard", key()]

    def sorted_looks(self, key):
        picks = self.maybe(30, "withscores") + self.maybe(3, "x")
        options = [
            ["zscore", key(), self.word()],
            ["zmscore", key(), *self.many(self.word)],
            [self.pick(["zrank", "zrevrank"]), key(), self.word()],
            ["zcount", key(), self.score_bound(), self.score_bound()],
            ["zlexcount", "names", self.name_bound(), self.name_bound()],
            ["zrandmember", key(), self.pick(["0", "abc"]), *picks],
            ["zscan", key(), *self.scan()],
        ]
        return self.pick(options)

    def sorted_ranges(self, key):
        scores, limit = self.maybe(30, "withscores"), self.maybe(25, "limit", *self.two(self.number))
        rest = [*limit, *scores, *self.maybe(3, "x")]
        by_score = self.pick(["zrangebyscore", "zrevrangebyscore"])
        by_name = self.pick(["zrangebylex", "zrevrangebylex"])
        options = [
            ["zrange", *self.range(key), *scores],
            ["zrange", *self.range(key)],
            ["zrangestore", key(), *self.range(key)],
            ["zrevrange", key(), *self.two(self.number), *rest],
            [by_score, key(), *self.two(self.score_bound), *rest],
            [by_name, "names", *self.two(self.name_bound), *rest],
        ]
        return self.pick(options)

    def two(self, choose):
        return [choose(), choose()]

    def range(self, key):
        """A key, two bounds, and options that say what they are."""
        rest = self.maybe(30, "REV") + self.maybe(25, "limit", *self.two(self.number))
        by = self.random.random()
        if by < 0.3:
            return [key(), *self.two(self.score_bound), "byscore", *rest]
        if by < 0.5:
            return ["names", *self.two(self.name_bound), "BYLEX", *rest]
        return [key(), *self.two(self.number), *rest]

    def sorted_combinations(self, key):
        keys = self.many(lambda: key() if self.chance(80) else self.key("s"), 3)
        weights = [self.pick(["1", "2", "0.5", "3", "inf", "0", "abc"]) for _ in keys]
        how = self.maybe(30, "weights", *weights)
        how += self.maybe(30, "aggregate", self.pick(["sum", "min", "MAX", "x"]))
        numbered, scores = self.numbered(keys), self.maybe(40, "withscores")
        options = [
            [self.pick(["zunionstore", "zinterstore"]), key(), *numbered, *how],
            [self.pick(["zunion", "zinter"]), *numbered, *how, *scores],
            ["zdiffstore", key(), *numbered, *self.maybe(5, "weights", "1")],
            ["zdiff", *numbered, *scores],
            ["zintercard", *numbered, *self.maybe(30, "limit", self.number())],
        ]
        return self.pick(options)


# Which methods choose a command for a kind of key.
COMMANDS = {
    "l": ["list_ends", "list_ends", "list_places", "list_search", "any_key"],
    "h": ["hash_changes", "hash_looks", "any_key"],
    "s": ["set_changes", "set_looks", "any_key"],
    "z": ["sorted_changes", "sorted_changes", "sorted_removals", "sorted_looks", "sorted_ranges"]
    + ["sorted_combinations", "any_key"],
}


def pairs(values):
    return sorted(zip(values[::2], values[1::2]))


def comparable(command, answer):
    """The answer, in an order of ours if it has none."""
    kind, values = answer
    if not isinstance(values, list):
        return answer
    if command[0] == "sscan":
        return kind, values[0], sorted(values[1][1])
    if command[0] in UNORDERED_PAIRS:
        return (kind, pairs(values)) if command[0] == "hgetall" else (values[0], pairs(values[1][1]))
    return (kind, sorted(values)) if command[0] in UNORDERED else answer


def main():
    ours, theirs = (Peer(int(port)) for port in sys.argv[1:3])
    seed, count, version = (int(word) for word in sys.argv[3:6])
    chooser, differences = Chooser(seed), 0
    for peer in (ours, theirs):
        peer.ask(["hello", str(version)])
        peer.ask(["flushall"])
        peer.ask(["set", "text", "a word"])
    for _ in range(count):
        command = chooser.command()
        answers = [comparable(command, peer.ask(command)) for peer in (ours, theirs)]
        if answers[0] != answers[1]:
            differences += 1
            print(f"{command}\n  ours   {answers[0]}\n  theirs {answers[1]}")
            # What follows is not to be the same difference again and again.
            for peer in (ours, theirs):
                peer.ask(["flushall"])
    print(f"seed {seed}, {count} commands, {differences} differences")
    sys.exit(differences > 0)


if __name__ == "__main__":
    main()
