//! What the server does: it gives out a page, and serves a chat and an echo over sockets.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use windlass::{Broadcast, CloseReason, ConnectionId, Error, Handler, Session, Slow};

use super::codec::Limits;
use super::fragments::Fragments;
use super::frames::{self, Close, Part, Refusal, code};
use super::handshake::Origins;
use super::http1::Clock;
use super::protocol::{Frame, Message, Protocol};

/// The longest text that is said to everybody, in bytes.
const MAX_SAID_LEN: usize = 2048;
/// The timer that asks whoever is silent whether he is there.
const PING: u32 = 0;
/// The timer that ends with who does not end his message.
const MESSAGE: u32 = 1;

/// What the options ask of the sockets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Rules {
    pub(crate) limits: Limits,
    /// All messages of which fragments have come hold no more memory than this, in bytes.
    pub(crate) max_unfinished: usize,
    /// How many may be in the chat.
    pub(crate) max_guests: usize,
    pub(crate) message_timeout: Duration,
    pub(crate) ping_interval: Duration,
    pub(crate) origins: Origins,
    pub(crate) slow: Slow,
}

impl Default for Rules {
    /// Messages of 1 MiB, sixty-four of which may come in fragments at a time, and 30 s for each to
    /// end and for each silence, which is less than any proxy on the way has patience for. A
    /// thousand guests: when all of them come or go at once, a million notices are due.
    fn default() -> Self {
        Self {
            limits: Limits { max_frame: 1 << 20, max_message: 1 << 20 },
            max_unfinished: 64 << 20,
            max_guests: 1000,
            message_timeout: Duration::from_secs(30),
            ping_interval: Duration::from_secs(30),
            origins: Origins::Same,
            slow: Slow::Skip,
        }
    }
}

/// The server's application.
pub(crate) struct Service {
    pub(super) rules: Rules,
    pub(super) clock: Clock,
    /// Everybody in the chat. The list is made anew when somebody comes or goes, and shared with
    /// every broadcast: more is said than people come and go.
    chat: Arc<[ConnectionId]>,
    /// How many have come to the chat.
    guests: u64,
    /// How many bytes of memory the unfinished messages hold.
    unfinished_len: usize,
}

/// What is kept for each connection.
#[derive(Default)]
pub(crate) struct Client {
    /// The number of the guest, if this is a socket of the chat. Other sockets are echoes.
    guest: Option<u64>,
    fragments: Fragments,
    /// How many bytes had come at the last tick of the ping timer.
    heard_len: u64,
    /// Whether a ping was sent at that tick.
    is_asked: bool,
}

/// What a socket is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Room {
    /// What is said is said to everybody.
    Chat,
    /// What is sent is sent back.
    Echo,
}

impl Handler for Service {
    type Codec = Protocol;
    type State = Client;

    #[inline]
    fn on_frame(&mut self, session: &mut Session<'_, Self>, frame: Frame<'_>) -> Result<(), Error> {
        match frame {
            Frame::WebSocket(frame) => self.on_websocket(session, frame),
            Frame::Http(frame) => self.on_http(session, &frame),
        }
    }

    fn on_timer(&mut self, session: &mut Session<'_, Self>, key: u32) -> Result<(), Error> {
        match key {
            PING => ask(session),
            _ => finish(session, LATE.into()),
        }
    }

    fn on_farewell(
        &mut self,
        session: &mut Session<'_, Self>,
        reason: &CloseReason,
    ) -> Result<(), Error> {
        let is_late = matches!(reason, CloseReason::FirstFrameTimeout | CloseReason::FrameTimeout);
        match session.codec() {
            _ if !is_late => Ok(()),
            Protocol::Http(http, _) if http.is_amid_request() => self.on_late_request(session),
            // Browsers connect before they know whether they will ask, and are owed no answer.
            Protocol::Http(..) => Ok(()),
            Protocol::WebSocket(_) => say_goodbye(session, LATE.into()),
        }
    }

    fn on_drain(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        match session.codec() {
            Protocol::Http(..) => Ok(()),
            Protocol::WebSocket(_) => finish(session, GOING_AWAY.into()),
        }
    }

    fn on_close(&mut self, session: &mut Session<'_, Self>, _: &CloseReason) {
        self.unfinished_len -= session.state().fragments.held_len();
        if let Some(guest) = session.state().guest {
            self.leave(session, guest);
        }
    }
}

const LATE: Refusal = Refusal { code: code::POLICY, why: "the message did not end in time" };
const SILENT: Refusal = Refusal { code: code::POLICY, why: "no answer to a ping" };
const GOING_AWAY: Refusal = Refusal { code: code::GOING_AWAY, why: "the server goes down" };
const NO_ROOM: Refusal =
    Refusal { code: code::TRY_AGAIN, why: "too much of other messages is unfinished" };
const FULL: Refusal = Refusal { code: code::TRY_AGAIN, why: "the chat is full" };
const NOT_TEXT: Refusal = Refusal { code: code::UNSUPPORTED, why: "only text can be said" };

impl Service {
    /// `wall` is what time it is in the world.
    pub(crate) fn new(rules: Rules, wall: fn() -> SystemTime) -> Self {
        let (clock, chat) = (Clock::new(wall), Arc::from([]));
        Self { rules, clock, chat, guests: 0, unfinished_len: 0 }
    }

    #[inline]
    fn on_websocket(
        &mut self,
        session: &mut Session<'_, Self>,
        frame: frames::Frame<'_>,
    ) -> Result<(), Error> {
        match frame {
            frames::Frame::Text(text) => self.text(session, text),
            frames::Frame::Binary(bytes) => self.binary(session, bytes),
            frames::Frame::Part(part) => self.part(session, part),
            frames::Frame::Ping(payload) => {
                session.send(Message::WebSocket(frames::Message::Pong(payload)))
            }
            // It was heard, which is all that was wanted.
            frames::Frame::Pong(_) => Ok(()),
            frames::Frame::Close(Close { code, .. }) => finish(session, Close { code, reason: "" }),
            frames::Frame::Refused(refusal) => finish(session, refusal.into()),
        }
    }

