//! A log over another one.

use async_trait::async_trait;

use super::{
    Appended, Batch, Consumer, Delivery, Gone, Keep, Log, LogError, LogRead, Mark, Quarantine, Ready, RefusedCursor,
    Retained, SourceSettings, Stored,
};
use crate::live::{Notice, SessionKey};
use crate::timestamp::Timestamp;

/// A log over another one: what it does not do itself, the one below does. To count, to slow down or to fail, as in
/// tests, is a method or two.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use async_trait::async_trait;
/// use finis_engine::log::{Appended, Batch, Layer, Log, LogError, MemoryLog};
///
/// /// Counts appends.
/// #[derive(Default)]
/// struct Counted {
///     log: MemoryLog,
///     appends: AtomicU64,
/// }
///
/// #[async_trait]
/// impl Layer for Counted {
///     fn below(&self) -> &dyn Log {
///         &self.log
///     }
///
///     async fn append(&self, batch: Batch) -> Result<Appended, LogError> {
///         self.appends.fetch_add(1, Ordering::Relaxed);
///         self.below().append(batch).await
///     }
/// }
///
/// let log: std::sync::Arc<dyn Log> = std::sync::Arc::new(Counted::default());
/// ```
#[async_trait]
pub trait Layer: Send + Sync {
    /// The log that it is over.
    fn below(&self) -> &dyn Log;

    /// As [`LogRead::load`].
    async fn load(&self, keys: &[SessionKey]) -> Result<Vec<Stored>, LogError> {
        self.below().load(keys).await
    }

    /// As [`LogRead::due`].
    async fn due(
        &self,
        after: Option<&(Timestamp, SessionKey)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, SessionKey)>, LogError> {
        self.below().due(after, until, limit).await
    }

    /// As [`LogRead::next_due`].
    async fn next_due(&self) -> Result<Option<Timestamp>, LogError> {
        self.below().next_due().await
    }

    /// As [`LogRead::waiting`].
    async fn waiting(&self) -> Result<Option<u64>, LogError> {
        self.below().waiting().await
    }

    /// As [`LogRead::notices`].
    async fn notices(&self, after: u64, limit: usize) -> Result<Vec<(u64, Notice)>, LogError> {
        self.below().notices(after, limit).await
    }

    /// As [`LogRead::sessions`].
    async fn sessions(&self, after: Option<&SessionKey>, limit: usize) -> Result<Vec<SessionKey>, LogError> {
        self.below().sessions(after, limit).await
    }

    /// As [`LogRead::last_seq`].
    async fn last_seq(&self) -> Result<u64, LogError> {
        self.below().last_seq().await
    }

    /// As [`LogRead::consumers`].
    async fn consumers(&self) -> Result<Vec<Consumer>, LogError> {
        self.below().consumers().await
    }

    /// As [`LogRead::refused`].
    async fn refused(&self, after: Option<RefusedCursor>, limit: usize) -> Result<Quarantine, LogError> {
        self.below().refused(after, limit).await
    }

    /// As [`LogRead::sources`].
    async fn sources(&self) -> Result<Vec<SourceSettings>, LogError> {
        self.below().sources().await
    }

    /// As [`LogRead::latest`].
    async fn latest(&self) -> Result<Option<Timestamp>, LogError> {
        self.below().latest().await
    }

    /// As [`Log::ready`].
    fn ready(&self, key: &SessionKey, delivery: &Delivery) -> Ready {
        self.below().ready(key, delivery)
    }

    /// As [`Log::append`].
    async fn append(&self, batch: Batch) -> Result<Appended, LogError> {
        self.below().append(batch).await
    }

    /// As [`Log::mark`].
    async fn mark(&self, consumer: &str, marks: &[Mark]) -> Result<(), LogError> {
        self.below().mark(consumer, marks).await
    }

    /// As [`Log::remove_consumer`].
    async fn remove_consumer(&self, consumer: &str) -> Result<(), LogError> {
        self.below().remove_consumer(consumer).await
    }

    /// As [`Log::let_go`].
    async fn let_go(&self, keys: &[SessionKey], gone: Gone) -> Result<(), LogError> {
        self.below().let_go(keys, gone).await
    }

    /// As [`Log::retain`].
    async fn retain(&self, keep: &Keep, now: Timestamp) -> Result<Retained, LogError> {
        self.below().retain(keep, now).await
    }
}

#[async_trait]
impl<L: Layer> LogRead for L {
    async fn load(&self, keys: &[SessionKey]) -> Result<Vec<Stored>, LogError> {
        Layer::load(self, keys).await
    }

    async fn due(
        &self,
        after: Option<&(Timestamp, SessionKey)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, SessionKey)>, LogError> {
        Layer::due(self, after, until, limit).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, LogError> {
        Layer::next_due(self).await
    }

    async fn waiting(&self) -> Result<Option<u64>, LogError> {
        Layer::waiting(self).await
    }

    async fn notices(&self, after: u64, limit: usize) -> Result<Vec<(u64, Notice)>, LogError> {
        Layer::notices(self, after, limit).await
    }

    async fn sessions(&self, after: Option<&SessionKey>, limit: usize) -> Result<Vec<SessionKey>, LogError> {
        Layer::sessions(self, after, limit).await
    }

    async fn last_seq(&self) -> Result<u64, LogError> {
        Layer::last_seq(self).await
    }

    async fn consumers(&self) -> Result<Vec<Consumer>, LogError> {
        Layer::consumers(self).await
    }

    async fn refused(&self, after: Option<RefusedCursor>, limit: usize) -> Result<Quarantine, LogError> {
        Layer::refused(self, after, limit).await
    }

    async fn sources(&self) -> Result<Vec<SourceSettings>, LogError> {
        Layer::sources(self).await
    }

    async fn latest(&self) -> Result<Option<Timestamp>, LogError> {
        Layer::latest(self).await
    }
}

#[async_trait]
impl<L: Layer> Log for L {
    fn ready(&self, key: &SessionKey, delivery: &Delivery) -> Ready {
        Layer::ready(self, key, delivery)
    }

    async fn append(&self, batch: Batch) -> Result<Appended, LogError> {
        Layer::append(self, batch).await
    }

    async fn mark(&self, consumer: &str, marks: &[Mark]) -> Result<(), LogError> {
        Layer::mark(self, consumer, marks).await
    }

    async fn remove_consumer(&self, consumer: &str) -> Result<(), LogError> {
        Layer::remove_consumer(self, consumer).await
    }

    async fn let_go(&self, keys: &[SessionKey], gone: Gone) -> Result<(), LogError> {
        Layer::let_go(self, keys, gone).await
    }

    async fn retain(&self, keep: &Keep, now: Timestamp) -> Result<Retained, LogError> {
        Layer::retain(self, keep, now).await
    }
}
