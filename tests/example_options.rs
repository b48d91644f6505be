//! The examples' contract: their options, what they print, and how they end.

#![allow(clippy::duplicate_mod, reason = "each example brings what all have in common")]

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::Duration;

#[path = "../examples/echo.rs"]
#[allow(dead_code, reason = "the options are tested here, the server elsewhere")]
mod echo;
#[path = "example_options/others.rs"]
mod others;

use echo::common::{self, Addresses, Ending, Networks, Options, Rate, Stop};
use echo::{Framing, Gate, Settings};
use windlass::{AtLimit, Config};

fn address(text: &str) -> SocketAddr {
    text.parse().expect("the test's own address")
}

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

fn echo(line: &str) -> Result<Settings, Stop> {
    echo::read(&mut Options::new(words(line)))
}

#[track_caller]
fn assert_bad(line: &str, complaint: &str) {
    assert_eq!(echo(line), Err(Stop::BadUsage(complaint.to_owned())), "{line}");
}

#[test]
fn every_option_of_the_echo_server_is_understood() {
    let read = echo(
        "--tcp 127.0.0.1:0 --udp [::1]:53 --tcp=0.0.0.0:80 --framing length --at-limit evict \
         --max-connections 7 --backlog 8 --max-frame 64KiB --high-watermark=1MiB \
         --idle-timeout 30s --frame-timeout 500ms --write-timeout 2m --drain-timeout 1h \
         --busy-poll 50us --allow 10.0.0.0/8 --allow ::1 --deny 10.1.0.0/16 \
         --max-per-address 5 --rate-limit 9/m --log",
    );
    let mut config = Config {
        max_connections: Some(7),
        at_limit: AtLimit::EvictIdle,
        high_watermark: 1 << 20,
        low_watermark: 1 << 18,
        idle_timeout: Some(Duration::from_secs(30)),
        frame_timeout: Some(Duration::from_millis(500)),
        write_timeout: Some(Duration::from_secs(120)),
        drain_timeout: Duration::from_secs(3600),
        busy_poll: Duration::from_micros(50),
        ..Config::default()
    };
    config.socket.backlog = 8;
    let addresses = Addresses {
        tcp: vec![address("127.0.0.1:0"), address("0.0.0.0:80")],
        udp: vec![address("[::1]:53")],
    };
    let cidr = |text: &str| text.parse().unwrap();
    let allowed = vec![cidr("10.0.0.0/8"), cidr("::1/128")];
    let gate = Gate {
        networks: Networks { allowed, denied: vec![cidr("10.1.0.0/16")] },
        max_per_address: Some(5),
        rate_limit: Some(Rate { count: 9, period: Duration::from_secs(60) }),
        has_log: true,
    };
    let expected =
        Settings { addresses, framing: Framing::Length, max_frame: Some(65_536), config, gate };
    assert_eq!(read, Ok(expected));
    assert_eq!(echo("").unwrap().gate, Gate::default());
}

#[test]
fn rates_are_so_many_per_time() {
    for (text, count, millis) in
        [("1/s", 1, 1_000), ("4294967295/m", u32::MAX, 60_000), ("5/h", 5, 3_600_000)]
    {
        let rate = Rate { count, period: Duration::from_millis(millis) };
        let read = echo(&format!("--rate-limit {text}")).unwrap().gate.rate_limit;
        assert_eq!(read, Some(rate), "{text}");
    }
    for bad in ["", "10", "/s", "0/s", "10/", "10/2s", "10/sec", "1KiB/s", "-1/s", "4294967296/s"] {
        let complaint = "it takes a rate above zero, such as 100/s, 30/m or 5/h";
        assert_bad(&format!("--rate-limit={bad}"), &format!("--rate-limit {bad}: {complaint}"));
    }
}

#[test]
fn a_network_that_is_none_is_complained_of_as_the_layer_does() {
    for option in ["--allow", "--deny"] {
        let what = "10.1.2.3/16 has bits set beyond the first 16: write 10.1.0.0/16";
        assert_bad(&format!("{option} 10.1.2.3/16"), &format!("{option} {what}"));
        let what = "\"here\": \"here\" is no IPv4 or IPv6 address";
        assert_bad(&format!("{option} here"), &format!("{option} {what}"));
        let takes = "a network, such as 10.0.0.0/8 or 2001:db8::/32, or an address";
        assert_bad(option, &format!("{option} has no value: it takes {takes}"));
    }
}

