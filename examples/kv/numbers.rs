//! Numbers as the protocol's clients write and read them.
//!
//! Whole numbers are 64 bits and have exactly one spelling. Doubles are answered with 17 digits,
//! as C's `%.17g` prints them, of which a client gets back the same double. `INCRBYFLOAT` counts in
//! decimal: a client that adds 0.1 to 0.2 is answered 0.3.

use std::fmt::{self, Write};

/// The digits of an `i64`, its sign included.
const MAX_INTEGER_LEN: usize = 20;

/// Room for a double: a sign, 17 digits, a point, and `e-308` or four zeros.
const MAX_DOUBLE_LEN: usize = 32;

/// Digits behind the point in what `INCRBYFLOAT` answers.
const DECIMALS: u32 = 17;

/// The greatest number that is counted in decimal. Beyond it even the extended doubles of other
/// servers have no digits behind the point.
const MAX_FIXED: i128 = (1 << 63) * 10_i128.pow(DECIMALS);

/// Writes the number to the end of `room`, and says where.
#[inline]
pub(crate) fn format_integer(value: i64, room: &mut [u8; MAX_INTEGER_LEN]) -> &[u8] {
    let (mut start, mut left) = (MAX_INTEGER_LEN, value.unsigned_abs());
    loop {
        start -= 1;
        room[start] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if value < 0 {
        start -= 1;
        room[start] = b'-';
    }
    &room[start..]
}

/// The number in `text`, if that is its only spelling: no sign but a minus, no leading zeros, no
/// spaces.
pub(crate) fn parse_integer(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [] => return None,
        [b'0', ..] => return (text == b"0").then_some(0),
        _ if digits.len() >= MAX_INTEGER_LEN => return None,
        _ => {}
    }
    let mut value = 0_u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        // 19 digits fit 64 bits.
        value = value * 10 + u64::from(digit - b'0');
    }
    if is_negative { 0_i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// Writes the double as `%.17g` does, and says where; an infinity is `inf` or `-inf`.
pub(crate) fn format_double(value: f64, room: &mut [u8; MAX_DOUBLE_LEN]) -> &[u8] {
    if let Some(whole) = whole(value) {
        let (digits, _) = room.split_at_mut(MAX_INTEGER_LEN);
        return digits.try_into().map_or(&[], |digits| format_integer(whole, digits));
    }
    let mut printed = Printed { room, len: 0 };
    // There is room for whatever a double can be.
    let _ = match value.is_finite() {
        true => write_general(&mut printed, value),
        false => write!(printed, "{value}"),
    };
    let Printed { room, len } = printed;
    &room[..len]
}

/// Text that is written into an array.
struct Printed<'a> {
    room: &'a mut [u8; MAX_DOUBLE_LEN],
    len: usize,
}

impl Write for Printed<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.room.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// The double as an integer, if it is one that prints the same.
fn whole(value: f64) -> Option<i64> {
    /// Up to this double, all integers are doubles, and have no more than 17 digits.
    const MAX: f64 = (1_i64 << 53) as f64;
    let is_whole = value.abs() <= MAX && value.fract() == 0.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole, and 54 bits hold it")]
    let whole = value as i64;
    (is_whole && !(whole == 0 && value.is_sign_negative())).then_some(whole)
}

