//! windlass, as its example `echo` has it: nothing is tuned but the number of connections.

use std::error::Error;
use std::marker::PhantomData;
use std::net::SocketAddr;

use windlass::{
    Codec, Config, DatagramHandler, DatagramSession, Handler, LengthPrefixed, Lines, Raw, Server,
    Session,
};

use super::{ALL, Contender, Threads, announce, any_port};
use crate::workload::Protocol;

pub(super) const CONTENDER: Contender = Contender {
    name: "windlass",
    about: "this engine, its limits and deadlines on",
    protocols: ALL,
    threads: Threads::One,
    serve,
};

/// More than any workload opens.
const MAX_CONNECTIONS: usize = 12_000;

/// Sends every frame back, whatever the framing.
struct Echo<C, M: ?Sized>(PhantomData<fn(&M) -> C>);

impl<C, M> Handler for Echo<C, M>
where
    C: for<'a> Codec<Message<'a> = &'a M> + Clone + 'static,
    for<'a> C::Frame<'a>: AsRef<M>,
    M: ?Sized + 'static,
{
    type Codec = C;
    type State = ();

    fn on_frame(
        &mut self,
        session: &mut Session<'_, Self>,
        frame: C::Frame<'_>,
    ) -> Result<(), windlass::Error> {
        session.send(frame.as_ref())
    }
}

/// Sends every datagram back to where it came from.
struct EchoDatagrams;

impl DatagramHandler for EchoDatagrams {
    fn on_datagram(
        &mut self,
        session: &mut DatagramSession<'_>,
        sender: SocketAddr,
        payload: &[u8],
    ) -> Result<(), windlass::Error> {
        session.send_to(sender, payload)
    }
}

fn serve(protocol: Protocol) -> Result<(), Box<dyn Error>> {
    let config = Config { max_connections: Some(MAX_CONNECTIONS), ..Config::default() };
    let server = Server::with_config(config);
    let address = any_port();
    let server = match protocol {
        Protocol::Length => server.tcp(address, Echo::<LengthPrefixed, _>(PhantomData)),
        Protocol::Line => server.tcp(address, Echo::<Lines, _>(PhantomData)),
        Protocol::Datagram => server.udp(address, EchoDatagrams),
        _ => server.tcp(address, Echo::<Raw, _>(PhantomData)),
    };
    let mut engine = server.build()?;
    for bound in engine.local_addrs() {
        announce(bound, protocol);
    }
    engine.run()?;
    Ok(())
}
