//! The time of the world: it counts from 2026-05-03T00:00:00Z and is written as RFC 3339.

/// Microseconds since the world began.
pub(crate) type Micros = u64;

/// A thousandth of a second.
pub(crate) const MILLISECOND: Micros = 1_000;
/// A second.
pub(crate) const SECOND: Micros = 1_000_000;

/// The day on which the world begins.
const FIRST: Date = Date { year: 2026, month: 5, day: 3 };

/// A time as Pathors writes it: to the millisecond.
pub(crate) fn to_millisecond(time: Micros) -> String {
    format!("{}.{:03}Z", to_second(time), time % SECOND / MILLISECOND)
}

/// A time as a receiver notes it: to the microsecond.
pub(crate) fn to_microsecond(time: Micros) -> String {
    format!("{}.{:06}Z", to_second(time), time % SECOND)
}

fn to_second(time: Micros) -> String {
    let seconds = time / SECOND;
    let Date { year, month, day } = FIRST.after(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

struct Date {
    year: u64,
    month: u64,
    day: u64,
}

impl Date {
    /// The date `days` later. It walks month by month: a million sessions take a day.
    fn after(&self, days: u64) -> Self {
        let Self { mut year, mut month, .. } = *self;
        let mut day = self.day + days;
        while day > days_of(year, month) {
            day -= days_of(year, month);
            (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        }
        Self { year, month, day }
    }
}

fn days_of(year: u64, month: u64) -> u64 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
