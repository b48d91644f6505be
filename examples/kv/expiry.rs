//! Times of expiry, as commands give them.

use super::arguments::Arguments;
use super::options::integer;
use super::refusal::Refusal;

/// A time of expiry: not read as a number yet, since that is what a command is refused for last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiry<'a> {
    pub(crate) amount: &'a [u8],
    pub(crate) unit: Unit,
}

/// What the number of a time of expiry counts, and from when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    Seconds,
    Millis,
    /// Since 1970.
    UnixSeconds,
    UnixMillis,
}

impl Unit {
    /// As an option of a command: `EX` and its kin.
    pub(crate) fn of(option: &[u8]) -> Option<Self> {
        let units: [(&[u8], _); 4] = [
            (b"EX", Self::Seconds),
            (b"PX", Self::Millis),
            (b"EXAT", Self::UnixSeconds),
            (b"PXAT", Self::UnixMillis),
        ];
        let mut units = units.into_iter();
        units.find(|(name, _)| option.eq_ignore_ascii_case(name)).map(|(_, unit)| unit)
    }

    /// When that is, in milliseconds since 1970; `None` if no clock can tell.
    pub(crate) fn moment(self, amount: i64, now: u64) -> Option<i64> {
        let now = i64::try_from(now).ok()?;
        let millis = match self {
            Self::Seconds | Self::UnixSeconds => amount.checked_mul(1000)?,
            Self::Millis | Self::UnixMillis => amount,
        };
        match self {
            Self::Seconds | Self::Millis => millis.checked_add(now),
            Self::UnixSeconds | Self::UnixMillis => Some(millis),
        }
    }
}

impl<'a> Expiry<'a> {
    /// The value of an option, which must follow.
    pub(crate) fn read(unit: Unit, arguments: &mut Arguments<'a>) -> Result<Self, Refusal> {
        Ok(Self { amount: arguments.next().ok_or(Refusal::Syntax)?, unit })
    }

    /// When that is, in milliseconds since 1970, for the command of that name.
    ///
    /// # Errors
    ///
    /// If it is no number, or is zero and less.
    pub(crate) fn moment(self, now: u64, command: &'static str) -> Result<u64, Refusal> {
        let amount = integer(self.amount)?;
        let moment = self.unit.moment(amount, now).filter(|_| amount > 0);
        moment.and_then(|moment| u64::try_from(moment).ok()).ok_or(Refusal::BadExpiry(command))
    }
}
