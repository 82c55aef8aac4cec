//! What waits for the writer, and how much of it goes into one commit.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::engine::sources::Sources;
use crate::engine::stats::SourceCounters;
use crate::engine::{Filled, Receipt, ReceiveError, Retried};
use crate::live::{LiveArrival, SessionKey};
use crate::log::{Delivery, LogError, Ready, Refused, RefusedCursor, RefusedId};
use crate::timestamp::Timestamp;

/// Bytes of payloads in one commit. One payload alone may have more.
pub(super) const COMMIT_BYTES_MAX: usize = 8 << 20;

/// Who waits for what became of a delivery.
pub(in crate::engine) struct Answer {
    pub(in crate::engine) to: oneshot::Sender<Result<Receipt, ReceiveError>>,
    /// Where it counts.
    pub(in crate::engine) counters: Arc<SourceCounters>,
    /// Since when it waits.
    pub(in crate::engine) since: Timestamp,
}

/// What waits for the writer.
pub(in crate::engine) enum Job {
    /// A delivery, and who waits for the answer.
    Delivery(Box<Work>, Answer),
    /// A session that is to be forgotten; whether there was anything to forget.
    Forget(SessionKey, oneshot::Sender<Result<bool, LogError>>),
    /// Refused deliveries that are to be read again, all that there are of a session; what became of them.
    Reread(Vec<RefusedCursor>, oneshot::Sender<Result<(Retried, Filled), LogError>>),
    /// Refused deliveries that are to go.
    Release(Vec<RefusedId>, oneshot::Sender<Result<(), LogError>>),
    /// These are the sources of all that is behind it.
    Sources(Arc<Sources>, oneshot::Sender<Result<(), LogError>>),
    /// Nothing more is to be taken.
    Close,
}

pub(in crate::engine) enum Work {
    Event { key: SessionKey, arrival: LiveArrival, delivery: Delivery, ready: Ready },
    Refused(Refused),
}

/// How many of these, from the first on, go into a commit that has so many bytes and takes so many more
/// deliveries. What is to be done with nothing under way goes by itself.
pub(super) fn fitting(waiting: &[Job], count_max: usize, mut bytes: usize) -> usize {
    if waiting.first().is_some_and(Job::is_apart) {
        return 1;
    }
    let is_over = |(place, job): (usize, &Job)| {
        let is_first = place == 0 && bytes == 0;
        bytes += job.bytes();
        place >= count_max || job.is_apart() || (bytes > COMMIT_BYTES_MAX && !is_first)
    };
    waiting.iter().enumerate().position(is_over).unwrap_or(waiting.len())
}

impl Job {
    /// Whether it is done with nothing under way.
    pub(super) fn is_apart(&self) -> bool {
        matches!(self, Job::Forget(..) | Job::Reread(..) | Job::Release(..) | Job::Sources(..))
    }

    /// The session that a delivery is of.
    pub(super) fn key(&self) -> Option<&SessionKey> {
        match self {
            Job::Delivery(work, _) => work.key(),
            Job::Forget(..) | Job::Reread(..) | Job::Release(..) | Job::Sources(..) | Job::Close => None,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Job::Delivery(work, _) => work.bytes(),
            Job::Forget(..) | Job::Reread(..) | Job::Release(..) | Job::Sources(..) | Job::Close => 0,
        }
    }
}

impl Work {
    /// Bytes of its payload.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Work::Event { delivery, .. } => delivery.body.len(),
            Work::Refused(refused) => refused.delivery.body.len(),
        }
    }

    fn key(&self) -> Option<&SessionKey> {
        match self {
            Work::Event { key, .. } => Some(key),
            Work::Refused(_) => None,
        }
    }
}
