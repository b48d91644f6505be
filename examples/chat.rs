//! A chat for `nc`: names, rooms, and lines that are encoded once for everybody in a room.
//!
//! ```text
//! cargo run --release --example chat
//! nc 127.0.0.1 7000
//! printf '/nick ann\nhello\n/who\n/quit\n' | nc 127.0.0.1 7000
//! ```
//!
//! It shows a handler that speaks to other connections: a room is a list of their ids, and what is
//! said goes out as one broadcast to that list. It shows what becomes of those who do not read, of
//! those who do not write, and of everybody when the server goes down; and how the table of
//! connections is looked at, which needs a deferred task, since a callback is lent no connection
//! but its own.

pub(crate) mod common;

use std::collections::HashMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use common::{Ending, Options, Rate, Stop};
use windlass::middleware::{Identity, Logging, RateLimit};
use windlass::{
    Broadcast, CloseReason, Config, ConnectionId, Error, Handler, Lines, Server, Session, Slow,
};

const HELP: &str = "
A chat for nc, telnet, or whatever else sends lines.

usage: chat [OPTION]...

  --tcp ADDR            listen on this address (without: on 127.0.0.1:7000; port 0: any free
                        port)
  --slow WHAT           what becomes of who does not read what the others say, once more than the
                        high watermark waits for him: skip, he misses lines (default), or close
  --high-watermark SIZE how much may wait for one who does not read (default 64KiB)
  --idle-timeout D      who says nothing for this long is shown out (default 10m)
  --rate-limit N/s      how many lines of one address are read in a second (default 10/s)
  --max-connections N   how many can be there (default: as descriptors allow, 10000 at most)
  --drain-timeout D     how long SIGINT and SIGTERM wait for what is owed (default 30s)
  --help                print this

SIZE is in bytes, or such as 64KiB or 1MiB; D is such as 500ms, 30s or 2m; N/s can be N/m or N/h.
The first SIGINT or SIGTERM drains, the second stops now. Exit status: 0 if everything
finished, 3 if something was cut, 1 on an error, 2 on bad usage.
";

const COMMANDS: [&str; 6] = [
    "* /nick NAME   be called this",
    "* /join ROOM   leave this room for that one, which is made if there is none",
    "* /who         who is in this room",
    "* /rooms       which rooms there are",
    "* /quit        leave",
    "* anything else is said to everybody in the room",
];

/// Where everybody begins.
const LOBBY: &str = "lobby";
/// The longest name of a person or a room, in bytes.
const MAX_NAME_LEN: usize = 16;
/// The longest line that is passed on, in bytes.
const MAX_SAID_LEN: usize = 1024;
/// The timer that ends with who says nothing.
const IDLE: u32 = 0;

/// What the options ask for.
#[derive(PartialEq, Debug)]
pub(crate) struct Settings {
    pub(crate) tcp: SocketAddr,
    pub(crate) slow: Slow,
    pub(crate) idle_timeout: Duration,
    pub(crate) rate_limit: Rate,
    pub(crate) config: Config,
}

/// Everybody who is there, by name and by room.
struct Chat {
    /// By name, in small letters: nobody is to pass for somebody else by writing a letter large.
    names: HashMap<String, ConnectionId>,
    /// By room. A list is made anew when somebody comes or goes, and shared with every broadcast:
    /// more is said than people come and go.
    rooms: HashMap<String, Arc<[ConnectionId]>>,
    /// How many have come.
    guests: u64,
    slow: Slow,
    idle_timeout: Duration,
    is_draining: bool,
}

/// What is kept for each connection.
#[derive(Default)]
struct Member {
    name: String,
    room: String,
}

