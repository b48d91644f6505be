//! The connections of one endpoint, in slots that are used again under new names.

use slab::Slab;

use crate::connection::Connection;
use crate::instant::Instant;
use crate::tenants::{Tenants, TenantsView};
use crate::token::Token;

/// For how many connections tables are made at the start; beyond it they grow.
pub(crate) fn capacity(max_len: usize) -> usize {
    max_len.min(65_536)
}

/// Tables that have had room for this many are given back when nobody is left: those of fewer are
/// not worth it, and need not be made again for the next who comes.
pub(crate) const WORTH_GIVING_BACK_LEN: usize = 1024;

/// How many of the longest idle are found with one look at all connections.
const IDLE_BATCH_LEN: usize = 64;

/// A connection with what its protocol and its application keep for it.
pub(crate) struct Peer<C, S> {
    pub(crate) connection: Connection,
    pub(crate) codec: C,
    pub(crate) state: S,
}

/// All connections of an endpoint. How many there are is how many slots are taken: nothing else
/// counts them.
pub(crate) struct Connections<C, S> {
    endpoint: u8,
    max_len: usize,
    /// `None` is a slot whose names have run out; it is never used again.
    slots: Slab<Option<Peer<C, S>>>,
    retired: usize,
    tenants: Tenants,
    /// No slot from here on was ever taken.
    used_len: usize,
    /// The longest idle when all were last looked at, the longest idle last.
    idle: Vec<(Instant, Token)>,
}

impl<C, S> Connections<C, S> {
    /// No connections yet, of `max_len` at most, and room for them: memory that is asked for and
    /// not touched costs nothing, and slots that never move are never copied in the middle of the
    /// traffic.
    pub(crate) fn new(endpoint: u8, max_len: usize) -> Self {
        Self {
            endpoint,
            max_len,
            slots: Slab::with_capacity(capacity(max_len)),
            retired: 0,
            tenants: Tenants::new(max_len.min(Token::MAX_SLOTS as usize)),
            used_len: 0,
            idle: Vec::new(),
        }
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.retired
    }

    /// The memory of one slot, in bytes, with the address of a peer that has one of IPv6.
    pub(crate) const SLOT_LEN: usize =
        size_of::<Option<Peer<C, S>>>() + size_of::<u32>() + Connection::APART_LEN;

    /// The name that the next connection will have; `None` if there are no more slots.
    pub(crate) fn next_token(&self) -> Option<Token> {
        let slot = u32::try_from(self.slots.vacant_key()).ok()?;
        let generation = self.tenants.generation(slot as usize)?;
        (slot < Token::MAX_SLOTS).then(|| Token::connection(self.endpoint, slot, generation))
    }

    /// Puts `peer` into the next slot, whose name its connection bears.
    pub(crate) fn insert(&mut self, peer: Peer<C, S>) -> &mut Peer<C, S> {
        let token = peer.connection.token();
        assert_eq!(Some(token), self.next_token(), "a connection bears the name of its slot");
        let slot = self.slots.insert(Some(peer));
        self.used_len = self.used_len.max(slot + 1);
        self.slots[slot].as_mut().expect("it was put there a moment ago")
    }

    /// The connection of this name, unless it is gone.
    pub(crate) fn get(&self, token: Token) -> Option<&Peer<C, S>> {
        let peer = self.slots.get(token.slot())?.as_ref()?;
        (peer.connection.token() == token).then_some(peer)
    }

    /// As [`get`](Self::get), to be changed.
    #[inline]
    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut Peer<C, S>> {
        let peer = self.slots.get_mut(token.slot())?.as_mut()?;
        (peer.connection.token() == token || planted!(StrangerInTheSlot)).then_some(peer)
    }

    /// Frees the slot of this name, and sees to it that the name is never given again.
    pub(crate) fn remove(&mut self, token: Token) -> Option<Peer<C, S>> {
        self.get_mut(token)?;
        if self.tenants.vacate(token.slot()) {
            let peer = self.slots.remove(token.slot());
            self.give_back();
            peer
        } else {
            self.retired += 1;
            self.slots[token.slot()].take()
        }
    }

    /// If nobody is left of many, begins anew with slots that were never touched. No name is given
    /// twice for it: the generations are elsewhere, and stay. Nor do slots come back that must not
    /// be used again: as long as there are any, nothing is given back.
    fn give_back(&mut self) {
        if self.slots.is_empty() && self.used_len >= WORTH_GIVING_BACK_LEN {
            // The table is made small and large again, not dropped: an allocator gives back what
            // is cut off, but would keep as much as was once freed for the next who asks.
            self.slots.clear();
            let only = self.slots.insert(None);
            self.slots.shrink_to_fit();
            self.slots.remove(only);
            self.slots.reserve_exact(capacity(self.max_len));
            self.used_len = 0;
            self.idle = Vec::new();
        }
    }

