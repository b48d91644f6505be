//! Source files, taken apart as far as the rules of the house need it: no parser, only a lexer.

use std::fs;
use std::path::Path;

/// A file with Rust in it.
pub(crate) struct Source {
    /// Its path from the top of the project, as in `src/codec/lines.rs`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Its words and signs, without comments, and with nothing inside the quotes.
    pub(crate) tokens: Vec<Token>,
}

/// A word or a sign.
pub(crate) struct Token {
    pub(crate) text: String,
    /// Counted from one.
    pub(crate) line: usize,
    /// Whether it belongs to an item under `#[cfg(test)]`.
    pub(crate) is_test: bool,
}

/// A function with a body.
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    pub(crate) line: usize,
    /// How many lines it has, from its `fn` to its last brace.
    pub(crate) len: usize,
    pub(crate) is_test: bool,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let mut tokens = lex(text);
        mark_tests(&mut tokens);
        if is_file_of_tests(path) {
            tokens.iter_mut().for_each(|token| token.is_test = true);
        }
        Self { path: path.to_owned(), text: text.to_owned(), tokens }
    }

    /// Every file ending in `.rs` in a folder and those below, in the order of their names.
    pub(crate) fn all_in(folder: &str) -> Vec<Self> {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut all = Vec::new();
        let Ok(entries) = fs::read_dir(top.join(folder)) else { return all };
        for entry in entries {
            let name = entry.expect("a folder can be listed").file_name();
            let name = name.into_string().expect("names are plain");
            let path = format!("{folder}/{name}");
            if top.join(&path).is_dir() && name != "target" {
                all.extend(Self::all_in(&path));
            } else if name.ends_with(".rs") {
                let text = fs::read_to_string(top.join(&path)).expect("source is readable text");
                all.push(Self::new(&path, &text));
            }
        }
        all.sort_by(|a, b| a.path.cmp(&b.path));
        all
    }

    /// The name of a file of the engine as a module: `codec/lines` of `src/codec/lines.rs`.
    pub(crate) fn module(&self) -> &str {
        self.path.trim_start_matches("src/").trim_end_matches(".rs")
    }

    /// The tokens of what is delivered.
    pub(crate) fn engine_tokens(&self) -> impl Iterator<Item = &Token> {
        self.tokens.iter().filter(|token| !token.is_test)
    }

    /// How many lines there are before the module of tests; in a file of tests, none.
    pub(crate) fn len_before_tests(&self) -> usize {
        if is_file_of_tests(&self.path) {
            return 0;
        }
        let end = self.text.find("\n#[cfg(test)]\nmod tests").unwrap_or(self.text.len());
        self.text[..end].lines().count()
    }

    pub(crate) fn functions(&self) -> Vec<Function<'_>> {
        let tokens = &self.tokens;
        let is_function = |at: &usize| tokens[*at].text == "fn" && is_word(&tokens[at + 1].text);
        (0..tokens.len().saturating_sub(1))
            .filter(is_function)
            .filter_map(|at| {
                let end = end_of_item(tokens, at);
                (tokens[end].text == "}").then(|| Function {
                    name: &tokens[at + 1].text,
                    line: tokens[at].line,
                    len: tokens[end].line - tokens[at].line + 1,
                    is_test: tokens[at].is_test,
                })
            })
            .collect()
    }

    /// The names of the functions under `#[test]`, and their lines. A macro's parameter is no name.
    pub(crate) fn tests(&self) -> Vec<(&str, usize)> {
        let starts = (0..self.tokens.len()).filter(|at| follows(&self.tokens[*at..], "#[test]"));
        starts
            .filter_map(|at| {
                let name =
                    self.tokens[at..].iter().skip_while(|token| token.text != "fn").nth(1)?;
                is_word(&name.text).then(|| (&name.text[..], name.line))
            })
            .collect()
    }
}

pub(crate) fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first == '_' || first.is_alphabetic())
}

