//! Streams with their frames and their ends, written down by hand, for each codec.

use windlass::{
    ByteLines, Codec, Delimited, Endian, Fixed, FrameError, FrameFault, LengthPrefixed, Lines, Raw,
    Varint,
};

use crate::engine;
use crate::feed::{Asking, Bytewise, Outcome, assert_same_for_every_cut, feed};
use crate::fixture::Framing;

type End = Result<(), FrameError>;

/// A stream, the frames in it, and how it ends.
type Case<'a> = (&'a [u8], &'a [&'a [u8]], End);

const WELL: End = Ok(());

const fn too_long(limit: usize, at: usize) -> End {
    Err(FrameError::new(FrameFault::TooLong { limit }, at))
}

const fn malformed(what: &'static str, at: usize) -> End {
    Err(FrameError::new(FrameFault::Malformed(what), at))
}

const fn truncated(at: usize) -> End {
    Err(FrameError::new(FrameFault::Truncated, at))
}

fn assert_cases<C: Bytewise + Framing>(codec: &C, cases: &[Case<'_>]) {
    for (stream, frames, end) in cases {
        let frames = frames.iter().map(|frame| frame.to_vec()).collect();
        let outcome = Outcome { frames, end: *end };
        assert_same_for_every_cut(codec, stream, &outcome);
        engine::assert_same_for_every_cut(codec, stream, &outcome);
    }
}

#[test]
fn lines_are_the_same_for_every_cut() {
    let not_text = |at| malformed("the line is not UTF-8", at);
    assert_cases(
        &Lines::default().max_len(8),
        &[
            (b"", &[], WELL),
            (b"\n", &[b""], WELL),
            (b"\r\n\n\r\n", &[b"", b"", b""], WELL),
            (b"one\ntwo\r\nthree", &[b"one", b"two", b"three"], WELL),
            (b"a\r\r\nb\rc\n\r", &[b"a\r", b"b\rc", b"\r"], WELL),
            (b"12345678\n12345678\r\n12345678", &[&b"12345678"[..]; 3], WELL),
            (b"ok\n123456789\nnever", &[b"ok"], too_long(8, 8)),
            (b"ok\n12345678\r\r\nnever", &[b"ok"], too_long(8, 8)),
            (b"ok\n12345678\rx", &[b"ok"], too_long(8, 8)),
            (b"12345678\r", &[], too_long(8, 8)),
            (b"12345678901234567890", &[], too_long(8, 8)),
            (
                "gr\u{fc}n\n\u{1f40c}\r\n".as_bytes(),
                &["gr\u{fc}n".as_bytes(), "\u{1f40c}".as_bytes()],
                WELL,
            ),
            (b"ok\nab\xC3\nnever", &[b"ok"], not_text(2)),
            (b"ok\r\n\xFFb\r\nnever", &[b"ok"], not_text(0)),
            (b"ok\nabc\xF0\x9F\x90", &[b"ok"], not_text(3)),
            (b"\xFF23456789", &[], too_long(8, 8)),
        ],
    );
    let many = "x\r\n\nlonger \u{e9}\n".repeat(40);
    let frames = ["x", "", "longer \u{e9}"].map(str::as_bytes).repeat(40);
    assert_cases(&Lines::default(), &[(many.as_bytes(), &frames, WELL)]);
}

#[test]
fn lines_of_bytes_are_the_same_for_every_cut() {
    assert_cases(
        &ByteLines::default().max_len(40),
        &[
            (b"", &[], WELL),
            (b"one\n\xFF\r\n\r\nthree\r", &[b"one", b"\xFF", b"", b"three\r"], WELL),
            (&[&[b'x'; 40][..], b"\r\nab\n"].concat(), &[&[b'x'; 40], b"ab"], WELL),
            (
                b"0123456789abcdef0123456789abcdef\n\n",
                &[b"0123456789abcdef0123456789abcdef", b""],
                WELL,
            ),
            (&[&b"ok\n"[..], &[b'x'; 40], b"\rx"].concat(), &[b"ok"], too_long(40, 40)),
            (&[b'x'; 50], &[], too_long(40, 40)),
        ],
    );
}

#[test]
fn delimited_frames_are_the_same_for_every_cut() {
    assert_cases(
        &Delimited::default().max_len(4),
        &[
            (b"", &[], WELL),
            (b"\0\0", &[b"", b""], WELL),
            (b"ab\0\xFF\0", &[b"ab", b"\xFF"], WELL),
            (b"ab\0cd", &[b"ab"], truncated(2)),
            (b"abcd\0abcde\0", &[b"abcd"], too_long(4, 4)),
        ],
    );
    assert_cases(
        &Delimited::new(b"aab").max_len(8),
        &[
            (b"aabaab", &[b"", b""], WELL),
            (b"aaab", &[b"a"], WELL),
            (b"aaaaaaaaaab", &[b"aaaaaaaa"], WELL),
            (b"aaaaaaaaaaab", &[], too_long(8, 8)),
            (b"abaaabxaab", &[b"aba", b"x"], WELL),
            (b"xaabaa", &[b"x"], truncated(2)),
            (b"12345678aa", &[], truncated(10)),
            (b"12345678aac", &[], too_long(8, 8)),
            (b"123456789", &[], too_long(8, 8)),
        ],
    );
    assert_cases(
        &Delimited::new(b"\r\n.\r\n"),
        &[
            (b"to\r\n.to\r\n.\r\n\r\n.\r\n.\r\n", &[b"to\r\n.to", b""], truncated(3)),
            (b"\r\n.\r\r\n.\r\n", &[b"\r\n.\r"], WELL),
        ],
    );
    let many = b"ab--a-----".repeat(30);
    let frames = [&b"ab"[..], b"a", b""].into_iter().chain([&b"-ab"[..], b"a", b""].repeat(29));
    let frames: Vec<_> = frames.collect();
    assert_cases(&Delimited::new(b"--"), &[(&many, &frames, truncated(1))]);
}

#[test]
fn fixed_frames_are_the_same_for_every_cut() {
    assert_cases(
        &Fixed::new(3),
        &[
            (b"", &[], WELL),
            (b"abcdef", &[b"abc", b"def"], WELL),
            (b"abcde", &[b"abc"], truncated(2)),
        ],
    );
    assert_cases(&Fixed::default(), &[(b"abc", &[b"a", b"b", b"c"], WELL)]);
    assert_cases(&Fixed::new(7), &[(&[9; 700], &[&[9; 7][..]; 100], WELL)]);
}

#[test]
fn length_prefixed_frames_are_the_same_for_every_cut() {
    let negative = |at| malformed("the length is less than it counts at least", at);
    assert_cases(
        &LengthPrefixed::default().max_len(8),
        &[
            (b"", &[], WELL),
            (b"\0\0\0\0\0\0\0\x03abc\0\0\0\0", &[b"", b"abc", b""], WELL),
            (b"\0\0\0\x0812345678\0\0\0\x09", &[b"12345678"], too_long(8, 0)),
            (b"\0\0\0\x03abc\0\0", &[b"abc"], truncated(2)),
            (b"\0\0\0\x03abc\0\0\0\x05abcd", &[b"abc"], truncated(8)),
            (b"\xFF\xFF\xFF\xFFabc", &[], too_long(8, 0)),
        ],
    );
    assert_cases(
        &LengthPrefixed::default().offset(1).width(3).endian(Endian::Little).includes_header(),
        &[
            (b"T\x06\0\0abU\x04\0\0", &[b"ab", b""], WELL),
            (b"T\x05\0\0aU\x03\0\0abc", &[b"a"], negative(1)),
            (b"T\xFF\xFF\xFF", &[], too_long(1024 * 1024, 1)),
        ],
    );
    let kept = LengthPrefixed::default().offset(2).width(2).keep_header().adjustment(-2);
    assert_cases(
        &kept,
        &[
            (b"xy\0\x04abxy\0\x02", &[b"xy\0\x04ab", b"xy\0\x02"], WELL),
            (b"xy\0\x04abxy\0\x01ab", &[b"xy\0\x04ab"], negative(2)),
        ],
    );
    let wide = LengthPrefixed::default().width(8).adjustment(5);
    assert_cases(
        &wide,
        &[
            (b"\0\0\0\0\0\0\0\x01abcdef", &[b"abcdef"], WELL),
            (b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFEabc", &[], too_long(1024 * 1024, 0)),
        ],
    );
    let many = b"\x03abc\x00\x01z".repeat(80);
    let frames = [&b"abc"[..], b"", b"z"].repeat(80);
    assert_cases(&LengthPrefixed::default().width(1), &[(&many, &frames, WELL)]);
}

#[test]
fn varint_frames_are_the_same_for_every_cut() {
    let too_large = malformed("the length does not fit 64 bits", 9);
    let too_wide = |at| malformed("the length is longer than it need be", at);
    let long = [&b"\xAC\x02"[..], &[7; 300], b"\x01z"].concat();
    assert_cases(
        &Varint::default().max_len(300),
        &[
            (b"", &[], WELL),
            (b"\0\x03abc\0", &[b"", b"abc", b""], WELL),
            (b"\x03abc\x03ab", &[b"abc"], truncated(3)),
            (b"\x03abc\x80", &[b"abc"], truncated(1)),
            (&long, &[&[7; 300], b"z"], WELL),
            (b"\x01a\xAD\x02abc", &[b"a"], too_long(300, 0)),
            (b"\x01a\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01abc", &[b"a"], too_long(300, 0)),
            (b"\x01a\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02abc", &[b"a"], too_large),
            (b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", &[], too_large),
            (b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\0", &[], too_wide(9)),
            (b"\x01a\x80\0", &[b"a"], too_wide(1)),
        ],
    );
}

#[test]
fn raw_bytes_come_through_whatever_the_cut() {
    let stream = b"any bytes\0\r\n";
    for cut in 1..stream.len() {
        let outcome = feed(&Raw, stream, &[cut], Asking::Always);
        let pieces = vec![stream[..cut].to_vec(), stream[cut..].to_vec()];
        assert_eq!(outcome, Outcome { frames: pieces, end: WELL });
    }
    // What is sent back does not show how it was read.
    let outcome = Outcome { frames: vec![stream.to_vec()], end: WELL };
    engine::assert_same_for_every_cut(&Raw, stream, &outcome);
    assert_eq!(Raw.max_frame_len(), 0);
}
