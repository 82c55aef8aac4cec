//! For how long what is over is kept, and who decides that something is to be forgotten.

use std::time::Duration;

use super::Engine;
use super::writer::Job;
use crate::live::SessionKey;
use crate::log::{Consumer, Keep, LogError, Retained, Standing};
use crate::timestamp::Timestamp;

/// The least that sessions are known for after they expired: longer than any provider promises to send
/// again (the longest is a little more than two days).
pub const REMEMBER_MIN: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// For how long sessions are kept that are over.
///
/// A session is over when it waits for nothing any more: it is complete, or stalled, and no deadline is ahead. One
/// that was imported without the receiver's time, and of which no deadline has passed, stays: nobody knows how old
/// it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How long after the last that came of it.
    pub after: Duration,
    /// Its last record stays, and goes with what is remembered of it.
    pub last_word: bool,
    /// For how long it is known that it was here, so that a replay is answered and not taken for a new
    /// session. At least [`REMEMBER_MIN`]; 30 days unless set.
    pub remember: Duration,
    /// For how much longer it stays when a consumer has not been told all of it. Then it goes, and what was
    /// not told is handed over without content. 30 days unless set.
    pub hold: Duration,
    /// How long deliveries are kept that could not be read. As long as sessions unless set.
    pub refused: Option<Duration>,
}

impl Retention {
    /// Sessions are kept for so long after the last that came of them.
    #[must_use]
    pub fn new(after: Duration) -> Retention {
        let month = Duration::from_secs(30 * 24 * 60 * 60);
        Retention { after, last_word: false, remember: month, hold: month, refused: None }
    }

    /// What that is at a time, for a log whose consumers were told all up to a place of the outbox.
    #[must_use]
    pub fn keep(&self, now: Timestamp, told: u64) -> Keep {
        Keep {
            sessions: Some(now.minus(self.after)),
            last_word: self.last_word,
            told,
            untold: Some(now.minus(self.after.saturating_add(self.hold))),
            gone: Some(now.minus(self.remember.max(REMEMBER_MIN))),
            refused: Some(now.minus(self.refused.unwrap_or(self.after))),
        }
    }
}

/// Up to where everybody was told everything. Nobody holds anything back where there is nobody.
fn told(consumers: &[Consumer], last: u64) -> u64 {
    let told = |consumer: &Consumer| {
        // What is parked may still be handed over.
        let open = consumer.standing.iter().filter(|(_, standing)| **standing != Standing::Done);
        let first = open.map(|(seq, _)| seq.saturating_sub(1)).next();
        first.map_or(consumer.acknowledged, |first| first.min(consumer.acknowledged))
    };
    consumers.iter().map(told).min().unwrap_or(last)
}

impl Engine {
    /// Lets go of what has been over for long enough, and gives back its space. To be called every now and
    /// then; what comes in meanwhile is not held up.
    ///
    /// # Errors
    /// When the log does not take it. What was let go by then stays so.
    pub async fn retain(&self, retention: &Retention) -> Result<Retained, LogError> {
        let log = &self.inner.log;
        let now = self.inner.clock.now();
        // The clock may have stepped back, and the log's time never does.
        let now = log.latest().await?.map_or(now, |latest| latest.max(now));
        let told = told(&log.consumers().await?, log.last_seq().await?);
        let keep = retention.keep(now, told);
        let mut all = Retained::default();
        loop {
            let Retained { expired, untold, refused, bytes, more } = log.retain(&keep, now).await?;
            all.expired += expired;
            all.untold += untold;
            all.refused += refused;
            all.bytes += bytes;
            if !more {
                return Ok(all);
            }
        }
    }

    /// Erases all that is kept of a session, for good: when this returns, nothing of it is in the log any
    /// more but that it was here. What was said of it and not handed over yet is handed over as
    /// [`Forgotten`](crate::live::NoticeKind::Forgotten), with its id and place.
    ///
    /// Whether there was anything to forget.
    ///
    /// # Errors
    /// When the log does not take it.
    pub async fn forget(&self, key: &SessionKey) -> Result<bool, LogError> {
        self.ask(|answer| Job::Forget(key.clone(), answer)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Cause, Mark};

    #[test]
    fn who_has_something_parked_was_not_told_all() {
        assert_eq!(told(&[], 7), 7);
        let mut one = Consumer::new("one", 0);
        one.take(&Mark::UpTo(5));
        assert_eq!(told(&[one.clone(), Consumer::new("two", 9)], 12), 5);
        one.take(&Mark::Park(6, Cause::Held { behind: 2 }));
        one.take(&Mark::UpTo(9));
        assert_eq!(told(&[one], 12), 5);
    }

    #[test]
    fn a_replay_is_known_for_three_days_at_least() {
        let now = Timestamp::from_unix(1_800_000_000, 0, 0).unwrap_or(Timestamp::MIN);
        let retention = Retention { remember: Duration::ZERO, ..Retention::new(Duration::from_secs(60)) };
        let keep = retention.keep(now, 3);
        assert_eq!(keep.gone.map(|gone| now.since(gone)), Some(REMEMBER_MIN));
        assert_eq!(keep.sessions.map(|at| now.since(at)), Some(Duration::from_secs(60)));
    }
}
