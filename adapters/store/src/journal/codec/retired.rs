//! The list of segments that were let go: a segment that is absent and not in it is lost.

use super::layout::{array, u32_at, u64_at};
use super::{Chain, VERSION};

const MAGIC: [u8; 8] = *b"finisout";
const HEAD_BYTES: usize = 16;
const ENTRY_BYTES: usize = 40;

/// Segments in a row that were let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetiredRange {
    /// The first of them.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    /// Records up to the end of the last, counted from the beginning of the journal.
    pub records: u64,
    /// The chain there: what the next segment must begin with.
    pub chain: Chain,
}

/// All ranges, sorted, none touching another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retired {
    ranges: Vec<RetiredRange>,
}

/// Why bytes are no such list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetiredError {
    /// Magic, length, order or checksum are not those of a list.
    Damaged,
    /// It is sound, and of a format that came later.
    Newer {
        /// The format.
        version: u32,
    },
}

impl Retired {
    /// Sorted, none touching another.
    #[must_use]
    pub fn ranges(&self) -> &[RetiredRange] {
        &self.ranges
    }

    /// Whether a segment was let go.
    #[must_use]
    pub fn has(&self, segment: u64) -> bool {
        self.ranges.iter().any(|range| (range.first..=range.last).contains(&segment))
    }

    /// Adds one segment, with the records and the chain at its end. Does nothing when it is there.
    pub fn add(&mut self, segment: u64, records: u64, chain: Chain) {
        if self.has(segment) {
            return;
        }
        self.ranges.push(RetiredRange { first: segment, last: segment, records, chain });
        self.ranges.sort_by_key(|range| range.first);
        self.ranges.dedup_by(|next, range| {
            let touching = range.last.checked_add(1) == Some(next.first);
            if touching {
                *range = RetiredRange { first: range.first, ..*next };
            }
            touching
        });
    }

    /// As it stands in its file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.ranges.len() * ENTRY_BYTES + 4);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(self.ranges.len() as u32).to_le_bytes());
        for range in &self.ranges {
            bytes.extend_from_slice(&range.first.to_le_bytes());
            bytes.extend_from_slice(&range.last.to_le_bytes());
            bytes.extend_from_slice(&range.records.to_le_bytes());
            bytes.extend_from_slice(&range.chain.0);
        }
        let sum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// # Errors
    /// When the bytes are no list, or one of a later format.
    pub fn decode(bytes: &[u8]) -> Result<Retired, RetiredError> {
        let Some((content, sum)) = bytes.split_last_chunk::<4>() else { return Err(RetiredError::Damaged) };
        if !content.starts_with(&MAGIC) || u32::from_le_bytes(*sum) != crc32c::crc32c(content) {
            return Err(RetiredError::Damaged);
        }
        let version = u32_at(content, 8);
        if version != VERSION {
            return Err(RetiredError::Newer { version });
        }
        let entries = content.get(HEAD_BYTES..).unwrap_or_default().chunks_exact(ENTRY_BYTES);
        let counted = entries.len() == u32_at(content, 12) as usize && entries.remainder().is_empty();
        let ranges: Vec<_> = entries
            .map(|entry| RetiredRange {
                first: u64_at(entry, 0),
                last: u64_at(entry, 8),
                records: u64_at(entry, 16),
                chain: Chain(array(entry, 24)),
            })
            .collect();
        let sorted = ranges.windows(2).all(|pair| pair[0].last < pair[1].first);
        if counted && sorted && ranges.iter().all(|range| range.first <= range.last) {
            Ok(Retired { ranges })
        } else {
            Err(RetiredError::Damaged)
        }
    }
}
