//! The log as it is now, read from the journal alone: without the lock, without the index, beside
//! whoever writes it. Nothing is written, so a look changes nothing and keeps nobody from anything.
//!
//! Opening reads the whole journal once and keeps places, not contents. [`Snapshot::refresh`] reads on from
//! where it ended. A commit that is written and not yet synced may be seen: it is what a crash would most
//! likely leave, and no promise.

mod holder; // who has the folder
mod places; // where entries are

use std::fmt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use finis_engine::Timestamp;
use finis_engine::live::{Notice, SessionKey};
use finis_engine::log::{Consumer, LogError, LogRead, Refused, SourceSettings, Stored};

pub use holder::Holder;

use crate::entries::Entries;
use crate::head::HeadError;
use crate::journal::{self, Damage, Place, Position, Reader, Scanned};
use places::Places;

/// The log of a folder, for whoever only looks.
#[derive(Debug)]
pub struct Snapshot {
    journal: Reader,
    entries: Entries,
    places: Places,
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
            entries: Entries::new(journal.clone()),
            journal,
            places: Places::default(),
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
        let mut scan = self.journal.scan(self.end).map_err(SnapshotError::Journal)?;
        for scanned in &mut scan {
            match scanned.map_err(SnapshotError::Journal)? {
                Scanned::Record(entry) => match self.places.take(&entry) {
                    Ok(()) => {}
                    Err(HeadError::Newer) => return Err(SnapshotError::Newer { place: entry.place }),
                    Err(HeadError::Malformed) => self.unreadable += 1,
                },
                Scanned::Damage(damage) if self.damage.contains(&damage) => {}
                Scanned::Damage(damage) => self.damage.push(damage),
            }
        }
        self.end = scan.end().unwrap_or(self.end);
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

    /// Deliveries that could not be read.
    #[must_use]
    pub fn refused_count(&self) -> usize {
        self.places.refused.len()
    }

    fn load_one(&self, key: &SessionKey) -> Result<Stored, LogError> {
        let mut stored = Stored::default();
        let Some(session) = self.places.sessions.get(key) else { return Ok(stored) };
        for (received_at, place) in session.events.values() {
            stored.events.extend(self.entries.event(*place, *received_at)?);
        }
        for place in session.notices.values() {
            stored.notices.extend(self.entries.notice(*place)?);
        }
        stored.deadlines.extend(&session.deadlines);
        Ok(stored)
    }
}

/// Reading a file blocks, and so do these: they are for a command, not for a server.
#[async_trait]
impl LogRead for Snapshot {
    async fn load(&self, keys: &[SessionKey]) -> Result<Vec<Stored>, LogError> {
        keys.iter().map(|key| self.load_one(key)).collect()
    }

    async fn due(&self, limit: usize) -> Result<Vec<(Timestamp, SessionKey)>, LogError> {
        let due = |(key, session): (&SessionKey, &places::Session)| Some((session.due?, key.clone()));
        let mut due: Vec<(Timestamp, SessionKey)> = self.places.sessions.iter().filter_map(due).collect();
        due.sort_unstable();
        due.truncate(limit);
        Ok(due)
    }

    async fn notices(&self, after: u64, limit: usize) -> Result<Vec<(u64, Notice)>, LogError> {
        let places = self.places.outbox.range(after.saturating_add(1)..).take(limit);
        let notice = |(seq, place): (&u64, &Place)| Ok(self.entries.notice(*place)?.map(|notice| (*seq, notice)));
        places.map(notice).filter_map(Result::transpose).collect()
    }

    async fn sessions(&self, after: Option<&SessionKey>, limit: usize) -> Result<Vec<SessionKey>, LogError> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let sessions = self.places.sessions.range((from, Unbounded));
        Ok(sessions.take(limit).map(|(key, _)| key.clone()).collect())
    }

    async fn consumers(&self) -> Result<Vec<Consumer>, LogError> {
        let consumers = self.places.consumers.iter();
        Ok(consumers.map(|(name, acknowledged)| Consumer { name: name.clone(), acknowledged: *acknowledged }).collect())
    }

    async fn refused(&self, limit: usize) -> Result<Vec<Refused>, LogError> {
        let mut places: Vec<Place> = self.places.refused.values().copied().collect();
        places.sort_unstable();
        places.truncate(limit);
        places.into_iter().map(|place| self.entries.refused(place)).filter_map(Result::transpose).collect()
    }

    async fn sources(&self) -> Result<Vec<SourceSettings>, LogError> {
        Ok(self.places.sources.values().cloned().collect())
    }

    async fn latest(&self) -> Result<Option<Timestamp>, LogError> {
        Ok(self.places.latest)
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
