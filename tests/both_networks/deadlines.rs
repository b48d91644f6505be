//! Deadlines that pass. On the system's network they do so in real time, so they are short; no
//! script says how long anything takes, only what comes of it.

use windlass::{Config, SocketOptions};

use crate::fixture::{KIB, Scripted, echo, millis};
use crate::play::Play;
use crate::run::{lines, on_both, quiet};

#[track_caller]
fn echoed(config: &Config, script: impl Fn(&mut Play), expected: &[&str]) {
    on_both(lines(config.clone(), || Scripted::new(echo)), script, expected);
}

#[test]
fn whoever_is_silent_is_closed_when_the_idle_timeout_has_passed() {
    let config = Config { idle_timeout: Some(millis(150)), ..quiet() };
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"one\n");
        play.until_end(client);
    };
    echoed(
        &config,
        script,
        &["open, `one`, farewell, closed: idle timeout, -> `one\\n`, finished"],
    );
}

#[test]
fn whoever_asks_for_nothing_is_closed_when_the_first_frame_timeout_has_passed() {
    let config = Config { first_frame_timeout: Some(millis(150)), ..quiet() };
    let script = |play: &mut Play| {
        let [hasty, silent, slow] = [(); 3].map(|()| play.connect());
        play.send(hasty, b"one\n");
        play.send(slow, b"hal");
        play.until_end(silent);
        play.until_end(slow);
        play.send(hasty, b"two\n");
        play.until_received(hasty, 8);
    };
    echoed(
        &config,
        script,
        &[
            "open, `one`, `two`, end, closed: peer finished, -> `one\\ntwo\\n`, finished",
            "open, farewell, closed: first frame timeout, -> ``, finished",
            "open, farewell, closed: first frame timeout, -> ``, finished",
        ],
    );
}

#[test]
fn a_frame_that_is_not_completed_is_closed_when_its_timeout_has_passed() {
    let config = Config { frame_timeout: Some(millis(150)), ..quiet() };
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"one\nhal");
        play.until_end(client);
    };
    echoed(
        &config,
        script,
        &["open, `one`, farewell, closed: frame timeout, -> `one\\n`, finished"],
    );
}

#[test]
fn bytes_that_dribble_in_do_not_put_off_the_frame_timeout() {
    let config = Config { frame_timeout: Some(millis(150)), ..quiet() };
    let script = |play: &mut Play| {
        let client = play.connect();
        play.send(client, b"one\n");
        play.until_received(client, 4);
        while !play.has_ended(client) {
            play.send(client, b".");
            play.pass(millis(10));
        }
    };
    echoed(
        &config,
        script,
        &["open, `one`, farewell, closed: frame timeout, -> `one\\n`, finished"],
    );
}

#[test]
fn whoever_takes_nothing_is_cut_off_when_the_write_timeout_has_passed() {
    let socket = SocketOptions { send_buffer_len: Some(8 * KIB), ..quiet().socket };
    let config = Config { write_timeout: Some(millis(150)), socket, ..quiet() };
    let handler = || Scripted::on_frames(|session, _| session.send("x".repeat(300 * KIB).as_str()));
    let script = |play: &mut Play| {
        let client = play.connect();
        play.stall(client);
        play.send(client, b"more\n");
        play.until_called(client, "closed: write timeout");
        play.resume(client);
        play.until_end(client);
    };
    on_both(lines(config, handler), script, &["open, `more`, closed: write timeout, -> ``, reset"]);
}

#[test]
fn whoever_is_old_is_closed_however_busy_he_is() {
    let config = Config { lifetime: Some(millis(150)), ..quiet() };
    let script = |play: &mut Play| {
        play.join_frames();
        let client = play.connect();
        play.send(client, b"one\n");
        play.until_received(client, 4);
        play.until_end(client);
    };
    echoed(
        &config,
        script,
        &["open, `one`, farewell, closed: lifetime over, -> `one\\n`, finished"],
    );
}
