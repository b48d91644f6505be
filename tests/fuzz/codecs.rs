//! The codecs: whatever arrives, and however it is cut, comes to what a plain reader makes of it,
//! and what may be sent arrives as it was.

use windlass::{ByteLines, Codec, Decoded, Delimited, Endian, Fixed, Lines, Output, Raw, Varint};

use super::choices::Choices;
use super::feed::{Asking, Bytewise, Outcome, assert_outcome, assert_same_for_every_cut, feed};
use super::fixture::pieces;
use super::readers::{self, read};
use super::settings::Settings;

/// A stream of so many bytes is cut in every way.
const SHORT_LEN: usize = 12;

/// What arrives, and where it is cut.
struct Case<'a> {
    stream: &'a [u8],
    cuts: Vec<usize>,
}

impl<'a> Case<'a> {
    fn of(choices: &mut Choices<'a>) -> Self {
        let count = choices.below(8);
        let cuts: Vec<_> = (0..count).map(|_| choices.below(65_536)).collect();
        let stream = choices.rest();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut % (stream.len() + 1)).collect();
        cuts.sort_unstable();
        Self { stream, cuts }
    }

    /// What arrives comes to `expected`.
    fn arrives<C: Bytewise>(&self, codec: &C, expected: &Outcome) {
        assert_for_some_cuts(codec, self.stream, &self.cuts, expected);
        assert_bounded(codec, self.stream);
        assert_looked_at_twice_at_most(codec, self);
    }

    /// Of the messages that the pieces are, those for which `wire` knows how they are sent are
    /// taken, and arrive.
    fn departs<C, M>(
        &self,
        codec: &C,
        message: impl Fn(&'a [u8]) -> Option<&'a M>,
        wire: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) where
        C: Bytewise + for<'m> Codec<Message<'m> = &'m M>,
        M: ?Sized + 'a,
    {
        let (mut sender, mut output, mut frames) = (codec.clone(), Output::new(), Vec::new());
        let mut sent = Vec::new();
        for piece in pieces(self.stream, &self.cuts) {
            let Some(message) = message(piece) else { continue };
            let taken = sender.encode(message, &mut output);
            let wire = wire(piece);
            assert_eq!(taken.is_ok(), wire.is_some(), "{codec:?}: {taken:?} of {piece:?}");
            if let Some(wire) = wire {
                assert_eq!(codec.body(&wire), piece, "{codec:?}: what layers are shown");
                assert!(wire.len() <= codec.max_frame_len(), "{codec:?}: accounted for");
                sent.extend(wire);
                frames.push(piece.to_vec());
            }
        }
        assert_eq!(output.to_vec(), sent, "{codec:?}");
        let cuts: Vec<_> = self.cuts.iter().map(|cut| cut % (sent.len() + 1)).collect();
        let arrived = Outcome { frames, end: Ok(()) };
        assert_for_some_cuts(codec, &sent, &sorted(cuts), &arrived);
    }
}

fn sorted(mut cuts: Vec<usize>) -> Vec<usize> {
    cuts.sort_unstable();
    cuts
}

/// Asserts that a stream comes to `expected` whole, cut like this, and byte by byte; a short one
/// for every pair of cuts.
fn assert_for_some_cuts<C: Bytewise>(codec: &C, stream: &[u8], cuts: &[usize], expected: &Outcome) {
    if stream.len() <= SHORT_LEN {
        return assert_same_for_every_cut(codec, stream, expected);
    }
    assert_outcome(codec, stream, &[], expected);
    assert_outcome(codec, stream, cuts, expected);
    assert_outcome(codec, stream, &(1..stream.len()).collect::<Vec<_>>(), expected);
}

/// What stands beyond the longest frame there may be makes no difference.
fn assert_bounded<C: Bytewise>(codec: &C, stream: &[u8]) {
    let most = codec.max_frame_len();
    if let Some(beginning) = stream.get(..most) {
        assert_eq!(first(codec, beginning), first(codec, stream), "{codec:?}");
    }
}

/// What a codec finds first, and of how many bytes it is.
fn first<C: Bytewise>(codec: &C, stream: &[u8]) -> String {
    match codec.clone().decode(&mut stream.to_vec()) {
        Ok(Decoded::Frame { frame, consumed }) => {
            format!("{consumed}: {:?}", C::to_bytes(frame))
        }
        Ok(Decoded::Incomplete { need }) => panic!("{need} needed, and there are the most"),
        Err(error) => error.to_string(),
    }
}

/// No byte is looked at more than twice.
fn assert_looked_at_twice_at_most<C: Bytewise>(codec: &C, case: &Case<'_>) {
    let before = looks();
    feed(codec, case.stream, &case.cuts, Asking::WhenNeeded);
    let (looks, len) = (looks() - before, case.stream.len());
    assert!(looks <= 2 * len, "{codec:?}: {looks} looks at {len} bytes");
}

/// At how many bytes the codecs have looked. It is counted in the tests of the crate only.
fn looks() -> usize {
    #[cfg(test)]
    {
        crate::codec::looks()
    }
    #[cfg(not(test))]
    {
        0
    }
}

/// A maximum, of any size that a stream may reach or not.
fn max_len(choices: &mut Choices<'_>) -> usize {
    choices.pick(&[1, 2, 3, 7, 8, 16, 64, 65, 127, 128, 300, 70_000])
}

