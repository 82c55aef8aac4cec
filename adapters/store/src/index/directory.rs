//! Who is on which page of the tree: of all sessions, in memory, made when the tree is opened.
//!
//! Some eleven bytes for each: of a tag it has the first 44 bits, and the page, which has all of it, decides. Nearly
//! always there is one page to look at, or none: even among ten million sessions hardly two begin alike. Most
//! sessions that the writer meets for the first time are new, and it is told so without a word from sled.

use std::ops::RangeInclusive;

use super::IndexError;
use crate::tag::Tag;

/// Bits of a prefix that say in which bucket it is.
const BUCKET_BITS: u32 = 12;

/// Bits of a prefix that an entry has.
const ENTRY_BITS: u32 = 32;

/// Bits of a tag behind its prefix.
const REST_BITS: u32 = u128::BITS - BUCKET_BITS - ENTRY_BITS;

/// The beginning of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Prefix(u64);

impl Prefix {
    /// No tag comes before those that begin so.
    pub(super) const FIRST: Prefix = Prefix(0);

    pub(super) fn of(tag: Tag) -> Prefix {
        // 44 bits are left.
        Prefix((u128::from_be_bytes(tag.to_bytes()) >> REST_BITS) as u64)
    }

    /// All tags that begin so.
    pub(super) fn tags(self) -> RangeInclusive<Tag> {
        let first = u128::from(self.0) << REST_BITS;
        let last = first | ((1 << REST_BITS) - 1);
        Tag::from_bytes(first.to_be_bytes())..=Tag::from_bytes(last.to_be_bytes())
    }

    fn bucket(self) -> usize {
        // Of twelve bits.
        (self.0 >> ENTRY_BITS) as usize
    }

    /// The entry of a session that begins so, on a page.
    fn entry(self, page: u32) -> u64 {
        self.0 << ENTRY_BITS | u64::from(page)
    }
}

/// The pages of sessions, by the beginnings of their tags.
///
/// An entry is the latter 32 bits of a prefix, and a page. They are sorted, each for a session of its own: two that
/// begin alike and are on one page are two entries. With tags as even as hashes are, a bucket of ten million sessions
/// is some twenty kilobytes.
pub(super) struct Directory {
    buckets: Vec<Vec<u64>>,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Directory")
    }
}

impl Default for Directory {
    fn default() -> Directory {
        Directory { buckets: vec![Vec::new(); 1 << BUCKET_BITS] }
    }
}

impl Directory {
    /// Pages on which a session can be that begins so: on one of them, or on none.
    pub(super) fn pages(&self, prefix: Prefix) -> impl Iterator<Item = u32> {
        let least = prefix.entry(0);
        let bucket = &self.buckets[prefix.bucket()];
        let entries = &bucket[bucket.partition_point(|entry| *entry < least)..];
        let alike = entries.iter().take_while(move |entry| **entry >> ENTRY_BITS == least >> ENTRY_BITS);
        alike.map(|entry| page_of(*entry))
    }

    /// Sessions that begin so or come behind that, in order: how each begins, and its page.
    pub(super) fn from(&self, prefix: Prefix) -> impl Iterator<Item = (Prefix, u32)> {
        let buckets = (0_u64..).zip(&self.buckets).skip(prefix.bucket());
        let entries = buckets.flat_map(|(number, bucket)| {
            let prefix = move |entry: u64| Prefix(number << ENTRY_BITS | entry >> ENTRY_BITS);
            bucket.iter().map(move |entry| (prefix(*entry), page_of(*entry)))
        });
        entries.skip_while(move |(other, _)| *other < prefix)
    }

    /// A session is there now, and no more where it was; nothing for nowhere.
    pub(super) fn relocate(&mut self, prefix: Prefix, from: Option<u32>, to: Option<u32>) {
        let bucket = &mut self.buckets[prefix.bucket()];
        if let Some(place) = from.and_then(|page| bucket.binary_search(&prefix.entry(page)).ok()) {
            bucket.remove(place);
        }
        if let Some(entry) = to.map(|page| prefix.entry(page)) {
            make_room(bucket);
            let place = bucket.partition_point(|other| *other < entry);
            bucket.insert(place, entry);
        } else if bucket.len() < bucket.capacity() / 2 {
            bucket.shrink_to(bucket.len() + room(bucket.len()));
        }
    }
}

fn page_of(entry: u64) -> u32 {
    // The lower half.
    entry as u32
}

fn make_room(bucket: &mut Vec<u64>) {
    if bucket.len() == bucket.capacity() {
        bucket.reserve_exact(room(bucket.len()));
    }
}

/// Room for as many more as a bucket gets that has so many: with twice as much, half of the memory would be for nothing.
fn room(len: usize) -> usize {
    len / 8 + 4
}

/// A directory that is being made: in no order.
#[derive(Debug, Default)]
pub(super) struct Draft {
    directory: Directory,
}

impl Draft {
    /// A session is on a page.
    pub(super) fn add(&mut self, tag: Tag, page: u32) {
        let prefix = Prefix::of(tag);
        let bucket = &mut self.directory.buckets[prefix.bucket()];
        make_room(bucket);
        bucket.push(prefix.entry(page));
    }

