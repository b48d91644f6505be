//! The body of a request, piece by piece as it arrives: of a length that was announced, or in
//! chunks (RFC 9112, section 7.1).

use memchr::memchr;

use super::lines::{Lines, field};
use super::picked::BODY_TOO_LONG;
use super::{Refused, Status};

/// The longest line with the size of a chunk, in bytes: of its extensions, nobody sends any.
const MAX_SIZE_LINE_LEN: usize = 256;
/// How much can be said beside the chunks of one body, in extensions and, after the last chunk, in
/// fields: whoever sends one byte in each chunk is to say no more about it.
const MAX_ASIDE_LEN: usize = 8 << 10;
/// The most fields after the last chunk.
const MAX_TRAILERS: u32 = 32;
/// The most that is read before there is a piece.
pub(super) const MAX_UNFINISHED_LEN: usize = MAX_ASIDE_LEN + 2;

/// A piece of a body.
pub(super) struct Piece<'a> {
    /// What there is of it, which may be nothing.
    pub(super) bytes: &'a [u8],
    pub(super) is_last: bool,
    /// How much of the input it took.
    pub(super) consumed: usize,
}

/// What has come of a body of which so many bytes are `left`.
pub(super) fn sized<'a>(left: &mut u64, input: &'a [u8]) -> Piece<'a> {
    let bytes = first(input, *left);
    *left -= bytes.len() as u64;
    Piece { bytes, is_last: *left == 0, consumed: bytes.len() }
}

fn first(input: &[u8], most: u64) -> &[u8] {
    &input[..usize::try_from(most).unwrap_or(usize::MAX).min(input.len())]
}

/// Where in a body in chunks its reader is.
#[derive(Clone, Debug)]
pub(super) struct Chunks {
    /// How much the chunks to come may be together.
    allowed: u64,
    /// How much may still be said aside.
    aside: usize,
    step: Step,
}

#[derive(Clone, Debug)]
enum Step {
    /// The line with the size of a chunk, after the end of another, or the first.
    Size { is_first: bool },
    /// The bytes of a chunk, of which so many are left.
    Data(u64),
    /// What follows on the last chunk.
    Trailers { lines: Lines, fields: u32 },
}

impl Chunks {
    pub(super) const fn new(most: u64) -> Self {
        Self { allowed: most, aside: MAX_ASIDE_LEN, step: Step::Size { is_first: true } }
    }

    /// What has come of the body, if that is enough for anything.
    pub(super) fn read<'a>(&mut self, input: &'a [u8]) -> Result<Option<Piece<'a>>, Refused> {
        match self.step {
            Step::Size { is_first } => self.size(input, is_first),
            Step::Data(left) => Ok(Some(self.data(input, 0, left))),
            Step::Trailers { .. } => self.trailers(input),
        }
    }

    /// The line with the size of a chunk, together with as much of the chunk as there is.
    fn size<'a>(&mut self, input: &'a [u8], is_first: bool) -> Result<Option<Piece<'a>>, Refused> {
        let Some(line) = (if is_first { Some(input) } else { behind_crlf(input)? }) else {
            return Ok(None);
        };
        let searched = &line[..line.len().min(MAX_SIZE_LINE_LEN)];
        let Some(end) = memchr(b'\n', searched) else {
            return if searched.len() == MAX_SIZE_LINE_LEN { Err(SIZE_TOO_LONG) } else { Ok(None) };
        };
        let (size, extensions_len) = size(&line[..end])?;
        self.aside = self.aside.checked_sub(extensions_len).ok_or(SIZE_TOO_LONG)?;
        self.allowed = self.allowed.checked_sub(size).ok_or(BODY_TOO_LONG)?;
        let from = input.len() - line.len() + end + 1;
        Ok(Some(match size {
            0 => {
                self.step = Step::Trailers { lines: Lines::default(), fields: 0 };
                Piece { bytes: &[], is_last: false, consumed: from }
            }
            _ => self.data(input, from, size),
        }))
    }

    /// What there is of a chunk of which so many bytes are `left`.
    fn data<'a>(&mut self, input: &'a [u8], from: usize, left: u64) -> Piece<'a> {
        let bytes = first(&input[from..], left);
        self.step = match left - bytes.len() as u64 {
            0 => Step::Size { is_first: false },
            left => Step::Data(left),
        };
        Piece { bytes, is_last: false, consumed: from + bytes.len() }
    }

    /// The fields after the last chunk, which say nothing that matters here, and the empty line
    /// behind them.
    fn trailers<'a>(&mut self, input: &'a [u8]) -> Result<Option<Piece<'a>>, Refused> {
        let Step::Trailers { lines, fields } = &mut self.step else { return Ok(None) };
        let most = self.aside + "\r\n".len();
        let input = &input[..input.len().min(most)];
        while let Some(line) = lines.next(input)? {
            if line.is_empty() {
                return Ok(Some(Piece { bytes: &[], is_last: true, consumed: lines.at() }));
            }
            field(line)?;
            *fields += 1;
            if *fields > MAX_TRAILERS {
                return Err(TRAILERS_TOO_LONG);
            }
        }
        if input.len() < most { Ok(None) } else { Err(TRAILERS_TOO_LONG) }
    }
}

/// What comes after the end of a chunk, if that is there.
fn behind_crlf(input: &[u8]) -> Result<Option<&[u8]>, Refused> {
    match input {
        [b'\r', b'\n', behind @ ..] => Ok(Some(behind)),
        [] | [b'\r'] => Ok(None),
        _ => Err(Refused::bad("a chunk does not end where its size says")),
    }
}

/// The size in a line, of which the LF is cut off, and how long its extensions are, which nobody
/// here knows. Nothing but hexadecimal digits is a size: no sign, no `0x`, no space.
fn size(line: &[u8]) -> Result<(u64, usize), Refused> {
    let wrong = Refused::bad("the size of a chunk is malformed");
    let line = line.strip_suffix(b"\r").ok_or(wrong)?;
    let digits_len = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, extensions) = line.split_at(digits_len);
    let digits = str::from_utf8(digits).ok().filter(|digits| digits.len() <= 16);
    match digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
        Some(size) if may_be_extensions(extensions) => Ok((size, extensions.len())),
        _ => Err(wrong),
    }
}

/// Whether this can follow on a size. There are readers for whom what is quoted does not end with
/// its line: it has to be closed.
fn may_be_extensions(text: &[u8]) -> bool {
    let is_begun = text.is_empty() || text.trim_ascii_start().starts_with(b";");
    let is_shown = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
    let (mut is_quoted, mut rest) = (false, text.iter());
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\\' if is_quoted => drop(rest.next()),
            _ => {}
        }
    }
    is_begun && !is_quoted && text.iter().all(is_shown)
}

const SIZE_TOO_LONG: Refused = Refused::bad("there is too much beside the size of a chunk");
const TRAILERS_TOO_LONG: Refused = Refused {
    status: Status::FieldsTooLarge,
    why: "there are too many fields after the last chunk, or too long ones",
};
