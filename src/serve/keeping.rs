//! Recordings of the sources that have them kept: opened with the store, fetched while the server runs.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use finis_http::outbound::{Client, Roots};
use finis_http::recordings::{self, Archive, CONSUMER, Places, Recorder, Source, Tally};
use tokio::task::JoinHandle;

use super::config::{Config, SourceConfig};
use super::error::ServeError;
use crate::engine::{Clock as _, Engine, Handover};
use crate::live::{Finis, SystemClock};

/// How often recordings go whose session is gone, or that were kept for long enough.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// Where recordings are kept, and what fetches them.
pub(super) struct Keeping {
    sources: BTreeMap<String, Source<Client>>,
    /// Each folder once.
    archives: Vec<Archive>,
    /// For how long those of a source are kept that do not only go with their session.
    keep: BTreeMap<String, Duration>,
}

/// Recordings are fetched until this is dropped.
pub(super) struct Fetching {
    pub(super) tally: Arc<Tally>,
    _handover: Handover,
    _sweeping: Sweeping,
}

struct Sweeping(JoinHandle<()>);

impl Drop for Sweeping {
    fn drop(&mut self) {
        // What it has begun is done by the next.
        self.0.abort();
    }
}

impl Keeping {
    /// Opens the folders of all sources that have any, and lets the store remember them. It waits for disks.
    pub(super) fn open(config: &Config) -> Result<Option<Keeping>, ServeError> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| ServeError::Recordings { error };
        let wanted: Vec<_> = config.sources.iter().filter(|source| source.recordings.is_some()).collect();
        if wanted.is_empty() {
            return Ok(None);
        }
        let roots = Roots::system();
        let mut keeping = Keeping { sources: BTreeMap::new(), archives: Vec::new(), keep: BTreeMap::new() };
        for (source, told) in wanted.iter().filter_map(|source| Some((source, source.recordings.as_ref()?))) {
            let folder = folder(&config.store, source);
            let known = keeping.archives.iter().find(|known| known.folder() == folder).cloned();
            let archive = match known {
                Some(archive) => archive,
                None => Archive::open(&folder).map_err(|error| failed(error.into()))?,
            };
            let download = told.client(&roots).map_err(|error| failed(error.into()))?;
            let bytes_max = told.bytes_max();
            keeping.archives.retain(|known| known.folder() != folder);
            keeping.archives.push(archive.clone());
            keeping.sources.insert(source.name.clone(), Source { archive, download, bytes_max });
            keeping.keep.extend(told.keep.map(|keep| (source.name.clone(), keep)));
        }
        let folders = keeping.archives.iter().map(Archive::folder);
        Places::remember(&config.store, folders).map_err(|error| failed(error.into()))?;
        Ok(Some(keeping))
    }

    /// Fetches from here on.
    pub(super) async fn start(self, finis: &Finis) -> Result<Fetching, ServeError> {
        let Keeping { sources, archives, keep } = self;
        let recorder = Recorder::new(finis.engine().clone(), sources, Arc::new(SystemClock));
        let tally = recorder.tally();
        let delivering = recordings::deliver(finis.engine(), recorder).await;
        let (handover, worker) = delivering.map_err(|error| ServeError::Recordings { error: Box::new(error) })?;
        finis.run(worker).await;
        let sweeping = tokio::spawn(sweep(finis.engine().clone(), archives, keep));
        Ok(Fetching { tally, _handover: handover, _sweeping: Sweeping(sweeping) })
    }
}

/// Where recordings of a store can be looked for: of sources that are set up, and of others before them.
pub(super) fn places(store: &Path) -> Vec<Archive> {
    Places::of(store).unwrap_or_else(|error| {
        tracing::warn!(%error, "not all recordings of sessions can be shown");
        vec![Archive::at(&Places::usual(store))]
    })
}

/// Lets the consumer go when nothing is fetched any more: it would hold its notices back for ever.
pub(super) async fn stop(finis: &Finis) {
    let known = finis.consumers().await.is_ok_and(|all| all.iter().any(|consumer| consumer.consumer == CONSUMER));
    if known && let Err(error) = finis.remove_consumer(CONSUMER).await {
        tracing::warn!(%error, "no source has recordings any more, and their consumer is still there");
    }
}

fn folder(store: &Path, source: &SourceConfig) -> PathBuf {
    let told = source.recordings.as_ref().and_then(|told| told.folder.clone());
    told.unwrap_or_else(|| Places::usual(store))
}

async fn sweep(engine: Engine, archives: Vec<Archive>, keep: BTreeMap<String, Duration>) {
    loop {
        for archive in &archives {
            match recordings::sweep(&engine, archive, &keep, SystemClock.now()).await {
                Ok(swept) => tracing::debug!(gone = swept.gone, old = swept.old, "recordings were let go"),
                Err(error) => warn(&error),
            }
        }
        SystemClock.sleep_until(SystemClock.now().plus(SWEEP_EVERY)).await;
    }
}

fn warn(error: &io::Error) {
    tracing::warn!(%error, "recordings that are to go cannot be let go");
}
