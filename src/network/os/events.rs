//! What mio is asked about sockets, and what it says of them.

use mio::Interest;

use crate::network::Readiness;
use crate::token::Token;

/// What is asked about a connection.
pub(super) fn interest() -> Interest {
    let both = Interest::READABLE.add(Interest::WRITABLE);
    // A read stops at urgent data, short of what is behind it: it must be known that there is some.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let both = both.add(Interest::PRIORITY);
    both
}

#[inline]
pub(super) fn to_mio(token: Token) -> mio::Token {
    #[expect(clippy::cast_possible_truncation, reason = "checked in os.rs: both have 64 bits")]
    mio::Token(token.to_bits() as usize)
}

/// What can be tried after this event. The end of the stream and errors are found by reading, and
/// errors by writing too. With urgent data in the stream a short read is not the end of what there
/// is, as little as when the stream ends.
#[inline]
pub(super) fn readiness(event: &mio::event::Event) -> Readiness {
    let is_broken = event.is_error() || event.is_write_closed();
    let is_ending = is_broken || event.is_read_closed();
    let mut readiness = Readiness::NONE;
    if is_ending || event.is_readable() {
        readiness = readiness.with(Readiness::READABLE);
    }
    if is_broken || event.is_writable() {
        readiness = readiness.with(Readiness::WRITABLE);
    }
    if is_ending || event.is_priority() {
        readiness = readiness.with(Readiness::HANGUP);
    }
    readiness
}
