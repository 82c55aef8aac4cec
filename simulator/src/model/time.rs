//! Instants, naively: nanoseconds since 1970, and how many digits of a second were written.

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use finis_engine::Timestamp;
use finis_engine::contract::draft::TimeFormat;

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;
/// 0001-01-01T00:00:00Z
const FIRST: i128 = -62_135_596_800 * SECOND;
/// 10000-01-01T00:00:00Z
const AFTER: i128 = 253_402_300_800 * SECOND;

/// An instant. Two that are written with more or fewer digits are equal.
#[derive(Clone, Copy, Debug)]
pub struct Instant {
    nanos: i128,
    digits: usize,
}

impl PartialEq for Instant {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Instant {}

impl PartialOrd for Instant {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Instant {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl From<Timestamp> for Instant {
    fn from(at: Timestamp) -> Self {
        let (seconds, nanos) = at.unix();
        Instant { nanos: i128::from(seconds) * SECOND + i128::from(nanos), digits: at.digits() }
    }
}

impl Instant {
    /// Reads RFC 3339 as the rulings want it: strictly, years 0001 to 9999 in UTC too.
    #[must_use]
    pub fn parse(text: &str) -> Option<Instant> {
        let bytes = text.as_bytes();
        if !text.is_ascii() || bytes.len() < 20 {
            return None;
        }
        let number = |from: usize, to: usize| {
            let digits = &text[from..to];
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i64>().ok()).flatten()
        };
        let fixed = [(4, b"-"), (7, b"-"), (10, b"T"), (13, b":"), (16, b":")];
        if fixed.iter().any(|(place, byte)| bytes[*place].to_ascii_uppercase() != byte[0]) {
            return None;
        }
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let in_calendar = year >= 1 && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        if !in_calendar || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let mut rest = &text[19..];
        let mut fraction = "";
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(|c: char| !c.is_ascii_digit())?;
            (fraction, rest) = after.split_at(end);
            if fraction.is_empty() || fraction.len() > 9 {
                return None;
            }
        }
        let offset = match rest.as_bytes() {
            [b'Z' | b'z'] => 0,
            [sign @ (b'+' | b'-'), h1, h0, b':', m1, m0]
                if [h1, h0, m1, m0].iter().all(|byte| byte.is_ascii_digit()) =>
            {
                let (hours, minutes) = (rest[1..3].parse::<i64>().ok()?, rest[4..6].parse::<i64>().ok()?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                (hours * 60 + minutes) * if *sign == b'-' { -60 } else { 60 }
            }
            _ => return None,
        };
        let seconds = days_before(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
        let below: i128 = format!("{fraction:0<9}").parse().ok()?;
        let nanos = i128::from(seconds) * SECOND + below;
        (FIRST..AFTER).contains(&nanos).then_some(Instant { nanos, digits: fraction.len() })
    }

    /// Reads a time in a contract's format; `number` says that it is one and no string.
    pub(super) fn read(text: &str, number: bool, format: TimeFormat) -> Option<Instant> {
        let scale = match format {
            TimeFormat::Rfc3339 => return if number { None } else { Instant::parse(text) },
            TimeFormat::UnixS => 0,
            TimeFormat::UnixMs => 3,
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || whole.len() > 18 || fraction.len() + scale > 9 {
            return None;
        }
        let exact = format!("{whole}{fraction}");
        let places = scale + fraction.len();
        let nanos = exact.parse::<i128>().ok()? * 10_i128.pow(9 - places as u32);
        (FIRST..AFTER).contains(&nanos).then_some(Instant { nanos, digits: places })
    }

    /// So much later, with as many digits as that takes. It may be past the year 9999: nobody lives to see it.
    #[must_use]
    pub fn plus(self, span: Duration) -> Instant {
        let more = span.as_nanos() as i128;
        let mut digits = self.digits;
        while more % 10_i128.pow(9 - digits as u32) != 0 {
            digits += 1;
        }
        Instant { nanos: self.nanos + more, digits }
    }

    /// The earlier of two; of the same instant the one with fewer digits.
    pub(super) fn earliest(self, other: Instant) -> Instant {
        if (other.nanos, other.digits) < (self.nanos, self.digits) { other } else { self }
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (day, within) = (self.nanos.div_euclid(DAY), self.nanos.rem_euclid(DAY));
        let (year, month, day) = date_of(day as i64);
        let (seconds, below) = (within / SECOND, within % SECOND);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if self.digits > 0 {
            write!(f, ".{}", &format!("{below:09}")[..self.digits])?;
        }
        f.write_str("Z")
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a day.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let years = year - 1;
    let whole = years * 365 + years / 4 - years / 100 + years / 400;
    let months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    whole + months + day - 1 - 719_162
}

/// The day so many days after 1970-01-01.
fn date_of(days: i64) -> (i64, i64, i64) {
    // Never after the year that is looked for.
    let mut year = 1970 + days.div_euclid(if days < 0 { 365 } else { 366 }) - 1;
    while days_before(year + 1, 1, 1) <= days {
        year += 1;
    }
    let mut rest = days - days_before(year, 1, 1);
    let mut month = 1;
    while rest >= days_in(year, month) {
        rest -= days_in(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_it_reads() {
        for (text, printed) in [
            ("2026-05-03T08:42:11.512Z", "2026-05-03T08:42:11.512Z"),
            ("2024-02-29t23:59:59.000000001z", "2024-02-29T23:59:59.000000001Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
            ("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00Z"),
            ("1600-03-01T00:00:00Z", "1600-03-01T00:00:00Z"),
        ] {
            assert_eq!(Instant::parse(text).unwrap().to_string(), printed);
        }
        for text in
            ["2026-02-29T00:00:00Z", "2026-05-03T24:00:00Z", "2026-05-03 08:42:11Z", "9999-12-31T23:59:59-01:00"]
        {
            assert!(Instant::parse(text).is_none(), "{text}");
        }
    }
}
