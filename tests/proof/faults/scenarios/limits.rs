//! Scenarios in which somebody is over a limit, or a time has passed.

use bytes::Bytes;
use windlass::middleware::{Authenticate, Login, Over, PerAddressLimit, RateLimit};
use windlass::network::SimNetwork;
use windlass::{AtLimit, Config, Lines, Session};

use super::{Scenario, scenario};
use crate::proof::fixture::{Call, Scripted, address, at_most, ignore, millis, secs};
use crate::proof::stage::Act::{Finish, Send, Stall};
use crate::proof::stage::{Owed, Stage, Staged};

pub(super) fn all() -> Vec<Scenario> {
    vec![
        scenario!(
            one_place_and_three_wait,
            ["peer finished", "peer finished", "peer finished", "peer finished"]
        ),
        scenario!(refused_at_the_limit, ["peer finished", "peer finished"]),
        scenario!(
            evicted_at_the_limit,
            ["evicted", "evicted", "frame timeout", "peer finished", "peer finished"]
        ),
        scenario!(
            too_few_sockets,
            ["peer finished", "peer finished", "peer finished", "peer finished", "peer finished"]
        ),
        scenario!(
            memory_budget,
            [
                "memory budget",
                "peer finished",
                "peer finished",
                "write timeout",
                "write timeout",
                "write timeout"
            ]
        ),
        scenario!(write_limit, ["peer finished", "peer finished", "write limit"]),
        scenario!(idle_timeout, ["idle timeout", "idle timeout", "idle timeout"]),
        scenario!(
            frame_timeouts,
            ["first frame timeout", "frame timeout", "peer finished", "peer finished"]
        ),
        scenario!(last_words_to_the_slow, ["frame timeout", "idle timeout", "malformed frame"]),
        scenario!(write_timeout, ["peer finished", "peer finished", "write timeout"]),
        scenario!(lifetime_is_over, ["lifetime over", "lifetime over", "peer finished"]),
        scenario!(
            too_many_of_one_address,
            ["peer finished", "peer finished", "peer finished", "peer finished", "peer finished"]
        ),
        scenario!(
            too_many_connections_a_second,
            ["peer finished", "peer finished", "peer finished", "peer finished"]
        ),
        scenario!(frames_slowed_and_refused, ["peer finished", "peer finished", "peer finished"]),
        scenario!(who_must_say_who_he_is, ["peer finished", "peer finished"]),
    ]
}

fn one_place_and_three_wait(network: SimNetwork) -> Staged {
    let mut stage = Stage::echo(network, at_most(1))?;
    stage.client(0, 0, &[(0, Send(b"one\n")), (3, Finish)]);
    stage.client(1, 0, &[(0, Send(b"two\n")), (0, Finish)]);
    stage.client(2, 1, &[(0, Send(b"three\n")), (5, Finish)]);
    Ok(stage)
}

const FAREWELL: &[u8] = b"not now\n";

fn refused_at_the_limit(network: SimNetwork) -> Staged {
    let at_limit = AtLimit::Refuse(Bytes::from_static(FAREWELL));
    let stage = Stage::echo(network, Config { at_limit, ..at_most(1) })?;
    let mut stage = stage.farewell(FAREWELL).harming(2).timed();
    stage.client(0, 0, &[(0, Send(b"one\n")), (6, Finish)]);
    stage.client(1, 2, &[(9, Finish)]);
    stage.client(2, 3, &[(0, Send(b"two\n")), (9, Finish)]);
    Ok(stage)
}

fn evicted_at_the_limit(network: SimNetwork) -> Staged {
    let at_limit = AtLimit::EvictIdle;
    let mut stage = Stage::echo(network, Config { at_limit, ..at_most(2) })?.harming(2).timed();
    stage.client(0, 0, &[(0, Send(b"one\n"))]);
    stage.client(1, 1, &[(0, Send(b"two\nand more"))]);
    stage.client(2, 3, &[(0, Send(b"three\n")), (4, Finish)]);
    stage.client(3, 4, &[(0, Send(b"four\n")), (5, Finish)]);
    Ok(stage)
}

