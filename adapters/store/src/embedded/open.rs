//! Putting together what is in the folder: the lock first, then the index as far as it can be trusted,
//! then the journal, then what the one has and the other has not.

use std::any::Any;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::jobs::Jobs;
use super::read::Readers;
use super::replay::replay;
use super::writer::Writer;
use super::{EmbeddedLog, Settings};
use crate::crash::crash_point;
use crate::index::{self, Checked};
use crate::journal::{self, Disk, Folder, Journal, LockError, Place, Position, Reader};
use crate::tag::Tags;

pub(crate) const LOCK_FILE: &str = "lock";
pub(crate) const JOURNAL: &str = "journal";
pub(crate) const INDEX: &str = "index";
pub(crate) const INDEX_ASIDE: &str = "index.aside";
const SNAPSHOTS_ASIDE: &str = "snapshots.aside";

/// For as long somebody may look who has the folder.
const LOOK_PATIENCE: Duration = Duration::from_millis(50);

/// For as long a log that was dropped in this process may take to let go of its folder.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// What opening found, and made good.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "damage that nobody looks at is entries missing without a word"]
pub struct Report {
    /// What the journal found.
    pub journal: journal::Report,
    /// What became of the index.
    pub index: IndexState,
    /// Records of the journal that the index did not have, and has now.
    pub replayed: u64,
    /// Records of the journal whose checksums hold and whose heads are not what finis ever wrote. They
    /// are left where they are, and stand for nothing.
    pub unreadable: u64,
    /// Half-written snapshots of the index that were moved aside.
    pub snapshots_aside: usize,
    /// The disk was so full that the reserve was given back to open on it. It is made again when there is
    /// space; until then nothing is taken.
    pub reserve_released: bool,
}

/// What became of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexState {
    /// There was none, nor a journal.
    New,
    /// All of it was read, and is as it was written.
    Kept,
    /// It was made again from the journal. What it was is in `index.aside`, if there was one.
    Rebuilt {
        /// What was wrong with it.
        reason: String,
    },
}

/// Why a log was not opened.
#[derive(Debug)]
pub enum OpenError {
    /// Somebody has it open.
    Held {
        /// The folder.
        folder: String,
        /// The process that has it, when it says so.
        pid: Option<u32>,
    },
    /// The journal was not opened.
    Journal(journal::OpenError),
    /// A record of the journal is of a version that came later.
    Newer {
        /// Where it is.
        place: Place,
    },
    /// Not even an index made anew works.
    Index {
        /// Why.
        reason: String,
    },
    /// Something in the folder could not be worked on.
    Io {
        /// What was tried, as in `cannot make`.
        doing: &'static str,
        /// On what.
        path: String,
        /// Why it failed.
        error: io::Error,
    },
}

pub(super) fn open(folder: &Path, settings: &Settings) -> Result<(EmbeddedLog, Report), OpenError> {
    let journal = folder.join(JOURNAL);
    let lock = lock(folder)?;
    let disk = Folder::make(&journal).map_err(fault("make", &journal))?;
    open_locked(folder, lock, Arc::new(disk), settings)
}

/// As [`open`], with the journal on any disk.
pub(super) fn open_on(
    folder: &Path,
    disk: Arc<dyn Disk>,
    settings: &Settings,
) -> Result<(EmbeddedLog, Report), OpenError> {
    open_locked(folder, lock(folder)?, disk, settings)
}

