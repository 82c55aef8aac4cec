//! What becomes of a recording that did not come: a function of how often it was tried, why, and the time.

use std::fmt;
use std::time::Duration;

use finis_engine::Timestamp;

/// How long to wait after the first try, after the second, and so on.
const DELAYS: [Duration; 12] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(3 * 60 * 60),
    Duration::from_secs(6 * 60 * 60),
    Duration::from_secs(12 * 60 * 60),
];

/// Within a lifetime, no wait is longer than this part of what is left of it, or than [`DENSE`].
const PART: u32 = 20;

/// So often it is tried at least as long as the address lives.
const DENSE: Duration = Duration::from_secs(60);

/// Why a recording did not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// It may come later: nobody answered, or not with all of it, or with a status that says no.
    NotYet {
        /// Why.
        reason: String,
        /// How long whoever answered asks to wait.
        retry_after: Option<Duration>,
    },
    /// Something came that is no recording. It may be a page that stands in for one that is still made.
    Other {
        /// What it is.
        reason: String,
    },
    /// It cannot come, however often it is tried: it may not be gone there, or it is too large.
    Never {
        /// Why.
        reason: String,
    },
    /// It came, and cannot be kept here.
    Disk {
        /// Why.
        reason: String,
    },
}

impl Obstacle {
    /// It may come later, and nobody says when.
    #[must_use]
    pub fn not_yet(reason: impl Into<String>) -> Obstacle {
        Obstacle::NotYet { reason: reason.into(), retry_after: None }
    }

    /// Why, for people.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Obstacle::NotYet { reason, .. }
            | Obstacle::Other { reason }
            | Obstacle::Never { reason }
            | Obstacle::Disk { reason } => reason,
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is tried again at this time.
    Again(Timestamp),
    /// It cannot be had.
    Failed,
    /// Its time is over.
    Missed,
}