    /// A whole message of text has come.
    #[inline]
    fn text(&mut self, session: &mut Session<'_, Self>, text: &str) -> Result<(), Error> {
        match session.state().guest {
            Some(guest) => self.say(session, guest, text),
            None => session.send(Message::WebSocket(frames::Message::Text(text))),
        }
    }

    /// A whole message of bytes has come.
    #[inline]
    fn binary(&mut self, session: &mut Session<'_, Self>, bytes: &[u8]) -> Result<(), Error> {
        match session.state().guest {
            Some(_) => finish(session, NOT_TEXT.into()),
            None => session.send(Message::WebSocket(frames::Message::Binary(bytes))),
        }
    }

    /// A fragment of a message has come: the message is kept until it is whole.
    fn part(&mut self, session: &mut Session<'_, Self>, part: Part<'_>) -> Result<(), Error> {
        let fragments = &mut session.state().fragments;
        let is_first = matches!(fragments, Fragments::None);
        let before = fragments.held_len();
        let free = self.rules.max_unfinished - self.unfinished_len;
        let most = self.rules.limits.max_message.min(before + free);
        if !fragments.put(part.piece, most) {
            return finish(session, NO_ROOM.into());
        }
        self.unfinished_len += fragments.held_len() - before;
        if !part.is_last {
            if is_first {
                session.set_timer(MESSAGE, self.rules.message_timeout);
            }
            return Ok(());
        }
        let message = std::mem::take(fragments);
        self.unfinished_len -= message.held_len();
        session.cancel_timer(MESSAGE);
        match message {
            Fragments::Text(text) => self.text(session, &text),
            Fragments::Binary(bytes) => self.binary(session, &bytes),
            Fragments::None => Ok(()),
        }
    }

    /// A socket was opened, for the chat or for an echo.
    pub(super) fn enter(
        &mut self,
        session: &mut Session<'_, Self>,
        room: Room,
    ) -> Result<(), Error> {
        if session.is_draining() {
            return finish(session, GOING_AWAY.into());
        }
        session.set_interval(PING, self.rules.ping_interval);
        if room == Room::Echo {
            return Ok(());
        }
        if self.chat.len() >= self.rules.max_guests {
            return finish(session, FULL.into());
        }
        self.guests += 1;
        let guest = self.guests;
        session.state().guest = Some(guest);
        self.chat = self.chat.iter().copied().chain([session.id()]).collect();
        let welcome = format!("* you are guest{guest}");
        session.send(Message::WebSocket(frames::Message::Text(&welcome)))?;
        let count = self.chat.len();
        self.tell(session, &format!("* guest{guest} is here: {count} in all"))
    }

    fn leave(&mut self, session: &mut Session<'_, Self>, guest: u64) {
        // When all leave, nobody has to be told, and everybody of everybody would be too much.
        if session.is_draining() {
            return;
        }
        let id = session.id();
        self.chat = self.chat.iter().copied().filter(|other| *other != id).collect();
        let count = self.chat.len();
        // An error would be that too much waits to be said already.
        let _ = self.tell(session, &format!("* guest{guest} has left: {count} in all"));
    }

    fn say(&self, session: &mut Session<'_, Self>, guest: u64, text: &str) -> Result<(), Error> {
        if text.len() > MAX_SAID_LEN {
            let notice = format!("* more than {MAX_SAID_LEN} bytes: nobody heard that");
            return session.send(Message::WebSocket(frames::Message::Text(&notice)));
        }
        self.tell(session, &format!("guest{guest}: {text}"))?;
        // The next of his is read when this one is said: or else one who says much at once would
        // have all others wait, and fill the queue in which what they say has its place.
        session.pause();
        let id = session.id();
        session.defer(move |_, scope| {
            scope.with(id, |session| {
                session.resume();
            });
            Ok(())
        })
    }

    /// Tells everybody in the chat, whoever says it included: one frame in memory, however many
    /// they are.
    fn tell(&self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
        let frame = session.encode(Message::WebSocket(frames::Message::Text(line)))?;
        let broadcast = Broadcast::to(Arc::clone(&self.chat), frame).slow(self.rules.slow);
        session.commands().broadcast(broadcast)
    }
}

/// Asks a peer that has been silent whether it is there, and gives it up if it was asked before.
/// One that does not read is not asked: the write timeout sees to that.
fn ask(session: &mut Session<'_, Service>) -> Result<(), Error> {
    let heard_len = session.context().bytes_received();
    let is_alive = session.queued_len() > 0 || heard_len != session.state().heard_len;
    session.state().heard_len = heard_len;
    let was_asked = std::mem::replace(&mut session.state().is_asked, !is_alive);
    match (is_alive, was_asked) {
        (true, _) => Ok(()),
        (false, false) => session.send(Message::WebSocket(frames::Message::Ping(b""))),
        (false, true) => finish(session, SILENT.into()),
    }
}

/// Sends the last frame, and closes: nothing is read any more, but the peer's own last frame is
/// waited for, for as long as the connection lingers.
fn finish(session: &mut Session<'_, Service>, close: Close<'_>) -> Result<(), Error> {
    say_goodbye(session, close)?;
    session.close();
    Ok(())
}

fn say_goodbye(session: &mut Session<'_, Service>, close: Close<'_>) -> Result<(), Error> {
    session.send(Message::WebSocket(frames::Message::Close(close)))
}