#[test]
fn without_an_address_both_protocols_have_the_usual_one() {
    let usual = vec![address("127.0.0.1:7000")];
    assert_eq!(echo("").unwrap().addresses, Addresses { tcp: usual.clone(), udp: usual });
    let only_udp = Addresses { tcp: vec![], udp: vec![address("127.0.0.1:9")] };
    assert_eq!(echo("--udp 127.0.0.1:9").unwrap().addresses, only_udp);
}

#[test]
fn sizes_are_bytes_or_have_a_unit() {
    for (text, bytes) in [
        ("1", 1),
        ("65536", 65_536),
        ("1KiB", 1_024),
        ("3MiB", 3 << 20),
        ("1GiB", 1 << 30),
        ("2147483647", (1 << 31) - 1),
    ] {
        assert_eq!(echo(&format!("--max-frame {text}")).unwrap().max_frame, Some(bytes), "{text}");
    }
    let unlike_a_size = ["", "KiB", "64KB", "64kib", "1.5MiB", "-1", "+1", "64KiBs"];
    let beyond_the_codecs = ["0", "0KiB", "2147483648", "2GiB"];
    let beyond_all = ["18446744073709551616", "18446744073709551615GiB"];
    for bad in unlike_a_size.iter().chain(&beyond_the_codecs).chain(&beyond_all) {
        let complaint = "it takes 1 to 2147483647 bytes, such as 65536, 64KiB or 1MiB";
        assert_bad(&format!("--max-frame={bad}"), &format!("--max-frame {bad}: {complaint}"));
    }
}

#[test]
fn durations_have_a_unit_and_are_not_zero() {
    for (text, millis) in
        [("2000us", 2), ("1ms", 1), ("90s", 90_000), ("2m", 120_000), ("1h", 3_600_000)]
    {
        let read = echo(&format!("--idle-timeout {text}")).unwrap().config.idle_timeout;
        assert_eq!(read, Some(Duration::from_millis(millis)), "{text}");
    }
    let too_long = ["99999999999999999999s", "18446744073709551615h"];
    for bad in ["", "30", "s", "30sec", "1.5s", "-1s", "0", "0s", "0ms"].iter().chain(&too_long) {
        let complaint = "it takes a duration above zero, such as 500ms, 30s, 2m or 1h";
        assert_bad(&format!("--idle-timeout={bad}"), &format!("--idle-timeout {bad}: {complaint}"));
    }
    for option in ["--frame-timeout", "--write-timeout", "--drain-timeout"] {
        assert!(echo(&format!("{option} 0s")).is_err(), "{option}");
    }
}

#[test]
fn numbers_keep_within_their_limits() {
    for bad in ["0", "16777216", "ten", "-1", "99999999999999999999"] {
        let complaint = "it takes a number from 1 to 16777215";
        assert_bad(
            &format!("--max-connections {bad}"),
            &format!("--max-connections {bad}: {complaint}"),
        );
    }
    assert_eq!(
        echo("--max-connections 16777215").unwrap().config.max_connections,
        Some(16_777_215)
    );
}

#[test]
fn what_is_wrong_is_said_in_one_line_that_names_it() {
    let takes = "an address and a port, such as 127.0.0.1:7000 or [::1]:0";
    assert_bad("--tcp localhost:7000", &format!("--tcp localhost:7000: it takes {takes}"));
    assert_bad("--udp 127.0.0.1", &format!("--udp 127.0.0.1: it takes {takes}"));
    assert_bad("--tcp", &format!("--tcp has no value: it takes {takes}"));
    assert_bad("--framing json", "--framing json: it takes raw or lines or length");
    assert_bad("--port 7000", "there is no option --port");
    assert_bad("-p 7000", "there is no option -p");
    assert_bad("7000", "7000 belongs to no option");
    let mut odd = Options::new([OsString::from("--tcp"), OsString::from("a\nb\u{1b}[2J")]);
    let complaint = format!("--tcp a\\nb\\u{{1b}}[2J: it takes {takes}");
    assert_eq!(echo::read(&mut odd), Err(Stop::BadUsage(complaint)));
}

#[test]
fn help_comes_before_everything_after_it() {
    assert_eq!(echo("--help --nonsense"), Err(Stop::Help));
    assert_eq!(echo("--framing raw -h"), Err(Stop::Help));
}

