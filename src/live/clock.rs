//! The system's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use crate::engine::{Clock, Timestamp};

/// For so long at most it sleeps without a look at the clock, which somebody may have set.
const LOOK: Duration = Duration::from_secs(30);

/// The time that the system says it is, to the microsecond.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Far below the year 9999, or nobody can tell the time any more.
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_unix(seconds, since.subsec_micros() * 1000, 6).unwrap_or(Timestamp::MAX)
    }

    async fn sleep_until(&self, at: Timestamp) {
        let wait = at.since(self.now());
        tokio::time::sleep(wait.min(LOOK)).await;
    }
}
