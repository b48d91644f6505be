//! Plain readers of whole streams: what the codecs promise, said in the shortest way.
//!
//! A reader says what the beginning of a stream is that is not empty and has ended: a frame and how
//! many bytes it took, or how the stream ends.

use windlass::{FrameError, FrameFault};

use super::feed::Outcome;

/// What a reader finds first.
pub(crate) type Next = Result<(Vec<u8>, usize), FrameError>;

/// The frames of `stream`, by a reader.
pub(crate) fn read(mut stream: &[u8], next: impl Fn(&[u8]) -> Next) -> Outcome {
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

/// A line, which may have to be text.
pub(crate) fn line(stream: &[u8], max_len: usize, is_text: bool) -> Next {
    let (line, consumed) = match stream.iter().position(|byte| *byte == b'\n') {
        Some(lf) => (stream[..lf].strip_suffix(b"\r").unwrap_or(&stream[..lf]), lf + 1),
        None => (stream, stream.len()),
    };
    if line.len() > max_len {
        return Err(too_long(max_len, max_len));
    }
    match std::str::from_utf8(line) {
        Err(error) if is_text => Err(malformed("the line is not UTF-8", error.valid_up_to())),
        _ => Ok((line.to_vec(), consumed)),
    }
}

pub(crate) fn delimited(stream: &[u8], delimiter: &[u8], max_len: usize) -> Next {
    // The delimiter, or else as much of it as may stand at the end: nothing, if need be.
    let starts_here = |at: &usize| {
        let rest = &stream[*at..];
        rest.starts_with(delimiter) || delimiter.starts_with(rest)
    };
    let len = (0..=stream.len()).find(starts_here).expect("nothing may stand at the end");
    if len > max_len {
        Err(too_long(max_len, max_len))
    } else if stream[len..].starts_with(delimiter) {
        Ok((stream[..len].to_vec(), len + delimiter.len()))
    } else {
        Err(truncated(stream))
    }
}

pub(crate) fn fixed(stream: &[u8], frame_len: usize) -> Next {
    let frame = stream.get(..frame_len).ok_or(truncated(stream))?;
    Ok((frame.to_vec(), frame_len))
}

pub(crate) fn varint(stream: &[u8], max_len: usize) -> Next {
    let too_wide = malformed("the length does not fit 64 bits", 9);
    let Some(last) = stream.iter().take(10).position(|byte| *byte < 128) else {
        return Err(if stream.len() < 10 { truncated(stream) } else { too_wide });
    };
    if last > 0 && stream[last] == 0 {
        return Err(malformed("the length is longer than it need be", last));
    }
    let septets = stream[..=last].iter().rev();
    let payload_len = septets.fold(0_u128, |len, byte| len * 128 + u128::from(byte % 128));
    if payload_len > u128::from(u64::MAX) {
        return Err(too_wide);
    }
    if payload_len > max_len as u128 {
        return Err(too_long(max_len, 0));
    }
    let end = last + 1 + usize::try_from(payload_len).expect("it is allowed");
    let frame = stream.get(last + 1..end).ok_or(truncated(stream))?;
    Ok((frame.to_vec(), end))
}

pub(crate) const fn too_long(limit: usize, at: usize) -> FrameError {
    FrameError::new(FrameFault::TooLong { limit }, at)
}

pub(crate) const fn malformed(what: &'static str, at: usize) -> FrameError {
    FrameError::new(FrameFault::Malformed(what), at)
}

/// The stream has ended inside of a frame.
pub(crate) const fn truncated(stream: &[u8]) -> FrameError {
    FrameError::new(FrameFault::Truncated, stream.len())
}
