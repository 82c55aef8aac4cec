//! Sessions that are judged when all that is known of them is in, and their way into a log.

use crate::live::{Notice, Session, SessionKey, Under};
use crate::log::{Batch, Log, LogError};
use crate::timestamp::Timestamp;

/// Sessions that are judged in one commit.
pub(super) const SESSIONS_MAX: usize = 256;

/// Bytes of records in one commit. One session alone may have more.
const RECORD_BYTES_MAX: usize = 8 << 20;

/// What it came to that a session was judged as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Which session.
    pub key: SessionKey,
    /// When a deadline was due that had passed, if one had.
    pub passed: Option<Timestamp>,
    /// What is to be said, in order.
    pub notices: Vec<Notice>,
    /// When it has to be judged again though nothing comes; nothing when only an event can change it.
    pub due: Option<Timestamp>,
}

impl Judged {
    /// Judges a session at `as_of`, or at the time of its latest entry if that is later.
    pub(super) fn new(session: &mut Session, under: Under<'_>, as_of: Timestamp) -> Judged {
        let (passed, notices) = session.settle(under, as_of);
        Judged { key: session.key().clone(), passed, notices, due: session.deadline(under) }
    }
}

/// Judged sessions on their way into a log, each whole within one commit. Commits are bounded.
#[derive(Debug, Default)]
pub(super) struct Commits {
    told: Batch,
    /// What of it is said, nobody is told.
    quiet: Batch,
    bytes: usize,
}

impl Commits {
    /// One more session. With `quiet`, what is said of it is remembered as said, and nobody is told.
    pub(super) async fn add(&mut self, log: &dyn Log, judged: Judged, quiet: bool) -> Result<(), LogError> {
        let Judged { key, passed, notices, due } = judged;
        let batch = if quiet { &mut self.quiet } else { &mut self.told };
        self.bytes += notices.iter().map(|notice| notice.record.len()).sum::<usize>();
        batch.deadlines.extend(passed.map(|due| (key.clone(), due)));
        batch.notices.extend(notices);
        batch.due.push((key, due));
        if self.bytes > RECORD_BYTES_MAX { self.append(log).await } else { Ok(()) }
    }

    /// Appends what waits.
    pub(super) async fn append(&mut self, log: &dyn Log) -> Result<(), LogError> {
        let Commits { told, quiet, .. } = std::mem::take(self);
        let quiet = Batch { quiet: true, ..quiet };
        for batch in [told, quiet].into_iter().filter(|batch| !batch.due.is_empty()) {
            log.append(batch).await?;
        }
        Ok(())
    }
}
