//! Strings that become others: numbers that are counted up, and parts that are cut out or replaced.

use super::super::numbers::{Real, format_integer};
use super::super::options::integer;
use super::super::refusal::Refusal;
use super::super::reply::Replies;
use super::super::store::{Place, Store};
use super::super::text::Text;
use super::Amount;

/// The number that a key holds; zero if it holds nothing.
fn number(store: &Store, place: Place<'_>) -> Result<i64, Refusal> {
    match store.text(place)? {
        Some(text) => integer(text.as_slice()),
        None => Ok(0),
    }
}

pub(super) fn add(store: &mut Store, key: &[u8], amount: Amount<'_>) -> Result<i64, Refusal> {
    const OVERFLOW: Refusal = Refusal::Other("ERR increment or decrement would overflow");
    let amount = match amount {
        Amount::One => 1,
        Amount::MinusOne => -1,
        Amount::Plus(text) => integer(text)?,
        Amount::Minus(text) => {
            integer(text)?.checked_neg().ok_or(Refusal::Other("ERR decrement would overflow"))?
        }
    };
    let place = store.place(key);
    let sum = number(store, place)?.checked_add(amount).ok_or(OVERFLOW)?;
    store.set_text(place, format_integer(sum, &mut [0; 20]), None);
    Ok(sum)
}

pub(super) fn add_real(
    store: &mut Store,
    key: &[u8],
    amount: &[u8],
    to: &mut impl Replies,
) -> Result<(), Refusal> {
    let place = store.place(key);
    let before = store.text(place)?.map_or(&b"0"[..], Text::as_slice);
    let before = Real::parse(before).ok_or(Refusal::NotAFloat)?;
    let amount = Real::parse(amount).ok_or(Refusal::NotAFloat)?;
    let sum = before.plus(&amount);
    let sum = sum.ok_or(Refusal::Other("ERR increment would produce NaN or Infinity"))?;
    store.set_text(place, sum.as_bytes(), None);
    to.bulk(sum.as_bytes());
    Ok(())
}

pub(super) fn append(store: &mut Store, key: &[u8], value: &[u8]) -> Result<usize, Refusal> {
    let place = store.place(key);
    let len = store.text(place)?.map_or(0, |text| text.as_slice().len()) + value.len();
    store.check_len(len)?;
    store.change_text(place, !value.is_empty(), |text| text.append(value));
    Ok(len)
}

pub(super) fn set_range(
    store: &mut Store,
    key: &[u8],
    offset: &[u8],
    value: &[u8],
) -> Result<usize, Refusal> {
    let offset = integer(offset)?;
    let offset =
        usize::try_from(offset).map_err(|_| Refusal::Other("ERR offset is out of range"))?;
    let place = store.place(key);
    let len = store.text(place)?.map_or(0, |text| text.as_slice().len());
    if value.is_empty() {
        return Ok(len);
    }
    let end = offset.saturating_add(value.len());
    store.check_len(end)?;
    store.change_text(place, true, |text| {
        text.resize(len.max(end));
        text.as_mut_slice()[offset..end].copy_from_slice(value);
    });
    Ok(len.max(end))
}

/// The bytes from `start` to `end`, both included; if negative, counted from the end.
pub(super) fn range(text: &[u8], start: i64, end: i64) -> &[u8] {
    let len = i64::try_from(text.len()).unwrap_or(i64::MAX);
    if start < 0 && end < 0 && start > end {
        return &[];
    }
    let from_start = |at: i64| if at < 0 { at.saturating_add(len).max(0) } else { at };
    let (start, end) = (from_start(start), from_start(end).min(len - 1));
    match (usize::try_from(start), usize::try_from(end)) {
        (Ok(start), Ok(end)) if start <= end => &text[start..=end],
        _ => &[],
    }
}
