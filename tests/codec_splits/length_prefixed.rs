//! `LengthPrefixed` with any settings, against a plain reading of the whole stream in numbers too
//! wide to wrap.

use windlass::{Codec, Endian, FrameError, FrameFault, LengthPrefixed, Output};

use crate::feed::{Outcome, assert_outcome};
use crate::fixture::Random;
use crate::round_trips::cuts;

const CASES: u64 = 20_000;

#[derive(Debug)]
struct Settings {
    width: usize,
    offset: usize,
    endian: Endian,
    adjustment: i32,
    includes_header: bool,
    keeps_header: bool,
    max_len: usize,
}

impl Settings {
    fn any(random: &mut Random) -> Self {
        let nearby = i32::try_from(random.below(41)).expect("small") - 20;
        Self {
            width: random.pick(&[1, 2, 3, 4, 4, 4, 8]),
            offset: random.pick(&[0, 0, 0, 1, 2, 7, 70]),
            endian: random.pick(&[Endian::Big, Endian::Little]),
            adjustment: random.pick(&[0, 0, 0, nearby, nearby, 1 << 30, -(1 << 30)]),
            includes_header: random.pick(&[false, true]),
            keeps_header: random.pick(&[false, false, true]),
            max_len: random.pick(&[1, 7, 20, 300, 70_000, i32::MAX as usize]),
        }
    }

    fn codec(&self) -> LengthPrefixed {
        let mut codec = LengthPrefixed::default()
            .width(self.width)
            .offset(self.offset)
            .endian(self.endian)
            .adjustment(self.adjustment)
            .max_len(self.max_len);
        if self.includes_header {
            codec = codec.includes_header();
        }
        if self.keeps_header {
            codec = codec.keep_header();
        }
        codec
    }

    fn header_len(&self) -> usize {
        self.offset + self.width
    }

    /// What a length says more than the payload has, in bytes.
    fn surplus(&self) -> i128 {
        let header_len = if self.includes_header { self.header_len() } else { 0 };
        header_len as i128 - i128::from(self.adjustment)
    }

    fn write_length(&self, mut length: i128) -> Vec<u8> {
        let mut bytes = vec![0; self.width];
        for byte in &mut bytes {
            *byte = (length % 256) as u8;
            length /= 256;
        }
        if self.endian == Endian::Big {
            bytes.reverse();
        }
        bytes
    }

    fn read_length(&self, bytes: &[u8]) -> i128 {
        let add = |length: i128, byte: &u8| length * 256 + i128::from(*byte);
        match self.endian {
            Endian::Big => bytes.iter().fold(0, add),
            Endian::Little => bytes.iter().rev().fold(0, add),
        }
    }

    fn decode(&self, mut stream: &[u8]) -> Outcome {
        let mut frames = Vec::new();
        while !stream.is_empty() {
            match self.next(stream) {
                Ok(len) => {
                    let stripped = if self.keeps_header { 0 } else { self.header_len() };
                    frames.push(stream[stripped..len].to_vec());
                    stream = &stream[len..];
                }
                Err(error) => return Outcome { frames, end: Err(error) },
            }
        }
        Outcome { frames, end: Ok(()) }
    }

    /// The length of the frame, with its header, at the beginning of `stream`.
    fn next(&self, stream: &[u8]) -> Result<usize, FrameError> {
        let truncated = FrameError::new(FrameFault::Truncated, stream.len());
        let header = stream.get(..self.header_len()).ok_or(truncated)?;
        let payload_len = self.read_length(&header[self.offset..]) - self.surplus();
        if payload_len < 0 {
            let what = "the length is less than it counts at least";
            return Err(FrameError::new(FrameFault::Malformed(what), self.offset));
        }
        if payload_len > self.max_len as i128 {
            let fault = FrameFault::TooLong { limit: self.max_len };
            return Err(FrameError::new(fault, self.offset));
        }
        let frame_len = self.header_len() + payload_len as usize;
        if stream.len() < frame_len { Err(truncated) } else { Ok(frame_len) }
    }

