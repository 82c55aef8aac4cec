//! Instants: RFC 3339, strictly, in UTC, with the precision they came in.

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use chrono::{Datelike, NaiveDate};

const SECONDS_PER_DAY: i64 = 86_400;

/// Days from the first of the common era, as chrono counts them, to 1970-01-01.
const EPOCH_DAYS_FROM_CE: i64 = 719_163;

/// A point in time, from year 1 to year 9999 in UTC, to the nanosecond.
///
/// Two timestamps are equal, and ordered, as instants: `08:42:14.3Z` and `08:42:14.300Z` are the
/// same. How many digits of a second were written is kept beside, and printed again.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    seconds: i64,
    /// Nanoseconds into the second, below 10⁹.
    nanos: u32,
    precision: Precision,
}

/// Digits of a second that were written, 0 to 9. An enum, so that `Option<Timestamp>` stays small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Precision {
    P0,
    P1,
    P2,
    P3,
    P4,
    P5,
    P6,
    P7,
    P8,
    P9,
}

const PRECISIONS: [Precision; 10] = {
    use Precision::{P0, P1, P2, P3, P4, P5, P6, P7, P8, P9};
    [P0, P1, P2, P3, P4, P5, P6, P7, P8, P9]
};

impl Timestamp {
    /// The first instant there is: 0001-01-01T00:00:00Z. Nothing is overdue at it.
    pub const MIN: Timestamp = Timestamp { seconds: -62_135_596_800, nanos: 0, precision: Precision::P0 };

    /// The last: 9999-12-31T23:59:59.999999999Z.
    pub const MAX: Timestamp = Timestamp { seconds: 253_402_300_799, nanos: 999_999_999, precision: Precision::P9 };

    /// Reads an RFC 3339 time: `T` and `Z` in either case, an offset or `Z`, one to nine digits of
    /// a second if any; no space, no second 60, no 24:00.
    ///
    /// ```
    /// use finis_engine::Timestamp;
    /// let at = Timestamp::parse("2026-05-03T10:42:11.512+02:00").unwrap();
    /// assert_eq!(at.to_string(), "2026-05-03T08:42:11.512Z");
    /// assert!(Timestamp::parse("2026-05-03T08:42:11").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Timestamp, TimeError> {
        parse(text.as_bytes())
    }

    /// The instant this many seconds and nanoseconds after 1970-01-01T00:00:00Z, written to
    /// `digits` of a second (at most nine); `None` outside years 1 to 9999.
    #[must_use]
    pub fn from_unix(seconds: i64, nanos: u32, digits: usize) -> Option<Timestamp> {
        let precision = PRECISIONS[digits.min(9)];
        let timestamp = Timestamp { seconds, nanos, precision };
        (nanos < 1_000_000_000 && timestamp >= Timestamp::MIN && timestamp <= Timestamp::MAX).then_some(timestamp)
    }

    /// Seconds since 1970-01-01T00:00:00Z, and nanoseconds into the second.
    #[must_use]
    pub fn unix(self) -> (i64, u32) {
        (self.seconds, self.nanos)
    }

    /// Digits of a second that were written, 0 to 9.
    #[must_use]
    pub fn digits(self) -> usize {
        self.precision as usize
    }

    /// As bytes, for whoever keeps many.
    pub(crate) fn to_bytes(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(&self.seconds.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.nanos.to_le_bytes());
        bytes[12] = self.precision as u8;
        bytes
    }

    /// The timestamp that [`Timestamp::to_bytes`] made these of.
    pub(crate) fn from_bytes(bytes: &[u8; BYTES]) -> Timestamp {
        let [s0, s1, s2, s3, s4, s5, s6, s7, n0, n1, n2, n3, digits] = *bytes;
        Timestamp {
            seconds: i64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            nanos: u32::from_le_bytes([n0, n1, n2, n3]),
            precision: PRECISIONS[usize::from(digits.min(9))],
        }
    }

    /// This instant and a while more, at most [`Timestamp::MAX`].
    #[must_use]
    pub fn plus(self, span: Duration) -> Timestamp {
        let nanos = self.nanos + span.subsec_nanos();
        let carry = i64::from(nanos / 1_000_000_000);
        let mut digits = self.precision as usize;
        while !span.subsec_nanos().is_multiple_of(10_u32.pow(9 - digits as u32)) {
            digits += 1;
        }
        i64::try_from(span.as_secs())
            .ok()
            .and_then(|whole| self.seconds.checked_add(whole)?.checked_add(carry))
            .and_then(|seconds| Timestamp::from_unix(seconds, nanos % 1_000_000_000, digits))
            .unwrap_or(Timestamp::MAX)
    }

    /// This instant and a while less, at least [`Timestamp::MIN`].
    #[must_use]
    pub fn minus(self, span: Duration) -> Timestamp {
        let borrow = i64::from(self.nanos < span.subsec_nanos());
        let nanos = self.nanos + borrow as u32 * 1_000_000_000 - span.subsec_nanos();
        let mut digits = self.precision as usize;
        while !span.subsec_nanos().is_multiple_of(10_u32.pow(9 - digits as u32)) {
            digits += 1;
        }
        i64::try_from(span.as_secs())
            .ok()
            .and_then(|whole| self.seconds.checked_sub(whole)?.checked_sub(borrow))
            .and_then(|seconds| Timestamp::from_unix(seconds, nanos, digits))
            .unwrap_or(Timestamp::MIN)
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Timestamp) -> Duration {
        let nanos = |at: Timestamp| i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos);
        let gap = u128::try_from(nanos(self) - nanos(earlier)).unwrap_or(0);
        // Ten thousand years of seconds fit a u64 many times over.
        Duration::new((gap / 1_000_000_000) as u64, (gap % 1_000_000_000) as u32)
    }

    /// The earlier of two; of the same instant written twice, the one with fewer digits, so that
    /// the choice does not depend on which came first.
    #[must_use]
    pub fn earliest(self, other: Timestamp) -> Timestamp {
        let key = |at: Timestamp| (at.seconds, at.nanos, at.precision);
        if key(other) < key(self) { other } else { self }
    }
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        self.unix() == other.unix()
    }
}

