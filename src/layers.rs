//! The layers of a loop, how each endpoint's chain of them is asked, and what it is shown.

use crate::batch::Datagram;
use crate::connection::Connection;
use crate::context::{Borrower, ConnectionContext};
use crate::error::{CloseReason, Refusal};
use crate::middleware::{Arrival, Frame, Interest, Middleware, Verdict};
use crate::panics::catch;
use crate::shared::Shared;

/// All layers of a loop. Those of the server stand in the chain of each endpoint, those of a
/// listener in its own only.
pub(crate) struct Layers {
    all: Vec<Layer>,
    /// By endpoint.
    chains: Vec<Chain>,
    /// Input as it came, for those who want to see bytes, since a codec may change it in place and
    /// its frame borrows it; empty if nobody does.
    pub(crate) seen: Vec<u8>,
}

/// A layer, and what it called itself when the server was built.
struct Layer {
    name: &'static str,
    middleware: Box<dyn Middleware>,
}

impl From<Box<dyn Middleware>> for Layer {
    fn from(middleware: Box<dyn Middleware>) -> Self {
        Self { name: middleware.name(), middleware }
    }
}

/// The layers an endpoint's peers pass, in order.
#[derive(Clone, Default)]
struct Chain {
    /// Places in the list of all layers.
    places: Vec<usize>,
    /// The layers that want to see frames, a bit for each place in the chain.
    watchers: u32,
    /// Those of them that want to see their bytes.
    readers: u32,
}

/// What a chain of layers makes of somebody at the door.
#[derive(Debug)]
pub(crate) enum Admission {
    Admitted,
    Refused(Refusal),
}

/// What a chain of layers makes of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Passage {
    /// It is the handler's.
    Passed,
    /// A layer used it up, or refused it.
    Consumed,
}

impl Layers {
    /// More layers than this would not fit a connection's bits, of which two are needed for itself.
    pub(crate) const MAX_CHAIN_LEN: usize = 30;

    /// The layers that all endpoints have in common, and no chain yet.
    pub(crate) fn with_common(common: Vec<Box<dyn Middleware>>) -> Self {
        let all = common.into_iter().map(Layer::from).collect();
        Self { all, chains: Vec::new(), seen: Vec::new() }
    }

    /// Adds the chain of the next endpoint: the first `common` layers, and those of its own.
    pub(crate) fn push_chain(&mut self, common: usize, own: Vec<Box<dyn Middleware>>) {
        let mut chain = Chain::default();
        let first_own = self.all.len();
        self.all.extend(own.into_iter().map(Layer::from));
        for place in (0..common).chain(first_own..self.all.len()) {
            let bit = 1 << chain.places.len();
            let interest = self.all[place].middleware.interest();
            chain.watchers |= if interest >= Interest::Lengths { bit } else { 0 };
            chain.readers |= if interest >= Interest::Bytes { bit } else { 0 };
            chain.places.push(place);
        }
        self.chains.push(chain);
    }

    /// Frames of a connection that layers watch are about to be made of `input`.
    #[cold]
    pub(crate) fn look_at(&mut self, connection: &Connection, input: &[u8]) {
        let readers = self.chains[connection.token().endpoint_index()].readers;
        self.seen.clear();
        if readers & connection.watchers() != 0 {
            self.seen.extend_from_slice(input);
        }
    }

    /// Asks about a peer at the door.
    pub(crate) fn on_accept(
        &mut self,
        shared: &mut Shared,
        endpoint: usize,
        arrival: &Arrival,
    ) -> Admission {
        for at in 0..self.chains[endpoint].places.len() {
            let Layer { name, middleware } = &mut self.all[self.chains[endpoint].places[at]];
            let verdict = guard(shared, name, || middleware.on_accept(arrival));
            if let Verdict::Refuse(refusal) = verdict {
                let by = *name;
                self.tell_refused(shared, endpoint, at, arrival, by, &refusal.why);
                return Admission::Refused(refusal);
            }
        }
        Admission::Admitted
    }

    /// A peer that all layers had let pass at the door was refused there after all.
    pub(crate) fn on_refused(
        &mut self,
        shared: &mut Shared,
        endpoint: usize,
        arrival: &Arrival,
        by: &'static str,
        why: &str,
    ) {
        let len = self.chains[endpoint].places.len();
        self.tell_refused(shared, endpoint, len, arrival, by, why);
    }

