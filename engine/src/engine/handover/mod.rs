//! Notices handed over to a handler: tried again when it fails, in order within a session, parked when it
//! fails too often.
//!
//! ```text
//! outbox ──▶ dispatch ──▶ handler, several at once ──▶ dispatch ──▶ marks ──▶ log
//!            one lane for each session             done, again, parked
//! ```
//!
//! [`dispatch`] decides and is a function of values; [`worker`] carries out what it decides.

mod dispatch; // what may be handed over next
mod failure; // what becomes of a notice that was not dealt with
mod flights; // handlers that are under way
#[cfg(test)]
mod laws; // what dispatch promises, whatever happens
mod schedule; // how long to wait for the next try
mod worker; // the one who hands over

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

pub use failure::{Failure, Then};
pub use schedule::Schedule;
pub use worker::Worker;

use super::consumer::{Placed, StartAt};
use crate::log::LogError;
use crate::timestamp::Timestamp;

/// How notices are handed over. Each setting has a default.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Where a consumer begins that is new. With the oldest notice, unless set.
    pub start: StartAt,
    /// Notices that are handed over at the same time, each of another session. 16 unless set.
    pub at_once_max: usize,
    /// Notices of one session come one after the other, and what fails holds up those behind it. Set unless told
    /// otherwise; without it none waits for another, of its session or not.
    pub in_order: bool,
    /// How often a notice is tried before it is parked. 8 unless set; 0 counts as 1.
    pub tries_max: u32,
    /// How long to wait between two tries. From one second on, twice as long each time, up to 5 minutes,
    /// unless set.
    pub schedule: Schedule,
    /// A notice that is tried again so late or later is set aside until then, with what comes after it in its
    /// session: nothing of other sessions waits for it, and how often it failed survives a restart. What waits
    /// shorter is remembered by nobody but the [`Worker`]: after a restart it is tried at once, as if for the
    /// first time. Never, unless set.
    pub aside_after: Option<Duration>,
    /// Notices that are looked at ahead of the oldest that is not settled: bounds memory, and what is kept
    /// one by one in the log. 256 unless set.
    pub window_max: usize,
    /// Notices that may be parked. With so many nothing more is: what fails is tried again and again, and
    /// what stands behind it waits, with all other sessions once the window is full. 1,000 unless set.
    pub parked_max: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            start: StartAt::Oldest,
            at_once_max: 16,
            in_order: true,
            tries_max: 8,
            schedule: Schedule::default(),
            aside_after: None,
            window_max: 256,
            parked_max: 1000,
        }
    }
}

/// Whoever deals with notices that are handed over. Every closure that takes a [`Placed`] and gives a future
/// is one.
pub trait Handler: Send + Sync + 'static {
    /// Why a notice was not dealt with.
    type Error: fmt::Display + Send;

    /// Deals with a notice. `Ok` says that it need not come again; after an error or a panic it does, with
    /// the same id. It also comes again when the process ends before the log knows of the `Ok`.
    fn handle(&self, placed: Placed) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// What becomes of a notice that was not dealt with. `tries` says how often it failed, this time counted,
    /// as far as is known: see [`Policy::aside_after`]. By the policy, unless a handler knows better.
    fn failed(&self, error: Self::Error, tries: u32, now: Timestamp) -> Failure {
        let _ = (tries, now);
        Failure::new(error.to_string(), Then::Schedule)
    }
}

impl<F, R, E> Handler for F
where
    F: Fn(Placed) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), E>> + Send,
    E: fmt::Display + Send,
{
    type Error = E;

    fn handle(&self, placed: Placed) -> impl Future<Output = Result<(), E>> + Send {
        self(placed)
    }
}

/// Why notices are not handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliverError {
    /// Somebody hands over to that consumer already.
    Served {
        /// Its name.
        consumer: String,
    },
    /// The log does not answer.
    Log(LogError),
}

impl fmt::Display for DeliverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeliverError::Served { consumer } => {
                write!(f, "notices are handed over to `{consumer}` already: stop that first, or take another name")
            }
            DeliverError::Log(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DeliverError {}

impl From<LogError> for DeliverError {
    fn from(error: LogError) -> Self {
        DeliverError::Log(error)
    }
}

/// A handover that runs. It stops when this is dropped, as by [`Handover::stop`], but nobody waits for it.
#[must_use = "when it is dropped, nothing more is handed over"]
#[derive(Debug)]
pub struct Handover {
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<Result<(), LogError>>,
}

impl Handover {
    /// Hands nothing more over, and waits for what is under way: its outcome is in the log then.
    ///
    /// # Errors
    /// When the log failed meanwhile, or before. Whatever it does not know of comes again.
    pub async fn stop(self) -> Result<(), LogError> {
        self.stop.send_replace(true);
        self.ended().await
    }

    /// Waits until it ends by itself: when the engine has ended, when the consumer was removed, or when the
    /// log fails.
    ///
    /// # Errors
    /// When the log failed.
    pub async fn ended(self) -> Result<(), LogError> {
        // A worker that is dropped has nothing to say.
        self.ended.await.unwrap_or(Ok(()))
    }
}