impl Handler for Chat {
    type Codec = Lines;
    type State = Member;

    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        session.set_timer(IDLE, self.idle_timeout);
        let name = self.guest_name();
        session.send(&format!("* welcome, {name}: /help tells what can be done here"))?;
        self.call(session, name);
        self.enter(session, LOBBY)
    }

    fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
        session.set_timer(IDLE, self.idle_timeout);
        let line = line.trim();
        let Some(command) = line.strip_prefix('/') else { return self.say(session, line) };
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        match verb {
            "nick" => self.rename(session, rest.trim()),
            "join" => self.join(session, rest.trim()),
            "who" => self.who(session),
            "rooms" => self.rooms.iter().try_for_each(|(room, members)| {
                session.send(&format!("* {room}: {}", people(members.len())))
            }),
            "help" => COMMANDS.iter().try_for_each(|line| session.send(line)),
            "quit" => {
                session.send("* goodbye")?;
                // No line after this one is run.
                session.pause();
                leave_at_last(session)
            }
            _ => session.send("* there is no such command: /help tells what can be done here"),
        }
    }

    fn on_end(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        leave_at_last(session)
    }

    fn on_timer(&mut self, session: &mut Session<'_, Self>, _: u32) -> Result<(), Error> {
        session.send("* you have said nothing for a long time: goodbye")?;
        session.close();
        Ok(())
    }

    fn on_drain(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.is_draining = true;
        session.send("* the server goes down: goodbye")
    }

    fn on_close(&mut self, session: &mut Session<'_, Self>, _: &CloseReason) {
        // When all leave, nobody has to be told, and everybody of everybody would be too much.
        if !self.is_draining {
            let text = format!("* {} has left", session.state().name);
            // An error would be that too much waits to be said already.
            let _ = self.tell(session, &text);
        }
        self.leave(session);
        self.names.remove(&session.state().name.to_lowercase());
    }
}

impl Chat {
    /// A name that nobody has.
    fn guest_name(&mut self) -> String {
        loop {
            self.guests += 1;
            let name = format!("guest{}", self.guests);
            if !self.names.contains_key(&name) {
                return name;
            }
        }
    }

    /// Gives the connection a name, which nobody may have.
    fn call(&mut self, session: &mut Session<'_, Self>, name: String) {
        self.names.remove(&session.state().name.to_lowercase());
        self.names.insert(name.to_lowercase(), session.id());
        // For the log, and for the table of connections.
        session.context().set_identity(Identity { name: name.clone(), by: "chat" });
        session.state().name = name;
    }

    fn rename(&mut self, session: &mut Session<'_, Self>, name: &str) -> Result<(), Error> {
        if !is_name(name) {
            return session.send(&format!("* a name has {NAME_RULE}"));
        }
        let holder = self.names.get(&name.to_lowercase());
        if holder.is_some_and(|holder| *holder != session.id()) {
            return session.send(&format!("* somebody else is called {name}"));
        }
        let text = format!("* {} is now called {name}", session.state().name);
        self.call(session, name.to_owned());
        session.send(&format!("* you are now called {name}"))?;
        self.tell(session, &text)
    }

    fn join(&mut self, session: &mut Session<'_, Self>, room: &str) -> Result<(), Error> {
        if !is_name(room) {
            return session.send(&format!("* a room's name has {NAME_RULE}"));
        }
        let text = format!("* {} has gone to {room}", session.state().name);
        self.tell(session, &text)?;
        self.leave(session);
        self.enter(session, room)
    }

    fn enter(&mut self, session: &mut Session<'_, Self>, room: &str) -> Result<(), Error> {
        let members = self.rooms.entry(room.to_owned()).or_default();
        *members = members.iter().copied().chain([session.id()]).collect();
        session.send(&format!("* you are in {room}: {}", people(members.len())))?;
        session.state().room = room.to_owned();
        let text = format!("* {} is here", session.state().name);
        self.tell(session, &text)
    }

    fn leave(&mut self, session: &mut Session<'_, Self>) {
        let id = session.id();
        let room = std::mem::take(&mut session.state().room);
        let Some(members) = self.rooms.get_mut(&room) else { return };
        *members = members.iter().copied().filter(|member| *member != id).collect();
        if members.is_empty() {
            self.rooms.remove(&room);
        }
    }

    fn say(&self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
        if line.is_empty() {
            return Ok(());
        }
        if line.len() > MAX_SAID_LEN {
            return session.send(&format!("* more than {MAX_SAID_LEN} bytes: nobody heard that"));
        }
        let text = format!("{}: {}", session.state().name, harmless(line));
        self.tell(session, &text)
    }

