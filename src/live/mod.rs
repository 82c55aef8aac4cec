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
//! while let Some((seq, notice)) = crm.next().await? {
//!     println!("{}", notice.to_json(seq)); // do the work, keep `notice.id` with it
//!     crm.ack(seq).await?;
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
pub use finis_store::{EmbeddedLog, Report, Settings as StoreSettings};
pub use setup::{SourceError, SourceSetup};

use crate::engine::live::SessionKey;
use crate::engine::log::{Log, LogError};
use crate::engine::{Engine, Notices, Receipt, ReceiveError, Settings};
use crate::providers::Catalogue;

/// A store that is open, and the engine that writes it. To be cloned at will.
#[derive(Clone, Debug)]
pub struct Finis {
    engine: Engine,
    log: Arc<EmbeddedLog>,
    writer: Arc<Mutex<Option<Writing>>>,
    report: Arc<Report>,
}

/// The writer while it runs, and how it ended.
type Writing = JoinHandle<Result<(), LogError>>;

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

    /// The same, with contracts and settings of your own.
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
        Ok(Finis { engine, log, writer, report: Arc::new(report) })
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

    /// The record of a session, as JSON with its certificate; nothing when nothing of it has come.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn session(&self, source: &str, id: &str) -> Result<Option<String>, LogError> {
        let key = SessionKey { source: source.into(), subject: "session".into(), id: id.into() };
        self.engine.session(&key).await
    }

    /// Sessions after this one, in order, up to so many.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn sessions(&self, after: Option<&SessionKey>, limit: usize) -> Result<Vec<SessionKey>, LogError> {
        self.log.sessions(after, limit).await
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

    /// Takes nothing more, appends and answers what waits, and closes the store. Other handles are told
    /// that it is closed.
    ///
    /// # Errors
    /// When the store had stopped before. Nothing that was acknowledged is lost by that.
    pub async fn close(&self) -> Result<(), LogError> {
        self.engine.close().await;
        let outcome = match self.writer.lock().await.take() {
            // A writer does not panic; if it did, the store is left as by a crash, which loses nothing.
            Some(writer) => writer.await.unwrap_or(Ok(())),
            None => return Ok(()),
        };
        self.log.finish().await?;
        outcome
    }
}
