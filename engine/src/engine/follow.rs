//! Who follows what is said, and is nobody's consumer: it acknowledges nothing, and nothing waits for it.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use super::gate::Moved;
use super::{Engine, Placed};
use crate::log::{Log, LogError};

/// Notices that are fetched at a time, and held by one who follows, at most.
const AHEAD: usize = 32;

/// Notices after a place in the outbox, in order, and those that are said from here on.
pub struct Following {
    log: Arc<dyn Log>,
    said: watch::Receiver<u64>,
    /// What is done to the consumer from whose place it began.
    moved: Option<watch::Receiver<Moved>>,
    rewinds: u64,
    /// The last that was given.
    given: u64,
    ahead: VecDeque<Placed>,
}

impl Engine {
    /// Notices after a place in the outbox.
    #[must_use]
    pub fn follow(&self, after: u64) -> Following {
        let (log, said) = (Arc::clone(&self.inner.log), self.inner.said.clone());
        Following { log, said, moved: None, rewinds: 0, given: after, ahead: VecDeque::new() }
    }

    /// Notices from where a consumer is, or after another place. When the consumer is rewound, it goes on from
    /// there. One that is not known is at the beginning, and stays unknown.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn follow_consumer(&self, consumer: &str, after: Option<u64>) -> Result<Following, LogError> {
        let Some(known) = self.inner.known_consumer(consumer).await? else {
            return Ok(self.follow(after.unwrap_or(0)));
        };
        let gate = self.inner.gates.of(consumer);
        let moved = gate.moved();
        let rewinds = moved.borrow().rewinds;
        let following = self.follow(after.unwrap_or(known.acknowledged));
        Ok(Following { moved: Some(moved), rewinds, ..following })
    }
}

impl Following {
    /// The next notice; waits until there is one. Nothing when the engine has ended and all is given. Nothing
    /// is lost when waiting is given up halfway.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn next(&mut self) -> Result<Option<Placed>, LogError> {
        let mut is_over = false;
        loop {
            self.rewind();
            if let Some(next) = self.ahead.pop_front() {
                self.given = next.seq;
                return Ok(Some(next));
            }
            // What is said from here on is noticed.
            self.said.borrow_and_update();
            let notices = self.log.notices(self.given, AHEAD).await?;
            self.ahead = notices.into_iter().map(|(seq, notice)| Placed { seq, notice }).collect();
            if !self.ahead.is_empty() {
                continue;
            }
            if is_over {
                return Ok(None);
            }
            is_over = self.change().await;
        }
    }

    /// Goes back, or on, to where the consumer was put.
    fn rewind(&mut self) {
        let Some(moved) = &mut self.moved else { return };
        let Moved { rewinds, rewound_to, .. } = *moved.borrow_and_update();
        if rewinds != self.rewinds {
            (self.rewinds, self.given) = (rewinds, rewound_to);
            self.ahead.clear();
        }
    }

    /// Waits until something is said or rewound; `true` when nothing will be said any more.
    async fn change(&mut self) -> bool {
        let Some(moved) = &mut self.moved else { return self.said.changed().await.is_err() };
        tokio::select! {
            // So that the same happens every time.
            biased;
            said = self.said.changed() => said.is_err(),
            moved = moved.changed() => {
                if moved.is_err() {
                    self.moved = None;
                }
                false
            }
        }
    }
}

impl std::fmt::Debug for Following {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Following").field("given", &self.given).finish_non_exhaustive()
    }
}