#[test]
fn the_exit_code_tells_how_it_ended() {
    let code = |line: &str, ending: Result<Ending, &str>| {
        common::run_with(words(line), "Help.", echo::read, |_| ending)
    };
    assert_eq!(code("", Ok(Ending::Finished)), 0);
    assert_eq!(code("--help", Ok(Ending::Cut)), 0);
    assert_eq!(code("", Err("the address is in use")), 1);
    assert_eq!(code("--nonsense", Ok(Ending::Finished)), 2);
    assert_eq!(code("", Ok(Ending::Cut)), 3);
}

/// A program that begins and ends as the examples do: it logs so many lines, listens, logs the
/// lines of its standard input, and fails. It listens when this returns.
///
/// It is the test of that name once more, in a process of its own, in which this does not return.
fn logging_program(test: &str, lines: usize, rust_log: &str, stderr: impl Into<Stdio>) -> Child {
    const LINES: &str = "WINDLASS_TEST_LINES";
    if let Ok(lines) = std::env::var(LINES) {
        log_and_exit(lines.parse().expect("the test's own number"));
    }
    let mut child = Command::new(std::env::current_exe().expect("a test knows where it is"))
        .args(["--exact", test, "--nocapture"])
        .env(LINES, lines.to_string())
        .env("RUST_LOG", rust_log)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .expect("the test can be started again");
    let stdout = BufReader::new(child.stdout.as_mut().expect("it is piped"));
    let mut lines = stdout.lines().map_while(Result::ok);
    let is_listening = lines.any(|line| line.ends_with("listening tcp 127.0.0.1:7000"));
    assert!(is_listening, "it ended before it listened: {:?}", child.wait());
    child
}

fn log_and_exit(lines: usize) -> ! {
    // A log that waits is to fail the test, and not to hang it.
    thread::spawn(|| {
        thread::sleep(Duration::from_secs(60));
        process::exit(99);
    });
    let serve = |()| {
        for number in 0..lines {
            log::info!("line {number}");
        }
        common::print_listening("tcp", address("127.0.0.1:7000"));
        for line in io::stdin().lines().map_while(Result::ok) {
            log::info!("{line}");
        }
        Err("the server failed")
    };
    process::exit(common::run_with([], "", |_| Ok(()), serve).into());
}

#[test]
fn nobody_reading_standard_error_ends_no_server() {
    for rust_log in ["info", "this=makes=no=sense"] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let test = "nobody_reading_standard_error_ends_no_server";
        let mut program = logging_program(test, 10_000, rust_log, writer);
        drop(program.stdin.take());
        assert_eq!(program.wait().unwrap().code(), Some(1), "RUST_LOG={rust_log}");
    }
}

#[test]
fn a_log_that_nobody_reads_drops_lines_and_counts_them() {
    let test = "a_log_that_nobody_reads_drops_lines_and_counts_them";
    for (input, logged) in [("one more\n", "[INFO  example_options] one more\n"), ("", "")] {
        let mut program = logging_program(test, 100_000, "info", Stdio::piped());
        // It listens, though nothing was read, and a pipe holds less. Now there is room again.
        let mut log = vec![0; 16_384];
        let mut stderr = program.stderr.take().unwrap();
        stderr.read_exact(&mut log).unwrap();
        program.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        stderr.read_to_end(&mut log).unwrap();
        assert_eq!(program.wait().unwrap().code(), Some(1));
        let log = String::from_utf8(log).unwrap();
        let mut lines = log.split_inclusive('\n').peekable();
        let mut kept = 0;
        while lines.next_if(|line| line.ends_with(&format!("] line {kept}\n"))).is_some() {
            kept += 1;
        }
        let dropped = 100_000 - kept;
        let note = format!("[{dropped} lines of the log were dropped]\n");
        assert!(kept > 0, "{log}");
        assert_eq!(lines.collect::<String>(), note + logged + "error: the server failed\n");
    }
}

#[test]
fn a_line_longer_than_a_pipe_takes_at_once_is_cut() {
    let test = "a_line_longer_than_a_pipe_takes_at_once_is_cut";
    let mut program = logging_program(test, 0, "info", Stdio::piped());
    let line = "x".repeat(10_000) + "\n";
    program.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
    let mut log = String::new();
    program.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert_eq!(program.wait().unwrap().code(), Some(1));
    let lens: Vec<usize> = log.split_inclusive('\n').map(str::len).collect();
    assert_eq!(lens, [4096, "error: the server failed\n".len()], "{log}");
}
