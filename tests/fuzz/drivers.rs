//! The bodies with what the fuzzer has left, and with what chance makes of that.
//!
//! `WINDLASS_SEEDS` says how many times chance is tried for each target; `WINDLASS_SEED` runs one
//! again, by its number.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::fixture::{Random, for_each_seed, number};
use super::{TARGETS, body};

/// What a debug build runs in a second or two, for all targets.
const SEEDS: u64 = 300;
/// No corpus has more files, and all files of one together no more bytes.
const MAX_FILES: usize = 60;
const MAX_CORPUS_LEN: usize = 100_000;
/// The fuzzer goes no further unless it is told to.
const MAX_LEN: usize = 4096;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a folder, in the order of their names; none if there is no such folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.sort();
    files
}

/// What the fuzzer has left, with the names of the files.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let files = files(&top().join("fuzz/corpus").join(target));
    let read = |path: &PathBuf| fs::read(path).expect("a file of the corpus can be read");
    files.iter().map(|path| (path.display().to_string(), read(path))).collect()
}

/// Tries a target with its corpus, and with what chance makes of that.
fn try_target(target: &str) {
    let (body, corpus) = (body(target), corpus(target));
    for (path, bytes) in &corpus {
        let tried = catch_unwind(AssertUnwindSafe(|| body(bytes)));
        assert!(tried.is_ok(), "{target} fails with {path}");
    }
    for_each_seed(number("WINDLASS_SEEDS").unwrap_or(SEEDS), |seed| {
        let bytes = any_bytes(&mut Random::new(seed), &corpus);
        let tried = catch_unwind(AssertUnwindSafe(|| body(&bytes)));
        assert!(tried.is_ok(), "{target} fails with seed {seed}: b\"{}\"", bytes.escape_ascii());
    });
}

/// Bytes by chance alone, or a file of the corpus in which something was changed.
fn any_bytes(random: &mut Random, corpus: &[(String, Vec<u8>)]) -> Vec<u8> {
    let file = |random: &mut Random| match corpus.is_empty() {
        true => Vec::new(),
        false => corpus[random.below(corpus.len())].1.clone(),
    };
    let mut bytes = if random.chance(30) { Vec::new() } else { file(random) };
    if bytes.is_empty() {
        let len = random.below_one_of(&[10, 100, 1000]);
        bytes = random.bytes(len);
    }
    for _ in 0..random.below_one_of(&[2, 5, 20]) {
        let other = file(random);
        change(random, &mut bytes, &other);
    }
    bytes.truncate(MAX_LEN);
    bytes
}

/// Changes something, perhaps with a piece of another string.
fn change(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let from = random.below(bytes.len() + 1);
    let to = bytes.len().min(from + random.below_one_of(&[2, 9, 100]));
    let piece = match random.below(7) {
        0 => Vec::new(),
        1 => random.bytes(to - from),
        2 => vec![random.pick(&[0, 1, 10, 13, 127, 128, 255]); to - from],
        3 => bytes[from..to].iter().map(|byte| byte.wrapping_add(random.pick(&[1, 255]))).collect(),
        4 => bytes[from..to].repeat(1 + random.below(4)),
        5 => random.bytes(3),
        _ => {
            let start = random.below(other.len() + 1);
            other[start..other.len().min(start + random.below_one_of(&[9, 100, 1000]))].to_vec()
        }
    };
    bytes.splice(from..to, piece);
}

#[test]
fn every_target_is_one_of_the_fuzzer_and_is_tried_here() {
    let named = |folder: &str| -> BTreeSet<String> {
        let files = files(&top().join("fuzz").join(folder));
        let name = |path: PathBuf| path.file_stem().expect("a name").display().to_string();
        files.into_iter().map(name).collect()
    };
    if !top().join("fuzz").exists() {
        // The package is without.
        return;
    }
    let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(named("fuzz_targets"), targets);
    assert_eq!(named("corpus"), targets);
    let manifest = fs::read_to_string(top().join("fuzz/Cargo.toml")).expect("it can be read");
    let told = fs::read_to_string(top().join("fuzz/README.md")).expect("it can be read");
    let tried = include_str!("drivers.rs");
    for target in targets {
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is not built");
        assert!(told.contains(&format!("run {target} ")), "{target} is not told of");
        assert!(tried.contains(&format!("try_target(\"{target}\")")), "{target} is not tried");
    }
}

#[test]
fn every_corpus_is_there_and_small() {
    for (target, _) in TARGETS.iter().filter(|_| top().join("fuzz").exists()) {
        let corpus = corpus(target);
        let len: usize = corpus.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!((1..=MAX_FILES).contains(&corpus.len()), "{target}: {} files", corpus.len());
        assert!(len <= MAX_CORPUS_LEN, "{target}: {len} bytes");
    }
}

#[test]
fn raw_bytes_come_to_the_same_whatever_they_are() {
    try_target("raw");
}

#[test]
fn lines_come_to_the_same_whatever_arrives() {
    try_target("lines");
}

#[test]
fn lines_of_bytes_come_to_the_same_whatever_arrives() {
    try_target("byte_lines");
}

#[test]
fn delimited_frames_come_to_the_same_whatever_arrives() {
    try_target("delimited");
}

#[test]
fn fixed_frames_come_to_the_same_whatever_arrives() {
    try_target("fixed");
}

#[test]
fn length_prefixed_frames_come_to_the_same_whatever_arrives() {
    try_target("length_prefixed");
}

#[test]
fn varint_frames_come_to_the_same_whatever_arrives() {
    try_target("varint");
}

#[test]
fn no_address_gets_more_or_less_than_its_rate() {
    try_target("rates");
}

#[test]
fn timers_are_due_as_in_a_sorted_map() {
    try_target("timers");
}

#[test]
fn the_write_queue_gives_back_what_was_put() {
    try_target("write_queue");
}

#[test]
fn requests_come_to_what_others_make_of_them_whatever_the_cut() {
    try_target("http");
}

#[test]
fn any_text_is_a_network_or_no_network() {
    try_target("cidr");
}

#[test]
fn any_bytes_are_shown_on_one_line() {
    try_target("escaped");
}

#[test]
fn any_arguments_are_understood_or_refused_in_one_line() {
    try_target("options");
}

#[test]
fn any_message_is_answered_as_its_sender_may_be() {
    try_target("dns");
}

#[test]
fn any_text_is_a_zone_or_wrong_on_a_line() {
    try_target("dns_zone");
}

#[test]
fn any_requests_are_read_as_a_plain_reader_does_and_answered_once_each() {
    try_target("kv");
}

#[test]
fn any_stream_of_websocket_frames_is_read_as_a_plain_reader_does() {
    try_target("websocket");
}

#[test]
fn every_peer_gets_what_it_is_owed_whatever_the_bytes_decide() {
    try_target("engine");
}
