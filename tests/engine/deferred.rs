//! Tasks that a callback leaves for after itself.

use windlass::Config;

use crate::fixture::{Call, World, address, at_most, echo};

#[test]
fn a_deferred_task_has_the_connections_of_the_listener_it_came_from() {
    let mut world = World::with_listeners(2, at_most(10), |session, call| match call {
        Call::Frame(_) => {
            let id = session.id();
            session.defer(move |_, scope| {
                let text = format!("one of {}", scope.len());
                scope.with(id, |session| session.send(&text)).expect("it is one of them")
            })
        }
        _ => Ok(()),
    });
    world.join();
    // The other listener, whose handler is of the same type.
    let peer = world.network.connect_to(address(1));
    world.network.send_from(peer, b"how many?\n");
    world.settle();
    assert_eq!(world.received(peer), "one of 1\n");
    let both = [world.connect_with(b"how many?\n"), peer];
    world.settle();
    assert_eq!(world.received(both[0]), "one of 2\n");
}

#[test]
fn a_close_asked_for_by_the_connection_itself_comes_after_its_deferred_answer() {
    let mut world = World::new(at_most(10), |session, call| match call {
        Call::Frame("bye") => {
            session.pause();
            let id = session.id();
            session.commands().close(id)
        }
        Call::Frame(line) => {
            let (id, line) = (session.id(), line.to_owned());
            session.defer(move |_, scope| {
                scope.with(id, |session| session.send(&line)).expect("it is still open")
            })
        }
        _ => Ok(()),
    });
    let peer = world.connect_with(b"first\nsecond\nbye\nnever run\n");
    world.settle();
    assert_eq!(world.received(peer), "first\nsecond\n");
    assert_eq!(world.reason(peer), None, "it lingers");
    world.network.finish(peer);
    world.settle();
    assert_eq!(world.reason(peer), Some("closed"));
}

#[test]
fn a_task_too_many_is_an_error_of_the_callback() {
    let config = Config { command_queue_limit: 2, ..at_most(10) };
    let mut world = World::new(config, |session, call| match call {
        Call::Frame(_) => session.defer(|_, _| Ok(())),
        call => echo(session, call),
    });
    for (lines, reason) in [(&b"1\n2\n"[..], "peer finished"), (b"1\n2\n3\n", "handler failed")] {
        let peer = world.connect_with(lines);
        world.settle();
        world.network.finish(peer);
        world.settle();
        assert_eq!(world.reason(peer), Some(reason));
    }
}