impl Eq for Timestamp {}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> Ordering {
        self.unix().cmp(&other.unix())
    }
}

/// RFC 3339 in UTC, ending in `Z`, with the digits of a second that were read.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut [0; TEXT_MAX]))
    }
}

/// Bytes of [`Timestamp::to_bytes`].
pub(crate) const BYTES: usize = 13;

/// Bytes of the longest timestamp, `9999-12-31T23:59:59.999999999Z`.
pub(crate) const TEXT_MAX: usize = 30;

impl Timestamp {
    /// The printed form, made in `buffer`.
    pub(crate) fn text(self, buffer: &mut [u8; TEXT_MAX]) -> &str {
        self.text_near(&mut LastDay::default(), buffer)
    }

    /// The same, of one of several times that are mostly of one day: those of a record.
    pub(crate) fn text_near<'b>(self, last: &mut LastDay, buffer: &'b mut [u8; TEXT_MAX]) -> &'b str {
        let days = self.seconds.div_euclid(SECONDS_PER_DAY);
        let second = self.seconds.rem_euclid(SECONDS_PER_DAY);
        let date = last.date(days);
        // A second of the day is below 86,400.
        let second = second as u32;
        let year = date.year().unsigned_abs();
        let pairs = [year / 100, year % 100, date.month(), date.day(), second / 3600, second / 60 % 60, second % 60];
        buffer[..20].copy_from_slice(b"0000-00-00T00:00:00Z");
        for (place, pair) in [0, 2, 5, 8, 11, 14, 17].into_iter().zip(pairs) {
            // Each is below 100.
            buffer[place] = b'0' + (pair / 10) as u8;
            buffer[place + 1] = b'0' + (pair % 10) as u8;
        }
        let digits = self.precision as usize;
        let mut at = 20;
        if digits > 0 {
            buffer[19] = b'.';
            at = 21 + digits;
            let mut rest = self.nanos / 10_u32.pow(9 - digits as u32);
            for place in (20..20 + digits).rev() {
                buffer[place] = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            buffer[at - 1] = b'Z';
        }
        // Only ASCII was put, so this cannot fail.
        std::str::from_utf8(&buffer[..at]).unwrap_or_default()
    }
}

