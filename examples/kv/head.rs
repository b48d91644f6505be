//! The beginning of nearly every request, looked at in a few steps of eight bytes each.

/// `PING` with no argument, as an array.
pub(crate) const PING: &[u8; 14] = b"*1\r\n$4\r\nPING\r\n";

/// Whether a request is `PING`, in small letters or capitals: two comparisons of eight bytes.
#[inline]
pub(crate) fn is_ping(input: &[u8]) -> bool {
    const CAPITALS: u64 = u64::from_le_bytes(*b"\xff\xff\xdf\xdf\xdf\xdf\xff\xff");
    let Some(request) = input.first_chunk::<14>() else { return false };
    let [.., a, b, c, d, e, f, g, h] = *request;
    request.first_chunk() == PING.first_chunk::<8>()
        && u64::from_le_bytes([a, b, c, d, e, f, g, h]) & CAPITALS
            == u64::from_le_bytes(*b"\r\nPING\r\n")
}

/// The beginning of nearly every request: fewer than ten words, of which the first has no more than
/// eight letters and is there.
pub(crate) struct Head {
    pub(crate) count: u32,
    /// The letters, as a number, and how many they are.
    pub(crate) name: u64,
    pub(crate) name_len: usize,
}

impl Head {
    /// `*3\r\n$3\r\nSET\r\n`, in as few steps as can be.
    #[inline]
    pub(crate) fn read(input: &[u8]) -> Option<Self> {
        const DIGITS: u64 = u64::from_le_bytes([0, 0xff, 0, 0, 0, 0xff, 0, 0]);
        const FORM: u64 = u64::from_le_bytes(*b"*\0\r\n$\0\r\n");
        let head = u64::from_le_bytes(*input.first_chunk()?);
        if head & !DIGITS != FORM {
            return None;
        }
        let count = (head >> 8 & 0xff).wrapping_sub(u64::from(b'0'));
        let len = (head >> 40 & 0xff).wrapping_sub(u64::from(b'0'));
        if !(1..10).contains(&count) || !(1..9).contains(&len) {
            return None;
        }
        let (count, name_len) = (count as u32, len as usize);
        if input.get(8 + name_len..10 + name_len)? != b"\r\n" {
            return None;
        }
        // The eight bytes from the name on; if there are not as many, the last eight, with what is
        // before the name shifted out.
        let start = (input.len() - 8).min(8);
        let bytes = u64::from_le_bytes(*input[start..].first_chunk()?) >> (8 * (8 - start));
        let name = bytes & (u64::MAX >> (64 - 8 * len));
        Some(Self { count, name, name_len })
    }
}

/// The length of one or two digits at `at`, and where its bytes begin: most are no longer.
#[inline]
pub(crate) fn short_len(input: &[u8], at: usize) -> Option<(usize, usize)> {
    const ONE: u64 = u64::from_le_bytes([0xff, 0, 0xff, 0xff, 0, 0, 0, 0]);
    const TWO: u64 = u64::from_le_bytes([0xff, 0, 0, 0xff, 0xff, 0, 0, 0]);
    let head = u64::from_le_bytes(*input.get(at..)?.first_chunk()?);
    let (first, second) = ((head >> 8 & 0xff) ^ 0x30, (head >> 16 & 0xff) ^ 0x30);
    #[expect(clippy::cast_possible_truncation, reason = "they have two digits")]
    if head & ONE == u64::from_le_bytes(*b"$\0\r\n\0\0\0\0") && first < 10 {
        Some((first as usize, at + 4))
    } else if head & TWO == u64::from_le_bytes(*b"$\0\0\r\n\0\0\0")
        && (1..10).contains(&first)
        && second < 10
    {
        Some(((first * 10 + second) as usize, at + 5))
    } else {
        None
    }
}
