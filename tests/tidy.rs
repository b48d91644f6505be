//! The rules of the house, checked: floors, absences, lengths, names.
//!
//! Each rule is a function from source files to complaints. It has two tests: one that the project
//! keeps it, and one, named `…_is_noticed`, that a made-up file which breaks it is complained of.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/source.rs"]
mod source;

use imports::{Import, circle, imports, mentions};
use source::{Source, follows};

/// The floors and what is on them. A file may import from lower floors.
///
/// `connection` stands for the file and everything in the folder of that name: together they are
/// one room, in which imports are free. In `codec/*` each file of the folder is a room by itself.
const FLOORS: &[(u32, &[&str])] = &[
    // The doors.
    (4, &["lib", "server", "listener", "engine", "parts"]),
    // The loop.
    (3, &["reactor", "acceptor", "drain"]),
    // The machines.
    (2, &["turn", "endpoint", "connections", "connection", "handler", "datagram"]),
    (2, &["context", "middleware", "layers", "handle", "outside"]),
    // The parts.
    (1, &["codec", "codec/*", "codec/lines", "codec/byte_lines", "codec/scan", "codec/pattern"]),
    (1, &["output", "batch"]),
    (1, &["read_buffer", "write_queue", "timers", "metrics", "stopwatch"]),
    (1, &["shared", "backoff", "network"]),
    (1, &["mailbox", "tenants", "roster", "command", "handler_timers"]),
    // The ground.
    (0, &["token", "config", "error", "instant", "panics", "planted", "sync"]),
];

/// The wing: these import from the floors up to `WING_FLOOR`, and only the doors import them, and
/// the one who hands the network on.
const WING: &[&str] = &["network/os", "network/sim"];
const WING_FLOOR: u32 = 1;
const DOORS_FLOOR: u32 = 4;
const WING_HALL: &str = "outside";

/// The arrows on one floor: who may import whom.
const ARROWS: &[(&str, &[&str])] = &[
    ("lib", &["server", "listener", "engine"]),
    ("server", &["engine", "listener"]),
    ("reactor", &["acceptor", "drain"]),
    ("turn", &["layers", "outside"]),
    ("endpoint", &["turn", "connections", "connection", "handler", "layers", "middleware"]),
    ("datagram", &["turn", "handler", "layers"]),
    ("layers", &["middleware", "context", "connection"]),
    ("middleware", &["context", "connection"]),
    ("connection", &["outside"]),
    ("context", &["connection", "outside"]),
    ("connections", &["connection"]),
    ("handle", &["handler"]),
    ("handler", &["turn", "connections", "connection", "context", "outside"]),
    ("codec", &["output"]),
    ("codec/*", &["codec", "codec/scan", "codec/pattern", "output"]),
    ("codec/lines", &["codec/byte_lines", "codec", "codec/scan", "output"]),
    ("codec/byte_lines", &["codec", "codec/scan", "output"]),
    ("write_queue", &["output"]),
    ("network", &["batch"]),
    ("roster", &["tenants"]),
    ("command", &["metrics"]),
    ("handler_timers", &["timers", "shared"]),
    ("shared", &["command", "mailbox", "roster", "timers", "metrics"]),
    ("shared", &["output", "read_buffer", "network", "stopwatch"]),
    ("stopwatch", &["metrics"]),
    ("backoff", &["shared", "timers"]),
    ("config", &["error"]),
];

/// What the engine does without: the words, the files that may have them after all, and why.
const ABSENCES: &[(&[&str], &[&str], &str)] = &[
    (&["unsafe"], &[], "the engine has no unsafe code"),
    (&["Rc", "RefCell"], &[], "what is shared has one owner, who lends it"),
    (&["Mutex", "RwLock", "Condvar"], &[], "one thread has nobody to lock out"),
    (&["thread", "thread_local"], &[], "the engine starts and asks for no threads"),
    (
        // What a signal does is global by itself.
        &["static", "OnceLock", "LazyLock"],
        &["network/os/signals"],
        "the engine has no globals: two may run side by side",
    ),
    (
        &["print", "println", "eprint", "eprintln", "dbg"],
        &[],
        "the engine speaks through `log` only",
    ),
    (&["SystemTime", "time::Instant", "time::*"], &["network/os"], "the network tells the time"),
    (&["mio", "socket2", "signal_hook", "nix"], &["network/os"], "the network owns the system"),
    (&["prometheus_client"], &["metrics/prometheus"], "only the feature needs its encoder"),
];