    /// Tells the first `len` layers of a chain.
    fn tell_refused(
        &mut self,
        shared: &mut Shared,
        endpoint: usize,
        len: usize,
        arrival: &Arrival,
        by: &'static str,
        why: &str,
    ) {
        for place in &self.chains[endpoint].places[..len] {
            let Layer { name, middleware } = &mut self.all[*place];
            guard(shared, name, || {
                middleware.on_refused(arrival, by, why);
                Verdict::Continue
            });
        }
    }

    /// Asks about a connection that was opened.
    pub(crate) fn on_open(&mut self, context: &mut ConnectionContext<'_>) {
        let endpoint = context.connection.token().endpoint_index();
        context.connection.watch(self.chains[endpoint].watchers);
        for at in 0..self.chains[endpoint].places.len() {
            context.connection.note_seen();
            match self.ask(context, endpoint, at, Middleware::on_open) {
                Verdict::Continue | Verdict::Consume => {}
                Verdict::Slow(wait) => context.connection.slow(context.shared, wait),
                Verdict::Refuse(refusal) => {
                    return context.connection.refuse(
                        context.shared,
                        context.borrower.name,
                        refusal,
                    );
                }
            }
        }
    }

    /// Asks about a frame, those layers that watch the connection.
    pub(crate) fn on_frame(
        &mut self,
        context: &mut ConnectionContext<'_>,
        frame: Frame<'_>,
    ) -> Passage {
        let endpoint = context.connection.token().endpoint_index();
        let mut watchers = context.connection.watchers();
        while watchers != 0 {
            let at = watchers.trailing_zeros() as usize;
            watchers &= watchers - 1;
            let body =
                if self.chains[endpoint].readers & (1 << at) != 0 { frame.body } else { &[] };
            let frame = Frame { body, ..frame };
            match self.ask(context, endpoint, at, |layer, context| layer.on_frame(context, frame)) {
                Verdict::Continue => {}
                Verdict::Consume => {
                    context.shared.metrics.frames_consumed += 1;
                    return Passage::Consumed;
                }
                Verdict::Slow(wait) => context.connection.slow(context.shared, wait),
                Verdict::Refuse(refusal) => {
                    context.shared.metrics.frames_refused += 1;
                    context.connection.refuse(context.shared, context.borrower.name, refusal);
                    return Passage::Consumed;
                }
            }
        }
        Passage::Passed
    }

    /// Tells those layers of the end of a connection that were told of its opening, the last first.
    pub(crate) fn on_close(&mut self, context: &mut ConnectionContext<'_>, reason: &CloseReason) {
        let endpoint = context.connection.token().endpoint_index();
        for at in (0..context.connection.seen_by()).rev() {
            planted!(LayersNotToldOfTheClose, continue);
            self.ask(context, endpoint, at, |layer, context| {
                layer.on_close(context, reason);
                Verdict::Continue
            });
        }
    }

    /// Whether an endpoint's peers pass any.
    pub(crate) fn has_any(&self, endpoint: usize) -> bool {
        !self.chains[endpoint].places.is_empty()
    }

    /// Asks about a datagram; whether the handler may have it.
    pub(crate) fn on_datagram(
        &mut self,
        shared: &mut Shared,
        endpoint: usize,
        datagram: &Datagram<'_>,
    ) -> bool {
        let now = shared.now;
        self.chains[endpoint].places.iter().all(|place| {
            let Layer { name, middleware } = &mut self.all[*place];
            guard(shared, name, || middleware.on_datagram(datagram, now)) == Verdict::Continue
        })
    }

    /// Lends the connection to one layer.
    fn ask(
        &mut self,
        context: &mut ConnectionContext<'_>,
        endpoint: usize,
        at: usize,
        call: impl FnOnce(&mut dyn Middleware, &mut ConnectionContext<'_>) -> Verdict,
    ) -> Verdict {
        let Layer { name, middleware } = &mut self.all[self.chains[endpoint].places[at]];
        context.borrower = Borrower { bit: 1 << at, name };
        let verdict = catch(|| call(&mut **middleware, context));
        verdict.unwrap_or_else(|| panicked(context.shared, context.borrower.name))
    }
}

/// Runs a layer's callback for which there is no connection.
fn guard(shared: &mut Shared, name: &'static str, call: impl FnOnce() -> Verdict) -> Verdict {
    catch(call).unwrap_or_else(|| panicked(shared, name))
}

/// A layer panicked: what it was asked about is refused.
#[cold]
fn panicked(shared: &mut Shared, name: &'static str) -> Verdict {
    shared.metrics.panics += 1;
    log::error!("{name} panicked: what it was asked about is refused");
    Verdict::Refuse(Refusal::new("the layer panicked"))
}
