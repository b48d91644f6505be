//! The handler: the commands of all connections, one after the other, on one store.

use std::time::Duration;

use windlass::{CloseReason, Error, Handler, Instant, Scope, Session};

use super::arguments::Arguments;
use super::channels::Channels;
use super::client::Client;
use super::command::{Command, Flags};
use super::dispatch;
use super::refusal::{FULL, Refusal, shown};
use super::reply::{Replies, Reply, Version};
use super::request::{Call, Fault, Request};
use super::resp::Resp;
use super::store::{NEVER, Store};
use super::transactions;

/// The timer that removes keys whose time has come.
const EXPIRY: u32 = 0;
/// The words of the request that the codec knows at once.
const PING: Arguments<'_> = Arguments::bulk(b"$4\r\nPING\r\n", 1);
/// So many keys are removed at a time: others are served before the next ones.
const EXPIRY_BUDGET: usize = 1000;
/// Keys are removed so long after their time has come, and so all that expire until then at once:
/// nobody sees them any more, only their memory waits.
const EXPIRY_DELAY: Duration = Duration::from_millis(10);

/// The server's side of all connections.
pub(crate) struct Kv {
    pub(crate) store: Store,
    pub(crate) channels: Channels,
    pub(crate) password: Option<String>,
    /// The time at the beginning of the loop's own clock, in milliseconds since 1970. What is the
    /// time comes from there and from that clock, which no one sets back.
    pub(crate) epoch: u64,
    /// The moment that the store was told.
    pub(crate) told: Option<Instant>,
    /// When the timer for expiry is due, in milliseconds since 1970.
    pub(crate) wakes: u64,
    /// How many connections there are.
    pub(crate) clients: usize,
    /// The number of the connection that came last.
    pub(crate) next_number: i64,
    pub(crate) commands: u64,
}

/// Answers to a command, on their way to the connection it came from.
pub(crate) struct Answers<'a, 's>(pub(crate) &'a mut Session<'s, Kv>);

impl Replies for Answers<'_, '_> {
    #[inline]
    fn put(&mut self, reply: Reply<'_>) {
        // If it is too much, the loop closes the connection, and nobody reads what follows.
        let _ = self.0.send(reply);
    }

    fn version(&mut self) -> Version {
        self.0.codec().version
    }
}

impl Handler for Kv {
    type Codec = Resp;
    type State = Client;

    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.clients += 1;
        self.next_number += 1;
        session.state().number = self.next_number;
        session.state().is_authenticated = self.password.is_none();
        session.state().settle();
        Ok(())
    }

    #[inline(always)]
    fn on_frame(
        &mut self,
        session: &mut Session<'_, Self>,
        request: Request<'_>,
    ) -> Result<(), Error> {
        match request {
            Request::Ping if session.state().is_plain => {
                self.commands = self.commands.wrapping_add(1);
                Answers(session).put(Reply::Pong);
            }
            other => self.on_request(session, other),
        }
        Ok(())
    }

    fn on_server_timer(&mut self, scope: &mut Scope<'_, Self>, _: u32) -> Result<(), Error> {
        self.tell_time(scope.now());
        self.store.expire_due(EXPIRY_BUDGET);
        self.wakes = NEVER;
        self.set_timer(scope);
        Ok(())
    }

    fn on_close(&mut self, session: &mut Session<'_, Self>, _: &CloseReason) {
        self.clients -= 1;
        self.leave(session);
    }
}

impl Kv {
    /// A server of this store, which asks for a password if there is one, at the time `epoch`.
    pub(crate) fn new(store: Store, password: Option<String>, epoch: u64) -> Self {
        Self {
            store,
            channels: Channels::default(),
            password,
            epoch,
            told: None,
            wakes: NEVER,
            clients: 0,
            next_number: 0,
            commands: 0,
        }
    }

    #[inline(never)]
    fn on_request(&mut self, session: &mut Session<'_, Self>, request: Request<'_>) {
        match request {
            Request::Command(call) if session.state().is_plain => self.run(session, &call),
            other => self.on_other(session, other),
        }
    }

    /// Does a command for which nothing else has to be seen to.
    #[inline]
    pub(crate) fn run(&mut self, session: &mut Session<'_, Self>, call: &Call<'_>) {
        self.commands = self.commands.wrapping_add(1);
        self.tell_time(session.now());
        if let Err(refusal) = self.attempt(session, call) {
            refuse(session, refusal, call.words);
        }
        if call.spec.flags.has(Flags::WRITE) && self.store.next_expiry() < self.wakes {
            self.wake_for_expiry(session);
        }
    }

    #[inline]
    fn attempt(&mut self, session: &mut Session<'_, Self>, call: &Call<'_>) -> Result<(), Refusal> {
        let (spec, command) = (call.spec, call.command()?);
        if spec.flags.has(Flags::GROW) && self.store.is_full() {
            return Err(FULL);
        }
        match command {
            Command::Connection(command) => command.run(self, session),
            Command::Server(command) => command.run(self, session),
            Command::Transaction(command) => command.run(self, session),
            Command::Channel(command) => command.run(self, session),
            other => dispatch::run(other, &mut self.store, &mut Answers(session)).unwrap_or(Ok(())),
        }
    }