/// What the engine needs. Anything more is built only for a feature that is off by default.
const NEEDED: &[&str] = &["bytes", "log", "memchr", "mio", "nix", "signal-hook", "slab", "socket2"];

const MAX_COLUMNS: usize = 100;
const MAX_FUNCTION_LEN: usize = 70;
/// Nine functions in ten are no longer than this.
const USUAL_FUNCTION_LEN: usize = 30;
const MAX_FILE_LEN: usize = 400;
const MIN_TEST_NAME_WORDS: usize = 3;
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn engine() -> Vec<Source> {
    let engine = Source::all_in("src");
    assert!(engine.iter().any(|source| source.path == "src/lib.rs"), "the engine was not found");
    engine
}

fn everything() -> Vec<Source> {
    let others = ["tests", "examples", "benches", "fuzz"].into_iter().flat_map(Source::all_in);
    engine().into_iter().chain(others).collect()
}

#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Asserts that there is exactly one complaint and that it says `what`.
#[track_caller]
fn assert_one(complaints: &[String], what: &str) {
    assert_eq!(complaints.len(), 1, "{complaints:#?}");
    assert!(complaints[0].contains(what), "{complaints:#?}");
}

/// Complains of all lines of the files of which `is_bad` holds.
fn bad_lines(files: &[Source], what: &str, is_bad: impl Fn(&str) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        for (line, number) in file.text.lines().zip(1..).filter(|(line, _)| is_bad(line)) {
            complaints.push(format!("{}:{number}: {what}: {}", file.path, line.trim()));
        }
    }
    complaints
}

/// The name of the room, if the module is in it; in `codec/*`, the name is that of the file.
fn room_within(room: &str, module: &str) -> Option<String> {
    match room.strip_suffix('*') {
        Some(folder) => {
            let file = module.strip_prefix(folder)?.split('/').next()?;
            Some(format!("{folder}{file}"))
        }
        None => {
            let rest = module.strip_prefix(room)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| room.to_owned())
        }
    }
}

/// Floors.
mod floors {
    use super::*;

    /// The room that a file is in, and its floor; of the wing, none.
    fn room(module: &str) -> Option<(String, Option<u32>)> {
        let floors = FLOORS.iter().map(|(floor, rooms)| (Some(*floor), *rooms));
        floors
            .chain([(None, WING)])
            .flat_map(|(floor, rooms)| rooms.iter().map(move |room| (floor, *room)))
            .filter_map(|(floor, room)| Some((room_within(room, module)?, floor)))
            .max_by_key(|(room, _)| room.len())
    }

    fn has_arrow(from: &str, to: &str) -> bool {
        let is_in = |room: &str, module: &str| room_within(room, module).as_deref() == Some(module);
        ARROWS
            .iter()
            .any(|(start, ends)| is_in(start, from) && ends.iter().any(|end| is_in(end, to)))
    }

    fn may_import(from: &(String, Option<u32>), to: &(String, Option<u32>)) -> bool {
        from.0 == to.0
            || has_arrow(&from.0, &to.0)
            || match (from.1, to.1) {
                (Some(from), Some(to)) => to < from,
                (None, Some(to)) => to <= WING_FLOOR,
                (Some(floor), None) => floor == DOORS_FLOOR || from.0 == WING_HALL,
                (None, None) => false,
            }
    }

    fn strangers(engine: &[Source]) -> Vec<String> {
        let strangers = engine.iter().filter(|source| room(source.module()).is_none());
        strangers
            .map(|source| {
                format!("{} is on no floor: add it to FLOORS in tests/tidy.rs", source.path)
            })
            .collect()
    }

    fn empty_rooms(engine: &[Source]) -> Vec<String> {
        let rooms = FLOORS.iter().flat_map(|(_, rooms)| *rooms).chain(WING);
        let is_in =
            |room: &str| engine.iter().any(|file| room_within(room, file.module()).is_some());
        let empty = rooms.filter(|room| !is_in(room));
        empty
            .map(|room| format!("{room} is no file: take it off FLOORS in tests/tidy.rs"))
            .collect()
    }

    fn upward(engine: &[Source]) -> Vec<String> {
        let name = |(room, floor): &(String, Option<u32>)| match floor {
            Some(floor) => format!("{room} (floor {floor})"),
            None => format!("{room} (the wing)"),
        };
        let complaint = |Import { place, from, to }: Import| {
            let (from, to) = (room(&from)?, room(&to)?);
            let complaint = format!("{place}: {} may not import {}", name(&from), name(&to));
            (!may_import(&from, &to)).then_some(complaint)
        };
        imports(engine).into_iter().filter_map(complaint).collect()
    }

