//! Time in a world: microseconds since 1970, and how they are written.

use finis_engine::Timestamp;
use finis_engine::contract::draft::TimeFormat;

/// Microseconds since 1970, on whoever's clock.
pub type Micros = i64;

pub(crate) const MILLISECOND: Micros = 1_000;
pub(crate) const SECOND: Micros = 1_000 * MILLISECOND;

/// No length of time in a world is longer: a century. What is written down as more is this.
const LONGEST: Micros = 100 * 366 * 86_400 * SECOND;

/// A length of time in microseconds, cut to what can be added to any instant.
pub(crate) fn length(micros: u64) -> Micros {
    micros.min(LONGEST as u64) as Micros
}

/// The same of whole seconds.
pub(crate) fn seconds(seconds: u64) -> Micros {
    length(seconds.saturating_mul(SECOND as u64))
}

/// The receiver's time of an instant.
///
/// An instant outside the years 1 to 9999 is the nearest of them: no world is there.
#[must_use]
pub fn timestamp(at: Micros) -> Timestamp {
    written(at, 6)
}

/// The provider's time of an instant, to the millisecond.
#[must_use]
pub fn milliseconds(at: Micros) -> Timestamp {
    written(at, 3)
}

/// The instant of a time, to the microsecond.
#[must_use]
pub fn micros(at: Timestamp) -> Micros {
    let (seconds, nanos) = at.unix();
    seconds.saturating_mul(SECOND).saturating_add(i64::from(nanos / 1000))
}

fn written(at: Micros, digits: usize) -> Timestamp {
    // Below a thousand million.
    let nanos = (at.rem_euclid(SECOND) * 1000) as u32;
    Timestamp::from_unix(at.div_euclid(SECOND), nanos, digits).unwrap_or(if at < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// An instant cut to what a format can say: seconds of `unix-s`, milliseconds of the others.
pub(crate) fn cut(at: Micros, format: TimeFormat) -> Micros {
    let unit = if format == TimeFormat::UnixS { SECOND } else { MILLISECOND };
    at.div_euclid(unit) * unit
}

/// Appends an instant as a provider writes it, as JSON.
pub(crate) fn write(at: Micros, format: TimeFormat, out: &mut String) {
    let at = cut(at, format);
    match format {
        TimeFormat::Rfc3339 => {
            out.push('"');
            out.push_str(&written(at, 3).to_string());
            out.push('"');
        }
        TimeFormat::UnixS => out.push_str(&at.div_euclid(SECOND).to_string()),
        TimeFormat::UnixMs => out.push_str(&at.div_euclid(MILLISECOND).to_string()),
    }
}
