//! The live engine with its default parts: a store in a folder, shipped contracts, signatures, the
//! system's clock.
//!
//! ```no_run
//! use finis::live::{Finis, Secret, SourceSetup};
//!
//! # async fn run(body: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! let source = SourceSetup::new("pathors", "pathors").header("x-webhook-secret").secret(Secret::new("s3cret"));
//! let finis = Finis::open("finis.db", [source]).await?;
//!
//! finis.receive("pathors", &[("x-webhook-secret", "s3cret")], body).await?; // durable when it returns
//!
//! let mut crm = finis.notices("crm").await?;
//! while let Some(placed) = crm.next().await? {
//!     println!("{}", placed.to_json()); // do the work, keep `placed.notice.id` with it
//!     crm.ack(placed.seq).await?;
//! }
//! # Ok(()) }
//! ```
//!
//! Every part can be another one: [`Engine`] takes any log, clock and verification.

mod clock; // the system's
mod setup; // what a source says of itself

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;

pub use clock::SystemClock;
pub use finis_providers::signature::Secret;
pub use finis_store::{EmbeddedLog, OpenError as StoreOpenError, Report, Settings as StoreSettings};
pub use setup::{SourceError, SourceSetup};

use crate::engine::live::SessionKey;
use crate::engine::log::{Log, LogError, LogRead};
use crate::engine::{
    Clock as _, DeliverError, Engine, Filled, Handler, Handover, Notices, Parked, Policy, Progress, Receipt,
    ReceiveError, Retention, Retried, Settings, StartAt, Stats, Worker,
};
use crate::providers::Catalogue;

/// How often what has been over for long enough is let go.
const RETAIN_EVERY: std::time::Duration = std::time::Duration::from_secs(60 * 60);

/// A store that is open, and the engine that writes it. To be cloned at will.
#[derive(Clone, Debug)]
pub struct Finis {
    engine: Engine,
    log: Arc<EmbeddedLog>,
    writer: Arc<Mutex<Option<Running>>>,
    /// Those who hand over.
    workers: Arc<Mutex<Vec<Running>>>,
    /// Who lets go of what is over.
    retaining: Arc<Mutex<Option<Retaining>>>,
    report: Arc<Report>,
}

/// A part of the engine while it runs, and how it ended.
type Running = JoinHandle<Result<(), LogError>>;

/// Who lets go of what is over, until this is dropped: it has a handle of the engine, which would else never
/// end when every other is gone. What it has begun is in the store, or is begun again.
#[derive(Debug)]
struct Retaining(JoinHandle<()>);

impl Drop for Retaining {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why a store was not opened.
#[derive(Debug)]
pub enum OpenError {
    /// A source cannot be as it is set up.
    Source(SourceError),
    /// The store cannot be opened.
    Store(finis_store::OpenError),
    /// The thread that opened it ended before its time.
    Ended,
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            OpenError::Source(error) => error.fmt(f),
            OpenError::Store(error) => error.fmt(f),
            OpenError::Ended => {
                f.write_str("the store could not be opened: the thread that tried ended before its time")
            }
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // What they say is said already.
            OpenError::Source(error) => error.source(),
            OpenError::Store(error) => error.source(),
            OpenError::Ended => None,
        }
    }
}

/// Why sources were not changed.
#[derive(Debug)]
pub enum SetSourcesError {
    /// One of them cannot be as it is set up. All is as it was.
    Source(SourceError),
    /// The store does not take it.
    Log(LogError),
}

