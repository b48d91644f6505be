//! What the engine allocates: nothing in steady state, and never more than its bound.

#[path = "allocations/uncounted.rs"]
mod uncounted;

#[cfg(target_os = "linux")]
use std::io::IoSlice;
use std::net::SocketAddr;
#[cfg(target_os = "linux")]
use std::net::UdpSocket;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::time::Duration;

use allocation_counter::measure;
#[cfg(target_os = "linux")]
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use uncounted::Uncounted;
#[cfg(target_os = "linux")]
use windlass::network::OsNetwork;
use windlass::network::{SimNetwork, SimPeer};
use windlass::{
    Broadcast, Codec, Config, ConnectionId, DatagramHandler, DatagramSession, Error, Handler,
    LengthPrefixed, Lines, Metrics, Raw, Reactor, Server, Session, SocketOptions,
};

/// Each does in one round what the steady state does again and again.
const ROUNDS: usize = 300;
/// Rounds until everything has the size that it keeps.
const WARM_UP: usize = 20;
const PEERS: usize = 50;

fn address() -> SocketAddr {
    "192.0.2.1:7000".parse().expect("it is an address")
}

/// Sends back what comes.
struct EchoBytes;

impl Handler for EchoBytes {
    type Codec = Raw;
    type State = ();

    fn on_frame(&mut self, session: &mut Session<'_, Self>, bytes: &mut [u8]) -> Result<(), Error> {
        session.send(bytes)
    }
}

/// Ties each connection to the one before it, if that is still alone.
struct Pairing(Option<ConnectionId>);

impl Handler for Pairing {
    type Codec = Raw;
    type State = ();

    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        let id = session.id();
        match self.0.take() {
            Some(other) => session.commands().tie(id, other),
            None => {
                self.0 = Some(id);
                Ok(())
            }
        }
    }

    fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &mut [u8]) -> Result<(), Error> {
        Err(Error::new("all of them are tied"))
    }
}

struct EchoFrames;

impl Handler for EchoFrames {
    type Codec = LengthPrefixed;
    type State = ();

    fn on_frame(&mut self, session: &mut Session<'_, Self>, frame: &mut [u8]) -> Result<(), Error> {
        session.send(frame)
    }
}

struct EchoLines;

impl Handler for EchoLines {
    type Codec = Lines;
    type State = ();

    fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
        session.send(line)
    }
}

struct EchoDatagrams;

impl DatagramHandler for EchoDatagrams {
    fn on_datagram(
        &mut self,
        session: &mut DatagramSession<'_>,
        sender: SocketAddr,
        payload: &[u8],
    ) -> Result<(), Error> {
        session.send_to(sender, payload)
    }
}

struct World {
    net: Uncounted,
    reactor: Reactor,
    peers: Vec<SimPeer>,
}

impl World {
    fn new(server: Server, peers: usize) -> Self {
        let mut net = Uncounted(SimNetwork::new(1));
        let mut reactor = server.build_on(&mut net).expect("the configuration is valid");
        let peers = (0..peers).map(|_| net.0.connect_to(address())).collect();
        for _ in 0..4 {
            reactor.turn(&mut net, Some(Duration::ZERO)).expect("the loop goes on");
        }
        Self { net, reactor, peers }
    }

    fn turn(&mut self) {
        self.reactor.turn(&mut self.net, Some(Duration::ZERO)).expect("the loop goes on");
    }

    /// Sends each peer's next portion, round by round, and counts what the turns allocate.
    fn count(&mut self, mut portion: impl FnMut(usize) -> Vec<u8>) -> u64 {
        let mut count = 0;
        for round in 0..WARM_UP + ROUNDS {
            let bytes = portion(round);
            for peer in &self.peers {
                self.net.0.send_from(*peer, &bytes);
            }
            let allocated = measure(|| {
                self.turn();
                self.turn();
            });
            count += if round < WARM_UP { 0 } else { allocated.count_total };
        }
        count
    }

    fn received_len(&self) -> usize {
        self.peers.iter().map(|peer| self.net.0.received(*peer).len()).sum()
    }
}

fn tcp<H: Handler<Codec: Default>>(handler: H) -> World {
    World::new(Server::new().tcp(address(), handler), PEERS)
}

