//! Why a journal does not do what it was asked.

use std::fmt;
use std::io;

use super::codec::TooLarge;
use super::damage::Damage;
use super::place::Place;

/// A file that could not be worked on. The cause is the `source`.
#[derive(Debug)]
pub struct IoFault {
    /// The file, within the folder of the journal; empty for the folder itself.
    pub file: String,
    /// What was tried, as in `cannot write`.
    pub doing: &'static str,
    /// Why it failed.
    pub error: io::Error,
}

impl IoFault {
    /// For `map_err`.
    pub(super) fn to(doing: &'static str, file: &str) -> impl FnOnce(io::Error) -> IoFault {
        move |error| IoFault { file: file.to_owned(), doing, error }
    }
}

impl fmt::Display for IoFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IoFault { file, doing, .. } = self;
        if file.is_empty() {
            write!(f, "cannot {doing} the folder of the journal")
        } else {
            write!(f, "cannot {doing} `{file}` of the journal")
        }
    }
}

impl std::error::Error for IoFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Why a journal was not opened.
#[derive(Debug)]
pub enum OpenError {
    /// Another has it open for writing.
    Held {
        /// The folder.
        folder: String,
        /// The process that has it, when it says so.
        pid: Option<u32>,
    },
    /// A file is of a format that came later.
    Newer {
        /// The file.
        file: String,
        /// Its format.
        found: u32,
        /// The latest format that is read here.
        supported: u32,
    },
    /// No header and no witness is readable, so nothing in the segments can be told from noise.
    Unreadable {
        /// The folder.
        folder: String,
    },
    /// There is no journal, and reading alone makes none.
    NotThere {
        /// The folder.
        folder: String,
    },
    /// A file could not be worked on.
    Io(IoFault),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Held { folder, pid: Some(pid) } => {
                write!(f, "cannot open the journal at `{folder}`: held by process {pid}; stop it first")
            }
            OpenError::Held { folder, pid: None } => {
                write!(f, "cannot open the journal at `{folder}`: held by another process; stop it first")
            }
            OpenError::Newer { file, found, supported } => {
                write!(
                    f,
                    "`{file}` of the journal is of format {found}; this finis reads up to {supported}: upgrade finis"
                )
            }
            OpenError::Unreadable { folder } => write!(
                f,
                "the journal at `{folder}` cannot be read: no header of a segment and no witness is sound; restore it from a copy"
            ),
            OpenError::NotThere { folder } => write!(f, "there is no journal at `{folder}`"),
            OpenError::Io(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Io(fault) => fault.source(),
            _ => None,
        }
    }
}

impl From<IoFault> for OpenError {
    fn from(fault: IoFault) -> OpenError {
        OpenError::Io(fault)
    }
}

/// Why a journal did not append, read, erase, retire or close.
#[derive(Debug)]
pub enum JournalError {
    /// An earlier write or sync failed. Nobody knows what the disk holds of it until the journal is
    /// opened again; a sync that is tried again can succeed without having written anything.
    Broken,
    /// The disk is nearly full. Nothing was written, and it works again when there is space.
    Full {
        /// Bytes that are free.
        free: u64,
        /// Bytes that must be.
        needed: u64,
    },
    /// Nothing was written.
    TooLarge(TooLarge),
    /// There is no such record.
    NoSuchRecord(Place),
    /// The record, or what is needed to find it, is damaged.
    Damaged(Damage),
    /// The segment is the one that is written to.
    InUse {
        /// Its number.
        segment: u64,
    },
    /// A file could not be worked on.
    Io(IoFault),
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JournalError::Broken => {
                write!(f, "the journal takes no work since a write or a sync failed: open it again")
            }
            JournalError::Full { free, needed } => {
                write!(f, "the disk is nearly full: {free} bytes are free, {needed} must be; make space")
            }
            JournalError::TooLarge(error) => error.fmt(f),
            JournalError::NoSuchRecord(place) => write!(f, "the journal has no record at {place}"),
            JournalError::Damaged(damage) => write!(f, "the journal is damaged: {damage}"),
            JournalError::InUse { segment } => {
                write!(f, "segment {segment} of the journal is being written to and cannot be retired")
            }
            JournalError::Io(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            JournalError::Io(fault) => fault.source(),
            _ => None,
        }
    }
}

impl From<IoFault> for JournalError {
    fn from(fault: IoFault) -> JournalError {
        JournalError::Io(fault)
    }
}

impl From<TooLarge> for JournalError {
    fn from(error: TooLarge) -> JournalError {
        JournalError::TooLarge(error)
    }
}
