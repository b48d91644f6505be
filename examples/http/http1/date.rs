//! The date as HTTP writes it, made once a second.

use std::time::{Duration, SystemTime};

use windlass::Instant;

/// A date such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
pub(crate) type Date = [u8; 29];

const DAY: u64 = 86_400;
const WEEKDAYS: &[u8; 21] = b"ThuFriSatSunMonTueWed";
const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

/// The date of now. The loop's clock says when it is time to ask for it again: only here is the
/// world's asked.
pub(crate) struct Clock {
    /// How the world's time is asked for.
    wall: fn() -> SystemTime,
    date: Date,
    /// When the second is over.
    until: Instant,
}

impl Clock {
    pub(crate) fn new(wall: fn() -> SystemTime) -> Self {
        Self { wall, date: date(wall()), until: Instant::START }
    }

    /// Goes with the time of the loop; says whether the date is another now.
    #[inline]
    pub(crate) fn advance(&mut self, now: Instant) -> bool {
        now >= self.until && self.ask(now)
    }

    #[cold]
    fn ask(&mut self, now: Instant) -> bool {
        let wall = (self.wall)();
        let past = since_1970(wall).subsec_nanos();
        let left = Duration::from_secs(1) - Duration::from_nanos(u64::from(past));
        self.until = now.after(left).unwrap_or(Instant::END);
        let before = std::mem::replace(&mut self.date, date(wall));
        before != self.date
    }

    pub(crate) const fn date(&self) -> &Date {
        &self.date
    }
}

/// A time before 1970 is taken for its beginning: no clock is that wrong on purpose.
fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// How HTTP writes this time. Years have four digits: after 9999, it stays with the last.
pub(crate) fn date(time: SystemTime) -> Date {
    const LAST: u64 = 253_402_300_799;
    let seconds = since_1970(time).as_secs().min(LAST);
    let (days, second) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = civil(days);
    let mut date = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    date[..3].copy_from_slice(name(WEEKDAYS, days % 7));
    put_two(&mut date[5..], day);
    date[8..11].copy_from_slice(name(MONTHS, month));
    put_two(&mut date[12..], year / 100);
    put_two(&mut date[14..], year % 100);
    put_two(&mut date[17..], second / 3600);
    put_two(&mut date[20..], second / 60 % 60);
    put_two(&mut date[23..], second % 60);
    date
}

/// The year, the month from zero and the day from one, so many days after 1970 began.
fn civil(days: u64) -> (u64, u64, u64) {
    // Years are counted from March of the year 0, so that the day that some have more is their
    // last; every 400 of them are equally long.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // From March on, the months have 31, 30, 31, 30 and 31 days, again and again.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    (era * 400 + year + u64::from(month >= 10), (month + 2) % 12, day)
}

/// The three letters at this place.
fn name(names: &[u8], place: u64) -> &[u8] {
    let (names, _) = names.as_chunks::<3>();
    &names[usize::try_from(place).expect("there are no more than twelve")]
}

fn put_two(text: &mut [u8], number: u64) {
    let digits = u8::try_from(number).expect("it is below a hundred");
    text[..2].copy_from_slice(&[b'0' + digits / 10, b'0' + digits % 10]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn text(seconds: u64) -> String {
        String::from_utf8(date(at(seconds)).to_vec()).unwrap()
    }

    #[test]
    fn dates_are_written_as_the_calendar_has_them() {
        for (seconds, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (253_402_300_800, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(text(seconds), expected);
        }
        assert_eq!(date(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), date(at(0)));
    }

    #[test]
    fn every_day_follows_on_the_one_before() {
        let mut before = civil(0);
        for days in 1..200 * 366 {
            let next = civil(days);
            let (year, month, day) = before;
            let is_next = next == (year, month, day + 1)
                || (next == (year, month + 1, 1) && day >= 28)
                || (next == (year + 1, 0, 1) && (month, day) == (11, 31));
            assert!(is_next, "{before:?}, then {next:?}");
            before = next;
        }
    }

    #[test]
    fn the_world_is_asked_for_the_time_once_a_second() {
        let mut clock = Clock::new(|| at(10) + Duration::from_millis(300));
        let moment = |millis: u64| Instant::from_nanos(millis * 1_000_000);
        assert!(!clock.advance(moment(5000)), "the date is that of the beginning");
        clock.wall = || at(11);
        assert!(!clock.advance(moment(5699)), "not asked");
        assert!(clock.advance(moment(5700)));
        assert_eq!(clock.date(), &date(at(11)));
        assert!(!clock.advance(moment(6699)));
    }
}
