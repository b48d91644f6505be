//! Codecs: a buffer of frames, to be taken apart or put together.

use std::hint::black_box;

use windlass::{Codec, Decoded, Delimited, LengthPrefixed, Lines, Output, Varint, parts};

use crate::Work;

/// A message where nothing else is said.
const MESSAGE: [u8; 64] = [b'x'; 64];
const SHORT_LEN: usize = 16;
const LONG_LEN: usize = 1024;

/// So many messages after a length of four bytes.
pub fn decode_lengths(frames: usize) -> Work {
    decoding(LengthPrefixed::default(), &MESSAGE, frames)
}

/// So many lines of 16 bytes.
pub fn decode_short_lines(frames: usize) -> Work {
    decoding(Lines::default(), &"x".repeat(SHORT_LEN), frames)
}

/// So many lines of 1 KiB.
pub fn decode_long_lines(frames: usize) -> Work {
    decoding(Lines::default(), &"x".repeat(LONG_LEN), frames)
}

/// So many messages before a delimiter of two bytes.
pub fn decode_delimited(frames: usize) -> Work {
    decoding(Delimited::new(b"\r\n"), &MESSAGE, frames)
}

/// So many messages after a length of one byte.
pub fn decode_varints(frames: usize) -> Work {
    decoding(Varint::default(), &MESSAGE, frames)
}

/// So many messages that get a length of four bytes.
pub fn encode_lengths(frames: usize) -> Work {
    encoding(LengthPrefixed::default(), Box::new(MESSAGE), frames)
}

/// So many lines of 16 bytes, in which an end is looked for.
pub fn encode_lines(frames: usize) -> Work {
    encoding(Lines::default(), "x".repeat(SHORT_LEN).into(), frames)
}

/// So many messages that get a delimiter, which is looked for in them.
pub fn encode_delimited(frames: usize) -> Work {
    encoding(Delimited::new(b"\r\n"), Box::new(MESSAGE), frames)
}

/// So many messages that get a length of one byte.
pub fn encode_varints(frames: usize) -> Work {
    encoding(Varint::default(), Box::new(MESSAGE), frames)
}

/// To find the frames in a buffer that holds so many, as it does after a read.
fn decoding<C, M: ?Sized>(mut codec: C, message: &M, frames: usize) -> Work
where
    C: for<'a> Codec<Message<'a> = &'a M> + 'static,
{
    let mut output = Output::new();
    put(&mut codec, message, frames, &mut output);
    let mut input = output.to_vec();
    Box::new(move || {
        let (mut found, mut at) = (0, 0);
        while at < input.len() {
            let Ok(Decoded::Frame { frame, consumed }) = codec.decode(&mut input[at..]) else {
                panic!("there are whole frames only");
            };
            black_box(frame);
            at += consumed;
            found += 1;
        }
        found
    })
}

/// To put a message so many times into an output, which has had room for that since before.
fn encoding<C, M: ?Sized + 'static>(mut codec: C, message: Box<M>, frames: usize) -> Work
where
    C: for<'a> Codec<Message<'a> = &'a M> + 'static,
{
    let mut output = Output::new();
    put(&mut codec, &message, frames, &mut output);
    parts::clear(&mut output);
    Box::new(move || put(&mut codec, &message, frames, &mut output))
}

fn put<C, M: ?Sized>(codec: &mut C, message: &M, frames: usize, output: &mut Output) -> usize
where
    C: for<'a> Codec<Message<'a> = &'a M>,
{
    for _ in 0..frames {
        codec.encode(black_box(message), output).expect("it is no longer than any");
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_taken_apart_again_each_time() {
        for mut work in [decode_lengths(16), decode_long_lines(16), encode_varints(16)] {
            assert_eq!((work(), work()), (16, 16));
        }
    }
}
