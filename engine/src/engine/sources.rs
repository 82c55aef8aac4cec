//! The sources of an engine, and how they change while it runs.
//!
//! A change goes through the queue of the writer like a delivery, and callers put into that queue only what
//! they read under the sources of the moment. So what stands before the change was read under the old
//! sources, what stands behind it under the new ones, and the writer never has to ask.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::oneshot;

use super::writer::Job;
use super::{Engine, Source};
use crate::log::LogError;

/// Sources by name.
pub(super) type Sources = BTreeMap<String, Source>;

/// Sources, each once: of several that are called the same the last counts.
pub(super) fn by_name(sources: impl IntoIterator<Item = Source>) -> Arc<Sources> {
    Arc::new(sources.into_iter().map(|source| (source.name.clone(), source)).collect())
}

/// The sources that deliveries are read under now.
pub(super) struct Present(RwLock<Arc<Sources>>);

impl Present {
    pub(super) fn new(sources: Arc<Sources>) -> Present {
        Present(RwLock::new(sources))
    }

    /// What they are, for as long as somebody wants: nobody is held up by that.
    pub(super) fn now(&self) -> Arc<Sources> {
        Arc::clone(&self.hold())
    }

    /// What they are while this is held. A change waits meanwhile, so nothing is verified or read here.
    pub(super) fn hold(&self) -> RwLockReadGuard<'_, Arc<Sources>> {
        // They are put there whole.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes them, and does this before anybody sees it.
    fn change(&self, sources: Arc<Sources>, first: impl FnOnce()) {
        let mut present = self.0.write().unwrap_or_else(PoisonError::into_inner);
        first();
        *present = sources;
    }
}

impl Engine {
    /// Changes the sources while the engine runs: from when this returns they are all there are, and the log
    /// remembers their settings. It is as if the engine had been closed and opened with them, as
    /// [`Engine::new`] has it, but nothing that comes meanwhile is turned away.
    ///
    /// What waits for the writer already is judged under the old sources. What was verified under those and
    /// does not wait yet is read again under the new ones, and not verified again: a secret that is replaced
    /// costs no delivery. A source that is not among the new ones is unknown from then on; its sessions stay
    /// as they are, and their deadlines wait until it is there again.
    ///
    /// # Errors
    /// When the engine was closed or has stopped.
    pub async fn set_sources(&self, sources: impl IntoIterator<Item = Source> + Send) -> Result<(), LogError> {
        let sources = by_name(sources);
        let ended = || LogError::Stopped { reason: self.reason().unwrap_or_else(|| "it was closed".to_owned()) };
        let room = self.queue.reserve().await.map_err(|_| ended())?;
        let (answer, answered) = oneshot::channel();
        for source in sources.values() {
            // From the beginning there is a number for each.
            self.inner.counters.of_known(source);
        }
        let job = Job::Sources(Arc::clone(&sources), answer);
        self.inner.sources.change(sources, || room.send(job));
        answered.await.map_err(|_| ended())?
    }

    /// The names of the sources there are now, in order.
    #[must_use]
    pub fn source_names(&self) -> Vec<String> {
        self.inner.sources.hold().keys().cloned().collect()
    }
}
