//! Real threads and the real network: nothing is lost, and nobody waits for ever.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use windlass::{
    Config, DrainReport, Engine, Error, Handle, Handler, MessageHandler, Metrics, PostFault, Raw,
    Scope, Server, Session,
};

const THREADS: usize = 4;
/// More than anything here takes, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends everything back, and counts what each thread has posted.
#[derive(Default)]
struct Counter {
    counts: [u64; THREADS],
}

impl Handler for Counter {
    type Codec = Raw;
    type State = ();

    fn on_frame(&mut self, session: &mut Session<'_, Self>, bytes: &mut [u8]) -> Result<(), Error> {
        session.send(bytes)
    }
}

/// The number of a thread, and how many messages it has posted before.
struct Posted(usize, u64);

impl MessageHandler<Posted> for Counter {
    fn on_message(&mut self, _: &mut Scope<'_, Self>, posted: Posted) -> Result<(), Error> {
        let Posted(thread, number) = posted;
        // A thread's messages come each once and in their order, or its count stands still.
        self.counts[thread] += u64::from(self.counts[thread] == number);
        Ok(())
    }
}

fn engine(mailbox_len: usize) -> Engine {
    let config = Config { mailbox_len, signals: Vec::new(), ..Config::default() };
    Server::with_config(config).tcp("127.0.0.1:0", Counter::default()).build().unwrap()
}

/// A loop in a thread of its own, which ends when it is told to.
struct Running {
    handle: Handle,
    address: SocketAddr,
    thread: JoinHandle<(DrainReport, Metrics)>,
}

fn start(mailbox_len: usize) -> Running {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        let mut engine = engine(mailbox_len);
        let address = engine.local_addrs().next().unwrap();
        sender.send((engine.handle().unwrap(), address)).unwrap();
        (engine.run().unwrap(), engine.metrics())
    });
    let (handle, address) = receiver.recv_timeout(PATIENCE).unwrap();
    Running { handle, address, thread }
}

/// What the handler has counted.
fn counts(handle: &Handle) -> [u64; THREADS] {
    let (sender, receiver) = mpsc::channel();
    let task = move |counter: &mut Counter, _: &mut Scope<'_, Counter>| {
        sender.send(counter.counts).map_err(|error| Error::new(error.to_string()))
    };
    handle.run::<Counter, _>(task).unwrap();
    receiver.recv_timeout(PATIENCE).unwrap()
}

/// Asks and is answered, again and again until told otherwise; says how often.
fn echo_until(address: SocketAddr, is_over: &AtomicBool) -> u64 {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut rounds = 0_u64;
    while !is_over.load(Ordering::Relaxed) {
        client.write_all(&rounds.to_be_bytes()).unwrap();
        let mut answer = [0; 8];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(u64::from_be_bytes(answer), rounds);
        rounds += 1;
    }
    rounds
}

#[test]
fn what_four_threads_post_beside_echo_traffic_arrives_in_order() {
    const MESSAGES: u64 = 100_000;
    let running = start(Config::default().mailbox_len);
    let is_over = AtomicBool::new(false);
    let rounds = thread::scope(|scope| {
        let echo = scope.spawn(|| echo_until(running.address, &is_over));
        let post = |thread| {
            let handle = running.handle.clone();
            move || (0..MESSAGES).try_for_each(|n| handle.post::<Counter, _>(Posted(thread, n)))
        };
        let posting: Vec<_> = (0..THREADS).map(|thread| scope.spawn(post(thread))).collect();
        posting.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        is_over.store(true, Ordering::Relaxed);
        echo.join().unwrap()
    });
    assert_eq!(counts(&running.handle), [MESSAGES; THREADS]);
    let asked = running.handle.metrics(PATIENCE).unwrap();
    running.handle.drain();
    let (report, metrics) = running.thread.join().unwrap();
    assert!(report.is_clean());
    // Two for what was asked at last.
    assert_eq!(metrics.commands_posted, MESSAGES * THREADS as u64 + 2);
    assert_eq!(asked.commands_posted, metrics.commands_posted);
    assert!(rounds > 0 && metrics.wakes <= metrics.commands_posted + 1);
}

#[test]
fn a_burst_while_the_loop_is_busy_wakes_it_once() {
    let running = start(1000);
    let (begun, is_busy) = mpsc::channel();
    let (go_on, told) = mpsc::channel::<()>();
    let hold = move |_: &mut Counter, _: &mut Scope<'_, Counter>| {
        begun.send(()).map_err(|error| Error::new(error.to_string()))?;
        told.recv().map_err(|error| Error::new(error.to_string()))
    };
    running.handle.run::<Counter, _>(hold).unwrap();
    is_busy.recv_timeout(PATIENCE).unwrap();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let handle = &running.handle;
            scope.spawn(move || {
                (0..250)
                    .try_for_each(|n| handle.try_post::<Counter, _>(Posted(thread, n)))
                    .unwrap();
            });
        }
    });
    go_on.send(()).unwrap();
    // This may wake it again, or be still part of the burst, and so may the drain.
    assert_eq!(counts(&running.handle), [250; THREADS]);
    running.handle.drain();
    let (_, metrics) = running.thread.join().unwrap();
    assert_eq!(metrics.commands_posted, 1002);
    assert!((2..=4).contains(&metrics.wakes), "{} wakes", metrics.wakes);
}

/// Posts until that fails; says how often it did not, and why it did.
fn post_to_the_end(handle: &Handle) -> (u64, PostFault) {
    let mut posted = 0;
    loop {
        match handle.post::<Counter, _>(Posted(0, 0)) {
            Ok(()) => posted += 1,
            Err(error) => return (posted, error.fault),
        }
    }
}

#[test]
fn who_waits_for_room_is_told_when_the_loop_is_dropped() {
    let mut engine = engine(8);
    let handle = engine.handle().unwrap();
    let posting = [(); THREADS].map(|()| {
        let handle = handle.clone();
        thread::spawn(move || post_to_the_end(&handle))
    });
    // Nobody takes anything, so from here on all wait for room, or are about to.
    while handle.try_post::<Counter, _>(Posted(0, 0)).is_ok() {}
    drop(engine);
    for thread in posting {
        assert_eq!(thread.join().unwrap().1, PostFault::Stopped);
    }
    assert!(!handle.is_running());
}

#[test]
fn who_waits_for_room_is_told_when_the_loop_ends() {
    let running = start(8);
    let posting = [(); THREADS].map(|()| {
        let handle = running.handle.clone();
        thread::spawn(move || post_to_the_end(&handle))
    });
    let mut accepted = 0;
    let mut is_busy = false;
    while !is_busy {
        match running.handle.metrics(PATIENCE) {
            Ok(metrics) => {
                accepted += 1;
                is_busy = metrics.commands_posted >= 1000;
            }
            Err(fault) => assert_eq!(fault, PostFault::Full),
        }
    }
    running.handle.drain();
    let (report, metrics) = running.thread.join().unwrap();
    assert!(report.is_clean());
    for thread in posting {
        let (posted, fault) = thread.join().unwrap();
        assert_eq!(fault, PostFault::Stopped);
        accepted += posted;
    }
    // Each that was accepted was done, or counted as dropped.
    assert_eq!(metrics.commands_posted + metrics.commands_dropped, accepted);
}
