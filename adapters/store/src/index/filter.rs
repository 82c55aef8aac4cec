//! Which sessions the index may know, in two bytes for each.
//!
//! Most sessions that the writer meets for the first time are new. To be told so by sled it would wait
//! for the batch that is being written behind: a question takes the same lock. So it asks only about
//! those that may be there.

use crate::tag::Tag;

/// Sessions of the first part, unless more are expected; each further part has room for twice as many.
const FIRST: usize = 64 << 10;

/// With more sessions than this, and 64 MiB, sled is asked about every one.
const SESSIONS_MAX: usize = 32 << 20;

/// Bits for each session, and how many of them are set: one in 250 is asked about in vain.
const BITS: usize = 16;
const SET: u32 = 4;

/// Words of a block. All bits of a session are in one, which is a line of the processor's cache.
const BLOCK: usize = 8;

/// A Bloom filter that grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    parts: Vec<Part>,
    /// Sessions that its parts are made for.
    room: usize,
    is_full: bool,
}

#[derive(Clone, Debug)]
struct Part {
    blocks: Vec<[u64; BLOCK]>,
    /// Sessions that it can take before too many are asked about in vain.
    room: usize,
}

impl Filter {
    /// One that can take so many sessions at once, and some more.
    pub(super) fn for_sessions(count: usize) -> Filter {
        let mut filter = Filter::default();
        filter.grow(count.saturating_add(count / 4));
        filter
    }

    /// Notes a session.
    pub(super) fn insert(&mut self, tag: Tag) {
        if self.is_full || self.may_have(tag) {
            return;
        }
        if self.parts.last().is_none_or(|part| part.room == 0) {
            self.grow(self.room);
        }
        if let Some(part) = self.parts.last_mut() {
            part.room -= 1;
            let (block, bits) = part.place(tag);
            for (word, bits) in part.blocks[block].iter_mut().zip(bits) {
                *word |= bits;
            }
        }
    }

    /// Notes what another has noted that was made for as many.
    pub(super) fn merge(&mut self, other: &Filter) {
        self.is_full |= other.is_full;
        for (part, other) in self.parts.iter_mut().zip(&other.parts) {
            let taken = (other.blocks.len() * BLOCK * 64 / BITS).saturating_sub(other.room);
            part.room = part.room.saturating_sub(taken);
            for (block, other) in part.blocks.iter_mut().zip(&other.blocks) {
                for (word, other) in block.iter_mut().zip(other) {
                    *word |= other;
                }
            }
        }
        // One of them had more than both were made for.
        self.is_full |= self.parts.len() != other.parts.len();
    }

    /// `false` for a session that was never noted.
    pub(super) fn may_have(&self, tag: Tag) -> bool {
        let has = |part: &Part| {
            let (block, bits) = part.place(tag);
            part.blocks[block].iter().zip(bits).all(|(word, bits)| word & bits == bits)
        };
        // Most are in the largest.
        self.is_full || self.parts.iter().rev().any(has)
    }

    /// Another part, for so many.
    fn grow(&mut self, sessions: usize) {
        let room = sessions.max(FIRST);
        if self.room.saturating_add(room) > SESSIONS_MAX {
            *self = Filter { is_full: true, ..Filter::default() };
            return;
        }
        let blocks = (room * BITS).div_ceil(BLOCK * 64);
        self.room += room;
        self.parts.push(Part { blocks: vec![[0; BLOCK]; blocks], room: blocks * BLOCK * 64 / BITS });
    }
}

impl Part {
    /// The block of a session, and the bits of each of its words.
    fn place(&self, tag: Tag) -> (usize, [u64; BLOCK]) {
        // A tag is a hash already.
        let number = u128::from_le_bytes(tag.to_bytes());
        // Below the number of blocks, which are in memory.
        let block = ((u128::from(number as u64) * self.blocks.len() as u128) >> 64) as usize;
        let mut bits = [0; BLOCK];
        for which in 0..SET {
            let bit = (number >> (64 + 9 * which)) as usize % (BLOCK * 64);
            bits[bit / 64] |= 1 << (bit % 64);
        }
        (block, bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(number: u32) -> Tag {
        let mut tag = [0; Tag::BYTES];
        tag.copy_from_slice(&blake3::hash(&number.to_be_bytes()).as_bytes()[..Tag::BYTES]);
        Tag::from_bytes(tag)
    }

    fn asked_in_vain(filter: &Filter) -> usize {
        (1_000_000..1_100_000).filter(|number| filter.may_have(tag(*number))).count()
    }

    #[test]
    fn never_denies_what_it_has_and_seldom_asks_in_vain() {
        let mut filter = Filter::default();
        assert!(!filter.may_have(tag(7)));
        for number in 0..200_000 {
            filter.insert(tag(number));
        }
        assert_eq!(filter.parts.len(), 3);
        assert!((0..200_000).all(|number| filter.may_have(tag(number))));
        assert!(asked_in_vain(&filter) < 1_000, "{}", asked_in_vain(&filter));
    }

    #[test]
    fn halves_that_were_made_for_all_are_together_as_one_that_saw_all() {
        let mut halves = [Filter::for_sessions(300_000), Filter::for_sessions(300_000)];
        for number in 0..300_000 {
            halves[number as usize % 2].insert(tag(number));
        }
        let [mut filter, other] = halves;
        filter.merge(&other);
        assert_eq!(filter.parts.len(), 1);
        assert!((0..300_000).all(|number| filter.may_have(tag(number))));
        assert!(asked_in_vain(&filter) < 500, "{}", asked_in_vain(&filter));
        // What comes on top finds room.
        for number in 300_000..500_000 {
            filter.insert(tag(number));
        }
        assert_eq!(filter.parts.len(), 2);
        assert!((0..500_000).all(|number| filter.may_have(tag(number))));
        assert!(asked_in_vain(&filter) < 1_000, "{}", asked_in_vain(&filter));
    }
}