/// The day that was printed last, so that its date is made once.
#[derive(Default)]
pub(crate) struct LastDay(Option<(i64, NaiveDate)>);

impl LastDay {
    fn date(&mut self, days: i64) -> NaiveDate {
        match self.0 {
            Some((last, date)) if last == days => date,
            _ => self.0.insert((days, date_of(days))).1,
        }
    }
}

/// Why a text is no timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeError {
    /// Not of the form `2026-05-03T08:42:11.512Z`.
    Form,
    /// Right so far, but nothing says which zone.
    Zone,
    /// More than nine digits of a second.
    Precision,
    /// A month 13, a 31 April, an hour 24, a second 60: named by what is out of range.
    Range(&'static str),
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimeError::Form => f.write_str("not an RFC 3339 time such as `2026-05-03T08:42:11.512Z`"),
            TimeError::Zone => f.write_str("no zone: an RFC 3339 time ends in `Z` or an offset such as `+02:00`"),
            TimeError::Precision => f.write_str("more than nine digits of a second"),
            TimeError::Range("second") => f.write_str("the second is out of range; leap seconds are not read"),
            TimeError::Range(what) => write!(f, "the {what} is out of range"),
        }
    }
}

impl std::error::Error for TimeError {}

/// The date this many days after 1970-01-01.
fn date_of(days: i64) -> NaiveDate {
    // A timestamp lies in years 1 to 9999, well inside chrono's range.
    i32::try_from(days + EPOCH_DAYS_FROM_CE).ok().and_then(NaiveDate::from_num_days_from_ce_opt).unwrap_or_default()
}

fn parse(text: &[u8]) -> Result<Timestamp, TimeError> {
    let (head, tail) = text.split_first_chunk::<19>().ok_or(TimeError::Form)?;
    let separators = [head[4], head[7], head[10] & !0x20, head[13], head[16]];
    if separators != *b"--T::" {
        return Err(TimeError::Form);
    }
    let two = |place: usize| digits([head[place], head[place + 1]]);
    let year = two(0)? * 100 + two(2)?;
    let (month, day, hour, minute, second) = (two(5)?, two(8)?, two(11)?, two(14)?, two(17)?);

    let (fraction, zone_text) = match tail.split_first() {
        Some((b'.', rest)) => rest.split_at(rest.iter().take_while(|byte| byte.is_ascii_digit()).count()),
        _ => (&[][..], tail),
    };
    if tail.first() == Some(&b'.') && fraction.is_empty() {
        return Err(TimeError::Form);
    }
    if fraction.len() > 9 {
        return Err(TimeError::Precision);
    }
    let nanos = fraction.iter().fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'));
    let nanos = nanos * 10_u32.pow(9 - fraction.len() as u32);
    let offset = zone(zone_text)?;

    let in_range = |value: u32, max: u32, what| (value <= max).then_some(()).ok_or(TimeError::Range(what));
    in_range(hour, 23, "hour")?;
    in_range(minute, 59, "minute")?;
    in_range(second, 59, "second")?;
    if year == 0 {
        return Err(TimeError::Range("year"));
    }
    if !(1..=12).contains(&month) {
        return Err(TimeError::Range("month"));
    }
    // Four digits of a year fit an i32.
    let date = NaiveDate::from_ymd_opt(year as i32, month, day).ok_or(TimeError::Range("day"))?;
    let days = i64::from(date.num_days_from_ce()) - EPOCH_DAYS_FROM_CE;
    let seconds = days * SECONDS_PER_DAY + i64::from(hour * 3600 + minute * 60 + second) - offset;
    Timestamp::from_unix(seconds, nanos, fraction.len()).ok_or(TimeError::Range("year in UTC"))
}

/// The number that two digits write.
fn digits(pair: [u8; 2]) -> Result<u32, TimeError> {
    match pair {
        [high @ b'0'..=b'9', low @ b'0'..=b'9'] => Ok(u32::from(high - b'0') * 10 + u32::from(low - b'0')),
        _ => Err(TimeError::Form),
    }
}