/// A stream of `message`, of which each round brings `count` and a part of the next.
fn in_parts(message: Vec<u8>, count: usize) -> impl FnMut(usize) -> Vec<u8> {
    let mut at = 0;
    move |round| {
        let end = (round + 1) * count * message.len() + round % 8 * message.len() / 8;
        let portion = (at..end).map(|at| message[at % message.len()]).collect();
        at = end;
        portion
    }
}

fn message<C: Codec>(mut codec: C, message: C::Message<'_>) -> Vec<u8> {
    let mut output = windlass::Output::new();
    codec.encode(message, &mut output).expect("it is a message");
    output.to_vec()
}

#[test]
fn what_tied_connections_pass_on_allocates_nothing() {
    let mut world = tcp(Pairing(None));
    assert_eq!(world.count(|_| vec![b'x'; 64]), 0);
    assert_eq!(world.received_len(), PEERS * (WARM_UP + ROUNDS) * 64);
}

#[test]
fn an_echo_allocates_nothing() {
    let mut world = tcp(EchoBytes);
    assert_eq!(world.count(|_| b"hello".repeat(20)), 0);
    assert_eq!(world.received_len(), (WARM_UP + ROUNDS) * PEERS * 100);
}

#[test]
fn frames_in_batches_with_the_beginning_of_another_allocate_nothing() {
    let mut world = tcp(EchoFrames);
    let frame = message(LengthPrefixed::default(), &[7; 200]);
    assert_eq!(world.count(in_parts(frame, 16)), 0);
    assert!(world.received_len() > ROUNDS * PEERS * 16 * 204);
}

#[test]
fn frames_that_come_in_many_pieces_allocate_nothing() {
    let mut world = tcp(EchoFrames);
    let frame = message(LengthPrefixed::default(), &[7; 3000]);
    let stream = frame.repeat(1 + (WARM_UP + ROUNDS) * 700 / frame.len());
    let pieces = |round| stream[round * 700..(round + 1) * 700].to_vec();
    assert_eq!(world.count(pieces), 0);
}

#[test]
fn lines_with_the_beginning_of_another_allocate_nothing() {
    let mut world = tcp(EchoLines);
    let line = message(Lines::default(), &"x".repeat(90));
    assert_eq!(world.count(in_parts(line, 10)), 0);
    assert!(world.received_len() > ROUNDS * PEERS * 10 * 91);
}

#[test]
fn datagrams_allocate_nothing() {
    let mut world = World::new(Server::new().udp(address(), EchoDatagrams), 0);
    let sender = SocketAddr::from(([192, 0, 2, 9], 99));
    for round in 0..WARM_UP + ROUNDS {
        for _ in 0..100 {
            world.net.0.send_datagram(sender, address(), b"hello");
        }
        let allocated = measure(|| {
            world.turn();
            world.turn();
        });
        assert!(round < WARM_UP || allocated.count_total == 0, "{allocated:?}");
        assert_eq!(world.net.0.take_datagrams(sender).len(), 100);
    }
}

/// On the system's network, one by one and from a sender that joins them.
#[cfg(target_os = "linux")]
#[test]
fn datagrams_of_the_system_allocate_nothing() {
    let mut net = OsNetwork::new().expect("there are descriptors");
    let server = Server::new().udp("127.0.0.1:0", EchoDatagrams);
    let mut reactor = server.build_on(&mut net).expect("the configuration is valid");
    let address = reactor.local_addrs().next().expect("there is a socket");
    let peer = UdpSocket::bind("127.0.0.1:0").expect("there are ports");
    peer.set_nonblocking(true).expect("a socket can be");
    peer.connect(address).expect("the address is near");
    let mut echo = |send: &dyn Fn()| {
        let (mut count, mut buffer) = (0, [0; 16]);
        for round in 0..WARM_UP + ROUNDS {
            allocation_counter::opt_out(send);
            let mut received = 0;
            while received < 64 {
                let allocated = measure(|| {
                    reactor.turn(&mut net, Some(Duration::ZERO)).expect("the loop goes on");
                });
                count += if round < WARM_UP { 0 } else { allocated.count_total };
                while peer.recv(&mut buffer).is_ok_and(|len| buffer[..len] == *b"hello") {
                    received += 1;
                }
            }
            assert_eq!(received, 64);
        }
        count
    };
    let apart = || (0..64).for_each(|_| assert!(peer.send(b"hello").is_ok()));
    let joined = || {
        let (fd, bytes) = (peer.as_raw_fd(), b"hello".repeat(64));
        let (parts, control) = ([IoSlice::new(&bytes)], [ControlMessage::UdpGsoSegments(&5)]);
        let sent = sendmsg::<()>(fd, &parts, &control, MsgFlags::empty(), None);
        assert_eq!(sent, Ok(bytes.len()));
    };
    assert_eq!([echo(&apart), echo(&joined), echo(&apart)], [0, 0, 0]);
}

