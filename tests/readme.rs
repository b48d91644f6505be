//! That the README says what is so: its server, its map, its limits and its commands.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use windlass::Config;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap()
}

/// The blocks of code, each with the word after its fence and the line before it.
fn blocks(readme: &str) -> Vec<(&str, &str, &str)> {
    let mut blocks = Vec::new();
    let mut rest = readme;
    while let Some((before, after)) = rest.split_once("\n```") {
        let (info, after) = after.split_once('\n').expect("a fence ends its line");
        let (code, after) = after.split_once("\n```\n").expect("a block ends");
        blocks.push((info, code, before.lines().last().unwrap_or("")));
        rest = after;
    }
    blocks
}

/// The section of this title.
fn section<'a>(readme: &'a str, title: &str) -> &'a str {
    let mut sections = readme.split("\n## ");
    sections.find(|section| section.starts_with(title)).expect("there is such a section")
}

/// The first two columns of a section's table, without its head.
fn table(section: &str) -> Vec<(&str, &str)> {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let mut cells = row.split(" | ");
        (cells.next().unwrap(), cells.next().expect("a row has several columns"))
    })
    .collect()
}

/// The limits and their defaults, as they are: `Config`'s fields by name.
fn defaults() -> Vec<(String, String)> {
    let shown = format!("{:?}", Config::default());
    let fields = shown.replace("SocketOptions { ", "").replace(['[', ']', '}'], "");
    let mut defaults: Vec<(String, String)> = Vec::new();
    for part in fields.trim_start_matches("Config { ").split(", ") {
        match part.rsplit_once(": ") {
            Some((name, value)) => {
                // Of the first field of what is itself a field, its own name.
                let name = name.rsplit(": ").next().unwrap_or(name);
                let value = value.trim();
                let some = value.strip_prefix("Some(").and_then(|some| some.strip_suffix(')'));
                defaults.push((name.to_owned(), some.unwrap_or(value).to_owned()));
            }
            // The next of several values.
            None => defaults.last_mut().unwrap().1 += &format!(", {}", part.trim()),
        }
    }
    defaults
}

/// What the table says, written as `Config` shows it.
fn shown(limit: &str) -> String {
    let plain = limit.replace(',', "");
    let (number, unit) = plain.split_once(' ').unwrap_or((&plain, ""));
    let Ok(number) = number.parse::<u64>() else {
        return match limit {
            "wait" => "Wait".to_owned(),
            "yes" => "true".to_owned(),
            "no" => "false".to_owned(),
            "SIGINT, SIGTERM" => "2, 15".to_owned(),
            "none" | "by descriptors" => "None".to_owned(),
            other => other.to_owned(),
        };
    };
    match unit {
        "KiB" => (number << 10).to_string(),
        "MiB" => (number << 20).to_string(),
        "ms" => format!("{:?}", Duration::from_millis(number)),
        "s" => format!("{:?}", Duration::from_secs(number)),
        "min" => format!("{:?}", Duration::from_secs(60 * number)),
        _ => plain,
    }
}

#[test]
fn the_server_in_twenty_lines_is_the_example() {
    let readme = read("README.md");
    let example = read("examples/hello.rs");
    let code = &example[example.find("\nuse ").expect("it uses the engine") + 1..];
    let (_, shown, _) = *blocks(&readme).iter().find(|block| block.0 == "rust,no_run").unwrap();
    assert_eq!(shown, code.trim_end());
    assert!(code.lines().count() <= 20, "it has {} lines", code.lines().count());
}

#[test]
fn every_limit_is_in_the_table_with_its_default() {
    let readme = read("README.md");
    let limits = table(section(&readme, "Limits and their defaults"));
    let defaults = defaults();
    for (name, default) in &defaults {
        let row = [format!("{name}`"), format!("socket.{name}`")];
        let row = limits.iter().find(|(limit, _)| row.contains(&(*limit).to_owned()));
        let (_, limit) = row.unwrap_or_else(|| panic!("{name} is not in the table"));
        assert_eq!(&shown(limit), default, "{name}");
    }
    assert_eq!(limits.len(), defaults.len(), "the table has limits that are none");
}