/// Writes a number with 17 digits, less zeros at the end, in the shorter of two ways.
fn write_general(to: &mut Printed<'_>, value: f64) -> fmt::Result {
    let mut room = [0; MAX_DOUBLE_LEN];
    let mut scientific = Printed { room: &mut room, len: 0 };
    write!(scientific, "{:.16e}", value.abs())?;
    let len = scientific.len;
    let scientific = std::str::from_utf8(&room[..len]).map_err(|_| fmt::Error)?;
    let (mantissa, exponent) = scientific.split_once('e').ok_or(fmt::Error)?;
    let exponent: i32 = exponent.parse().map_err(|_| fmt::Error)?;
    let (first, others) = mantissa.split_once('.').ok_or(fmt::Error)?;
    let others = others.trim_end_matches('0');
    to.write_str(if value.is_sign_negative() { "-" } else { "" })?;
    match exponent {
        0..17 => {
            let point = usize::try_from(exponent).unwrap_or(0);
            let (whole, fraction) = others.split_at(point.min(others.len()));
            write!(to, "{first}{whole}{:0<1$}", "", point - whole.len())?;
            write_fraction(to, fraction)
        }
        -4..0 => {
            let zeros = usize::try_from(-1 - exponent).unwrap_or(0);
            write!(to, "0.{:0<zeros$}{first}{others}", "")
        }
        _ => {
            to.write_str(first)?;
            write_fraction(to, others)?;
            write!(to, "e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
        }
    }
}

fn write_fraction(to: &mut impl Write, digits: &str) -> fmt::Result {
    if digits.is_empty() { Ok(()) } else { write!(to, ".{digits}") }
}

/// The double in `text`: decimal, with an exponent or not, or an infinity. What no double is near
/// to, be it too great or too small, is none; hexadecimal digits, which C takes, are not taken.
pub(crate) fn parse_double(text: &[u8]) -> Option<f64> {
    /// So many digits are a double for sure.
    const EXACT_LEN: usize = 15;
    if let (Some(value), true) = (parse_integer(text), text.len() <= EXACT_LEN) {
        return Some(value as f64);
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let is_infinity = || text.iter().any(|byte| matches!(byte, b'n' | b'N'));
    let digits = text.split(|byte| matches!(byte, b'e' | b'E')).next()?;
    let is_zero = || digits.iter().all(|byte| !matches!(byte, b'1'..=b'9'));
    let is_near = (value.is_finite() || is_infinity()) && (value != 0.0 || is_zero());
    (is_near && !value.is_nan()).then_some(value)
}

/// What is added up by `INCRBYFLOAT`: exactly, if it is neither great nor has many digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Real {
    double: f64,
    /// In units of the last decimal.
    fixed: Option<i128>,
}

impl Real {
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let double = parse_double(text)?;
        Some(Self { double, fixed: parse_fixed(text) })
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.double.is_finite()
    }

    /// The sum with as few digits as it has, if it is finite.
    pub(crate) fn plus(&self, other: &Self) -> Option<String> {
        let fixed = self.fixed.zip(other.fixed).and_then(|(one, other)| one.checked_add(other));
        let text = match fixed.filter(|sum| sum.abs() <= MAX_FIXED) {
            Some(sum) => {
                let sign = if sum < 0 { "-" } else { "" };
                let (sum, unit) = (sum.unsigned_abs(), 10_u128.pow(DECIMALS));
                format!("{sign}{}.{:02$}", sum / unit, sum % unit, DECIMALS as usize)
            }
            None => {
                let sum = self.double + other.double;
                sum.is_finite().then(|| format!("{sum:.*}", DECIMALS as usize))?
            }
        };
        let text = text.trim_end_matches('0').trim_end_matches('.');
        Some(if text == "-0" { "0" } else { text }.to_owned())
    }
}

/// A decimal number in units of the last decimal, if it is a whole number of them.
fn parse_fixed(text: &[u8]) -> Option<i128> {
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let is_negative = mantissa.first() == Some(&b'-');
    let mantissa = mantissa.strip_prefix(b"+").unwrap_or(mantissa);
    let mantissa = mantissa.strip_prefix(b"-").unwrap_or(mantissa);
    let (mut value, mut scale, mut is_fraction) = (0_i128, exponent, false);
    for byte in mantissa {
        match byte {
            b'0'..=b'9' => {
                value = value.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
                scale -= i32::from(is_fraction);
            }
            b'.' => is_fraction = true,
            _ => return None,
        }
    }
    let shift = scale + DECIMALS.cast_signed();
    let power = 10_i128.checked_pow(shift.unsigned_abs())?;
    let fixed = match shift {
        0.. => value.checked_mul(power)?,
        _ if value % power == 0 => value / power,
        _ => return None,
    };
    (fixed <= MAX_FIXED).then_some(if is_negative { -fixed } else { fixed })
}