/// Seconds that the zone is ahead of UTC.
fn zone(text: &[u8]) -> Result<i64, TimeError> {
    match *text {
        [] => Err(TimeError::Zone),
        [b'Z' | b'z'] => Ok(0),
        [sign @ (b'+' | b'-'), h1, h0, b':', m1, m0] => {
            let (hours, minutes) = (digits([h1, h0])?, digits([m1, m0])?);
            if hours > 23 || minutes > 59 {
                return Err(TimeError::Range("offset"));
            }
            let seconds = i64::from(hours * 3600 + minutes * 60);
            Ok(if sign == b'-' { -seconds } else { seconds })
        }
        _ => Err(TimeError::Form),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, printed: &str) {
        assert_eq!(Timestamp::parse(text).unwrap().to_string(), printed);
    }

    #[test]
    fn prints_utc_with_the_precision_received() {
        check("2026-05-03T08:42:11.512Z", "2026-05-03T08:42:11.512Z");
        check("2026-05-03t08:42:11z", "2026-05-03T08:42:11Z");
        check("2026-05-03T08:42:11.500000000Z", "2026-05-03T08:42:11.500000000Z");
        check("2026-01-01T01:00:00+02:00", "2025-12-31T23:00:00Z");
        check("2024-02-29T23:59:59.9-00:30", "2024-03-01T00:29:59.9Z");
        check("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z");
        check("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z");
        check("1969-12-31T23:59:59.25Z", "1969-12-31T23:59:59.25Z");
    }

    #[test]
    fn refuses_what_is_nearly_a_time() {
        for (text, error) in [
            ("", TimeError::Form),
            ("2026-05-03", TimeError::Form),
            ("2026-05-03 08:42:11Z", TimeError::Form),
            ("2026-05-03T08:42:11", TimeError::Zone),
            ("2026-05-03T08:42:11.512", TimeError::Zone),
            ("2026-05-03T08:42:11.Z", TimeError::Form),
            ("2026-05-03T08:42:11.0123456789Z", TimeError::Precision),
            ("2026-05-03T08:42:11+0200", TimeError::Form),
            ("2026-05-03T08:42:11Z ", TimeError::Form),
            ("2026-5-03T08:42:11Z", TimeError::Form),
            ("2026-13-03T08:42:11Z", TimeError::Range("month")),
            ("2026-00-03T08:42:11Z", TimeError::Range("month")),
            ("2026-04-31T08:42:11Z", TimeError::Range("day")),
            ("2025-02-29T08:42:11Z", TimeError::Range("day")),
            ("2026-05-03T24:00:00Z", TimeError::Range("hour")),
            ("2026-05-03T08:60:11Z", TimeError::Range("minute")),
            ("2016-12-31T23:59:60Z", TimeError::Range("second")),
            ("2026-05-03T08:42:11+24:00", TimeError::Range("offset")),
            ("0000-01-01T00:00:00Z", TimeError::Range("year")),
            ("0001-01-01T00:00:00+00:01", TimeError::Range("year in UTC")),
            ("9999-12-31T23:59:59-00:01", TimeError::Range("year in UTC")),
        ] {
            assert_eq!(Timestamp::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn is_ordered_as_an_instant() {
        let at = |text| Timestamp::parse(text).unwrap();
        assert_eq!(at("2026-05-03T08:42:14.3Z"), at("2026-05-03T10:42:14.300+02:00"));
        assert!(at("2026-05-03T08:42:14Z") < at("2026-05-03T08:42:14.000000001Z"));
        assert_eq!(at("2026-05-03T08:42:14.9Z").plus(Duration::from_millis(200)), at("2026-05-03T08:42:15.1Z"));
        assert_eq!(Timestamp::MAX.plus(Duration::MAX), Timestamp::MAX);
        assert_eq!(at("2026-05-03T08:42:15.1Z").since(at("2026-05-03T08:42:14.9Z")), Duration::from_millis(200));
    }

    #[test]
    fn stays_small() {
        assert_eq!(size_of::<Option<Timestamp>>(), 16);
    }
}
