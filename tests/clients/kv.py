"""redis-py on the example `kv`: usage: kv.py PORT VERSION."""

import sys
import threading
import time

import redis

PORT, VERSION = int(sys.argv[1]), int(sys.argv[2])


def connect(**options):
    return redis.Redis(port=PORT, protocol=VERSION, decode_responses=True, **options)


def strings(r):
    assert r.set("a", "1", ex=100) is True
    assert r.set("a", "2", nx=True) is None
    assert r.set("a", "2", get=True, keepttl=True) == "1"
    assert 0 < r.ttl("a") <= 100
    assert r.incr("a", 5) == 7
    assert r.incrbyfloat("f", 0.5) == 0.5
    assert r.mset({"b": "x", "c": "y"}) is True
    assert r.mget("b", "none", "c") == ["x", None, "y"]
    assert r.append("b", "yz") == 3
    assert r.getrange("b", 1, -1) == "yz"
    assert r.getdel("b") == "xyz"
    assert r.getex("c", px=5000) == "y"
    assert r.persist("c")
    try:
        r.incr("c")
    except redis.ResponseError as error:
        assert str(error) == "value is not an integer or out of range", error
    else:
        raise AssertionError("no error")


def types(r):
    assert r.rpush("l", "a", "b", "c") == 3
    assert r.lrange("l", 0, -1) == ["a", "b", "c"]
    assert r.hset("h", mapping={"f": "1", "g": "2"}) == 2
    assert r.hgetall("h") == {"f": "1", "g": "2"}
    assert r.sadd("s", "x", "y") == 2
    assert r.smembers("s") == {"x", "y"}
    assert r.zadd("z", {"one": 1, "two": 2.5}) == 2
    assert r.zscore("z", "two") == 2.5
    with_scores = r.zrange("z", 0, -1, withscores=True)
    assert [tuple(pair) for pair in with_scores] == [("one", 1.0), ("two", 2.5)], with_scores
    assert {key: r.type(key) for key in "alhsz"} == {
        "a": "string",
        "l": "list",
        "h": "hash",
        "s": "set",
        "z": "zset",
    }


def expiry(r):
    r.set("short", "x", px=20)
    r.set("long", "x", exat=int(time.time()) + 1000)
    # Until it is gone: there is no other way to see the clock move.
    while r.get("short") is not None:
        pass
    assert r.ttl("long") > 900
    assert r.expire("long", 5, gt=True) is False
    assert r.expiretime("long") > time.time()


def pipelines(r):
    with r.pipeline() as pipe:
        assert pipe.set("p", 1).incr("p").get("p").execute() == [True, 2, "2"]
    with r.pipeline(transaction=False) as pipe:
        assert pipe.get("p").get("none").execute() == ["2", None]

    def add_one(pipe):
        value = int(pipe.get("p"))
        pipe.multi()
        pipe.set("p", value + 1)

    assert r.transaction(add_one, "p") == [True]
    with r.pipeline() as pipe:
        pipe.watch("p")
        r.set("p", "other")
        pipe.multi()
        pipe.get("p")
        try:
            pipe.execute()
        except redis.WatchError:
            pass
        else:
            raise AssertionError("no WatchError")


def scans(r):
    names = {f"scan:{number}" for number in range(1000)}
    with r.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.set(name, "x")
        pipe.execute()
    assert set(r.scan_iter("scan:*", count=50)) == names
    assert len(r.keys("scan:99*")) == 11
    assert r.delete(*names) == 1000


def channels(r):
    subscriber = r.pubsub()
    subscriber.subscribe("news")
    subscriber.psubscribe("n*")
    kinds = [subscriber.get_message(timeout=10)["type"] for _ in range(2)]
    assert kinds == ["subscribe", "psubscribe"]
    assert r.publish("news", "hello") == 2
    heard = [subscriber.get_message(timeout=10) for _ in range(2)]
    assert [(it["type"], it["channel"], it["data"]) for it in heard] == [
        ("message", "news", "hello"),
        ("pmessage", "news", "hello"),
    ]
    assert r.pubsub_channels() == ["news"]
    assert r.pubsub_numsub("news") == [("news", 1)]
    subscriber.unsubscribe()
    subscriber.punsubscribe()
    assert subscriber.get_message(timeout=10)["type"] == "unsubscribe"
    assert subscriber.get_message(timeout=10)["type"] == "punsubscribe"
    assert r.publish("news", "hello") == 0
    subscriber.close()


def connections(r):
    named = connect(client_name="me")
    assert named.client_getname() == "me"
    assert any(row["name"] == "me" for row in r.client_list())
    assert r.info("server")["redis_version"]
    assert r.config_get("save") == {"save": ""}
    assert r.command_count() > 100 and "get" in r.command()
    assert r.echo("x") == "x" and r.ping() is True
    assert r.time()[0] > 1_000_000_000
    named.close()


def many_at_once(r):
    def count():
        own = connect()
        for _ in range(200):
            own.incr("count")
        own.close()

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert r.get("count") == "1600"


def main():
    r = connect()
    r.flushall()
    for part in (strings, types, expiry, pipelines, scans, channels, connections, many_at_once):
        part(r)
    assert r.dbsize() > 0
    r.flushall()
    assert r.dbsize() == 0
    print("all is well")


main()
