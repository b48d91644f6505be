//! The connections of one endpoint, in slots that are used again under new names.

use slab::Slab;

use crate::connection::Connection;
use crate::handler::Handler;
use crate::instant::Instant;
use crate::token::Token;

/// How many of the longest idle are found with one look at all connections.
const IDLE_BATCH_LEN: usize = 64;

/// A connection with what its protocol and its application keep for it.
pub(crate) struct Peer<H: Handler> {
    pub(crate) connection: Connection,
    pub(crate) codec: H::Codec,
    pub(crate) state: H::State,
}

/// All connections of an endpoint. How many there are is how many slots are taken: nothing else
/// counts them.
pub(crate) struct Connections<H: Handler> {
    endpoint: u8,
    /// `None` is a slot whose names have run out; it is never used again.
    slots: Slab<Option<Peer<H>>>,
    retired: usize,
    /// For each slot, the generation of its current tenant or of the next.
    generations: Vec<u32>,
    /// The generation of a slot's first tenant.
    first_generation: u32,
    /// The longest idle when all were last looked at, the longest idle last.
    idle: Vec<(Instant, Token)>,
}

impl<H: Handler> Connections<H> {
    /// No connections yet, and room for `capacity`: memory that is asked for and not touched costs
    /// nothing, and slots that never move are never copied in the middle of the traffic.
    pub(crate) fn new(endpoint: u8, capacity: usize) -> Self {
        Self {
            endpoint,
            slots: Slab::with_capacity(capacity),
            retired: 0,
            generations: Vec::with_capacity(capacity),
            first_generation: 0,
            idle: Vec::new(),
        }
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.retired
    }

    /// The memory of one slot, in bytes.
    pub(crate) const SLOT_LEN: usize = size_of::<Option<Peer<H>>>() + size_of::<u32>();

    /// The name that the next connection will have; `None` if there are no more slots.
    pub(crate) fn next_token(&self) -> Option<Token> {
        let slot = u32::try_from(self.slots.vacant_key()).ok()?;
        let generation = self.generations.get(slot as usize).unwrap_or(&self.first_generation);
        (slot < Token::MAX_SLOTS).then(|| Token::connection(self.endpoint, slot, *generation))
    }

    /// Puts `peer` into the next slot, whose name its connection bears.
    pub(crate) fn insert(&mut self, peer: Peer<H>) -> &mut Peer<H> {
        let token = peer.connection.token();
        assert_eq!(Some(token), self.next_token(), "a connection bears the name of its slot");
        if token.slot() == self.generations.len() {
            self.generations.push(self.first_generation);
        }
        let slot = self.slots.insert(Some(peer));
        self.slots[slot].as_mut().expect("it was put there a moment ago")
    }

    /// The connection of this name, unless it is gone.
    #[inline]
    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut Peer<H>> {
        let peer = self.slots.get_mut(token.slot())?.as_mut()?;
        (peer.connection.token() == token).then_some(peer)
    }

    /// Frees the slot of this name, and sees to it that the name is never given again.
    pub(crate) fn remove(&mut self, token: Token) -> Option<Peer<H>> {
        self.get_mut(token)?;
        match self.generations[token.slot()].checked_add(1) {
            Some(next) => {
                self.generations[token.slot()] = next;
                self.slots.remove(token.slot())
            }
            None => {
                self.retired += 1;
                self.slots[token.slot()].take()
            }
        }
    }

    /// The names of all connections.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        self.iter().map(Connection::token).collect()
    }

    fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.slots.iter().filter_map(|(_, peer)| peer.as_ref()).map(|peer| &peer.connection)
    }

    /// The connection that holds most memory, and how much.
    pub(crate) fn largest(&self) -> Option<(usize, Token)> {
        self.iter().map(|connection| (connection.held_len(), connection.token())).max()
    }

    /// The connection that has been idle the longest, and since when.
    ///
    /// All are looked at once in a while, and the longest idle noted: as long as one of those has
    /// not moved since, nobody else can have been idle longer.
    pub(crate) fn longest_idle(&mut self) -> Option<(Instant, Token)> {
        if let Some(found) = self.longest_idle_noted() {
            return Some(found);
        }
        let idle = self.iter().filter(|connection| connection.has_nothing_to_do());
        let mut idle: Vec<_> = idle.map(|idle| (idle.last_active(), idle.token())).collect();
        if idle.len() > IDLE_BATCH_LEN {
            idle.select_nth_unstable(IDLE_BATCH_LEN);
            idle.truncate(IDLE_BATCH_LEN);
        }
        idle.sort_unstable_by(|a, b| b.cmp(a));
        self.idle = idle;
        self.longest_idle_noted()
    }

    fn longest_idle_noted(&mut self) -> Option<(Instant, Token)> {
        while let Some((since, token)) = self.idle.last().copied() {
            let is_still = |peer: &mut Peer<H>| {
                peer.connection.has_nothing_to_do() && peer.connection.last_active() == since
            };
            if self.get_mut(token).is_some_and(is_still) {
                return Some((since, token));
            }
            self.idle.pop();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Raw;
    use crate::error::Error;
    use crate::handler::Session;
    use crate::network::Readiness;

    struct Silent;

    impl Handler for Silent {
        type Codec = Raw;
        type State = ();

        fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &mut [u8]) -> Result<(), Error> {
            Ok(())
        }
    }

    fn open(connections: &mut Connections<Silent>, nanos: u64) -> Token {
        let token = connections.next_token().unwrap();
        let peer = "192.0.2.1:9".parse().unwrap();
        let mut connection = Connection::new(token, peer, Instant::from_nanos(nanos));
        connection.note(Readiness::WRITABLE);
        connections.insert(Peer { connection, codec: Raw, state: () });
        token
    }

    #[test]
    fn a_name_outlives_its_connection_and_names_nobody() {
        let mut connections = Connections::new(3, 0);
        let first = open(&mut connections, 0);
        connections.remove(first).unwrap();
        let second = open(&mut connections, 0);
        assert_eq!((first.slot(), first.endpoint_index()), (second.slot(), 3));
        assert!(connections.get_mut(first).is_none());
        assert!(connections.remove(first).is_none());
        assert!(connections.get_mut(second).is_some());
        assert_eq!(connections.len(), 1);
    }

    #[test]
    fn a_slot_whose_names_have_run_out_is_not_used_again() {
        let mut connections = Connections::new(0, 1);
        connections.first_generation = u32::MAX - 2;
        let mut names = Vec::new();
        for _ in 0..7 {
            let token = open(&mut connections, 0);
            assert_eq!(connections.len(), 1);
            assert!(!names.contains(&token), "{token:?} was given twice");
            names.push(token);
            connections.remove(token).unwrap();
            assert_eq!(connections.len(), 0);
            assert!(connections.get_mut(token).is_none());
        }
        assert_eq!(
            names.iter().map(|token| token.slot()).collect::<Vec<_>>(),
            [0, 0, 0, 1, 1, 1, 2]
        );
    }

    #[test]
    fn the_longest_idle_is_found_exactly_as_others_move_and_close() {
        let mut connections = Connections::new(0, 1);
        let mut expected: Vec<_> =
            (0..500).map(|i| (i * 7919) % 1000).map(|n| (n, open(&mut connections, n))).collect();
        expected.sort_unstable();
        for (nanos, token) in expected {
            assert_eq!(connections.longest_idle(), Some((Instant::from_nanos(nanos), token)));
            connections.remove(token).unwrap();
            open(&mut connections, 2000);
        }
    }
}
