//! A script under way: a server on one of the networks, its clients, and what they are told to do.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use windlass::{DrainReport, Handle, Reactor, Server};

use crate::fixture::{Journal, What};
use crate::trace::{Life, Trace, counts, merged, shown};
use crate::worlds::{End, Peer, World};

/// How long one turn waits, and after what time on the network's clock, and how many turns, what is
/// waited for is not going to happen.
const WAIT: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(60);
const MAX_TURNS: usize = 5_000_000;

/// A server, its clients, and the steps that a script takes with them.
pub(crate) struct Play {
    world: Box<dyn World>,
    reactor: Reactor,
    journal: Journal,
    report: Option<DrainReport>,
    clients: Vec<Client>,
    mailboxes: Vec<Mailbox>,
    has_frames: bool,
}

/// What a script has done with a client.
#[derive(Default)]
struct Client {
    /// So much of what it has received was waited for.
    awaited_len: usize,
    has_reset: bool,
}

/// A client's UDP socket, and all that has come there.
struct Mailbox {
    address: SocketAddr,
    mail: Vec<(SocketAddr, Vec<u8>)>,
}

impl Play {
    /// Builds the server in this world; its handlers write their callbacks down in `journal`.
    pub(crate) fn begin(mut world: Box<dyn World>, server: Server, journal: Journal) -> Self {
        let reactor = server.build_on(world.network()).expect("the server can be built");
        Self {
            world,
            reactor,
            journal,
            report: None,
            clients: Vec::new(),
            mailboxes: Vec::new(),
            has_frames: true,
        }
    }

    /// The frames of this server are wherever the network has cut, so that only what they come to
    /// together can be compared.
    pub(crate) const fn join_frames(&mut self) {
        self.has_frames = false;
    }
}

/// What clients do.
impl Play {
    /// Where the listener or UDP socket of this number is.
    pub(crate) fn address(&self, number: usize) -> SocketAddr {
        self.reactor.local_addrs().nth(number).expect("the server listens there")
    }

    /// A client connects to the first listener.
    pub(crate) fn connect(&mut self) -> Peer {
        self.connect_to(self.address(0))
    }

    pub(crate) fn connect_to(&mut self, listener: SocketAddr) -> Peer {
        let peer = self.world.connect(listener);
        self.enter(peer)
    }

    /// A client connects to the first listener from this address.
    pub(crate) fn connect_from(&mut self, host: [u8; 4]) -> Peer {
        let listener = self.address(0);
        let peer = self.world.connect_from(Ipv4Addr::from(host), listener);
        self.enter(peer)
    }

    /// A client connects and is let in.
    pub(crate) fn join(&mut self) -> Peer {
        let peer = self.connect();
        self.until_called(peer, "open");
        peer
    }

    fn enter(&mut self, peer: Peer) -> Peer {
        assert_eq!(peer, self.clients.len(), "peers are numbered as they come");
        self.clients.push(Client::default());
        peer
    }

    pub(crate) fn send(&mut self, peer: Peer, bytes: &[u8]) {
        self.world.send(peer, bytes);
    }

    /// Sends so much at a time, with a turn of the loop after each piece.
    pub(crate) fn send_in_pieces(&mut self, peer: Peer, bytes: &[u8], len: usize) {
        for piece in bytes.chunks(len) {
            self.send(peer, piece);
            self.turn(Duration::ZERO);
        }
    }

    /// Sends no more after what was sent.
    pub(crate) fn finish(&mut self, peer: Peer) {
        self.world.finish(peer);
    }

    /// Breaks the connection off.
    pub(crate) fn reset(&mut self, peer: Peer) {
        self.clients[peer].has_reset = true;
        self.world.reset(peer);
    }

    /// Takes nothing more of what it is sent.
    pub(crate) fn stall(&mut self, peer: Peer) {
        self.world.stall(peer);
    }

    /// Takes everything again.
    pub(crate) fn resume(&mut self, peer: Peer) {
        self.world.resume(peer);
    }

    /// An address where somebody listens, whom the server may connect to.
    pub(crate) fn serve(&mut self) -> SocketAddr {
        self.world.serve()
    }

    /// An address where nobody listens.
    pub(crate) fn nobody(&mut self) -> SocketAddr {
        self.world.nobody()
    }

