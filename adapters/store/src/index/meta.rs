//! The state of the index as a whole, in the same batch as what it speaks of.
//!
//! Version (1 byte), salt of the journal (8), watermark: segment and offset (8 each), number of records before
//! it (8), places of the outbox that are taken (8), the first that is kept (8), the latest receiver's time
//! if any; and what the tree must hold beside this key: how many keys (8), their bytes and those of their
//! values (8), and the sum of their hashes (16).

use finis_engine::Timestamp;

use crate::bytes::{Bytes, Writer};
use crate::journal::Position;

/// The format of the index. One that differs is rebuilt.
///
/// It grows with what records of the journal can be, too: a finis that does not know the newest makes the index
/// again, meets the record that it cannot read and says so, where it would else have opened behind it.
const VERSION: u8 = 4;

/// The state of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Which journal it is of.
    pub(crate) salt: u64,
    /// All before it is in the index.
    pub(crate) watermark: Position,
    /// How many records that is.
    pub(crate) records: u64,
    /// The last place of the outbox.
    pub(crate) seq: u64,
    /// The first notice that is kept.
    pub(crate) first: u64,
    /// The latest receiver's time.
    pub(crate) latest: Option<Timestamp>,
}

impl Meta {
    pub(crate) fn new(salt: u64) -> Meta {
        Meta { salt, watermark: Position::START, records: 0, seq: 0, first: 1, latest: None }
    }

    pub(crate) fn reach(&mut self, at: Timestamp) {
        self.latest = Some(self.latest.map_or(at, |latest| latest.max(at)));
    }

    pub(crate) fn encode(&self, contents: Contents) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        let mut to = Writer(&mut bytes);
        to.u64(self.salt);
        to.u64(self.watermark.segment);
        to.u64(self.watermark.offset);
        to.u64(self.records);
        to.u64(self.seq);
        to.u64(self.first);
        to.option(self.latest, Writer::timestamp);
        to.u64(contents.keys);
        to.u64(contents.bytes);
        to.0.extend_from_slice(&contents.sum.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<(Meta, Contents)> {
        let mut from = Bytes(bytes.strip_prefix(&[VERSION])?);
        let salt = from.u64()?;
        let watermark = Position { segment: from.u64()?, offset: from.u64()? };
        let (records, seq, first) = (from.u64()?, from.u64()?, from.u64()?);
        let latest = from.option(Bytes::timestamp)?;
        let contents = Contents { keys: from.u64()?, bytes: from.u64()?, sum: u128::from_le_bytes(from.array()?) };
        from.end((Meta { salt, watermark, records, seq, first, latest }, contents))
    }
}

/// What is in a tree, in few bytes: a tree that has lost a key, or has an old value for one, has others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    keys: u64,
    /// What a tree of no more than this would take at least.
    pub(super) bytes: u64,
    sum: u128,
}

impl Contents {
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.keys += 1;
        self.bytes += (key.len() + value.len()) as u64;
        self.sum = self.sum.wrapping_add(hash(key, value));
    }

    /// Adds what another part of the tree has.
    pub(crate) fn merge(&mut self, other: Contents) {
        self.keys += other.keys;
        self.bytes += other.bytes;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    pub(crate) fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.keys = self.keys.wrapping_sub(1);
        self.bytes = self.bytes.wrapping_sub((key.len() + value.len()) as u64);
        self.sum = self.sum.wrapping_sub(hash(key, value));
    }
}

fn hash(key: &[u8], value: &[u8]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(key.len() as u64).to_le_bytes()).update(key).update(value);
    let mut first = [0; 16];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_format_is_made_again() {
        let meta = Meta { seq: 7, latest: Some(Timestamp::MIN), ..Meta::new(3) };
        let mut bytes = meta.encode(Contents::default());
        assert_eq!((bytes[0], Meta::decode(&bytes)), (VERSION, Some((meta, Contents::default()))));
        for other in [0, VERSION - 1, VERSION + 1] {
            bytes[0] = other;
            assert_eq!(Meta::decode(&bytes), None);
        }
        assert_eq!(Meta::decode(&[]), None);
    }
}