/// Decides. `tries` counts this one, too, which began at `began` and failed at `now`; the address is promised to
/// work until `until`.
///
/// Within a lifetime it is tried after 1, 2, 5, 15, 30 and 60 seconds, and then at least once in each twentieth of
/// what is left, but not more than once a minute; the last time when the lifetime ends, since a promise may be
/// kept for longer. A try that begins then or later is the last: so whoever slept through a lifetime tries once.
/// Without a lifetime there are 13 tries over about a day. `Retry-After` makes a wait longer, never beyond the end
/// of the lifetime.
///
/// What cannot come is not tried again. What is no recording is, and is `failed` at the end, not `missed`.
#[must_use]
pub fn decide(tries: u32, obstacle: &Obstacle, began: Timestamp, now: Timestamp, until: Option<Timestamp>) -> Decision {
    let end = match obstacle {
        Obstacle::Never { .. } => return Decision::Failed,
        Obstacle::Other { .. } => Decision::Failed,
        Obstacle::NotYet { .. } | Obstacle::Disk { .. } => Decision::Missed,
    };
    let asked = match obstacle {
        Obstacle::NotYet { retry_after, .. } => retry_after.unwrap_or_default(),
        Obstacle::Other { .. } | Obstacle::Never { .. } | Obstacle::Disk { .. } => Duration::ZERO,
    };
    let place = tries.saturating_sub(1) as usize;
    let Some(until) = until else {
        let longest = DELAYS[DELAYS.len() - 1];
        return DELAYS
            .get(place)
            .map_or(Decision::Failed, |delay| Decision::Again(now.plus((*delay).max(asked.min(longest)))));
    };
    if began >= until {
        return end;
    }
    if now >= until {
        return Decision::Again(now);
    }
    let delay = DELAYS.get(place).copied().unwrap_or(DELAYS[DELAYS.len() - 1]);
    let left = until.since(now);
    let wait = delay.min(DENSE.max(left / PART)).max(asked);
    Decision::Again(now.plus(wait.min(left)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said() -> Timestamp {
        Timestamp::parse("2026-05-03T08:42:30.114Z").unwrap()
    }

    fn not_yet(retry_after: Option<u64>) -> Obstacle {
        Obstacle::NotYet { reason: "answered 404".to_owned(), retry_after: retry_after.map(Duration::from_secs) }
    }

    /// When it is tried, in seconds from the first, when each try takes so long and fails; and what came of it.
    fn tries(obstacle: &Obstacle, late: u64, takes: Duration, lifetime: Option<u64>) -> (Vec<u64>, Decision) {
        let until = lifetime.map(|seconds| said().plus(Duration::from_secs(seconds)));
        let first = said().plus(Duration::from_secs(late));
        let (mut began, mut times) = (first, Vec::new());
        loop {
            times.push(began.since(first).as_secs());
            assert!(times.len() < 1000, "it has no end");
            let now = began.plus(takes);
            match decide(times.len() as u32, obstacle, began, now, until) {
                Decision::Again(at) => began = at,
                end => return (times, end),
            }
        }
    }

    #[test]
    fn a_quarter_of_an_hour_is_used_to_its_end() {
        let (times, end) = tries(&not_yet(None), 0, Duration::ZERO, Some(900));
        assert_eq!(times[..8], [0, 1, 3, 8, 23, 53, 113, 173]);
        assert_eq!(times[times.len() - 2..], [893, 900]);
        assert_eq!((times.len(), end), (21, Decision::Missed));
    }

    #[test]
    fn whoever_slept_through_it_tries_once() {
        assert_eq!(tries(&not_yet(Some(60)), 900, Duration::ZERO, Some(900)), (vec![0], Decision::Missed));
        assert_eq!(tries(&not_yet(None), 86_400, Duration::ZERO, Some(900)), (vec![0], Decision::Missed));
        // A try that began in time and ended too late is not the last.
        let slow = tries(&not_yet(None), 899, Duration::from_secs(300), Some(900));
        assert_eq!(slow, (vec![0, 300], Decision::Missed));
    }

    #[test]
    fn without_a_lifetime_it_is_tried_for_a_day() {
        let (times, end) = tries(&not_yet(None), 0, Duration::ZERO, None);
        assert_eq!((times.len(), end), (13, Decision::Failed));
        assert_eq!(times.last(), Some(&80_513));
    }

    #[test]
    fn what_cannot_come_fails_and_what_is_no_recording_fails_at_the_end() {
        let reason = || "a page".to_owned();
        assert_eq!(tries(&Obstacle::Never { reason: reason() }, 0, Duration::ZERO, Some(900)).0, [0]);
        let (times, end) = tries(&Obstacle::Other { reason: reason() }, 0, Duration::ZERO, Some(900));
        assert_eq!((times.len(), end), (21, Decision::Failed));
        let (_, end) = tries(&Obstacle::Disk { reason: reason() }, 0, Duration::ZERO, Some(900));
        assert_eq!(end, Decision::Missed);
    }

    #[test]
    fn who_asks_to_wait_is_waited_for_within_the_lifetime() {
        let after = |asked, left| match decide(1, &not_yet(Some(asked)), said(), said(), Some(said().plus(left))) {
            Decision::Again(at) => at.since(said()).as_secs(),
            end => panic!("{end:?}"),
        };
        assert_eq!(after(120, Duration::from_secs(900)), 120);
        assert_eq!(after(0, Duration::from_secs(900)), 1);
        assert_eq!(after(u64::MAX, Duration::from_secs(900)), 900);
        let (times, _) = tries(&not_yet(Some(u64::MAX)), 0, Duration::ZERO, None);
        assert_eq!(times.len(), 13);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn there_is_one_try_at_the_end_of_a_lifetime_and_none_after(
            late in 0..2_000_000_u64, takes in 0..600_u64, lifetime in 1..1_000_000_u64, asked in proptest::option::of(0..5000_u64),
        ) {
            let (times, end) = tries(&not_yet(asked), late, Duration::from_secs(takes), Some(lifetime));
            prop_assert_eq!(end, Decision::Missed);
            let after = times.iter().filter(|time| late + **time >= lifetime).count();
            prop_assert_eq!(after, 1);
            prop_assert!(times.windows(2).all(|two| two[1] >= two[0] + takes));
        }
    }
}
