//! Channels and patterns of channels, who has subscribed to them, and the commands for that.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use windlass::{Broadcast, ConnectionId, Error, Output, Session, Slow};

use super::arguments::Arguments;
use super::client::Subscriptions;
use super::command::{Command, Flags, Keys, Spec};
use super::element::Element;
use super::glob;
use super::handler::{Answers, Kv};
use super::refusal::{FULL, Refusal};
use super::reply::{Replies, Reply, Version};
use super::store::Store;

/// The most channels and patterns that one connection subscribes to.
const MAX_SUBSCRIPTIONS: usize = 65_536;

/// A command about channels.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ChannelCommand<'a> {
    Subscribe {
        names: Arguments<'a>,
        kind: Kind,
    },
    /// From all, if none are named.
    Unsubscribe {
        names: Arguments<'a>,
        kind: Kind,
    },
    Publish {
        channel: &'a [u8],
        message: &'a [u8],
    },
    Channels {
        pattern: Option<&'a [u8]>,
    },
    CountSubscribers {
        channels: Arguments<'a>,
    },
    CountPatterns,
}

/// What is subscribed to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Channel,
    Pattern,
}

use ChannelCommand as C;

const SUBSCRIBE: Flags = Flags::SUBSCRIBED.and(Flags::ALONE);

pub(crate) const COMMANDS: &[Spec] = &[
    Spec::new("psubscribe", -2, SUBSCRIBE, Keys::NONE, |names| {
        let mut patterns = names;
        patterns.try_for_each(|pattern| glob::checked(pattern).map(|_| ()))?;
        Ok(Command::Channel(C::Subscribe { names, kind: Kind::Pattern }))
    }),
    Spec::new("publish", 3, Flags::NONE, Keys::NONE, |mut a| {
        Ok(Command::Channel(C::Publish { channel: a.word(), message: a.word() }))
    }),
    Spec::new("pubsub", -2, Flags::NONE, Keys::NONE, pubsub),
    Spec::new("punsubscribe", -1, SUBSCRIBE, Keys::NONE, |names| {
        Ok(Command::Channel(C::Unsubscribe { names, kind: Kind::Pattern }))
    }),
    Spec::new("subscribe", -2, SUBSCRIBE, Keys::NONE, |names| {
        Ok(Command::Channel(C::Subscribe { names, kind: Kind::Channel }))
    }),
    Spec::new("unsubscribe", -1, SUBSCRIBE, Keys::NONE, |names| {
        Ok(Command::Channel(C::Unsubscribe { names, kind: Kind::Channel }))
    }),
];

fn pubsub(mut arguments: Arguments<'_>) -> Result<Command<'_>, Refusal> {
    let what = arguments.word();
    let command = if what.eq_ignore_ascii_case(b"CHANNELS") {
        let pattern = arguments.next().map(glob::checked).transpose()?;
        if !arguments.is_empty() {
            return Err(Refusal::WrongArity("pubsub|channels"));
        }
        C::Channels { pattern }
    } else if what.eq_ignore_ascii_case(b"NUMSUB") {
        C::CountSubscribers { channels: arguments }
    } else if what.eq_ignore_ascii_case(b"NUMPAT") {
        if !arguments.is_empty() {
            return Err(Refusal::WrongArity("pubsub|numpat"));
        }
        C::CountPatterns
    } else {
        return Err(Refusal::UnknownSubcommand("PUBSUB"));
    };
    Ok(Command::Channel(command))
}

impl ChannelCommand<'_> {
    /// Does the command.
    ///
    /// # Errors
    ///
    /// Why it is not done.
    pub(crate) fn run(self, kv: &mut Kv, session: &mut Session<'_, Kv>) -> Result<(), Refusal> {
        let Kv { channels, store, .. } = kv;
        match self {
            Self::Subscribe { names, kind } => channels.subscribe(store, session, names, kind)?,
            Self::Unsubscribe { names, kind } => channels.unsubscribe(store, session, names, kind),
            Self::Publish { channel, message } => {
                let receivers = channels.publish(session, channel, message);
                let receivers = receivers
                    .map_err(|_| Refusal::Other("ERR too many messages wait to be sent"))?;
                Answers(session).count(receivers);
            }
            Self::Channels { pattern } => {
                let wanted = |name: &&Element| {
                    pattern.is_none_or(|pattern| glob::matches(pattern, name.as_slice()))
                };
                let names: Vec<_> = channels.channels.keys().filter(wanted).collect();
                let mut to = Answers(session);
                to.array(names.len());
                names.into_iter().for_each(|name| to.bulk(name.as_slice()));
            }
            Self::CountSubscribers { channels: names } => {
                let mut to = Answers(session);
                to.array(2 * names.len());
                for name in names {
                    to.bulk(name);
                    to.count(channels.channels.get(name).map_or(0, Audience::len));
                }
            }
            Self::CountPatterns => Answers(session).count(channels.patterns.len()),
        }
        Ok(())
    }
}

