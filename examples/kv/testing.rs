//! For the tests of commands: requests as bytes, answers as bytes, and no network.

use windlass::{Codec, Decoded, Output};

use super::command::Command;
use super::reply::{Replies, Reply, Version};
use super::request::Request;
use super::resp::{Limits, Resp};
use super::store::{Store, StoreLimits};

/// Answers, as they would be sent.
#[derive(Default)]
pub(crate) struct Answers {
    output: Output,
    version: Version,
}

impl Replies for Answers {
    fn put(&mut self, reply: Reply<'_>) {
        reply.encode(self.version, &mut self.output);
    }

    fn version(&mut self) -> Version {
        self.version
    }
}

/// What `store` answers to a command, as in `SET key "a value"`: the bytes, escaped.
pub(crate) fn ask(store: &mut Store, line: &str) -> String {
    answer(store, line, Version::Resp2)
}

/// As [`ask`], in the third version of the protocol.
pub(crate) fn ask3(store: &mut Store, line: &str) -> String {
    answer(store, line, Version::Resp3)
}

/// Asserts that a new store answers to each of the lines as is written behind its arrow, which is
/// what a Redis server answers; each end of a line is a blank there.
#[track_caller]
pub(crate) fn assert_answers(talk: &str) {
    assert_talk(talk, Version::Resp2);
}

/// As [`assert_answers`], in the third version of the protocol.
#[track_caller]
pub(crate) fn assert_answers3(talk: &str) {
    assert_talk(talk, Version::Resp3);
}

#[track_caller]
fn assert_talk(talk: &str, version: Version) {
    let mut store = store();
    for line in talk.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (command, expected) = line.rsplit_once(" => ").expect("every line has an answer");
        let answer = answer(&mut store, command, version).replace("\\r\\n", " ");
        assert_eq!(answer.trim_end(), expected, "{command}");
    }
}

/// A store that is empty, at one second after the beginning of time.
pub(crate) fn store() -> Store {
    let mut store = Store::new(
        StoreLimits { max_bytes: usize::MAX, max_len: 1 << 20, max_request_len: 1 << 24 },
        1,
    );
    store.set_now(1000);
    store
}

fn answer(store: &mut Store, line: &str, version: Version) -> String {
    let mut codec = Resp::new(Limits { max_value_len: 1 << 20, max_request_len: 1 << 24 }, false);
    let mut line = format!("{line}\n").into_bytes();
    let Ok(Decoded::Frame { frame, .. }) = codec.decode(&mut line) else { panic!("no request") };
    let mut answers = Answers { output: Output::new(), version };
    match frame {
        Request::Command(call) => {
            let done = call.command().and_then(|command| run(command, store, &mut answers));
            if let Err(refusal) = done {
                answers.put(Reply::Error(&refusal.text(call.words)));
            }
        }
        Request::WrongArity { .. } => answers.put(Reply::Error("ERR wrong arity")),
        other => panic!("{other:?}"),
    }
    answers.output.to_vec().escape_ascii().to_string().replace("\\'", "'")
}

/// Does a command that needs nothing but the store.
fn run(
    command: Command<'_>,
    store: &mut Store,
    to: &mut Answers,
) -> Result<(), super::refusal::Refusal> {
    super::dispatch::run(command, store, to).unwrap_or_else(|| panic!("it needs a connection"))
}
