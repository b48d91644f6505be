//! Files: which are found, and what of them is sent.

use std::fs;
use std::path::{Path, PathBuf};

use windlass::network::PeerState;

use super::fixture::{World, pattern, secs};
use super::{ask, body, field, hear, http, status, world};

const TEXT: &str = "0123456789";

/// A directory with files in it, and something beside it that nobody is to see.
fn directory(name: &str) -> PathBuf {
    let around = Path::new(env!("CARGO_TARGET_TMPDIR")).join("example_http").join(name);
    let _ = fs::remove_dir_all(&around);
    let inside = around.join("served");
    fs::create_dir_all(inside.join("deep/.hidden")).expect("there is room");
    fs::write(around.join("secret"), "nobody sees this").expect("there is room");
    for (file, text) in [
        ("ten.txt", TEXT),
        ("empty.html", ""),
        ("a b\u{e9}", TEXT),
        (".password", TEXT),
        ("deep/er.json", TEXT),
        ("deep/.hidden/er", TEXT),
    ] {
        fs::write(inside.join(file), text).expect("there is room");
    }
    let modified = super::wall();
    let file = fs::File::options().append(true).open(inside.join("ten.txt"));
    file.and_then(|file| file.set_modified(modified)).expect("it is ours");
    inside
}

fn world_of(directory: &Path) -> World {
    world(&format!("--files {}", directory.display()))
}

