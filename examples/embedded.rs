//! A server inside a program that has a loop of its own: a game that moves on at each tick, and
//! shows everybody its world.
//!
//! ```text
//! cargo run --release --example embedded -- --tick 500ms
//! cargo run --release --example embedded -- --tick 500ms --by-descriptor
//! nc 127.0.0.1 7000
//! ```
//!
//! Type `left` and `right`. The program owns its loop, its world and its signals; the engine is
//! lent the thread now and then. There are two ways to do that: to let the engine wait until the
//! next tick is due, or to wait for the engine's descriptor together with others of one's own. The
//! world is no part of the handler, which sends what players do through a channel.

pub(crate) mod common;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use common::{Ending, Options, Stop};
use windlass::{
    Broadcast, CloseReason, Config, ConnectionId, DrainReport, Engine, Error, Handler, Lines,
    Server, Session,
};

const HELP: &str = "
A game in a loop of its own, with a server inside: send left and right.

usage: embedded [OPTION]...

  --tcp ADDR         listen on this address, any number of times
                     (without: on 127.0.0.1:7000; port 0: any free port)
  --tick D           how often the world moves on, and is shown to everybody (default 16ms)
  --by-descriptor    wait with poll for the engine's descriptor and for others (Linux)
  --drain-timeout D  how long SIGINT and SIGTERM wait for what is owed (default 30s)
  --help             print this

D is such as 500ms, 30s or 2m.
The first SIGINT or SIGTERM drains, the second stops now. Exit status: 0 if everything
finished, 3 if something was cut, 1 on an error, 2 on bad usage.
";

/// How many fields the world has, one beside the other.
const WIDTH: usize = 32;

/// What the options ask for.
#[derive(PartialEq, Debug)]
pub(crate) struct Settings {
    pub(crate) tcp: Vec<SocketAddr>,
    pub(crate) tick: Duration,
    pub(crate) by_descriptor: bool,
    pub(crate) config: Config,
}

/// What a player does.
pub(crate) enum Action {
    Come,
    Left,
    Right,
    Go,
}

/// What the world is told.
pub(crate) type News = (ConnectionId, Action);

/// The engine's side: it knows nothing of the world, and tells it what has happened.
struct Door(Sender<News>);

impl Door {
    fn tell(&self, session: &Session<'_, Self>, action: Action) {
        // Who receives it lives as long as the loop.
        let _ = self.0.send((session.id(), action));
    }
}

impl Handler for Door {
    type Codec = Lines;
    type State = ();

    fn on_open(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.tell(session, Action::Come);
        Ok(())
    }

    fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
        match line {
            "left" => self.tell(session, Action::Left),
            "right" => self.tell(session, Action::Right),
            _ => session.send("send left or right")?,
        }
        Ok(())
    }

    fn on_close(&mut self, session: &mut Session<'_, Self>, _: &CloseReason) {
        self.tell(session, Action::Go);
    }
}

/// The program's own state: who stands where.
#[derive(Default)]
pub(crate) struct World {
    ticks: u64,
    fields: BTreeMap<ConnectionId, usize>,
}

impl World {
    pub(crate) fn move_on(&mut self, news: &Receiver<News>) {
        self.ticks += 1;
        for (player, action) in news.try_iter() {
            let field = self.fields.entry(player).or_insert(WIDTH / 2);
            match action {
                Action::Come => {}
                Action::Left => *field = field.saturating_sub(1),
                Action::Right => *field = (*field + 1).min(WIDTH - 1),
                Action::Go => _ = self.fields.remove(&player),
            }
        }
    }

    /// A line with a digit where players stand: how many.
    pub(crate) fn picture(&self) -> String {
        let mut counts = [0_u32; WIDTH];
        self.fields.values().for_each(|field| counts[*field] += 1);
        let digit = |count: u32| char::from_digit(count, 10).unwrap_or('+');
        let digits = counts.map(|count| if count == 0 { '.' } else { digit(count) });
        format!("tick {}: {}\n", self.ticks, digits.iter().collect::<String>())
    }
}

/// The program: its world, its clock, its signals, and the engine.
struct Game {
    engine: Engine,
    world: World,
    news: Receiver<News>,
    /// A byte for each signal that has come.
    signals: UnixStream,
    is_draining: bool,
    tick: Duration,
    next_tick: Instant,
}

impl Game {
    /// Way one: the engine waits until the next tick, and serves meanwhile.
    fn run(mut self) -> Result<DrainReport, Error> {
        loop {
            let until_tick = self.next_tick.saturating_duration_since(Instant::now());
            if let Some(report) = self.engine.turn(Some(until_tick))? {
                return Ok(report);
            }
            self.play()?;
        }
    }

