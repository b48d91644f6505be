//! The chat, by several people at a time.

use nix::sys::signal::Signal;

use crate::client::{Client, Netcat, Speaker};
use crate::example::Example;

/// A chat in which nobody is slowed.
fn chat(options: &str) -> Example {
    Example::of("chat", &format!("--tcp 127.0.0.1:0 --rate-limit 4000000000/s {options}"))
}

#[track_caller]
fn hear(speaker: &mut impl Speaker, lines: &[&str]) {
    lines.iter().for_each(|line| assert_eq!(speaker.line(), *line));
}

/// Lets somebody in who takes a name, as the others are told.
fn enter<S: Speaker>(mut speaker: S, guest: usize, name: &str, others: &mut [&mut S]) -> S {
    let welcome = format!("* welcome, guest{guest}: /help tells what can be done here");
    let people = match others.len() {
        0 => "nobody else".to_owned(),
        len => format!("{} people", len + 1),
    };
    hear(&mut speaker, &[&welcome, &format!("* you are in lobby: {people}")]);
    speaker.send(&format!("/nick {name}\n"));
    hear(&mut speaker, &[&format!("* you are now called {name}")]);
    for other in others {
        let came = format!("* guest{guest} is here");
        hear(*other, &[&came, &format!("* guest{guest} is now called {name}")]);
    }
    speaker
}

/// What three people say to each other, in two rooms.
fn talk<S: Speaker>(mut connect: impl FnMut() -> S) {
    let mut ann = enter(connect(), 1, "ann", &mut []);
    let mut bob = enter(connect(), 2, "bob", &mut [&mut ann]);
    let mut eve = enter(connect(), 3, "eve", &mut [&mut ann, &mut bob]);
    eve.send("/nick Ann\n/nick ann/lee\nI am \u{1b}[2J\u{202e}ann\r\n");
    hear(&mut eve, &["* somebody else is called Ann"]);
    hear(&mut eve, &["* a name has 1 to 16 letters from a to z, digits, - and _"]);
    for other in [&mut ann, &mut bob] {
        hear(other, &["eve: I am \\u{1b}[2J\\u{202e}ann"]);
    }
    bob.send("/join den\nis anybody here?\n/rooms\n");
    hear(&mut bob, &["* you are in den: nobody else"]);
    let mut rooms = [bob.line(), bob.line()];
    rooms.sort_unstable();
    assert_eq!(rooms, ["* den: nobody else", "* lobby: 2 people"]);
    for other in [&mut ann, &mut eve] {
        hear(other, &["* bob has gone to den"]);
    }
    eve.send("/join den\n");
    hear(&mut eve, &["* you are in den: 2 people"]);
    hear(&mut bob, &["* eve is here"]);
    hear(&mut ann, &["* eve has gone to den"]);
    // Those who are in another room hear nothing: the next that ann hears is that bob is back.
    eve.send("hello, bob\n");
    hear(&mut bob, &["eve: hello, bob"]);
    bob.send("/who\n");
    assert!(bob.line().starts_with("* bob: here for "));
    assert!(bob.line().starts_with("* eve: here for "));
    bob.send("/join lobby\n");
    hear(&mut bob, &["* you are in lobby: 2 people"]);
    hear(&mut eve, &["* bob has gone to lobby"]);
    hear(&mut ann, &["* bob is here"]);
    bob.send("/who\n/quit\nnobody hears this\n");
    assert!(bob.line().starts_with("* ann: here for "));
    assert!(bob.line().starts_with("* bob: here for "));
    hear(&mut bob, &["* goodbye"]);
    assert!(bob.is_at_end());
    hear(&mut ann, &["* bob has left"]);
    // Whose name is free again.
    drop(eve);
    let mut bob = connect();
    bob.send("/nick bob\n/who\n");
    let welcome = "* welcome, guest4: /help tells what can be done here";
    hear(&mut bob, &[welcome, "* you are in lobby: 2 people", "* you are now called bob"]);
}

#[test]
fn three_people_talk_in_rooms() {
    let server = chat("");
    talk(|| Client::to(server.address("tcp")));
}

#[test]
fn three_people_with_nc_talk_in_rooms() {
    let server = chat("");
    // Where there is no `nc`, the test before this one has to do.
    if Netcat::to(server.address("tcp")).is_some() {
        let server = chat("");
        talk(|| Netcat::to(server.address("tcp")).expect("it was there before"));
    }
}

#[test]
fn a_script_that_has_ended_is_answered_to_its_end() {
    let server = chat("");
    let mut client = Client::to(server.address("tcp"));
    client.send("/nick ann\n/who\n/nonsense");
    client.finish();
    let answers = client.rest();
    let lines: Vec<&str> = answers.lines().collect();
    assert_eq!(lines.len(), 5, "{answers}");
    assert_eq!(lines[2], "* you are now called ann");
    assert!(lines[3].starts_with("* ann: here for "), "{answers}");
    assert!(lines[4].starts_with("* there is no such command"), "{answers}");
}

#[test]
fn who_says_nothing_is_shown_out() {
    let mut server = chat("--idle-timeout 20ms");
    let rest = Client::to(server.address("tcp")).rest();
    assert!(rest.ends_with("* you have said nothing for a long time: goodbye\n"), "{rest}");
    server.wait_for_log("\"closed\"");
}

#[test]
fn a_drain_says_goodbye_to_everybody() {
    let mut server = chat("");
    let ann = enter(Client::to(server.address("tcp")), 1, "ann", &mut []);
    let mut people = [ann];
    let bob = enter(Client::to(server.address("tcp")), 2, "bob", &mut people.each_mut());
    server.signal(Signal::SIGTERM);
    for mut client in people.into_iter().chain([bob]) {
        assert_eq!(client.rest(), "* the server goes down: goodbye\n");
    }
    assert_eq!(server.wait(), Some(0));
    server.wait_for_log("2 finished");
}

/// So many lines are more than the kernel holds for one who does not read.
const MANY: usize = 20_000;

/// Somebody who has read nothing of the many lines that another said.
fn one_who_does_not_read(server: &Example) -> Client {
    let eve = enter(Client::to(server.address("tcp")), 1, "eve", &mut []);
    // So that no great part waits in the kernel.
    eve.socket().set_recv_buffer_size(65_536).expect("a common size");
    let mut ann = Client::to(server.address("tcp"));
    let mut line = String::new();
    for number in 0..MANY {
        line.push_str(&format!("{number} {}\n", "x".repeat(990)));
        if number % 100 == 99 {
            ann.send(&line);
            line.clear();
        }
    }
    ann.send("/quit\n");
    assert!(ann.rest().ends_with("* goodbye\n"));
    eve
}

#[test]
fn who_does_not_read_misses_lines_and_gets_no_part_of_one() {
    let server = chat("--slow skip");
    let mut eve = one_who_does_not_read(&server);
    eve.finish();
    let heard = eve.rest();
    let said = heard.lines().filter_map(|line| line.strip_prefix("guest2: "));
    let numbers = said.map(|line| {
        let (number, rest) = line.split_once(' ').expect("a whole line");
        assert_eq!(rest.len(), 990, "{line}");
        number.parse().expect("a whole line")
    });
    let numbers: Vec<usize> = numbers.collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "in their order, each once");
    assert!(!numbers.is_empty() && numbers.len() < MANY, "{} lines", numbers.len());
}

#[test]
fn who_does_not_read_is_closed_if_so_told() {
    let mut server = chat("--slow close");
    let _eve = one_who_does_not_read(&server);
    server.wait_for_log("of \"eve\" after");
    server.wait_for_log("\"too slow\"");
}