    /// The names of all connections.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        self.iter().map(Connection::token).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.slots.iter().filter_map(|(_, peer)| peer.as_ref()).map(|peer| &peer.connection)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer<C, S>> {
        self.slots.iter_mut().filter_map(|(_, peer)| peer.as_mut())
    }

    /// The name of the first connection in the slots from `slot` on that its handler has.
    pub(crate) fn next_from(&self, slot: usize) -> Option<Token> {
        let taken = |slot| Some(&self.slots.get(slot)?.as_ref()?.connection);
        let mut present = (slot..self.used_len).filter_map(taken).filter(|c| c.is_present());
        present.next().map(Connection::token)
    }

    /// What other threads may know of who is there.
    pub(crate) fn tenants(&self) -> TenantsView {
        self.tenants.view()
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
        let may_go = |it: &&Connection| it.has_nothing_to_do() && !it.is_outbound();
        let idle = self.iter().filter(may_go);
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
            let is_still = |peer: &mut Peer<C, S>| {
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
    use crate::network::Readiness;

    fn open(connections: &mut Connections<(), ()>, nanos: u64) -> Token {
        let token = connections.next_token().unwrap();
        let peer = "192.0.2.1:9".parse().unwrap();
        let mut connection = Connection::new(token, peer, Instant::from_nanos(nanos));
        connection.note(Readiness::WRITABLE);
        connections.insert(Peer { connection, codec: (), state: () });
        token
    }

    #[test]
    fn a_name_outlives_its_connection_and_names_nobody() {
        let mut connections = Connections::new(3, 1);
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
        let mut connections = Connections::new(0, 3);
        connections.tenants = Tenants::starting_at(u32::MAX - 3, 3);
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
    fn an_id_that_is_kept_reaches_nobody_when_the_slots_were_given_back() {
        let mut connections = Connections::new(0, 3000);
        let mut names: Vec<Token> = Vec::new();
        for _ in 0..5 {
            let present: Vec<_> = (0..2500).map(|_| open(&mut connections, 0)).collect();
            assert!(names.iter().all(|gone| connections.get_mut(*gone).is_none()));
            assert_eq!(connections.used_len, 2500);
            for token in &present {
                connections.remove(*token).unwrap();
            }
            assert_eq!((connections.used_len, connections.len()), (0, 0), "begun anew");
            names.extend(present);
            assert!(names.iter().all(|gone| connections.remove(*gone).is_none()));
            assert!(names.iter().all(|gone| !gone_is_current(&connections, *gone)));
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "no name was given twice");
    }

    fn gone_is_current(connections: &Connections<(), ()>, token: Token) -> bool {
        connections.tenants().is_current(token.slot(), token.generation())
    }

    #[test]
    fn slots_whose_names_have_run_out_are_not_given_back() {
        let mut connections = Connections::new(0, 2000);
        connections.tenants = Tenants::starting_at(u32::MAX - 1, 2000);
        let first = open(&mut connections, 0);
        connections.remove(first).unwrap();
        let rest: Vec<_> = (1..2000).map(|_| open(&mut connections, 0)).collect();
        for token in rest {
            connections.remove(token).unwrap();
        }
        assert_eq!((connections.len(), connections.next_token()), (0, None));
    }

    #[test]
    fn slots_whose_names_have_run_out_stay_when_the_last_of_the_others_goes() {
        let mut connections = Connections::new(0, 2000);
        connections.tenants = Tenants::starting_at(u32::MAX - 2, 2000);
        // The last slot is used once less, and goes last.
        for len in [1500, 1501] {
            let present: Vec<_> = (0..len).map(|_| open(&mut connections, 0)).collect();
            for token in present {
                connections.remove(token).unwrap();
            }
            assert_eq!(connections.len(), 0);
        }
        let next = connections.next_token().expect("there are slots with names left");
        assert_eq!((next.slot(), next.generation()), (1500, u32::MAX - 1));
    }

    #[test]
    fn the_longest_idle_is_found_however_many_there_are() {
        for count in [1, IDLE_BATCH_LEN - 1, IDLE_BATCH_LEN, IDLE_BATCH_LEN + 1] {
            let mut connections = Connections::new(0, count);
            for nanos in (1..=count as u64).rev() {
                open(&mut connections, nanos);
            }
            let (since, _) = connections.longest_idle().unwrap();
            assert_eq!(since, Instant::from_nanos(1), "of {count}");
        }
    }

    #[test]
    fn the_longest_idle_is_found_exactly_as_others_move_and_close() {
        let mut connections = Connections::new(0, 500);
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