/// An exponent that is not too far off to be worth counting with.
fn parse_exponent(text: &[u8]) -> Option<i32> {
    let exponent: i32 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (-40..=40).contains(&exponent).then_some(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_printed_as_they_are_written() {
        for value in [0, 1, -1, 9, 10, -10, 12_345, i64::MAX, i64::MIN, i64::MIN + 1] {
            assert_eq!(format_integer(value, &mut [0; 20]), value.to_string().as_bytes());
            assert_eq!(parse_integer(value.to_string().as_bytes()), Some(value));
        }
    }

    #[test]
    fn an_integer_has_one_spelling() {
        let others = ["", "-", "+1", "01", "-0", "-01", " 1", "1 ", "1.0", "1e3", "0x1", "00"];
        let beyond = ["9223372036854775808", "-9223372036854775809", "18446744073709551616"];
        let longer = ["99999999999999999999", "-99999999999999999999", "1\0"];
        for text in others.into_iter().chain(beyond).chain(longer) {
            assert_eq!(parse_integer(text.as_bytes()), None, "{text:?}");
        }
    }

    #[track_caller]
    fn assert_double(value: f64, text: &str) {
        let mut room = [0; MAX_DOUBLE_LEN];
        let printed = format_double(value, &mut room);
        assert_eq!(std::str::from_utf8(printed), Ok(text));
        let again = parse_double(printed).unwrap();
        assert_eq!(again.to_bits(), value.to_bits(), "{text} is read as {again}");
    }

    #[test]
    fn doubles_have_seventeen_digits() {
        assert_double(0.1, "0.10000000000000001");
        assert_double(-1.5, "-1.5");
        assert_double(3.0, "3");
        assert_double(-0.0, "-0");
        assert_double(1e16, "10000000000000000");
        assert_double(123_456_789_012_345_680.0, "1.2345678901234568e+17");
        assert_double(1e17, "1e+17");
        assert_double(1e100, "1e+100");
        assert_double(0.0001, "0.0001");
        assert_double(0.000_01, "1.0000000000000001e-05");
        assert_double(1234.5678, "1234.5678");
        assert_double(9_007_199_254_740_993.0 * 3.0, "27021597764222976");
        assert_double(0.1 + 0.2, "0.30000000000000004");
        assert_double(f64::MAX, "1.7976931348623157e+308");
        assert_double(f64::INFINITY, "inf");
        assert_double(f64::NEG_INFINITY, "-inf");
        // The longest there are.
        assert_double(-2.225_073_858_507_201_4e-308, "-2.2250738585072014e-308");
        assert_double(-0.000_123_456_789_012_345_67, "-0.00012345678901234567");
    }

    #[test]
    fn what_is_near_no_double_is_none() {
        let none = ["", " ", " 1", "1 ", "nan", "-nan", "1e400", "-1e400", "1e-400", "1..2", "e5"];
        for text in none.into_iter().chain(["infx", "1e", "0x10", "1,5", "."]) {
            assert_eq!(parse_double(text.as_bytes()), None, "{text:?}");
        }
        for (text, value) in [("+5", 5.0), (".5", 0.5), ("5.", 5.0), ("1E3", 1000.0)] {
            assert_eq!(parse_double(text.as_bytes()), Some(value), "{text:?}");
        }
        assert_eq!(parse_double(b"0e-400"), Some(0.0));
        assert_eq!(parse_double(b"+Infinity"), Some(f64::INFINITY));
        assert_eq!(parse_double(b"-INF"), Some(f64::NEG_INFINITY));
    }

    fn sum(one: &str, other: &str) -> Option<String> {
        let parse = |text: &str| Real::parse(text.as_bytes()).unwrap();
        parse(one).plus(&parse(other))
    }

    #[test]
    fn sums_are_counted_in_decimal() {
        assert_eq!(sum("0.1", "0.2").unwrap(), "0.3");
        assert_eq!(sum("10.50", "0.1").unwrap(), "10.6");
        assert_eq!(sum("5.0e3", "2.0e2").unwrap(), "5200");
        assert_eq!(sum("-1.5", "1.5").unwrap(), "0");
        assert_eq!(sum("-1.5", "1.25").unwrap(), "-0.25");
        assert_eq!(sum("3", "1e-17").unwrap(), "3.00000000000000001");
        assert_eq!(sum("9223372036854775807", "0").unwrap(), "9223372036854775807");
    }

    #[test]
    fn great_sums_are_doubles() {
        assert_eq!(sum("1e300", "1e300").unwrap().len(), 301);
        assert_eq!(sum("3", "1e-18").unwrap(), "3");
        assert_eq!(sum("-0.0", "-1e-30").unwrap(), "0");
        assert_eq!(sum("1e308", "1e308"), None);
        assert_eq!(sum("1", "inf"), None);
    }
}
