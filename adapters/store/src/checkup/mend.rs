//! What is damaged is set aside: its bytes are copied to where somebody may look at them, what is sound beside
//! them moves to the end of the journal, and the segments that they lie in go. The index is made again.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use finis_engine::log::LogError;

use super::{CheckError, Checkup, check, look};
use crate::embedded::{EmbeddedLog, INDEX, INDEX_ASIDE, JOURNAL, OpenError, Settings, lock};
use crate::index::set_aside;
use crate::journal::{Damage, Reason};

/// Where damaged bytes go.
const ASIDE: &str = "aside";

/// What was done, and what is so now.
#[derive(Clone, Debug)]
#[must_use = "not everything can be mended"]
pub struct Mended {
    /// What was found before.
    pub before: Checkup,
    /// Files with damaged bytes; beside each stands one with place and reason.
    pub aside: Vec<PathBuf>,
    /// Segments that went, with what was damaged in them.
    pub segments: Vec<u64>,
    /// What was found after.
    pub after: Checkup,
}

/// Why a store was not mended.
#[derive(Debug)]
pub enum MendError {
    /// It cannot be checked.
    Check(CheckError),
    /// It cannot be opened.
    Open(OpenError),
    /// It does not take what has to be written.
    Log(LogError),
    /// What is damaged cannot be copied.
    Aside(io::Error),
}

/// Checks the store in a folder and mends what is wrong with it. Nothing is done to one that is sound.
///
/// # Errors
/// When somebody has it, or what has to be written cannot be. It can then be tried again.
pub async fn mend(folder: &Path, settings: &Settings) -> Result<Mended, MendError> {
    let (before, meta) = {
        // Who has it is told at once, before all of it is read.
        drop(lock(folder).map_err(MendError::Open)?);
        look(folder).map_err(MendError::Check)?
    };
    if before.is_sound() {
        return Ok(Mended { after: before.clone(), before, aside: Vec::new(), segments: Vec::new() });
    }
    let mut aside = Vec::new();
    for damage in &before.damage {
        aside.extend(copy(folder, damage).map_err(MendError::Aside)?);
    }
    let locked = lock(folder).map_err(MendError::Open)?;
    if folder.join(INDEX).exists() {
        set_aside(&folder.join(INDEX), &folder.join(INDEX_ASIDE)).map_err(MendError::Aside)?;
    }
    drop(locked);

    let (log, _report) = EmbeddedLog::open(folder, settings).map_err(MendError::Open)?;
    let (segments, absent) = damaged_segments(&before);
    let mended = log.retire_damaged(&segments, &absent, meta).await;
    let closed = log.close().await;
    mended.and(closed).map_err(MendError::Log)?;
    let after = check(folder).map_err(MendError::Check)?;
    Ok(Mended { before, aside, segments: segments.into_iter().collect(), after })
}

/// Segments with something damaged in them, and those that are not there.
fn damaged_segments(checkup: &Checkup) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let (mut segments, mut absent) = (BTreeSet::new(), BTreeSet::new());
    for damage in &checkup.damage {
        match damage.reason {
            Reason::Missing { last } => absent.extend(damage.at.segment..=last),
            // They are written anew when the journal is opened.
            Reason::Witness | Reason::Retired => {}
            _ => drop(segments.insert(damage.at.segment)),
        }
    }
    segments.extend(checkup.unreadable.iter().map(|place| place.frame.segment));
    (segments, absent)
}

/// Copies damaged bytes, with a word on where they were and what is wrong with them. Nothing when there are none.
fn copy(folder: &Path, damage: &Damage) -> io::Result<Option<PathBuf>> {
    let journal = folder.join(JOURNAL);
    let (from, name, offset, bytes) = match damage.reason {
        Reason::Witness => (journal.join("witness"), "witness".to_owned(), 0, u64::MAX),
        Reason::Retired => (journal.join("retired"), "retired".to_owned(), 0, u64::MAX),
        _ if damage.bytes == 0 => return Ok(None),
        _ => {
            let name = format!("{:08}-{}", damage.at.segment, damage.at.offset);
            (journal.join(format!("{:08}.log", damage.at.segment)), name, damage.at.offset, damage.bytes)
        }
    };
    let mut file = match File::open(&from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    fs::create_dir_all(folder.join(ASIDE))?;
    let path = folder.join(ASIDE).join(format!("{name}.bytes"));
    let mut to = File::create(&path)?;
    file.seek(SeekFrom::Start(offset))?;
    let copied = io::copy(&mut file.take(bytes), &mut to);
    if !matches!(damage.reason, Reason::Unreadable(_)) {
        // What the disk does not give cannot be copied, and is all the more to be set aside.
        copied?;
    }
    to.sync_all()?;
    let mut words = File::create(path.with_extension("txt"))?;
    writeln!(words, "{damage}")?;
    words.sync_all()?;
    Ok(Some(path))
}

impl std::fmt::Display for MendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MendError::Check(error) => error.fmt(f),
            MendError::Open(error) => error.fmt(f),
            MendError::Log(error) => error.fmt(f),
            MendError::Aside(_) => f.write_str("cannot set aside what is damaged"),
        }
    }
}

impl std::error::Error for MendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            MendError::Check(error) => error.source(),
            MendError::Open(error) => error.source(),
            MendError::Log(_) => None,
            MendError::Aside(error) => Some(error),
        }
    }
}
