//! The server of the swarm: it answers each frame with itself, at once or in one of the ways in
//! which an answer can come later, and does what a few words ask for.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use windlass::middleware::{ConnectionContext, Frame, Interest, Middleware, Verdict};
use windlass::network::SimNetwork;
use windlass::{
    Broadcast, ByteLines, CloseReason, Delimited, Error, Fixed, Handler, LengthPrefixed, Lines,
    Listener, Raw, Scope, Session, Slow, Varint,
};

use super::clients::{FIXED_LEN, MAX_PAYLOAD_LEN};
use super::plan::{Plan, Protocol};
use super::upstream::UPSTREAM;
use crate::proof::fixture::{EchoDatagrams, Framing, Journal, What, World, address, panic_quietly};

/// Everything after this word is not answered.
pub(super) const QUIT: &[u8] = b"quit";
/// Neither is this word, and the handler panics at it.
pub(super) const PANIC: &[u8] = b"panic";
/// Everybody on a listener for lines is told of this word, by a number.
pub(super) const TELL: &[u8] = b"tell";
/// Where datagrams are answered.
pub(super) const UDP_PORT: u16 = 10;

/// The timer of an answer that comes later.
const LATER: u32 = 1;
const STACK_TIMER: u32 = 2;

/// The delimiter of the protocol that is called so.
pub(super) const DELIMITER: &[u8] = b"<>";

/// The world of a plan, with the number of things told that its handlers count.
pub(super) fn world_of(plan: &Plan) -> (World, Rc<Cell<u32>>) {
    let journal = Journal::default();
    let told = Rc::new(Cell::new(0));
    let mut network = SimNetwork::new(plan.seed);
    network.set_pipe_len(plan.pipe_len);
    network.set_faults(plan.faults.clone());
    network.set_call_cost(plan.call_cost);
    network.serve(SocketAddr::from(UPSTREAM));
    let kept = journal.clone();
    let world = World::of(network, plan.config.clone(), Some(journal), |server| {
        let server = (0..).zip(&plan.protocols).fold(server, |server, (number, protocol)| {
            let listener = listener(*protocol, number, &kept, &told);
            server.listen(match plan.has_layers {
                true => {
                    listener.middleware(Looks(Interest::Lengths)).middleware(Looks(Interest::Bytes))
                }
                false => listener,
            })
        });
        if plan.has_udp { server.udp(address(UDP_PORT), EchoDatagrams) } else { server }
    });
    (world, told)
}

fn listener(protocol: Protocol, number: u16, journal: &Journal, told: &Rc<Cell<u32>>) -> Listener {
    let at = address(number);
    match protocol {
        Protocol::Raw => Listener::tcp_with(at, Raw, Answers::new(journal, told)),
        Protocol::Lines => Listener::tcp_with(at, Lines::default(), Answers::new(journal, told)),
        Protocol::ByteLines => {
            Listener::tcp_with(at, ByteLines::default(), Answers::new(journal, told))
        }
        Protocol::Delimited => {
            Listener::tcp_with(at, Delimited::new(DELIMITER), Answers::new(journal, told))
        }
        Protocol::Fixed => {
            Listener::tcp_with(at, Fixed::new(FIXED_LEN), Answers::new(journal, told))
        }
        Protocol::LengthPrefixed => {
            let codec = LengthPrefixed::default().max_len(MAX_PAYLOAD_LEN);
            Listener::tcp_with(at, codec, Answers::new(journal, told))
        }
        Protocol::Varint => {
            let codec = Varint::default().max_len(MAX_PAYLOAD_LEN);
            Listener::tcp_with(at, codec, Answers::new(journal, told))
        }
        Protocol::Proxy => Listener::tcp(at, Proxy { journal: journal.clone() }),
    }
}

/// Sends frames back.
struct Answers<C> {
    journal: Journal,
    /// How many things were told to all.
    told: Rc<Cell<u32>>,
    codec: std::marker::PhantomData<C>,
}

impl<C: Framing> Answers<C> {
    fn new(journal: &Journal, told: &Rc<Cell<u32>>) -> Self {
        let (journal, told) = (journal.clone(), Rc::clone(told));
        Self { journal, told, codec: std::marker::PhantomData }
    }

    /// The answer comes later, and nothing is to come before it.
    fn put_off(session: &mut Session<'_, Self>, message: &C::Text) -> Result<(), Error> {
        session.pause();
        session.set_busy(true);
        let answer = session.encode(message)?;
        *session.state() = Some(answer);
        Ok(())
    }

    /// Now it comes.
    fn answer_now(session: &mut Session<'_, Self>) -> Result<(), Error> {
        let Some(answer) = session.state().take() else { return Ok(()) };
        session.set_busy(false);
        session.resume();
        session.send_encoded(answer)
    }