impl std::fmt::Display for SetSourcesError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SetSourcesError::Source(error) => error.fmt(f),
            SetSourcesError::Log(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SetSourcesError {}

impl Finis {
    /// Opens the store in a folder, or makes one, with sources of the shipped contracts. To be called
    /// within a tokio runtime, which it does not block.
    ///
    /// # Errors
    /// When a source cannot be as it is set up, or the store cannot be opened: [`OpenError`] says why.
    pub async fn open(
        folder: impl Into<PathBuf>,
        sources: impl IntoIterator<Item = SourceSetup>,
    ) -> Result<Finis, OpenError> {
        Finis::open_with(folder, sources, &Catalogue::shipped(), Settings::default()).await
    }

    /// The same, with contracts and settings of your own. A store that was used with another version of a contract
    /// is judged by this one from here on, as [`Engine::new`] has it; [`Rebuild`](crate::store::Rebuild) judges
    /// what is over by then.
    ///
    /// # Errors
    /// As [`Finis::open`].
    pub async fn open_with(
        folder: impl Into<PathBuf>,
        sources: impl IntoIterator<Item = SourceSetup>,
        catalogue: &Catalogue,
        settings: Settings,
    ) -> Result<Finis, OpenError> {
        Finis::open_as(folder, StoreSettings::default(), sources, catalogue, settings).await
    }

    /// The same, with settings of the store, too.
    ///
    /// # Errors
    /// As [`Finis::open`].
    pub async fn open_as(
        folder: impl Into<PathBuf>,
        store: StoreSettings,
        sources: impl IntoIterator<Item = SourceSetup>,
        catalogue: &Catalogue,
        settings: Settings,
    ) -> Result<Finis, OpenError> {
        let sources: Result<Vec<_>, _> = sources.into_iter().map(|source| source.build(catalogue)).collect();
        let sources = sources.map_err(OpenError::Source)?;
        let folder = folder.into();
        let open = move || EmbeddedLog::open(&folder, &store);
        let opened = tokio::task::spawn_blocking(open).await.map_err(|_| OpenError::Ended)?;
        let (log, report) = opened.map_err(OpenError::Store)?;
        let log = Arc::new(log);
        let (engine, writer) = Engine::new(Arc::clone(&log) as Arc<dyn Log>, Arc::new(SystemClock), sources, settings);
        let writer = Arc::new(Mutex::new(Some(tokio::spawn(writer.run()))));
        Ok(Finis { engine, log, writer, workers: Arc::default(), retaining: Arc::default(), report: Arc::new(report) })
    }

    /// Changes the sources while deliveries come, as [`Engine::set_sources`] has it: nothing that comes meanwhile
    /// is turned away.
    ///
    /// # Errors
    /// When one of them cannot be as it is set up: then all stays as it was. Or when the store does not take it.
    pub async fn set_sources(
        &self,
        sources: impl IntoIterator<Item = SourceSetup>,
        catalogue: &Catalogue,
    ) -> Result<(), SetSourcesError> {
        let sources: Result<Vec<_>, _> = sources.into_iter().map(|source| source.build(catalogue)).collect();
        let sources = sources.map_err(SetSourcesError::Source)?;
        self.engine.set_sources(sources).await.map_err(SetSourcesError::Log)
    }

    /// What opening found, and made good.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Takes a delivery: durable when this returns `Ok`. Waits while more waits than can be taken.
    ///
    /// # Errors
    /// When it is not taken; [`ReceiveError`] says why, and nothing of it is kept.
    pub async fn receive(&self, source: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Receipt, ReceiveError> {
        self.engine.receive(source, headers, body).await
    }

    /// Takes a delivery if there is room for it.
    ///
    /// # Errors
    /// [`ReceiveError::Busy`] when there is none; else as [`Finis::receive`].
    pub async fn try_receive(
        &self,
        source: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Receipt, ReceiveError> {
        self.engine.try_receive(source, headers, body).await
    }

    /// The notices for a consumer of this name, from the first that it has not acknowledged.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn notices(&self, consumer: &str) -> Result<Notices, LogError> {
        self.engine.notices(consumer).await
    }

    /// The same, and it is said where one begins that is new.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn notices_from(&self, consumer: &str, start: StartAt) -> Result<Notices, LogError> {
        self.engine.notices_from(consumer, start).await
    }

    /// Hands the notices for a consumer of this name to a handler, from the first that it has not dealt with,
    /// until what this gives is stopped or dropped, or the store is closed.
    ///
    /// Within a session they come one after the other, in order; different sessions do not wait for each
    /// other. What fails is tried again, later each time, and parked when it failed too often, with what comes
    /// later of its session: [`Finis::parked`] lists it.
    ///
    /// ```no_run
    /// # async fn run(finis: finis::live::Finis) -> Result<(), Box<dyn std::error::Error>> {
    /// use finis::engine::{Placed, Policy};
    ///
    /// let crm = finis.deliver("crm", Policy::default(), |placed: Placed| async move {
    ///     println!("{}", placed.to_json()); // do the work, keep `placed.notice.id` with it
    ///     Ok::<(), std::io::Error>(())
    /// });
    /// let crm = crm.await?;
    /// // …
    /// crm.stop().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When somebody hands over to this consumer already, or the store does not answer.
    pub async fn deliver<H: Handler>(
        &self,
        consumer: &str,
        policy: Policy,
        handler: H,
    ) -> Result<Handover, DeliverError> {
        let (handover, worker) = self.engine.deliver(consumer, policy, handler).await?;
        self.run(worker).await;
        Ok(handover)
    }

    /// Runs whoever hands over, until it is stopped or the store is closed.
    pub(crate) async fn run<H: Handler>(&self, worker: Worker<H>) {
        let mut workers = self.workers.lock().await;
        workers.retain(|worker| !worker.is_finished());
        workers.push(tokio::spawn(worker.run()));
    }

    /// What it did since it was opened, and what it holds, in numbers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// Every consumer by name, and how far it is.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn consumers(&self) -> Result<Vec<Progress>, LogError> {
        self.engine.consumers().await
    }

    /// Sets a consumer back or forward, as [`Engine::rewind`] has it: the next that it is told is the notice
    /// after `seq`.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn rewind(&self, consumer: &str, seq: u64) -> Result<(), LogError> {
        self.engine.rewind(consumer, seq).await
    }

    /// Forgets a consumer, and all that was remembered of it.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn remove_consumer(&self, consumer: &str) -> Result<(), LogError> {
        self.engine.remove_consumer(consumer).await
    }

    /// The notices that are parked for a consumer, in order, and why.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn parked(&self, consumer: &str) -> Result<Vec<Parked>, LogError> {
        self.engine.parked(consumer).await
    }

    /// Lets all notices that are parked for a consumer be handed over again. Says how many there are.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn retry_parked(&self, consumer: &str) -> Result<usize, LogError> {
        self.engine.retry_parked(consumer).await
    }

    /// Lets one parked notice be handed over again, with those that are held behind it, as
    /// [`Engine::retry_one_parked`] has it. Says how many these are.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn retry_one_parked(&self, consumer: &str, seq: u64) -> Result<usize, LogError> {
        self.engine.retry_one_parked(consumer, seq).await
    }

    /// Lets a parked notice be: it counts as dealt with, and those held behind it are handed over. Says
    /// whether there is such a one.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn skip_parked(&self, consumer: &str, seq: u64) -> Result<bool, LogError> {
        self.engine.skip_parked(consumer, seq).await
    }

    /// The record of a session, as JSON with its certificate; nothing when nothing of it has come.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn session(&self, source: &str, id: &str) -> Result<Option<String>, LogError> {
        let key = SessionKey::new(source, "session", id);
        self.engine.session(&key).await
    }

    /// Sessions after this one, in order, up to so many.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn sessions(&self, after: Option<&SessionKey>, limit: usize) -> Result<Vec<SessionKey>, LogError> {
        self.log.sessions(after, limit).await
    }

    /// Lets go, once an hour, of what has been over for long enough, until the store is closed. What was let go
    /// is answered [`Receipt::Expired`] when it comes again.
    ///
    /// What goes wrong is logged and tried again an hour later.
    pub async fn keep_for(&self, retention: Retention) {
        let (engine, clock) = (self.engine.clone(), SystemClock);
        let work = async move {
            loop {
                match engine.retain(&retention).await {
                    Ok(done) if done.untold > 0 => tracing::warn!(
                        sessions = done.untold,
                        "sessions expired before every consumer was told all of them: a consumer lags, or is dead"
                    ),
                    Ok(done) => tracing::debug!(sessions = done.expired, bytes = done.bytes, "sessions expired"),
                    Err(error) => tracing::warn!(%error, "what has been over for long enough cannot be let go"),
                }
                clock.sleep_until(clock.now().plus(RETAIN_EVERY)).await;
            }
        };
        *self.retaining.lock().await = Some(Retaining(tokio::spawn(work)));
    }

    /// Erases all that is kept of a session, for good, as [`Engine::forget`] has it. Whether there was anything.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn forget(&self, source: &str, id: &str) -> Result<bool, LogError> {
        let key = SessionKey::new(source, "session", id);
        self.engine.forget(&key).await
    }

    /// Reads again what could not be read when it came, as [`Engine::retry_refused`] has it: as after a contract was
    /// mended and [`Finis::set_sources`] was told. What became of it, and what that did to sessions.
    ///
    /// # Errors
    /// When the store does not take it. What was read by then is out of quarantine.
    pub async fn retry_refused(&self) -> Result<(Retried, Filled), LogError> {
        self.engine.retry_refused().await
    }

    /// The store itself, for whoever looks deeper.
    #[must_use]
    pub fn log(&self) -> &EmbeddedLog {
        &self.log
    }

    /// The engine itself, for whoever builds on it.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Takes nothing more, appends and answers what waits, waits for handlers that are under way, and closes
    /// the store. Other handles are told that it is closed. Not to be called by a handler.
    ///
    /// # Errors
    /// When the store had stopped before. Nothing that was acknowledged is lost by that.
    pub async fn close(&self) -> Result<(), LogError> {
        *self.retaining.lock().await = None;
        self.engine.close().await;
        let outcome = match self.writer.lock().await.take() {
            // A writer does not panic; if it did, the store is left as by a crash, which loses nothing.
            Some(writer) => writer.await.unwrap_or(Ok(())),
            None => return Ok(()),
        };
        // They end with the writer. What they mark last has to be in the store.
        for worker in self.workers.lock().await.drain(..) {
            // How it ended is for whoever has the handover.
            let _ = worker.await;
        }
        self.log.finish().await?;
        outcome
    }
}
