//! What is asked of a store, and nothing else.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::contestants::{Finis, Fjall, FjallLean, Raw, Redb, Sled, Sqlite};
use crate::work::Event;

/// Bytes that a store may keep in memory, where it asks. Four times what the index of finis has, so
/// that nobody is slow for want of memory.
pub(crate) const CACHE_BYTES: usize = 256 << 20;

/// A store at work.
pub(crate) trait Contestant {
    /// Makes ready what is committed, before time is taken.
    fn prepare(&mut self, _course: &Course) {}

    /// Commits events as one, and returns when they would survive a power cut: how many were new.
    ///
    /// An event whose session and digest are there already changes nothing.
    fn commit(&mut self, events: &[Event]) -> Result<u64, Failure>;

    /// Commits the events of a course, one commit after the other.
    fn run(&mut self, course: &Arc<Course>) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        while let Some(taken) = course.take() {
            let begin = Instant::now();
            let new = self.commit(course.events_of(&taken))?;
            tally.add(begin.elapsed(), taken.len(), new);
        }
        Ok(tally)
    }

    /// Reads one event, the first of all: what proves that the store is open.
    fn read(&mut self, event: &Event) -> Result<bool, Failure>;

    /// How many events there are.
    fn count(&mut self) -> Result<u64, Failure>;

    /// Leaves the store as it is left on purpose.
    fn close(self: Box<Self>) -> Result<(), Failure>;
}

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Name {
    /// A file that is appended to: no duplicates found, no state, no outbox
    Raw,
    /// A WAL, synchronous=FULL
    Sqlite,
    /// `Durability::Immediate`
    Redb,
    /// Flush, and an fdatasync of its own
    Sled,
    /// Three keyspaces, `SyncData`
    Fjall,
    /// Events under a rising key; state and outbox at a session's end only
    FjallLean,
    /// The embedded log, one append after the other
    Finis,
    /// The embedded log, two appends at a time
    #[value(name = "finis-2")]
    #[serde(rename = "finis-2")]
    Finis2,
    /// The embedded log, as many tasks as a commit has events, each appending one
    FinisTasks,
}

impl Name {
    /// As it is written.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Name::Raw => "raw",
            Name::Sqlite => "sqlite",
            Name::Redb => "redb",
            Name::Sled => "sled",
            Name::Fjall => "fjall",
            Name::FjallLean => "fjall-lean",
            Name::Finis => "finis",
            Name::Finis2 => "finis-2",
            Name::FinisTasks => "finis-tasks",
        }
    }

    /// Whether it knows an event that it has: all do but the mere file.
    pub(crate) fn knows_duplicates(self) -> bool {
        self != Name::Raw
    }

    /// Events that are given to it at once, of so many that are to share a sync.
    pub(crate) fn events_at_once(self, batch: usize) -> usize {
        if self == Name::FinisTasks { 1 } else { batch }
    }

    /// Opens the store in a folder that is there, or makes one.
    pub(crate) fn open(self, folder: &Path, batch: usize) -> Result<Box<dyn Contestant>, Failure> {
        Ok(match self {
            Name::Raw => Box::new(Raw::open(folder)?),
            Name::Sqlite => Box::new(Sqlite::open(folder)?),
            Name::Redb => Box::new(Redb::open(folder)?),
            Name::Sled => Box::new(Sled::open(folder)?),
            Name::Fjall => Box::new(Fjall::open(folder)?),
            Name::FjallLean => Box::new(FjallLean::open(folder)?),
            Name::Finis => Box::new(Finis::open(folder, 1)?),
            Name::Finis2 => Box::new(Finis::open(folder, 2)?),
            Name::FinisTasks => Box::new(Finis::open(folder, batch)?),
        })
    }
}

/// Deliveries, taken from the front by whoever commits, until there are none or time is over.
pub(crate) struct Course {
    events: Vec<Event>,
    at_once: usize,
    taken: AtomicUsize,
    until: Option<Instant>,
}

/// Which events were taken.
pub(crate) type Taken = std::ops::Range<usize>;

impl Course {
    /// A course through all of these, so many at once.
    pub(crate) fn new(events: Vec<Event>, at_once: usize) -> Course {
        Course { events, at_once, taken: AtomicUsize::new(0), until: None }
    }

    /// Gives nothing more after this time.
    pub(crate) fn end_after(&mut self, time: Duration) {
        self.until = Some(Instant::now() + time);
    }

    /// The next events for one commit; nothing when there are too few, or no time.
    pub(crate) fn take(&self) -> Option<Taken> {
        if self.until.is_some_and(|until| Instant::now() >= until) {
            return None;
        }
        let begin = self.taken.fetch_add(self.at_once, Ordering::Relaxed);
        let end = begin.checked_add(self.at_once)?;
        (end <= self.events.len()).then_some(begin..end)
    }

    /// The events that were taken.
    pub(crate) fn events_of(&self, taken: &Taken) -> &[Event] {
        &self.events[taken.clone()]
    }

    /// All of it, in commits.
    pub(crate) fn commits(&self) -> impl Iterator<Item = &[Event]> {
        self.events.chunks_exact(self.at_once)
    }

    /// The first so many events: those that are acknowledged, since all that were taken are.
    pub(crate) fn first(&self, count: usize) -> &[Event] {
        &self.events[..count]
    }
}

/// What was committed.
#[derive(Default)]
pub(crate) struct Tally {
    /// How long each commit took.
    pub(crate) times: Vec<Duration>,
    /// Events acknowledged.
    pub(crate) events: usize,
    /// How many of them the store said were new.
    pub(crate) new: u64,
}

impl Tally {
    /// Takes note of a commit.
    pub(crate) fn add(&mut self, time: Duration, events: usize, new: u64) {
        self.times.push(time);
        self.events += events;
        self.new += new;
    }

    /// Takes in what another has done beside.
    pub(crate) fn join(&mut self, other: Tally) {
        self.times.extend(other.times);
        self.events += other.events;
        self.new += other.new;
    }
}
