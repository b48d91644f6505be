//! Bytes as they come.

use crate::codec::{Codec, Decoded};
use crate::error::FrameError;
use crate::output::Output;

/// No framing: each frame is whatever has arrived, and what is sent goes out as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Raw;

impl Codec for Raw {
    type Frame<'a> = &'a mut [u8];
    type Message<'a> = &'a [u8];

    #[inline]
    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<&'a mut [u8]>, FrameError> {
        let consumed = input.len();
        Ok(Decoded::Frame { frame: input, consumed })
    }

    #[inline]
    fn encode(&mut self, message: &[u8], output: &mut Output) -> Result<(), FrameError> {
        output.put(message);
        Ok(())
    }

    fn max_frame_len(&self) -> usize {
        0
    }
}
