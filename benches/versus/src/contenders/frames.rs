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
    /// each frame that ends in them, put together in `answers`.
    ///
    /// # Errors
    ///
    /// If a frame is too long.
    pub(super) fn answer<'a>(
        &mut self,
        protocol: Protocol,
        arrived: &'a [u8],
        answers: &'a mut Vec<u8>,
    ) -> io::Result<&'a [u8]> {
        let Some(answer_each) = answer_each(protocol) else { return Ok(arrived) };
        answers.clear();
        if self.unfinished.is_empty() {
            let consumed = answer_each(arrived, answers)?;
            self.unfinished.extend_from_slice(&arrived[consumed..]);
        } else {
            self.unfinished.extend_from_slice(arrived);
            let consumed = answer_each(&self.unfinished, answers)?;
            self.unfinished.drain(..consumed);
        }
        Ok(answers)
    }
}

/// Appends an answer to each whole frame, and says how many bytes these took; an error if one is too
/// long.
pub(super) type AnswerEach = fn(&[u8], &mut Vec<u8>) -> io::Result<usize>;

/// How frames are answered, if there are any.
pub(super) fn answer_each(protocol: Protocol) -> Option<AnswerEach> {
    match protocol {
        Protocol::Raw | Protocol::Datagram => None,
        Protocol::Length => Some(answer_each_length),
        Protocol::Line => Some(answer_each_line),
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

fn answer_each_length(input: &[u8], answers: &mut Vec<u8>) -> io::Result<usize> {
    let mut rest = input;
    while let Some((&header, after)) = rest.split_first_chunk() {
        let Some((payload, after)) = after.split_at_checked(payload_len(header)?) else { break };
        answers.extend_from_slice(&header);
        answers.extend_from_slice(payload);
        rest = after;
    }
    Ok(input.len() - rest.len())
}

fn answer_each_line(input: &[u8], answers: &mut Vec<u8>) -> io::Result<usize> {
    let mut rest = input;
    while let Some(end) = memchr(b'\n', rest) {
        let (line, after) = rest.split_at(end + 1);
        answers.extend_from_slice(line);
        rest = after;
    }
    if rest.len() > MAX_FRAME_LEN {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(input.len() - rest.len())
}