/// There are descriptors for two connections only, whatever the configuration says.
fn too_few_sockets(network: SimNetwork) -> Staged {
    let mut stage = Stage::echo(network, at_most(10))?;
    stage.world.network.set_socket_limit(Some(3));
    stage.client(0, 0, &[(0, Send(b"one\n")), (4, Finish)]);
    stage.client(1, 0, &[(0, Send(b"two\n")), (6, Finish)]);
    stage.client(2, 0, &[(0, Send(b"three\n")), (8, Finish)]);
    stage.client(3, 1, &[(0, Send(b"four\n")), (8, Finish)]);
    Ok(stage)
}

const PROBE: &str = "are you there";

/// Each line is answered with itself so many times, a newcomer's with itself.
fn talkative(network: SimNetwork, config: Config, times: usize) -> Staged {
    let owed = Owed::default();
    let debts = owed.clone();
    let script = move |session: &mut Session<'_, Scripted>, call: Call<'_>| match call {
        Call::Frame(PROBE) => debts.send(session, PROBE),
        Call::Frame(line) => debts.send(session, &line.repeat(times)),
        call => ignore(session, call),
    };
    let codec = Lines::default().max_len(4096);
    Stage::of(network, config, owed, |server, journal| {
        server.tcp_with(address(0), codec, Scripted::new(script).written_in(journal))
    })
}

fn memory_budget(mut network: SimNetwork) -> Staged {
    network.set_pipe_len(100);
    let config = Config {
        read_buffer_len: 256,
        low_watermark: 500,
        high_watermark: 2000,
        write_limit: 4000,
        memory_budget: 12_200,
        ..at_most(10)
    };
    let mut stage = talkative(network, config, 1500)?.tangled();
    stage.client(0, 0, &[(0, Stall), (0, Send(b"a\nb\n"))]);
    stage.client(1, 0, &[(0, Stall), (1, Send(b"c\nd\n"))]);
    stage.client(2, 0, &[(0, Stall), (2, Send(b"e\nf\n"))]);
    stage.client(3, 0, &[(0, Stall), (3, Send(b"g\nh\n"))]);
    stage.client(4, 4, &[(0, Send(b"i\n")), (5, Finish)]);
    Ok(stage)
}

fn write_limit(mut network: SimNetwork) -> Staged {
    network.set_pipe_len(100);
    let config =
        Config { low_watermark: 500, high_watermark: 1000, write_limit: 2000, ..at_most(10) };
    let mut stage = talkative(network, config, 900)?;
    stage.client(0, 0, &[(0, Stall), (0, Send(b"a\nabc\n"))]);
    stage.client(1, 0, &[(0, Send(b"b\n")), (5, Finish)]);
    Ok(stage)
}

fn idle_timeout(network: SimNetwork) -> Staged {
    let config = Config { idle_timeout: Some(millis(20)), ..at_most(10) };
    let mut stage = Stage::echo(network, config)?.timed();
    stage.client(0, 0, &[(0, Send(b"one\n")), (15, Send(b"two\n")), (30, Send(b"three\n"))]);
    stage.client(1, 5, &[(30, Finish)]);
    Ok(stage)
}

fn frame_timeouts(network: SimNetwork) -> Staged {
    let config = Config {
        frame_timeout: Some(millis(10)),
        first_frame_timeout: Some(millis(30)),
        ..at_most(10)
    };
    let mut stage = Stage::echo(network, config)?.timed();
    stage.client(0, 0, &[(0, Send(b"one\nt")), (4, Send(b"w")), (8, Send(b"o")), (25, Finish)]);
    stage.client(1, 0, &[(40, Finish)]);
    stage.client(2, 0, &[(0, Send(b"thr")), (7, Send(b"ee\n")), (50, Finish)]);
    Ok(stage)
}

fn last_words_to_the_slow(network: SimNetwork) -> Staged {
    let config =
        Config { frame_timeout: Some(millis(10)), idle_timeout: Some(millis(15)), ..at_most(10) };
    let owed = Owed::default();
    let debts = owed.clone();
    let script = move |session: &mut Session<'_, Scripted>, call: Call<'_>| match call {
        Call::Frame(line) => debts.send(session, line),
        Call::Farewell(reason) => debts.send(session, reason.label()),
        call => ignore(session, call),
    };
    let mut stage = Stage::lines(network, config, owed, script)?.timed().probed(None);
    stage.client(0, 0, &[(0, Send(b"one\nt")), (4, Send(b"w")), (25, Finish)]);
    stage.client(1, 0, &[(3, Send(b"two\n")), (40, Finish)]);
    stage.client(2, 0, &[(0, Send(b"three\n\xff\nfour\n")), (10, Finish)]);
    Ok(stage)
}