fn get(world: &mut World, path: &str, fields: &str) -> String {
    ask(world, &format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
}

#[test]
fn a_file_is_found_by_its_name_alone() {
    let directory = directory("names");
    #[cfg(unix)]
    for (to, link) in [("../secret", "out"), ("ten.txt", "in"), ("..", "up"), ("deep", "down")] {
        std::os::unix::fs::symlink(to, directory.join(link)).expect("it is ours");
    }
    let world = &mut world_of(&directory);
    for (path, expected) in [
        ("/files/ten.txt", "200"),
        ("/files/ten.txt?again", "200"),
        ("/files/t%65n.txt", "200"),
        ("/files/deep/er.json", "200"),
        ("/files/a%20b%C3%A9", "200"),
        ("/files/in", "200"),
        ("/files/down/er.json", "200"),
        ("/files/out", "404"),
        ("/files/up/secret", "404"),
        ("/files/", "404"),
        ("/files", "404"),
        ("/files/deep", "404"),
        ("/files/deep/", "404"),
        ("/files/nothing", "404"),
        ("/files/ten.txt/", "404"),
        ("/files//ten.txt", "404"),
        ("/files/./ten.txt", "404"),
        ("/files/deep/../ten.txt", "404"),
        ("/files/../secret", "404"),
        ("/files/%2e%2e/secret", "404"),
        ("/files/..%2fsecret", "404"),
        ("/files/%2e%2e%2fsecret", "404"),
        ("/files/..%5csecret", "404"),
        ("/files/..\\secret", "404"),
        ("/files/%252e%252e/secret", "404"),
        ("/files//etc/passwd", "404"),
        ("/files/%2fetc%2fpasswd", "404"),
        ("/files/.password", "404"),
        ("/files/%2epassword", "404"),
        ("/files/deep/.hidden/er", "404"),
        ("/files/ten.txt%00", "404"),
        ("/files/ten.txt%", "404"),
        ("/files/ten.txt%zz", "404"),
    ] {
        let answer = get(world, path, "");
        assert_eq!(status(&answer), expected, "{path}");
        assert!(expected == "404" || body(&answer) == TEXT, "{path}: {answer}");
    }
}

#[test]
fn a_file_comes_with_what_there_is_to_know_of_it() {
    let world = &mut world_of(&directory("fields"));
    let answer = get(world, "/files/ten.txt", "");
    for (name, value) in [
        ("Content-Length", "10"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Last-Modified", super::DATE),
        ("Accept-Ranges", "bytes"),
    ] {
        assert_eq!(field(&answer, name), Some(value));
    }
    let head = ask(world, "HEAD /files/ten.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(answer.strip_prefix(&head), Some(TEXT));
    let empty = get(world, "/files/empty.html", "");
    assert_eq!((field(&empty, "Content-Length"), body(&empty)), (Some("0"), ""));
    assert_eq!(field(&empty, "Content-Type"), Some("text/html; charset=utf-8"));
}

#[test]
fn a_range_of_a_file_is_sent_if_one_is_asked_for() {
    let world = &mut world_of(&directory("ranges"));
    for (range, expected, range_sent, text) in [
        ("bytes=2-4", "206", Some("bytes 2-4/10"), "234"),
        ("bytes=8-", "206", Some("bytes 8-9/10"), "89"),
        ("bytes=-1", "206", Some("bytes 9-9/10"), "9"),
        ("bytes=0-100", "206", Some("bytes 0-9/10"), TEXT),
        ("bytes=10-", "416", Some("bytes */10"), ""),
        ("bytes=0-1,3-4", "200", None, TEXT),
        ("lines=0-1", "200", None, TEXT),
    ] {
        let answer = get(world, "/files/ten.txt", &format!("Range: {range}\r\n"));
        assert_eq!((status(&answer), body(&answer)), (expected, text), "{range}");
        assert_eq!(field(&answer, "Content-Range"), range_sent, "{range}");
        let len = field(&answer, "Content-Length").map(|len| len.parse().unwrap());
        assert_eq!(len, Some(text.len()), "{range}");
    }
    let head = "HEAD /files/ten.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=2-4\r\n\r\n";
    assert_eq!(status(&ask(world, head)), "200", "a range is for GET alone");
}

#[test]
fn what_the_client_has_already_is_not_sent() {
    let world = &mut world_of(&directory("versions"));
    let first = get(world, "/files/ten.txt", "");
    let tag = field(&first, "ETag").expect("it has one").to_owned();
    let (date, other) = (super::DATE, "Mon, 07 Nov 1994 08:49:37 GMT");
    for (fields, expected) in [
        (format!("If-None-Match: {tag}"), "304"),
        (format!("If-None-Match: W/{tag}"), "304"),
        (format!("If-None-Match: \"a\", {tag}"), "304"),
        (format!("If-None-Match: \"a\"\r\nIf-None-Match: {tag}"), "304"),
        ("If-None-Match: *".to_owned(), "304"),
        ("If-None-Match: \"a\"".to_owned(), "200"),
        (format!("If-None-Match: \"a\"\r\nIf-Modified-Since: {date}"), "200"),
        (format!("If-Modified-Since: {date}"), "304"),
        (format!("If-Modified-Since: {other}"), "200"),
        (format!("If-None-Match: {tag}\r\nRange: bytes=0-1"), "304"),
        (format!("If-Range: {tag}\r\nRange: bytes=0-1"), "206"),
        (format!("If-Range: {date}\r\nRange: bytes=0-1"), "200"),
        (format!("If-Range: W/{tag}\r\nRange: bytes=0-1"), "200"),
        ("If-Range: \"a\"\r\nRange: bytes=0-1".to_owned(), "200"),
    ] {
        let answer = get(world, "/files/ten.txt", &format!("{fields}\r\n"));
        assert_eq!(status(&answer), expected, "{fields}");
        assert_eq!(field(&answer, "ETag"), Some(tag.as_str()));
        assert!(expected != "304" || body(&answer).is_empty(), "{answer}");
    }
}

#[test]
fn a_long_file_is_sent_as_the_client_takes_it() {
    let directory = directory("long");
    let long: Vec<u8> = pattern(3 << 20).iter().map(|byte| b' ' + byte % 90).collect();
    fs::write(directory.join("long"), &long).expect("there is room");
    let world = &mut world_of(&directory);
    let peer = world.join();
    world.network.stall(peer);
    let two = "GET /files/long HTTP/1.1\r\nHost: a\r\n\r\nGET /json HTTP/1.1\r\nHost: a\r\n\r\n";
    world.network.send_from(peer, two.as_bytes());
    world.run_for(secs(1));
    let held = world.reactor.metrics().buffered_bytes;
    assert!(held < 1 << 18, "{held} bytes wait for one who takes none");
    world.network.resume(peer);
    world.run_for(secs(1));
    let answers = world.network.take_received(peer);
    let at = answers.windows(4).position(|end| end == b"\r\n\r\n").expect("a head has an end") + 4;
    assert!(answers[at..at + long.len()] == long, "it is the file");
    assert!(answers[at + long.len()..].starts_with(b"HTTP/1.1 200 OK\r\n"), "then comes the next");
    assert!(answers.ends_with(br#"{"message":"Hello, World!"}"#));
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_breaks_the_connection() {
    let directory = directory("shrinks");
    let path = directory.join("long");
    fs::write(&path, vec![b'x'; 1 << 20]).expect("there is room");
    let world = &mut world_of(&directory);
    let peer = world.join();
    world.network.stall(peer);
    world.network.send_from(peer, b"GET /files/long HTTP/1.1\r\nHost: a\r\n\r\n");
    world.settle();
    let file = fs::File::options().write(true).open(&path);
    file.and_then(|file| file.set_len(1000)).expect("it is ours");
    world.network.resume(peer);
    world.run_for(secs(1));
    assert_eq!(world.network.state(peer), PeerState::Reset);
}

#[test]
fn the_connection_closes_after_a_file_if_the_client_wants_it() {
    let world = &mut world_of(&directory("last"));
    let (answer, state) = hear(world, &[b"GET /files/ten.txt HTTP/1.0\r\n\r\n"]);
    assert_eq!((body(&answer), state), (TEXT, PeerState::Finished));
}

#[test]
fn a_directory_that_is_none_is_complained_of() {
    for path in ["/there/is/nothing", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")] {
        let settings = http::Settings { files: Some(path.into()), ..super::settings("") };
        let Err(error) = http::server(settings, super::wall) else { panic!("{path} is served") };
        let error = error.to_string();
        assert!(error.starts_with(&format!("cannot serve the files in {path}: ")), "{error}");
    }
}