    fn circles(engine: &[Source]) -> Vec<String> {
        let arrows: BTreeSet<(String, String)> = imports(engine)
            .iter()
            .filter_map(|import| Some((room(&import.from)?.0, room(&import.to)?.0)))
            .filter(|(from, to)| from != to)
            .collect();
        circle(&arrows).map(|way| format!("a circle: {}", way.join(" -> "))).into_iter().collect()
    }

    fn crooked_arrows(arrows: &[(&str, &[&str])]) -> Vec<String> {
        let pairs = || arrows.iter().flat_map(|(from, tos)| tos.iter().map(move |to| (*from, *to)));
        let floor = |room: &str| FLOORS.iter().find(|(_, rooms)| rooms.contains(&room));
        let crooked = pairs()
            .filter(|(from, to)| {
                let floors = (floor(from), floor(to));
                !matches!(floors, (Some(from), Some(to)) if from.0 == to.0)
            })
            .map(|(from, to)| format!("the arrow from {from} to {to} is not on one floor"));
        let names = pairs().map(|(from, to)| (from.to_owned(), to.to_owned())).collect();
        let circle = circle(&names).map(|way| format!("the arrows run in a circle: {way:?}"));
        crooked.chain(circle).collect()
    }

    #[test]
    fn every_file_is_on_a_floor() {
        assert_none(&strangers(&engine()));
    }

    #[test]
    fn a_file_on_no_floor_is_noticed() {
        let files = [Source::new("src/codec/new.rs", ""), Source::new("src/cellar.rs", "")];
        assert_one(&strangers(&files), "src/cellar.rs is on no floor: add it to FLOORS");
    }

    #[test]
    fn every_room_has_a_file() {
        assert_none(&empty_rooms(&engine()));
    }

    #[test]
    fn a_room_without_a_file_is_noticed() {
        let mut engine = engine();
        engine.retain(|file| file.module() != "backoff");
        assert_one(&empty_rooms(&engine), "backoff is no file: take it off FLOORS");
    }

    #[test]
    fn imports_lead_downward_or_along_an_arrow() {
        assert_none(&upward(&engine()));
    }

    #[test]
    fn an_import_that_leads_upward_is_noticed() {
        let bad = [
            ("timers", "use crate::reactor::Reactor;", "timers (floor 1) may not import reactor"),
            (
                "timers",
                "use crate::{error::Error, reactor::{self, Reactor as R},};",
                "import reactor",
            ),
            ("timers", "fn f() { crate::reactor::run(); }", "src/timers.rs:1: timers (floor 1)"),
            ("timers", "use super::reactor::Reactor;", "import reactor (floor 3)"),
            ("timers", "use crate::Error;", "may not import lib (floor 4)"),
            ("timers", "use crate::codec::Codec;", "may not import codec (floor 1)"),
            ("codec", "use lines::Lines;", "codec (floor 1) may not import codec/lines"),
            ("codec/lines", "use super::super::reactor::Reactor;", "import reactor (floor 3)"),
            ("network/sim", "use crate::reactor::Reactor;", "network/sim (the wing) may not"),
            ("network/sim/inner", "use crate::network::OsNetwork;", "import network/os (the wing)"),
            ("reactor", "use crate::network::OsNetwork;", "may not import network/os (the wing)"),
            ("reactor", "fn f() { crate::network::OsNetwork::new(); }", "import network/os"),
        ];
        for (module, text, complaint) in bad {
            let mut files = house();
            files.retain(|source| source.module() != module);
            files.push(Source::new(&format!("src/{module}.rs"), text));
            let complaints = upward(&files);
            assert!(!complaints.is_empty(), "{module}: {text}");
            assert!(complaints.iter().all(|said| said.contains(complaint)), "{complaints:#?}");
        }
    }