    /// The bytes that `message` is sent as, if it may be sent.
    fn encode(&self, message: &[u8]) -> Option<Vec<u8>> {
        if self.keeps_header {
            return (self.next(message).ok()? == message.len()).then(|| message.to_vec());
        }
        let length = message.len() as i128 + self.surplus();
        let can_be_written = (0..1_i128 << (8 * self.width)).contains(&length);
        if !can_be_written || message.len() > self.max_len {
            return None;
        }
        Some([&vec![0; self.offset][..], &self.write_length(length), message].concat())
    }

    /// Something like a message: with a header of its own, which may be wrong, if it is kept.
    fn any_message(&self, random: &mut Random) -> Vec<u8> {
        let len = random.pick(&[0, 1, 2, 5, 20, 21, 255, 256, 300]);
        let payload = random.bytes(len);
        if !self.keeps_header {
            return payload;
        }
        let wrong_by = random.pick(&[0, 0, 0, 0, 1, -1]);
        let length = (payload.len() as i128 + self.surplus() + wrong_by).max(0);
        [&random.bytes(self.offset)[..], &self.write_length(length), &payload].concat()
    }

    /// Some frames, and perhaps something else or the half of one behind them.
    fn any_stream(&self, random: &mut Random) -> Vec<u8> {
        let mut stream = Vec::new();
        for _ in 0..random.below(5) {
            stream.extend(self.encode(&self.any_message(random)).unwrap_or_default());
        }
        match random.below(4) {
            0 => {
                let len = random.below(12);
                stream.extend(random.bytes(len));
            }
            1 => {
                let near =
                    i128::from(random.pick(&[u64::MAX, 1 << 63, 1 << 62, 1 << 32, 1 << 24, 5]));
                let length = near + random.below(7) as i128 - 3;
                stream.extend(random.bytes(self.offset));
                stream.extend(self.write_length(length.min(near)));
                stream.extend(random.bytes(3));
            }
            2 => stream.truncate(random.below(stream.len() + 1)),
            _ => {}
        }
        stream
    }
}

#[test]
fn any_stream_is_read_as_a_plain_reader_would() {
    for seed in 0..CASES {
        let random = &mut Random::new(seed);
        let settings = Settings::any(random);
        let stream = settings.any_stream(random);
        let expected = settings.decode(&stream);
        let codec = settings.codec();
        let cuts = cuts(random, stream.len());
        let byte_by_byte: Vec<_> = (1..stream.len()).collect();
        for cuts in [&[], &cuts[..], &byte_by_byte] {
            let result = std::panic::catch_unwind(|| {
                assert_outcome(&codec, &stream, cuts, &expected);
            });
            assert!(result.is_ok(), "seed {seed}: {settings:?}");
        }
    }
}

#[test]
fn exactly_the_messages_that_arrive_as_they_were_sent_are_taken() {
    let (mut taken, mut refused) = (0, 0);
    for seed in 0..CASES {
        let random = &mut Random::new(seed);
        let settings = Settings::any(random);
        let message = settings.any_message(random);
        let mut output = Output::new();
        let result = settings.codec().encode(&message, &mut output);
        let sent = result.is_ok().then(|| output.to_vec());
        assert_eq!(sent, settings.encode(&message), "seed {seed}: {settings:?} {message:?}");
        match sent {
            Some(sent) => {
                let arrived = Outcome { frames: vec![message], end: Ok(()) };
                assert_outcome(&settings.codec(), &sent, &cuts(random, sent.len()), &arrived);
                taken += 1;
            }
            None => {
                assert!(output.is_empty(), "seed {seed}: refused, yet put");
                refused += 1;
            }
        }
    }
    assert!(taken > 1_000 && refused > 1_000, "{taken} taken, {refused} refused");
}
