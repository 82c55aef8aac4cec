//! Which sessions the index may know, in two bytes for each.
//!
//! Most sessions that the writer meets for the first time are new. To be told so by sled it would wait
//! for the batch that is being written behind: a question takes the same lock. So it asks only about
//! those that may be there.

use crate::tag::Tag;

/// Sessions of the first part; each further part has room for twice as many.
const FIRST: usize = 64 << 10;

/// Parts: with more than 16 million sessions, and 32 MiB, sled is asked about every one.
const PARTS_MAX: usize = 8;

/// Bits for each session, and how many of them are set: one in 400 is asked about in vain.
const BITS: usize = 16;
const SET: u64 = 4;

/// A Bloom filter that grows.
#[derive(Debug, Default)]
pub(super) struct Filter {
    parts: Vec<Part>,
    is_full: bool,
}

#[derive(Debug)]
struct Part {
    words: Vec<u64>,
    room: usize,
}

impl Filter {
    /// Notes a session.
    pub(super) fn insert(&mut self, tag: Tag) {
        if self.is_full || self.may_have(tag) {
            return;
        }
        if self.parts.last().is_none_or(|part| part.room == 0) {
            let room = FIRST << self.parts.len();
            if self.parts.len() == PARTS_MAX {
                *self = Filter { parts: Vec::new(), is_full: true };
                return;
            }
            self.parts.push(Part { words: vec![0; room * BITS / 64], room });
        }
        if let Some(part) = self.parts.last_mut() {
            part.room -= 1;
            for bit in part.bits(halves(tag)) {
                part.words[bit / 64] |= 1 << (bit % 64);
            }
        }
    }

    /// `false` for a session that was never noted.
    pub(super) fn may_have(&self, tag: Tag) -> bool {
        let hash = halves(tag);
        let has = |part: &Part| part.bits(hash).all(|bit| part.words[bit / 64] >> (bit % 64) & 1 == 1);
        self.is_full || self.parts.iter().any(has)
    }
}

impl Part {
    fn bits(&self, (first, step): (u64, u64)) -> impl Iterator<Item = usize> + use<> {
        let bits = self.words.len() as u64 * 64;
        // Below the number of bits, which are in memory.
        (0..SET).map(move |number| (first.wrapping_add(number.wrapping_mul(step)) % bits) as usize)
    }
}

/// A tag is a hash already.
fn halves(tag: Tag) -> (u64, u64) {
    let number = u128::from_le_bytes(tag.to_bytes());
    // An odd step comes to every bit.
    (number as u64, (number >> 64) as u64 | 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_denies_what_it_has_and_seldom_asks_in_vain() {
        let mut filter = Filter::default();
        let key = |number: u32| {
            let mut tag = [0; Tag::BYTES];
            tag.copy_from_slice(&blake3::hash(&number.to_be_bytes()).as_bytes()[..Tag::BYTES]);
            Tag::from_bytes(tag)
        };
        assert!(!filter.may_have(key(7)));
        for number in 0..200_000 {
            filter.insert(key(number));
        }
        assert_eq!(filter.parts.len(), 3);
        assert!((0..200_000).all(|number| filter.may_have(key(number))));
        let in_vain = (200_000..300_000).filter(|number| filter.may_have(key(*number))).count();
        assert!(in_vain < 1_000, "{in_vain}");
    }
}
