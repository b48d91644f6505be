//! Frames of one length.

use crate::codec::{Codec, Decoded, checked_len, too_long};
use crate::error::{FrameError, FrameFault};
use crate::output::Output;

/// Frames that all have the same length.
///
/// ```
/// use windlass::{Codec, Decoded, Fixed};
///
/// let mut codec = Fixed::new(4);
/// let mut arrived = *b"abcdef";
/// let Ok(Decoded::Frame { frame, consumed }) = codec.decode(&mut arrived) else { panic!() };
/// assert_eq!((&*frame, consumed), (&b"abcd"[..], 4));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fixed {
    frame_len: u32,
}

impl Default for Fixed {
    /// Frames of one byte.
    fn default() -> Self {
        Self::new(1)
    }
}

impl Fixed {
    /// Frames of `frame_len` bytes.
    ///
    /// # Panics
    ///
    /// If that is zero, or 2 GiB and more.
    pub const fn new(frame_len: usize) -> Self {
        Self { frame_len: checked_len(frame_len) }
    }
}

impl Codec for Fixed {
    type Frame<'a> = &'a mut [u8];
    type Message<'a> = &'a [u8];

    #[inline]
    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<&'a mut [u8]>, FrameError> {
        let frame_len = self.frame_len as usize;
        Ok(match input.get_mut(..frame_len) {
            Some(frame) => Decoded::Frame { frame, consumed: frame_len },
            None => Decoded::Incomplete { need: frame_len },
        })
    }

    #[inline]
    fn encode(&mut self, message: &[u8], output: &mut Output) -> Result<(), FrameError> {
        let frame_len = self.frame_len as usize;
        if message.len() > frame_len {
            return Err(too_long(frame_len));
        }
        if message.len() < frame_len {
            let fault = FrameFault::Malformed("the message is shorter than a frame");
            return Err(FrameError::new(fault, message.len()));
        }
        output.put(message);
        Ok(())
    }

    fn max_frame_len(&self) -> usize {
        self.frame_len as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_complete_with_its_last_byte() {
        let mut codec = Fixed::new(3);
        assert_eq!(codec.decode(&mut [1, 2]), Ok(Decoded::Incomplete { need: 3 }));
        for input in [&[1, 2, 3][..], &[1, 2, 3, 4]] {
            let frame = Decoded::Frame { frame: &mut [1, 2, 3][..], consumed: 3 };
            assert_eq!(codec.decode(&mut input.to_vec()), Ok(frame));
        }
    }

    #[test]
    fn a_stream_that_ends_inside_a_frame_was_truncated() {
        let error = Fixed::new(3).decode_end(&mut [1, 2]).unwrap_err();
        assert_eq!(error, FrameError::new(FrameFault::Truncated, 2));
    }

    #[test]
    fn a_message_of_another_length_is_refused() {
        let (mut codec, mut output) = (Fixed::new(3), Output::new());
        let short = codec.encode(&[1, 2], &mut output).unwrap_err();
        assert_eq!(short.to_string(), "byte 2: the message is shorter than a frame");
        assert_eq!(codec.encode(&[1, 2, 3, 4], &mut output), Err(too_long(3)));
        assert!(output.is_empty());
        codec.encode(&[1, 2, 3], &mut output).unwrap();
        assert_eq!(output.to_vec(), [1, 2, 3]);
    }

    #[test]
    #[should_panic(expected = "zero bytes")]
    fn frames_without_bytes_are_refused() {
        let _ = Fixed::new(0);
    }
}