#[test]
fn deadlines_that_are_put_off_allocate_nothing() {
    let mut world = tcp(EchoLines);
    let mut count = 0;
    for round in 0..2000 {
        world.net.0.jump(Duration::from_secs(1));
        for peer in &world.peers {
            world.net.0.send_from(*peer, b"hello\n");
        }
        let allocated = measure(|| {
            world.turn();
            world.turn();
        });
        count += if round < 400 { 0 } else { allocated.count_total };
    }
    assert_eq!(count, 0);
    assert_eq!(world.reactor.connections_len(), PEERS);
}

/// Sends a piece of news to all for each line.
struct News;

impl Handler for News {
    type Codec = Lines;
    type State = ();

    fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
        let news = session.encode(line)?;
        session.commands().broadcast(Broadcast::to_all_of::<Self>(news))
    }
}

/// What the loop allocates to tell this many peers `line`.
fn count_broadcast(peers: usize, line: &[u8]) -> u64 {
    let config = Config {
        max_connections: Some(peers),
        socket: SocketOptions { backlog: 10_000, ..SocketOptions::default() },
        ..Config::default()
    };
    let mut world = World::new(Server::with_config(config).tcp(address(), News), peers);
    while world.reactor.connections_len() < peers {
        world.turn();
    }
    let mut count = 0;
    for round in 0..WARM_UP + 1 {
        world.net.0.send_from(world.peers[0], line);
        let allocated = measure(|| (0..4).for_each(|_| world.turn()));
        count = allocated.count_total;
        assert_eq!(world.received_len(), (round + 1) * peers * line.len());
    }
    count
}

#[test]
fn a_broadcast_allocates_nothing_for_its_receivers() {
    let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
    let for_one = count_broadcast(1, &line);
    assert_eq!(count_broadcast(1000, &line), for_one);
    // The message, which grows by its end, and what makes it shareable.
    assert!(for_one <= 3, "{for_one} allocations");
}

#[test]
fn a_broadcast_that_many_do_not_read_stays_within_the_memory_bound() {
    let mut net = Uncounted(SimNetwork::new(1));
    net.0.set_pipe_len(2000);
    let config = Config {
        max_connections: Some(1000),
        read_buffer_len: 16 * 1024,
        high_watermark: 8 * 1024,
        low_watermark: 1024,
        write_limit: 64 * 1024,
        memory_budget: 2 << 20,
        socket: SocketOptions { backlog: 10_000, ..SocketOptions::default() },
        ..Config::default()
    };
    let mut bound = 0;
    let (mut held, mut metrics) = (0, Metrics::default());
    let allocated = measure(|| {
        let server = Server::with_config(config).tcp(address(), News);
        let mut reactor = server.build_on(&mut net).expect("the configuration is valid");
        bound = reactor.memory_bound();
        let mut peers = Vec::new();
        let connect = |_| peers.push(net.0.connect_to(address()));
        allocation_counter::opt_out(|| (0..1000).for_each(connect));
        let mut turn = |net: &mut Uncounted| {
            reactor.turn(net, Some(Duration::ZERO)).expect("the loop goes on");
            held = held.max(reactor.held_len());
            metrics = reactor.metrics();
        };
        (0..20).for_each(|_| turn(&mut net));
        peers.iter().step_by(10).for_each(|peer| net.0.stall(*peer));
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        for _ in 0..200 {
            allocation_counter::opt_out(|| net.0.send_from(peers[1], &line));
            (0..4).for_each(|_| turn(&mut net));
        }
    });
    assert_eq!((metrics.connections, metrics.closed.total()), (1000, 0), "nobody is closed for it");
    assert_eq!(metrics.broadcasts, 200);
    // Two are in the pipe of each that does not read, and eight wait.
    assert_eq!(metrics.broadcast_skipped, 100 * (200 - 10));
    assert_eq!(metrics.broadcast_deliveries, 900 * 200 + 100 * 10);
    assert!(held <= 100 * (9 * 1024 + 1000), "{held} bytes were held");
    let most = usize::try_from(allocated.bytes_max).expect("it fits");
    assert!(most <= bound, "{most} bytes were allocated, and the bound is {bound}");
}

