//! Who is told: a named consumer with a durable place in the outbox.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use super::Placed;
use crate::log::{Log, LogError};

/// Notices that are fetched at a time.
const AHEAD: usize = 64;

/// The notices of one consumer, in order. Each comes again, with the same id, until it is acknowledged:
/// a consumer that is opened anew begins behind the last that it acknowledged.
pub struct Notices {
    consumer: String,
    log: Arc<dyn Log>,
    said: watch::Receiver<u64>,
    /// The last that was handed over.
    handed: u64,
    ahead: VecDeque<Placed>,
}

impl Notices {
    pub(super) async fn open(
        consumer: &str,
        log: Arc<dyn Log>,
        said: watch::Receiver<u64>,
    ) -> Result<Notices, LogError> {
        let known = log.consumers().await?.into_iter().find(|known| known.name == consumer);
        let handed = if let Some(known) = known {
            known.acknowledged
        } else {
            log.acknowledge(consumer, 0).await?;
            0
        };
        Ok(Notices { consumer: consumer.to_owned(), log, said, handed, ahead: VecDeque::new() })
    }

    /// The next notice with its place in the outbox; waits until there is one. Nothing when the engine
    /// has ended and all is handed over.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn next(&mut self) -> Result<Option<Placed>, LogError> {
        loop {
            if let Some(next) = self.try_next().await? {
                return Ok(Some(next));
            }
            if self.said.changed().await.is_err() {
                return self.try_next().await;
            }
        }
    }

    /// The next notice, if there is one.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn try_next(&mut self) -> Result<Option<Placed>, LogError> {
        if self.ahead.is_empty() {
            // What is said from here on is noticed.
            self.said.borrow_and_update();
            self.ahead = self.log.notices(self.handed, AHEAD).await?.into();
        }
        let next = self.ahead.pop_front();
        self.handed = next.as_ref().map_or(self.handed, |(seq, _)| *seq);
        Ok(next)
    }

    /// Says that all notices up to this place are dealt with: they do not come again.
    ///
    /// # Errors
    /// When the log does not take it.
    pub async fn ack(&self, seq: u64) -> Result<(), LogError> {
        // What was not handed over cannot be dealt with.
        self.log.acknowledge(&self.consumer, seq.min(self.handed)).await
    }
}

impl std::fmt::Debug for Notices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notices")
            .field("consumer", &self.consumer)
            .field("handed", &self.handed)
            .finish_non_exhaustive()
    }
}