    /// Way two: another loop waits, for the engine's descriptor and its own. A turn that is not to
    /// wait costs a system call where there is nothing to do.
    #[cfg(target_os = "linux")]
    fn run_by_descriptor(mut self) -> Result<DrainReport, Error> {
        use std::os::fd::AsFd;

        use nix::errno::Errno;
        use nix::poll::{PollFd, PollFlags, ppoll};

        loop {
            let until_tick = self.next_tick.saturating_duration_since(Instant::now());
            let timeout = self.engine.next_timeout().map_or(until_tick, |due| due.min(until_tick));
            let watched = [self.engine.as_fd(), self.signals.as_fd()];
            let mut watched = watched.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
            match ppoll(&mut watched, Some(timeout.into()), None) {
                // A signal came; its byte is there the next time.
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(Error::with_source("cannot poll", error)),
            }
            if let Some(report) = self.engine.turn(Some(Duration::ZERO))? {
                return Ok(report);
            }
            self.play()?;
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn run_by_descriptor(self) -> Result<DrainReport, Error> {
        Err(Error::new("--by-descriptor is written for Linux"))
    }

    /// What the program does between two turns of the engine.
    fn play(&mut self) -> Result<(), Error> {
        self.heed_signals();
        let now = Instant::now();
        if now < self.next_tick {
            return Ok(());
        }
        // Ticks that were missed are left out.
        self.next_tick = (self.next_tick + self.tick).max(now);
        self.world.move_on(&self.news);
        // Who is too slow for it misses a picture, and gets a later one.
        let picture = Broadcast::to_all_of::<Door>(self.world.picture());
        self.engine.commands().broadcast(picture)
    }

    /// The first signal drains, the second stops: as the engine does it with signals of its own.
    fn heed_signals(&mut self) {
        let count = self.signals.read(&mut [0; 2]).unwrap_or(0);
        for _ in 0..count {
            match self.is_draining {
                true => self.engine.stop(),
                false => self.engine.drain(),
            }
            self.is_draining = true;
        }
    }
}

/// A stream in which there is a byte for each SIGINT and SIGTERM.
fn signals() -> Result<UnixStream, Error> {
    let failed = |error| Error::with_source("cannot watch for signals", error);
    let (reader, writer) = UnixStream::pair().map_err(failed)?;
    reader.set_nonblocking(true).map_err(failed)?;
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let writer = writer.try_clone().map_err(failed)?;
        signal_hook::low_level::pipe::register(signal, writer).map_err(failed)?;
    }
    Ok(reader)
}

fn main() -> ExitCode {
    common::run(HELP, read, serve)
}

pub(crate) fn read(options: &mut Options) -> Result<Settings, Stop> {
    let mut tcp = Vec::new();
    let (mut tick, mut by_descriptor) = (Duration::from_millis(16), false);
    // Players may look on, and the program sees to its signals itself.
    let mut config = Config { first_frame_timeout: None, signals: Vec::new(), ..Config::default() };
    while let Some(option) = options.next()? {
        match option.as_str() {
            "--tcp" => tcp.push(options.address()?),
            "--tick" => tick = options.duration()?,
            "--by-descriptor" => by_descriptor = true,
            "--drain-timeout" => config.drain_timeout = options.duration()?,
            _ => return Err(options.unknown()),
        }
    }
    Ok(Settings { tcp: common::or_port_7000(tcp), tick, by_descriptor, config })
}

/// The server inside, and what it has to tell.
pub(crate) fn server(tcp: &[SocketAddr], config: Config) -> (Server, Receiver<News>) {
    let (sender, news) = mpsc::channel();
    let add = |server: Server, address| server.tcp(address, Door(sender.clone()));
    (tcp.iter().fold(Server::with_config(config), add), news)
}

fn serve(settings: Settings) -> Result<Ending, Error> {
    let Settings { tcp, tick, by_descriptor, config } = settings;
    let (server, news) = server(&tcp, config);
    let engine = server.build()?;
    let signals = signals()?;
    engine.local_addrs().for_each(|address| common::print_listening("tcp", address));
    let (world, next_tick) = (World::default(), Instant::now() + tick);
    let game = Game { engine, world, news, signals, is_draining: false, tick, next_tick };
    let report = if by_descriptor { game.run_by_descriptor() } else { game.run() };
    Ok(common::ending(&report?))
}
