//! That each known way in which servers fail has a test, as the ledger in `tests/hazards.md` says.
//!
//! Each rule is a function from the ledger to complaints. It has two tests: one that the ledger
//! keeps it, and one, named `…_is_noticed`, that a made-up row which breaks it is complained of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

#[allow(dead_code, reason = "the rules of the house need more of it")]
#[path = "tidy/source.rs"]
mod source;

use source::Source;

/// The families of the catalogue, and how many hazards each has.
const FAMILIES: &[(&str, usize)] = &[
    ("A", 12),
    ("B", 21),
    ("C", 14),
    ("D", 15),
    ("E", 11),
    ("F", 6),
    ("G", 13),
    ("H", 15),
    ("I", 12),
    ("J", 14),
    ("K", 10),
];
/// How many invariants there are, which have numbers of their own.
const INVARIANTS_LEN: usize = 12;
/// The folders of `tests` that are compiled into the crate's own tests.
const UNIT_TESTS: &[&str] = &["proof", "fuzz"];
/// What a row says of a hazard that cannot be met here, before the reason.
const ABSENT: &str = "does not apply:";
/// A reason has at least as many words.
const MIN_REASON_WORDS: usize = 4;

/// A row of one of the tables.
struct Row<'a> {
    /// The title of its section, as in `A` or `Invariants`.
    section: &'a str,
    number: &'a str,
    cells: Vec<&'a str>,
}

impl<'a> Row<'a> {
    /// What the last column says: the tests, or why there are none.
    fn kept_by(&self) -> &'a str {
        self.cells.last().copied().unwrap_or_default()
    }

    /// The reason for which there are no tests, if that is said.
    fn absence(&self) -> Option<&'a str> {
        self.kept_by().strip_prefix(ABSENT).map(str::trim)
    }

    /// The names of its tests.
    fn tests(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.kept_by().split(", ").filter_map(|name| name.strip_prefix('`')?.strip_suffix('`'))
    }
}

fn rows(ledger: &str) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut section = "";
    for line in ledger.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title.split(':').next().unwrap_or(title);
        } else if let Some(row) = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |"))
            && !row.starts_with('#')
        {
            let mut cells = row.split(" | ");
            let number = cells.next().unwrap_or_default();
            rows.push(Row { section, number, cells: cells.collect() });
        }
    }
    rows
}

/// The section and the number of every row there must be.
fn expected() -> BTreeSet<(String, String)> {
    let hazards = FAMILIES.iter().flat_map(|(family, len)| {
        (1..=*len).map(move |number| ((*family).to_owned(), format!("{family}{number}")))
    });
    let invariants =
        (1..=INVARIANTS_LEN).map(|number| ("Invariants".to_owned(), format!("I{number}")));
    hazards.chain(invariants).collect()
}

