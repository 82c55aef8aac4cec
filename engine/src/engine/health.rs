//! Whether the engine takes work, and what keeps it from that.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Engine;
use crate::log::LogError;
use crate::timestamp::Timestamp;

/// How an engine is, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Somebody runs the writer, or ran it.
    pub is_running: bool,
    /// Why it takes nothing any more; nothing while it does.
    pub stopped: Option<String>,
    /// The log had no room when it was last given something. It may have by now: only the next try tells.
    pub refused: Option<Refusal>,
    /// For how long the writer has been at work on what it took; nothing while it waits for more.
    pub busy_for: Option<Duration>,
    /// Deliveries that wait for the writer.
    pub queue_depth: usize,
    /// Deliveries that may wait for it.
    pub queue_max: usize,
}

/// That the log had no room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// How long ago.
    pub ago: Duration,
    /// What is full, and what to do.
    pub reason: String,
}

/// What the writer says of itself.
#[derive(Default)]
pub(super) struct Pulse(Mutex<Beat>);

#[derive(Default)]
struct Beat {
    is_running: bool,
    busy_since: Option<Timestamp>,
    refused: Option<(Timestamp, String)>,
}

impl Pulse {
    /// The writer is at work since then; or waits for some.
    pub(super) fn busy_since(&self, since: Option<Timestamp>) {
        let mut beat = self.lock();
        (beat.is_running, beat.busy_since) = (true, since);
    }

    /// The log had no room at that time, for this reason.
    pub(super) fn refused(&self, at: Timestamp, reason: String) {
        self.lock().refused = Some((at, reason));
    }

    /// The log took something.
    pub(super) fn taken(&self) {
        self.lock().refused = None;
    }

    fn lock(&self) -> MutexGuard<'_, Beat> {
        // What is put there is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// How it is. Costs a few loads, and asks the log nothing.
    #[must_use]
    pub fn health(&self) -> Health {
        let now = self.inner.clock.now();
        let queue_max = self.queue.max_capacity();
        let beat = self.inner.pulse.lock();
        let refused = beat.refused.as_ref().map(|(at, reason)| Refusal { ago: now.since(*at), reason: reason.clone() });
        Health {
            is_running: beat.is_running,
            stopped: self.stopped(),
            refused,
            busy_for: beat.busy_since.map(|since| now.since(since)),
            queue_depth: queue_max - self.queue.capacity(),
            queue_max,
        }
    }

    /// How many sessions of the log wait: they are open and may stall, or settle. Nothing when the log would have
    /// to look at them to tell. Those that have no end to wait for are not among them.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn waiting(&self) -> Result<Option<u64>, LogError> {
        self.inner.log.waiting().await
    }
}