#[test]
fn a_long_broadcast_is_in_memory_once_however_many_do_not_read_it() {
    const MANY: usize = 500;
    let config = Config {
        max_connections: Some(MANY),
        socket: SocketOptions { backlog: 10_000, ..SocketOptions::default() },
        ..Config::default()
    };
    let mut world = World::new(Server::with_config(config).tcp(address(), News), MANY);
    while world.reactor.connections_len() < MANY {
        world.turn();
    }
    let asker = world.peers[0];
    world.peers[1..].iter().for_each(|peer| world.net.0.stall(*peer));
    let line = [b"x".repeat(60_000), b"\n".to_vec()].concat();
    // The first is in the pipes, and the second waits.
    (0..2).for_each(|_| world.net.0.send_from(asker, &line));
    let allocated = measure(|| (0..100).for_each(|_| world.turn()));
    assert_eq!(world.reactor.metrics().broadcasts, 2);
    assert!(world.reactor.held_len() > MANY / 2 * 50_000, "it waits for nearly everybody");
    // A place in the queue of each is what it takes.
    assert!(allocated.bytes_max < 1_000_000, "{allocated:?}");
}

/// Breaks off whoever is there when any of them says so.
struct Clearance(Vec<ConnectionId>);

impl Handler for Clearance {
    type Codec = Lines;
    type State = ();

    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.0.push(session.id());
        Ok(())
    }

    fn on_frame(&mut self, session: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
        let mut commands = session.commands();
        std::mem::take(&mut self.0).into_iter().try_for_each(|id| commands.abort(id))
    }
}

#[test]
fn nothing_is_kept_of_what_was_asked_for_many_at_once() {
    const MANY: usize = 5000;
    let config = Config {
        max_connections: Some(MANY),
        command_budget: MANY,
        socket: SocketOptions { backlog: 10_000, ..SocketOptions::default() },
        ..Config::default()
    };
    let mut world = World::new(Server::with_config(config).tcp(address(), Clearance(vec![])), 0);
    let allocated = measure(|| {
        let mut first = None;
        allocation_counter::opt_out(|| {
            first = (0..MANY).map(|_| world.net.0.connect_to(address())).last();
        });
        (0..100).for_each(|_| world.turn());
        assert_eq!(world.reactor.connections_len(), MANY);
        allocation_counter::opt_out(|| {
            world.net.0.send_from(first.expect("many have come"), b"all\n");
        });
        world.turn();
        assert_eq!(world.reactor.connections_len(), 0, "all in one turn");
        world.turn();
    });
    assert!(allocated.bytes_max > 500_000, "{allocated:?}");
    assert!(allocated.bytes_current < 150_000, "{allocated:?}");
}

#[test]
fn nothing_is_kept_of_many_that_have_come_and_gone() {
    const MANY: usize = 5000;
    let config = Config {
        max_connections: Some(MANY),
        socket: SocketOptions { backlog: 10_000, ..SocketOptions::default() },
        ..Config::default()
    };
    let mut world = World::new(Server::with_config(config).tcp(address(), EchoLines), 0);
    for address in ["192.0.2.9:9", "[2001:db8::9]:9"] {
        let from: SocketAddr = address.parse().expect("it is an address");
        let mut most = 0;
        let allocated = measure(|| {
            let mut peers = Vec::new();
            allocation_counter::opt_out(|| {
                peers =
                    (0..MANY).map(|_| world.net.0.connect_from(from, self::address())).collect();
                peers.iter().for_each(|peer| world.net.0.send_from(*peer, b"whole\nunfin"));
            });
            (0..100).for_each(|_| world.turn());
            most = world.reactor.connections_len();
            allocation_counter::opt_out(|| peers.iter().for_each(|peer| world.net.0.finish(*peer)));
            (0..20).for_each(|_| world.turn());
            allocation_counter::opt_out(|| drop(peers));
        });
        assert_eq!((most, world.reactor.connections_len()), (MANY, 0));
        // Lists and spare buffers, of which there is room for few.
        assert!(allocated.bytes_max > 500_000, "{allocated:?}");
        assert!(allocated.bytes_current < 50_000, "{allocated:?}");
        assert!((-10..200).contains(&allocated.count_current), "{allocated:?}");
    }
}

