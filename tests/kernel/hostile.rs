//! A hostile crowd on nine tenths of the slots: whoever is honest is served all the same, and the
//! memory stays within its bound.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};
use std::{fs, iter};

use nix::sys::signal::Signal;
use socket2::SockRef;

use crate::client::{Client, End};
use crate::example::{Example, wait_until};
use crate::form;
use crate::random::Random;

const MAX_FRAME: usize = 65_536;
/// What one connection may make the server hold: a frame that is not complete, and answers that are
/// not taken, up to the high watermark and one more, in buffers that grow by doubling.
const MAX_HELD: u64 = 2 * 65_536 + 2 * (65_536 + 65_536);
/// What an allocator keeps besides, and what is there once.
const SLACK: u64 = 16 << 20;

/// Whoever does harm, and with what.
#[derive(Clone)]
struct Attacker {
    server: SocketAddr,
    random: Random,
    is_over: Arc<AtomicBool>,
    attacks: Arc<AtomicUsize>,
}

const ATTACKS: [fn(&mut Attacker, TcpStream); 6] = [
    Attacker::dribble,
    Attacker::never_read,
    Attacker::send_half_a_frame,
    Attacker::send_garbage,
    Attacker::reset,
    Attacker::announce_too_much,
];

impl Attacker {
    fn attack(&mut self, way: usize) {
        while !self.is_over() {
            if let Ok(stream) = TcpStream::connect(self.server) {
                ATTACKS[way % ATTACKS.len()](self, stream);
                self.attacks.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Datagrams without end, which are echoed to who does not want them.
    fn flood(&self, to: SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        while !self.is_over() {
            // It may be that the kernel has no room.
            let _ = socket.send_to(&[b'x'; 1_000], to);
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// A frame that comes byte by byte.
    fn dribble(&mut self, mut stream: TcpStream) {
        let frame = [0, 0, 0xff, 0].into_iter().chain(iter::repeat(b'x'));
        for byte in frame {
            if self.is_over() || stream.write_all(&[byte]).is_err() {
                break;
            }
            sleep(Duration::from_millis(10));
        }
    }

    /// Frame after frame, and no answer is taken.
    fn never_read(&mut self, mut stream: TcpStream) {
        let mut frame = vec![b'x'; 16_384];
        frame[..4].copy_from_slice(&(16_384_u32 - 4).to_be_bytes());
        SockRef::from(&stream).set_recv_buffer_size(4_096).expect("it is raised to the least");
        stream.set_write_timeout(Some(Duration::from_millis(50))).expect("it is not zero");
        // Broken, once a write has timed out; the server knows only that it is not read.
        while !self.is_over() && stream.write_all(&frame).is_ok() {}
        while !self.is_over() && stream.take_error().is_ok_and(|error| error.is_none()) {
            sleep(Duration::from_millis(10));
        }
    }

    fn send_half_a_frame(&mut self, stream: TcpStream) {
        let frame = [&[0, 0, 0xff, 0][..], &[b'x'; 10_000]].concat();
        self.send_and_wait(stream, &frame);
    }

    fn send_garbage(&mut self, stream: TcpStream) {
        let len = 1 + self.random.below(2_000);
        let garbage = self.random.bytes(len);
        self.send_and_wait(stream, &garbage);
    }

    fn announce_too_much(&mut self, stream: TcpStream) {
        self.send_and_wait(stream, &[0xff; 4]);
    }

    fn reset(&mut self, stream: TcpStream) {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket can be told");
        drop(stream);
        sleep(Duration::from_millis(1));
    }

    /// Sends, and stays for as long as it may.
    fn send_and_wait(&self, mut stream: TcpStream, bytes: &[u8]) {
        stream.set_read_timeout(Some(Duration::from_millis(10))).expect("it is not zero");
        if stream.write_all(bytes).is_ok() {
            let may_stay = |read: std::io::Result<usize>| match read {
                Ok(len) => len > 0,
                Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
            };
            while !self.is_over() && may_stay(stream.read(&mut [0; 1_000])) {}
        }
    }
}

/// Conversations in good order, each of which must come to its end.
fn converse(server: SocketAddr, who: usize, count: usize) {
    let mut random = Random::new(who as u64);
    for _ in 0..count {
        let mut client = Client::to(server);
        for _ in 0..5 {
            let payload_len = random.below_one_of(&[10, 1_000, 60_000]);
            let mut frame = u32::try_from(payload_len).expect("small").to_be_bytes().to_vec();
            frame.extend(random.bytes(payload_len));
            client.send(&frame);
            client.expect(&frame);
        }
        client.finish();
        assert!(client.rest().is_empty());
        assert_eq!(client.end(), Some(End::Finished));
    }
}

/// What a process has, or had at most, in bytes.
fn memory(server: &Example, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap() * 1024
}

#[test]
fn the_honest_are_served_in_a_hostile_crowd() {
    let slots = form::amount(100, 1_000);
    let (hostile, conversations) = (slots * 9 / 10, form::amount(5, 200));
    let honest = (slots - hostile).min(20);
    let limits =
        "--frame-timeout 10s --write-timeout 10s --idle-timeout 30s --high-watermark 64KiB";
    let mut server = Example::echo(&format!(
        "--tcp 127.0.0.1:0 --udp 127.0.0.1:0 --framing length --max-frame {MAX_FRAME} \
         --max-connections {slots} {limits}"
    ));
    let promised = form::most(&mut server, "bytes") as u64;
    let (base, before) = (server.descriptors(), memory(&server, "VmRSS:"));
    let address = server.address("tcp");
    let (is_over, attacks) = Default::default();
    let one = Attacker { server: address, random: Random::new(0), is_over, attacks };
    let begin = Instant::now();
    thread::scope(|scope| {
        for way in 0..hostile {
            let mut attacker = Attacker { random: Random::new(way as u64), ..one.clone() };
            scope.spawn(move || attacker.attack(way));
        }
        let (flooder, to) = (one.clone(), server.address("udp"));
        scope.spawn(move || flooder.flood(to));
        let over = Over(&one.is_over);
        wait_until("the crowd has come", || server.descriptors() > base + hostile / 2);
        let served: Vec<_> = (0..honest)
            .map(|who| scope.spawn(move || converse(address, who, conversations)))
            .collect();
        served.into_iter().for_each(|honest| honest.join().expect("all are served"));
        drop(over);
    });
    let most = memory(&server, "VmHWM:");
    let expected = promised.min(slots as u64 * MAX_HELD + SLACK);
    assert!(most <= before + expected, "{most} bytes of memory, {before} before");
    wait_until("all are gone", || server.descriptors() == base);
    form::say(format_args!(
        "hostile: {} conversations beside {} attacks by {hostile} in {:.1?}, {most} bytes of \
         memory at most, {promised} promised",
        honest * conversations,
        one.attacks.load(Ordering::Relaxed),
        begin.elapsed()
    ));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
}

/// Ends the attacks, also when a test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