    /// Tells everybody else in the room: one line in memory, however many they are.
    fn tell(&self, session: &mut Session<'_, Self>, text: &str) -> Result<(), Error> {
        let Some(members) = self.rooms.get(&session.state().room) else { return Ok(()) };
        let line = session.encode(text)?;
        let broadcast = Broadcast::to(Arc::clone(members), line).except(session.id());
        session.commands().broadcast(broadcast.slow(self.slow))
    }

    /// Says who is in the room, and how long, from the table of connections.
    fn who(&self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        let Some(members) = self.rooms.get(&session.state().room) else { return Ok(()) };
        let (members, asker) = (Arc::clone(members), session.id());
        // The task comes after all that was read at once: the next line waits for this answer.
        session.pause();
        session.defer(move |_, scope| {
            let now = scope.now();
            let mut rows = Vec::new();
            for id in members.iter() {
                let Some(info) = scope.info(*id) else { continue };
                let Some(identity) = info.identity else { continue };
                let (name, age) = (&identity.name, now.since(info.opened).as_secs());
                rows.push(format!("* {name}: here for {age} s, {} lines", info.frames));
            }
            // The asker may have left, and need not be told then.
            scope.with(asker, |session| {
                session.resume();
                rows.iter().try_for_each(|row| session.send(row)).is_ok()
            });
            Ok(())
        })
    }
}

/// Closes the connection after what was asked for before: commands are run in their order, and the
/// answer to `/who` is one.
fn leave_at_last(session: &mut Session<'_, Chat>) -> Result<(), Error> {
    let id = session.id();
    session.commands().close(id)
}

const NAME_RULE: &str = "1 to 16 letters from a to z, digits, - and _";

fn is_name(text: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (1..=MAX_NAME_LEN).contains(&text.len()) && text.chars().all(is_fit)
}

fn people(count: usize) -> String {
    if count == 1 { "nobody else".to_owned() } else { format!("{count} people") }
}

/// The text with everything escaped that would do something to a terminal other than to be shown:
/// control characters, and those that change the direction of what comes after them.
pub(crate) fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}');
        let turns =
            turns || matches!(c, '\u{61c}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}');
        match c.is_control() || turns {
            // A string takes all that is written to it.
            true => _ = write!(shown, "{}", c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}

fn main() -> ExitCode {
    common::run(HELP, read, serve)
}

pub(crate) fn read(options: &mut Options) -> Result<Settings, Stop> {
    let mut tcp = common::PORT_7000;
    let (mut slow, mut idle_timeout) = (Slow::Skip, Duration::from_secs(600));
    let mut rate_limit = Rate { count: 10, period: Duration::from_secs(1) };
    // Who only listens is idle to nobody but the timer that `on_open` sets.
    let mut config = Config { first_frame_timeout: None, idle_timeout: None, ..Config::default() };
    while let Some(option) = options.next()? {
        match option.as_str() {
            "--tcp" => tcp = options.address()?,
            "--slow" => slow = options.choice(&[("skip", Slow::Skip), ("close", Slow::Close)])?,
            "--high-watermark" => {
                config.high_watermark = options.size(2..=config.write_limit)?;
                config.low_watermark = config.high_watermark / 4;
            }
            "--idle-timeout" => idle_timeout = options.duration()?,
            "--rate-limit" => rate_limit = options.rate()?,
            "--max-connections" => config.max_connections = Some(options.number(1..=16_777_215)?),
            "--drain-timeout" => config.drain_timeout = options.duration()?,
            _ => return Err(options.unknown()),
        }
    }
    Ok(Settings { tcp, slow, idle_timeout, rate_limit, config })
}

/// The server that is asked for.
pub(crate) fn server(settings: Settings) -> Server {
    let Settings { tcp, slow, idle_timeout, rate_limit, config } = settings;
    let (names, rooms) = (HashMap::new(), HashMap::new());
    let chat = Chat { names, rooms, guests: 0, slow, idle_timeout, is_draining: false };
    Server::with_config(config)
        .middleware(Logging::new())
        .middleware(RateLimit::frames(rate_limit.count, rate_limit.period))
        .tcp(tcp, chat)
}

fn serve(settings: Settings) -> Result<Ending, Error> {
    let mut engine = server(settings).build()?;
    engine.local_addrs().for_each(|address| common::print_listening("tcp", address));
    Ok(common::ending(&engine.run()?))
}
