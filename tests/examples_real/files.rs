//! The files of the HTTP example, of which each that is sent takes a descriptor.

use std::fs::{self, File};
use std::path::Path;

use crate::client::Client;
use crate::example::Example;

#[test]
fn a_file_that_cannot_be_opened_for_want_of_descriptors_is_not_said_to_be_missing() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("example_http_descriptors");
    fs::create_dir_all(&directory).expect("there is room");
    // More than waits between the two ends, without taking room on the disk.
    let file = File::create(directory.join("long")).expect("there is room");
    file.set_len(1 << 30).expect("files can be long");
    let options = format!("--tcp 127.0.0.1:0 --files {}", directory.display());
    let script = format!("ulimit -n 100; exec \"$0\" {options}");
    let server = Example::by_shell(&script, "http").listening("--tcp");
    let connect = |_| {
        let mut client = Client::to(server.address("tcp"));
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
        while !client.line().is_empty() {}
        client
    };
    let mut clients: Vec<_> = (0..50).map(connect).collect();
    let ask = |client: &mut Client| {
        client.send("GET /files/long HTTP/1.1\r\nHost: a\r\n\r\n");
        client.line()
    };
    let answers: Vec<_> = clients.iter_mut().map(ask).collect();
    let count = |status: &str| answers.iter().filter(|line| line.contains(status)).count();
    let (sent, refused) = (count(" 200 "), count(" 503 "));
    assert!(sent > 0 && refused > 0 && sent + refused == answers.len(), "{sent}, {refused}");
}
