//! What the examples answer never depends on how the network cut what they were sent: each protocol
//! of theirs, on the simulated network, with every cut and every pair of cuts.

#![allow(clippy::duplicate_mod, reason = "each example brings what all have in common")]

use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::mpsc::Receiver;

use windlass::network::{SimNetwork, SimPeer};
use windlass::{Config, Handle, Server};

#[path = "../examples/chat.rs"]
#[allow(dead_code, reason = "it does not run as a process here")]
mod chat;
#[path = "../examples/dns/main.rs"]
#[allow(dead_code, reason = "it does not run as a process here")]
mod dns;
#[path = "../examples/echo.rs"]
#[allow(dead_code, reason = "it does not run as a process here")]
mod echo;
#[path = "../examples/embedded.rs"]
#[allow(dead_code, reason = "it does not run as a process here")]
mod embedded;
mod fixture;
#[path = "../examples/middleware.rs"]
#[allow(dead_code, reason = "it does not run as a process here")]
mod middleware;
#[path = "../examples/offload.rs"]
#[allow(dead_code, reason = "it does not run as a process here")]
mod offload;
#[path = "../examples/proxy.rs"]
#[allow(dead_code, reason = "it does not run as a process here")]
mod proxy;

use fixture::{World, address, all_cuts, pieces, secs};

/// The command line of an example that listens where the world's peers connect to.
fn words(options: &str) -> Vec<OsString> {
    let line = format!("--tcp {} {options}", address(0));
    line.split_whitespace().map(OsString::from).collect()
}

fn world(config: &Config, server: Server) -> World {
    World::of(SimNetwork::new(1), config.clone(), None, |_| server)
}

/// Asserts that the same is heard however `stream` is cut. `hear` has a new peer send the pieces,
/// one after the other, and says what it and others were told.
fn assert_same_for_every_cut(stream: &str, mut hear: impl FnMut(&[&[u8]]) -> String) {
    let whole = hear(&[stream.as_bytes()]);
    for cuts in all_cuts(stream.len()) {
        let heard = hear(&pieces(stream.as_bytes(), &cuts));
        assert_eq!(heard, whole, "{stream:?} cut at {cuts:?}");
    }
}

/// A new peer sends these pieces, each when all before it was seen to, and then finishes. Says what
/// it had received when it finished, what after that, and how its connection ended.
fn talk(world: &mut World, pieces: &[&[u8]], mut see_to_it: impl FnMut(&mut World)) -> String {
    let peer = world.join();
    see_to_it(world);
    for piece in pieces {
        world.network.send_from(peer, piece);
        world.settle();
        see_to_it(world);
    }
    // Whoever was told to wait has waited then.
    world.run_for(secs(3));
    let answered = take(world, peer);
    world.network.finish(peer);
    world.run_for(secs(3));
    see_to_it(world);
    format!("{answered} | {} | {:?}", take(world, peer), world.network.state(peer))
}

fn take(world: &mut World, peer: SimPeer) -> String {
    world.network.take_received(peer).escape_ascii().to_string()
}

#[test]
fn a_chat_hears_the_same_whatever_the_cut() {
    let read = || {
        chat::read(&mut chat::common::Options::new(words(
            "--rate-limit 4000000000/s --idle-timeout 9999h",
        )))
    };
    let settings = read().expect("the options are understood");
    let mut world = world(&settings.config.clone(), chat::server(settings));
    let other = world.join();
    let mut guests = 1;
    for stream in [
        "hi\r\n/nick ann\nhi \u{e9}\n/rooms\n/join den\n",
        "/join den\r\n/who\nyes\n/quit\nnobody hears this\n",
        "/nick ann b\n/wh\n\n /nick\n/nick guest1\nno line's end",
    ] {
        world.network.take_received(other);
        assert_same_for_every_cut(stream, |pieces| {
            guests += 1;
            let heard = talk(&mut world, pieces, |_| {});
            let all = format!("{heard} | {}", take(&mut world, other));
            let guest = format!("guest{guests}");
            assert!(all.contains(&guest), "it was greeted: {all}");
            all.replace(&guest, "the guest")
        });
    }
}

#[test]
fn an_echo_is_the_same_whatever_the_cut() {
    for (framing, stream) in [
        ("raw", "any bytes\n"),
        ("lines", "one\r\n\ntwo\rthree\n\u{e9}\nfour"),
        ("lines", "ok\na line that is too long for it\nnever\n"),
        ("length", "\0\0\0\x03abc\0\0\0\0\0\0\0\x01d\0\0"),
        ("length", "\0\0\0\x03abc\0\0\x01\0never"),
    ] {
        let options = format!("--framing {framing} --max-frame 20");
        let settings = echo::read(&mut echo::common::Options::new(words(&options)));
        let settings = settings.expect("the options are understood");
        let mut world = world(&settings.config.clone(), echo::server(settings));
        assert_same_for_every_cut(stream, |pieces| talk(&mut world, pieces, |_| {}));
    }
}

