//! What every peer is owed, and whether it has got that and no more.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use windlass::network::{PeerState, SimNetwork};
use windlass::{Codec, DatagramHandler, DatagramSession, Error, Handler, Session};

use crate::proof::fixture::{Call, Framing, Scripted, ignore};

/// What a [`Scripted`] handler does.
pub(in crate::proof) trait Script<C: Framing>:
    FnMut(&mut Session<'_, Scripted<C>>, Call<'_, C::Text>) -> Result<(), Error> + 'static
{
}

impl<C: Framing, S> Script<C> for S where
    S: FnMut(&mut Session<'_, Scripted<C>>, Call<'_, C::Text>) -> Result<(), Error> + 'static
{
}

/// What the handlers have sent to each peer, and which datagrams to each address.
#[derive(Clone, Default)]
pub(in crate::proof) struct Owed(Rc<RefCell<Debts>>);

#[derive(Default)]
struct Debts {
    bytes: BTreeMap<SocketAddr, Vec<u8>>,
    datagrams: BTreeMap<SocketAddr, Vec<Vec<u8>>>,
    /// What may follow on the bytes, whole or not.
    farewells: Vec<&'static [u8]>,
    /// What others send, and is passed on behind the bytes, whole or not at all.
    relays: BTreeMap<SocketAddr, &'static [u8]>,
    /// Lines may be left out: a broadcast reaches whoever is there.
    is_loose: bool,
}

impl Owed {
    /// Sends a frame, and writes down that it is owed.
    pub(in crate::proof) fn send<'m, H: Handler>(
        &self,
        session: &mut Session<'_, H>,
        message: <H::Codec as Codec>::Message<'m>,
    ) -> Result<(), Error>
    where
        <H::Codec as Codec>::Message<'m>: Copy,
    {
        let bytes = session.encode(message)?;
        session.send(message)?;
        self.note(session.peer(), &bytes);
        Ok(())
    }

    /// These bytes are owed to this peer, behind those before.
    pub(in crate::proof) fn note(&self, to: SocketAddr, bytes: &[u8]) {
        self.0.borrow_mut().bytes.entry(to).or_default().extend(bytes);
    }

    /// Somebody else sends this, which is passed on to this peer if they are tied.
    pub(in crate::proof) fn relay(&self, to: SocketAddr, bytes: &'static [u8]) {
        self.0.borrow_mut().relays.insert(to, bytes);
    }

    /// Whether what others send is passed on to this peer, and perhaps what it sends to them.
    pub(in crate::proof) fn is_relayed(&self, peer: SocketAddr) -> bool {
        self.0.borrow().relays.contains_key(&peer)
    }

    /// This may be said to whoever is sent away.
    pub(super) fn farewell(&self, farewell: &'static [u8]) {
        self.0.borrow_mut().farewells.push(farewell);
    }

    /// Lines may be left out.
    pub(super) fn loosen(&self) {
        self.0.borrow_mut().is_loose = true;
    }

    /// The script of an echo.
    pub(in crate::proof) fn echo<C: Framing>(&self) -> impl Script<C> + use<C> {
        let owed = self.clone();
        move |session, call| match call {
            Call::Frame(frame) => owed.send(session, frame),
            call => ignore(session, call),
        }
    }

    /// Sends a datagram, and writes down that it is owed.
    pub(in crate::proof) fn send_to(
        &self,
        session: &mut DatagramSession<'_>,
        to: SocketAddr,
        payload: &[u8],
    ) -> Result<(), Error> {
        self.0.borrow_mut().datagrams.entry(to).or_default().push(payload.to_vec());
        session.send_to(to, payload)
    }

    /// No datagram has come to this address that was not sent there, or more often, or before one
    /// that was sent earlier.
    pub(super) fn check_datagrams(&self, at: SocketAddr, received: &[Vec<u8>]) {
        let debts = self.0.borrow();
        let mut owed = debts.datagrams.get(&at).map_or(&[][..], Vec::as_slice).iter();
        for datagram in received {
            let is_owed = owed.any(|owed| owed == datagram);
            assert!(is_owed, "{at} has a datagram of {} bytes too much", datagram.len());
        }
    }

    /// No peer has received what it is not owed; and if it was told the end in good order, it has
    /// received all.
    pub(in crate::proof) fn check(&self, network: &SimNetwork) {
        let debts = self.0.borrow();
        for peer in network.peers() {
            let (to, state) = (network.address(peer), network.state(peer));
            let received = network.received(peer);
            if let Err(what) = debts.compare(received, to, state == PeerState::Finished) {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let received = text(received);
                let owed = debts.bytes.get(&to).map(|bytes| text(bytes)).unwrap_or_default();
                panic!("{to}, which is {state:?}, {what}: {received:.300} of {owed:.300}");
            }
        }
    }
}

impl Debts {
    /// Compares what a peer has received with what it is owed, and says what is wrong.
    fn compare(&self, received: &[u8], to: SocketAddr, has_all: bool) -> Result<(), &'static str> {
        let owed = self.bytes.get(&to).map_or(&[][..], Vec::as_slice);
        let relay = self.relays.get(&to).copied();
        if self.is_loose {
            let mut rest = owed.split_inclusive(|byte| *byte == b'\n');
            let mut lines = received.split_inclusive(|byte| *byte == b'\n');
            let is_there = |line: &[u8]| {
                rest.any(|owed| owed == line || !line.ends_with(b"\n") && owed.starts_with(line))
            };
            let is_whole = !has_all || received.is_empty() || received.ends_with(b"\n");
            return match lines.all(is_there) && is_whole {
                true => Ok(()),
                false => Err("has lines that it is not owed, or out of order, or not whole"),
            };
        }
        if let Some(rest) = received.strip_prefix(owed) {
            let is_part = |whole: &&[u8]| whole.starts_with(rest);
            let is_farewell = rest.is_empty() || self.farewells.iter().any(is_part);
            return match relay.filter(is_part) {
                Some(relay) if has_all && rest.len() < relay.len() && !rest.is_empty() => {
                    Err("has lost what came from elsewhere")
                }
                None if !is_farewell => Err("has too much"),
                _ => Ok(()),
            };
        }
        match owed.starts_with(received) {
            false => Err("has what it is not owed"),
            true if has_all => Err("has lost something"),
            true => Ok(()),
        }
    }
}

/// Sends datagrams back, and writes down that they are owed.
pub(in crate::proof) struct EchoDatagrams(pub(in crate::proof) Owed);

impl DatagramHandler for EchoDatagrams {
    fn on_datagram(
        &mut self,
        session: &mut DatagramSession<'_>,
        sender: SocketAddr,
        payload: &[u8],
    ) -> Result<(), Error> {
        self.0.send_to(session, sender, payload)
    }
}