/// Who has subscribed to what.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    channels: BTreeMap<Element, Audience>,
    patterns: BTreeMap<Element, Audience>,
}

/// Who has subscribed to a channel, or to a pattern: those of each version of the protocol, for
/// whom a message has the same bytes.
#[derive(Debug, Default)]
struct Audience {
    second: Listeners,
    third: Listeners,
}

/// Connections, in a list that is shared with every broadcast: more is said than people come and
/// go.
#[derive(Debug, Default)]
struct Listeners {
    ids: Vec<ConnectionId>,
    shared: Option<Arc<[ConnectionId]>>,
}

impl Listeners {
    fn add(&mut self, id: ConnectionId) {
        self.ids.push(id);
        self.shared = None;
    }

    fn remove(&mut self, id: ConnectionId) {
        self.ids.retain(|other| *other != id);
        self.shared = None;
    }

    fn shared(&mut self) -> Arc<[ConnectionId]> {
        let ids = &self.ids;
        Arc::clone(self.shared.get_or_insert_with(|| ids.as_slice().into()))
    }
}

impl Audience {
    fn len(&self) -> usize {
        self.second.ids.len() + self.third.ids.len()
    }

    const fn of(&mut self, version: Version) -> &mut Listeners {
        match version {
            Version::Resp2 => &mut self.second,
            Version::Resp3 => &mut self.third,
        }
    }
}

impl Kind {
    const fn word(self, is_coming: bool) -> &'static str {
        match (self, is_coming) {
            (Self::Channel, true) => "subscribe",
            (Self::Channel, false) => "unsubscribe",
            (Self::Pattern, true) => "psubscribe",
            (Self::Pattern, false) => "punsubscribe",
        }
    }
}

impl Channels {
    /// How many channels have subscribers.
    pub(crate) fn len(&self) -> usize {
        self.channels.len()
    }

