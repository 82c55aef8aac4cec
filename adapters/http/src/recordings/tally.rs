//! How it goes with recordings, in numbers.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Counts what came of recordings, by source, since the process began.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<String, Counts>>);

/// What was counted of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Files that came, and were kept.
    pub archived: u64,
    /// Recordings that cannot be had.
    pub failed: u64,
    /// Recordings whose time was over.
    pub missed: u64,
    /// Tries that failed, and after which another was to come.
    pub retries: u64,
    /// Bytes of the files that were kept.
    pub bytes: u64,
}

impl Counts {
    /// What came of recordings, each by its word.
    #[must_use]
    pub fn by_outcome(&self) -> [(&'static str, u64); 3] {
        [("archived", self.archived), ("failed", self.failed), ("missed", self.missed)]
    }
}

impl Tally {
    /// One for these sources. There is a number for each from the beginning.
    #[must_use]
    pub fn new<'s>(sources: impl IntoIterator<Item = &'s str>) -> Tally {
        Tally(Mutex::new(sources.into_iter().map(|source| (source.to_owned(), Counts::default())).collect()))
    }

    /// What was counted so far, by source.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn count(&self, source: &str, count: impl FnOnce(&mut Counts)) {
        // Numbers alone: each change leaves them whole.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = all.get_mut(source) {
            count(counts);
        }
    }
}
