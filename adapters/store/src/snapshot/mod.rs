//! The log as it is now, read from the journal alone: without the lock, without the index, beside
//! whoever writes it. Nothing is written, so a look changes nothing and keeps nobody from anything.
//!
//! Opening reads the whole journal once and keeps places, not contents. [`Snapshot::refresh`] reads on from
//! where it ended. A commit that is written and not yet synced may be seen: it is what a crash would most
//! likely leave, and no promise.

mod holder; // who has the folder
mod places; // where entries are

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use finis_engine::Timestamp;
use finis_engine::live::{Notice, SessionKey};
use finis_engine::log::{Consumer, LogError, LogRead, Quarantine, RefusedCursor, SourceSettings, Stored};

pub use holder::Holder;

use crate::entries::{Entries, Places};
use crate::head::HeadError;
use crate::journal::{self, Damage, Place, Position, Reader, Scanned};
use crate::tag::Tags;
pub(crate) use places::Found;

/// The log of a folder, for whoever only looks.
#[derive(Debug)]
pub struct Snapshot {
    journal: Reader,
    found: Found,
    tags: Tags,
    /// What sessions are called, once somebody has asked: their records say it.
    keys: Mutex<Option<BTreeSet<SessionKey>>>,
    /// Up to where the journal was read.
    end: Position,
    damage: Vec<Damage>,
    unreadable: u64,
}

/// Why there is nothing to look at.
#[derive(Debug)]
pub enum SnapshotError {
    /// The folder is not there, or there is no journal in it.
    NotThere {
        /// The folder.
        folder: PathBuf,
    },
    /// The journal cannot be read.
    Journal(journal::OpenError),
    /// A record of the journal is of a version that came later.
    Newer {
        /// Where it is.
        place: Place,
    },
}

impl Snapshot {
    /// Reads the log in a folder as it is now.
    ///
    /// # Errors
    /// When there is none, or none that can be read here. Damage is no error: [`Snapshot::damage`] names it.
    pub fn open(folder: &Path) -> Result<Snapshot, SnapshotError> {
        let journal = Reader::open(&folder.join(crate::embedded::JOURNAL)).map_err(|error| match error {
            journal::OpenError::NotThere { .. } => SnapshotError::NotThere { folder: folder.to_owned() },
            error => SnapshotError::Journal(error),
        })?;
        let mut snapshot = Snapshot {
            found: Found::new(journal.salt()),
            tags: Tags::new(journal.salt()),
            keys: Mutex::new(None),
            journal,
            end: Position::START,
            damage: Vec::new(),
            unreadable: 0,
        };
        snapshot.refresh()?;
        Ok(snapshot)
    }

    /// Reads on: what came since.
    ///
    /// # Errors
    /// When the journal cannot be read any more.
    pub fn refresh(&mut self) -> Result<(), SnapshotError> {
        let mut scan = self.journal.scan_heads(self.end).map_err(SnapshotError::Journal)?;
        for scanned in &mut scan {
            match scanned.map_err(SnapshotError::Journal)? {
                Scanned::Record(entry) => match self.found.take(&entry) {
                    Ok(()) => {}
                    Err(HeadError::Newer) => return Err(SnapshotError::Newer { place: entry.place }),
                    Err(HeadError::Malformed) => self.unreadable += 1,
                },
                Scanned::Damage(damage) if self.damage.contains(&damage) => {}
                Scanned::Damage(damage) => self.damage.push(damage),
            }
        }
        self.end = scan.end().unwrap_or(self.end);
        *self.keys.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// What of the journal is damaged: what is lost with it is not in what is told here.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Records whose heads are not what finis ever wrote.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Sessions that were not let go, and whatever else events are about.
    #[must_use]
    pub fn session_count(&self) -> u64 {
        self.found.live_count()
    }

    /// Notices that are kept in the outbox.
    #[must_use]
    pub fn notice_count(&self) -> u64 {
        self.found.notice_count()
    }

    /// Deliveries that could not be read.
    #[must_use]
    pub fn refused_count(&self) -> usize {
        self.found.refused_count()
    }

    fn entries(&self) -> Entries<'_, Found> {
        Entries { places: &self.found, journal: &self.journal, tags: self.tags }
    }
}

/// Reading a file blocks, and so do these: they are for a command, not for a server.
#[async_trait]
impl LogRead for Snapshot {
    async fn load(&self, keys: &[SessionKey]) -> Result<Vec<Stored>, LogError> {
        keys.iter().map(|key| self.entries().load(self.tags.of(key))).collect()
    }

    async fn due(
        &self,
        after: Option<&(Timestamp, SessionKey)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, SessionKey)>, LogError> {
        self.entries().due(after, until, limit)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, LogError> {
        Ok(self.found.next_due())
    }

    async fn notices(&self, after: u64, limit: usize) -> Result<Vec<(u64, Notice)>, LogError> {
        self.entries().notices(after, limit)
    }

    async fn last_seq(&self) -> Result<u64, LogError> {
        Ok(self.found.meta().seq)
    }

    /// In the order of their keys.
    async fn sessions(&self, after: Option<&SessionKey>, limit: usize) -> Result<Vec<SessionKey>, LogError> {
        let mut known = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() {
            *known = Some(self.entries().sessions(None, usize::MAX)?.into_iter().collect());
        }
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let keys = known.iter().flat_map(|keys| keys.range((from, Bound::Unbounded)));
        Ok(keys.take(limit).cloned().collect())
    }

    async fn consumers(&self) -> Result<Vec<Consumer>, LogError> {
        Ok(self.found.consumers())
    }

    async fn refused(&self, after: Option<RefusedCursor>, limit: usize) -> Result<Quarantine, LogError> {
        self.entries().refused(after, limit)
    }

    async fn sources(&self) -> Result<Vec<SourceSettings>, LogError> {
        Ok(self.found.sources())
    }

    async fn latest(&self) -> Result<Option<Timestamp>, LogError> {
        Ok(self.found.meta().latest)
    }
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::NotThere { folder } => write!(f, "there is no store at `{}`", folder.display()),
            SnapshotError::Journal(error) => error.fmt(f),
            SnapshotError::Newer { place } => {
                write!(f, "the record at {place} of the journal was written by a later finis: upgrade finis")
            }
        }
    }
}

impl std::error::Error for SnapshotError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SnapshotError::Journal(error) => error.source(),
            _ => None,
        }
    }
}
