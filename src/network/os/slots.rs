//! The connections of the system's network, found by token in a few instructions.

use mio::net::TcpStream;

use crate::token::Token;

/// Connections by endpoint and slot.
#[derive(Debug, Default)]
pub(super) struct Slots(Vec<Table>);

/// The connections of an endpoint, by slot.
#[derive(Debug, Default)]
struct Table {
    slots: Vec<Slot>,
    /// How many of them are taken.
    len: usize,
}

/// A table that has had room for this many is given back when nobody is left: the generations in it
/// say nothing then.
const WORTH_GIVING_BACK_LEN: usize = 1024;

/// Eight bytes on Linux: the stream is a descriptor, and no descriptor is -1.
#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    stream: Option<TcpStream>,
}

impl Slots {
    /// The connection of this name.
    #[inline(always)]
    pub(super) fn find(&self, token: Token) -> Option<&TcpStream> {
        let Slot { generation, stream } = self.table(token)?.slots.get(token.slot())?;
        stream.as_ref().filter(|_| *generation == token.generation())
    }

    /// Whether a connection, whichever, is where this one would go.
    pub(super) fn is_taken(&self, token: Token) -> bool {
        let slot = self.table(token).and_then(|table| table.slots.get(token.slot()));
        slot.is_some_and(|slot| slot.stream.is_some())
    }

    #[inline(always)]
    fn table(&self, token: Token) -> Option<&Table> {
        self.0.get(token.endpoint_index())
    }

    /// Puts a connection in its place. The only call that asks for memory, and only for a slot
    /// higher than any since the endpoint last had none.
    pub(super) fn insert(&mut self, token: Token, stream: TcpStream) {
        let (endpoint, slot) = (token.endpoint_index(), token.slot());
        if self.0.len() <= endpoint {
            self.0.resize_with(endpoint + 1, Table::default);
        }
        let Table { slots, len } = &mut self.0[endpoint];
        if slots.len() <= slot {
            slots.resize_with(slot + 1, Slot::default);
        }
        *len += usize::from(slots[slot].stream.is_none());
        slots[slot] = Slot { generation: token.generation(), stream: Some(stream) };
    }

    /// Takes a connection out, if it is there.
    pub(super) fn remove(&mut self, token: Token) -> Option<TcpStream> {
        let table = self.0.get_mut(token.endpoint_index())?;
        let slot = table.slots.get_mut(token.slot())?;
        let stream = slot.stream.take_if(|_| slot.generation == token.generation())?;
        table.len -= 1;
        if table.len == 0 && table.slots.len() >= WORTH_GIVING_BACK_LEN {
            // Not dropped: an allocator would keep as much as was once freed.
            table.slots.clear();
            table.slots.shrink_to(1);
        }
        Some(stream)
    }

    /// How many connections there are.
    pub(super) fn count(&self) -> usize {
        self.0.iter().map(|table| table.len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn stream() -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        TcpStream::connect(listener.local_addr().unwrap()).unwrap()
    }

    // In a debug build, mio adds which poll a socket belongs to.
    #[test]
    #[cfg(all(target_os = "linux", not(debug_assertions)))]
    fn a_slot_takes_eight_bytes() {
        assert_eq!(size_of::<Slot>(), 8);
    }

    #[test]
    fn a_table_is_given_back_when_the_last_of_many_has_gone() {
        let mut slots = Slots::default();
        let (high, low) = (Token::connection(0, 5000, 1), Token::connection(0, 0, 7));
        slots.insert(high, stream());
        slots.insert(low, stream());
        assert!(slots.remove(high).is_some());
        assert!(slots.find(low).is_some());
        assert_eq!((slots.count(), slots.0[0].slots.len()), (1, 5001));
        assert!(slots.remove(low).is_some());
        assert_eq!(slots.count(), 0);
        assert!(slots.0[0].slots.capacity() < 1000);
        for gone in [high, low, Token::connection(0, 0, 0)] {
            assert!(slots.find(gone).is_none() && !slots.is_taken(gone));
        }
        slots.insert(low, stream());
        assert!(slots.find(low).is_some());
    }

    #[test]
    fn only_the_present_tenant_of_a_slot_is_found() {
        let mut slots = Slots::default();
        let (old, new) = (Token::connection(1, 2, 3), Token::connection(1, 2, 4));
        slots.insert(new, stream());
        assert!(slots.find(new).is_some());
        for absent in [
            old,
            Token::connection(0, 2, 4),
            Token::connection(1, 1, 4),
            Token::connection(1, 0, 0),
            Token::connection(1, 3, 0),
            Token::endpoint(1),
            Token::SIGNALS,
        ] {
            assert!(slots.find(absent).is_none(), "{absent:?}");
            assert!(slots.remove(absent).is_none());
        }
        assert!(slots.is_taken(old));
        assert_eq!(slots.count(), 1);
        assert!(slots.remove(new).is_some());
        assert!(slots.remove(new).is_none());
        assert_eq!(slots.count(), 0);
    }
}
