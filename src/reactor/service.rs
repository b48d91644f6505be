//! What one of the loop's own sockets is for.

use crate::acceptor::Acceptor;
use crate::datagram::DatagramEndpoint;
use crate::endpoint::Endpoint;
use crate::roster::Serving;
use crate::token::Token;

/// A socket of the loop's own, with all that is behind it.
pub(crate) enum Service {
    Stream(Acceptor, Box<dyn Endpoint>),
    Datagram(DatagramEndpoint),
}

impl Service {
    pub(super) const fn token(&self) -> Token {
        match self {
            Self::Stream(acceptor, _) => acceptor.token(),
            Self::Datagram(endpoint) => endpoint.token(),
        }
    }

    /// Its connections, if it has any.
    pub(super) fn endpoint(&self) -> Option<&dyn Endpoint> {
        match self {
            Self::Stream(_, endpoint) => Some(&**endpoint),
            Self::Datagram(_) => None,
        }
    }

    pub(super) fn endpoint_mut(&mut self) -> Option<&mut dyn Endpoint> {
        match self {
            Self::Stream(_, endpoint) => Some(&mut **endpoint),
            Self::Datagram(_) => None,
        }
    }

    pub(super) fn serving(&self) -> Option<Serving> {
        let endpoint = self.endpoint()?;
        Some(Serving { handler: endpoint.handler(), tenants: endpoint.tenants() })
    }
}
