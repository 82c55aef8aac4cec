//! The embedded log: a journal that is the truth, an index behind it, in a folder.
//!
//! ```text
//! append ──▶ writer: what is new? ──▶ journal: one frame, one sync ──▶ answers
//!                      ▲                        │
//!                      └──── index in memory ◀──┘──▶ sled, behind
//! ```
//!
//! | in the folder | holds |
//! |---|---|
//! | `lock` | locked by who has the log open; its process id |
//! | `journal/` | the journal |
//! | `index/` | sled's files |
//! | `index.new/`, `index.old/` | the index while it is written anew |
//! | `index.aside/` | an index that was not as it should be, the last one |
//! | `aside/` | what of the journal was damaged when it was mended, with place and reason |

mod drafting; // what of a batch is new
mod jobs; // what the writer is asked
mod mend; // damaged segments go
mod open; // putting together what is in the folder
mod read; // who reads while it is written
mod replay; // what the journal has and the index has not
mod retain; // letting go of what is kept no more
mod tend; // what the writer does beside
mod writer; // one commit after the other

use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use finis_engine::Timestamp;
use finis_engine::live::{Notice, SessionKey};
use finis_engine::log::{
    Appended, Batch, Consumer, Delivery, Gone, Keep, Log, LogError, LogRead, Mark, Quarantine, Ready, RefusedCursor,
    Retained, SourceSettings, Stored,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinError;

use crate::entries::stopped;
use crate::journal::{self, Disk};
use crate::tag::{Tag, Tags};

use jobs::{Events, Job, Prepared, ReadyEvent};
pub(crate) use open::{INDEX, INDEX_ASIDE, JOURNAL, LOCK_FILE, lock};
pub use open::{IndexState, OpenError, Report};
use read::Readers;

/// Payloads and records, in bytes, from which on they are made ready on a thread of their own: half a millisecond of
/// work.
const PREPARED_APART_FROM: usize = 128 << 10;

/// How a log is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How the journal is.
    pub journal: journal::Settings,
    /// Bytes of the index that are kept in memory. 64 MiB unless set.
    pub index_cache_bytes: u64,
    /// For how long the index may open or close before it counts as hung. 5 minutes unless set.
    pub index_patience: Duration,
    /// Sessions that may have changed before the index is written to, behind the acknowledgement. What
    /// is busy for a while is then written once; after a crash, what was not written is read from the
    /// journal. 65,536 unless set.
    pub index_behind: usize,
    /// Deadlines that are kept in memory: the first. Up to twice as many are, and the others are read when it is their
    /// turn. 4,096 unless set.
    pub index_deadlines: usize,
    /// Bytes that the index may always have on the disk. With more, and with much more than what it holds, it is
    /// written anew beside. 256 MiB unless set.
    pub index_slack_bytes: u64,
    /// Events that came again, how often of which may wait in memory for a commit. With more, all of them are
    /// written by themselves. 16,384 unless set.
    pub repeats_behind: usize,
    /// Appends that may wait for the writer before the next waits for its place. 1,024 unless set.
    pub queue: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            journal: journal::Settings::default(),
            index_cache_bytes: 64 << 20,
            index_patience: Duration::from_secs(300),
            index_behind: 1 << 16,
            index_deadlines: 1 << 12,
            index_slack_bytes: 256 << 20,
            repeats_behind: 1 << 14,
            queue: 1024,
        }
    }
}

/// A log in a folder. To be used within a tokio runtime, which it never blocks.
///
/// What [`Log::append`] answered is durable: it survives a crash and a power cut. Appends that come at
/// the same time share one sync. After a failed write or sync everything is refused until the log is
/// opened again.
///
/// Dropping it is like a crash, and loses nothing; [`EmbeddedLog::close`] leaves nothing to be done at
/// the next opening.
pub struct EmbeddedLog {
    jobs: mpsc::Sender<Job>,
    /// Only taken when dropped.
    readers: Option<Readers>,
    tags: Tags,
    stopped: Arc<OnceLock<String>>,
    /// Segments up to this one were looked at, and are to be kept for now.
    examined: AtomicU64,
}

impl std::fmt::Debug for EmbeddedLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedLog").field("stopped", &self.stopped).finish_non_exhaustive()
    }
}

