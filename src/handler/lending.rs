//! Lending a connection to a callback, and seeing to what comes of it.

use super::{Handler, PeerOf, Session};
use crate::connections::Peer;
use crate::error::{CloseReason, Error};
use crate::panics::catch;
use crate::turn::{Bench, Turn};

/// What a callback is lent of `peer`, and what it takes to make frames.
#[inline(always)]
pub(crate) fn session<'a, 't, H: Handler>(
    peer: &'a mut PeerOf<H>,
    turn: &'a mut Turn<'t>,
) -> (Session<'a, H>, &'a mut Bench<'t>) {
    let Peer { connection, codec, state } = peer;
    let Turn { network, shared, bench } = turn;
    (Session { connection, codec, state, shared, network: network.lend() }, bench)
}

/// Lends `peer` to `call`, and settles what came of it.
#[inline(always)]
pub(crate) fn lend<H: Handler, R>(
    peer: &mut PeerOf<H>,
    turn: &mut Turn<'_>,
    call: impl FnOnce(&mut Session<'_, H>, &mut Bench<'_>) -> R,
) -> R {
    turn.shared.begin_event();
    let (mut session, bench) = session(peer, turn);
    session.shared.room = session.output_room();
    let result = call(&mut session, bench);
    session.settle();
    result
}

/// Runs a callback whose panic or error ends this connection only.
pub(crate) fn guard<H: Handler>(
    session: &mut Session<'_, H>,
    callback: impl FnOnce(&mut Session<'_, H>) -> Result<(), Error>,
) {
    session.shared.mark = session.shared.output.mark();
    match catch(|| callback(session)) {
        Some(Ok(())) => {}
        Some(Err(error)) => session.connection.close(CloseReason::Failed(error)),
        None => panicked(session),
    }
}

/// Closes the connection of the loop's own accord, when the handler has been told why. The peer of
/// one that is tied speaks with another, and is not to hear the handler.
#[cold]
pub(crate) fn take_leave<H: Handler>(
    handler: &mut H,
    session: &mut Session<'_, H>,
    reason: CloseReason,
) {
    let connection = &*session.connection;
    if connection.is_open() && connection.is_announced() && !connection.is_tied() {
        guard(session, |session| handler.on_farewell(session, &reason));
    }
    session.connection.close(reason);
}

/// A callback panicked: what it sent is taken back, what was sent before is flushed.
#[cold]
pub(crate) fn panicked<H: Handler>(session: &mut Session<'_, H>) {
    session.shared.metrics.panics += 1;
    let mark = session.shared.mark;
    planted!(PanicLeavesItOpen, return);
    let mark = if planted!(HalfAnAnswerLeaves) { session.shared.output.mark() } else { mark };
    session.shared.output.truncate(mark);
    session.connection.close(CloseReason::Panicked);
    log::error!("a callback panicked: connection {} of {} is closed", session.id(), session.peer());
}