/// Rows that are missing, unknown, or there twice.
fn miscounted(rows: &[Row<'_>]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut missing = expected();
    for Row { section, number, .. } in rows {
        if !missing.remove(&((*section).to_owned(), (*number).to_owned())) {
            complaints.push(format!("{number}, under {section}, is there twice or unknown"));
        }
    }
    complaints.extend(
        missing.iter().map(|(section, number)| format!("{number}, under {section}, has no row")),
    );
    complaints
}

/// Rows that leave a column empty, or have one too many.
fn incomplete(rows: &[Row<'_>]) -> Vec<String> {
    let is_complete = |row: &&Row<'_>| {
        row.cells.len() == 3 && row.cells.iter().all(|cell| !cell.trim().is_empty())
    };
    let complaint = |row: &Row<'_>| format!("{}: not every column says something", row.number);
    rows.iter().filter(|row| !is_complete(row)).map(complaint).collect()
}

/// Hazards that apply, and that nothing is done about.
fn unkept(rows: &[Row<'_>]) -> Vec<String> {
    let is_kept = |row: &&Row<'_>| row.absence().is_some() || row.tests().next().is_some();
    let complaint = |row: &Row<'_>| format!("{} applies, and has no test", row.number);
    rows.iter().filter(|row| !is_kept(row)).map(complaint).collect()
}

/// Hazards that are said not to apply without a word on why.
fn unreasoned(rows: &[Row<'_>]) -> Vec<String> {
    let is_short = |reason: &str| reason.split_whitespace().count() < MIN_REASON_WORDS;
    let complaint = |row: &Row<'_>| format!("{} does not apply, but why?", row.number);
    rows.iter().filter(|row| row.absence().is_some_and(is_short)).map(complaint).collect()
}

/// Parts of the last column that are no name of a test, and names that no test has, or two.
fn unknown(rows: &[Row<'_>], tests: &BTreeMap<String, usize>) -> Vec<String> {
    let mut complaints = Vec::new();
    for row in rows.iter().filter(|row| row.absence().is_none()) {
        let parts = row.kept_by().split(", ").count();
        if row.tests().count() < parts {
            complaints.push(format!("{}: what keeps it is not a list of names", row.number));
        }
        for test in row.tests() {
            match tests.get(test) {
                Some(1) => {}
                Some(_) => complaints.push(format!("{}: {test} is two tests", row.number)),
                None => complaints.push(format!("{}: there is no test {test}", row.number)),
            }
        }
    }
    complaints
}

/// Bugs that are planted after a row that there is not, or of a hazard that does not apply. Each
/// says in its first line which row it is of.
fn misplanted(rows: &[Row<'_>], bugs: &str) -> Vec<String> {
    let is_number = |number: &str| {
        let (family, rest) = number.split_at_checked(1).unwrap_or_default();
        FAMILIES.iter().any(|known| known.0 == family) && rest.parse::<usize>().is_ok()
    };
    let lines = bugs.lines().filter_map(|line| line.trim_start().strip_prefix("/// "));
    let planted = lines.filter_map(|line| line.split_once(": ")).filter(|(row, _)| is_number(row));
    let applies = |number: &str| {
        let mut hazards = rows.iter().filter(|row| row.section != "Invariants");
        hazards.any(|row| row.number == number && row.absence().is_none())
    };
    let misplanted = planted.filter(|(row, _)| !applies(row));
    misplanted.map(|(row, bug)| format!("{row} does not apply, and has a bug: {bug}")).collect()
}

/// How often each test's name is there.
fn names(sources: &[Source]) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for source in sources {
        let place = place(&source.path);
        let tests = source.tests().into_iter().map(|(name, _)| name).chain(promises(source));
        for test in tests {
            *names.entry(format!("{place}::{test}")).or_default() += 1;
        }
    }
    names
}

/// The target and the path of a file's tests: `lib::codec::lines` of `src/codec/lines.rs`.
fn place(path: &str) -> String {
    let path = path.trim_end_matches(".rs");
    let path = path.trim_end_matches("/main").trim_end_matches("/mod").replace('/', "::");
    match path.strip_prefix("tests::") {
        Some(own) if UNIT_TESTS.iter().any(|folder| own.starts_with(folder)) => {
            format!("lib::{own}")
        }
        Some(test) => test.to_owned(),
        None => path.replacen("src", "lib", 1),
    }
}

/// The functions of which a macro makes a test for each network.
fn promises(source: &Source) -> impl Iterator<Item = &str> {
    // Hardly any file has some, and to look at every token takes its time.
    let has_any = source.text.contains("promises!");
    let tokens = if has_any { &source.tokens[..] } else { &[] };
    let starts = (0..tokens.len()).filter(|at| source::follows(&tokens[*at..], "promises! {"));
    starts.flat_map(|at| {
        let names = tokens[at + 3..].iter().map(|token| token.text.as_str());
        names.take_while(|name| source::is_word(name))
    })
}

fn ledger() -> String {
    read("tests/hazards.md")
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(path).expect("the file is readable")
}

#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Asserts that of these rows there is exactly one complaint, which says `what`.
#[track_caller]
fn assert_one(rule: impl Fn(&[Row<'_>]) -> Vec<String>, ledger: &str, what: &str) {
    let complaints = rule(&rows(ledger));
    assert_eq!(complaints.len(), 1, "{complaints:#?}");
    assert!(complaints[0].contains(what), "{}", complaints[0]);
}

/// A row of the family A.
fn row(number: &str, kept_by: &str) -> String {
    format!("## A: accepting\n\n| # | hazard |\n|---|---|\n| {number} | it | not | {kept_by} |\n")
}

/// Rows for every number there must be.
fn all_rows() -> String {
    let row = |(section, number): &(String, String)| {
        format!("## {section}: so called\n| {number} | it fails | it does not | `a::b` |\n")
    };
    expected().iter().map(row).collect()
}

#[test]
fn every_hazard_and_every_invariant_has_its_row() {
    assert_eq!(FAMILIES.iter().map(|(_, len)| len).sum::<usize>(), 143);
    assert_none(&miscounted(&rows(&ledger())));
}

#[test]
fn a_row_that_is_missing_or_there_twice_is_noticed() {
    let all = all_rows();
    assert_none(&miscounted(&rows(&all)));
    let row = "| B7 | it fails | it does not | `a::b` |\n";
    assert_one(miscounted, &all.replace(row, ""), "B7, under B, has no row");
    let twice = all.clone() + "## B: reading\n" + row;
    assert_one(miscounted, &twice, "B7, under B, is there twice");
    let elsewhere = all.clone() + "## C: writing\n" + row;
    assert_one(miscounted, &elsewhere, "B7, under C, is there twice or unknown");
    let row = "## Invariants: so called\n| I4 | it fails | it does not | `a::b` |\n";
    assert_one(miscounted, &all.replace(row, ""), "I4, under Invariants, has no row");
}

#[test]
fn every_column_says_something() {
    assert_none(&incomplete(&rows(&ledger())));
}

#[test]
fn an_empty_column_is_noticed() {
    assert_none(&incomplete(&rows(&row("A1", "`a::b`"))));
    assert_one(incomplete, "| A1 | it fails |  | `a::b` |", "A1: not every column");
    assert_one(incomplete, "| A1 | it fails | `a::b` |", "A1: not every column");
    assert_one(incomplete, &row("A1", "`a::b` | `a::c`"), "A1: not every column");
}

#[test]
fn every_hazard_that_applies_has_a_test() {
    assert_none(&unkept(&rows(&ledger())));
}

#[test]
fn a_hazard_without_a_test_is_noticed() {
    assert_none(&unkept(&rows(&row("A1", "`a::b`"))));
    assert_none(&unkept(&rows(&row("A1", "does not apply: there is no such thing"))));
    assert_one(unkept, &row("A1", "nothing"), "A1 applies, and has no test");
    assert_one(unkept, &row("A1", "not kept: it is too hard"), "A1 applies, and has no test");
}

#[test]
fn every_hazard_that_does_not_apply_has_a_reason() {
    assert_none(&unreasoned(&rows(&ledger())));
}

#[test]
fn a_missing_reason_is_noticed() {
    assert_none(&unreasoned(&rows(&row("A1", "does not apply: there is no such thing"))));
    assert_one(unreasoned, &row("A1", "does not apply:"), "A1 does not apply, but why?");
    assert_one(unreasoned, &row("A1", "does not apply: really not"), "A1 does not apply");
}

#[test]
fn every_test_that_is_named_exists() {
    let sources: Vec<_> =
        ["src", "tests", "examples"].into_iter().flat_map(Source::all_in).collect();
    let names = names(&sources);
    assert!(names.len() > 1000, "the tests were not found");
    assert_none(&unknown(&rows(&ledger()), &names));
}

#[test]
fn a_test_that_does_not_exist_is_noticed() {
    let here = Source::new("tests/a/b.rs", "#[test]\nfn it_is_so() {} fn it_is_no_test() {}");
    let names = names(&[here]);
    let unknown = |rows: &[Row<'_>]| unknown(rows, &names);
    assert_none(&unknown(&rows(&row("A1", "`a::b::it_is_so`"))));
    let none = row("A1", "`a::b::it_is_so`, `a::b::it_is_no_test`");
    assert_one(unknown, &none, "A1: there is no test a::b::it_is_no_test");
    assert_one(unknown, &row("A1", "`a::c::it_is_so`"), "A1: there is no test a::c::it_is_so");
    let bare = row("A1", "`a::b::it_is_so`, a::b::it_is_so");
    assert_one(unknown, &bare, "A1: what keeps it is not a list of names");
}

#[test]
fn every_planted_bug_is_of_a_hazard_that_applies() {
    let bugs = read("tests/proof/bugs.rs");
    assert!(bugs.contains("    /// A1: "), "the bugs were not found");
    assert_none(&misplanted(&rows(&ledger()), &bugs));
}

#[test]
fn a_bug_of_a_hazard_that_does_not_apply_is_noticed() {
    let rule = |bugs: &'static str| move |rows: &[Row<'_>]| misplanted(rows, bugs);
    let bugs = "/// Note: that is none.\n    /// A1: it fails.\n    ItFails,\n";
    assert_none(&rule(bugs)(&rows(&row("A1", "`a::b`"))));
    assert_one(rule(bugs), &row("A2", "`a::b`"), "A1 does not apply, and has a bug: it fails.");
    let absent = row("A1", "does not apply: there is no such thing");
    assert_one(rule(bugs), &absent, "A1 does not apply, and has a bug: it fails.");
}

#[test]
fn two_tests_of_one_name_in_a_file_are_noticed() {
    let text = "#[test] fn it_is_so() {} mod inner { #[test] fn it_is_so() {} }";
    let names = names(&[Source::new("src/a.rs", text)]);
    let unknown = |rows: &[Row<'_>]| unknown(rows, &names);
    assert_one(unknown, &row("A1", "`lib::a::it_is_so`"), "A1: lib::a::it_is_so is two tests");
}

#[test]
fn a_test_is_found_wherever_it_is() {
    let test = "#[test]\n#[should_panic]\nfn it_is_so() {}";
    for (path, name) in [
        ("src/a.rs", "lib::a::it_is_so"),
        ("src/a/tests.rs", "lib::a::tests::it_is_so"),
        ("tests/a.rs", "a::it_is_so"),
        ("tests/a/main.rs", "a::it_is_so"),
        ("tests/a/b.rs", "a::b::it_is_so"),
        ("tests/proof/mod.rs", "lib::proof::it_is_so"),
        ("tests/proof/b.rs", "lib::proof::b::it_is_so"),
        ("tests/fuzz/b.rs", "lib::fuzz::b::it_is_so"),
    ] {
        assert_eq!(names(&[Source::new(path, test)]).into_keys().collect::<Vec<_>>(), [name]);
    }
    let promise = "promises! { it_is_so it_is_too }\nfn it_is_so() {}\nfn it_is_too() {}";
    let names = names(&[Source::new("tests/a/b.rs", promise)]);
    assert!(names.into_keys().eq(["a::b::it_is_so", "a::b::it_is_too"]));
}
