//! Every short stream over a small alphabet, against a plain reading of the whole stream.

use windlass::{Delimited, FrameError, FrameFault, Lines};

use crate::feed::{Outcome, assert_outcome};

const fn too_long(limit: usize) -> FrameError {
    FrameError::new(FrameFault::TooLong { limit }, limit)
}

/// All strings of up to `max_len` bytes of `alphabet`.
fn words(alphabet: &[u8], max_len: usize) -> Vec<Vec<u8>> {
    let mut words = vec![vec![]];
    let mut from = 0;
    for _ in 0..max_len {
        let to = words.len();
        for shorter in from..to {
            for byte in alphabet {
                let word = [&words[shorter][..], &[*byte]].concat();
                words.push(word);
            }
        }
        from = to;
    }
    words
}

/// The frames of `stream`, by a function that says what the beginning of a stream that is not empty
/// is: a frame and how many bytes it took, or how the stream ends.
fn outcome(
    mut stream: &[u8],
    next: impl Fn(&[u8]) -> Result<(Vec<u8>, usize), FrameError>,
) -> Outcome {
    let mut frames = Vec::new();
    while !stream.is_empty() {
        match next(stream) {
            Ok((frame, consumed)) => {
                frames.push(frame);
                stream = &stream[consumed..];
            }
            Err(error) => return Outcome { frames, end: Err(error) },
        }
    }
    Outcome { frames, end: Ok(()) }
}

fn next_line(stream: &[u8], max_len: usize) -> Result<(Vec<u8>, usize), FrameError> {
    let (line, consumed) = match stream.iter().position(|byte| *byte == b'\n') {
        Some(lf) => (stream[..lf].strip_suffix(b"\r").unwrap_or(&stream[..lf]), lf + 1),
        None => (stream, stream.len()),
    };
    if line.len() > max_len {
        return Err(too_long(max_len));
    }
    match std::str::from_utf8(line) {
        Ok(line) => Ok((line.as_bytes().to_vec(), consumed)),
        Err(error) => {
            let fault = FrameFault::Malformed("the line is not UTF-8");
            Err(FrameError::new(fault, error.valid_up_to()))
        }
    }
}

fn next_delimited(
    stream: &[u8],
    delimiter: &[u8],
    max_len: usize,
) -> Result<(Vec<u8>, usize), FrameError> {
    // The delimiter, or else as much of it as may stand at the end: nothing, if need be.
    let starts_here = |at: &usize| {
        let rest = &stream[*at..];
        rest.starts_with(delimiter) || delimiter.starts_with(rest)
    };
    let len = (0..=stream.len()).find(starts_here).expect("nothing may stand at the end");
    if len > max_len {
        Err(too_long(max_len))
    } else if stream[len..].starts_with(delimiter) {
        Ok((stream[..len].to_vec(), len + delimiter.len()))
    } else {
        Err(FrameError::new(FrameFault::Truncated, stream.len()))
    }
}

#[test]
fn every_short_stream_of_lines_is_read_as_promised() {
    let codec = Lines::default().max_len(2);
    for stream in words(b"a\r\n\xC3\xA9", 6) {
        let expected = outcome(&stream, |rest| next_line(rest, 2));
        assert_outcome(&codec, &stream, &[], &expected);
        assert_outcome(&codec, &stream, &(1..stream.len()).collect::<Vec<_>>(), &expected);
    }
}

#[test]
fn every_short_stream_of_delimited_frames_is_read_as_promised() {
    for delimiter in words(b"ab", 4).iter().skip(1) {
        let codec = Delimited::new(delimiter).max_len(3);
        for stream in words(b"ab", 9) {
            let expected = outcome(&stream, |rest| next_delimited(rest, delimiter, 3));
            assert_outcome(&codec, &stream, &[], &expected);
            assert_outcome(&codec, &stream, &(1..stream.len()).collect::<Vec<_>>(), &expected);
        }
    }
}