    /// Waits until the server has connected to an address where somebody listens, and says to whom.
    pub(crate) fn reached(&mut self, address: SocketAddr) -> Peer {
        let mut reached = None;
        self.until("the server connects", |play| {
            reached = play.world.reached(address);
            reached.is_some()
        });
        self.enter(reached.expect("it was waited for"))
    }

    /// A client's UDP socket.
    pub(crate) fn open_datagrams(&mut self) -> SocketAddr {
        let address = self.world.open_datagrams();
        self.mailboxes.push(Mailbox { address, mail: Vec::new() });
        address
    }

    pub(crate) fn close_datagrams(&mut self, at: SocketAddr) {
        self.mailboxes.retain(|mailbox| mailbox.address != at);
        self.world.close_datagrams(at);
    }

    pub(crate) fn send_datagram(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        self.world.send_datagram(from, to, payload);
    }
}

/// What the server is told.
impl Play {
    pub(crate) fn raise(&mut self, signal: i32) {
        self.world.raise(signal);
    }

    pub(crate) fn drain(&mut self) {
        self.reactor.drain();
    }

    pub(crate) fn stop(&mut self) {
        self.reactor.stop();
    }

    /// By which other threads would reach the server.
    pub(crate) fn handle(&mut self) -> Handle {
        self.reactor.handle(self.world.network()).expect("the network can be woken")
    }

    pub(crate) const fn reactor(&mut self) -> &mut Reactor {
        &mut self.reactor
    }
}

/// What a script waits for.
impl Play {
    /// The server turns, if it has not ended, and the clients go on with what they are at.
    fn turn(&mut self, wait: Duration) {
        self.world.go_on();
        let network = self.world.network();
        match self.report {
            None => {
                self.report = self.reactor.turn(network, Some(wait)).expect("it can go on");
                self.world.audit(&self.reactor);
            }
            Some(_) => network.poll(&mut Vec::new(), Some(wait)).expect("it can be polled"),
        }
        self.world.go_on();
        for Mailbox { address, mail } in &mut self.mailboxes {
            mail.extend(self.world.take_datagrams(*address));
        }
    }

    /// Turns until something is so.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let end = self.world.network().now().after(PATIENCE).expect("within the clock");
        for _ in 0..MAX_TURNS {
            self.world.go_on();
            if is_so(self) {
                return;
            }
            if self.world.network().now() > end {
                break;
            }
            self.turn(WAIT);
        }
        panic!("in vain was waited until {what}; so far:\n{}", self.trace());
    }

    /// Turns until the client has received so many bytes.
    #[track_caller]
    pub(crate) fn until_received(&mut self, peer: Peer, len: usize) {
        self.until("there are enough bytes", |play| play.world.received(peer).len() >= len);
        // What is still on its way can be lost by a reset: another turn, and it has arrived.
        self.turn(Duration::ZERO);
        let client = &mut self.clients[peer];
        client.awaited_len = client.awaited_len.max(len);
    }

    /// Turns until the server has finished or reset the client's connection, or refused it.
    #[track_caller]
    pub(crate) fn until_end(&mut self, peer: Peer) {
        self.until("the server ends it", |play| play.has_ended(peer));
    }

    /// Turns until the handler was called for this client, which the trace shows in words that
    /// begin like this.
    #[track_caller]
    pub(crate) fn until_called(&mut self, peer: Peer, call: &str) {
        self.until(call, |play| play.has_called(peer, call));
    }

    /// Turns until so many frames of this client have been run.
    #[track_caller]
    pub(crate) fn until_frames(&mut self, peer: Peer, count: usize) {
        let is_frame = |what: &&What| matches!(what, What::Frame(_));
        self.until("enough frames were run", |play| {
            play.calls(peer).iter().filter(is_frame).count() >= count
        });
    }

    /// Turns until this many datagrams have come to a client's socket.
    #[track_caller]
    pub(crate) fn until_datagrams(&mut self, at: SocketAddr, count: usize) {
        self.until("there are enough datagrams", |play| {
            let mailbox = play.mailboxes.iter().find(|mailbox| mailbox.address == at);
            mailbox.is_some_and(|mailbox| mailbox.mail.len() >= count)
        });
    }

    /// Turns until the server has no connections.
    #[track_caller]
    pub(crate) fn until_empty(&mut self) {
        self.until("all are gone", |play| play.reactor.connections_len() == 0);
    }

    /// Turns until the loop has ended.
    #[track_caller]
    pub(crate) fn until_over(&mut self) {
        self.until("the loop ends", |play| play.report.is_some());
    }

    /// Turns until so much time has passed on the network's clock.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.world.network().now().after(time).expect("within the clock");
        self.until("time has passed", |play| play.world.network().now() >= end);
    }

    /// Turns some more. What must not happen gets its chance; nothing that is to happen may be
    /// waited for in this way.
    pub(crate) fn wait_for_nothing(&mut self) {
        (0..5).for_each(|_| self.turn(Duration::from_millis(1)));
    }

    /// Every script ends alike: all who are still there take what is sent to them and finish, and
    /// are answered; then the loop drains, and nobody is left.
    pub(crate) fn end(mut self) -> Trace {
        let mut staying: Vec<Peer> = (0..self.clients.len()).collect();
        staying.retain(|peer| !self.clients[*peer].has_reset);
        for peer in &staying {
            self.resume(*peer);
            self.finish(*peer);
        }
        for peer in staying {
            self.until_end(peer);
        }
        self.until_empty();
        self.drain();
        self.until_over();
        self.trace()
    }
}

