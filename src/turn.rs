//! What the loop lends its endpoints while it turns.

use crate::connection::Connection;
use crate::layers::Layers;
use crate::network::Network;
use crate::shared::Shared;

/// What belongs to no endpoint, and is lent to one after the other.
pub(crate) struct Tools {
    pub(crate) shared: Shared,
    /// The buffer that everybody's input is read into.
    buffer: Vec<u8>,
    judges: Judges,
}

impl Tools {
    pub(crate) fn new(shared: Shared, layers: Layers) -> Self {
        let buffer = vec![0; shared.config.read_buffer_len];
        Self { shared, buffer, judges: Judges { layers, bytes: Vec::new() } }
    }

    /// Lends everything, with the network.
    #[inline]
    pub(crate) fn turn<'a>(&'a mut self, network: &'a mut dyn Network) -> Turn<'a> {
        let Self { shared, buffer, judges } = self;
        Turn { network, shared, bench: Bench { buffer, judges } }
    }
}

/// What an endpoint is lent for one event.
pub(crate) struct Turn<'a> {
    pub(crate) network: &'a mut dyn Network,
    pub(crate) shared: &'a mut Shared,
    pub(crate) bench: Bench<'a>,
}

/// What it takes to make frames of bytes, and to have them judged.
pub(crate) struct Bench<'a> {
    pub(crate) buffer: &'a mut [u8],
    pub(crate) judges: &'a mut Judges,
}

/// The layers, and what those are shown who want to see frames.
pub(crate) struct Judges {
    pub(crate) layers: Layers,
    /// Input as it came, since a codec may change it in place and its frame borrows it; empty if
    /// nobody wants to see it.
    pub(crate) bytes: Vec<u8>,
}

impl Judges {
    /// Frames of a connection that layers watch are about to be made of `input`.
    #[cold]
    pub(crate) fn look_at(&mut self, connection: &Connection, input: &[u8]) {
        self.bytes.clear();
        if self.layers.wants_bytes(connection.token().endpoint_index(), connection.watchers()) {
            self.bytes.extend_from_slice(input);
        }
    }
}