    /// Adds all that another one has.
    pub(super) fn merge(&mut self, other: Draft) {
        for (bucket, more) in self.directory.buckets.iter_mut().zip(other.directory.buckets) {
            bucket.reserve_exact(more.len());
            bucket.extend(more);
        }
    }

    /// The directory; an error when a session is on two pages, or twice on one. `on` tells who is on a page.
    pub(super) fn finish(
        self,
        mut on: impl FnMut(u32, Prefix) -> Result<Vec<Tag>, IndexError>,
    ) -> Result<Directory, IndexError> {
        let Draft { mut directory } = self;
        directory.buckets.iter_mut().for_each(|bucket| bucket.sort_unstable());
        let mut entries = directory.from(Prefix::FIRST).peekable();
        while let Some((prefix, page)) = entries.next() {
            let mut pages = vec![page];
            pages.extend(std::iter::from_fn(|| entries.next_if(|(other, _)| *other == prefix)).map(|(_, page)| page));
            if pages.len() == 1 {
                continue;
            }
            pages.dedup();
            let mut tags = Vec::new();
            for page in pages {
                tags.extend(on(page, prefix)?);
            }
            tags.sort_unstable();
            if tags.windows(2).any(|two| two[0] == two[1]) {
                return Err(IndexError::new("it has a session twice"));
            }
        }
        drop(entries);
        Ok(directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those with the same first number begin alike.
    fn tag(first: u32, rest: u8) -> Tag {
        let mut bytes = [rest; Tag::BYTES];
        bytes[..4].copy_from_slice(&first.to_be_bytes());
        bytes[4..6].fill(0);
        Tag::from_bytes(bytes)
    }

    fn pages(directory: &Directory, tag: Tag) -> Vec<u32> {
        directory.pages(Prefix::of(tag)).collect()
    }

    /// Made of sessions and their pages.
    fn made(sessions: &[(Tag, u32)]) -> Result<Directory, IndexError> {
        let (first, behind) = sessions.split_at(sessions.len() / 2);
        let mut drafts = [first, behind].map(|some| {
            let mut draft = Draft::default();
            for (tag, page) in some {
                draft.add(*tag, *page);
            }
            draft
        });
        let [all, behind] = &mut drafts;
        all.merge(std::mem::take(behind));
        std::mem::take(all).finish(|page, prefix| {
            let on = sessions.iter().filter(|(tag, other)| *other == page && Prefix::of(*tag) == prefix);
            Ok(on.map(|(tag, _)| *tag).collect())
        })
    }

    #[test]
    fn a_prefix_is_the_first_44_bits() {
        let bytes = [0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
        let prefix = Prefix::of(Tag::from_bytes(bytes));
        assert_eq!(prefix, Prefix(0xA1B_2C3D_4E5F));
        let tags = prefix.tags();
        assert!(tags.contains(&Tag::from_bytes(bytes)));
        assert_eq!(tags.start().to_bytes(), [0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!([Prefix::of(*tags.start()), Prefix::of(*tags.end())], [prefix; 2]);
        assert_eq!(tags.end().to_bytes()[5..], [0xFF; 11]);
    }

    #[test]
    fn nobody_is_on_two_pages() {
        let sessions = [(tag(2, 0), 1), (tag(1, 0), 3), (tag(3, 0), 1), (tag(2, 1), 1), (tag(2, 2), 9)];
        let directory = made(&sessions).unwrap();
        assert_eq!(pages(&directory, tag(2, 77)), [1, 1, 9]);
        assert_eq!(pages(&directory, tag(4, 0)), []);
        let behind = directory.from(Prefix::of(tag(2, 0))).map(|(prefix, page)| (prefix.0 >> 12, page));
        assert!(behind.eq([(2, 1), (2, 1), (2, 9), (3, 1)]));
        assert!(made(&[(tag(2, 0), 1), (tag(1, 0), 3), (tag(2, 0), 2)]).is_err());
        assert!(made(&[(tag(2, 0), 1), (tag(2, 1), 2), (tag(2, 0), 1)]).is_err());
    }

    #[test]
    fn of_those_that_begin_alike_one_goes_alone() {
        let mut directory = made(&[(tag(5, 0), 1), (tag(5, 1), 1), (tag(5, 2), 2)]).unwrap();
        directory.relocate(Prefix::of(tag(5, 1)), Some(1), Some(4));
        assert_eq!(pages(&directory, tag(5, 0)), [1, 2, 4]);
        directory.relocate(Prefix::of(tag(5, 2)), Some(2), None);
        assert_eq!(pages(&directory, tag(5, 0)), [1, 4]);
        directory.relocate(Prefix::of(tag(5, 3)), None, Some(1));
        assert_eq!(pages(&directory, tag(5, 0)), [1, 1, 4]);
        directory.relocate(Prefix::of(tag(6, 0)), None, Some(u32::MAX));
        assert_eq!(pages(&directory, tag(6, 0)), [u32::MAX]);
    }
}