/// What is seen of it.
impl Play {
    /// What handlers were called for on behalf of this client: the n-th of those with its address
    /// is the n-th for whom they were called under that address.
    fn calls(&self, peer: Peer) -> Vec<What> {
        let address = self.world.address(peer);
        let entries = self.journal.entries();
        let of_address = entries.iter().filter(|entry| entry.peer == address);
        let mut ids = Vec::new();
        for entry in of_address.clone() {
            if !ids.contains(&entry.id) {
                ids.push(entry.id);
            }
        }
        let place = (0..peer).filter(|other| self.world.address(*other) == address).count();
        let of_peer = of_address.filter(|entry| ids.get(place) == Some(&entry.id));
        of_peer.map(|entry| entry.what.clone()).collect()
    }

    /// Whether the server has finished or reset the client's connection, or refused it.
    pub(crate) fn has_ended(&self, peer: Peer) -> bool {
        self.world.end(peer).is_some()
    }

    /// Whether the handler was called for this client, which the trace shows in words that begin
    /// like this.
    pub(crate) fn has_called(&self, peer: Peer, call: &str) -> bool {
        self.calls(peer).iter().any(|what| shown(what).starts_with(call))
    }

    fn trace(&self) -> Trace {
        let lives: Vec<Life> = (0..self.clients.len()).map(|peer| self.life(peer)).collect();
        let is_known =
            |address| (0..self.clients.len()).any(|peer| self.world.address(peer) == address);
        assert!(self.journal.entries().iter().all(|entry| is_known(entry.peer)), "strangers");
        let is_orderly = lives.iter().all(|life| life.end == "finished");
        let counts = counts(&self.reactor.metrics(), is_orderly, self.has_frames);
        let mail = self.mailboxes.iter().map(|mailbox| self.sorted(&mailbox.mail)).collect();
        Trace { lives, mail, report: self.report.clone(), counts }
    }

    /// Datagrams by the number of the server's socket that they come from: in which order those of
    /// different sockets come is chance.
    fn sorted(&self, mail: &[(SocketAddr, Vec<u8>)]) -> Vec<(Option<usize>, Vec<u8>)> {
        let own = |from| self.reactor.local_addrs().position(|own| own == from);
        let mut sorted: Vec<_> =
            mail.iter().map(|(from, payload)| (own(*from), payload.clone())).collect();
        sorted.sort_by_key(|(from, _)| *from);
        sorted
    }

    fn life(&self, peer: Peer) -> Life {
        let client = &self.clients[peer];
        let end = match client.has_reset {
            true => "broke off",
            false => self.world.end(peer).map_or("still there", |end| match end {
                End::Finished => "finished",
                End::Reset => "reset",
                End::Refused => "refused",
            }),
        };
        let mut received = self.world.received(peer).to_vec();
        if matches!(end, "reset" | "broke off") {
            received.truncate(client.awaited_len);
        }
        let calls = self.calls(peer);
        let calls = if self.has_frames { calls } else { merged(calls) };
        Life { calls, received, end }
    }
}
