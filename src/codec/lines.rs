//! Lines of text.

use crate::codec::{Codec, Decoded};
use crate::error::FrameError;
use crate::output::Output;

/// Lines.
#[derive(Clone, Debug, Default)]
pub struct Lines;

impl Codec for Lines {
    type Frame<'a> = &'a str;
    type Message = str;

    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<&'a str>, FrameError> {
        Ok(Decoded::Incomplete { need: input.len() + 1 })
    }

    fn encode(&mut self, message: &str, output: &mut Output) -> Result<(), FrameError> {
        output.put(message.as_bytes());
        output.put(b"\n");
        Ok(())
    }

    fn max_frame_len(&self) -> usize {
        65536
    }
}