    #[test]
    fn an_import_that_is_allowed_is_left_alone() {
        let good = [
            ("reactor", "use crate::{timers::Timers, acceptor, error::Error,};"),
            ("codec/lines", "use super::Codec; use crate::output::Output;"),
            ("network/sim/inner", "use super::SimNetwork; use crate::network::Network;"),
            ("network/sim", "mod inner; use inner::Inner;"),
            ("server", "use crate::network::{OsNetwork, Network};"),
            ("outside", "use crate::network::{OsNetwork, Network};"),
            ("timers", "//! See [`reactor`](crate::reactor).\nuse std::time::Duration;"),
            ("timers", "#[cfg(test)]\nmod tests { use crate::reactor::Reactor; }"),
            ("timers", "const TEXT: &str = \"crate::reactor::Reactor\";"),
            ("lib", "mod reactor; pub use reactor::Reactor; pub use error::Error;"),
        ];
        for (module, text) in good {
            let mut files = house();
            files.retain(|source| source.module() != module);
            files.push(Source::new(&format!("src/{module}.rs"), text));
            assert_none(&upward(&files));
        }
    }

    #[test]
    fn imports_do_not_run_in_a_circle() {
        assert_none(&circles(&engine()));
    }

    #[test]
    fn imports_in_a_circle_are_noticed() {
        let mut files = house();
        files.push(Source::new("src/handler.rs", "use crate::connection::Connection;"));
        assert_none(&circles(&files));
        files.push(Source::new("src/connection/inner.rs", "use crate::handler::Session;"));
        assert_one(&circles(&files), "connection -> handler -> connection");
    }

    #[test]
    fn the_arrows_stay_on_one_floor_and_run_in_no_circle() {
        assert_none(&crooked_arrows(ARROWS));
    }

    #[test]
    fn a_crooked_arrow_is_noticed() {
        let upward: &[(&str, &[&str])] = &[("timers", &["reactor"])];
        assert_one(&crooked_arrows(upward), "the arrow from timers to reactor is not on one floor");
        let circle: &[(&str, &[&str])] = &[("codec", &["output"]), ("output", &["codec"])];
        assert_one(&crooked_arrows(circle), "run in a circle");
    }

    /// A small house in order.
    fn house() -> Vec<Source> {
        [
            ("lib", ""),
            ("reactor", ""),
            ("acceptor", ""),
            ("connection", ""),
            ("error", ""),
            ("timers", ""),
            ("output", ""),
            ("codec", "mod lines; pub use lines::Lines;"),
            ("codec/lines", ""),
            ("network", "mod os; mod sim; pub use os::OsNetwork; pub use sim::SimNetwork;"),
            ("network/os", ""),
            ("network/sim", ""),
            ("network/sim/inner", ""),
        ]
        .map(|(module, text)| Source::new(&format!("src/{module}.rs"), text))
        .into()
    }
}

/// Absences.
mod absences {
    use super::*;

    fn present(engine: &[Source]) -> Vec<String> {
        let mut complaints = Vec::new();
        for source in engine {
            for (words, exempt, why) in ABSENCES {
                let is_exempt =
                    exempt.iter().any(|room| room_within(room, source.module()).is_some());
                for word in words.iter().filter(|_| !is_exempt) {
                    for line in lines_with(source, word) {
                        complaints.push(format!("{}:{line}: {word}: {why}", source.path));
                    }
                }
            }
        }
        complaints
    }

    /// Where a word stands, or where a path goes through `a::b`.
    fn lines_with(source: &Source, word: &str) -> Vec<usize> {
        let parts: Vec<&str> = word.split("::").collect();
        if parts.len() == 1 {
            let found = source.engine_tokens().filter(|token| token.text == word);
            return found.map(|token| token.line).collect();
        }
        let mut found = mentions(source);
        found.retain(|mention| mention.segments.windows(parts.len()).any(|window| window == parts));
        found.iter().map(|mention| mention.line).collect()
    }

    #[test]
    fn the_engine_does_without_what_it_forswore() {
        assert_none(&present(&engine()));
    }

    #[test]
    fn what_the_engine_forswore_is_noticed() {
        let bad = [
            ("unsafe { f() }", "unsafe"),
            ("use std::rc::Rc;", "Rc"),
            ("struct S { shared: RefCell<u8> }", "RefCell"),
            ("use std::sync::{Arc, Mutex};", "Mutex"),
            ("fn f() { std::thread::spawn(f); }", "thread"),
            ("static mut COUNT: u8 = 0;", "static"),
            ("thread_local! {}", "thread_local"),
            ("use std::sync::OnceLock;", "OnceLock"),
            ("fn f() { println!(\"{}\", 'a'); }", "println"),
            ("fn f(c: char) { if c == '\"' { dbg!(c); } }", "dbg"),
            ("use std::time::{Duration, Instant};", "time::Instant"),
            ("fn f() { let _ = time::Instant::now(); }", "time::Instant"),
            ("use std::time::*;", "time::*"),
            ("use std::time::SystemTime;", "SystemTime"),
            ("use mio as other;", "mio"),
            ("fn f() { signal_hook::flag(); }", "signal_hook"),
        ];
        for (text, word) in bad {
            let file = Source::new("src/reactor.rs", &format!("//! Role.\n{text}\n"));
            assert_one(&present(&[file]), &format!("src/reactor.rs:2: {word}: "));
        }
        let sim = Source::new("src/network/sim.rs", "use std::time::Instant;");
        assert_one(&present(&[sim]), "the network tells the time");
    }

