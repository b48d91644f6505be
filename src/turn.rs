//! What the loop lends its endpoints while it turns.

use crate::layers::Layers;
use crate::outside::Outside;
use crate::shared::Shared;

/// What belongs to no endpoint, and is lent to one after the other.
pub(crate) struct Tools {
    pub(crate) shared: Shared,
    /// The buffer that everybody's input is read into.
    buffer: Vec<u8>,
    layers: Layers,
}

impl Tools {
    pub(crate) fn new(shared: Shared, layers: Layers) -> Self {
        // What is read at a time is never more than may be read in a turn.
        let config = &shared.config;
        let buffer = vec![0; config.read_buffer_len.min(config.read_budget)];
        Self { shared, buffer, layers }
    }

    /// Lends everything, with the network.
    #[inline]
    pub(crate) fn turn<'a>(&'a mut self, network: &'a mut Outside<'_>) -> Turn<'a> {
        let Self { shared, buffer, layers } = self;
        Turn { network: network.lend(), shared, bench: Bench { buffer, layers } }
    }
}

/// What an endpoint is lent for one event.
pub(crate) struct Turn<'a> {
    pub(crate) network: Outside<'a>,
    pub(crate) shared: &'a mut Shared,
    pub(crate) bench: Bench<'a>,
}

impl Turn<'_> {
    /// An event was served: how long that took is its time. Says whether the loop should see to
    /// what came of it before anybody else is served.
    #[inline(always)]
    pub(crate) fn end_event(&mut self) -> bool {
        let is_long = self.shared.stopwatch.lap(self.network.now());
        is_long | self.shared.is_above_budget()
    }
}

/// What it takes to make frames of bytes: where they are read into, and the layers that may look.
pub(crate) struct Bench<'a> {
    pub(crate) buffer: &'a mut [u8],
    pub(crate) layers: &'a mut Layers,
}