#[test]
fn a_zone_is_asked_the_same_whatever_the_cut() {
    let read = || dns::read(&mut dns::common::Options::new(words("--idle-timeout 9999h")));
    // An address, at the end of an alias.
    let alias = "\0\x21\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03wWw\x07example\x03com\0\0\x01\0\x01";
    // No such name, with EDNS.
    let nothing = "\0\x2a\0\x02\0\0\0\x01\0\0\0\0\0\x01\x01x\x07example\x03com\0\0\x01\0\x01\
                   \0\0\x29\x10\0\0\0\0\0\0\0";
    // A message without its question, which is answered with its header.
    let malformed = "\0\x0c\0\x03\0\0\0\x01\0\0\0\0\0\0";
    // Less than a header, which ends it all.
    let no_message = "\0\x03abc";
    // The flags of an answer, of none, and of what is malformed.
    let [found, denied, refused] = ["\\x85\\x00", "\\x84\\x03", "\\x80\\x01"];
    for (stream, answers) in [
        ([alias, nothing].concat(), &[found, denied][..]),
        ([malformed, nothing, malformed, "\0"].concat(), &[refused, denied]),
        ([malformed, no_message, alias].concat(), &[refused]),
        (["\0\0", alias].concat(), &[]),
    ] {
        let settings = read().expect("the options are understood");
        let config = settings.config.clone();
        let server = dns::server(settings).expect("the sample is a zone");
        let mut world = world(&config, server);
        assert_same_for_every_cut(&stream, |pieces| {
            let heard = talk(&mut world, pieces, |_| {});
            assert!(answers.iter().all(|flags| heard.contains(flags)), "{heard}");
            assert_eq!(heard.starts_with(" | "), answers.is_empty(), "{heard}");
            heard
        });
    }
}

#[test]
fn layers_judge_the_same_whatever_the_cut() {
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/example_splits_password");
    std::fs::write(file, "sesame\n").expect("there is room for a password");
    let options = format!("--password-file {file} --login-timeout 1h --forbid spam");
    let read = || middleware::read(&mut middleware::common::Options::new(words(&options)));
    for stream in
        ["ann sesame\r\nham\nspam\n\neggs and spam\neggs\nhalf", "ann sesam\nann sesame\nham\n"]
    {
        let settings = read().expect("the options are understood");
        let config = settings.config.clone();
        let server = middleware::server(settings).expect("the password can be read");
        let mut world = world(&config, server);
        assert_same_for_every_cut(stream, |pieces| talk(&mut world, pieces, |_| {}));
    }
}

#[test]
fn a_pool_answers_the_same_whatever_the_cut() {
    for options in ["", "--ordered", "--queue 1"] {
        let settings = offload::read(&mut offload::common::Options::new(words(options)));
        let (server, jobs) = offload::server(&settings.expect("the options are understood"));
        let mut world = world(&Config::default(), server);
        let handle = world.reactor.handle(&mut world.network).expect("a handle can be made");
        assert_same_for_every_cut("10\r\n100\n\n99999999\n1 0\n 30\n7", |pieces| {
            talk(&mut world, pieces, |world| do_jobs(world, &jobs, &handle))
        });
    }
}

/// Does what the threads of the pool would do.
fn do_jobs(world: &mut World, jobs: &Receiver<offload::Job>, handle: &Handle) {
    while let Ok(job) = jobs.try_recv() {
        assert!(offload::do_job(&job, handle).is_ok(), "the loop has not ended");
        world.settle();
    }
}

#[test]
fn a_game_sees_the_same_moves_whatever_the_cut() {
    let settings = embedded::read(&mut embedded::common::Options::new(words("")));
    let config = settings.expect("the options are understood").config;
    let addresses = [address(0)];
    let (server, news) = embedded::server(&addresses, config.clone());
    let mut world = world(&config, server);
    assert_same_for_every_cut("left\nleft\r\nright\nup\n\nleft", |pieces| {
        let mut game = embedded::World::default();
        let mut pictures = Vec::new();
        let heard = talk(&mut world, pieces, |_| {
            game.move_on(&news);
            pictures.push(game.picture());
        });
        // The one before it has left.
        let last = pictures[pictures.len() - 2].split_once(": ").expect("a tick").1.to_owned();
        format!("{heard} | {last}")
    });
}

#[test]
fn a_proxy_passes_on_the_same_whatever_the_cut() {
    let upstream = SocketAddr::from(([192, 0, 2, 9], 80));
    let settings = proxy::read(&mut proxy::common::Options::new(words("--upstream 192.0.2.9:80")));
    let settings = settings.expect("the options are understood");
    let mut world = world(&settings.config.clone(), proxy::server(settings));
    world.network.serve(upstream);
    assert_same_for_every_cut("both ways\r\n\0 the same", |pieces| {
        let client = world.join();
        let server = world.network.accepted(upstream).expect("it was connected");
        for piece in pieces {
            world.network.send_from(client, piece);
            world.network.send_from(server, piece);
            world.settle();
        }
        let passed = [take(&mut world, client), take(&mut world, server)];
        world.network.finish(client);
        world.settle();
        world.network.send_from(server, b"the last");
        world.network.finish(server);
        world.settle();
        let last = [take(&mut world, client), take(&mut world, server)];
        format!(
            "{passed:?} | {last:?} | {:?} {:?}",
            world.network.state(client),
            world.network.state(server)
        )
    });
}
