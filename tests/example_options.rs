//! The examples' contract: their options, what they print, and how they end.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[path = "../examples/common/mod.rs"]
mod common;

use common::{Addresses, Ending, LogQueue, Options, Stop};

/// All that `examples/echo.rs` is to understand.
#[derive(PartialEq, Debug, Default)]
struct Echo {
    addresses: Addresses,
    framing: char,
    at_limit: char,
    max_connections: usize,
    backlog: u32,
    max_frame: usize,
    high_watermark: usize,
    timeouts: [Duration; 4],
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("the test's own address")
}

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

fn read_echo(options: &mut Options) -> Result<Echo, Stop> {
    let mut echo = Echo::default();
    while let Some(option) = options.next()? {
        match option.as_str() {
            "--framing" => {
                let choices = [("raw", 'r'), ("lines", 'l'), ("length", 'n')];
                echo.framing = options.choice(&choices)?;
            }
            "--at-limit" => {
                let choices = [("wait", 'w'), ("refuse", 'r'), ("evict", 'e')];
                echo.at_limit = options.choice(&choices)?;
            }
            "--max-connections" => echo.max_connections = options.number(1..=16_777_215)?,
            "--backlog" => echo.backlog = options.number(1..=u32::MAX)?,
            "--max-frame" => echo.max_frame = options.size()?,
            "--high-watermark" => echo.high_watermark = options.size()?,
            "--idle-timeout" => echo.timeouts[0] = options.duration()?,
            "--frame-timeout" => echo.timeouts[1] = options.duration()?,
            "--write-timeout" => echo.timeouts[2] = options.duration()?,
            "--drain-timeout" => echo.timeouts[3] = options.duration()?,
            other => {
                if !echo.addresses.read(other, options)? {
                    return Err(options.unknown());
                }
            }
        }
    }
    echo.addresses = echo.addresses.or_both_on(address("127.0.0.1:7000"));
    Ok(echo)
}

fn echo(line: &str) -> Result<Echo, Stop> {
    read_echo(&mut Options::new(words(line)))
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
         --idle-timeout 30s --frame-timeout 500ms --write-timeout 2m --drain-timeout 1h",
    );
    let expected = Echo {
        addresses: Addresses {
            tcp: vec![address("127.0.0.1:0"), address("0.0.0.0:80")],
            udp: vec![address("[::1]:53")],
        },
        framing: 'n',
        at_limit: 'e',
        max_connections: 7,
        backlog: 8,
        max_frame: 65_536,
        high_watermark: 1_048_576,
        timeouts: [30_000, 500, 120_000, 3_600_000].map(Duration::from_millis),
    };
    assert_eq!(read, Ok(expected));
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
    let largest = usize::MAX.to_string();
    for (text, bytes) in [
        ("0", 0),
        ("65536", 65_536),
        ("1KiB", 1_024),
        ("3MiB", 3 << 20),
        ("2GiB", 2 << 30),
        (&largest, usize::MAX),
    ] {
        assert_eq!(echo(&format!("--max-frame {text}")).unwrap().max_frame, bytes, "{text}");
    }
    for bad in ["", "KiB", "64KB", "64kib", "1.5MiB", "-1", "+1", "64KiBs", "18446744073709551616"]
    {
        let complaint = "it takes a size, such as 65536 (bytes), 64KiB, 1MiB or 2GiB";
        assert_bad(&format!("--max-frame={bad}"), &format!("--max-frame {bad}: {complaint}"));
    }
    assert!(echo("--max-frame 18446744073709551615GiB").is_err(), "more than can be counted");
}

#[test]
fn durations_always_have_a_unit() {
    for (text, millis) in
        [("0s", 0), ("1ms", 1), ("90s", 90_000), ("2m", 120_000), ("1h", 3_600_000)]
    {
        let read = echo(&format!("--idle-timeout {text}")).unwrap().timeouts[0];
        assert_eq!(read, Duration::from_millis(millis), "{text}");
    }
    for bad in ["", "30", "s", "30sec", "1.5s", "-1s", "99999999999999999999s"] {
        let complaint = "it takes a duration, such as 500ms, 30s, 2m or 1h";
        assert_bad(&format!("--idle-timeout={bad}"), &format!("--idle-timeout {bad}: {complaint}"));
    }
    assert!(echo("--idle-timeout 18446744073709551615h").is_err(), "longer than can be counted");
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
    assert_eq!(echo("--max-connections 16777215").unwrap().max_connections, 16_777_215);
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
    assert_eq!(read_echo(&mut odd), Err(Stop::BadUsage(complaint)));
}