fn open_locked(
    folder: &Path,
    lock: Box<dyn Any + Send>,
    disk: Arc<dyn Disk>,
    settings: &Settings,
) -> Result<(EmbeddedLog, Report), OpenError> {
    crash_point!("log.locked");
    let reserve_released = journal::release_to_open(&*disk, &settings.journal)
        .map_err(|fault| OpenError::Journal(journal::OpenError::Io(fault)))?;
    let salt_before = match Reader::open_on(Arc::clone(&disk)) {
        Ok(reader) => Some(reader.salt()),
        Err(journal::OpenError::NotThere { .. }) => None,
        Err(error) => return Err(OpenError::Journal(error)),
    };

    let place = IndexFolder { index: folder.join(INDEX), aside: folder.join(INDEX_ASIDE), settings };
    let snapshots_aside = index::set_aside_unfinished(&place.index, &folder.join(SNAPSHOTS_ASIDE))
        .map_err(fault("tidy", &place.index))?;
    crash_point!("log.snapshots-aside");
    index::remove_unfinished(&place.index).map_err(fault("tidy", &place.index))?;
    let was_there = place.index.exists();
    let mut found = if was_there { place.open() } else { Err("it was not there".to_owned()) };
    found = found.and_then(|checked| trust(checked, salt_before));

    crash_point!("log.index-opened");
    let watermark =
        found.as_ref().map_or(Position::START, |checked| checked.meta.map_or(Position::START, |meta| meta.watermark));
    let opened = Journal::open_on(disk, settings.journal.clone(), watermark);
    let (mut journal, journal_report) = opened.map_err(OpenError::Journal)?;
    if watermark > journal.end() {
        found = found.and_then(|checked| distrust(checked, "it knows of more than the journal has"));
    }

    let was_empty = found.as_ref().is_ok_and(|checked| checked.meta.is_none());
    let mut lock = Some(lock);
    let reader = journal.reader();
    let start = |checked: Checked, lock| {
        let started = checked.start(reader.clone(), lock);
        started.map_err(|error| OpenError::Index { reason: error.0.to_string() })
    };
    let mut kept = None;
    let mut reason = None;
    match found {
        Err(why) => reason = Some(why),
        Ok(checked) => {
            let mut opened = start(checked, lock.take())?;
            match replay(&mut journal, &mut opened.index)? {
                Some(replayed) => kept = Some((opened, replayed)),
                None => lock = opened.abandon(),
            }
        }
    }
    let (opened, replayed, state) = if let Some((opened, replayed)) = kept {
        let state = match was_empty {
            true if salt_before.is_none() => IndexState::New,
            true => IndexState::Rebuilt { reason: "it was empty".to_owned() },
            false => IndexState::Kept,
        };
        (opened, replayed, state)
    } else {
        place.set_aside()?;
        let checked = place.open().map_err(|reason| OpenError::Index { reason })?;
        let mut opened = start(checked, lock.take())?;
        let replayed = replay(&mut journal, &mut opened.index)?;
        let replayed = replayed.ok_or_else(|| OpenError::Index { reason: "it is not empty".to_owned() })?;
        let reason = reason.unwrap_or_else(|| "it counts other records than the journal".to_owned());
        let is_new = !was_there && salt_before.is_none();
        (opened, replayed, if is_new { IndexState::New } else { IndexState::Rebuilt { reason } })
    };

    crash_point!("log.replayed");
    let mut report = Report {
        journal: journal_report,
        index: state,
        replayed: replayed.records,
        unreadable: replayed.unreadable,
        snapshots_aside,
        reserve_released,
    };
    // What the journal did not look at when it opened, since the index seemed to know it.
    for damage in replayed.damage {
        if !report.journal.damage.contains(&damage) {
            report.journal.damage.push(damage);
        }
    }
    let (jobs, queue) = mpsc::channel(settings.queue.max(1));
    let stopped = Arc::new(OnceLock::new());
    let tags = Tags::new(journal.reader().salt());
    let readers = Readers { view: Arc::clone(opened.index.view()), journal: journal.reader(), tags };
    let writer = Writer {
        journal,
        index: opened.index,
        behind: opened.behind,
        stopped: Arc::clone(&stopped),
        patience: settings.index_patience,
    };
    let spawned = thread::Builder::new().name("finis-writer".to_owned()).spawn(move || writer.run(Jobs::new(queue)));
    spawned.map_err(fault("start a thread for", folder))?;
    let examined = AtomicU64::new(0);
    crash_point!("log.opened");
    Ok((EmbeddedLog { jobs, readers: Some(readers), tags, stopped, examined }, report))
}

/// Where the index is.
struct IndexFolder<'s> {
    index: PathBuf,
    aside: PathBuf,
    settings: &'s Settings,
}

impl IndexFolder<'_> {
    fn open(&self) -> Result<Checked, String> {
        let settings = index::Settings {
            cache_bytes: self.settings.index_cache_bytes,
            patience: self.settings.index_patience,
            layer_keys: self.settings.index_behind.max(1),
            deadlines: self.settings.index_deadlines,
            slack_bytes: self.settings.index_slack_bytes,
            repeats_max: self.settings.repeats_behind,
        };
        let opened = index::open(&self.index, settings);
        opened.map_err(|error| error.0.to_string())
    }

    fn set_aside(&self) -> Result<(), OpenError> {
        if self.index.exists() {
            index::set_aside(&self.index, &self.aside).map_err(fault("set aside", &self.index))?;
        }
        Ok(())
    }
}

