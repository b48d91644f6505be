//! Who imports whom: the paths in a file, and the files they lead to.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, Token, is_word};

/// One file of the engine uses something of another.
pub(crate) struct Import {
    /// Where it stands: file and line.
    pub(crate) place: String,
    /// The module that imports, as in `codec/lines`.
    pub(crate) from: String,
    pub(crate) to: String,
}

/// A path in a file, as `a::b::c`, from a `use` or from the midst of the code.
pub(crate) struct Mention {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    /// Whether it is given on to others, by `pub use`.
    pub(crate) is_given_on: bool,
}

/// All imports of the engine among its own files, tests left out.
///
/// What a file gives on from a file of its own folder (`pub use os::OsNetwork`) is no import, but
/// whoever imports it from there has imported it from the file it is in.
pub(crate) fn imports(engine: &[Source]) -> Vec<Import> {
    let modules: BTreeSet<&str> = engine.iter().map(Source::module).collect();
    let given_on = given_on(engine, &modules);
    let mut all = Vec::new();
    for source in engine {
        let from = source.module();
        for mention in mentions(source) {
            let Some((home, name)) = home_of(from, &mention.segments, &modules) else { continue };
            let to = given_on.get(&(home.clone(), name)).unwrap_or(&home).clone();
            if to != from && !(mention.is_given_on && is_child(from, &to)) {
                let place = format!("{}:{}", source.path, mention.line);
                all.push(Import { place, from: from.to_owned(), to });
            }
        }
    }
    all
}

/// By module and name, the file that a name really is in. The doors' names are left out: the
/// engine imports nothing through them.
fn given_on(engine: &[Source], modules: &BTreeSet<&str>) -> BTreeMap<(String, String), String> {
    let mut homes = BTreeMap::new();
    for source in engine.iter().filter(|source| source.module() != "lib") {
        for mention in mentions(source).iter().filter(|mention| mention.is_given_on) {
            if let Some((home, name)) = home_of(source.module(), &mention.segments, modules) {
                homes.insert((source.module().to_owned(), name), home);
            }
        }
    }
    homes
}

fn is_child(parent: &str, child: &str) -> bool {
    parent == "lib" || child.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/'))
}

/// The file that a path written in `module` leads to, and the name it means there; `None` if it
/// leads out of the crate.
fn home_of(module: &str, path: &[String], modules: &BTreeSet<&str>) -> Option<(String, String)> {
    let mut folder: Vec<&str> = module.split('/').filter(|part| *part != "lib").collect();
    let is_relative = matches!(path[0].as_str(), "crate" | "self" | "super");
    let mut has_left = false;
    let mut rest = path.iter().map(String::as_str).peekable();
    while let Some(step) = rest.next_if(|part| matches!(*part, "crate" | "self" | "super")) {
        match step {
            "crate" => folder.clear(),
            "super" => drop(folder.pop()),
            _ => {}
        }
    }
    while let Some(part) = rest.peek() {
        folder.push(part);
        if !modules.contains(&folder.join("/")[..]) {
            folder.pop();
            break;
        }
        has_left = true;
        rest.next();
    }
    let home = if folder.is_empty() { "lib".to_owned() } else { folder.join("/") };
    (is_relative || has_left).then(|| (home, rest.next().unwrap_or("").to_owned()))
}

/// Every path with at least two parts, and everything that is imported.
pub(crate) fn mentions(source: &Source) -> Vec<Mention> {
    let tokens: Vec<&Token> = source.engine_tokens().collect();
    let text = |at: usize| tokens.get(at).map_or("", |token: &&Token| token.text.as_str());
    let mut all = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let line = tokens[at].line;
        let mut paths = Vec::new();
        let is_use = text(at) == "use";
        let is_given_on = is_use && at > 0 && matches!(text(at - 1), "pub" | ")");
        if is_use {
            at += 1;
            use_tree(&tokens, &mut at, &[], &mut paths);
        } else if is_word(text(at)) && text(at + 1) == "::" {
            let mut path = vec![text(at).to_owned()];
            while text(at + 1) == "::" && is_word(text(at + 2)) {
                path.push(text(at + 2).to_owned());
                at += 2;
            }
            paths.push(path);
        }
        all.extend(paths.into_iter().map(|segments| Mention { segments, line, is_given_on }));
        at += 1;
    }
    all
}

/// Reads one branch of what follows `use`, up to the comma, brace or semicolon after it.
fn use_tree(tokens: &[&Token], at: &mut usize, stem: &[String], paths: &mut Vec<Vec<String>>) {
    let mut path = stem.to_vec();
    let (mut is_group, mut is_named) = (false, false);
    while let Some(token) = tokens.get(*at) {
        match token.text.as_str() {
            "," | "}" | ";" => break,
            "{" => {
                is_group = true;
                while tokens.get(*at).is_some_and(|token| token.text != "}") {
                    *at += 1;
                    use_tree(tokens, at, &path, paths);
                }
            }
            // The other name does not matter: the path is what it leads to.
            "as" => *at += 1,
            "::" => {}
            "self" if !path.is_empty() => is_named = true,
            part => {
                is_named = true;
                path.push(part.to_owned());
            }
        }
        *at += 1;
    }
    // After the last comma of a group nothing is named.
    if is_named && !is_group {
        paths.push(path);
    }
}

/// A way through `arrows` that comes back to where it began.
pub(crate) fn circle(arrows: &BTreeSet<(String, String)>) -> Option<Vec<String>> {
    // Who points at nobody left is in no circle: what remains in the end has one, if it is
    // anything.
    let mut left = arrows.clone();
    loop {
        let starts: BTreeSet<String> = left.iter().map(|(from, _)| from.clone()).collect();
        let len = left.len();
        left.retain(|(_, to)| starts.contains(to));
        if left.len() == len {
            break;
        }
    }
    let mut way = vec![left.first()?.0.clone()];
    loop {
        let last = way.last().expect("the way has a beginning");
        let (_, next) = left.iter().find(|(from, _)| from == last).expect("it points at somebody");
        let seen = way.iter().position(|place| place == next);
        way.push(next.clone());
        if let Some(first) = seen {
            return Some(way.split_off(first));
        }
    }
}