/// The names of the source files right in a folder, in order.
fn sources(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(top().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut sources: Vec<String> =
        names.filter_map(|name| Some(name.strip_suffix(".rs")?.to_owned())).collect();
    sources.sort_unstable();
    sources
}

/// The files that examples begin with, in the order of their names: one is a file, or a folder with
/// a `main.rs`.
fn examples() -> Vec<(String, String)> {
    let entries = fs::read_dir(top().join("examples")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut examples: Vec<(String, String)> = names
        .map(|name| match name.strip_suffix(".rs") {
            Some(stem) => (stem.to_owned(), format!("examples/{name}")),
            None => (name.clone(), format!("examples/{name}/main.rs")),
        })
        .filter(|(_, path)| top().join(path).exists())
        .collect();
    examples.sort_unstable();
    examples
}

#[test]
fn every_example_is_in_the_table_with_a_command_of_its_own_header() {
    let readme = read("README.md");
    let section = section(&readme, "Examples");
    let examples = examples();
    let mut named: Vec<&str> = table(section).iter().map(|row| row.0.trim_matches('`')).collect();
    named.sort_unstable();
    assert!(named.iter().eq(examples.iter().map(|(name, _)| name)), "{named:?} {examples:?}");
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let (row, command) = row.strip_suffix("` |").unwrap().rsplit_once(" | `").unwrap();
        let command = command.replace("\\|", "|");
        let name = row.split('`').nth(1).unwrap();
        let (_, path) = examples.iter().find(|(example, _)| example == name).unwrap();
        let source = read(path);
        let header = source.lines().take_while(|line| line.starts_with("//!"));
        let lines: Vec<&str> = header.map(|line| line.trim_start_matches("//! ")).collect();
        assert!(lines.contains(&command.as_str()), "{name} does not tell to try {command}");
    }
}

#[test]
fn every_file_of_the_engine_is_in_the_map() {
    let readme = read("README.md");
    let blocks = blocks(section(&readme, "The files"));
    let rows = blocks[0].1.lines().filter_map(|line| line.get(16..)?.split(' ').next());
    let mut named: Vec<&str> = rows.filter(|name| !name.is_empty()).collect();
    named.sort_unstable();
    assert_eq!(named, sources("src"));
}

#[test]
fn every_test_is_in_the_table() {
    let readme = read("README.md");
    let rows = table(section(&readme, "How it is tested"));
    let mut named: Vec<&str> = rows.iter().flat_map(|row| row.0.split("`, `")).collect();
    named.iter_mut().for_each(|name| *name = name.trim_end_matches('`'));
    let entries = fs::read_dir(top().join("tests")).unwrap().map(|entry| entry.unwrap().path());
    let is_test = |path: &PathBuf| match path.is_dir() {
        true => path.join("main.rs").exists(),
        false => path.extension().is_some_and(|kind| kind == "rs"),
    };
    let tests = entries.filter(is_test);
    let mut tests: Vec<String> =
        tests.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    named.sort_unstable();
    tests.sort_unstable();
    assert_eq!(named, tests);
}

#[test]
fn the_command_that_runs_the_tests_is_marked() {
    let readme = read("README.md");
    let mut marked = blocks(&readme);
    marked.retain(|(_, _, before)| *before == "<!-- test-command -->");
    assert_eq!(marked, [("sh", "cargo test", "<!-- test-command -->")]);
}

#[test]
fn the_program_that_counts_instructions_is_of_the_version_of_its_library() {
    let manifest = read("benches/parts/Cargo.toml");
    let version = manifest.split("gungraun = \"=").nth(1).unwrap().split('"').next().unwrap();
    let command = format!("\ncargo install gungraun-runner --version {version}\n");
    assert!(read("README.md").contains(&command), "the README does not say:{command}");
}

#[test]
fn what_is_accepted_of_mutants_and_coverage_is_of_files_that_exist() {
    for page in ["tests/mutants.md", "tests/coverage.md"] {
        let text = read(page);
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| `src/")).collect();
        assert!(rows.len() > 10, "{page} has no table");
        for row in rows {
            let files = row.split(" | ").next().unwrap().trim_start_matches("| ");
            for file in files.split(", ") {
                let path = top().join(file.trim_matches('`'));
                assert!(path.exists(), "{page}: there is no {file}");
            }
            assert_eq!(row.matches(" | ").count() + 2, row.matches('|').count(), "{page}: {row}");
        }
    }
}