    /// Sees to a request that is not simply a command of a plain connection.
    #[inline(never)]
    fn on_other(&mut self, session: &mut Session<'_, Self>, request: Request<'_>) {
        match request {
            Request::Ping => {
                if let Request::Command(call) = Request::read(PING) {
                    self.on_command(session, &call);
                }
            }
            Request::Command(call) => self.on_command(session, &call),
            Request::Unknown { words } => reject(session, &unknown(words)),
            Request::WrongArity { spec, words } => {
                reject(session, &Refusal::WrongArity(spec.name).text(words));
            }
            Request::Nothing => {}
            Request::Broken(fault) => {
                let _ = session.send(Reply::Error(&fault_text(fault)));
                session.close();
            }
        }
    }

    fn on_command(&mut self, session: &mut Session<'_, Self>, call: &Call<'_>) {
        let Call { spec, words, .. } = *call;
        if let Err(refusal) = call.command()
            && refusal.is_early()
        {
            return reject(session, &refusal.text(words));
        }
        if !session.state().is_authenticated && !spec.flags.has(Flags::OPEN) {
            return reject(session, "NOAUTH Authentication required.");
        }
        if session.state().transaction.is_some() && !spec.flags.has(Flags::AT_ONCE) {
            return transactions::queue(&mut self.store, session, spec, words);
        }
        if session.state().subscriptions.is_some()
            && session.state().version == Version::Resp2
            && !spec.flags.has(Flags::SUBSCRIBED)
        {
            return reject(session, &only_subscribed(spec.name));
        }
        self.run(session, call);
    }

    /// Tells the store the time, once in each turn of the loop.
    #[inline]
    fn tell_time(&mut self, now: Instant) {
        if self.told != Some(now) {
            self.told = Some(now);
            self.store.set_now(self.epoch.saturating_add(now.as_nanos() / 1_000_000));
        }
    }

    /// A key expires before all others: has the timer set, which takes more than a connection.
    #[cold]
    fn wake_for_expiry(&mut self, session: &mut Session<'_, Self>) {
        let deferred = session.defer(|kv, scope| {
            kv.set_timer(scope);
            Ok(())
        });
        // If too much was asked for already, the next command tries again.
        if deferred.is_ok() {
            self.wakes = self.store.next_expiry();
        }
    }

    fn set_timer(&mut self, scope: &mut Scope<'_, Self>) {
        self.wakes = self.store.next_expiry();
        if self.wakes != NEVER {
            // What was left over from the last time has waited already.
            let wait = match self.wakes.saturating_sub(self.store.now()) {
                0 => Duration::ZERO,
                millis => Duration::from_millis(millis) + EXPIRY_DELAY,
            };
            scope.set_timer(EXPIRY, wait);
        }
    }

    /// The connection has no transaction, watch and subscription any more.
    pub(crate) fn leave(&mut self, session: &mut Session<'_, Self>) {
        transactions::forget(&mut self.store, session.state());
        self.channels.remove_all(&mut self.store, session);
        session.state().settle();
    }
}

/// A command is refused.
#[cold]
fn refuse(session: &mut Session<'_, Kv>, refusal: Refusal, words: Arguments<'_>) {
    let _ = session.send(Reply::Error(&refusal.text(words)));
}

/// A command is refused without being looked at, and so is the transaction that it is a part of.
#[cold]
fn reject(session: &mut Session<'_, Kv>, text: &str) {
    if let Some(transaction) = &mut session.state().transaction {
        transaction.is_broken = true;
    }
    let _ = session.send(Reply::Error(text));
}

/// The error for a command that there is not, with the beginning of its arguments.
fn unknown(mut words: Arguments<'_>) -> String {
    const MAX_ARGUMENTS_LEN: usize = 128;
    let name = shown(words.word());
    let mut text = format!("ERR unknown command '{name}', with args beginning with: ");
    let start = text.len();
    for word in words {
        if text.len() - start >= MAX_ARGUMENTS_LEN {
            break;
        }
        text.push('\'');
        let room = MAX_ARGUMENTS_LEN - (text.len() - 1 - start).min(MAX_ARGUMENTS_LEN);
        text.push_str(&shown(&word[..word.len().min(room)]));
        text.push_str("' ");
    }
    text
}

fn only_subscribed(name: &str) -> String {
    format!(
        "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET \
         are allowed in this context"
    )
}

fn fault_text(fault: Fault) -> String {
    match fault {
        Fault::Expected(what) => format!("ERR Protocol error: {what}"),
        Fault::NoBulk(byte) => {
            format!("ERR Protocol error: expected '$', got '{}'", char::from(byte))
        }
    }
}
