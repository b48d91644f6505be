//! What comes to the key-value server: however requests are cut, they are those that a plain reader
//! finds in the whole stream, each command has exactly one answer, and what is removed takes no
//! memory any more.

use windlass::{Codec, Decoded, Output};

use super::choices::Choices;

#[path = "../../examples/kv/main.rs"]
#[allow(dead_code, reason = "it serves nobody here")]
pub(super) mod example;

use example::command::Command;
use example::dispatch;
use example::reply::{Replies, Reply, Version};
use example::request::{Call, Fault, Request};
use example::resp::{Limits, Resp};
use example::store::{Store, StoreLimits};

/// Streams can be longer than is allowed without being long.
const LIMITS: Limits = Limits { max_value_len: 120, max_request_len: 400 };
const STORE_LIMITS: StoreLimits =
    StoreLimits { max_bytes: usize::MAX, max_len: 1000, max_request_len: 400 };

/// The names of keys, and other words of which many commands make use.
const WORDS: [&str; 24] = [
    "a",
    "b",
    "c",
    "d",
    "0",
    "1",
    "-1",
    "2",
    "10",
    "1.5",
    "-inf",
    "(1",
    "EX",
    "PX",
    "NX",
    "GT",
    "GET",
    "MATCH",
    "COUNT",
    "LEFT",
    "WITHSCORES",
    "LIMIT",
    "*",
    "",
];

/// What a stream comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Came {
    Words(Vec<Vec<u8>>),
    Nothing,
    /// Nothing comes after it.
    Broken(Fault),
}

/// A stream that is cut into pieces of a length that it decides itself.
pub(crate) fn kv(bytes: &[u8]) {
    let choices = &mut Choices::new(bytes);
    let piece_len = 1 + choices.below(40);
    let is_made = choices.chance(70);
    let stream = if is_made { commands(choices) } else { choices.rest().to_vec() };
    let whole = read(&stream, usize::MAX);
    assert_eq!(read(&stream, 1), whole, "byte by byte");
    assert_eq!(read(&stream, piece_len), whole, "in pieces of {piece_len}");
    assert_eq!(whole, plain(&stream));
    for version in [Version::Resp2, Version::Resp3] {
        run_all(&whole, version);
    }
}

/// Commands of words that are known, some of them on lines.
fn commands(choices: &mut Choices<'_>) -> Vec<u8> {
    let names: Vec<&str> = example::command::all().map(|(_, spec)| spec.name).collect();
    let mut stream = Vec::new();
    while !choices.is_empty() && stream.len() < 4096 {
        let mut words = vec![choices.pick(&names).as_bytes()];
        for _ in 0..choices.below(7) {
            let is_known = choices.chance(80);
            let len = if is_known { 0 } else { choices.below(130) };
            words.push(if is_known { choices.pick(&WORDS).as_bytes() } else { choices.take(len) });
        }
        if choices.chance(90) {
            stream.extend(format!("*{}\r\n", words.len()).bytes());
            for word in words {
                stream.extend(format!("${}\r\n", word.len()).bytes());
                stream.extend(word);
                stream.extend(b"\r\n");
            }
        } else {
            stream.extend(words.join(&b' '));
            stream.extend(b"\r\n");
        }
    }
    stream
}

/// What the codec makes of a stream that comes in pieces of this length.
fn read(stream: &[u8], piece_len: usize) -> Vec<Came> {
    let mut codec = Resp::new(LIMITS, false);
    let (mut input, mut came, mut need) = (Vec::new(), Vec::new(), 1);
    for piece in stream.chunks(piece_len) {
        input.extend_from_slice(piece);
        while input.len() >= need {
            let input_len = input.len();
            let consumed = match codec.decode(&mut input).expect("what is wrong is a frame, too") {
                Decoded::Incomplete { need: more } => {
                    assert!((input_len + 1..=codec.max_frame_len()).contains(&more), "{more}");
                    need = more;
                    break;
                }
                Decoded::Frame { frame, consumed } => {
                    came.push(take(frame));
                    consumed
                }
            };
            assert!((1..=input_len).contains(&consumed));
            input.drain(..consumed);
            if let Some(Came::Broken(_)) = came.last() {
                return came;
            }
            need = 1;
        }
    }
    came
}

