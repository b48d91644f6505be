//! Who serves the endpoints of a loop, and which of their connections are there: what callbacks and
//! other threads may know of all of them.

use std::any::TypeId;

use crate::sync::Arc;
use crate::tenants::TenantsView;
use crate::token::Token;

/// The endpoints of a loop, by their number. It can be read from any thread.
#[derive(Clone, Default)]
pub(crate) struct Roster(Arc<[Entry]>);

/// An endpoint; `None` is a UDP socket.
pub(crate) type Entry = Option<Serving>;

/// A handler and the connections it serves.
pub(crate) struct Serving {
    pub(crate) handler: TypeId,
    pub(crate) tenants: TenantsView,
}

impl Roster {
    pub(crate) fn new(entries: Vec<Entry>) -> Self {
        Self(entries.into())
    }

    /// The endpoints with the handler `handler`.
    pub(crate) fn endpoints_of(&self, handler: TypeId) -> impl Iterator<Item = u8> {
        let is_of = move |entry: &Entry| entry.as_ref().is_some_and(|s| s.handler == handler);
        (0..=u8::MAX).zip(self.0.iter()).filter(move |(_, e)| is_of(e)).map(|(number, _)| number)
    }

    /// The first endpoint with the handler `H`.
    pub(crate) fn first_with<H: 'static>(&self) -> Option<u8> {
        self.endpoints_of(TypeId::of::<H>()).next()
    }

    /// The endpoint of a connection, if that has the handler `H`.
    pub(crate) fn endpoint_with<H: 'static>(&self, connection: Token) -> Option<u8> {
        let is_its = |number: &u8| usize::from(*number) == connection.endpoint_index();
        self.endpoints_of(TypeId::of::<H>()).find(is_its)
    }

    /// Whether the connection of this name is there, as far as is known here.
    pub(crate) fn is_current(&self, connection: Token) -> bool {
        let entry = self.0.get(connection.endpoint_index()).and_then(Option::as_ref);
        entry.is_some_and(|serving| {
            serving.tenants.is_current(connection.slot(), connection.generation())
        })
    }
}
