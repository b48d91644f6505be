//! What is kept for each connection.

use std::collections::BTreeSet;

use super::element::Element;
use super::reply::Version;

/// What is kept for each connection besides its codec. Most have nothing of it.
#[derive(Debug, Default)]
pub(crate) struct Client {
    /// Whether there is anything to be seen to before a command is done: there is no password to be
    /// given, no transaction, and no subscription.
    pub(crate) is_plain: bool,
    pub(crate) is_authenticated: bool,
    pub(crate) version: Version,
    /// What it is called by, from one on.
    pub(crate) number: i64,
    pub(crate) name: String,
    /// The name and the version of its library, as it says.
    pub(crate) library: [String; 2],
    pub(crate) transaction: Option<Box<Transaction>>,
    /// The watched keys, each with how often it had changed when the watch began.
    pub(crate) watched: Vec<(Element, u64)>,
    pub(crate) subscriptions: Option<Box<Subscriptions>>,
}

/// Commands between `MULTI` and `EXEC`.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    /// The words of all of them, as bulk strings.
    pub(crate) words: Vec<u8>,
    /// Of each the end of its words, and how many they are.
    pub(crate) ends: Vec<(usize, u32)>,
    /// Whether one of them was refused already.
    pub(crate) is_broken: bool,
}

/// The channels and patterns that a connection has subscribed to.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    pub(crate) channels: BTreeSet<Element>,
    pub(crate) patterns: BTreeSet<Element>,
}

impl Client {
    /// Notes what has to be seen to before each command.
    pub(crate) fn settle(&mut self) {
        if self.subscriptions.as_ref().is_some_and(|all| all.len() == 0) {
            self.subscriptions = None;
        }
        self.is_plain =
            self.is_authenticated && self.transaction.is_none() && self.subscriptions.is_none();
    }
}

impl Subscriptions {
    pub(crate) fn len(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }
}
