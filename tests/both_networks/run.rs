//! Plays a script on both networks, and compares.

use windlass::network::Faults;
use windlass::{Config, Lines, Server};

use crate::fixture::{Journal, MIB, Scripted, for_each_seed, number, timeless};
use crate::play::Play;
use crate::trace::Trace;
use crate::worlds::{self, World};

/// How many mixtures of harmless faults a script is played with on the simulated network, unless
/// `WINDLASS_SEEDS` says otherwise.
const MIXTURES: u64 = 4;

/// Few connections, no deadlines, and no signals, which would be those of all tests.
pub(crate) fn quiet() -> Config {
    Config { max_connections: Some(32), signals: Vec::new(), ..timeless() }
}

/// Makes a server for lines, which may be long, on one listener, with what `handler` makes.
pub(crate) fn lines(config: Config, handler: impl Fn() -> Scripted) -> impl Fn(&Journal) -> Server {
    move |journal| {
        let handler = handler().written_in(journal);
        let codec = Lines::default().max_len(MIB);
        Server::with_config(config.clone()).tcp_with("127.0.0.1:0", codec, handler)
    }
}

/// Plays `script` on both networks, each time with a new server, whose handlers write down in the
/// journal what they are called for. On the simulated network, what is seen must be `expected`, a
/// line for each client; and exactly the same must be seen on the system's network, and on the
/// simulated one with harmless faults.
#[track_caller]
pub(crate) fn on_both(
    server: impl Fn(&Journal) -> Server,
    script: impl Fn(&mut Play),
    expected: &[&str],
) {
    let simulated = played(worlds::sim(), &server, &script);
    assert_eq!(simulated.lines(), expected, "on the simulated network");
    played(worlds::os(), &server, &script).assert_same(&simulated, "on the system's network");
    for_each_seed(number("WINDLASS_SEEDS").unwrap_or(MIXTURES), |seed| {
        let world = worlds::sim_with_faults(seed, harmless(seed));
        played(world, &server, &script).assert_same(&simulated, "with faults");
    });
}

fn played(
    world: Box<dyn World>,
    server: impl Fn(&Journal) -> Server,
    script: impl Fn(&mut Play),
) -> Trace {
    let journal = Journal::default();
    let mut play = Play::begin(world, server(&journal), journal);
    script(&mut play);
    play.end()
}

/// A mixture of faults of which nothing may be seen, except that it takes longer.
fn harmless(seed: u64) -> Faults {
    Faults {
        exhausted_accept: 0,
        lost_datagram: 0,
        doubled_datagram: 0,
        reordered_datagram: 0,
        truncated_datagram: 0,
        refused_datagram: 0,
        ..Faults::random(seed).lossless()
    }
}