    const fn all(&mut self, kind: Kind) -> &mut BTreeMap<Element, Audience> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
        }
    }

    fn subscribe(
        &mut self,
        store: &mut Store,
        session: &mut Session<'_, Kv>,
        names: Arguments<'_>,
        kind: Kind,
    ) -> Result<(), Refusal> {
        let (id, version) = (session.id(), session.state().version);
        let all = session.state().subscriptions.get_or_insert_default();
        if all.len() + names.len() > MAX_SUBSCRIPTIONS {
            session.state().settle();
            return Err(Refusal::Other("ERR too many subscriptions"));
        }
        if store.is_full() {
            session.state().settle();
            return Err(FULL);
        }
        for name in names.map(Element::from) {
            let all = session.state().subscriptions.get_or_insert_default();
            if all.of(kind).insert(name.clone()) {
                store.keep(subscription_bytes(&name));
                self.all(kind).entry(name.clone()).or_default().of(version).add(id);
            }
            let len = all.len();
            confirm(session, kind.word(true), Some(name.as_slice()), len);
        }
        session.state().settle();
        Ok(())
    }

    fn unsubscribe(
        &mut self,
        store: &mut Store,
        session: &mut Session<'_, Kv>,
        names: Arguments<'_>,
        kind: Kind,
    ) {
        let all = session.state().subscriptions.get_or_insert_default();
        let names: Vec<Element> = match names.is_empty() {
            true => all.of(kind).iter().cloned().collect(),
            false => names.map(Element::from).collect(),
        };
        for name in &names {
            let all = session.state().subscriptions.get_or_insert_default();
            let was_there = all.of(kind).remove(name);
            let len = all.len();
            if was_there {
                store.let_go(subscription_bytes(name));
                self.remove(session, name, kind);
            }
            confirm(session, kind.word(false), Some(name.as_slice()), len);
        }
        if names.is_empty() {
            let len = session.state().subscriptions.get_or_insert_default().len();
            confirm(session, kind.word(false), None, len);
        }
        session.state().settle();
    }

    fn remove(&mut self, session: &mut Session<'_, Kv>, name: &Element, kind: Kind) {
        let (id, version) = (session.id(), session.state().version);
        let Some(audience) = self.all(kind).get_mut(name) else { return };
        audience.of(version).remove(id);
        if audience.len() == 0 {
            self.all(kind).remove(name);
        }
    }

    /// The connection has no subscriptions any more.
    pub(crate) fn remove_all(&mut self, store: &mut Store, session: &mut Session<'_, Kv>) {
        let Some(all) = session.state().subscriptions.take() else { return };
        for (kind, names) in [(Kind::Channel, &all.channels), (Kind::Pattern, &all.patterns)] {
            for name in names {
                store.let_go(subscription_bytes(name));
                self.remove(session, name, kind);
            }
        }
    }

    /// The connection speaks another version from now on.
    pub(crate) fn set_version(&mut self, session: &mut Session<'_, Kv>, version: Version) {
        let all = session.state().subscriptions.take();
        if let Some(all) = &all {
            for (kind, names) in [(Kind::Channel, &all.channels), (Kind::Pattern, &all.patterns)] {
                for name in names {
                    self.remove(session, name, kind);
                    let audience = self.all(kind).entry(name.clone()).or_default();
                    audience.of(version).add(session.id());
                }
            }
        }
        session.state().subscriptions = all;
        session.state().version = version;
        session.codec().version = version;
    }

    /// Sends a message to all who have subscribed to the channel, or to a pattern of it; says how
    /// many they are.
    fn publish(
        &mut self,
        session: &mut Session<'_, Kv>,
        channel: &[u8],
        message: &[u8],
    ) -> Result<usize, Error> {
        let mut receivers = 0;
        if let Some(audience) = self.channels.get_mut(channel) {
            receivers += audience.len();
            audience.tell(session, &[b"message", channel, message])?;
        }
        for (pattern, audience) in &mut self.patterns {
            if glob::matches(pattern.as_slice(), channel) {
                receivers += audience.len();
                audience.tell(session, &[b"pmessage", pattern.as_slice(), channel, message])?;
            }
        }
        Ok(receivers)
    }
}

/// What a subscription takes, here and with the connection, which share a long name.
fn subscription_bytes(name: &Element) -> usize {
    2 * size_of::<Element>() + size_of::<(Audience, ConnectionId)>() + name.heap_len()
}

impl Audience {
    /// Sends these words to everybody: at once to who has said them, to all others as a broadcast.
    fn tell(&mut self, session: &mut Session<'_, Kv>, words: &[&[u8]]) -> Result<(), Error> {
        let (speaker, has_subscribed) = (session.id(), session.state().subscriptions.is_some());
        for version in [Version::Resp2, Version::Resp3] {
            let listeners = self.of(version);
            if listeners.ids.is_empty() {
                continue;
            }
            let bytes = message(words, version);
            if has_subscribed && listeners.ids.contains(&speaker) {
                session.send_encoded(bytes.clone())?;
            }
            let broadcast = Broadcast::to(listeners.shared(), bytes).except(speaker);
            // Nobody misses a message and goes on: who is too slow for the write limit is closed.
            session.commands().broadcast(broadcast.slow(Slow::Count))?;
        }
        Ok(())
    }
}

fn message(words: &[&[u8]], version: Version) -> Bytes {
    let mut output = Output::new();
    Reply::Push(words.len()).encode(version, &mut output);
    words.iter().for_each(|word| Reply::Bulk(word).encode(version, &mut output));
    Bytes::from(output.to_vec())
}

/// Tells who has come or gone, with how many subscriptions are left.
fn confirm(session: &mut Session<'_, Kv>, word: &str, name: Option<&[u8]>, len: usize) {
    let mut to = Answers(session);
    to.put(Reply::Push(3));
    to.bulk(word.as_bytes());
    to.bulk_or_null(name);
    to.count(len);
}

impl Subscriptions {
    const fn of(&mut self, kind: Kind) -> &mut std::collections::BTreeSet<Element> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
        }
    }
}
