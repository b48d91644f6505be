//! Where frames begin and end, in both directions.
//!
//! A [`Codec`] finds the edges of frames in a stream of bytes, gives each frame its type, and turns
//! answers into bytes again. It does no input and output of its own and keeps no bytes: it is shown
//! what has arrived, says what it found, and is shown the rest again later, with more behind it.
//!
//! Built in, with what a handler is given for a frame and what it sends as a message:
//!
//! | codec | a frame is | given | sent |
//! |---|---|---|---|
//! | [`Raw`] | whatever has arrived | `&mut [u8]` | `&[u8]` |
//! | [`Lines`] | UTF-8 text before LF or CR LF | `&str` | `&str` |
//! | [`ByteLines`] | any bytes before LF or CR LF | `&mut [u8]` | `&[u8]` |
//! | [`Delimited`] | what stands before a delimiter | `&mut [u8]` | `&[u8]` |
//! | [`Fixed`] | a number of bytes that is always the same | `&mut [u8]` | `&[u8]` |
//! | [`LengthPrefixed`] | what follows on its length in 1 to 8 bytes | `&mut [u8]` | `&[u8]` |
//! | [`Varint`] | what follows on its length in LEB128 | `&mut [u8]` | `&[u8]` |

mod byte_lines;
mod delimited;
mod fixed;
mod length_prefixed;
mod lines;
mod pattern;
mod raw;
mod scan;
mod varint;

pub use byte_lines::ByteLines;
pub use delimited::Delimited;
pub use fixed::Fixed;
pub use length_prefixed::{Endian, LengthPrefixed};
pub use lines::Lines;
pub use raw::Raw;
#[cfg(test)]
pub(crate) use scan::looks;
pub use varint::Varint;

use crate::error::{FrameError, FrameFault};
use crate::output::Output;

/// The greatest maximum a built-in codec takes: with it a frame and its header still fit 32 bits,
/// which is what a connection stores its lengths in.
const GREATEST_LEN: usize = i32::MAX as usize;

/// A frame's greatest length, from a setting, as it is stored.
///
/// # Panics
///
/// If it is zero or 2 GiB and more.
const fn checked_len(len: usize) -> u32 {
    assert!(len > 0, "a frame length of zero bytes lets no frame through");
    assert!(len <= GREATEST_LEN, "a frame length of 2 GiB and more is not supported");
    stored_len(len)
}

/// A length that a maximum bounds, as it is stored.
const fn stored_len(len: usize) -> u32 {
    assert!(len <= u32::MAX as usize, "no codec looks at more than its maximum");
    #[expect(clippy::cast_possible_truncation, reason = "asserted above")]
    let stored = len as u32;
    stored
}

/// The frame, or the message, goes on beyond its `limit`.
#[cold]
const fn too_long(limit: usize) -> FrameError {
    FrameError::new(FrameFault::TooLong { limit }, limit)
}

/// What a [`Codec`] found at the beginning of its input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decoded<F> {
    /// A whole frame.
    Frame {
        /// The frame.
        frame: F,
        /// How many bytes of the input it took: at least one.
        consumed: usize,
    },
    /// The beginning of a frame.
    Incomplete {
        /// How many bytes the input must have, those seen included, before it is worth asking
        /// again: more than it has now. The engine does not ask before, unless the stream ends.
        need: usize,
    },
}

