//! The DNS example, asked by dig, kdig, dnsperf and dnspython, and compared with nsd.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::example::{Example, wait_until};
use crate::tools::{ask, client, python, script};

/// A port of the local host that is free for UDP and for TCP: who comes again over TCP comes to the
/// same. It is not one of those that systems give to clients, so that none takes it meanwhile, and
/// each is given once.
fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let start = 10_000 + u16::try_from(std::process::id() % 20_000).unwrap();
    let is_free = |port: &u16| {
        let place = (Ipv4Addr::LOCALHOST, *port);
        UdpSocket::bind(place).is_ok() && TcpListener::bind(place).is_ok()
    };
    let mut ports = (0..1000).map(|_| start + GIVEN.fetch_add(1, Ordering::Relaxed));
    ports.find(is_free).expect("a port is free")
}

/// The example with these options, and its port for both.
fn serve(options: &str) -> (Example, u16) {
    let port = free_port();
    let addresses = format!("--tcp 127.0.0.1:{port} --udp 127.0.0.1:{port}");
    (Example::of("dns", &format!("{addresses} {options}")), port)
}

/// What a client such as dig says of these questions.
fn dig(mut client: Command, port: u16, questions: &str) -> String {
    let client = client.args(["@127.0.0.1", "-p", &port.to_string()]);
    ask(client.args(questions.split_whitespace()), b"")
}

#[track_caller]
fn assert_says(said: &str, expected: &[&str]) {
    assert!(expected.iter().all(|expected| said.contains(expected)), "{expected:?}\n{said}");
}

#[test]
fn dig_is_answered_over_udp_and_tcp() {
    let (_server, port) = serve("");
    for (question, expected) in [
        ("www.example.com", &["status: NOERROR", "qr aa rd;", "\t192.0.2.1"][..]),
        ("example.com MX +noedns", &["ANSWER: 2,", "ADDITIONAL: 2", "10 mail.example.com."]),
        ("a.b.wild.example.com TXT", &["a.b.wild.example.com.\t", "\"any name\""]),
        ("nope.example.com", &["status: NXDOMAIN", "AUTHORITY: 1,", "600\tIN\tSOA"]),
        ("b.empty.example.com", &["status: NOERROR", "ANSWER: 0,", "600\tIN\tSOA"]),
        ("x.sub.example.com AAAA", &["flags: qr rd;", "NS\tns.sub.example.com.", "2001:db8::53"]),
        ("example.com ANY", &["ANSWER: 1,"]),
        (
            "example.com SOA +bufsize=512",
            &["udp: 1232", "ns1.example.com. hostmaster.example.com."],
        ),
        ("example.com AXFR", &["Transfer failed."]),
        ("example.org", &["status: REFUSED"]),
        ("version.bind CH TXT", &["status: REFUSED"]),
        ("example.com +edns=1 +noednsneg", &["status: BADVERS"]),
        ("example.com +opcode=UPDATE", &["status: NOTIMP"]),
        ("odd.example.com TYPE65280", &["\\# 4 C0000201"]),
        ("example.com CAA +subnet=192.0.2.0/24", &["0 issue \"ca.example.net\""]),
    ] {
        for transport in ["+notcp", "+tcp"] {
            let Some(program) = client("dig", "bind9-dnsutils") else { return };
            let said = dig(program, port, &format!("{transport} {question}"));
            assert_says(&said, expected);
        }
    }
}

#[test]
fn dig_comes_again_over_tcp_for_what_is_truncated() {
    let (_server, port) = serve("");
    for (options, expected) in [
        ("+ignore", &["flags: qr aa tc rd;", "ANSWER: 0,"][..]),
        ("", &["Truncated, retrying in TCP mode", "flags: qr aa rd;", "ANSWER: 1,", "(TCP)"]),
    ] {
        let Some(program) = client("dig", "bind9-dnsutils") else { return };
        let said = dig(program, port, &format!("long.example.com TXT +notcp {options}"));
        assert_says(&said, expected);
    }
}

#[test]
fn kdig_asks_several_questions_over_a_connection_that_it_keeps() {
    let (_server, port) = serve("");
    let Some(program) = client("kdig", "knot-dnsutils") else { return };
    let questions = "+tcp +keepopen www.example.com long.example.com TXT nope.example.com";
    let said = dig(program, port, questions);
    assert_says(&said, &["\t192.0.2.1\n", "\"That is what --max-", "NXDOMAIN", "AUTHORITY: 1"]);
    assert_eq!(said.matches("(TCP) in").count(), 3, "{said}");
}

