//! A log that fails as it is told to, around one that keeps.
//!
//! What is kept outlives the process; a process that dies within a call never hears of it again.

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use finis_engine::Timestamp;
use finis_engine::live::{Notice, SessionKey};
use finis_engine::log::{
    self, Appended, Delivery, Gone, Keep, Layer, Log, LogError, LogRead, Mark, MemoryLog, Ready, Retained, Stored,
};

use super::played::{Batch, Did};
use super::stage::{Armed, Stage, Write};
use crate::mishaps::{EVERYBODY, Moment};

/// The log as one process has it open.
pub(super) struct SimulatedLog {
    kept: Arc<MemoryLog>,
    stage: Arc<Stage>,
    /// It failed, and takes nothing until it is opened again.
    failed: AtomicBool,
}

/// What was made of an event beforehand.
struct Made {
    key: SessionKey,
    delivery: Delivery,
}

impl SimulatedLog {
    /// Opens what is kept.
    pub(super) fn open(kept: Arc<MemoryLog>, stage: Arc<Stage>) -> SimulatedLog {
        SimulatedLog { kept, stage, failed: AtomicBool::new(false) }
    }

    fn stopped() -> LogError {
        LogError::Stopped { reason: "a write failed".to_owned() }
    }

    /// Waits as long as the disk takes. Fails when the log has.
    async fn wait(&self) -> Result<Write, LogError> {
        let disk = self.stage.disk();
        if let Some(takes) = disk.takes {
            self.stage.time.sleep(takes).await;
        }
        if self.failed.load(Ordering::Relaxed) { Err(Self::stopped()) } else { Ok(disk) }
    }

    /// Lets a write be done, or not, as what befalls it wants.
    async fn write<T>(&self, commit: impl Future<Output = Result<T, LogError>> + Send) -> Result<T, LogError> {
        if self.wait().await?.is_full {
            return Err(LogError::Full { reason: "there is no room".to_owned() });
        }
        match self.stage.strike() {
            None => commit.await,
            Some(Armed::Crash(moment, down)) => {
                if moment == Moment::After {
                    // Nobody hears of it.
                    let _ = commit.await;
                }
                self.stage.die(down);
                pending().await
            }
            Some(Armed::Fail { kept, down }) => {
                if kept {
                    // Nobody hears of it.
                    let _ = commit.await;
                }
                self.failed.store(true, Ordering::Relaxed);
                self.stage.fail(down);
                Err(Self::stopped())
            }
        }
    }

    async fn commit(&self, mut batch: log::Batch) -> Result<Appended, LogError> {
        // What was made of an event is what a disk has of it.
        for (event, ready) in batch.events.iter_mut().zip(std::mem::take(&mut batch.ready)) {
            if let Some(Made { key, delivery }) = ready.into_made() {
                (event.key, event.delivery) = (key, delivery);
            }
        }
        let (events, notices) = (batch.events.clone(), batch.notices.clone());
        let (deadlines, refused) = (batch.deadlines.clone(), batch.refused.clone());
        let released = batch.released.clone();
        let appended = self.kept.append(batch).await?;
        if !(events.is_empty() && notices.is_empty() && deadlines.is_empty() && refused.is_empty()) {
            let events = events.into_iter().zip(appended.new.iter().copied()).collect();
            let notices = notices.into_iter().zip(appended.first.iter().copied()).collect();
            self.stage.note(Did::Kept(Box::new(Batch { events, deadlines, notices, refused, released })));
        }
        Ok(appended)
    }
}

#[async_trait]
impl Layer for SimulatedLog {
    fn below(&self) -> &dyn Log {
        &*self.kept
    }

    fn ready(&self, key: &SessionKey, delivery: &Delivery) -> Ready {
        Ready::new(Made { key: key.clone(), delivery: delivery.clone() })
    }

    async fn load(&self, keys: &[SessionKey]) -> Result<Vec<Stored>, LogError> {
        // What was there when it was asked for: what is written while a slow disk reads is not among it.
        let stored = self.kept.load(keys).await?;
        self.wait().await?;
        Ok(stored)
    }

    async fn notices(&self, after: u64, limit: usize) -> Result<Vec<(u64, Notice)>, LogError> {
        self.wait().await?;
        self.kept.notices(after, limit).await
    }

    async fn append(&self, batch: log::Batch) -> Result<Appended, LogError> {
        self.write(self.commit(batch)).await
    }

    async fn mark(&self, consumer: &str, marks: &[Mark]) -> Result<(), LogError> {
        self.write(async {
            self.kept.mark(consumer, marks).await?;
            if let Some(who) = EVERYBODY.into_iter().find(|who| who.name() == consumer) {
                self.stage.note(Did::Marked { who, marks: marks.to_vec() });
            }
            Ok(())
        })
        .await
    }

    async fn remove_consumer(&self, consumer: &str) -> Result<(), LogError> {
        self.write(self.kept.remove_consumer(consumer)).await
    }

    async fn let_go(&self, keys: &[SessionKey], gone: Gone) -> Result<(), LogError> {
        self.write(async {
            self.kept.let_go(keys, gone).await?;
            self.stage.note(Did::LetGo { keys: keys.to_vec(), at: gone.at });
            Ok(())
        })
        .await
    }

    async fn retain(&self, keep: &Keep, now: Timestamp) -> Result<Retained, LogError> {
        self.write(async {
            let before = self.kept.sessions(None, usize::MAX).await?;
            let retained = self.kept.retain(keep, now).await?;
            let after = self.kept.sessions(None, usize::MAX).await?;
            // Both are in the same order, and nothing is new.
            let mut left = after.iter().peekable();
            let gone = before.into_iter().filter(|key| left.next_if_eq(&key).is_none());
            self.stage.note(Did::LetGo { keys: gone.collect(), at: now });
            Ok(retained)
        })
        .await
    }
}
