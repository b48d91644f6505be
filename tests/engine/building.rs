//! A server that cannot be built says why, and leaves nothing behind.

use windlass::network::{Forced, SimNetwork};
use windlass::{Error, Handler, Lines, Scope, Server, Session};

use crate::fixture::{Scripted, address, echo};

/// What building it comes to, and how many sockets are open then.
fn build(mut network: SimNetwork, server: Server) -> (String, usize) {
    let error = server.build_on(&mut network).expect_err("it cannot be built");
    (error.to_string(), network.open_sockets())
}

#[test]
fn a_listener_that_cannot_be_opened_leaves_none_of_the_others_open() {
    let lines = || Scripted::<Lines>::new(echo);
    let server = Server::new().tcp(address(0), lines()).tcp(address(1), lines());
    let (error, open) = build(SimNetwork::new(1), server.tcp(address(0), lines()));
    assert!(error.starts_with("cannot listen on tcp 192.0.2.1:7000: "), "{error}");
    assert_eq!(open, 0);
}

#[test]
fn signals_that_cannot_be_caught_leave_nothing_open() {
    let mut network = SimNetwork::new(1);
    network.force(0, Forced::Fails(std::io::ErrorKind::InvalidInput));
    let (error, open) = build(network, Server::new().tcp(address(0), Scripted::<Lines>::new(echo)));
    assert!(error.starts_with("cannot watch for signals: "), "{error}");
    assert_eq!(open, 0);
}

/// Connects to somebody, and then does not want to.
struct Unwilling;

impl Handler for Unwilling {
    type Codec = Lines;
    type State = ();

    fn on_start(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Error> {
        scope.connect(address(9), ()).expect("one connection is allowed");
        Err(Error::new("not today"))
    }

    fn on_frame(&mut self, _: &mut Session<'_, Self>, _: &str) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn a_handler_that_fails_to_start_leaves_no_listener_and_no_connection_open() {
    let first = Scripted::<Lines>::new(echo);
    let server = Server::new().max_outbound(1).tcp(address(0), first).outbound(Unwilling);
    assert_eq!(build(SimNetwork::new(1), server), ("not today".to_owned(), 0));
}