#[test]
fn options_of_edns_that_the_server_does_not_know_change_nothing() {
    let (_server, port) = serve("");
    let Some(program) = client("kdig", "knot-dnsutils") else { return };
    let options = "+nsid +cookie=0123456789abcdef +padding=128 +dnssec +subnet=192.0.2.0/24";
    let said = dig(program, port, &format!("mail.example.com AAAA +notcp {options}"));
    assert_says(&said, &["NOERROR", "qr aa rd;", "flags: do;", "size: 1232", "2001:db8::25"]);
    assert!(!["NSID", "COOKIE", "CLIENT-SUBNET"].iter().any(|told| said.contains(told)), "{said}");
}

#[test]
fn dnsperf_loses_no_answer_over_udp_and_tcp() {
    let (_server, port) = serve("");
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("clients_dns_questions");
    let names = ["www", "mail", "nope", "a.sub", "x.wild", "b.empty"];
    let lines = names.map(|name| format!("{name}.example.com A\n{name}.example.com TXT\n"));
    fs::write(&file, lines.concat()).unwrap();
    for mode in ["udp", "tcp"] {
        let Some(mut dnsperf) = client("dnsperf", "dnsperf") else { return };
        dnsperf.args(["-s", "127.0.0.1", "-p", &port.to_string(), "-m", mode, "-n", "500", "-e"]);
        let said = ask(dnsperf.args(["-c", "4", "-q", "40", "-d"]).arg(&file), b"");
        assert_says(&said, &["Queries completed:    6000 (100.00%)", "Queries lost:         0 "]);
        assert_says(&said, &["NOERROR 5000 (83.33%)", "NXDOMAIN 1000 (16.67%)"]);
    }
}

#[test]
fn dnspython_finds_every_record_that_it_reads_in_the_file() {
    let (_server, port) = serve("");
    let Some(mut python) = python() else { return };
    let zone = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/dns/example.zone");
    python.arg(script("dns_records.py")).args([zone, "example.com", &port.to_string()]);
    assert_says(&ask(&mut python, b""), &["27 sets of records, all as in the file\n"]);
}

/// An nsd that serves a zone file, alone.
struct Nsd(Child);

impl Nsd {
    fn start(mut command: Command, port: u16, zone: &str, file: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("clients_nsd");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.display();
        let text = format!(
            "server:\n server-count: 1\n ip-address: 127.0.0.1@{port}\n username: \"\"\n \
             chroot: \"\"\n zonesdir: \"{path}\"\n database: \"\"\n pidfile: \"{path}/pid\"\n \
             xfrdfile: \"{path}/xfrd\"\n xfrdir: \"{path}\"\n zonelistfile: \"{path}/zones\"\n \
             rrl-ratelimit: 0\n refuse-any: no\nremote-control:\n control-enable: no\n\
             zone:\n name: {zone}\n zonefile: \"{file}\"\n"
        );
        let config = folder.join("nsd.conf");
        fs::write(&config, text).unwrap();
        let child = command.arg("-d").arg("-c").arg(config).stderr(Stdio::null()).spawn();
        let nsd = Self(child.expect("it is installed"));
        // What comes from here on waits until it is read.
        wait_until("nsd listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        nsd
    }
}

impl Drop for Nsd {
    fn drop(&mut self) {
        // It has children, which it ends when it is told to.
        let id = i32::try_from(self.0.id()).expect("Linux's are no larger");
        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

#[test]
fn every_answer_is_as_nsd_gives_it() {
    let Some(nsd) = client("nsd", "nsd") else { return };
    let Some(mut python) = python() else { return };
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/dns.zone");
    let (_server, port) = serve(&format!("--zone {file} --max-amplification 1000"));
    let nsd_port = free_port();
    let _nsd = Nsd::start(nsd, nsd_port, "zone.test", file);
    python.arg(script("dns_compare.py")).args([file, "zone.test"]);
    let addresses = [port, nsd_port].map(|port| format!("127.0.0.1:{port}"));
    let said = ask(python.args(addresses), b"");
    let (differences, last) = said.trim_end().rsplit_once('\n').unwrap_or(("", said.trim_end()));
    assert_eq!(differences, "");
    let count: usize = last.split(' ').next().and_then(|word| word.parse().ok()).expect("a count");
    assert!(count > 1000, "{last}");
}