fn take(request: Request<'_>) -> Came {
    let words = match request {
        Request::Ping => return Came::Words(vec![b"PING".to_vec()]),
        Request::Command(call) => call.words,
        Request::Unknown { words } | Request::WrongArity { words, .. } => words,
        Request::Nothing => return Came::Nothing,
        Request::Broken(fault) => return Came::Broken(fault),
    };
    let mut words: Vec<Vec<u8>> = words.map(<[u8]>::to_vec).collect();
    // The codec does not tell how the name of one command was written.
    if words.len() == 1 && words[0].eq_ignore_ascii_case(b"PING") {
        words[0] = b"PING".to_vec();
    }
    Came::Words(words)
}

/// What a stream comes to by the letter of the protocol.
fn plain(mut stream: &[u8]) -> Vec<Came> {
    let mut came = Vec::new();
    loop {
        let found = match stream.first() {
            None => return came,
            Some(b'*') => plain_array(stream),
            Some(_) => plain_line(stream),
        };
        match found {
            Ok(Some((found, rest))) => {
                came.push(found);
                stream = rest;
            }
            Ok(None) => return came,
            Err(fault) => {
                came.push(Came::Broken(fault));
                return came;
            }
        }
    }
}

type Found<'a, T> = Result<Option<(T, &'a [u8])>, Fault>;

fn fault<T>(what: &'static str) -> Result<T, Fault> {
    Err(Fault::Expected(what))
}

fn plain_array(stream: &[u8]) -> Found<'_, Came> {
    let head = plain_number(stream, "too big mbulk count string", "invalid multibulk length")?;
    let Some((count, mut rest)) = head else { return Ok(None) };
    if count > 1024 * 1024 {
        return fault("invalid multibulk length");
    }
    let mut words = Vec::new();
    for _ in 0..count {
        match rest.first() {
            None => return Ok(None),
            Some(b'$') => {}
            Some(other) => return Err(Fault::NoBulk(*other)),
        }
        let head = plain_number(rest, "too big bulk count string", "invalid bulk length")?;
        let Some((len, word)) = head else { return Ok(None) };
        let Some(len) = usize::try_from(len).ok().filter(|len| *len <= LIMITS.max_value_len) else {
            return fault("invalid bulk length");
        };
        if stream.len() - word.len() + len + 2 > LIMITS.max_request_len {
            return fault("too big request");
        }
        if word.len() < len + 2 {
            return Ok(None);
        }
        if &word[len..len + 2] != b"\r\n" {
            return fault("expected CRLF after a bulk string");
        }
        words.push(word[..len].to_vec());
        rest = &word[len + 2..];
    }
    if words.len() == 1 && words[0].eq_ignore_ascii_case(b"PING") {
        words[0] = b"PING".to_vec();
    }
    Ok(Some((if words.is_empty() { Came::Nothing } else { Came::Words(words) }, rest)))
}

/// The number on a line, after its first byte.
fn plain_number<'a>(stream: &'a [u8], too_big: &'static str, bad: &'static str) -> Found<'a, i64> {
    let Some(len) = stream.iter().take(24).position(|byte| *byte == b'\r') else {
        return if stream.len() < 24 { Ok(None) } else { fault(too_big) };
    };
    let number = str::from_utf8(&stream[1..len]).unwrap_or_default();
    let Some(value) = number.parse::<i64>().ok().filter(|value| value.to_string() == number) else {
        return fault(bad);
    };
    match stream.get(len + 1) {
        None => Ok(None),
        Some(b'\n') => Ok(Some((value, &stream[len + 2..]))),
        Some(_) => fault(bad),
    }
}

fn plain_line(stream: &[u8]) -> Found<'_, Came> {
    let most = LIMITS.max_request_len;
    let Some(len) = stream.iter().take(most).position(|byte| *byte == b'\n') else {
        return if stream.len() < most { Ok(None) } else { fault("too big inline request") };
    };
    let (line, rest) = stream.split_at(len + 1);
    let Some(mut words) = plain_words(line) else { return fault("unbalanced quotes in request") };
    if words.len() == 1 && words[0].eq_ignore_ascii_case(b"PING") {
        words[0] = b"PING".to_vec();
    }
    Ok(Some((if words.is_empty() { Came::Nothing } else { Came::Words(words) }, rest)))
}

/// The words of a line, if its quotes match.
fn plain_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let is_blank = |byte: u8| byte == 0 || byte.is_ascii_whitespace() || byte == 0x0b;
    let mut bytes = line.iter().copied().peekable();
    let mut words = Vec::new();
    loop {
        while bytes.next_if(|byte| is_blank(*byte)).is_some() {}
        let mut word = Vec::new();
        if bytes.peek().is_none() {
            return Some(words);
        }
        while let Some(byte) = bytes.next_if(|byte| !is_blank(*byte)) {
            if !matches!(byte, b'"' | b'\'') {
                word.push(byte);
                continue;
            }
            loop {
                match (bytes.next()?, byte) {
                    (b'\\', b'\'') if bytes.next_if_eq(&b'\'').is_some() => word.push(b'\''),
                    (b'\\', b'"') => word.push(plain_escape(&mut bytes)?),
                    (end, _) if end == byte => break,
                    (other, _) => word.push(other),
                }
            }
            if bytes.peek().is_some_and(|byte| !is_blank(*byte)) {
                return None;
            }
        }
        words.push(word);
    }
}

