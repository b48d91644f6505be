//! `LengthPrefixed` with any settings, against a plain reading of the whole stream.

use windlass::{Codec, Endian, Output};

use crate::feed::{Outcome, assert_outcome};
use crate::fixture::Random;
use crate::round_trips::cuts;
use crate::settings::Settings;

const CASES: u64 = 20_000;

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