    #[test]
    fn what_only_sounds_forbidden_is_left_alone() {
        let good = [
            ("reactor", "#![forbid(unsafe_code)]"),
            ("reactor", "// A thread in a Mutex.\n/* static /* print */ mio */"),
            ("reactor", "const A: &'static str = r#\"say \"println!\" to mio\"#;"),
            ("reactor", "use crate::instant::Instant;\nuse std::time::Duration;"),
            ("reactor", "#[cfg(test)]\nmod tests { use std::thread; }"),
            ("network/os", "use mio::Poll; use std::time::Instant;"),
            ("network/os/clock", "use std::time::Instant;"),
        ];
        for (module, text) in good {
            assert_none(&present(&[Source::new(&format!("src/{module}.rs"), text)]));
        }
    }
}

/// Lengths.
mod lengths {
    use super::*;

    fn wide_lines(files: &[Source]) -> Vec<String> {
        let what = format!("wider than {MAX_COLUMNS} columns");
        bad_lines(files, &what, |line| line.chars().count() > MAX_COLUMNS)
    }

    fn long_functions(files: &[Source]) -> Vec<String> {
        let mut complaints = Vec::new();
        for file in files {
            for function in file.functions().iter().filter(|f| f.len > MAX_FUNCTION_LEN) {
                let (path, name, line, len) =
                    (&file.path, function.name, function.line, function.len);
                complaints.push(format!("{path}:{line}: {name} has {len} lines"));
            }
        }
        complaints
    }

    fn too_many_longish_functions(engine: &[Source]) -> Vec<String> {
        let functions: Vec<_> = engine
            .iter()
            .flat_map(|source| source.functions().into_iter().map(move |f| (&source.path, f)))
            .filter(|(_, function)| !function.is_test)
            .collect();
        let is_longish = |len: usize| len > USUAL_FUNCTION_LEN;
        let longish: Vec<_> = functions.iter().filter(|(_, f)| is_longish(f.len)).collect();
        if longish.len() * 10 <= functions.len() {
            return Vec::new();
        }
        let list = longish.iter().map(|(path, f)| format!("{path}:{}: {}", f.line, f.name));
        vec![format!(
            "{} of {} functions are longer than {USUAL_FUNCTION_LEN} lines:\n{}",
            longish.len(),
            functions.len(),
            list.collect::<Vec<_>>().join("\n")
        )]
    }

    fn long_files(files: &[Source]) -> Vec<String> {
        let long = files.iter().filter(|source| source.len_before_tests() > MAX_FILE_LEN);
        long.map(|source| {
            format!("{} has {} lines before its tests", source.path, source.len_before_tests())
        })
        .collect()
    }

    fn function_of(len: usize) -> String {
        format!("fn long(\n_: [u8; 2]) {{\n{}}}\n", "{ }\n".repeat(len - 3))
    }

    #[test]
    fn no_line_is_wider_than_the_page() {
        assert_none(&wide_lines(&everything()));
    }

    #[test]
    fn a_line_too_wide_is_noticed() {
        let fits = "é".repeat(MAX_COLUMNS);
        assert_none(&wide_lines(&[Source::new("src/a.rs", &fits)]));
        let file = Source::new("src/a.rs", &format!("//\n{fits}x\n"));
        assert_one(&wide_lines(&[file]), "src/a.rs:2: wider than 100 columns");
    }

    #[test]
    fn no_function_is_longer_than_a_screen() {
        assert_none(&long_functions(&everything()));
    }

    #[test]
    fn a_function_too_long_is_noticed() {
        let fits = Source::new("src/a.rs", &function_of(MAX_FUNCTION_LEN));
        assert_none(&long_functions(&[fits]));
        let text = format!("trait T {{ fn short(); }}\n{}", function_of(MAX_FUNCTION_LEN + 1));
        let file = Source::new("src/a.rs", &text);
        assert_one(&long_functions(&[file]), "src/a.rs:2: long has 71 lines");
    }

