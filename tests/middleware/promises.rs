//! What layers were promised, whichever they are.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use windlass::middleware::{
    Authenticate, ConnectionContext, Frame, Interest, Login, Middleware, Verdict,
};
use windlass::network::SimNetwork;
use windlass::{Broadcast, Session};

use crate::fixture::{Call, Scripted, echo, panic_quietly};
use crate::gated::{Gated, quiet};

/// Allows frames of ten bytes, and does not look at any.
struct Narrow;

impl Middleware for Narrow {
    fn on_open(&mut self, connection: &mut ConnectionContext<'_>) -> Verdict {
        connection.limit_frames(Some(10));
        Verdict::Continue
    }
}

#[test]
fn a_limit_of_frames_holds_though_no_layer_looks_at_them() {
    let mut gated = Gated::behind(|server| server.middleware(Narrow));
    let peer = gated.join("198.51.100.1:4000");
    gated.send(peer, "nine byte");
    gated.send(peer, "\n");
    assert_eq!(gated.answer(peer), "nine byte\n");
    gated.send(peer, "ten bytes.\n");
    assert_eq!((gated.is_open(peer), &gated.answer(peer)[..]), (false, ""));
}

#[test]
fn a_broadcast_is_not_for_those_whom_the_handler_does_not_know() {
    let mut gated = Gated::behind(|server| {
        server.middleware(Authenticate::new(|_, line| match line {
            b"sesame" => Login::Accepted("ali".into()),
            _ => Login::Unfinished,
        }))
    });
    let stranger = gated.join("198.51.100.1:4000");
    let friend = gated.join("198.51.100.2:4000");
    gated.send(friend, "sesame\n");
    let secret = Broadcast::to_all_of::<Scripted>("a secret\n");
    gated.world.reactor.commands().broadcast(secret).expect("there is room");
    gated.world.settle();
    assert_eq!((gated.answer(friend), gated.answer(stranger)), ("a secret\n".into(), "".into()));
    gated
        .world
        .reactor
        .commands()
        .defer::<Scripted>(|_, scope| {
            assert_eq!((scope.ids().len(), scope.select(|_, ()| true).len()), (1, 1));
            Ok(())
        })
        .expect("there is room");
    gated.world.settle();
    assert_eq!(gated.world.reactor.metrics().panics, 0);
}

/// Has the handler told with the first frame.
struct Late;

impl Middleware for Late {
    fn interest(&self) -> Interest {
        Interest::Lengths
    }

    fn on_open(&mut self, connection: &mut ConnectionContext<'_>) -> Verdict {
        connection.withhold();
        Verdict::Continue
    }

    fn on_frame(&mut self, connection: &mut ConnectionContext<'_>, _: Frame<'_>) -> Verdict {
        connection.send(Bytes::from_static(b"passed\n"));
        Verdict::Continue
    }
}

#[test]
fn what_was_said_before_a_frame_arrives_though_its_handler_panics() {
    let script = |session: &mut Session<'_, Scripted>, call: Call<'_>| match call {
        Call::Open => session.send("hello"),
        Call::Frame(_) => {
            session.send("half")?;
            panic_quietly()
        }
        call => echo(session, call),
    };
    let handler = Scripted::new(script);
    let mut gated =
        Gated::with_handler(SimNetwork::new(1), quiet(), handler, |server, listener| {
            server.listen(listener.middleware(Late))
        });
    let peer = gated.join("198.51.100.1:4000");
    gated.send(peer, "panic\n");
    assert_eq!(gated.answer(peer), "passed\nhello\n");
}

/// Wants to see so much of frames, and notes what it was shown.
struct Curious {
    wants: Interest,
    shown: Rc<RefCell<Vec<String>>>,
}

impl Middleware for Curious {
    fn interest(&self) -> Interest {
        self.wants
    }

    fn on_frame(&mut self, _: &mut ConnectionContext<'_>, frame: Frame<'_>) -> Verdict {
        let body = String::from_utf8_lossy(frame.body);
        self.shown.borrow_mut().push(format!("{}:{body}", frame.wire_len));
        Verdict::Continue
    }
}

#[test]
fn each_layer_is_shown_as_much_of_frames_as_it_wants() {
    let wants = [Interest::Lengths, Interest::Bytes, Interest::Nothing, Interest::Lengths];
    let wants = [&wants[..], &[Interest::Bytes]].concat();
    let shown: Vec<Rc<RefCell<Vec<String>>>> = wants.iter().map(|_| Rc::default()).collect();
    let mut gated = Gated::behind(|server| {
        wants.iter().zip(&shown).fold(server, |server, (wants, shown)| {
            server.middleware(Curious { wants: *wants, shown: Rc::clone(shown) })
        })
    });
    let peer = gated.join("198.51.100.1:4000");
    gated.send(peer, "one\nand ");
    gated.send(peer, "two\n");
    assert_eq!(gated.answer(peer), "one\nand two\n");
    for (wants, shown) in wants.iter().zip(&shown) {
        let expected: &[&str] = match wants {
            Interest::Nothing => &[],
            Interest::Lengths => &["4:", "8:"],
            _ => &["4:one", "8:and two"],
        };
        assert_eq!(*shown.borrow(), expected, "{wants:?}");
    }
}

/// Looks at the first frame only; or at the first and panics.
struct Brief {
    shown: Rc<RefCell<Vec<String>>>,
    panics: bool,
}

impl Middleware for Brief {
    fn interest(&self) -> Interest {
        Interest::Bytes
    }

    fn on_frame(&mut self, connection: &mut ConnectionContext<'_>, frame: Frame<'_>) -> Verdict {
        self.shown.borrow_mut().push(String::from_utf8_lossy(frame.body).into_owned());
        connection.ignore_frames();
        if self.panics { panic_quietly() } else { Verdict::Continue }
    }
}

#[test]
fn a_layer_that_has_seen_enough_is_shown_no_more_and_the_others_are() {
    let all: [Rc<RefCell<Vec<String>>>; 4] = Default::default();
    let [first, second, third, fourth] = all.each_ref().map(Rc::clone);
    let mut gated = Gated::behind(|server| {
        server
            .middleware(Curious { wants: Interest::Lengths, shown: first })
            .middleware(Brief { shown: second, panics: false })
            .middleware(Curious { wants: Interest::Bytes, shown: third })
            .middleware(Brief { shown: fourth, panics: false })
    });
    let peer = gated.join("198.51.100.1:4000");
    gated.send(peer, "a\nb\nc\n");
    assert_eq!(gated.answer(peer), "a\nb\nc\n");
    let seen = all.map(|shown| shown.borrow().join(" "));
    assert_eq!(seen, ["2: 2: 2:", "a", "2:a 2:b 2:c", "a"]);
}

#[test]
fn a_layer_that_panics_is_counted_and_lets_nobody_through() {
    let shown = Rc::default();
    let mut gated = Gated::behind(|server| server.middleware(Brief { shown, panics: true }));
    for count in 1..=3 {
        let peer = gated.join("198.51.100.1:4000");
        gated.send(peer, "let me in\n");
        assert_eq!((gated.is_open(peer), &gated.answer(peer)[..]), (false, ""));
        assert_eq!(gated.world.reactor.metrics().panics, count);
    }
}
