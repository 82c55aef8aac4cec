//! Out of quarantine while the engine runs, some sessions at a time, with nothing under way.
//!
//! What can be read goes into the log as it came, and then its sessions are judged as they are in the log. Should it
//! come to no end, they are due: whoever has the log next judges them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Writer;
use super::job::COMMIT_BYTES_MAX;
use super::making::Making;
use crate::engine::quarantine::read_again;
use crate::engine::{Filled, Retried};
use crate::event::Reader;
use crate::live::SessionKey;
use crate::log::{Batch, LogError, RefusedCursor, Why, refused_at};

impl Writer {
    /// Reads refused deliveries again: all that there are of each session. What became of them, and what that did to
    /// their sessions.
    pub(super) async fn reread(&mut self, some: Vec<RefusedCursor>) -> Result<(Retried, Filled), LogError> {
        let mut keys = BTreeSet::new();
        let outcome = self.take_all_back(some, &mut keys).await;
        for key in &keys {
            // The log is ahead of memory, however that ended.
            self.sessions.remove(key);
        }
        let (retried, mut filled) = outcome?;
        let keys: Vec<SessionKey> = keys.into_iter().collect();
        let now = self.not_before_latest();
        (filled.deadlines, filled.notices) = self.settle(&keys, now, Making::belated()).await?;
        Ok((retried, filled))
    }

    /// Puts what can be read into its sessions, whose keys are told.
    async fn take_all_back(
        &mut self,
        some: Vec<RefusedCursor>,
        keys: &mut BTreeSet<SessionKey>,
    ) -> Result<(Retried, Filled), LogError> {
        let (mut retried, mut filled) = (Retried::default(), Filled::default());
        let (log, sources) = (Arc::clone(&self.inner.log), Arc::clone(&self.sources));
        let (mut reader, mut batch, mut bytes) = (Reader::new(), Batch::default(), 0);
        for cursor in some {
            // Somebody may have let it go meanwhile.
            let Some(refused) = refused_at(&*log, cursor).await? else { continue };
            let event = match read_again(&mut reader, sources.get(&refused.source), refused) {
                Ok(event) => event,
                Err(reason) => {
                    retried.left.push((cursor.id, reason));
                    continue;
                }
            };
            if keys.insert(event.key.clone()) {
                self.fetch(&[&event.key]).await?;
            }
            if let Some(damage) = self.damaged.get(&event.key) {
                retried.left.push((cursor.id, format!("its session cannot be read: {damage}")));
                continue;
            }
            if bytes + event.delivery.body.len() > COMMIT_BYTES_MAX && !batch.released.is_empty() {
                self.take_back(std::mem::take(&mut batch), &mut filled).await?;
                bytes = 0;
            }
            bytes += event.delivery.body.len();
            retried.read.push((cursor.id, event.key.clone()));
            batch.due.push((event.key.clone(), event.received_at));
            batch.released.push(cursor.id);
            batch.events.push(event);
        }
        if !batch.released.is_empty() {
            self.take_back(batch, &mut filled).await?;
        }
        filled.sessions = keys.len() as u64;
        Ok((retried, filled))
    }

    /// Out of quarantine and into sessions, in one commit.
    async fn take_back(&mut self, batch: Batch, filled: &mut Filled) -> Result<(), LogError> {
        let keys: Vec<SessionKey> = batch.events.iter().map(|event| event.key.clone()).collect();
        let appended = self.inner.log.append(batch).await?;
        // They are due, perhaps before the last that was passed over.
        self.passed_over = None;
        for (place, key) in keys.into_iter().enumerate() {
            let is = |of: &[bool]| of.get(place) == Some(&true);
            let why = self.sessions.get(&key).and_then(|held| held.gone).map(|gone| gone.why);
            match why {
                _ if is(&appended.new) => filled.new += 1,
                _ if is(&appended.earlier) => filled.earlier += 1,
                Some(Why::Forgotten) => filled.forgotten += 1,
                Some(Why::Expired) => filled.expired += 1,
                None => filled.known += 1,
            }
        }
        Ok(())
    }
}