fn any_bytes(bytes: &[u8]) -> Option<&[u8]> {
    Some(bytes)
}

/// How a message is sent as a line, if it may be.
fn line_wire(message: &[u8], max_len: usize, end: &[u8]) -> Option<Vec<u8>> {
    let is_line =
        message.len() <= max_len && !message.contains(&b'\n') && !message.ends_with(b"\r");
    is_line.then(|| [message, end].concat())
}

pub(crate) fn raw(bytes: &[u8]) {
    let case = Case::of(&mut Choices::new(bytes));
    let pieces = pieces(case.stream, &case.cuts).into_iter().filter(|piece| !piece.is_empty());
    let expected = Outcome { frames: pieces.clone().map(<[u8]>::to_vec).collect(), end: Ok(()) };
    assert_eq!(feed(&Raw, case.stream, &case.cuts, Asking::Always), expected);
    let mut output = Output::new();
    for piece in pieces {
        assert_eq!(Raw.encode(piece, &mut output), Ok(()));
    }
    assert_eq!((output.to_vec(), Raw.body(case.stream)), (case.stream.to_vec(), case.stream));
}

pub(crate) fn lines(bytes: &[u8]) {
    let choices = &mut Choices::new(bytes);
    let max_len = max_len(choices);
    let lines = Lines::default().max_len(max_len);
    let (codec, end) =
        if choices.chance(50) { (lines.crlf(), &b"\r\n"[..]) } else { (lines, &b"\n"[..]) };
    let case = Case::of(choices);
    case.arrives(&codec, &read(case.stream, |rest| readers::line(rest, max_len, true)));
    case.departs(
        &codec,
        |message| str::from_utf8(message).ok(),
        |message| line_wire(message, max_len, end),
    );
}

pub(crate) fn byte_lines(bytes: &[u8]) {
    let choices = &mut Choices::new(bytes);
    let max_len = max_len(choices);
    let lines = ByteLines::default().max_len(max_len);
    let (codec, end) =
        if choices.chance(50) { (lines.crlf(), &b"\r\n"[..]) } else { (lines, &b"\n"[..]) };
    let case = Case::of(choices);
    case.arrives(&codec, &read(case.stream, |rest| readers::line(rest, max_len, false)));
    case.departs(&codec, any_bytes, |message| line_wire(message, max_len, end));
}

pub(crate) fn delimited(bytes: &[u8]) {
    let choices = &mut Choices::new(bytes);
    let max_len = max_len(choices);
    let delimiter_len = 1 + choices.below(9);
    let delimiter = match choices.take(delimiter_len) {
        [] => b"\0",
        delimiter => delimiter,
    };
    let codec = Delimited::new(delimiter).max_len(max_len);
    let case = Case::of(choices);
    case.arrives(&codec, &read(case.stream, |rest| readers::delimited(rest, delimiter, max_len)));
    case.departs(&codec, any_bytes, |message| {
        let wire = [message, delimiter].concat();
        let first = wire.windows(delimiter.len()).position(|window| window == delimiter);
        (message.len() <= max_len && first == Some(message.len())).then_some(wire)
    });
}

pub(crate) fn fixed(bytes: &[u8]) {
    let choices = &mut Choices::new(bytes);
    let frame_len = max_len(choices);
    let codec = Fixed::new(frame_len);
    let case = Case::of(choices);
    case.arrives(&codec, &read(case.stream, |rest| readers::fixed(rest, frame_len)));
    case.departs(&codec, any_bytes, |message| {
        (message.len() == frame_len).then(|| message.to_vec())
    });
}

pub(crate) fn length_prefixed(bytes: &[u8]) {
    let choices = &mut Choices::new(bytes);
    let nearby = i32::from(choices.byte()) - 128;
    let settings = Settings {
        width: choices.pick(&[4, 1, 2, 3, 8]),
        offset: choices.pick(&[0, 0, 1, 2, 7, 70]),
        endian: choices.pick(&[Endian::Big, Endian::Little]),
        adjustment: choices.pick(&[0, 0, nearby, 1 << 30, -(1 << 30)]),
        includes_header: choices.chance(50),
        keeps_header: choices.chance(50),
        max_len: choices.pick(&[1, 7, 20, 300, 70_000, i32::MAX as usize]),
    };
    let case = Case::of(choices);
    case.arrives(&settings.codec(), &settings.decode(case.stream));
    case.departs(&settings.codec(), any_bytes, |message| settings.encode(message));
}

pub(crate) fn varint(bytes: &[u8]) {
    let choices = &mut Choices::new(bytes);
    let max_len = max_len(choices);
    let codec = Varint::default().max_len(max_len);
    let case = Case::of(choices);
    case.arrives(&codec, &read(case.stream, |rest| readers::varint(rest, max_len)));
    case.departs(&codec, any_bytes, |message| {
        let (mut wire, mut left) = (Vec::new(), message.len());
        while left >= 128 {
            wire.push(u8::try_from(left % 128 + 128).expect("less than 256"));
            left /= 128;
        }
        wire.push(u8::try_from(left).expect("less than 128"));
        (message.len() <= max_len).then(|| [&wire, message].concat())
    });
}
