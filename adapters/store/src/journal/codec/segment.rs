//! The header of a segment.

use super::Chain;
use super::layout::{array, crc, u32_at, u64_at};

/// Bytes of the header, at the beginning of the file.
pub const HEADER_BYTES: usize = 64;

/// The format that is written here, and the latest that is read.
pub const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"finislog";

/// What a segment says of itself and of what came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Of the whole journal.
    pub salt: u64,
    /// Of this segment, from 1.
    pub number: u64,
    /// Number of the first record in it, counted from the beginning of the journal.
    pub first: u64,
    /// Where the last frame of the segment before it ends; 0 in the first.
    pub previous_end: u64,
    /// The chain before its first frame.
    pub chain: Chain,
}

/// Why bytes are no header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// The file is shorter than a header.
    Short,
    /// It does not begin as a segment does.
    Magic,
    /// The checksum is not that of the bytes.
    Checksum,
    /// It is sound, and of a format that came later.
    Newer {
        /// The format.
        version: u32,
    },
}

impl SegmentHeader {
    /// As it stands in the file.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.salt.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.number.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.first.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.previous_end.to_le_bytes());
        bytes[48..].copy_from_slice(&self.chain.0);
        let sum = crc(&bytes[..12], &bytes[16..]);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// # Errors
    /// When the bytes are no header, or one of a later format. Magic, version and checksum stand
    /// where they stand for ever, so a later format is told apart from damage.
    pub fn decode(bytes: &[u8]) -> Result<SegmentHeader, HeaderError> {
        let Some(bytes) = bytes.get(..HEADER_BYTES) else { return Err(HeaderError::Short) };
        if bytes[..8] != MAGIC {
            return Err(HeaderError::Magic);
        }
        if u32_at(bytes, 12) != crc(&bytes[..12], &bytes[16..]) {
            return Err(HeaderError::Checksum);
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return Err(HeaderError::Newer { version });
        }
        Ok(SegmentHeader {
            salt: u64_at(bytes, 16),
            number: u64_at(bytes, 24),
            first: u64_at(bytes, 32),
            previous_end: u64_at(bytes, 40),
            chain: Chain(array(bytes, 48)),
        })
    }
}