fn write_timeout(mut network: SimNetwork) -> Staged {
    network.set_pipe_len(100);
    let config = Config { write_timeout: Some(millis(20)), ..at_most(10) };
    let mut stage = talkative(network, config, 900)?.timed();
    stage.client(0, 0, &[(0, Stall), (0, Send(b"a\n")), (5, Finish)]);
    stage.client(1, 0, &[(0, Send(b"b\n")), (30, Finish)]);
    Ok(stage)
}

fn lifetime_is_over(network: SimNetwork) -> Staged {
    let config = Config { lifetime: Some(millis(20)), ..at_most(10) };
    let mut stage = Stage::echo(network, config)?.timed();
    stage.client(0, 0, &[(0, Send(b"one\n")), (18, Send(b"two\nthr")), (25, Finish)]);
    stage.client(1, 3, &[(0, Send(b"four\n")), (10, Finish)]);
    Ok(stage)
}

fn too_many_of_one_address(network: SimNetwork) -> Staged {
    let owed = Owed::default();
    let script = owed.echo();
    let layer = PerAddressLimit::new(2).farewell(FAREWELL);
    let stage =
        Stage::layered(network, at_most(10), owed, script, |listener| listener.middleware(layer))?;
    let mut stage = stage.farewell(FAREWELL).timed();
    stage.client(0, 0, &[(0, Send(b"one\n")), (5, Finish)]);
    stage.client(1, 0, &[(0, Send(b"two\n")), (9, Finish)]);
    stage.client(2, 0, &[(6, Finish)]);
    stage.client(10, 0, &[(0, Send(b"from elsewhere\n")), (5, Finish)]);
    stage.client(3, 7, &[(0, Send(b"three\n")), (5, Finish)]);
    Ok(stage)
}

fn too_many_connections_a_second(network: SimNetwork) -> Staged {
    let owed = Owed::default();
    let script = owed.echo();
    let layer = RateLimit::connections(2, secs(1)).farewell(FAREWELL);
    let stage =
        Stage::layered(network, at_most(10), owed, script, |listener| listener.middleware(layer))?;
    let mut stage = stage.farewell(FAREWELL).timed().lasting(2000);
    stage.client(0, 0, &[(0, Send(b"one\n")), (5, Finish)]);
    stage.client(1, 0, &[(0, Send(b"two\n")), (5, Finish)]);
    stage.client(2, 1, &[(5, Finish)]);
    stage.client(3, 1200, &[(0, Send(b"three\n")), (5, Finish)]);
    Ok(stage)
}

fn frames_slowed_and_refused(network: SimNetwork) -> Staged {
    let owed = Owed::default();
    let script = owed.echo();
    let stage = Stage::layered(network, at_most(10), owed, script, |listener| {
        let slows = RateLimit::frames(4, millis(100)).burst(2);
        let refuses = RateLimit::frames(30, millis(100)).burst(5);
        let refuses = refuses.over(Over::Close).farewell(FAREWELL);
        listener.middleware(slows).middleware(refuses)
    })?;
    let mut stage = stage.farewell(FAREWELL).timed();
    stage.client(0, 0, &[(0, Send(b"1\n2\n3\n4\n5\n6\n7\n8\n")), (300, Finish)]);
    stage.client(10, 0, &[(0, Send(b"one\n")), (5, Finish)]);
    Ok(stage)
}

fn who_must_say_who_he_is(network: SimNetwork) -> Staged {
    let owed = Owed::default();
    let script = owed.echo();
    let layer = Authenticate::new(|_, line| match line {
        b"it is me" => Login::Accepted("me".to_owned()),
        _ => Login::Rejected,
    });
    let layer = layer.rejected(FAREWELL).tries(1).deadline(millis(50));
    let stage =
        Stage::layered(network, at_most(10), owed, script, |listener| listener.middleware(layer))?;
    let probe: [&[u8]; 2] = [b"it is me\nhello\n", b"hello\n"];
    let mut stage = stage.farewell(FAREWELL).probed(Some(probe)).withholding();
    stage.client(0, 0, &[(0, Send(b"it is ")), (2, Send(b"me\none\n")), (5, Finish)]);
    stage.client(1, 0, &[(0, Send(b"who are you\ntwo\n")), (8, Finish)]);
    stage.client(2, 0, &[(80, Finish)]);
    Ok(stage)
}