    #[test]
    fn nine_functions_in_ten_are_short() {
        assert_none(&too_many_longish_functions(&engine()));
    }

    #[test]
    fn too_many_longish_functions_are_noticed() {
        let short = "fn short() {}\n".repeat(9);
        let longish = function_of(USUAL_FUNCTION_LEN + 1);
        let fits = Source::new("src/a.rs", &format!("{short}{longish}"));
        assert_none(&too_many_longish_functions(&[fits]));
        let tests = "#[cfg(test)]\nmod tests { fn short() {} }\n";
        let file = Source::new("src/a.rs", &format!("{}{longish}{tests}", &short[14..]));
        let complaints = too_many_longish_functions(&[file]);
        assert_one(&complaints, "1 of 9 functions are longer than 30 lines:\nsrc/a.rs:9: long");
    }

    #[test]
    fn no_file_is_longer_than_its_limit() {
        assert_none(&long_files(&engine()));
        assert_none(&long_files(&Source::all_in("examples")));
    }

    #[test]
    fn a_file_too_long_is_noticed() {
        let tests = format!("\n#[cfg(test)]\nmod tests {{{}}}\n", "\n".repeat(1_000));
        let fits = format!("{}{tests}", "//\n".repeat(MAX_FILE_LEN - 1));
        assert_none(&long_files(&[Source::new("src/a.rs", &fits)]));
        let file = Source::new("src/a.rs", &"//\n".repeat(MAX_FILE_LEN + 1));
        assert_one(&long_files(&[file]), "src/a.rs has 401 lines before its tests");
    }
}

/// What must be written, and what must not.
mod words {
    use super::*;

    /// The crate's own role is the README.
    fn without_role(files: &[Source]) -> Vec<String> {
        let roles = ["//! ", "#![doc = include_str!(\"../README.md\")]"];
        let without = files.iter().filter(|file| !roles.iter().any(|r| file.text.starts_with(r)));
        without.map(|file| format!("{} does not open with its role (`//!`)", file.path)).collect()
    }

    fn terse_tests(files: &[Source]) -> Vec<String> {
        let mut complaints = Vec::new();
        for file in files {
            for (name, line) in file.tests() {
                if name.split('_').filter(|word| !word.is_empty()).count() < MIN_TEST_NAME_WORDS {
                    complaints.push(format!("{}:{line}: {name} states no expectation", file.path));
                }
            }
        }
        complaints
    }

    fn notes_to_self(files: &[Source]) -> Vec<String> {
        // Put together here, so that this file is not complained of.
        let notes = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
        bad_lines(files, "left undone", |line| notes.iter().any(|note| line.contains(note)))
    }

    /// A reason is `reason = "…"` in the attribute, or a comment on its line or the one before.
    fn unexplained_exceptions(files: &[Source]) -> Vec<String> {
        let mut complaints = Vec::new();
        for file in files {
            for at in 0..file.tokens.len() {
                let rest = &file.tokens[at..];
                let line = rest[0].line;
                let is_exception = ["[allow(", "[expect("].iter().any(|start| follows(rest, start));
                let mut inside = rest.iter().take_while(|token| token.text != "]");
                let has_reason = inside.any(|token| token.text == "reason");
                if is_exception && !has_reason && !has_comment(file, line) {
                    complaints.push(format!("{}:{line}: an exception without a reason", file.path));
                }
            }
        }
        complaints
    }

    /// Whether there is a comment, not one of the documentation, on the line or right before it.
    fn has_comment(file: &Source, line: usize) -> bool {
        let lines: Vec<&str> = file.text.lines().collect();
        let before = line.checked_sub(2).map_or("", |before| lines[before].trim_start());
        let is_before = before.starts_with("// ");
        is_before || lines[line - 1].contains("// ")
    }

    /// The dependencies that everyone has to build and that are not [`NEEDED`]; each is to be on a
    /// line of its own, where this finds it.
    fn needless_packages(manifest: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut section = "";
        for line in manifest.lines() {
            if let Some(title) = line.strip_prefix('[') {
                section = title.trim_end_matches(']');
                if section.contains("dependencies.") {
                    complaints.push(format!("Cargo.toml: put {section} on one line"));
                }
                continue;
            }
            if section == "features" && line.starts_with("default = ") && line != "default = []" {
                complaints.push(format!("Cargo.toml: on by default: {line}"));
            }
            let is_dependency = section == "dependencies" || section.ends_with(".dependencies");
            if let Some((name, rest)) = line.split_once(" = ").filter(|_| is_dependency)
                && !NEEDED.contains(&name)
                && !rest.contains("optional = true")
            {
                complaints.push(format!("Cargo.toml: {name} is not optional"));
            }
        }
        complaints
    }

