//! Times that are signed: read strictly, written as the provider does, held against a clock.

use std::time::Duration;

use finis_engine::Timestamp;
use finis_engine::contract::draft::TimeFormat;
use finis_engine::contract::signature::SignedTime;

use super::Refused;

/// Reads a time. Seconds and milliseconds are digits alone: no sign, no fraction, no exponent.
pub(super) fn read(text: &str, format: TimeFormat) -> Option<Timestamp> {
    let number = || {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<i64>().ok()).flatten()
    };
    match format {
        TimeFormat::Rfc3339 => Timestamp::parse(text).ok(),
        TimeFormat::UnixS => Timestamp::from_unix(number()?, 0, 0),
        TimeFormat::UnixMs => {
            let number = number()?;
            // Below a thousand.
            let millis = (number % 1000) as u32;
            Timestamp::from_unix(number / 1000, millis * 1_000_000, 3)
        }
    }
}

/// Writes a time; a finer part than the format has is cut off. Nothing for one before 1970 where the
/// format counts from there.
pub(super) fn write(at: Timestamp, format: TimeFormat) -> Option<String> {
    let (seconds, nanos) = at.unix();
    let seconds_since = u64::try_from(seconds).ok();
    match format {
        TimeFormat::Rfc3339 => Some(at.to_string()),
        TimeFormat::UnixS => seconds_since.map(|seconds| seconds.to_string()),
        TimeFormat::UnixMs => seconds_since.map(|seconds| (seconds * 1000 + u64::from(nanos / 1_000_000)).to_string()),
    }
}

/// Whether a time is near enough to now; exactly as far as the tolerance still is.
pub(super) fn judge(at: Timestamp, time: &SignedTime, now: Timestamp) -> Result<(), Refused> {
    let over = |by: Duration, most: Option<Duration>| most.is_some_and(|most| by > most);
    let (behind, ahead) = (now.since(at), at.since(now));
    if over(behind, time.behind) {
        return Err(Refused::TooOld { by: behind });
    }
    if over(ahead, time.ahead) {
        return Err(Refused::TooFarAhead { by: ahead });
    }
    Ok(())
}
