//! Where things are in a journal.

use std::fmt;

/// A place between frames: bytes from the beginning of a segment. Ordered as the journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Number of the segment, from 1.
    pub segment: u64,
    /// Bytes from the beginning of its file.
    pub offset: u64,
}

impl Position {
    /// Before everything.
    pub const START: Position = Position { segment: 0, offset: 0 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {}, offset {}", self.segment, self.offset)
    }
}

/// Where a record is. Ordered as the journal is, and so are its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Where its frame begins.
    pub frame: Position,
    /// Which record of the frame, from 0.
    pub record: u32,
}

impl Place {
    /// The length of [`Place::to_bytes`].
    pub const BYTES: usize = 20;

    /// For an index: big-endian, so that bytes compare as places do.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Place::BYTES] {
        let mut bytes = [0; Place::BYTES];
        bytes[..8].copy_from_slice(&self.frame.segment.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.frame.offset.to_be_bytes());
        bytes[16..].copy_from_slice(&self.record.to_be_bytes());
        bytes
    }

    /// What [`Place::to_bytes`] made.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Place::BYTES]) -> Place {
        let (mut segment, mut offset, mut record) = ([0; 8], [0; 8], [0; 4]);
        segment.copy_from_slice(&bytes[..8]);
        offset.copy_from_slice(&bytes[8..16]);
        record.copy_from_slice(&bytes[16..]);
        let frame = Position { segment: u64::from_be_bytes(segment), offset: u64::from_be_bytes(offset) };
        Place { frame, record: u32::from_be_bytes(record) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, record {}", self.frame, self.record)
    }
}
