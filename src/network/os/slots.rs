//! The connections of the system's network, found by token in a few instructions.

use mio::net::TcpStream;

use crate::token::Token;

/// Connections by endpoint and slot.
#[derive(Debug, Default)]
pub(super) struct Slots(Vec<Vec<Slot>>);

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
        let Slot { generation, stream } = self.0.get(token.endpoint_index())?.get(token.slot())?;
        stream.as_ref().filter(|_| *generation == token.generation())
    }

    /// Whether a connection, whichever, is where this one would go.
    pub(super) fn is_taken(&self, token: Token) -> bool {
        let slot = self.0.get(token.endpoint_index()).and_then(|slots| slots.get(token.slot()));
        slot.is_some_and(|slot| slot.stream.is_some())
    }

    /// Puts a connection in its place. The only call that asks for memory, and only for a slot
    /// higher than any before it.
    pub(super) fn insert(&mut self, token: Token, stream: TcpStream) {
        let (endpoint, slot) = (token.endpoint_index(), token.slot());
        if self.0.len() <= endpoint {
            self.0.resize_with(endpoint + 1, Vec::new);
        }
        let slots = &mut self.0[endpoint];
        if slots.len() <= slot {
            slots.resize_with(slot + 1, Slot::default);
        }
        slots[slot] = Slot { generation: token.generation(), stream: Some(stream) };
    }

    /// Takes a connection out, if it is there.
    pub(super) fn remove(&mut self, token: Token) -> Option<TcpStream> {
        let slot = self.0.get_mut(token.endpoint_index())?.get_mut(token.slot())?;
        if slot.generation == token.generation() { slot.stream.take() } else { None }
    }

    /// How many connections there are, by counting them.
    pub(super) fn count(&self) -> usize {
        self.0.iter().flatten().filter(|slot| slot.stream.is_some()).count()
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
