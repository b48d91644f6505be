//! Panics where no connection is at hand, or one that was lent.

use windlass::network::{PeerState, SimNetwork};
use windlass::{Handler, Scope, Server};

use crate::fixture::{Journal, address, at_most, panic_quietly, secs};
use crate::hub::{At, Hub};
use crate::stage::{Stage, text};

#[test]
fn a_panic_in_a_task_costs_nobody_a_connection() {
    let mut stage = Stage::new(at_most(20));
    let [asker, other] = stage.join_many(0);
    stage.leave(asker, move |session| {
        session
            .commands()
            .defer::<Hub>(move |_, scope| {
                scope.with(other.id, |session| session.send("sent before")).expect("it is open")?;
                panic_quietly()
            })
            .unwrap();
        let another = |_: &mut Hub, scope: &mut Scope<'_, Hub>| {
            let all = scope.ids();
            all.into_iter().try_for_each(|id| {
                scope.with(id, |session| session.send("after")).expect("it is open")
            })
        };
        session.commands().defer::<Hub>(another).unwrap();
    });
    stage.world.settle();
    assert_eq!(stage.received(asker), "after\n");
    assert_eq!(stage.received(other), "sent before\nafter\n");
    assert_eq!(stage.world.reactor.metrics().panics, 1);
}

#[test]
fn a_panic_with_a_connection_lent_ends_that_one_and_the_task_goes_on() {
    let mut stage = Stage::new(at_most(20));
    let [asker, doomed, other] = stage.join_many(0);
    let outcome = stage.scope(asker, move |scope| {
        let first = scope.with(doomed.id, |session| session.send("whole")).expect("it is open");
        first.expect("it is sent");
        let outcome: Option<()> = scope.with(doomed.id, |session| {
            session.send("half").expect("it is open");
            session.commands().send(other.id, "asked for\n").expect("there is room");
            panic_quietly()
        });
        scope.with(other.id, |session| session.send("goes on")).expect("it is open").unwrap();
        outcome
    });
    assert_eq!(outcome, None);
    assert_eq!(stage.received(doomed), "whole\n");
    assert_eq!(stage.state(doomed), PeerState::Finished);
    assert_eq!(stage.received(other), "goes on\nasked for\n");
    assert_eq!(stage.world.reactor.metrics().panics, 1);
    stage.world.run_for(secs(2));
    assert_eq!(stage.reason(doomed), Some("handler panicked"));
    assert!(stage.is_served(asker) && stage.is_served(other));
}

#[test]
fn a_panic_while_choosing_or_looking_ends_the_task_only() {
    let mut stage = Stage::new(at_most(20));
    let members: [_; 3] = stage.join_many(0);
    stage.leave(members[0], |session| {
        let mut commands = session.commands();
        commands
            .defer::<Hub>(|_, scope| {
                let chosen = scope.select(|_, _| panic_quietly());
                unreachable!("{chosen:?}")
            })
            .unwrap();
        commands
            .defer::<Hub>(|_, scope| {
                scope.for_each_connection(|_| panic_quietly());
                unreachable!()
            })
            .unwrap();
    });
    stage.world.settle();
    assert_eq!(stage.world.reactor.metrics().panics, 2);
    members.iter().for_each(|member| assert!(stage.is_served(*member)));
}

#[test]
fn a_panic_of_a_message_or_a_timer_is_the_end_of_that_call_only() {
    let mut stage = Stage::new(at_most(20));
    let asker = stage.join(0);
    stage.first.set_hook(|at, _| match at {
        At::Number(_) | At::ServerTimer(_) => panic_quietly(),
        _ => Ok(()),
    });
    stage.scope(asker, |scope| {
        scope.set_interval(1, secs(1));
        (0..3).for_each(|number| scope.commands().post::<Hub, _>(number).unwrap());
    });
    stage.world.run_for(secs(3));
    let calls = stage.first.calls();
    assert_eq!(calls.len(), 1 + 3 + 3, "the interval goes on: {calls:?}");
    assert_eq!(stage.world.reactor.metrics().panics, 6);
    assert!(stage.is_served(asker));
}

#[test]
fn a_panic_at_the_start_fails_the_building() {
    let hub: Hub = Hub::new(&Journal::default());
    hub.set_hook(|_, _| panic_quietly());
    let result = Server::new().tcp(address(0), hub).build_on(&mut SimNetwork::new(1));
    assert_eq!(text(result.map(|_| ())), "a callback panicked");
}

/// Panics when it goes.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic_quietly();
        }
    }
}

#[test]
fn a_task_whose_belongings_panic_costs_nobody_anything() {
    fn take<H: Handler>(
        grenade: Grenade,
    ) -> impl FnOnce(&mut H, &mut Scope<'_, H>) -> Result<(), windlass::Error> {
        move |_, _| {
            let _grenade = grenade;
            Ok(())
        }
    }
    let mut stage = Stage::new(at_most(20));
    let asker = stage.join(0);
    stage.leave(asker, |session| session.commands().defer::<Hub>(take(Grenade)).unwrap());
    stage.world.settle();
    assert_eq!(stage.world.reactor.metrics().panics, 1);
    assert!(stage.is_served(asker));
}

/// When it is dropped, it panics with another of its kind, so many times.
struct Chain(u32);

impl Drop for Chain {
    fn drop(&mut self) {
        if self.0 > 0 {
            std::panic::resume_unwind(Box::new(Self(self.0 - 1)));
        }
    }
}

#[test]
fn a_chain_of_panics_ends_at_the_second() {
    let mut stage = Stage::new(at_most(20));
    let asker = stage.join(0);
    stage.leave(asker, |session| {
        let task = |_: &mut Hub, _: &mut Scope<'_, Hub>| {
            std::panic::resume_unwind(Box::new(Chain(2)));
        };
        session.commands().defer::<Hub>(task).unwrap();
    });
    stage.world.settle();
    assert_eq!(stage.world.reactor.metrics().panics, 1);
    assert!(stage.is_served(asker));
}

#[test]
fn a_panic_that_carries_another_costs_no_more_than_one() {
    let mut stage = Stage::new(at_most(20));
    let [asker, doomed, other] = stage.join_many(0);
    stage.leave(asker, move |session| {
        let mut commands = session.commands();
        commands.defer::<Hub>(|_, _| std::panic::resume_unwind(Box::new(Grenade))).unwrap();
        let task = move |_: &mut Hub, scope: &mut Scope<'_, Hub>| {
            let outcome: Option<()> =
                scope.with(doomed.id, |_| std::panic::resume_unwind(Box::new(Grenade)));
            assert_eq!(outcome, None);
            Ok(())
        };
        commands.defer::<Hub>(task).unwrap();
    });
    stage.world.settle();
    assert_eq!(stage.state(doomed), PeerState::Finished);
    assert!(stage.is_served(asker) && stage.is_served(other));
    assert_eq!(stage.world.reactor.metrics().panics, 2);
}