impl EmbeddedLog {
    /// Opens the log in a folder, or makes one. Blocks for as long as that takes.
    ///
    /// # Errors
    /// When somebody has it open, when a later finis has written it, or when the disk does not do what
    /// it must. Damage of the journal is no error, and is in the report; the index is made again
    /// whenever something is wrong with it.
    pub fn open(folder: &Path, settings: &Settings) -> Result<(EmbeddedLog, Report), OpenError> {
        open::open(folder, settings)
    }

    /// As [`EmbeddedLog::open`], with the journal on any disk; lock and index are in the folder.
    ///
    /// # Errors
    /// As [`EmbeddedLog::open`].
    pub fn open_on(
        folder: &Path,
        journal: Arc<dyn Disk>,
        settings: &Settings,
    ) -> Result<(EmbeddedLog, Report), OpenError> {
        open::open_on(folder, journal, settings)
    }

    /// Finishes what is queued, brings the index up to date, and closes both.
    ///
    /// # Errors
    /// When the log had stopped, or could not be closed. Nothing that was acknowledged is lost by that.
    pub async fn close(mut self) -> Result<(), LogError> {
        let (answer, answered) = oneshot::channel();
        let closed = self.ask(Job::Close(answer), answered).await;
        let readers = self.readers.take();
        apart(move || drop(readers)).await?;
        closed
    }

    /// Finishes what is queued, brings the index up to date, and takes nothing more: what
    /// [`EmbeddedLog::close`] does, for a log that others still hold. Their appends are refused.
    ///
    /// # Errors
    /// As [`EmbeddedLog::close`].
    pub async fn finish(&self) -> Result<(), LogError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Job::Close(answer), answered).await
    }

    async fn ask<T>(&self, job: Job, answered: oneshot::Receiver<Result<T, LogError>>) -> Result<T, LogError> {
        self.refuse_when_stopped()?;
        if self.jobs.send(job).await.is_err() {
            return Err(self.ended());
        }
        answered.await.unwrap_or_else(|_| Err(self.ended()))
    }

    async fn read<T, R>(&self, read: R) -> Result<T, LogError>
    where
        T: Send + 'static,
        R: FnOnce(&Readers) -> Result<T, LogError> + Send + 'static,
    {
        let readers = self.readers()?.clone();
        apart(move || read(&readers)).await?
    }

    fn readers(&self) -> Result<&Readers, LogError> {
        self.refuse_when_stopped()?;
        self.readers.as_ref().ok_or_else(|| self.ended())
    }

    fn refuse_when_stopped(&self) -> Result<(), LogError> {
        match self.stopped.get() {
            Some(reason) => Err(LogError::Stopped { reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// The writer is no more.
    fn ended(&self) -> LogError {
        let reason = self.stopped.get().cloned().unwrap_or_else(|| "its writer has ended".to_owned());
        LogError::Stopped { reason }
    }
}

/// The last who has the index closes sled's files, and that can take a while.
impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        let readers = self.readers.take();
        // Where there can be no thread, it is done here.
        let _ = std::thread::Builder::new().spawn(move || drop(readers));
    }
}

/// Does on a thread for that what may block.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, LogError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ended(&error))
}

fn ended(error: &JoinError) -> LogError {
    LogError::Stopped { reason: format!("a thread of the log ended: {error}") }
}

/// Makes a large batch ready on as many threads as are worth it: notices and whatever else there is with the
/// first events, the last events beside that.
async fn prepare_apart(mut events: Events, batch: Batch, bytes: usize, tags: Tags) -> Result<Prepared, LogError> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = bytes / (bytes / PREPARED_APART_FROM).clamp(1, threads);
    let mut parts = Vec::with_capacity(threads);
    for _ in 1..bytes / share.max(1) {
        let part = jobs::last_events(&mut events, share);
        if part.is_empty() {
            break;
        }
        parts.push(tokio::task::spawn_blocking(move || jobs::prepare(part, &tags)));
    }
    let mut prepared = apart(move || Prepared::new(events, batch, &tags)).await??;
    for part in parts.into_iter().rev() {
        let events = part.await.map_err(|error| ended(&error))??;
        prepared.add_events(events)?;
    }
    Ok(prepared)
}