    fn foreign_packages(lock: &str) -> Vec<String> {
        let sources = lock.lines().filter_map(|line| line.strip_prefix("source = "));
        let foreign = sources.filter(|source| source.trim_matches('"') != REGISTRY);
        foreign.map(|source| format!("Cargo.lock: a package from {source}")).collect()
    }

    #[test]
    fn every_file_opens_with_its_role() {
        assert_none(&without_role(&everything()));
    }

    #[test]
    fn a_file_without_a_role_is_noticed() {
        let file = Source::new("src/a.rs", "use std::io;\n//! Too late.\n");
        assert_one(&without_role(&[file]), "src/a.rs does not open with its role");
    }

    #[test]
    fn every_test_is_named_after_what_it_expects() {
        let everything = everything();
        let here = everything.iter().find(|file| file.path == "tests/tidy.rs").unwrap();
        assert!(here.tests().len() > 20, "the tests were not found");
        assert_none(&terse_tests(&everything));
    }

    #[test]
    fn a_terse_test_name_is_noticed() {
        let text = "#[test]\n#[should_panic]\nfn test_it() {}\n#[test]\nfn it_is_good() {}";
        let file = Source::new("tests/a.rs", text);
        assert_one(&terse_tests(&[file]), "tests/a.rs:3: test_it states no expectation");
    }

    #[test]
    fn nothing_is_left_undone() {
        assert_none(&notes_to_self(&everything()));
    }

    #[test]
    fn a_note_to_oneself_is_noticed() {
        for note in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")] {
            let file = Source::new("src/a.rs", &format!("//! Role.\n// {note}: more\n"));
            assert_one(&notes_to_self(&[file]), "src/a.rs:2: left undone");
        }
    }

    #[test]
    fn every_exception_has_a_reason() {
        assert_none(&unexplained_exceptions(&everything()));
    }

    #[test]
    fn an_exception_without_a_reason_is_noticed() {
        let bad = [
            "#[allow(dead_code)]\nfn f() {}",
            "#![allow(dead_code)]\n#![cfg_attr(x, doc(reason))]",
            "/// Documented.\n#[expect(\n    clippy::print_stdout\n)]\nfn f() {}",
            "#[cfg_attr(test, derive(Debug))] #[allow(dead_code)] fn reason() {}",
        ];
        for text in bad {
            let file = Source::new("src/a.rs", text);
            assert_one(&unexplained_exceptions(&[file]), "an exception without a reason");
        }
        let good = [
            "#[allow(dead_code, reason = \"so\")]\nfn f() {}",
            "// It is so.\n#[allow(dead_code)]\nfn f() {}",
            "#[allow(dead_code)] // It is so.\nfn f() {}",
        ];
        for text in good {
            assert_none(&unexplained_exceptions(&[Source::new("src/a.rs", text)]));
        }
    }

    #[test]
    fn whatever_the_engine_does_not_need_is_optional() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let manifest = fs::read_to_string(path).unwrap();
        assert!(NEEDED.iter().all(|name| manifest.contains(&format!("\n{name} = "))));
        assert_none(&needless_packages(&manifest));
    }

    #[test]
    fn a_package_that_is_not_optional_is_noticed() {
        let good = "[features]\ndefault = []\n[dependencies]\nmio = \"1\"\n\
                    other = { version = \"1\", optional = true }\n\
                    [dev-dependencies]\nmore = \"1\"\n";
        assert_none(&needless_packages(good));
        let bad = [
            ("[dependencies]\nother = \"1\"\n", "other is not optional"),
            ("[target.'cfg(unix)'.dependencies]\nother = \"1\"\n", "other is not optional"),
            ("[dependencies.other]\n", "put dependencies.other on one line"),
            ("[features]\ndefault = [\"prometheus\"]\n", "on by default: default"),
        ];
        for (manifest, complaint) in bad {
            assert_one(&needless_packages(manifest), complaint);
        }
    }

    #[test]
    fn every_package_comes_from_the_usual_registry() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
        let lock = fs::read_to_string(path).unwrap();
        assert!(lock.contains(REGISTRY), "the sources were not found");
        assert_none(&foreign_packages(&lock));
    }

    #[test]
    fn a_package_from_elsewhere_is_noticed() {
        let lock = format!(
            "[[package]]\nname = \"a\"\nsource = \"{REGISTRY}\"\n\
             [[package]]\nname = \"b\"\nsource = \"registry+https://mirror.example/index\"\n"
        );
        assert_one(&foreign_packages(&lock), "a package from \"registry+https://mirror.example");
    }
}