/// The index, if it is that of the journal that is here.
fn trust(checked: Checked, salt: Option<u64>) -> Result<Checked, String> {
    match checked.meta {
        Some(meta) if Some(meta.salt) != salt => distrust(checked, "it is of another journal"),
        _ => Ok(checked),
    }
}

fn distrust(checked: Checked, reason: &str) -> Result<Checked, String> {
    checked.leave();
    Err(reason.to_owned())
}

/// Takes the lock of the folder, which it makes when it is not there.
pub(crate) fn lock(folder: &Path) -> Result<Box<dyn Any + Send>, OpenError> {
    let disk = Folder::make(folder).map_err(fault("make", folder))?;
    let (until, looked) = (Instant::now() + LOCK_PATIENCE, Instant::now() + LOOK_PATIENCE);
    loop {
        match disk.lock(LOCK_FILE) {
            Ok(lock) => return Ok(lock),
            // The threads of a log that was dropped finish what they are at.
            Err(LockError::Held { pid: Some(pid) }) if pid == std::process::id() && Instant::now() < until => {
                thread::sleep(Duration::from_millis(5));
            }
            // Whoever asks who has the folder holds the lock for an instant.
            Err(LockError::Held { .. }) if Instant::now() < looked => thread::sleep(Duration::from_millis(5)),
            Err(LockError::Held { pid }) => return Err(OpenError::Held { folder: folder.display().to_string(), pid }),
            Err(LockError::Io(error)) => return Err(fault("lock", folder)(error)),
        }
    }
}

fn fault(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.display().to_string();
    move |error| OpenError::Io { doing, path, error }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.journal.damage.len(), self.journal.closed) {
            (0, true) => write!(f, "journal sound, closed before")?,
            (0, false) => write!(f, "journal sound, not closed before")?,
            (1, _) => write!(f, "journal damaged: {}", self.journal.damage[0])?,
            (count, _) => write!(f, "journal damaged in {count} places, the first: {}", self.journal.damage[0])?,
        }
        if let Some((at, bytes)) = self.journal.torn {
            write!(f, "; {bytes} bytes of a commit that was never acknowledged cut off at {at}")?;
        }
        match &self.index {
            IndexState::New => write!(f, "; index new")?,
            IndexState::Kept => write!(f, "; index checked and whole")?,
            IndexState::Rebuilt { reason } => write!(f, "; index made again: {reason}")?,
        }
        write!(f, "; {} records replayed", self.replayed)?;
        if self.unreadable > 0 {
            write!(f, "; {} records cannot be read and are passed over", self.unreadable)?;
        }
        if self.reserve_released {
            write!(f, "; the disk is full, and the reserve was given back to open on it")?;
        }
        if self.snapshots_aside > 0 {
            write!(f, "; {} half-written snapshots of the index moved aside", self.snapshots_aside)?;
        }
        Ok(())
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Held { folder, pid: Some(pid) } => {
                write!(
                    f,
                    "cannot open the store at `{folder}`: held by process {pid}; stop it, or choose another folder"
                )
            }
            OpenError::Held { folder, pid: None } => {
                write!(
                    f,
                    "cannot open the store at `{folder}`: held by another process; stop it, or choose another folder"
                )
            }
            OpenError::Journal(error) => error.fmt(f),
            OpenError::Newer { place } => {
                write!(f, "the record at {place} of the journal was written by a later finis: upgrade finis")
            }
            OpenError::Index { reason } => write!(f, "the index cannot be made: {reason}"),
            OpenError::Io { doing, path, error } if error.kind() == io::ErrorKind::PermissionDenied => {
                write!(f, "cannot {doing} `{path}`: let this user write there, or choose another folder for the store")
            }
            OpenError::Io { doing, path, error }
                if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory) =>
            {
                write!(f, "cannot {doing} `{path}`: a store is a folder, and a file is there; choose another place")
            }
            OpenError::Io { doing, path, .. } => write!(f, "cannot {doing} `{path}`"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Journal(error) => error.source(),
            OpenError::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}
