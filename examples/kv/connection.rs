//! The commands about the connection itself: who is at the other end, and what it speaks.

use std::time::Duration;

use windlass::middleware::constant_time_eq;
use windlass::{ConnectionInfo, Instant, Session};

use super::arguments::Arguments;
use super::client::Client;
use super::command::{Command, Flags, Keys, Spec};
use super::handler::{Answers, Kv};
use super::numbers::parse_integer;
use super::refusal::Refusal;
use super::reply::{Replies, Reply, Version};

/// A command about the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ConnectionCommand<'a> {
    Ping(Option<&'a [u8]>),
    Echo(&'a [u8]),
    Auth {
        user: Option<&'a [u8]>,
        password: &'a [u8],
    },
    Hello(Hello<'a>),
    Select {
        database: &'a [u8],
    },
    Reset,
    Quit,
    Id,
    Name,
    SetName {
        name: &'a [u8],
    },
    SetLibrary {
        part: usize,
        text: &'a [u8],
    },
    Info,
    List,
    /// What a client may ask for and nothing has to be done for: nobody is evicted, and nobody
    /// notes when a key was used last.
    NoEffect,
}

/// `HELLO` with its options.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hello<'a> {
    version: Option<Version>,
    login: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

use ConnectionCommand as C;

/// The version of Redis whose commands and texts are followed: clients look at it.
pub(crate) const FOLLOWED_VERSION: &str = "7.0.15";

const OPEN: Flags = Flags::OPEN.and(Flags::AT_ONCE).and(Flags::SUBSCRIBED);

pub(crate) const COMMANDS: &[Spec] = &[
    Spec::new("auth", -2, Flags::OPEN, Keys::NONE, auth),
    Spec::new("client", -2, Flags::NONE, Keys::NONE, client),
    Spec::new("echo", 2, Flags::NONE, Keys::NONE, |mut a| {
        Ok(Command::Connection(C::Echo(a.word())))
    }),
    Spec::new("hello", -1, Flags::OPEN, Keys::NONE, hello),
    Spec::new("ping", -1, Flags::SUBSCRIBED, Keys::NONE, |mut arguments| {
        match (arguments.next(), arguments.is_empty()) {
            (word, true) => Ok(Command::Connection(C::Ping(word))),
            _ => Err(Refusal::WrongArity("ping")),
        }
    }),
    Spec::new("quit", -1, OPEN, Keys::NONE, |_| Ok(Command::Connection(C::Quit))),
    Spec::new("reset", 1, OPEN, Keys::NONE, |_| Ok(Command::Connection(C::Reset))),
    Spec::new("select", 2, Flags::NONE, Keys::NONE, |mut a| {
        Ok(Command::Connection(C::Select { database: a.word() }))
    }),
];

type Parsed<'a> = Result<Command<'a>, Refusal>;

fn auth(mut arguments: Arguments<'_>) -> Parsed<'_> {
    let first = arguments.word();
    let (user, password) = match arguments.next() {
        Some(second) => (Some(first), second),
        None => (None, first),
    };
    match arguments.is_empty() {
        true => Ok(Command::Connection(C::Auth { user, password })),
        false => Err(Refusal::Syntax),
    }
}

fn hello(mut arguments: Arguments<'_>) -> Parsed<'_> {
    let mut hello = Hello::default();
    let Some(version) = arguments.next() else { return Ok(Command::Connection(C::Hello(hello))) };
    hello.version = match parse_integer(version) {
        Some(2) => Some(Version::Resp2),
        Some(3) => Some(Version::Resp3),
        Some(_) => return Err(Refusal::Other("NOPROTO unsupported protocol version")),
        None => {
            return Err(Refusal::Other("ERR Protocol version is not an integer or out of range"));
        }
    };
    while let Some(option) = arguments.next() {
        if option.eq_ignore_ascii_case(b"AUTH") && arguments.len() >= 2 {
            hello.login = Some((arguments.word(), arguments.word()));
        } else if option.eq_ignore_ascii_case(b"SETNAME") && !arguments.is_empty() {
            hello.name = arguments.next();
        } else {
            return Err(Refusal::HelloOption(arguments.len()));
        }
    }
    Ok(Command::Connection(C::Hello(hello)))
}

/// The subcommands of `CLIENT`: each with its full name, and how many words follow it.
const SUBCOMMANDS: [(&str, usize); 8] = [
    ("client|id", 0),
    ("client|getname", 0),
    ("client|setname", 1),
    ("client|setinfo", 2),
    ("client|info", 0),
    ("client|list", 0),
    ("client|no-evict", 1),
    ("client|no-touch", 1),
];

fn client(mut arguments: Arguments<'_>) -> Parsed<'_> {
    let what = arguments.word();
    let known = SUBCOMMANDS
        .iter()
        .find(|(name, _)| name.as_bytes()["client|".len()..].eq_ignore_ascii_case(what));
    let (name, count) = known.ok_or(Refusal::UnknownSubcommand("CLIENT"))?;
    if arguments.len() != *count {
        return Err(Refusal::WrongArity(name));
    }
    Ok(Command::Connection(match *name {
        "client|id" => C::Id,
        "client|getname" => C::Name,
        "client|setname" => C::SetName { name: arguments.word() },
        "client|setinfo" => set_library(arguments.word(), arguments.word())?,
        "client|info" => C::Info,
        "client|list" => C::List,
        _ => {
            let word = arguments.word();
            let is_switch = [&b"on"[..], b"off"].iter().any(|it| word.eq_ignore_ascii_case(it));
            if !is_switch {
                return Err(Refusal::Syntax);
            }
            C::NoEffect
        }
    }))
}

fn set_library<'a>(part: &[u8], text: &'a [u8]) -> Result<C<'a>, Refusal> {
    let parts: [&[u8]; 2] = [b"LIB-NAME", b"LIB-VER"];
    let part = parts.iter().position(|known| part.eq_ignore_ascii_case(known));
    let part = part.ok_or(Refusal::Other("ERR Unrecognized option"))?;
    Ok(C::SetLibrary { part, text })
}

impl ConnectionCommand<'_> {
    /// Does the command.
    ///
    /// # Errors
    ///
    /// Why it is not done.
    #[inline]
    pub(crate) fn run(self, kv: &mut Kv, session: &mut Session<'_, Kv>) -> Result<(), Refusal> {
        match self {
            Self::Ping(None) if session.state().is_plain => {
                Answers(session).put(Reply::Pong);
                Ok(())
            }
            other => other.run_other(kv, session),
        }
    }

    #[inline(never)]
    fn run_other(self, kv: &mut Kv, session: &mut Session<'_, Kv>) -> Result<(), Refusal> {
        match self {
            Self::Ping(word) => ping(session, word),
            Self::Echo(word) => Answers(session).bulk(word),
            Self::Auth { user, password } => {
                log_in(kv, session, user, password)?;
                Answers(session).ok();
            }
            Self::Hello(hello) => hello.run(kv, session)?,
            Self::Select { database } => match parse_integer(database) {
                Some(0) => Answers(session).ok(),
                Some(_) => return Err(Refusal::Other("ERR DB index is out of range")),
                None => return Err(Refusal::NotAnInteger),
            },
            Self::Reset => reset(kv, session),
            Self::Quit => {
                Answers(session).ok();
                session.close();
            }
            Self::Id => {
                let number = session.state().number;
                Answers(session).integer(number);
            }
            Self::Name => {
                let name = session.state().name.clone();
                Answers(session).bulk_or_null((!name.is_empty()).then_some(name.as_bytes()));
            }
            Self::SetName { name } => {
                set_name(session, name)?;
                Answers(session).ok();
            }
            Self::SetLibrary { part, text } => {
                session.state().library[part] = checked_name(text, LIBRARY_RULE)?;
                Answers(session).ok();
            }
            Self::Info | Self::List => list(session, matches!(self, Self::Info))?,
            Self::NoEffect => Answers(session).ok(),
        }
        Ok(())
    }
}

fn ping(session: &mut Session<'_, Kv>, word: Option<&[u8]>) {
    let client = session.state();
    let is_subscriber = client.subscriptions.is_some() && client.version == Version::Resp2;
    let mut to = Answers(session);
    match word {
        _ if is_subscriber => {
            to.array(2);
            to.bulk(b"pong");
            to.bulk(word.unwrap_or_default());
        }
        Some(word) => to.bulk(word),
        None => to.put(Reply::Pong),
    }
}

fn log_in(
    kv: &Kv,
    session: &mut Session<'_, Kv>,
    user: Option<&[u8]>,
    password: &[u8],
) -> Result<(), Refusal> {
    const NO_PASSWORD: &str = "ERR AUTH <password> called without any password configured for the \
                               default user. Are you sure your configuration is correct?";
    let is_right = match &kv.password {
        Some(right) => constant_time_eq(right.as_bytes(), password),
        None if user.is_none() => return Err(Refusal::Other(NO_PASSWORD)),
        // Who needs no password may say any.
        None => true,
    };
    if !is_right || user.is_some_and(|user| user != b"default") {
        return Err(Refusal::Other(
            "WRONGPASS invalid username-password pair or user is disabled.",
        ));
    }
    session.codec().is_stranger = false;
    session.state().is_authenticated = true;
    session.state().settle();
    Ok(())
}

impl Hello<'_> {
    fn run(self, kv: &mut Kv, session: &mut Session<'_, Kv>) -> Result<(), Refusal> {
        const NO_AUTH: &str = "NOAUTH HELLO must be called with the client already authenticated, \
                               otherwise the HELLO <proto> AUTH <user> <pass> option can be used \
                               to authenticate the client and select the RESP protocol version at \
                               the same time";
        if let Some((user, password)) = self.login {
            log_in(kv, session, Some(user), password)?;
        }
        if !session.state().is_authenticated {
            return Err(Refusal::Other(NO_AUTH));
        }
        if let Some(name) = self.name {
            set_name(session, name)?;
        }
        if let Some(version) = self.version {
            kv.channels.set_version(session, version);
        }
        let (number, version) = (session.state().number, session.state().version);
        let mut to = Answers(session);
        to.put(Reply::Map(7));
        for (name, value) in [
            ("server", Reply::Bulk(b"redis")),
            ("version", Reply::Bulk(FOLLOWED_VERSION.as_bytes())),
            ("proto", Reply::Integer(if version == Version::Resp2 { 2 } else { 3 })),
            ("id", Reply::Integer(number)),
            ("mode", Reply::Bulk(b"standalone")),
            ("role", Reply::Bulk(b"master")),
            ("modules", Reply::Array(0)),
        ] {
            to.bulk(name.as_bytes());
            to.put(value);
        }
        Ok(())
    }
}

/// The connection becomes as it was when it was new.
fn reset(kv: &mut Kv, session: &mut Session<'_, Kv>) {
    kv.leave(session);
    kv.channels.set_version(session, Version::Resp2);
    let number = session.state().number;
    let is_authenticated = kv.password.is_none();
    *session.state() = Client { is_authenticated, number, ..Client::default() };
    session.codec().is_stranger = !is_authenticated;
    session.state().settle();
    Answers(session).put(Reply::Simple("RESET"));
}

const NAME_RULE: &str = "ERR Client names cannot contain spaces, newlines or special characters.";
const LIBRARY_RULE: &str = "ERR lib-name and lib-ver cannot contain spaces, newlines or special \
                            characters.";
/// The longest name of a connection: it is kept as long as that.
const MAX_NAME_LEN: usize = 1024;

fn set_name(session: &mut Session<'_, Kv>, name: &[u8]) -> Result<(), Refusal> {
    session.state().name = checked_name(name, NAME_RULE)?;
    Ok(())
}

fn checked_name(name: &[u8], rule: &'static str) -> Result<String, Refusal> {
    let is_fit = name.len() <= MAX_NAME_LEN && name.iter().all(u8::is_ascii_graphic);
    match str::from_utf8(name) {
        Ok(name) if is_fit => Ok(name.to_owned()),
        _ => Err(Refusal::Other(rule)),
    }
}

/// Answers with a row of the table of connections, or with all of them: the next command waits
/// until that was looked at.
fn list(session: &mut Session<'_, Kv>, is_only_own: bool) -> Result<(), Refusal> {
    let asker = session.id();
    let deferred = session.defer(move |_, scope| {
        let (now, mut rows) = (scope.now(), String::new());
        scope.select(|info, client| {
            if !is_only_own || info.id == asker {
                rows.push_str(&row(&info, client, now));
            }
            false
        });
        // The asker may have left, and need not be told then.
        scope.with(asker, |session| {
            session.resume();
            session.send(Reply::Text(&rows)).is_ok()
        });
        Ok(())
    });
    deferred.map_err(|_| Refusal::Other("ERR too much waits to be done"))?;
    session.pause();
    Ok(())
}

fn row(info: &ConnectionInfo<'_>, client: &Client, now: Instant) -> String {
    let seconds = |since: Instant| Duration::as_secs(&now.since(since));
    let count = |count: fn(&super::client::Subscriptions) -> usize| {
        client.subscriptions.as_ref().map_or(0, |all| count(all))
    };
    let queued = client
        .transaction
        .as_ref()
        .map_or(-1, |all| i64::try_from(all.ends.len()).unwrap_or(i64::MAX));
    let [library, version] = &client.library;
    format!(
        "id={} addr={} name={} age={} idle={} flags={} db=0 sub={} psub={} multi={queued} qbuf={} \
         omem={} user=default lib-name={library} lib-ver={version} resp={}\n",
        client.number,
        info.peer,
        client.name,
        seconds(info.opened),
        seconds(info.last_active),
        if client.subscriptions.is_some() { 'P' } else { 'N' },
        count(|all| all.channels.len()),
        count(|all| all.patterns.len()),
        info.buffered_in,
        info.buffered_out,
        if client.version == Version::Resp2 { 2 } else { 3 },
    )
}