/// A protocol's framing: one value of it per connection, cloned from the listener's.
///
/// The rules, which the engine relies on:
///
/// * `decode` is shown the same unfinished frame again, from its first byte, with more bytes
///   behind. It may keep a note of how far it has scanned, so that no byte is looked at more than
///   twice, and forgets the note when it answers with a frame.
/// * The outcome does not depend on how the bytes were cut.
/// * Everything has a maximum. A frame that would be longer is an error as soon as that is known.
///   `need` may be as large as the peer announced, up to that maximum: memory is only taken as the
///   bytes arrive.
/// * `encode` refuses what `decode` would, and then has put nothing into the output.
///
/// ```
/// use windlass::{Codec, Decoded, FrameError, Output};
///
/// /// Frames of one byte.
/// #[derive(Clone, Default)]
/// struct Bytewise;
///
/// impl Codec for Bytewise {
///     type Frame<'a> = u8;
///     type Message<'a> = u8;
///
///     fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<u8>, FrameError> {
///         Ok(Decoded::Frame { frame: input[0], consumed: 1 })
///     }
///
///     fn encode(&mut self, message: u8, output: &mut Output) -> Result<(), FrameError> {
///         output.put(&[message]);
///         Ok(())
///     }
///
///     fn max_frame_len(&self) -> usize {
///         1
///     }
/// }
/// ```
pub trait Codec {
    /// A frame as the handler sees it: typed, and borrowed from the bytes it came in.
    type Frame<'a>;
    /// What the handler sends: typed, and borrowed from wherever the handler has it.
    type Message<'a>;

    /// Looks for a frame at the beginning of `input`, which is never empty.
    ///
    /// The frame may be changed in place, since its bytes are not looked at again. What is not
    /// consumed must stay as it is: it is shown again.
    ///
    /// # Errors
    ///
    /// Bytes that are no frame, or one that is too long. The connection is closed.
    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<Self::Frame<'a>>, FrameError>;

    /// The stream has ended after `input`, which [`decode`](Self::decode) called incomplete, or
    /// which is empty. Is it a last frame?
    ///
    /// # Errors
    ///
    /// If the stream may not end here. Unless it is told otherwise, a codec refuses to end inside a
    /// frame.
    fn decode_end<'a>(
        &mut self,
        input: &'a mut [u8],
    ) -> Result<Option<Self::Frame<'a>>, FrameError> {
        match input.len() {
            0 => Ok(None),
            len => Err(FrameError::new(FrameFault::Truncated, len)),
        }
    }

    /// Puts `message` into `output` as a frame.
    ///
    /// # Errors
    ///
    /// A message that would be no frame for the decoder, or one that is too long. Nothing is put.
    fn encode(&mut self, message: Self::Message<'_>, output: &mut Output)
    -> Result<(), FrameError>;

    /// What [layers](crate::middleware) are shown of a frame, given all its bytes on the wire, or
    /// none: without its length or delimiter, if it has one. Unless told otherwise, all of them.
    fn body<'a>(&self, wire: &'a [u8]) -> &'a [u8] {
        wire
    }

    /// The most bytes an unfinished frame can come to: what one connection may make the engine
    /// hold. The memory budget is checked against it when the server is built.
    fn max_frame_len(&self) -> usize;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts that what layers are shown of a message on the wire is what the handler is given.
    fn assert_body<C>(mut codec: C, message: C::Message<'_>, body: &[u8])
    where
        C: Codec,
        for<'a> C::Frame<'a>: AsRef<[u8]>,
    {
        let mut output = Output::new();
        codec.encode(message, &mut output).unwrap();
        let mut wire = output.to_vec();
        assert_eq!(codec.body(&wire), body);
        assert_eq!(codec.body(&[]), b"");
        match codec.decode(&mut wire) {
            Ok(Decoded::Frame { frame, .. }) => assert_eq!(frame.as_ref(), body),
            other => panic!("{:?}", other.map(|_| "incomplete")),
        }
    }

    #[test]
    fn layers_are_shown_what_the_handler_is_given() {
        assert_body(Raw, b"hello", b"hello");
        assert_body(Lines::default(), "hello", b"hello");
        assert_body(Lines::default().crlf(), "hello", b"hello");
        assert_body(ByteLines::default(), b"hello", b"hello");
        assert_body(Delimited::new(b"--"), b"hello", b"hello");
        assert_body(Fixed::new(5), b"hello", b"hello");
        assert_body(LengthPrefixed::default(), b"hello", b"hello");
        assert_body(LengthPrefixed::default().keep_header(), b"\0\0\0\x01a", b"\0\0\0\x01a");
        assert_body(Varint::default(), &[7; 300], &[7; 300]);
    }
}
