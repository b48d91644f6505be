//! One listener's protocol: from bytes to frames to the handler, and back.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::codec::{Codec, Decoded};
use crate::connection::{Connection, Phase};
use crate::connections::{Connections, Peer};
use crate::error::{CloseReason, Error, FrameError, FrameFault};
use crate::handler::{Handler, Session};
use crate::instant::Instant;
use crate::network::{Network, Readiness};
use crate::read_buffer::ReadBuffer;
use crate::shared::{Purpose, Shared};
use crate::token::Token;

/// A short beginning of a frame is put before what is read next, in the shared buffer; a longer one
/// is read on where it is.
const JOIN_LEN: usize = 4096;

/// What an endpoint is lent for one turn of the loop.
pub(crate) struct Turn<'a> {
    pub(crate) network: &'a mut dyn Network,
    pub(crate) shared: &'a mut Shared,
    /// The buffer that everybody's input is read into.
    pub(crate) buffer: &'a mut [u8],
}

/// The connections of one listener, whatever their protocol: the one place where the loop does not
/// know what it calls.
pub(crate) trait Endpoint {
    /// How many connections there are.
    fn len(&self) -> usize;

    /// The name for the next peer; `None` if there is no slot left.
    fn next_token(&self) -> Option<Token>;

    /// The network has adopted `peer` under the [`next_token`](Self::next_token).
    fn open(&mut self, turn: &mut Turn<'_>, peer: SocketAddr, is_draining: bool);

    /// Something may be possible for the connection `token`.
    fn on_event(&mut self, turn: &mut Turn<'_>, token: Token, readiness: Readiness);

    /// The connection `token` is next on the list of those that have work left.
    fn on_turn(&mut self, turn: &mut Turn<'_>, token: Token);

    /// A timer of the connection `token` has come due.
    fn on_timer(&mut self, turn: &mut Turn<'_>, token: Token, purpose: Purpose);

    /// Frees the slot of a connection that closed; says why it did.
    fn free(&mut self, turn: &mut Turn<'_>, token: Token) -> Option<CloseReason>;

    /// Ends the connection `token` at once.
    fn cut(&mut self, turn: &mut Turn<'_>, token: Token, reason: CloseReason);

    /// Ends all connections at once; those that are done but for lingering keep their reason.
    fn cut_all(&mut self, turn: &mut Turn<'_>, reason: fn() -> CloseReason);

    /// Tells all connections that the loop drains.
    fn drain(&mut self, turn: &mut Turn<'_>);

    /// The connection that has been idle the longest, and since when.
    fn longest_idle(&mut self) -> Option<(Instant, Token)>;

    /// The connection that holds most memory, and how much.
    fn largest(&self) -> Option<(usize, Token)>;

    /// The memory of one slot, in bytes.
    fn slot_len(&self) -> usize;

    /// The most bytes that an unfinished frame can come to.
    fn max_frame_len(&self) -> usize;
}

/// A listener's handler and codec, with its connections.
pub(crate) struct StreamEndpoint<H: Handler> {
    handler: H,
    /// The codec that each connection gets a copy of.
    codec: H::Codec,
    connections: Connections<H>,
}

impl<H: Handler> StreamEndpoint<H> {
    pub(crate) const fn new(endpoint: u8, codec: H::Codec, handler: H) -> Self {
        Self { handler, codec, connections: Connections::new(endpoint) }
    }

    /// Lends the connection `token` to `call`, and settles what came of it.
    fn with_session(
        &mut self,
        turn: &mut Turn<'_>,
        token: Token,
        call: impl FnOnce(&mut H, &mut Session<'_, H>, &mut [u8]),
    ) {
        if let Some(peer) = self.connections.get_mut(token) {
            lend(&mut self.handler, peer, turn, call);
        }
    }
}

impl<H: Handler> Endpoint for StreamEndpoint<H> {
    fn len(&self) -> usize {
        self.connections.len()
    }

    fn next_token(&self) -> Option<Token> {
        self.connections.next_token()
    }

    fn open(&mut self, turn: &mut Turn<'_>, peer: SocketAddr, is_draining: bool) {
        let token = self.connections.next_token().expect("the network adopted it by this name");
        let mut connection = Connection::new(token, peer, turn.shared.now);
        // What came before it was adopted is announced nowhere.
        connection.note(Readiness::READABLE);
        if is_draining {
            connection.drain_newcomer();
        }
        let peer = Peer { connection, codec: self.codec.clone(), state: H::State::default() };
        let peer = self.connections.insert(peer);
        lend(&mut self.handler, peer, turn, |handler, session, _| {
            guard(session, |session| handler.on_open(session));
        });
    }

    #[inline]
    fn on_event(&mut self, turn: &mut Turn<'_>, token: Token, readiness: Readiness) {
        let Some(peer) = self.connections.get_mut(token) else { return };
        peer.connection.note(readiness);
        // Whoever is on the list is served when it is his turn, and once a turn.
        if !peer.connection.is_queued() {
            lend(&mut self.handler, peer, turn, serve);
        }
    }

    fn on_turn(&mut self, turn: &mut Turn<'_>, token: Token) {
        let Some(peer) = self.connections.get_mut(token) else { return };
        if peer.connection.unqueue() {
            self.on_event(turn, token, Readiness::NONE);
        }
    }

    fn on_timer(&mut self, turn: &mut Turn<'_>, token: Token, purpose: Purpose) {
        self.with_session(turn, token, |handler, session, _| match purpose {
            Purpose::Handler(key) => {
                session.connection.forget_timer(key);
                if session.connection.is_open() {
                    guard(session, |session| handler.on_timer(session, key));
                }
            }
            _ => session.connection.expire(session.shared),
        });
    }

    fn free(&mut self, turn: &mut Turn<'_>, token: Token) -> Option<CloseReason> {
        let peer = self.connections.get_mut(token)?;
        let reason = peer.connection.take_reason();
        lend(&mut self.handler, peer, turn, |handler, session, _| {
            guard(session, |session| {
                handler.on_close(session, &reason);
                Ok(())
            });
        });
        let Peer { mut connection, codec, state } = self.connections.remove(token)?;
        connection.release(turn.shared, turn.network);
        // What the application keeps may panic when it is dropped.
        if catch_unwind(AssertUnwindSafe(|| drop((codec, state)))).is_err() {
            turn.shared.counters.panics += 1;
            log::error!("the state of connection {token:?} panicked when it was dropped");
        }
        Some(reason)
    }

    fn cut(&mut self, turn: &mut Turn<'_>, token: Token, reason: CloseReason) {
        self.with_session(turn, token, |_, session, _| session.connection.cut(reason));
    }

    fn cut_all(&mut self, turn: &mut Turn<'_>, reason: fn() -> CloseReason) {
        for token in self.connections.tokens() {
            self.cut(turn, token, reason());
        }
    }

    fn drain(&mut self, turn: &mut Turn<'_>) {
        for token in self.connections.tokens() {
            self.with_session(turn, token, |handler, session, _| {
                session.connection.drain();
                if session.connection.is_open() {
                    guard(session, |session| handler.on_drain(session));
                }
            });
        }
    }

    fn longest_idle(&mut self) -> Option<(Instant, Token)> {
        self.connections.longest_idle()
    }

    fn largest(&self) -> Option<(usize, Token)> {
        self.connections.largest()
    }

    fn slot_len(&self) -> usize {
        Connections::<H>::SLOT_LEN
    }

    fn max_frame_len(&self) -> usize {
        self.codec.max_frame_len()
    }
}

/// Lends `peer` to `call`, and settles what came of it.
#[inline(always)]
fn lend<H: Handler>(
    handler: &mut H,
    peer: &mut Peer<H>,
    turn: &mut Turn<'_>,
    call: impl FnOnce(&mut H, &mut Session<'_, H>, &mut [u8]),
) {
    let Peer { connection, codec, state } = peer;
    let (shared, network) = (&mut *turn.shared, &mut *turn.network);
    shared.write_left = shared.config.write_budget;
    let mut session = Session { connection, codec, state, shared, network };
    call(handler, &mut session, turn.buffer);
    session.connection.settle(session.shared, session.network);
}

/// Runs a callback whose panic or error ends this connection only.
fn guard<H: Handler>(
    session: &mut Session<'_, H>,
    callback: impl FnOnce(&mut Session<'_, H>) -> Result<(), Error>,
) {
    session.shared.mark = session.shared.output.mark();
    match catch_unwind(AssertUnwindSafe(|| callback(session))) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => session.connection.close(CloseReason::Failed(error)),
        Err(_) => panicked(session),
    }
}

/// A callback panicked: what it sent is taken back, what was sent before is flushed.
#[cold]
fn panicked<H: Handler>(session: &mut Session<'_, H>) {
    session.shared.counters.panics += 1;
    let mark = session.shared.mark;
    session.shared.output.truncate(mark);
    session.connection.close(CloseReason::Panicked);
    log::error!("a callback panicked: connection {} of {} is closed", session.id(), session.peer());
}

/// Does for a connection whatever is possible, within its budgets.
#[inline(always)]
fn serve<H: Handler>(handler: &mut H, session: &mut Session<'_, H>, buffer: &mut [u8]) {
    match session.connection.phase() {
        Phase::Open => {
            if session.connection.queued_len() > 0 {
                session.connection.flush(session.shared, session.network);
            }
            if catch_unwind(AssertUnwindSafe(|| run(handler, session, buffer))).is_err() {
                panicked(session);
            }
        }
        Phase::Lingering => session.connection.linger(session.shared, session.network, buffer),
        // What waits is flushed when the event is settled.
        Phase::Flushing | Phase::Closed => {}
    }
}

/// What a connection may still do in this turn.
struct Budget {
    bytes: usize,
    frames: usize,
}

/// Runs the frames that wait, then reads and runs more.
#[inline(always)]
fn run<H: Handler>(handler: &mut H, session: &mut Session<'_, H>, buffer: &mut [u8]) {
    let config = &session.shared.config;
    let mut budget = Budget { bytes: config.read_budget, frames: config.frame_budget };
    loop {
        let (mut kept, len) = match session.connection.input.take() {
            None if may_read(session, &budget) => match read(session, buffer, &mut budget) {
                Some(len) => (None, len),
                None => break,
            },
            None => break,
            Some(kept) => match read_on(session, buffer, kept, &mut budget) {
                Some((kept, len)) => (Some(kept), len),
                None => break,
            },
        };
        let in_place = kept.as_mut().filter(|_| len == 0);
        let input = in_place.map_or(&mut buffer[..len], |kept| kept.filled());
        let ran = run_frames(handler, session, input, &mut budget);
        if ran.consumed < input.len() || kept.is_some() {
            keep(session, buffer, kept, len, ran);
        } else if !session.connection.may_read() {
            break;
        }
    }
    if session.connection.is_end_due() && session.connection.may_run() {
        run_end(handler, session);
    }
}

#[inline]
fn may_read<H: Handler>(session: &Session<'_, H>, budget: &Budget) -> bool {
    budget.bytes > 0 && budget.frames > 0 && session.connection.may_read()
}

/// Reads into `buffer`, within the budget; says how many bytes came, if any.
#[inline(always)]
fn read<H: Handler>(
    session: &mut Session<'_, H>,
    buffer: &mut [u8],
    budget: &mut Budget,
) -> Option<usize> {
    let room = buffer.len().min(budget.bytes);
    let len = session.connection.read(session.network, &mut buffer[..room], session.shared.now)?;
    budget.bytes -= len;
    Some(len)
}

/// Makes input that was kept worth decoding, if possible: at the beginning of the shared buffer,
/// whose first bytes it then is, as many as this says; or, if it says zero, where it was kept.
#[inline(never)]
fn read_on<H: Handler>(
    session: &mut Session<'_, H>,
    buffer: &mut [u8],
    mut kept: Box<ReadBuffer>,
    budget: &mut Budget,
) -> Option<(Box<ReadBuffer>, usize)> {
    let mut len = 0;
    while kept.missing() > 0 {
        if !may_read(session, budget) {
            session.connection.input = Some(kept);
            return None;
        }
        let before = kept.len();
        let is_short = kept.is_short(JOIN_LEN, buffer.len());
        let space = if is_short {
            buffer[..before].copy_from_slice(kept.filled());
            &mut buffer[before..]
        } else {
            kept.space()
        };
        let Some(read) = read(session, space, budget) else {
            session.connection.input = Some(kept);
            return None;
        };
        if !is_short {
            kept.fill(read);
        } else if read < kept.missing() {
            kept.append(&buffer[before..before + read]);
        } else {
            len = before + read;
            break;
        }
    }
    let may_run = budget.frames > 0 && session.connection.may_run();
    if !may_run && len == 0 {
        session.connection.input = Some(kept);
        return None;
    }
    Some((kept, len))
}

/// How far the frames of an input were run.
#[derive(Clone, Copy)]
struct Ran {
    consumed: usize,
    /// How many bytes there must be of the rest before it is worth decoding again; zero if it is
    /// now.
    need: usize,
}

/// Decodes and runs the frames in `input`, until there is no whole one, or something stops it.
#[inline(always)]
fn run_frames<H: Handler>(
    handler: &mut H,
    session: &mut Session<'_, H>,
    input: &mut [u8],
    budget: &mut Budget,
) -> Ran {
    let frames = budget.frames;
    let mut room = session.output_room();
    let input_len = input.len();
    let mut consumed = 0;
    let mut need = 0;
    while consumed < input_len && budget.frames > 0 && session.connection.may_run() {
        session.shared.mark = session.shared.output.mark();
        match session.codec.decode(&mut input[consumed..]) {
            Ok(Decoded::Frame { frame, consumed: len }) => {
                budget.frames -= 1;
                if let Err(error) = handler.on_frame(session, frame) {
                    session.connection.close(CloseReason::Failed(error));
                }
                consumed += len;
                if len == 0 || consumed > input_len {
                    close_malformed(session, IMPOSSIBLE_FRAME);
                }
                if session.shared.output.len() >= room {
                    session.connection.flush(session.shared, session.network);
                    room = session.output_room();
                }
            }
            Ok(Decoded::Incomplete { need: asked }) => {
                need = asked.max(input_len - consumed + 1);
                break;
            }
            Err(error) => close_malformed(session, error),
        }
    }
    if budget.frames < frames {
        session.connection.ran_frames();
    }
    Ran { consumed: consumed.min(input_len), need }
}

/// What a codec is told that claims a frame of no bytes, or of more than there are.
const IMPOSSIBLE_FRAME: FrameError =
    FrameError::new(FrameFault::Malformed("the codec's frame has an impossible length"), 0);

#[cold]
fn close_malformed<H: Handler>(session: &mut Session<'_, H>, error: FrameError) {
    session.connection.close(CloseReason::Malformed(Box::new(error)));
}

/// Keeps what was not consumed with the connection. The input was the first `len` bytes of the
/// shared buffer or, if that is zero, what was kept before.
#[inline(never)]
fn keep<H: Handler>(
    session: &mut Session<'_, H>,
    buffer: &[u8],
    kept: Option<Box<ReadBuffer>>,
    len: usize,
    ran: Ran,
) {
    let spares = &mut session.shared.spares;
    let mut kept = kept.unwrap_or_else(|| spares.take());
    // The frame that was the first is not the first any more, or never was.
    let is_new = ran.consumed > 0 || kept.len() == 0;
    if len == 0 {
        kept.consume(ran.consumed);
    } else if is_new {
        kept.clear();
        kept.append(&buffer[ran.consumed..len]);
    } else {
        let known = kept.len();
        kept.append(&buffer[known..len]);
    }
    if kept.len() == 0 || !session.connection.is_open() {
        spares.give_back(kept);
        return;
    }
    let begun = if is_new { session.shared.now } else { kept.begun() };
    kept.expect(ran.need, begun);
    session.connection.input = Some(kept.fitted(spares));
}

/// The peer has finished, and all its whole frames have been run: is there a last one, and what
/// does the handler make of it?
#[inline(never)]
fn run_end<H: Handler>(handler: &mut H, session: &mut Session<'_, H>) {
    if session.connection.has_frames_waiting() {
        return;
    }
    session.connection.run_end();
    session.shared.mark = session.shared.output.mark();
    let mut input = session.connection.input.take().unwrap_or_default();
    match session.codec.decode_end(input.filled()) {
        Ok(Some(frame)) => {
            session.connection.ran_frames();
            guard(session, |session| handler.on_frame(session, frame));
        }
        Ok(None) => {}
        Err(error) => close_malformed(session, error),
    }
    if session.connection.is_open() {
        guard(session, |session| handler.on_end(session));
    }
}
