//! What only the system's network promises: how it treats the process it is in.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, fs, process, thread};

use signal_hook::consts::{SIGINT, SIGPIPE, SIGTERM};
use signal_hook::low_level::raise;
use socket2::{Domain, SockRef, Socket, Type};
use windlass::SocketOptions;
use windlass::network::{ConnectError, Network, OsNetwork, Outgoing, Progress, Readiness, Token};

const LISTENER: Token = Token::endpoint(0);
const CONNECTION: Token = Token::connection(0, 0, 0);

/// Runs a scenario in a process of its own, the test of this name, and says how that ended.
fn in_child(test: &str, scenario: impl FnOnce()) -> ExitStatus {
    const MARK: &str = "WINDLASS_TEST_CHILD";
    if env::var_os(MARK).is_some() {
        scenario();
        process::exit(0);
    }
    Command::new(env::current_exe().unwrap())
        .args(["--exact", test])
        .env(MARK, "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
}

#[track_caller]
fn assert_killed_by(signal: i32, status: ExitStatus) {
    assert_eq!(status.signal(), Some(signal), "{status}");
}

fn watching(signals: &[i32]) -> OsNetwork {
    let mut network = OsNetwork::new().unwrap();
    network.watch_signals(signals).unwrap();
    network
}

#[track_caller]
fn raise_and_take(network: &mut OsNetwork, signal: i32) {
    raise(signal).unwrap();
    assert_eq!(network.take_signals(), 1);
}

#[test]
fn a_third_signal_ends_the_process() {
    let status = in_child("a_third_signal_ends_the_process", || {
        let mut network = watching(&[SIGINT, SIGTERM]);
        raise_and_take(&mut network, SIGINT);
        raise_and_take(&mut network, SIGTERM);
        raise(SIGTERM).unwrap();
    });
    assert_killed_by(SIGTERM, status);
}

#[test]
fn two_signals_do_not_end_the_process() {
    let status = in_child("two_signals_do_not_end_the_process", || {
        let mut network = watching(&[SIGTERM]);
        raise_and_take(&mut network, SIGTERM);
        raise_and_take(&mut network, SIGTERM);
        assert_eq!(network.take_signals(), 0);
    });
    assert!(status.success(), "{status}");
}

#[test]
fn a_signal_after_the_network_ends_the_process() {
    let status = in_child("a_signal_after_the_network_ends_the_process", || {
        drop(watching(&[SIGTERM]));
        raise(SIGTERM).unwrap();
    });
    assert_killed_by(SIGTERM, status);
}

#[test]
fn a_later_network_gets_two_signals_as_well() {
    let status = in_child("a_later_network_gets_two_signals_as_well", || {
        for _ in 0..3 {
            let mut network = watching(&[SIGTERM, SIGINT, SIGTERM]);
            raise_and_take(&mut network, SIGTERM);
            raise_and_take(&mut network, SIGINT);
        }
        raise(SIGINT).unwrap();
    });
    assert_killed_by(SIGINT, status);
}

#[test]
fn a_network_that_ends_leaves_the_signals_of_another_alone() {
    let test = "a_network_that_ends_leaves_the_signals_of_another_alone";
    let status = in_child(test, || {
        let mut staying = watching(&[SIGTERM]);
        let leaving = watching(&[SIGTERM]);
        drop(leaving);
        raise_and_take(&mut staying, SIGTERM);
    });
    assert!(status.success(), "{status}");
}

#[test]
fn what_cannot_be_caught_cannot_be_watched() {
    const SIGKILL: i32 = 9;
    let mut network = OsNetwork::new().unwrap();
    for signal in [SIGKILL, -1, 0, 31 + 1, i32::MAX] {
        let error = network.watch_signals(&[signal]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

/// A listener, and a peer that it has accepted and that is in the hand.
fn accepted(network: &mut OsNetwork) -> TcpStream {
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let address = network.listen(LISTENER, anywhere, &SocketOptions::default()).unwrap();
    let peer = TcpStream::connect(address).unwrap();
    let mut events = Vec::new();
    network.poll(&mut events, None).unwrap();
    let accepted = network.accept(LISTENER).unwrap();
    assert_eq!(accepted, Progress::Done(peer.local_addr().unwrap()));
    peer
}

/// Waits for one event of the connection.
fn wait(network: &mut OsNetwork) {
    let mut events = Vec::new();
    network.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
    assert_eq!(events[0].token, CONNECTION);
}

#[test]
fn a_write_to_a_broken_connection_raises_no_signal() {
    let status = in_child("a_write_to_a_broken_connection_raises_no_signal", || {
        let mut network = watching(&[SIGPIPE]);
        let peer = accepted(&mut network);
        network.adopt(CONNECTION).unwrap();
        wait(&mut network);
        SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        wait(&mut network);
        for _ in 0..3 {
            network.write(CONNECTION, b"one").progress().unwrap_err();
            network.write_vectored(CONNECTION, &[IoSlice::new(b"parts")]).progress().unwrap_err();
        }
        assert_eq!(network.take_signals(), 0);
    });
    assert!(status.success(), "{status}");
}

#[test]
fn a_refused_peer_that_has_sent_something_gets_the_farewell_too() {
    let mut network = OsNetwork::new().unwrap();
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let address = network.listen(LISTENER, anywhere, &SocketOptions::default()).unwrap();
    let mut peer = TcpStream::connect(address).unwrap();
    peer.write_all(&[b'x'; 20_000]).unwrap();
    let mut events = Vec::new();
    network.poll(&mut events, None).unwrap();
    assert!(matches!(network.accept(LISTENER), Ok(Progress::Done(_))));
    network.refuse(b"no room");
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "no room");
    assert!(peer.take_error().unwrap().is_none(), "it was reset as well");
}

#[test]
fn a_name_in_use_is_not_given_again() {
    let mut network = OsNetwork::new().unwrap();
    let _peer = accepted(&mut network);
    network.adopt(CONNECTION).unwrap();
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let again = network.listen(LISTENER, anywhere, &SocketOptions::default());
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
    let again = network.bind(LISTENER, anywhere, &SocketOptions::default());
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
    for token in [CONNECTION, Token::SIGNALS] {
        let unfit = network.listen(token, anywhere, &SocketOptions::default());
        assert_eq!(unfit.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn a_slot_in_use_is_not_given_again() {
    let mut network = OsNetwork::new().unwrap();
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let address = network.listen(LISTENER, anywhere, &SocketOptions::default()).unwrap();
    let peers = [(); 2].map(|()| TcpStream::connect(address).unwrap());
    let mut events = Vec::new();
    network.poll(&mut events, None).unwrap();
    let next = Token::connection(0, 0, 1);
    for (token, kind) in [(CONNECTION, None), (next, Some(ErrorKind::AlreadyExists))] {
        assert!(matches!(network.accept(LISTENER), Ok(Progress::Done(_))));
        assert_eq!(network.adopt(token).err().map(|error| error.kind()), kind);
    }
    let [mut first, mut second] = peers;
    assert_eq!(second.read(&mut [0]).unwrap(), 0, "whoever cannot be adopted is closed");
    assert_eq!(network.write(CONNECTION, b"x").progress().unwrap(), Progress::Done(1));
    assert_eq!(first.read(&mut [0]).unwrap(), 1);
}

#[test]
fn a_name_in_use_is_not_given_to_a_connection_that_is_begun() {
    let mut network = OsNetwork::new().unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, options) = (server.local_addr().unwrap(), SocketOptions::default());
    network.connect(CONNECTION, address, &options).unwrap();
    let first = network.local_addr(CONNECTION).unwrap();
    for token in [CONNECTION, Token::connection(0, 0, 1)] {
        match network.connect(token, address, &options) {
            Err(ConnectError::Other(error)) => assert_eq!(error.kind(), ErrorKind::AlreadyExists),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(network.local_addr(CONNECTION).unwrap(), first);
}

#[test]
fn a_failed_connection_raises_no_signal() {
    let status = in_child("a_failed_connection_raises_no_signal", || {
        let mut network = watching(&[SIGPIPE]);
        // Bound, so that nobody else listens there, and not listening itself.
        let nobody = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        nobody.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = nobody.local_addr().unwrap().as_socket().unwrap();
        network.connect(CONNECTION, address, &SocketOptions::default()).unwrap();
        wait(&mut network);
        let error = network.connected(CONNECTION).unwrap_err();
        assert!(matches!(error, ConnectError::Refused(_)), "{error}");
        network.write(CONNECTION, b"one").progress().unwrap_err();
        network.write_vectored(CONNECTION, &[IoSlice::new(b"parts")]).progress().unwrap_err();
        assert_eq!(network.take_signals(), 0);
    });
    assert!(status.success(), "{status}");
}

#[test]
fn a_connect_that_fails_at_once_leaves_no_connection() {
    // The broadcast address is no host.
    let nowhere = SocketAddr::from(([255, 255, 255, 255], 80));
    let mut network = OsNetwork::new().unwrap();
    let error = network.connect(CONNECTION, nowhere, &SocketOptions::default()).unwrap_err();
    assert!(!matches!(error, ConnectError::Refused(_)), "{error}");
    assert_eq!(network.local_addr(CONNECTION).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn wakes_from_many_threads_lose_nothing() {
    const EACH: usize = 1000;
    let mut network = OsNetwork::new().unwrap();
    let waker = network.waker().unwrap();
    let (sender, mailbox) = mpsc::channel();
    for _ in 0..3 {
        let (sender, waker) = (sender.clone(), waker.clone());
        thread::spawn(move || {
            for letter in 0..EACH {
                sender.send(letter).unwrap();
                waker.wake_by_ref();
            }
        });
    }
    let (mut events, mut taken) = (Vec::with_capacity(4), 0);
    while taken < 3 * EACH {
        network.poll(&mut events, Some(Duration::from_secs(60))).unwrap();
        assert_eq!(events.len(), 1, "a wake was lost behind {taken} letters");
        assert_eq!(events[0].token, Token::WAKE);
        taken += mailbox.try_iter().count();
    }
}

#[test]
fn a_waker_outlives_its_network() {
    let mut network = OsNetwork::new().unwrap();
    let waker = network.waker().unwrap();
    drop(network);
    waker.wake_by_ref();
    waker.wake();
}

#[test]
#[cfg(target_os = "linux")]
fn nothing_stays_open_after_the_network() {
    let status = in_child("nothing_stays_open_after_the_network", || {
        let open = || fs::read_dir("/proc/self/fd").unwrap().count();
        drop(watching(&[SIGTERM]));
        let before = open();
        let mut network = watching(&[SIGTERM, SIGINT]);
        let peer = accepted(&mut network);
        network.adopt(CONNECTION).unwrap();
        let address = peer.peer_addr().unwrap();
        let options = SocketOptions::default();
        network.connect(Token::connection(0, 1, 0), address, &options).unwrap();
        let waker = network.waker().unwrap();
        drop((network, peer, waker));
        assert_eq!(open(), before);
    });
    assert!(status.success(), "{status}");
}

#[test]
#[cfg(target_os = "linux")]
fn its_descriptor_is_that_of_the_poll() {
    let network = OsNetwork::new().unwrap();
    let path = format!("/proc/self/fd/{}", network.as_fd().as_raw_fd());
    assert_eq!(fs::read_link(path).unwrap().to_str(), Some("anon_inode:[eventpoll]"));
}

/// How many sockets, polls and wakers a child process has.
fn inherited_by_child() -> usize {
    let output = Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
    let listing = String::from_utf8(output.stdout).unwrap();
    listing.lines().filter(|line| is_of_a_network(line)).count()
}

fn is_of_a_network(line: &str) -> bool {
    ["socket:", "eventpoll", "eventfd"].iter().any(|kind| line.contains(kind))
}

#[test]
#[cfg(target_os = "linux")]
fn a_child_process_inherits_no_socket() {
    let before = inherited_by_child();
    let mut network = watching(&[SIGINT]);
    let peer = accepted(&mut network);
    network.adopt(CONNECTION).unwrap();
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    network.bind(Token::endpoint(1), anywhere, &SocketOptions::default()).unwrap();
    let (address, options) = (peer.peer_addr().unwrap(), SocketOptions::default());
    network.connect(Token::connection(0, 1, 0), address, &options).unwrap();
    network.waker().unwrap();
    assert_eq!(inherited_by_child(), before);
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_behind_urgent_data_is_read_though_nothing_more_comes() {
    let mut network = OsNetwork::new().unwrap();
    let anywhere = "127.0.0.1:0".parse().unwrap();
    let address = network.listen(LISTENER, anywhere, &SocketOptions::default()).unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    while !matches!(network.accept(LISTENER).unwrap(), Progress::Done(_)) {}
    network.adopt(CONNECTION).unwrap();
    let mut events = Vec::with_capacity(8);
    network.poll(&mut events, Some(Duration::ZERO)).unwrap();

    client.write_all(b"before").unwrap();
    SockRef::from(&client).send_out_of_band(b"!").unwrap();
    client.write_all(b"behind").unwrap();
    let (mut read, mut is_readable, mut is_ending) = (Vec::new(), false, false);
    while read != b"beforebehind" {
        // As the contract lets a loop do it.
        while !is_readable {
            network.poll(&mut events, Some(Duration::from_secs(60))).unwrap();
            assert!(!events.is_empty(), "no event tells of what is behind {read:?}");
            let told = |what| events.iter().any(|event| event.readiness.contains(what));
            is_readable |= told(Readiness::READABLE);
            is_ending |= told(Readiness::HANGUP);
        }
        let mut buffer = [0; 100];
        match network.read(CONNECTION, &mut buffer).progress().unwrap() {
            Progress::Done(len) => {
                read.extend_from_slice(&buffer[..len]);
                is_readable = is_ending;
            }
            Progress::Blocked => (is_readable, is_ending) = (false, false),
        }
    }
}

#[test]
fn signals_that_other_threads_are_given_are_all_counted() {
    let status = in_child("signals_that_other_threads_are_given_are_all_counted", || {
        let mut network = watching(&[SIGTERM]);
        let raising = || raise(SIGTERM).unwrap();
        let threads: Vec<_> = (0..8).map(|_| thread::spawn(raising)).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let mut events = Vec::new();
        network.poll(&mut events, Some(Duration::from_secs(60))).unwrap();
        assert_eq!(events[0].token, Token::SIGNALS);
        assert_eq!(network.take_signals(), 8);
    });
    assert!(status.success(), "{status}");
}

#[test]
#[cfg(target_os = "linux")]
fn an_answer_leaves_from_the_address_its_socket_is_bound_to() {
    let socket = Token::endpoint(1);
    let mut network = OsNetwork::new().unwrap();
    let second = SocketAddr::from(([127, 0, 0, 2], 0));
    let address = network.bind(socket, second, &SocketOptions::default()).unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut answers = Outgoing::new();
    answers.push(client.local_addr().unwrap(), b"answer");
    assert_eq!(network.send(socket, &mut answers).unwrap(), Progress::Done(()));
    let mut buffer = [0; 16];
    assert_eq!(client.recv_from(&mut buffer).unwrap(), (6, address));
}
