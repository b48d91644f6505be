//! The network of a turn, as the loop hands it on.

use std::ops::{Deref, DerefMut};

use crate::instant::Instant;
use crate::network::{Network, OsNetwork, Transfer};
use crate::token::Token;

/// The outside world, lent for a turn.
///
/// What is done for every event, to read, to write and to look at the clock, is most of what a turn
/// does. The system's network is known here by its type, so that those three cost no dynamic call
/// and are compiled together with what they are called for; any other is only known by what it can
/// do. All else goes through the trait.
pub(crate) enum Outside<'a> {
    System(&'a mut OsNetwork),
    Other(&'a mut dyn Network),
}

impl Outside<'_> {
    /// The same, lent on.
    #[inline(always)]
    pub(crate) fn lend(&mut self) -> Outside<'_> {
        match self {
            Self::System(network) => Outside::System(network),
            Self::Other(network) => Outside::Other(*network),
        }
    }

    /// As [`Network::now`].
    #[inline(always)]
    pub(crate) fn now(&mut self) -> Instant {
        match self {
            Self::System(network) => network.now(),
            Self::Other(network) => network.now(),
        }
    }

    /// As [`Network::read`].
    #[inline(always)]
    pub(crate) fn read(&mut self, token: Token, buffer: &mut [u8]) -> Transfer {
        match self {
            Self::System(network) => network.read(token, buffer),
            Self::Other(network) => network.read(token, buffer),
        }
    }

    /// As [`Network::write`].
    #[inline(always)]
    pub(crate) fn write(&mut self, token: Token, bytes: &[u8]) -> Transfer {
        match self {
            Self::System(network) => network.write(token, bytes),
            Self::Other(network) => network.write(token, bytes),
        }
    }
}

impl<'a> Deref for Outside<'a> {
    type Target = dyn Network + 'a;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::System(network) => *network,
            Self::Other(network) => *network,
        }
    }
}

impl DerefMut for Outside<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::System(network) => *network,
            Self::Other(network) => *network,
        }
    }
}
