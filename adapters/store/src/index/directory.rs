//! Who is on which page of the tree: of all sessions, in memory, made when the tree is opened.
//!
//! A dozen bytes for each: of a tag it has the first 44 bits, and the page, which has all of it, decides. Nearly
//! always there is one page to look at, or none: even among ten million sessions hardly two begin alike. Most
//! sessions that the writer meets for the first time are new, and it is told so without a word from sled.

use std::ops::RangeInclusive;

use super::IndexError;
use crate::tag::Tag;

/// Bits of a prefix that say in which bucket it is.
const BUCKET_BITS: u32 = 12;

/// Bits of a prefix that an entry has.
const ENTRY_BITS: u32 = 32;

/// Entries of a run, before it is parted in two.
const RUN_MAX: usize = 64;

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
pub(super) struct Directory {
    buckets: Vec<Bucket>,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Directory")
    }
}

impl Default for Directory {
    fn default() -> Directory {
        Directory { buckets: vec![Bucket::default(); 1 << BUCKET_BITS] }
    }
}

impl Directory {
    /// Pages on which a session can be that begins so: on one of them, or on none.
    pub(super) fn pages(&self, prefix: Prefix) -> impl Iterator<Item = u32> {
        let least = prefix.entry(0);
        let entries = self.buckets[prefix.bucket()].from(least);
        entries.take_while(move |entry| entry >> ENTRY_BITS == least >> ENTRY_BITS).map(page_of)
    }

    /// Sessions that begin so or come behind that, in order: how each begins, and its page.
    pub(super) fn from(&self, prefix: Prefix) -> impl Iterator<Item = (Prefix, u32)> {
        let buckets = (0_u64..).zip(&self.buckets).skip(prefix.bucket());
        buckets.flat_map(move |(number, bucket)| {
            let least = if number == prefix.0 >> ENTRY_BITS { prefix.entry(0) } else { 0 };
            bucket.from(least).map(move |entry| (Prefix(number << ENTRY_BITS | entry >> ENTRY_BITS), page_of(entry)))
        })
    }

    /// A session is there now, and no more where it was; nothing for nowhere.
    pub(super) fn relocate(&mut self, prefix: Prefix, from: Option<u32>, to: Option<u32>) {
        let bucket = &mut self.buckets[prefix.bucket()];
        if let Some(page) = from {
            bucket.remove(prefix.entry(page));
        }
        if let Some(page) = to {
            bucket.insert(prefix.entry(page));
        }
    }

    /// Adds all that another one has.
    pub(super) fn merge(&mut self, other: Directory) {
        for (bucket, other) in self.buckets.iter_mut().zip(other.buckets) {
            other.from(0).for_each(|entry| bucket.insert(entry));
        }
    }

    /// An error when a session is on two pages, or twice on one. `on` tells who is on a page and begins so.
    pub(super) fn check(
        &self,
        mut on: impl FnMut(u32, Prefix) -> Result<Vec<Tag>, IndexError>,
    ) -> Result<(), IndexError> {
        let mut entries = self.from(Prefix::FIRST).peekable();
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
        Ok(())
    }
}

/// The entries of a bucket, sorted: the latter 32 bits of a prefix, and a page. Each is for a session of its own: two that
/// begin alike and are on one page are two.
///
/// They are in runs of few. One run of all would have to be moved whenever it grows, and what it leaves behind fits
/// nobody else: the process grows by that.
#[derive(Clone, Default)]
struct Bucket {
    /// None of them is empty.
    runs: Vec<Vec<u64>>,
}

impl Bucket {
    /// The run in which an entry is, or would be unless it is the last.
    fn run_of(&self, entry: u64) -> usize {
        self.runs.partition_point(|run| run.last().is_some_and(|last| *last < entry))
    }

    /// Entries from this one on, in order.
    fn from(&self, least: u64) -> impl Iterator<Item = u64> {
        self.runs[self.run_of(least)..].iter().flatten().copied().skip_while(move |entry| *entry < least)
    }

    fn insert(&mut self, entry: u64) {
        let mut at = self.run_of(entry).min(self.runs.len().saturating_sub(1));
        match self.runs.get_mut(at) {
            None => self.runs.push(Vec::new()),
            Some(run) if run.len() >= RUN_MAX => {
                let behind = run.split_off(RUN_MAX / 2);
                let is_behind = behind.first().is_some_and(|first| *first < entry);
                self.runs.insert(at + 1, behind);
                at += usize::from(is_behind);
            }
            Some(_) => {}
        }
        let run = &mut self.runs[at];
        run.insert(run.partition_point(|other| *other < entry), entry);
    }

    fn remove(&mut self, entry: u64) {
        let at = self.run_of(entry);
        let Some(run) = self.runs.get_mut(at) else { return };
        if let Ok(place) = run.binary_search(&entry) {
            run.remove(place);
        }
        if run.is_empty() {
            self.runs.remove(at);
        }
    }
}

fn page_of(entry: u64) -> u32 {
    // The lower half.
    entry as u32
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

    /// Made of sessions and their pages, in two halves.
    fn made(sessions: &[(Tag, u32)]) -> Result<Directory, IndexError> {
        let (first, behind) = sessions.split_at(sessions.len() / 2);
        let [mut all, behind] = [first, behind].map(|some| {
            let mut directory = Directory::default();
            for (tag, page) in some {
                directory.relocate(Prefix::of(*tag), None, Some(*page));
            }
            directory
        });
        all.merge(behind);
        all.check(|page, prefix| {
            let on = sessions.iter().filter(|(tag, other)| *other == page && Prefix::of(*tag) == prefix);
            Ok(on.map(|(tag, _)| *tag).collect())
        })?;
        Ok(all)
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

    /// Of one bucket, many, and each of some twice.
    #[test]
    fn runs_are_parted_and_go() {
        let (mut bucket, mut entries) = (Bucket::default(), Vec::new());
        let mut number = 1_u64;
        for step in 0..4_000 {
            number = number.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            let entry = (number >> 40) % 500;
            // It grows, and then goes.
            if (number >> 33) % 10 < if step < 2_500 { 8 } else { 1 } {
                bucket.insert(entry);
                entries.insert(entries.partition_point(|other| *other < entry), entry);
            } else if let Ok(place) = entries.binary_search(&entry) {
                bucket.remove(entry);
                entries.remove(place);
            } else {
                bucket.remove(entry);
            }
            assert!(bucket.from(0).eq(entries.iter().copied()));
            let behind = entries.partition_point(|other| *other < entry);
            assert!(bucket.from(entry).eq(entries[behind..].iter().copied()));
            assert!(bucket.runs.iter().all(|run| (1..=RUN_MAX).contains(&run.len())));
        }
        entries.drain(..).for_each(|entry| bucket.remove(entry));
        assert!(bucket.runs.is_empty());
    }
}