/// What is delivered, and how it is tried before.
mod delivery {
    use super::*;

    /// The versions that mend a known hole. Whoever builds the crate must get none before them.
    const MENDED: &[(&str, [u32; 3])] = &[("bytes", [1, 11, 1])];

    /// What the script for every change does: in release, with all features, with the oldest
    /// versions.
    const STEPS: &[&str] =
        &["cargo test --release", "cargo test --all-features --lib", "least_versions"];

    fn holes(manifest: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        for (name, mended) in MENDED {
            let start = format!("{name} = \"");
            let version = manifest.lines().find_map(|line| line.strip_prefix(start.as_str()));
            let oldest: Vec<u32> = version
                .unwrap_or_default()
                .trim_end_matches('"')
                .split('.')
                .filter_map(|number| number.parse().ok())
                .collect();
            if oldest.as_slice() < mended {
                complaints.push(format!("Cargo.toml: {name} has a hole before {mended:?}"));
            }
        }
        complaints
    }

    /// Whether the crate itself is built without a look at overflow.
    fn unchecked(manifest: &str) -> Vec<String> {
        let profile = manifest.split("\n[").find(|section| section.starts_with("profile.release]"));
        match profile.is_some_and(|section| section.contains("\noverflow-checks = true\n")) {
            true => Vec::new(),
            false => vec!["Cargo.toml: overflow is not noticed in release".to_owned()],
        }
    }

    fn untried(manifest: &str, script: &str) -> Vec<String> {
        let is_done = |step: &str| script.lines().any(|line| line == format!("step {step}"));
        let features = manifest.split("\n[").find_map(|part| part.strip_prefix("features]\n"));
        let names = features.unwrap_or_default().lines().filter_map(|line| line.split_once(" = "));
        let alone = names
            .filter(|(name, _)| *name != "default")
            .map(|(name, _)| format!("cargo check --lib --features {name}"));
        let steps = STEPS.iter().map(|step| (*step).to_owned()).chain(alone);
        steps.filter(|step| !is_done(step)).map(|step| format!(".ci/run does not {step}")).collect()
    }

    fn read(path: &str) -> String {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
            .expect("a file of ours")
    }

    #[test]
    fn known_holes_are_kept_out() {
        assert_none(&holes(&read("Cargo.toml")));
    }

    #[test]
    fn a_known_hole_is_noticed() {
        for version in ["1.11.2", "1.12", "2"] {
            assert_none(&holes(&format!("[dependencies]\nbytes = \"{version}\"\n")));
        }
        for version in ["1.11.0", "1.11", "1", "0.12.3"] {
            let manifest = format!("[dependencies]\nbytes = \"{version}\"\n");
            assert_one(&holes(&manifest), "bytes has a hole before [1, 11, 1]");
        }
    }

    #[test]
    fn overflow_is_a_panic_in_what_is_delivered() {
        assert_none(&unchecked(&read("Cargo.toml")));
    }

    #[test]
    fn overflow_that_is_passed_over_is_noticed() {
        let good = "[package]\n[profile.release]\nlto = true\noverflow-checks = true\n\n[a]\n";
        assert_none(&unchecked(good));
        let elsewhere = "[profile.release]\nlto = true\n[profile.dev]\noverflow-checks = true\n";
        assert_one(&unchecked(elsewhere), "overflow is not noticed in release");
    }

    #[test]
    fn whatever_is_delivered_is_tried() {
        assert_none(&untried(&read("Cargo.toml"), &read(".ci/run")));
    }

    #[test]
    fn what_is_not_tried_is_noticed() {
        let manifest =
            "[package]\n[features]\ndefault = []\n# Faster.\nfast = []\n\n[dependencies]\n";
        let all = "step cargo test --release\nstep cargo test --all-features --lib\n\
                   step least_versions\nstep cargo check --lib --features fast\n";
        assert_none(&untried(manifest, all));
        for step in all.lines() {
            let complaint = format!("does not {}", step.trim_start_matches("step "));
            assert_one(&untried(manifest, &all.replace(step, "")), &complaint);
        }
    }
}
