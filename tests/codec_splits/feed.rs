//! Feeds a codec a stream in pieces, the way the engine does.

use windlass::{Codec, Decoded, FrameError};

use super::fixture::{all_cuts, pieces};

/// What a stream came to: its frames, and whether it ended well after them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) end: Result<(), FrameError>,
}

/// When the codec is asked again about an unfinished frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asking {
    /// When as many bytes are there as it said it needs.
    WhenNeeded,
    /// With each piece.
    Always,
}

/// A codec whose frames can be kept as bytes.
pub(crate) trait Bytewise: Codec + Clone + std::fmt::Debug {
    /// The bytes of `frame`.
    fn to_bytes(frame: Self::Frame<'_>) -> Vec<u8>;
}

impl<C> Bytewise for C
where
    C: Codec + Clone + std::fmt::Debug,
    for<'a> C::Frame<'a>: AsRef<[u8]>,
{
    fn to_bytes(frame: Self::Frame<'_>) -> Vec<u8> {
        frame.as_ref().to_vec()
    }
}

/// Feeds `stream` to a fresh clone of `codec`, cut at the offsets `cuts`, in ascending order.
///
/// # Panics
///
/// If the codec breaks a rule of [`Codec`] on the way.
pub(crate) fn feed<C: Bytewise>(
    codec: &C,
    stream: &[u8],
    cuts: &[usize],
    asking: Asking,
) -> Outcome {
    let mut codec = codec.clone();
    let (mut frames, mut rest, mut need) = (Vec::new(), Vec::new(), 1);
    for piece in pieces(stream, cuts) {
        rest.extend_from_slice(piece);
        while !rest.is_empty() && (asking == Asking::Always || rest.len() >= need) {
            let rest_len = rest.len();
            match decode(&mut codec, &mut rest) {
                Ok(Decoded::Frame { frame, consumed }) => {
                    assert!((1..=rest_len).contains(&consumed), "took {consumed} of {rest_len}");
                    frames.push(frame);
                    rest.drain(..consumed);
                    need = 1;
                }
                Ok(Decoded::Incomplete { need: more }) => {
                    assert!(more > rest_len, "needs {more}, and has {rest_len}");
                    assert!(more <= codec.max_frame_len(), "{more} were not accounted for");
                    need = more;
                    break;
                }
                Err(error) => return Outcome { frames, end: Err(error) },
            }
        }
    }
    let end = codec.decode_end(&mut rest).map(|last| frames.extend(last.map(C::to_bytes)));
    Outcome { frames, end }
}

/// Asks `codec` once, and keeps the frame.
fn decode<C: Bytewise>(codec: &mut C, input: &mut [u8]) -> Result<Decoded<Vec<u8>>, FrameError> {
    Ok(match codec.decode(input)? {
        Decoded::Frame { frame, consumed } => {
            Decoded::Frame { frame: C::to_bytes(frame), consumed }
        }
        Decoded::Incomplete { need } => Decoded::Incomplete { need },
    })
}

/// Asserts that `stream` comes to `expected` however it is cut.
pub(crate) fn assert_same_for_every_cut<C: Bytewise>(codec: &C, stream: &[u8], expected: &Outcome) {
    for cuts in all_cuts(stream.len()) {
        assert_outcome(codec, stream, &cuts, expected);
    }
}

/// Asserts that `stream`, cut at `cuts`, comes to `expected`.
pub(crate) fn assert_outcome<C: Bytewise>(
    codec: &C,
    stream: &[u8],
    cuts: &[usize],
    expected: &Outcome,
) {
    for asking in [Asking::WhenNeeded, Asking::Always] {
        let outcome = feed(codec, stream, cuts, asking);
        assert!(
            outcome == *expected,
            "codec: {codec:?}\nstream: b\"{}\"\ncuts: {cuts:?}, asking {asking:?}\n\
             outcome: {outcome:?}\nexpected: {expected:?}",
            stream.escape_ascii()
        );
    }
}