/// What an escape stands for, after its backslash.
fn plain_escape(bytes: &mut (impl Iterator<Item = u8> + Clone)) -> Option<u8> {
    let next = bytes.next()?;
    let mut behind = bytes.clone();
    let digits = [behind.next(), behind.next()].map(|byte| char::from(byte.unwrap_or(0)));
    if let (b'x', [Some(high), Some(low)]) = (next, digits.map(|digit| digit.to_digit(16))) {
        *bytes = behind;
        return u8::try_from(high * 16 + low).ok();
    }
    Some(match next {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    })
}

/// Answers, as they would be sent.
struct Answers {
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

/// Does all commands that need nothing but a store, while time goes on.
fn run_all(came: &[Came], version: Version) {
    let mut store = Store::new(STORE_LIMITS, 1);
    for (at, came) in came.iter().enumerate() {
        store.set_now(1_000_000 + 400 * at as u64);
        if let Came::Words(words) = came {
            run(&mut store, words, version);
        }
        if at % 3 == 0 {
            store.expire_due(2);
        }
    }
    let keys: Vec<Vec<u8>> = store.iter().map(|(key, _)| key.to_vec()).collect();
    keys.iter().for_each(|key| assert!(store.remove(key)));
    store.expire_due(usize::MAX);
    store.set_now(u64::MAX - 1);
    store.expire_due(usize::MAX);
    assert_eq!((store.len(), store.used_bytes(), store.expiring_len()), (0, 0, 0));
}

fn run(store: &mut Store, words: &[Vec<u8>], version: Version) {
    let mut request = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        request.extend(format!("${}\r\n", word.len()).bytes());
        request.extend(word);
        request.extend(b"\r\n");
    }
    let mut codec = Resp::new(Limits { max_value_len: 1000, max_request_len: 10_000 }, false);
    let decoded = codec.decode(&mut request).expect("it is one");
    let Decoded::Frame { frame: Request::Command(call), .. } = decoded else { return };
    let mut to = Answers { output: Output::new(), version };
    let Some(done) = call
        .command()
        .map_or_else(|why| Some(Err(why)), |command| try_run(command, store, &mut to))
    else {
        return;
    };
    if let Err(why) = done {
        assert!(to.output.is_empty(), "{call:?} was refused and answered");
        to.put(Reply::Error(&why.text(call.words)));
    }
    let answer = to.output.to_vec();
    assert_eq!(value_len(&answer), Some(answer.len()), "{}", said(&call, &answer));
}

fn try_run(
    command: Command<'_>,
    store: &mut Store,
    to: &mut Answers,
) -> Option<Result<(), example::refusal::Refusal>> {
    dispatch::run(command, store, to)
}

fn said(call: &Call<'_>, answer: &[u8]) -> String {
    let words: Vec<String> = call.words.map(|word| word.escape_ascii().to_string()).collect();
    format!("{words:?}: {}", answer.escape_ascii())
}

/// How long the value at the beginning of an answer is, if it is whole and well-formed.
fn value_len(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(2).position(|pair| pair == b"\r\n")?;
    let (kind, rest, mut len) = (*answer.first()?, &answer[1..end], end + 2);
    let number = || str::from_utf8(rest).ok()?.parse::<i64>().ok();
    let elements = match kind {
        b'+' | b'-' => 0,
        b':' => number().map(|_| 0)?,
        b',' => str::from_utf8(rest).ok()?.parse::<f64>().ok().map(|_| 0)?,
        b'_' | b'$' | b'*' if rest.is_empty() || rest == b"-1" => 0,
        b'$' | b'=' => {
            let bytes = usize::try_from(number()?).ok()?;
            (answer.get(len + bytes..len + bytes + 2)? == b"\r\n").then_some(())?;
            len += bytes + 2;
            0
        }
        b'*' | b'~' | b'>' => number()?,
        b'%' => number()? * 2,
        _ => return None,
    };
    for _ in 0..elements {
        len += value_len(answer.get(len..)?)?;
    }
    Some(len)
}