/// Whether `tokens` begin with those that `text` consists of.
pub(crate) fn follows(tokens: &[Token], text: &str) -> bool {
    let expected = lex(text);
    tokens.len() >= expected.len()
        && tokens.iter().zip(&expected).all(|(token, expected)| token.text == expected.text)
}

/// Whether it is a module of tests that has grown into a file.
fn is_file_of_tests(path: &str) -> bool {
    path.starts_with("src/") && path.ends_with("/tests.rs")
}

fn mark_tests(tokens: &mut [Token]) {
    for start in 0..tokens.len() {
        if follows(&tokens[start..], "#[cfg(test)]") {
            let end = end_of_item(tokens, start);
            tokens[start..=end].iter_mut().for_each(|token| token.is_test = true);
        }
    }
}

/// The token that ends the item beginning at `start`: a semicolon, or the brace of its body.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            "}" if depth <= 1 => return at,
            ")" | "]" | "}" => depth -= 1,
            ";" if depth == 0 => return at,
            _ => {}
        }
    }
    tokens.len() - 1
}

fn lex(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < text.len() {
        let (len, shown) = piece(&text[at..]);
        let whole = &text[at..at + len];
        if let Some(shown) = shown {
            let text = if shown.is_empty() { whole } else { shown };
            tokens.push(Token { text: text.to_owned(), line, is_test: false });
        }
        line += whole.matches('\n').count();
        at += len;
    }
    tokens
}

/// The length of the piece that `rest` begins with, and what to show of it: nothing of blanks and
/// comments, the quotes of what is quoted, all (`""`) of the others.
fn piece(rest: &str) -> (usize, Option<&'static str>) {
    let first = rest.chars().next().expect("the text has not ended");
    if first.is_whitespace() {
        (first.len_utf8(), None)
    } else if rest.starts_with("//") {
        (rest.find('\n').unwrap_or(rest.len()), None)
    } else if rest.starts_with("/*") {
        (block_comment_len(rest), None)
    } else if let Some(len) = raw_string_len(rest) {
        (len, Some("\"\""))
    } else if first == '"' {
        (1 + quoted_len(&rest[1..], '"'), Some("\"\""))
    } else if first == '\'' {
        quote(rest)
    } else if is_in_word(first) {
        (rest.find(|c| !is_in_word(c)).unwrap_or(rest.len()), Some(""))
    } else if rest.starts_with("::") {
        (2, Some(""))
    } else {
        (first.len_utf8(), Some(""))
    }
}

fn is_in_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn block_comment_len(rest: &str) -> usize {
    let mut depth = 0;
    for at in 0..rest.len() {
        match rest.as_bytes()[at..] {
            [b'/', b'*', ..] => depth += 1,
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => depth -= 1,
            _ => {}
        }
    }
    rest.len()
}

fn raw_string_len(rest: &str) -> Option<usize> {
    let after_letters = rest.strip_prefix(['b', 'c']).unwrap_or(rest).strip_prefix('r')?;
    let inside = after_letters.trim_start_matches('#').strip_prefix('"')?;
    let hashes = after_letters.len() - inside.len() - 1;
    let end = format!("\"{}", "#".repeat(hashes));
    let inside_len = inside.find(&end).map_or(inside.len(), |at| at + end.len());
    Some(rest.len() - inside.len() + inside_len)
}

/// The length up to and with the closing quote.
fn quoted_len(inside: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in inside.char_indices() {
        if c == quote && !is_escaped {
            return at + 1;
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    inside.len()
}

/// A character in quotes, or a lifetime.
fn quote(rest: &str) -> (usize, Option<&'static str>) {
    let mut inside = rest[1..].chars();
    let (first, second) = (inside.next(), inside.next());
    if first == Some('\\') || second == Some('\'') {
        return (1 + quoted_len(&rest[1..], '\''), Some("''"));
    }
    let name_len = rest[1..].find(|c| !is_in_word(c)).unwrap_or(rest.len() - 1);
    (1 + name_len, Some(""))
}
