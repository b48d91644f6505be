//! What is done in the callbacks of a batch, and whom it hits.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;

use windlass::{Commands, ConnectionId, DatagramHandler, DatagramSession, Error, Session};

use super::CLIENTS;
use crate::proof::fixture::{Call, Scripted, ignore, millis, panic_quietly};
use crate::proof::stage::{Owed, client};

/// What is done in one of the callbacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Deed {
    CloseOneself,
    AbortOneself,
    Fail,
    Panic,
    Pause,
    /// One of the clients, oneself perhaps.
    Close(u16),
    Abort(u16),
    CloseAll,
    AbortAll,
    SendToAll,
    Drain,
    Stop,
}

impl Deed {
    pub(super) fn all() -> Vec<Self> {
        let mut all: Vec<Self> =
            CLIENTS.flat_map(|at| [Self::Close(at), Self::Abort(at)]).collect();
        all.extend([Self::CloseOneself, Self::AbortOneself, Self::Fail, Self::Panic, Self::Pause]);
        all.extend([Self::CloseAll, Self::AbortAll, Self::SendToAll, Self::Drain, Self::Stop]);
        all
    }
}

/// What is to be done at which callback, and what the handlers know.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) owed: Owed,
    /// In how many callbacks it is done, and what.
    pub(super) deed: Option<(usize, Deed)>,
    /// Whether callbacks are counted, and how many there were.
    pub(super) is_armed: bool,
    pub(super) callbacks: usize,
    pub(super) ids: BTreeMap<SocketAddr, ConnectionId>,
    /// Who may have lost something by it.
    pub(super) hit: BTreeSet<SocketAddr>,
    /// Who leaves by himself.
    pub(super) leaving: BTreeSet<SocketAddr>,
    /// Why those ended who did not.
    pub(super) fates: BTreeMap<SocketAddr, &'static str>,
}

impl Plan {
    /// A callback begins: what is to be done in it.
    fn next(&mut self) -> Option<Deed> {
        if !self.is_armed {
            return None;
        }
        let number = self.callbacks;
        self.callbacks += 1;
        self.deed.filter(|(at, _)| *at == number).map(|(_, deed)| deed)
    }

    /// This one is to end for this reason, if not for one of his own.
    fn fate(&mut self, at: SocketAddr, reason: &'static str) {
        if !self.leaving.contains(&at) {
            self.fates.insert(at, reason);
        }
    }

    /// What is asked of the loop, and whom it hits.
    fn command(&mut self, commands: &mut Commands<'_>, deed: Deed) {
        let all: Vec<_> = self.ids.iter().map(|(at, id)| (*at, *id)).collect();
        let one = |number| all.iter().copied().filter(move |(at, _)| *at == client(number));
        let is_abort = matches!(deed, Deed::Abort(_) | Deed::AbortAll);
        let targets: Vec<_> = match deed {
            Deed::Close(number) | Deed::Abort(number) => one(number).collect(),
            Deed::CloseAll | Deed::AbortAll => all.clone(),
            _ => Vec::new(),
        };
        for (at, id) in targets {
            self.hit.insert(at);
            let asked = if is_abort { commands.abort(id) } else { commands.close(id) };
            // Whoever has gone cannot be sent away.
            if asked.is_ok() {
                self.fate(at, if is_abort { "aborted" } else { "closed" });
            }
        }
        match deed {
            Deed::SendToAll => {
                let owed = self.owed.clone();
                let tell = commands.defer::<Scripted>(move |_, scope| {
                    for id in scope.ids() {
                        scope.with(id, |session| owed.send(session, "psst"));
                    }
                    Ok(())
                });
                tell.expect("there is room");
            }
            Deed::Drain => commands.drain(),
            Deed::Stop => commands.stop(),
            _ => {}
        }
    }
}

pub(super) type Shared = Rc<RefCell<Plan>>;

/// What the handler of lines does.
pub(super) fn script(
    plan: &Shared,
    session: &mut Session<'_, Scripted>,
    call: Call<'_>,
) -> Result<(), Error> {
    let (deed, owed) = {
        let mut plan = plan.borrow_mut();
        plan.ids.insert(session.peer(), session.id());
        (plan.next(), plan.owed.clone())
    };
    let fate = match deed {
        Some(Deed::CloseOneself) => Some("closed"),
        Some(Deed::AbortOneself) => Some("aborted"),
        Some(Deed::Fail) => Some("handler failed"),
        Some(Deed::Panic) => Some("handler panicked"),
        _ => None,
    };
    if let Some(fate) = fate {
        let mut plan = plan.borrow_mut();
        plan.hit.insert(session.peer());
        if let Call::Frame(_) = call {
            plan.fate(session.peer(), fate);
        }
    }
    if deed == Some(Deed::Panic) {
        panic_quietly();
    }
    match call {
        Call::Frame("long") => owed.send(session, &"x".repeat(500))?,
        Call::Frame(line) => owed.send(session, line)?,
        Call::Timer(RESUME) => session.resume(),
        Call::Timer(_) => owed.send(session, "news")?,
        call => ignore(session, call)?,
    }
    match deed {
        Some(Deed::CloseOneself) => session.close(),
        Some(Deed::AbortOneself) => session.abort(),
        Some(Deed::Fail) => return Err(Error::new("as you wish")),
        Some(Deed::Pause) => {
            session.pause();
            session.set_timer(RESUME, millis(5));
        }
        Some(deed) => plan.borrow_mut().command(&mut session.commands(), deed),
        None => {}
    }
    Ok(())
}

/// Timers of the handler.
const RESUME: u32 = 1;
pub(super) const NEWS: u32 = 2;

/// Sends datagrams back, and does what is to be done. Whatever that is, the answer leaves.
pub(super) struct Datagrams(pub(super) Shared);

impl DatagramHandler for Datagrams {
    fn on_datagram(
        &mut self,
        session: &mut DatagramSession<'_>,
        sender: SocketAddr,
        payload: &[u8],
    ) -> Result<(), Error> {
        let mut plan = self.0.borrow_mut();
        let deed = plan.next();
        plan.owed.send_to(session, sender, payload)?;
        match deed {
            Some(Deed::Fail) => return Err(Error::new("as you wish")),
            Some(Deed::Panic) => panic_quietly(),
            Some(deed) => plan.command(&mut session.commands(), deed),
            None => {}
        }
        Ok(())
    }
}