/// A configuration whose limits are all reached below.
fn scarce() -> Config {
    Config {
        max_connections: Some(400),
        read_buffer_len: 16 * 1024,
        high_watermark: 32 * 1024,
        write_limit: 64 * 1024,
        memory_budget: 1 << 20,
        max_datagram_len: 2000,
        datagram_queue_limit: 64 * 1024,
        socket: SocketOptions { backlog: 10_000, ..SocketOptions::default() },
        ..Config::default()
    }
}

/// Peers that cost as much as they can: half of them send long frames and never end one, the other
/// half ask for answers that they do not take. Whoever is closed is followed by another.
fn burden(net: &mut SimNetwork, number: usize) {
    let peer = net.connect_to(address());
    let frame = message(LengthPrefixed::default(), &[7; 50 * 1024]);
    if number.is_multiple_of(2) {
        net.send_from(peer, &frame[..frame.len() - number % 1000 - 1]);
    } else {
        net.stall(peer);
        net.send_from(peer, &frame.repeat(3));
    }
}

#[test]
fn what_is_allocated_stays_within_the_memory_bound() {
    let mut net = Uncounted(SimNetwork::new(1));
    net.0.set_pipe_len(75 * 1024);
    let sender = SocketAddr::from(([192, 0, 2, 9], 99));
    let mut bound = 0;
    let (mut held, mut closed) = (0, 0);
    let allocated = measure(|| {
        let server = Server::with_config(scarce())
            .tcp_with(address(), LengthPrefixed::default().max_len(60 * 1024), EchoFrames)
            .udp(address(), EchoDatagrams);
        let mut reactor = server.build_on(&mut net).expect("the configuration is valid");
        bound = reactor.memory_bound();
        allocation_counter::opt_out(|| {
            (0..700).for_each(|number| burden(&mut net.0, number));
            net.0.block_datagrams(address(), Duration::from_secs(3600));
        });
        for _ in 0..150 {
            allocation_counter::opt_out(|| {
                (0..50).for_each(|_| net.0.send_datagram(sender, address(), &[1; 1500]));
            });
            reactor.turn(&mut net, Some(Duration::ZERO)).expect("the loop goes on");
            held = held.max(reactor.held_len());
        }
        closed = reactor.metrics().closed.total();
    });
    assert!(held > 900 * 1024, "only {held} bytes were held");
    assert!(closed > 300, "only {closed} were closed for want of memory");
    let most = usize::try_from(allocated.bytes_max).expect("it fits");
    assert!(most <= bound, "{most} bytes were allocated, and the bound is {bound}");
    assert!(most > held, "{most} bytes are less than were held");
}

#[test]
fn what_many_send_at_once_stays_within_the_memory_bound() {
    const MANY: usize = 1000;
    let mut net = Uncounted(SimNetwork::new(1));
    net.0.set_pipe_len(75 * 1024);
    let config = Config { max_connections: Some(MANY), ..scarce() };
    let mut bound = 0;
    let mut closed = 0;
    let allocated = measure(|| {
        let server = Server::with_config(config).tcp_with(
            address(),
            LengthPrefixed::default().max_len(60 * 1024),
            EchoFrames,
        );
        let mut reactor = server.build_on(&mut net).expect("the configuration is valid");
        bound = reactor.memory_bound();
        let mut turn = |net: &mut Uncounted| {
            reactor.turn(net, Some(Duration::ZERO)).expect("the loop goes on");
            reactor.metrics().closed.total()
        };
        let mut peers = Vec::new();
        let connect = |_| peers.push(net.0.connect_to(address()));
        allocation_counter::opt_out(|| (0..MANY).for_each(connect));
        (0..50).for_each(|_| assert_eq!(turn(&mut net), 0));
        // All of it is in the events of one turn.
        let frame = message(LengthPrefixed::default(), &[7; 50 * 1024]);
        let unfinished = &frame[..frame.len() - 1];
        allocation_counter::opt_out(|| {
            peers.iter().for_each(|peer| net.0.send_from(*peer, unfinished));
        });
        closed = turn(&mut net);
    });
    assert!(closed > 900, "only {closed} were closed for want of memory");
    let most = usize::try_from(allocated.bytes_max).expect("it fits");
    assert!(most <= bound, "{most} bytes were allocated, and the bound is {bound}");
    assert!(bound < MANY * 50 * 1024 / 2, "the bound is {bound}, and would not be passed");
}
