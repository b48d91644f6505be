//! Frames as a program cuts them that has no codec: shared by the contenders that bring none.

use std::io;

use memchr::memchr;

use crate::workload::Protocol;

/// What stands before the payload of a frame: its length, the highest byte first.
pub(super) const HEADER_LEN: usize = 4;
/// No frame is longer, its header not counted.
pub(super) const MAX_FRAME_LEN: usize = 8 * 1024 * 1024;

/// Cuts what arrives on one connection into frames, and answers each.
#[derive(Default)]
pub(super) struct Frames {
    /// The beginning of a frame whose end has not come.
    unfinished: Vec<u8>,
}

impl Frames {
    /// What is to be sent for `arrived`: for raw bytes these themselves, otherwise an answer to
    /// each frame that ends in them, put together in `room`, which grows as it must.
    ///
    /// # Errors
    ///
    /// If a frame is too long.
    pub(super) fn answer<'a>(
        &mut self,
        protocol: Protocol,
        arrived: &'a [u8],
        room: &'a mut Vec<u8>,
    ) -> io::Result<&'a [u8]> {
        let answer_each = match protocol {
            Protocol::Length => answer_each_length,
            Protocol::Line => answer_each_line,
            _ => return Ok(arrived),
        };
        let input_len = self.unfinished.len() + arrived.len();
        room.resize(room.len().max(input_len), 0);
        let answered_len;
        if self.unfinished.is_empty() {
            answered_len = answer_each(arrived, room)?;
            self.unfinished.extend_from_slice(&arrived[answered_len..]);
        } else {
            self.unfinished.extend_from_slice(arrived);
            answered_len = answer_each(&self.unfinished, room)?;
            self.unfinished.drain(..answered_len);
        }
        Ok(&room[..answered_len])
    }
}

/// The length that a header says.
///
/// # Errors
///
/// If that is too long.
pub(super) fn payload_len(header: [u8; HEADER_LEN]) -> io::Result<usize> {
    match usize::try_from(u32::from_be_bytes(header)) {
        Ok(len) if len <= MAX_FRAME_LEN => Ok(len),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Answers each whole frame, and says how many bytes they took, which is how long the answers are.
pub(super) fn answer_each_length(input: &[u8], answers: &mut [u8]) -> io::Result<usize> {
    let (mut rest, mut room) = (input, answers);
    while let Some((&header, payload_and_rest)) = rest.split_first_chunk() {
        let len = payload_len(header)?;
        let Some((payload, rest_after)) = payload_and_rest.split_at_checked(len) else { break };
        let (answer, room_after) = room.split_at_mut(HEADER_LEN + len);
        answer[..HEADER_LEN].copy_from_slice(&header);
        answer[HEADER_LEN..].copy_from_slice(payload);
        (rest, room) = (rest_after, room_after);
    }
    Ok(input.len() - rest.len())
}

/// Answers each whole line, and says how many bytes they took, which is how long the answers are.
pub(super) fn answer_each_line(input: &[u8], answers: &mut [u8]) -> io::Result<usize> {
    let (mut rest, mut room) = (input, answers);
    while let Some(end) = memchr(b'\n', rest) {
        let (line, rest_after) = rest.split_at(end + 1);
        let (answer, room_after) = room.split_at_mut(line.len());
        answer.copy_from_slice(line);
        (rest, room) = (rest_after, room_after);
    }
    if rest.len() > MAX_FRAME_LEN {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(input.len() - rest.len())
}
