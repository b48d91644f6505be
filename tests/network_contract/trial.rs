//! What a promise is tried with: a world of peers around a network, and the patience to wait.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use windlass::SocketOptions;
use windlass::network::{AcceptError, Event, Incoming, Network, Progress, Readiness, Token};

use crate::worlds::{End, Peer, World};

/// Makes a test of each of these promises for each of the networks.
macro_rules! promises {
    ($($promise:ident)*) => {
        mod on_os {
            $(#[test]
            fn $promise() {
                super::$promise(&mut $crate::trial::Trial::new($crate::worlds::os()));
            })*
        }
        mod on_sim {
            $(#[test]
            fn $promise() {
                super::$promise(&mut $crate::trial::Trial::new($crate::worlds::sim()));
            })*
        }
    };
}
pub(crate) use promises;

/// The listener of most trials, and its first connection.
pub(crate) const LISTENER: Token = Token::endpoint(0);
pub(crate) const FIRST: Token = Token::connection(0, 0, 7);
pub(crate) const SECOND: Token = Token::connection(0, 1, 0);
/// The UDP socket of most trials.
pub(crate) const SOCKET: Token = Token::endpoint(1);

/// How long one poll waits, and how many of them must suffice for anything to happen.
const PATIENCE: Duration = Duration::from_millis(10);
const TRIES: usize = 1000;

/// A world, and what its network has said so far.
pub(crate) struct Trial {
    pub(crate) world: Box<dyn World>,
    noted: BTreeMap<u64, Readiness>,
    events: Vec<Event>,
}

impl Trial {
    pub(crate) fn new(world: Box<dyn World>) -> Self {
        Self { world, noted: BTreeMap::new(), events: Vec::new() }
    }

    pub(crate) fn network(&mut self) -> &mut dyn Network {
        self.world.network()
    }

    /// A listener on a free port, with pipes that hold little.
    pub(crate) fn listen(&mut self) -> SocketAddr {
        let anywhere = "127.0.0.1:0".parse().unwrap();
        self.network().listen(LISTENER, anywhere, &short_pipes()).unwrap()
    }

    /// A peer that has connected to `listener` and was adopted under this name.
    pub(crate) fn connected(&mut self, listener: SocketAddr, connection: Token) -> Peer {
        let peer = self.world.connect(listener);
        assert_eq!(self.accepted(), self.world.address(peer));
        self.network().adopt(connection).unwrap();
        peer
    }

    /// A listener and its first peer, both with nothing left to tell.
    pub(crate) fn first_peer(&mut self) -> Peer {
        let address = self.listen();
        let peer = self.connected(address, FIRST);
        self.forget();
        peer
    }

    /// Accepts, when there is somebody.
    pub(crate) fn accepted(&mut self) -> SocketAddr {
        let mut peer = None;
        self.until("somebody to accept", |trial| {
            peer = match trial.network().accept(LISTENER) {
                Ok(Progress::Done(peer)) => Some(peer),
                Ok(Progress::Blocked) => None,
                Err(error) => panic!("{error:?}"),
            };
            peer.is_some()
        });
        peer.unwrap()
    }

    /// Reads once, into that much room. `None` is `Blocked`.
    pub(crate) fn read(&mut self, connection: Token, room: usize) -> Option<Vec<u8>> {
        let mut buffer = vec![0; room];
        match self.network().read(connection, &mut buffer).progress().unwrap() {
            Progress::Done(len) => Some(buffer[..len].to_vec()),
            Progress::Blocked => None,
        }
    }

    /// Reads this many bytes, whenever they come.
    pub(crate) fn read_all(&mut self, connection: Token, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.until("more to read", |trial| {
            let piece = trial.read(connection, 4096);
            assert_ne!(piece.as_deref(), Some(&[][..]), "the end came first");
            bytes.extend(piece.unwrap_or_default());
            bytes.len() >= len
        });
        bytes
    }

    /// Writes until the network takes no more, and says how much that was.
    pub(crate) fn fill(&mut self, connection: Token) -> usize {
        let mut filled = 0;
        while let Progress::Done(len) =
            self.network().write(connection, &[b'.'; 1024]).progress().unwrap()
        {
            filled += len;
            assert!(filled < 64 << 20, "a pipe without end");
        }
        filled
    }

    /// Receives into this batch, when there is something.
    pub(crate) fn receive(&mut self, batch: &mut Incoming) {
        self.until("a datagram", |trial| match trial.network().receive(SOCKET, batch) {
            Ok(Progress::Done(())) => true,
            Ok(Progress::Blocked) => false,
            Err(error) => panic!("{error:?}"),
        });
    }

    /// Waits for this event, which may have been among those of earlier polls.
    #[track_caller]
    pub(crate) fn wait(&mut self, token: Token, readiness: Readiness) {
        let what = format!("{readiness:?} of {token:?}");
        self.until(&what, |trial| trial.has_noted(token, readiness));
    }

    pub(crate) fn has_noted(&mut self, token: Token, readiness: Readiness) -> bool {
        let noted = self.noted.entry(token.to_bits()).or_default();
        let is_noted = noted.contains(readiness);
        if is_noted {
            *noted = noted.without(readiness);
        }
        is_noted
    }

    /// Polls until something is so.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        for _ in 0..TRIES {
            self.world.go_on();
            if is_so(self) {
                return;
            }
            self.poll(Some(PATIENCE));
        }
        panic!("waited in vain for {what}; noted are {:?}", self.noted);
    }

    /// Takes all events there are, and forgets that there were any.
    pub(crate) fn forget(&mut self) {
        while !self.poll(Some(Duration::ZERO)).is_empty() {}
        self.noted.clear();
    }

    /// Polls once, and notes what has happened.
    pub(crate) fn poll(&mut self, timeout: Option<Duration>) -> &[Event] {
        self.world.go_on();
        self.world.network().poll(&mut self.events, timeout).unwrap();
        for event in &self.events {
            let noted = self.noted.entry(event.token.to_bits()).or_default();
            *noted = noted.with(event.readiness);
        }
        &self.events
    }

    /// Waits for the end of a connection as its peer sees it.
    #[track_caller]
    pub(crate) fn end(&mut self, peer: Peer) -> End {
        self.until("the end", |trial| trial.world.end(peer).is_some());
        self.world.end(peer).unwrap()
    }
}

/// Options that keep little in the kernel.
pub(crate) fn short_pipes() -> SocketOptions {
    SocketOptions {
        send_buffer_len: Some(8192),
        receive_buffer_len: Some(8192),
        ..SocketOptions::default()
    }
}

/// The kind of error that an accept for no listener has.
pub(crate) fn broken_kind(answer: Result<Progress<SocketAddr>, AcceptError>) -> std::io::ErrorKind {
    match answer {
        Err(AcceptError::Broken(error)) => error.kind(),
        other => panic!("{other:?}"),
    }
}