#[async_trait]
impl LogRead for EmbeddedLog {
    async fn load(&self, keys: &[SessionKey]) -> Result<Vec<Stored>, LogError> {
        let readers = self.readers()?;
        // Who is not there is known in memory, and most that are asked for are not: no thread is needed for these.
        let tags = keys.iter().map(|key| readers.tags.of(key)).enumerate();
        let (known, tags): (Vec<usize>, Vec<Tag>) = tags.filter(|(_, tag)| readers.view.may_know(*tag)).unzip();
        let mut all = vec![Stored::default(); keys.len()];
        if !known.is_empty() {
            let load = move |readers: &Readers| tags.into_iter().map(|tag| readers.entries().load(tag)).collect();
            let stored: Vec<Stored> = self.read(load).await?;
            known.into_iter().zip(stored).for_each(|(place, stored)| all[place] = stored);
        }
        Ok(all)
    }

    async fn due(
        &self,
        after: Option<&(Timestamp, SessionKey)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, SessionKey)>, LogError> {
        let after = after.cloned();
        self.read(move |readers| readers.entries().due(after.as_ref(), until, limit)).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, LogError> {
        // In memory, unless those that are there have all passed.
        match self.readers()?.view.next_due_known() {
            Ok(next) => Ok(next),
            Err(_unread) => self.read(|readers| readers.view.next_due().map_err(|error| stopped(&error))).await,
        }
    }

    async fn waiting(&self) -> Result<Option<u64>, LogError> {
        // In memory.
        Ok(Some(self.readers()?.view.waiting() as u64))
    }

    async fn notices(&self, after: u64, limit: usize) -> Result<Vec<(u64, Notice)>, LogError> {
        self.read(move |readers| readers.entries().notices(after, limit)).await
    }

    async fn sessions(&self, after: Option<&SessionKey>, limit: usize) -> Result<Vec<SessionKey>, LogError> {
        let after = after.cloned();
        self.read(move |readers| readers.entries().sessions(after.as_ref(), limit)).await
    }

    async fn last_seq(&self) -> Result<u64, LogError> {
        // In memory.
        Ok(self.readers()?.view.meta().seq)
    }

    async fn consumers(&self) -> Result<Vec<Consumer>, LogError> {
        self.read(|readers| readers.view.consumers().map_err(|error| stopped(&error))).await
    }

    async fn refused(&self, after: Option<RefusedCursor>, limit: usize) -> Result<Quarantine, LogError> {
        self.read(move |readers| readers.entries().refused(after, limit)).await
    }

    async fn sources(&self) -> Result<Vec<SourceSettings>, LogError> {
        self.read(|readers| readers.view.sources().map_err(|error| stopped(&error))).await
    }

    async fn latest(&self) -> Result<Option<Timestamp>, LogError> {
        // In memory.
        Ok(self.readers()?.view.meta().latest)
    }
}

#[async_trait]
impl Log for EmbeddedLog {
    fn ready(&self, key: &SessionKey, delivery: &Delivery) -> Ready {
        if delivery.body.len() >= PREPARED_APART_FROM {
            return Ready::default();
        }
        // What cannot be kept is refused when it is appended.
        ReadyEvent::new(key, delivery, &self.tags).map_or_else(|_| Ready::default(), Ready::new)
    }

    async fn append(&self, mut batch: Batch) -> Result<Appended, LogError> {
        let events = jobs::take_events(&mut batch);
        let bytes = jobs::content_bytes(&events, &batch);
        let prepared = if bytes < PREPARED_APART_FROM {
            Prepared::new(events, batch, &self.tags)?
        } else {
            prepare_apart(events, batch, bytes, self.tags).await?
        };
        let (answer, answered) = oneshot::channel();
        self.ask(Job::Append(Box::new(prepared), answer), answered).await
    }

    async fn mark(&self, consumer: &str, marks: &[Mark]) -> Result<(), LogError> {
        jobs::check_name("the name of a consumer", consumer)?;
        jobs::check_marks(marks)?;
        let (answer, answered) = oneshot::channel();
        self.ask(Job::Mark(consumer.to_owned(), marks.to_vec(), answer), answered).await
    }

    async fn remove_consumer(&self, consumer: &str) -> Result<(), LogError> {
        jobs::check_name("the name of a consumer", consumer)?;
        let (answer, answered) = oneshot::channel();
        self.ask(Job::Remove(consumer.to_owned(), answer), answered).await
    }

    async fn let_go(&self, keys: &[SessionKey], gone: Gone) -> Result<(), LogError> {
        let tags = keys.iter().map(|key| self.tags.of(key)).collect();
        let (answer, answered) = oneshot::channel();
        self.ask(Job::LetGo(tags, gone, answer), answered).await
    }

    async fn retain(&self, keep: &Keep, now: Timestamp) -> Result<Retained, LogError> {
        self.retain_some(keep, now).await
    }
}
