//! The commands about the server: what it is, how it stands, and what it can do.

use std::fmt::Write;

use windlass::Session;

use super::arguments::Arguments;
use super::command::{self, Command, Flags, Keys, Spec};
use super::connection::FOLLOWED_VERSION;
use super::glob;
use super::handler::{Answers, Kv};
use super::refusal::Refusal;
use super::reply::{Replies, Reply};

/// A command about the server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ServerCommand<'a> {
    Len,
    Clear,
    Time,
    Info { sections: Arguments<'a> },
    Settings { patterns: Arguments<'a> },
    Commands,
    CountCommands,
    CommandNames,
    CommandInfo { names: Arguments<'a> },
    CommandDocs { names: Arguments<'a> },
}

use ServerCommand as S;

pub(crate) const COMMANDS: &[Spec] = &[
    Spec::new("command", -1, Flags::NONE, Keys::NONE, command),
    Spec::new("config", -2, Flags::NONE, Keys::NONE, config),
    Spec::new("dbsize", 1, Flags::READ, Keys::NONE, |_| Ok(Command::Server(S::Len))),
    Spec::new("flushall", -1, Flags::WRITE, Keys::NONE, clear),
    Spec::new("flushdb", -1, Flags::WRITE, Keys::NONE, clear),
    Spec::new("info", -1, Flags::NONE, Keys::NONE, |sections| {
        Ok(Command::Server(S::Info { sections }))
    }),
    Spec::new("time", 1, Flags::NONE, Keys::NONE, |_| Ok(Command::Server(S::Time))),
];

type Parsed<'a> = Result<Command<'a>, Refusal>;

fn clear(mut arguments: Arguments<'_>) -> Parsed<'_> {
    let how = arguments.next();
    let is_known = how
        .is_none_or(|how| how.eq_ignore_ascii_case(b"SYNC") || how.eq_ignore_ascii_case(b"ASYNC"));
    match is_known && arguments.is_empty() {
        true => Ok(Command::Server(S::Clear)),
        false => Err(Refusal::Syntax),
    }
}

fn config(mut arguments: Arguments<'_>) -> Parsed<'_> {
    const FIXED: &str = "ERR settings are options of the command line, and are not changed later";
    let what = arguments.word().to_ascii_uppercase();
    match what.as_slice() {
        b"GET" if arguments.is_empty() => Err(Refusal::WrongArity("config|get")),
        b"GET" => Ok(Command::Server(S::Settings { patterns: arguments })),
        b"SET" | b"RESETSTAT" | b"REWRITE" => Err(Refusal::Other(FIXED)),
        _ => Err(Refusal::UnknownSubcommand("CONFIG")),
    }
}

fn command(mut arguments: Arguments<'_>) -> Parsed<'_> {
    let Some(what) = arguments.next() else { return Ok(Command::Server(S::Commands)) };
    Ok(Command::Server(match what.to_ascii_uppercase().as_slice() {
        b"COUNT" if arguments.is_empty() => S::CountCommands,
        b"COUNT" => return Err(Refusal::WrongArity("command|count")),
        b"LIST" if arguments.is_empty() => S::CommandNames,
        b"LIST" => return Err(Refusal::Syntax),
        b"INFO" if arguments.is_empty() => S::Commands,
        b"INFO" => S::CommandInfo { names: arguments },
        b"DOCS" => S::CommandDocs { names: arguments },
        _ => return Err(Refusal::UnknownSubcommand("COMMAND")),
    }))
}

impl ServerCommand<'_> {
    /// Does the command.
    ///
    /// # Errors
    ///
    /// Why it is not done.
    pub(crate) fn run(self, kv: &mut Kv, session: &mut Session<'_, Kv>) -> Result<(), Refusal> {
        let mut to = Answers(session);
        match self {
            Self::Len => to.count(kv.store.len()),
            Self::Clear => {
                kv.store.clear();
                to.ok();
            }
            Self::Time => {
                let millis = kv.store.now();
                to.array(2);
                to.bulk((millis / 1000).to_string().as_bytes());
                to.bulk((millis % 1000 * 1000).to_string().as_bytes());
            }
            Self::Info { sections } => to.put(Reply::Text(&kv.info(sections))),
            Self::Settings { patterns } => {
                let mut found = kv.settings();
                found.retain(|(name, _)| {
                    let name = name.as_bytes();
                    let mut patterns = patterns;
                    patterns.any(|pattern| glob::matches(&pattern.to_ascii_lowercase(), name))
                });
                to.put(Reply::Map(found.len()));
                for (name, value) in found {
                    to.bulk(name.as_bytes());
                    to.bulk(value.as_bytes());
                }
            }
            Self::Commands => {
                to.array(command::all().count());
                command::all().for_each(|(group, spec)| describe(group, spec, &mut to));
            }
            Self::CountCommands => to.count(command::all().count()),
            Self::CommandNames => {
                to.array(command::all().count());
                command::all().for_each(|(_, spec)| to.bulk(spec.name.as_bytes()));
            }
            Self::CommandInfo { names } => {
                to.array(names.len());
                for name in names {
                    match named(name) {
                        Some((group, spec)) => describe(group, spec, &mut to),
                        None => to.put(Reply::NullArray),
                    }
                }
            }
            Self::CommandDocs { names } => {
                let mut found: Vec<_> = names.filter_map(named).collect();
                if names.is_empty() {
                    found.extend(command::all());
                }
                to.put(Reply::Map(found.len()));
                for (group, spec) in found {
                    to.bulk(spec.name.as_bytes());
                    to.put(Reply::Map(1));
                    to.bulk(b"group");
                    to.bulk(group.as_bytes());
                }
            }
        }
        Ok(())
    }
}

fn named(name: &[u8]) -> Option<(&'static str, &'static Spec)> {
    command::all().find(|(_, spec)| spec.name.as_bytes().eq_ignore_ascii_case(name))
}

/// What `COMMAND` tells of one: name, arity, flags, keys, and four lists that are empty here.
fn describe(group: &str, spec: &Spec, to: &mut impl Replies) {
    let flags: Vec<&str> = [
        (Flags::WRITE, "write"),
        (Flags::READ, "readonly"),
        (Flags::GROW, "denyoom"),
        (Flags::OPEN, "no_auth"),
        (Flags::SUBSCRIBED, "pubsub"),
        (Flags::ALONE, "no_multi"),
    ]
    .iter()
    .filter(|(flag, _)| spec.flags.has(*flag))
    .map(|(_, name)| *name)
    .collect();
    to.array(10);
    to.bulk(spec.name.as_bytes());
    to.integer(spec.arity.into());
    to.put(Reply::Set(flags.len()));
    flags.iter().for_each(|flag| to.put(Reply::Simple(flag)));
    [spec.keys.first, spec.keys.last, spec.keys.step]
        .iter()
        .for_each(|number| to.integer((*number).into()));
    to.put(Reply::Set(1));
    to.put(Reply::Simple(&format!("@{}", group.replace('-', ""))));
    (0..3).for_each(|_| to.array(0));
}

impl Kv {
    /// What `CONFIG GET` knows: what clients ask for, in the names that they ask for it by.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let limits = self.store.limits();
        vec![
            ("appendonly", "no".to_owned()),
            ("databases", "1".to_owned()),
            ("maxmemory", limits.max_bytes.to_string()),
            ("maxmemory-policy", "noeviction".to_owned()),
            ("proto-max-bulk-len", limits.max_len.to_string()),
            ("save", String::new()),
        ]
    }

    fn info(&self, sections: Arguments<'_>) -> String {
        let all: [(&str, Vec<(&str, String)>); 5] = [
            (
                "Server",
                vec![
                    ("redis_version", FOLLOWED_VERSION.to_owned()),
                    ("redis_mode", "standalone".to_owned()),
                    ("arch_bits", usize::BITS.to_string()),
                    ("process_id", std::process::id().to_string()),
                    ("uptime_in_seconds", (self.uptime_millis() / 1000).to_string()),
                ],
            ),
            ("Clients", vec![("connected_clients", self.clients.to_string())]),
            (
                "Memory",
                vec![
                    ("used_memory", self.store.used_bytes().to_string()),
                    ("maxmemory", self.store.limits().max_bytes.to_string()),
                    ("maxmemory_policy", "noeviction".to_owned()),
                ],
            ),
            (
                "Stats",
                vec![
                    ("total_commands_processed", self.commands.to_string()),
                    ("expired_keys", self.store.expired().to_string()),
                    ("pubsub_channels", self.channels.len().to_string()),
                ],
            ),
            ("Keyspace", self.keyspace()),
        ];
        let mut text = String::new();
        for (section, fields) in all {
            if !is_wanted(section, sections) {
                continue;
            }
            let gap = if text.is_empty() { "" } else { "\r\n" };
            // A string takes all that is written to it.
            let _ = write!(text, "{gap}# {section}\r\n");
            for (name, value) in fields {
                let _ = write!(text, "{name}:{value}\r\n");
            }
        }
        text
    }

    fn keyspace(&self) -> Vec<(&'static str, String)> {
        let (keys, expires) = (self.store.len(), self.store.expiring_len());
        match keys {
            0 => vec![],
            _ => vec![("db0", format!("keys={keys},expires={expires},avg_ttl=0"))],
        }
    }

    const fn uptime_millis(&self) -> u64 {
        self.store.now().saturating_sub(self.epoch)
    }
}

/// Whether `INFO` was asked for this section: by name, or for all.
fn is_wanted(section: &str, mut sections: Arguments<'_>) -> bool {
    sections.is_empty()
        || sections.any(|wanted| {
            let names: [&[u8]; 4] = [section.as_bytes(), b"default", b"all", b"everything"];
            names.iter().any(|name| wanted.eq_ignore_ascii_case(name))
        })
}
