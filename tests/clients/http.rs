//! The HTTP example: `curl`, what measures servers, and a browser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::example::Example;
use crate::tools::{ask, client, finish, python, script};

/// A directory of this name with a file in it, of which `curl` is to bring back each byte.
fn directory(name: &str) -> (PathBuf, Vec<u8>) {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&directory).unwrap();
    let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(directory.join("numbers"), &bytes).unwrap();
    (directory, bytes)
}

fn serve(options: &str) -> (Example, String) {
    let server = Example::of("http", &format!("--tcp 127.0.0.1:0 {options}"));
    let url = format!("http://{}", server.address("tcp"));
    (server, url)
}

/// What `curl` brings, with these options.
fn curl(options: &str, urls: &[String], input: &[u8]) -> Option<Vec<u8>> {
    let mut curl = client("curl", "curl")?;
    curl.args(["--silent", "--show-error", "--max-time", "60"]);
    let output = finish(curl.args(options.split_whitespace()).args(urls), input);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{curl:?}: {} {errors}", output.status);
    Some(output.stdout)
}

fn curl_text(options: &str, urls: &[String]) -> Option<String> {
    curl(options, urls, b"").map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn curl_asks_for_all_there_is_on_one_connection() {
    let (_server, url) = serve("");
    let urls = ["/", "/json", "/nothing", "/?a=b"].map(|path| format!("{url}{path}"));
    let told = "--write-out [%{http_code},%{num_connects}]";
    let Some(text) = curl_text(&format!("--http1.1 {told}"), &urls) else { return };
    let json = r#"{"message":"Hello, World!"}"#;
    let nothing = "404 Not Found: there is nothing here\n";
    let expected = format!("Hello, World![200,1]{json}[200,0]{nothing}[404,0]Hello, World![200,0]");
    assert_eq!(text, expected);
    let head = curl_text("--head --http1.0", &urls[..1]).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nDate: "), "{head}");
    assert!(head.contains("\r\nContent-Length: 13\r\nConnection: close\r\n"), "{head}");
}

#[test]
fn curl_gets_back_what_it_sends() {
    let (directory, bytes) = directory("clients_http_echo");
    let (_server, url) = serve("");
    let urls = [format!("{url}/echo")];
    let file = directory.join("numbers").display().to_string();
    // With a length, after a word from the server.
    let Some(back) = curl(&format!("--upload-file {file}"), &urls, b"") else { return };
    assert!(back == bytes);
    // In chunks.
    assert!(curl("--upload-file -", &urls, &bytes).unwrap() == bytes);
    let small = curl_text("--data hello --header Expect:100-continue --include", &urls).unwrap();
    assert!(small.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), "{small}");
    assert!(small.ends_with("\r\n\r\nhello"), "{small}");
    let missing = curl_text("--request POST --write-out %{http_code}", &urls).unwrap();
    assert!(missing.ends_with("411"), "{missing}");
}

#[test]
fn curl_is_told_that_it_sends_too_much() {
    let (_server, url) = serve("--max-body 1KiB");
    let urls = [format!("{url}/echo")];
    for how in ["--data-binary @-", "--upload-file -"] {
        let options = format!("{how} --output /dev/null --write-out %{{http_code}}");
        let Some(text) = curl(&options, &urls, &[b'x'; 5000]) else { return };
        assert_eq!(text, b"413", "{how}");
    }
}

#[test]
fn curl_gets_files_whole_in_part_and_only_if_they_are_new() {
    let (directory, bytes) = directory("clients_http_files");
    let (_server, url) = serve(&format!("--files {}", directory.display()));
    let urls = [format!("{url}/files/numbers")];
    let Some(all) = curl("", &urls, b"") else { return };
    assert!(all == bytes);
    let part = curl("--range 1000-1999 --write-out %{http_code}", &urls, b"").unwrap();
    assert_eq!(part, [&bytes[1000..2000], b"206"].concat());
    let last = curl("--range -10", &urls, b"").unwrap();
    assert_eq!(last, bytes[bytes.len() - 10..]);
    // It goes on where it stopped.
    let half = directory.join("half");
    fs::write(&half, &bytes[..1_234_567]).unwrap();
    curl(&format!("--continue-at - --output {}", half.display()), &urls, b"").unwrap();
    assert!(fs::read(&half).unwrap() == bytes);
    let tag = directory.join("tag").display().to_string();
    curl(&format!("--etag-save {tag} --output /dev/null"), &urls, b"").unwrap();
    let code = "--output /dev/null --write-out %{http_code}";
    let text = curl_text(&format!("--etag-compare {tag} {code}"), &urls).unwrap();
    assert_eq!(text, "304");
    let outside = [format!("{url}/files/../numbers"), format!("{url}/files/%2e%2e/numbers")];
    let text = curl_text(&format!("--path-as-is {code} --output /dev/null"), &outside).unwrap();
    assert_eq!(text, "404404");
}

/// Asserts that a program for measuring, which is given the path at the end, says all of this.
fn assert_measures(mut program: Command, arguments: &str, expected: &[&str]) {
    let (_server, url) = serve("");
    let url = format!("{url}/");
    let text = ask(program.args(arguments.split_whitespace()).arg(url), b"");
    for expected in expected {
        assert!(text.contains(expected), "{program:?}: no {expected:?} in\n{text}");
    }
}

#[test]
fn ab_keeps_its_connections() {
    let Some(ab) = client("ab", "apache2-utils") else { return };
    let expected = [
        "Complete requests:      20000\nFailed requests:        0\nKeep-Alive requests:    20000",
        "HTML transferred:       260000 bytes",
    ];
    assert_measures(ab, "-k -q -n 20000 -c 20", &expected);
}

#[test]
fn h2load_has_many_requests_in_flight() {
    let Some(h2load) = client("h2load", "nghttp2-client") else { return };
    let expected = [
        "20000 total, 20000 started, 20000 done, 20000 succeeded, 0 failed, 0 errored, 0 timeout",
        "status codes: 20000 2xx, 0 3xx, 0 4xx, 0 5xx",
    ];
    assert_measures(h2load, "--h1 -n 20000 -c 10 -m 16", &expected);
}

#[test]
fn wrk_has_no_errors() {
    let Some(mut wrk) = client("wrk", "wrk") else { return };
    let (_server, url) = serve("");
    let text = ask(wrk.args(["-c", "20", "-t", "1", "-d", "1", &format!("{url}/json")]), b"");
    assert!(text.contains("Requests/sec:"), "{text}");
    assert!(!text.contains("Socket errors") && !text.contains("Non-2xx"), "{text}");
}

#[test]
fn a_page_of_a_browser_shows_events_until_the_server_goes_down() {
    let (Some(mut python), Some(_)) = (python(), client("chromium", "chromium")) else { return };
    let (mut server, url) = serve("--event-interval 50ms");
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join("events_page.png");
    python.arg(script("events_page.py")).arg(format!("{url}/page"));
    let said = ask(python.arg(server.id().to_string()).arg(&picture), b"");
    assert_eq!(said, "listening: 0 1 2\nthe server is gone, trying again: 0 1 2\n");
    assert!(fs::read(&picture).unwrap().starts_with(b"\x89PNG\r\n"), "a picture to look at");
    assert_eq!(server.wait(), Some(0), "the events ended, and nothing was cut");
}