#[test]
fn help_comes_before_everything_after_it() {
    assert_eq!(echo("--help --nonsense"), Err(Stop::Help));
    assert_eq!(echo("--framing raw -h"), Err(Stop::Help));
}

#[test]
fn the_exit_code_tells_how_it_ended() {
    let code = |line: &str, ending: Result<Ending, &str>| {
        common::run_with(words(line), "Help.", read_echo, |_| ending)
    };
    assert_eq!(code("", Ok(Ending::Finished)), 0);
    assert_eq!(code("--help", Ok(Ending::Cut)), 0);
    assert_eq!(code("", Err("the address is in use")), 1);
    assert_eq!(code("--nonsense", Ok(Ending::Finished)), 2);
    assert_eq!(code("", Ok(Ending::Cut)), 3);
}

#[test]
fn a_listener_is_announced_by_protocol_and_address() {
    let mut output = Vec::new();
    common::write_listening(&mut output, "tcp", address("127.0.0.1:7000")).unwrap();
    common::write_listening(&mut output, "udp", address("[::1]:53")).unwrap();
    assert_eq!(output, b"listening tcp 127.0.0.1:7000\nlistening udp [::1]:53\n");
}

/// An output that says when a write has begun, and does not end it before it is allowed to.
struct Slow {
    has_begun: Sender<()>,
    may_end: Receiver<()>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.has_begun.send(());
        let _ = self.may_end.recv();
        self.written.lock().expect("no test has failed").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_log_that_nobody_reads_drops_lines_and_counts_them() {
    let (has_begun, begun) = mpsc::channel();
    let (allow, may_end) = mpsc::channel();
    let written = Arc::new(Mutex::new(Vec::new()));
    let slow = Slow { has_begun, may_end, written: Arc::clone(&written) };
    let mut log = LogQueue::new(slow, 2).unwrap();
    log.write_all(b"1\n").unwrap();
    begun.recv().unwrap();
    // One line is being written, two wait, and for the others there is no room.
    for line in 2..=9 {
        log.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
    // From here on the output is fast.
    drop(allow);
    log.finish("the end\n");
    // Until the log's thread has ended.
    while begun.recv().is_ok() {}
    let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
    assert_eq!(written, "1\n2\n3\n[6 lines of the log were dropped]\nthe end\n");
}

#[test]
fn nobody_reading_standard_error_ends_no_server() {
    const CHILD: &str = "WINDLASS_TEST_CHILD";
    let name = "nobody_reading_standard_error_ends_no_server";
    if std::env::var_os(CHILD).is_some() {
        // The child: its standard error, and its standard output as far as it is its own, are gone.
        let serve = |()| {
            for line in 0..10_000 {
                log::info!("line {line}");
            }
            common::print_listening("tcp", address("127.0.0.1:7000"));
            Err("the server failed")
        };
        let code = common::run_with([], "", |_| Ok(()), serve);
        std::process::exit(i32::from(code) + 40);
    }
    for rust_log in ["info", "this=makes=no=sense"] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", name, "--nocapture"]).env(CHILD, "1").env("RUST_LOG", rust_log);
        let output = child.stderr(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(41), "RUST_LOG={rust_log}: {output:?}");
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(stdout.contains("listening tcp 127.0.0.1:7000\n"), "{stdout}");
    }
}

/// An output that is broken for one write, and says what it was given afterwards.
struct OnceBroken(Option<io::Error>, Sender<Vec<u8>>);

impl Write for OnceBroken {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(error) = self.0.take() {
            return Err(error);
        }
        let _ = self.1.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_that_cannot_be_written_is_lost_alone() {
    let (sender, written) = mpsc::channel();
    let broken = OnceBroken(Some(io::ErrorKind::BrokenPipe.into()), sender);
    let mut log = LogQueue::new(broken, 8).unwrap();
    log.write_all(b"1\n").unwrap();
    log.write_all(b"2\n").unwrap();
    log.finish("the end\n");
    let written: Vec<Vec<u8>> = written.iter().collect();
    assert_eq!(written, [&b"2\n"[..], b"the end\n"]);
}
