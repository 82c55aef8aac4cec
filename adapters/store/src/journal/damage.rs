//! Damage: what a journal finds that no crash leaves behind.

use std::fmt;
use std::ops::Range;

use super::codec::{FrameError, HeaderError};
use super::place::Position;

/// A stretch of the journal that is not what was written. What is before and after it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins.
    pub at: Position,
    /// How long it is; 0 when nothing is left of it, or nobody knows.
    pub bytes: u64,
    /// Numbers of the records that are lost with it, as far as is known; empty when none is.
    pub records: Range<u64>,
    /// What was found.
    pub reason: Reason,
}

/// What was found instead of what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The file of a segment is not there, nor of those after it up to this one.
    Missing {
        /// The last of them.
        last: u64,
    },
    /// The header of a segment is unreadable. Its frames are read all the same.
    Header(HeaderError),
    /// A segment says it is another, or of another journal.
    Misplaced,
    /// The bytes are no frame.
    Frame(FrameError),
    /// The frame is sound, and does not follow what is before it.
    Chain,
    /// The journal ends here, and the witness or the index knows of more.
    Short,
    /// A body is not what was written; the head of its record is.
    Body {
        /// Which record of the frame.
        record: u32,
    },
    /// The disk does not give the bytes.
    Unreadable(std::io::ErrorKind),
    /// The witness is unreadable. All records may be there; nobody can say.
    Witness,
    /// The list of retired segments is unreadable.
    Retired,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Missing { .. } => write!(f, "the file is not there"),
            Reason::Header(HeaderError::Short) => write!(f, "the file is shorter than its header"),
            Reason::Header(HeaderError::Magic) => write!(f, "the file does not begin as a segment does"),
            Reason::Header(HeaderError::Checksum) => write!(f, "the checksum of the header does not hold"),
            Reason::Header(HeaderError::Newer { version }) => write!(f, "the segment is of format {version}"),
            Reason::Misplaced => write!(f, "the header is that of another segment or another journal"),
            Reason::Frame(FrameError::Short) => write!(f, "the frame is cut off"),
            Reason::Frame(FrameError::Empty) => write!(f, "there are zeros where a frame was"),
            Reason::Frame(FrameError::Marker) => write!(f, "no frame begins here"),
            Reason::Frame(FrameError::HeaderChecksum) => write!(f, "the checksum of the frame's header does not hold"),
            Reason::Frame(FrameError::HeadsChecksum) => write!(f, "the checksum of the frame's heads does not hold"),
            Reason::Frame(FrameError::Lengths | FrameError::Entries) => {
                write!(f, "the lengths in the frame contradict each other")
            }
            Reason::Chain => write!(f, "the frame does not follow what is before it"),
            Reason::Short => write!(f, "the journal ends here, and more was written"),
            Reason::Body { record } => write!(f, "the body of record {record} of the frame is not what was written"),
            Reason::Unreadable(kind) => write!(f, "the disk does not give the bytes: {kind}"),
            Reason::Witness => write!(f, "the witness is unreadable"),
            Reason::Retired => write!(f, "the list of retired segments is unreadable"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage { at, bytes, records, reason } = self;
        match reason {
            Reason::Witness | Reason::Retired => return write!(f, "{reason}"),
            Reason::Missing { last } if *last > at.segment => write!(f, "segments {} to {last}", at.segment)?,
            Reason::Missing { .. } => write!(f, "segment {}", at.segment)?,
            _ => write!(f, "{at}")?,
        }
        if *bytes > 0 {
            write!(f, ", {bytes} bytes")?;
        }
        write!(f, ": {reason}")?;
        match records.end.saturating_sub(records.start) {
            0 => Ok(()),
            1 => write!(f, "; record {} is lost", records.start),
            _ => write!(f, "; records {} to {} are lost", records.start, records.end - 1),
        }
    }
}