    /// Half of it comes now, and so on with the rest; but lines are whole, since something may be
    /// told to all meanwhile.
    fn answer_in_part(session: &mut Session<'_, Self>) -> Result<(), Error> {
        let half = match session.state() {
            Some(answer) if answer.len() > 1 && !answer.ends_with(b"\n") => {
                answer.split_to(answer.len() / 2)
            }
            _ => return Self::answer_now(session),
        };
        session.want_writable();
        session.send_encoded(half)
    }

    /// One of the ways to answer, which the frame itself decides.
    fn answer(session: &mut Session<'_, Self>, message: &C::Text) -> Result<(), Error> {
        let mark = message
            .as_ref()
            .iter()
            .fold(7_u32, |mark, byte| mark.wrapping_mul(31).wrapping_add(u32::from(*byte)));
        let id = session.id();
        let answer_later = move |_: &mut Self, scope: &mut Scope<'_, Self>| {
            scope.with(id, Self::answer_now).unwrap_or(Ok(()))
        };
        match mark % 16 {
            0 => {
                Self::put_off(session, message)?;
                session.set_timer(LATER, Duration::from_micros(u64::from(mark >> 20)));
                Ok(())
            }
            1 => {
                Self::put_off(session, message)?;
                session.defer(answer_later)
            }
            2 => {
                Self::put_off(session, message)?;
                let answer = session.state().replace(Bytes::new()).unwrap_or_default();
                session.commands().send(id, answer)?;
                session.defer(answer_later)
            }
            3 => {
                let answer = session.encode(message)?;
                let half = answer.len() / 2;
                session.send_encoded(answer.slice(..half))?;
                session.send_encoded(answer.slice(half..))
            }
            4 => {
                session.set_timer(STACK_TIMER, Duration::ZERO);
                session.send(message)
            }
            5 => {
                Self::put_off(session, message)?;
                session.set_busy(false);
                session.want_writable();
                Ok(())
            }
            _ => session.send(message),
        }
    }

    /// Tells everybody who is on a listener for lines.
    fn tell(&self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.told.set(self.told.get() + 1);
        let line = format!("@{}\n", self.told.get());
        let broadcast = Broadcast::to_all_of::<Answers<Lines>>(line).slow(Slow::Count);
        session.commands().broadcast(broadcast)
    }
}

impl<C: Framing> Handler for Answers<C> {
    type Codec = C;
    /// The answer that is still to come.
    type State = Option<Bytes>;

    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.journal.note(session, What::Opened);
        Ok(())
    }

    fn on_frame(
        &mut self,
        session: &mut Session<'_, Self>,
        frame: C::Frame<'_>,
    ) -> Result<(), Error> {
        self.journal.count_frame();
        let message = C::message(&frame);
        match message.as_ref() {
            QUIT => session.close(),
            PANIC => panic_quietly(),
            TELL => return self.tell(session),
            _ => return Self::answer(session, message),
        }
        Ok(())
    }

    fn on_timer(&mut self, session: &mut Session<'_, Self>, key: u32) -> Result<(), Error> {
        self.journal.note(session, What::Timer(key));
        if key == LATER { Self::answer_now(session) } else { Ok(()) }
    }

    fn on_writable(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.journal.note(session, What::Writable);
        Self::answer_in_part(session)
    }

    fn on_farewell(
        &mut self,
        session: &mut Session<'_, Self>,
        _: &CloseReason,
    ) -> Result<(), Error> {
        self.journal.note(session, What::Farewell);
        Ok(())
    }

    fn on_close(&mut self, session: &mut Session<'_, Self>, reason: &CloseReason) {
        self.journal.note(session, What::Closed(reason.label()));
    }
}

/// Passes everything on to the other server.
struct Proxy {
    journal: Journal,
}

impl Handler for Proxy {
    type Codec = Raw;
    type State = ();

    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.journal.note(session, What::Opened);
        if session.peer() == SocketAddr::from(UPSTREAM) {
            return Ok(());
        }
        session.pause();
        let id = session.id();
        session.defer(move |_, scope| match scope.connect(SocketAddr::from(UPSTREAM), ()) {
            Ok(other) if scope.commands().tie(id, other).is_err() => scope.commands().close(other),
            Ok(_) => Ok(()),
            // It may have gone by itself.
            Err(_) => scope.commands().close(id).or(Ok(())),
        })
    }

    fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &mut [u8]) -> Result<(), Error> {
        unreachable!("it is paused until it is tied")
    }

    fn on_close(&mut self, session: &mut Session<'_, Self>, reason: &CloseReason) {
        self.journal.note(session, What::Closed(reason.label()));
    }
}

/// Looks at frames and lets them through, now and then a little later.
struct Looks(Interest);

impl Middleware for Looks {
    fn interest(&self) -> Interest {
        self.0
    }

    fn on_frame(&mut self, _: &mut ConnectionContext<'_>, frame: Frame<'_>) -> Verdict {
        match (self.0, frame.wire_len % 11) {
            (Interest::Lengths, 3) => Verdict::Slow(Duration::from_micros(500)),
            _ => Verdict::Continue,
        }
    }
}
