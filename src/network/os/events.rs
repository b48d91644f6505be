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

/// What can be tried after this event.
#[inline]
pub(super) fn readiness(event: &mio::event::Event) -> Readiness {
    if event.is_error() || event.is_read_closed() || event.is_write_closed() || event.is_priority()
    {
        return unusual(event);
    }
    match (event.is_readable(), event.is_writable()) {
        (true, true) => Readiness::READABLE.with(Readiness::WRITABLE),
        (true, false) => Readiness::READABLE,
        (false, true) => Readiness::WRITABLE,
        (false, false) => Readiness::NONE,
    }
}

/// The end of the stream and errors are found by reading, and errors by writing too. With urgent
/// data in the stream a short read is not the end of what there is, as little as when the stream
/// ends.
#[cold]
fn unusual(event: &mio::event::Event) -> Readiness {
    let is_broken = event.is_error() || event.is_write_closed();
    let mut readiness = Readiness::READABLE.with(Readiness::HANGUP);
    if is_broken || event.is_writable() {
        readiness = readiness.with(Readiness::WRITABLE);
    }
    readiness
}
