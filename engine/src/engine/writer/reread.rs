//! Out of quarantine while the engine runs, a page at a time, with nothing under way.
//!
//! What can be read goes into the log as it came, and its sessions are due since then. So they come from the log
//! again before anything else is judged, and what is to be said of them is said there.

use std::sync::Arc;

use super::Writer;
use super::job::COMMIT_BYTES_MAX;
use crate::engine::Retried;
use crate::engine::quarantine::read_again;
use crate::event::Reader;
use crate::live::SessionKey;
use crate::log::{Batch, LogError, RefusedCursor};

/// Refused deliveries that are read again at a time: whoever delivers meanwhile waits for that.
const PAGE: usize = 16;

impl Writer {
    /// Reads a page of the quarantine again. What became of it, and behind which one the next page begins.
    pub(super) async fn reread(
        &mut self,
        after: Option<RefusedCursor>,
    ) -> Result<(Retried, Option<RefusedCursor>), LogError> {
        let page = self.inner.log.refused(after, PAGE).await?;
        let mut retried = Retried { damaged: page.damaged, ..Retried::default() };
        let sources = Arc::clone(&self.sources);
        let (mut reader, mut batch, mut bytes) = (Reader::new(), Batch::default(), 0);
        for refused in page.deliveries {
            let id = refused.id();
            let event = match read_again(&mut reader, sources.get(&refused.source), refused) {
                Ok(event) => event,
                Err(reason) => {
                    retried.left.push((id, reason));
                    continue;
                }
            };
            if let Some(damage) = self.damaged.get(&event.key) {
                retried.left.push((id, format!("its session cannot be read: {damage}")));
                continue;
            }
            if bytes + event.delivery.body.len() > COMMIT_BYTES_MAX && !batch.released.is_empty() {
                self.take_back(std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
            bytes += event.delivery.body.len();
            retried.read.push((id, event.key.clone()));
            batch.due.push((event.key.clone(), event.received_at));
            batch.released.push(id);
            batch.events.push(event);
        }
        if !batch.released.is_empty() {
            self.take_back(batch).await?;
        }
        Ok((retried, page.next))
    }

    /// Out of quarantine and into sessions, in one commit.
    async fn take_back(&mut self, batch: Batch) -> Result<(), LogError> {
        let keys: Vec<SessionKey> = batch.events.iter().map(|event| event.key.clone()).collect();
        self.inner.log.append(batch).await?;
        for key in keys {
            // The log is ahead of memory.
            self.sessions.remove(&key);
        }
        // They are due, perhaps before the last that was passed over.
        self.passed_over = None;
        Ok(())
    }
}
