//! What the loop lends its endpoints while it turns.

use crate::layers::Layers;
use crate::network::Network;
use crate::shared::Shared;

/// What belongs to no endpoint, and is lent to one after the other.
pub(crate) struct Tools {
    pub(crate) shared: Shared,
    /// The buffer that everybody's input is read into.
    buffer: Vec<u8>,
    layers: Layers,
    /// What layers that want to see frames are shown.
    frame_bytes: Vec<u8>,
}

impl Tools {
    pub(crate) fn new(shared: Shared, layers: Layers) -> Self {
        let buffer = vec![0; shared.config.read_buffer_len];
        Self { shared, buffer, layers, frame_bytes: Vec::new() }
    }

    /// Lends everything, with the network.
    #[inline]
    pub(crate) fn turn<'a>(&'a mut self, network: &'a mut dyn Network) -> Turn<'a> {
        let Self { shared, buffer, layers, frame_bytes } = self;
        Turn { network, shared, bench: Bench { buffer, layers, frame_bytes } }
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
    pub(crate) layers: &'a mut Layers,
    pub(crate) frame_bytes: &'a mut Vec<u8>,
}
