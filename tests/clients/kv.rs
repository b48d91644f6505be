//! The example `kv`, as the clients of Redis see it, and beside Redis itself.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use crate::example::Example;
use crate::tools::{ask, client, python, script};

/// What `redis-cli` prints when it is given these lines.
fn cli(port: u16, options: &[&str], lines: &str) -> Option<String> {
    let mut cli = client("redis-cli", "redis-tools")?;
    cli.args(["-p", &port.to_string()]).args(options);
    Some(ask(&mut cli, lines.as_bytes()))
}

fn kv(options: &str) -> Example {
    Example::of("kv", &format!("--tcp 127.0.0.1:0 {options}"))
}

#[test]
fn redis_cli_sets_gets_and_lists() {
    let server = kv("");
    let port = server.address("tcp").port();
    let lines = "SET greeting \"hello world\" EX 100\nGET greeting\nTTL greeting\nRPUSH l a b c\n\
                 LRANGE l 0 -1\nHSET h f 1 g 2\nHGETALL h\nINCR n\nNOSUCH x\n";
    let Some(said) = cli(port, &[], lines) else { return };
    let expected = "OK\nhello world\n100\n3\na\nb\nc\n2\nf\n1\ng\n2\n1\n\
                    ERR unknown command 'NOSUCH', with args beginning with: 'x' \n\n";
    assert_eq!(said, expected);
    let third = cli(port, &["-3", "--json", "HGETALL", "h"], "");
    assert_eq!(third.as_deref().map(str::trim), Some(r#"{"f":"1","g":"2"}"#));
    let scanned = cli(port, &["--scan", "--pattern", "g*"], "");
    assert_eq!(scanned.as_deref(), Some("greeting\n"));
    let keys = cli(port, &["--bigkeys"], "").expect("it is there");
    assert!(keys.contains("Sampled 4 keys in the keyspace!"), "{keys}");
}

#[test]
fn redis_cli_is_let_in_with_the_password() {
    let server = kv("--password sesame");
    let port = server.address("tcp").port();
    let Some(said) = cli(port, &[], "GET a\n") else { return };
    assert_eq!(said, "NOAUTH Authentication required.\n\n");
    let said = cli(port, &["--no-auth-warning", "-a", "sesame", "-3", "PING"], "");
    assert_eq!(said.as_deref(), Some("PONG\n"));
}

#[test]
fn redis_benchmark_runs_all_its_usual_tests() {
    let Some(mut benchmark) = client("redis-benchmark", "redis-tools") else { return };
    let server = kv("");
    let port = server.address("tcp").port().to_string();
    benchmark.args(["-p", &port, "-q", "-n", "2000", "-c", "20", "-P", "16", "--csv"]);
    let said = ask(&mut benchmark, b"");
    let names: Vec<&str> = said.lines().skip(1).filter_map(|line| line.split('"').nth(1)).collect();
    assert_eq!(names.len(), 20, "{said}");
    for name in ["PING_INLINE", "SET", "LRANGE_600 (first 600 elements)", "MSET (10 keys)"] {
        assert!(names.contains(&name), "{name}: {said}");
    }
    assert!(!said.to_lowercase().contains("error"), "{said}");
}

#[test]
fn redis_py_works_unchanged_in_both_versions() {
    for version in ["2", "3"] {
        let Some(mut python) = python() else { return };
        let server = kv("");
        let port = server.address("tcp").port().to_string();
        let said = ask(python.arg(script("kv.py")).args([&port, version]), b"");
        assert_eq!(said, "all is well\n");
    }
}

/// A Redis server of its own, which ends with it.
struct Redis(Child, u16);

impl Redis {
    fn start() -> Option<Self> {
        let mut redis: Command = client("redis-server", "redis-server")?;
        // A port that was free a moment ago.
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        redis.args(["--port", &port.to_string(), "--save", "", "--appendonly", "no"]);
        let mut child = redis.stdout(Stdio::piped()).spawn().expect("it is installed");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut lines = stdout.lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("Ready to accept connections")), "it did not start");
        Some(Self(child, port))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // `timeout`, which it was started by, hands the signal on.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

#[test]
fn the_answers_are_those_of_redis_byte_by_byte() {
    let Some(redis) = Redis::start() else { return };
    let Some(mut python) = client("python3", "python3") else { return };
    let server = kv("--max-value 512MiB --max-request 1GiB");
    let ports = [server.address("tcp").port().to_string(), redis.1.to_string()];
    python.arg(script("kv_same.py")).args(ports).arg(script("kv_types.txt"));
    let said = ask(&mut python, b"");
    assert!(said.ends_with(" 0 differences\n"), "{said}");
}

#[test]
fn commands_by_chance_are_answered_as_redis_answers_them() {
    for (seed, version) in [("1", "2"), ("2", "3")] {
        let Some(redis) = Redis::start() else { return };
        let Some(mut python) = client("python3", "python3") else { return };
        let server = kv("");
        let ports = [server.address("tcp").port().to_string(), redis.1.to_string()];
        python.arg(script("kv_random.py")).args(ports).args([seed, "10000", version]);
        let said = ask(&mut python, b"");
        assert!(said.ends_with(" 0 differences\n"), "{said}");
    }
}
