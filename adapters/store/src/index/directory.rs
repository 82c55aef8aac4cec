//! Who is on which page of the tree: of all sessions, in memory, made when the tree is opened.
//!
//! Some thirty bytes for each. Most sessions that the writer meets for the first time are new, and it is
//! told so without a word from sled.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::IndexError;
use crate::tag::Tag;

/// The pages of sessions, by tag.
#[derive(Debug, Default)]
pub(super) struct Directory {
    pages: BTreeMap<Tag, u32>,
}

impl Directory {
    /// Of sessions in any order; an error when one of them is on two pages.
    pub(super) fn new(mut sessions: Vec<(Tag, u32)>) -> Result<Directory, IndexError> {
        sessions.sort_unstable();
        if sessions.windows(2).any(|two| two[0].0 == two[1].0) {
            return Err(IndexError::new("it has a session twice"));
        }
        Ok(Directory { pages: sessions.into_iter().collect() })
    }

    /// The page of a session.
    pub(super) fn page(&self, tag: Tag) -> Option<u32> {
        self.pages.get(&tag).copied()
    }

    /// Sessions after this one, in order.
    pub(super) fn after(&self, tag: Option<Tag>) -> impl Iterator<Item = Tag> {
        self.pages.range((tag.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)).map(|(tag, _)| *tag)
    }

    /// The last page.
    pub(super) fn last_page(&self) -> u32 {
        self.pages.values().copied().max().unwrap_or(0)
    }

    /// Notes where a session is now; nothing for one that is nowhere.
    pub(super) fn put(&mut self, tag: Tag, page: Option<u32>) {
        match page {
            Some(page) => self.pages.insert(tag, page),
            None => self.pages.remove(&tag),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_on_two_pages() {
        let tag = |number: u8| Tag::from_bytes([number; Tag::BYTES]);
        let directory = Directory::new(vec![(tag(2), 1), (tag(1), 3), (tag(3), 1)]).unwrap();
        assert_eq!((directory.page(tag(1)), directory.page(tag(4)), directory.last_page()), (Some(3), None, 3));
        assert!(directory.after(Some(tag(1))).eq([tag(2), tag(3)]));
        assert!(Directory::new(vec![(tag(2), 1), (tag(1), 3), (tag(2), 2)]).is_err());
    }
}
