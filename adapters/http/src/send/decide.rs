//! What becomes of a notice that was posted: a function of how often, what came back, the time and chance.

use std::time::{Duration, UNIX_EPOCH};

use finis_engine::Timestamp;
use http::StatusCode;

use super::schedule::with_jitter;

/// The longest that an endpoint can ask to be left alone: as long as the longest wait that is published.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// No whole answer.
    Nothing,
    /// An answer.
    Status {
        /// Its status.
        status: StatusCode,
        /// How long its `Retry-After` asks to wait.
        retry_after: Option<Duration>,
    },
}

/// What becomes of the notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is dealt with.
    Taken,
    /// It is posted again at this time.
    Again(Timestamp),
    /// It is posted again at this time, and nothing else to this endpoint before: it asked for that.
    Pause(Timestamp),
    /// It is a dead letter.
    Dead,
    /// It is parked, and the endpoint closed: it said that it is gone.
    Closed,
}

/// Decides. `tries` counts this one, too; `delays` says how long to wait after the first, the second, and so on,
/// and no delay is left after the last; `jitter` is from 0 to 1.
///
/// A redirect is not followed and counts as a failure. `Retry-After` is honoured with every status but 2xx and
/// 410, and never makes a wait shorter; with 429 and 503 it speaks for the endpoint.
#[must_use]
pub fn decide(tries: u32, answered: Answered, now: Timestamp, jitter: f64, delays: &[Duration]) -> Decision {
    let retry_after = match answered {
        Answered::Status { status, .. } if status.is_success() => return Decision::Taken,
        Answered::Status { status: StatusCode::GONE, .. } => return Decision::Closed,
        Answered::Status { status, retry_after } => retry_after.map(|wait| (status, wait.min(RETRY_AFTER_MAX))),
        Answered::Nothing => None,
    };
    let Some(delay) = delays.get(tries.saturating_sub(1) as usize) else { return Decision::Dead };
    let wait = with_jitter(*delay, jitter);
    match retry_after {
        Some((StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, asked)) if asked > Duration::ZERO => {
            // The notice itself may have to wait longer than the endpoint asks for.
            if wait > asked { Decision::Again(now.plus(wait)) } else { Decision::Pause(now.plus(asked)) }
        }
        Some((_, asked)) => Decision::Again(now.plus(wait.max(asked))),
        None => Decision::Again(now.plus(wait)),
    }
}

/// How long a `Retry-After` asks to wait: seconds, or a date of HTTP. Nothing when it is neither; no time at all
/// when the date is past.
#[must_use]
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are as long as it gets.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let seconds = i64::try_from(date.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()?;
    Some(Timestamp::from_unix(seconds, 0, 0)?.since(now))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::schedule::PUBLISHED;
    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse("2026-05-03T08:42:11Z").unwrap()
    }

    fn status(status: u16, retry_after: Option<u64>) -> Answered {
        let status = StatusCode::from_u16(status).unwrap();
        Answered::Status { status, retry_after: retry_after.map(Duration::from_secs) }
    }

    #[track_caller]
    fn check(tries: u32, answered: Answered, expected: &str) {
        let told = match decide(tries, answered, now(), 0.0, &PUBLISHED) {
            Decision::Again(at) => format!("again in {}", at.since(now()).as_secs()),
            Decision::Pause(at) => format!("pause of {}", at.since(now()).as_secs()),
            other => format!("{other:?}"),
        };
        assert_eq!(told, expected, "after {tries} tries, {answered:?}");
    }

    #[test]
    fn what_is_taken_is_taken_and_all_else_comes_again() {
        for code in [200, 201, 202, 204, 299] {
            check(1, status(code, Some(60)), "Taken");
        }
        for code in [301, 302, 304, 307, 308, 400, 401, 404, 408, 418, 500, 502, 504, 599] {
            check(1, status(code, None), "again in 5");
        }
        check(1, Answered::Nothing, "again in 5");
        for tries in [1, 10, 11] {
            check(tries, status(410, Some(5)), "Closed");
        }
    }

    #[test]
    fn ten_tries_as_published_and_then_it_is_dead() {
        for (tries, seconds) in (1..).zip([5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]) {
            check(tries, Answered::Nothing, &format!("again in {seconds}"));
        }
        check(10, Answered::Nothing, "Dead");
        check(u32::MAX, status(503, Some(5)), "Dead");
        assert_eq!(decide(1, Answered::Nothing, now(), 0.0, &[]), Decision::Dead);
    }

    #[test]
    fn who_asks_to_be_left_alone_is() {
        check(1, status(503, Some(60)), "pause of 60");
        check(1, status(429, Some(60)), "pause of 60");
        check(1, status(500, Some(60)), "again in 60");
        check(1, status(307, Some(60)), "again in 60");
        // It never comes sooner than published.
        check(2, status(503, Some(60)), "again in 300");
        check(2, status(500, Some(60)), "again in 300");
        check(1, status(503, Some(0)), "again in 5");
        // A day is the most.
        check(1, status(503, Some(u64::MAX)), "pause of 86400");
    }

    #[test]
    fn a_time_to_come_again_is_read_in_both_forms() {
        let read = |value| retry_after(value, now()).map(|wait| wait.as_secs());
        assert_eq!(read("120"), Some(120));
        assert_eq!(read(" 120 "), Some(120));
        assert_eq!(read("99999999999999999999999"), Some(u64::MAX));
        assert_eq!(read("Sun, 03 May 2026 08:43:11 GMT"), Some(60));
        assert_eq!(read("Sunday, 03-May-26 08:43:11 GMT"), Some(60));
        assert_eq!(read("Sun, 03 May 2026 08:42:00 GMT"), Some(0));
        for value in ["", "-1", "+5", "1.5", "soon", "1e3", "2026-05-03T08:43:11Z"] {
            assert_eq!(read(value), None, "{value}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_wait_is_never_shorter_than_published_and_longer_by_a_fifth_at_most(tries in 1..10_u32, jitter in 0.0..1.0_f64) {
            let published = PUBLISHED[tries as usize - 1];
            let Decision::Again(at) = decide(tries, Answered::Nothing, now(), jitter, &PUBLISHED) else {
                return Err(TestCaseError::fail("it is not tried again"));
            };
            let wait = at.since(now());
            prop_assert!(wait >= published && wait <= published + published / 5, "{wait:?}");
        }

        #[test]
        fn nothing_is_tried_for_ever_and_nothing_but_410_closes(
            tries in any::<u32>(), code in 100..600_u16, after in proptest::option::of(any::<u64>()), jitter in any::<f64>(),
        ) {
            let decided = decide(tries, status(code, after), now(), jitter, &PUBLISHED);
            prop_assert_eq!(decided == Decision::Taken, (200..300).contains(&code));
            prop_assert_eq!(decided == Decision::Closed, code == 410);
            if let Decision::Again(at) | Decision::Pause(at) = decided {
                prop_assert!(tries < 10);
                prop_assert!(at.since(now()) <= RETRY_AFTER_MAX + RETRY_AFTER_MAX / 5);
            }
        }
    }
}
