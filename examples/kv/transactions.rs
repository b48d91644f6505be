//! Transactions: commands that are put off until `EXEC`, and keys that must not change until then.

use windlass::Session;

use super::arguments::Arguments;
use super::client::{Client, Transaction};
use super::command::{Command, Flags, Keys, Spec};
use super::element::Element;
use super::handler::{Answers, Kv};
use super::refusal::{FULL, Refusal};
use super::reply::{Replies, Reply};
use super::request::Request;
use super::store::Store;

/// The most keys that one connection watches: each takes memory until `EXEC`.
const MAX_WATCHED: usize = 65_536;
/// The most commands of a transaction: they are done without others being served between them.
const MAX_QUEUED: usize = 65_536;

/// A command of a transaction, or about one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TransactionCommand<'a> {
    Begin,
    Execute,
    Discard,
    Watch { keys: Arguments<'a> },
    Unwatch,
}

use TransactionCommand as T;

/// It is done at once, in a transaction as well.
const AT_ONCE: Flags = Flags::AT_ONCE;

pub(crate) const COMMANDS: &[Spec] = &[
    Spec::new("discard", 1, AT_ONCE, Keys::NONE, |_| Ok(Command::Transaction(T::Discard))),
    Spec::new("exec", 1, AT_ONCE, Keys::NONE, |_| Ok(Command::Transaction(T::Execute))),
    Spec::new("multi", 1, AT_ONCE, Keys::NONE, |_| Ok(Command::Transaction(T::Begin))),
    Spec::new("unwatch", 1, Flags::NONE, Keys::NONE, |_| Ok(Command::Transaction(T::Unwatch))),
    Spec::new("watch", -2, AT_ONCE, Keys::ALL, |keys| Ok(Command::Transaction(T::Watch { keys }))),
];

impl TransactionCommand<'_> {
    /// Does the command.
    ///
    /// # Errors
    ///
    /// Why it is not done.
    pub(crate) fn run(self, kv: &mut Kv, session: &mut Session<'_, Kv>) -> Result<(), Refusal> {
        let is_begun = session.state().transaction.is_some();
        match self {
            Self::Begin if is_begun => {
                return Err(Refusal::Other("ERR MULTI calls can not be nested"));
            }
            Self::Begin => session.state().transaction = Some(Box::default()),
            Self::Execute => return execute(kv, session),
            Self::Discard if !is_begun => {
                return Err(Refusal::Other("ERR DISCARD without MULTI"));
            }
            Self::Discard | Self::Unwatch => forget_part(&mut kv.store, session, self),
            Self::Watch { .. } if is_begun => {
                return Err(Refusal::Other("ERR WATCH inside MULTI is not allowed"));
            }
            Self::Watch { keys } => watch(&mut kv.store, session.state(), keys)?,
        }
        session.state().settle();
        Answers(session).ok();
        Ok(())
    }
}

fn forget_part(store: &mut Store, session: &mut Session<'_, Kv>, command: T<'_>) {
    let client = session.state();
    match command {
        T::Discard => forget(store, client),
        _ => _ = unwatch(store, client),
    }
}

/// Ends the transaction and the watches of a connection.
pub(crate) fn forget(store: &mut Store, client: &mut Client) {
    take(store, client);
    unwatch(store, client);
}

/// Takes the transaction from a connection that has begun one.
fn take(store: &mut Store, client: &mut Client) -> Option<Box<Transaction>> {
    let transaction = client.transaction.take()?;
    store.let_go(transaction.held_bytes());
    Some(transaction)
}

fn watch(store: &mut Store, client: &mut Client, keys: Arguments<'_>) -> Result<(), Refusal> {
    if client.watched.len() + keys.len() > MAX_WATCHED {
        return Err(Refusal::Other("ERR too many keys are watched"));
    }
    if store.is_full() {
        return Err(FULL);
    }
    for key in keys.map(Element::from) {
        let changes = store.watch(&key);
        client.watched.push((key, changes));
    }
    Ok(())
}

/// Ends all watches; says whether no watched key has changed.
fn unwatch(store: &mut Store, client: &mut Client) -> bool {
    let mut is_same = true;
    for (key, changes) in std::mem::take(&mut client.watched) {
        is_same &= store.unwatch(&key) == changes;
    }
    is_same
}

/// Puts a command off until `EXEC`.
pub(crate) fn queue(
    store: &mut Store,
    session: &mut Session<'_, Kv>,
    spec: &'static Spec,
    words: Arguments<'_>,
) {
    let max_len = store.limits().max_request_len;
    let Some(transaction) = &mut session.state().transaction else { return };
    let refusal = if spec.flags.has(Flags::ALONE) {
        Refusal::Other("ERR Command not allowed inside a transaction")
    } else if store.is_full() {
        FULL
    } else if transaction.ends.len() >= MAX_QUEUED
        || transaction.words.len() + words.wire_len() > max_len
    {
        Refusal::Other("ERR the transaction is too long")
    } else {
        let before = transaction.held_bytes();
        transaction.push(words);
        store.keep(transaction.held_bytes() - before);
        let _ = session.send(Reply::Simple("QUEUED"));
        return;
    };
    transaction.is_broken = true;
    let _ = session.send(Reply::Error(&refusal.text(words)));
}

impl Transaction {
    /// How many bytes of memory its commands take.
    fn held_bytes(&self) -> usize {
        self.words.capacity() + self.ends.capacity() * size_of::<(usize, u32)>()
    }

    fn push(&mut self, words: Arguments<'_>) {
        for word in words {
            self.words.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            self.words.extend_from_slice(word);
            self.words.extend_from_slice(b"\r\n");
        }
        let count = u32::try_from(words.len()).unwrap_or(u32::MAX);
        self.ends.push((self.words.len(), count));
    }
}

fn execute(kv: &mut Kv, session: &mut Session<'_, Kv>) -> Result<(), Refusal> {
    const ABORTED: &str = "EXECABORT Transaction discarded because of previous errors.";
    let transaction = take(&mut kv.store, session.state());
    let transaction = transaction.ok_or(Refusal::Other("ERR EXEC without MULTI"))?;
    let is_same = unwatch(&mut kv.store, session.state());
    session.state().settle();
    if transaction.is_broken {
        return Err(Refusal::Other(ABORTED));
    }
    if !is_same {
        Answers(session).put(Reply::NullArray);
        return Ok(());
    }
    Answers(session).array(transaction.ends.len());
    let mut start = 0;
    for (end, count) in transaction.ends {
        let words = Arguments::bulk(&transaction.words[start..end], count);
        start = end;
        if let Request::Command(call) = Request::read(words) {
            kv.run(session, &call);
        }
    }
    Ok(())
}
