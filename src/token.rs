//! Names of sockets: which endpoint, which slot, which tenant of the slot.

use std::fmt;

/// The name of any socket of a loop: a connection, a listener, a UDP socket, the signals, or what
/// other threads wake it by.
///
/// Sixty-four bits: the generation of the slot (32), the endpoint it belongs to (8) and the slot
/// (24). A slot's generation grows with each tenant and never wraps, so an event or an id that
/// outlived its connection names nobody, and never the newcomer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u64);

/// The slot that names an endpoint's own socket, its listener or its UDP socket.
const OWN_SOCKET: u32 = (1 << Token::SLOT_BITS) - 1;
/// The endpoint that names what belongs to the loop as a whole.
const LOOP: u8 = u8::MAX;

// A slot can never be mistaken for an endpoint's own socket, nor an endpoint for the loop.
const _: () = assert!(Token::MAX_SLOTS <= OWN_SOCKET && Token::MAX_ENDPOINTS <= LOOP as usize);

impl Token {
    const SLOT_BITS: u32 = 24;

    /// How many connections one endpoint can have: 16,777,215.
    pub const MAX_SLOTS: u32 = OWN_SOCKET;
    /// How many endpoints, listeners and UDP sockets together, one loop can have.
    pub const MAX_ENDPOINTS: usize = LOOP as usize;
    /// The token under which signals are reported.
    pub const SIGNALS: Self = Self::pack(LOOP, OWN_SOCKET, 0);
    /// The token under which wakes are reported.
    // Not another slot: then `is_connection`, asked for each event, would have two to tell apart.
    pub const WAKE: Self = Self::pack(LOOP, OWN_SOCKET, 1);

    /// The token of an endpoint's listener or UDP socket.
    pub const fn endpoint(endpoint: u8) -> Self {
        Self::pack(endpoint, OWN_SOCKET, 0)
    }

    /// The token of a connection.
    ///
    /// # Panics
    ///
    /// If `slot` is not below [`MAX_SLOTS`](Self::MAX_SLOTS).
    pub const fn connection(endpoint: u8, slot: u32, generation: u32) -> Self {
        assert!(slot < Self::MAX_SLOTS, "a slot beyond the last");
        Self::pack(endpoint, slot, generation)
    }

    const fn pack(endpoint: u8, slot: u32, generation: u32) -> Self {
        Self((generation as u64) << 32 | (endpoint as u64) << Self::SLOT_BITS | slot as u64)
    }

    /// The number of the endpoint this socket belongs to, in the order they were added.
    pub const fn endpoint_index(self) -> usize {
        (self.0 >> Self::SLOT_BITS) as usize & 0xff
    }

    /// The slot of a connection within its endpoint.
    pub const fn slot(self) -> usize {
        (self.0 & 0xff_ffff) as usize
    }

    /// Which tenant of the slot this is.
    pub const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Whether this names a connection, not an endpoint's own socket nor what the loop has as a
    /// whole.
    pub const fn is_connection(self) -> bool {
        self.slot() != OWN_SOCKET as usize
    }

    /// Whether this names a connection of the endpoint with this number.
    #[inline]
    pub(crate) const fn is_connection_of(self, endpoint: u8) -> bool {
        self.endpoint_index() == endpoint as usize && self.is_connection()
    }

    /// The token as one number, for a kernel to carry.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The token that [`to_bits`](Self::to_bits) made this number of.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::SIGNALS {
            write!(f, "signals")
        } else if *self == Self::WAKE {
            write!(f, "wake")
        } else if self.is_connection() {
            write!(f, "{}:{}#{}", self.endpoint_index(), self.slot(), self.generation())
        } else {
            write!(f, "{}", self.endpoint_index())
        }
    }
}

/// The name of one connection, never given to another: a kept id whose connection has closed
/// reaches nobody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(crate) Token);

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_gives_back_what_it_was_made_of() {
        for (endpoint, slot, generation) in
            [(0, 0, 0), (1, 2, 3), (254, Token::MAX_SLOTS - 1, u32::MAX)]
        {
            let token = Token::connection(endpoint, slot, generation);
            assert_eq!(token.endpoint_index(), endpoint as usize);
            assert_eq!(token.slot(), slot as usize);
            assert_eq!(token.generation(), generation);
            assert!(token.is_connection());
            assert_eq!(Token::from_bits(token.to_bits()), token);
        }
    }

    #[test]
    fn an_endpoint_is_no_connection() {
        assert!(!Token::endpoint(0).is_connection());
        for of_the_loop in [Token::SIGNALS, Token::WAKE] {
            assert!(!of_the_loop.is_connection());
            assert!(of_the_loop.endpoint_index() >= Token::MAX_ENDPOINTS);
        }
        assert_ne!(Token::SIGNALS, Token::WAKE);
    }

    #[test]
    fn each_kind_of_token_is_written_in_its_own_way() {
        let tokens = [Token::connection(1, 2, 3), Token::endpoint(1), Token::SIGNALS, Token::WAKE];
        let texts = tokens.map(|token| format!("{token:?}"));
        assert_eq!(texts, ["1:2#3", "1", "signals", "wake"]);
        let id = ConnectionId(Token::connection(1, 2, 3));
        assert_eq!([format!("{id}"), format!("{id:?}")], ["1:2#3"; 2]);
    }

    #[test]
    #[should_panic(expected = "a slot beyond the last")]
    fn a_slot_beyond_the_last_is_refused() {
        let _ = Token::connection(0, Token::MAX_SLOTS, 0);
    }
}
