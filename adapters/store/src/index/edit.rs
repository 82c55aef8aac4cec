//! A batch of the tree, as it is put together.

use std::collections::BTreeMap;

use finis_engine::Timestamp;

use super::directory::Prefix;
use super::layer::SessionRow;
use super::meta::Contents;
use super::view::View;
use super::{IndexError, keys, pages};
use crate::tag::Tag;

/// Changes that go into the tree together.
pub(super) struct Edit<'v> {
    view: &'v View,
    batch: sled::Batch,
    /// What the tree holds then.
    contents: Contents,
    pages: BTreeMap<u32, Page>,
    /// Sessions that are on another page then, or on none.
    placed: Vec<Placed>,
    /// The page that takes those that are new.
    open: u32,
    bytes: usize,
}

/// A page of sessions.
struct Page {
    /// What the tree has.
    old: Option<sled::IVec>,
    new: Vec<u8>,
}

/// A session that goes from a page to another; nothing for nowhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) tag: Tag,
    pub(super) from: Option<u32>,
    pub(super) to: Option<u32>,
}

/// What a batch does.
pub(super) struct Finished {
    pub(super) batch: sled::Batch,
    pub(super) contents: Contents,
    pub(super) placed: Vec<Placed>,
    pub(super) open: u32,
    /// Bytes of keys and values that are written.
    pub(super) bytes: usize,
}

impl<'v> Edit<'v> {
    /// Of a tree that holds this, where `open` is the page that takes new sessions.
    pub(super) fn new(view: &'v View, contents: Contents, open: u32) -> Edit<'v> {
        Edit {
            view,
            batch: sled::Batch::default(),
            contents,
            pages: BTreeMap::new(),
            placed: Vec::new(),
            open,
            bytes: 0,
        }
    }

    /// Changes a session: that goes into the tree at once, so that a crash leaves it there as it was or as it is.
    pub(super) fn session(&mut self, tag: Tag, row: &SessionRow) -> Result<(), IndexError> {
        self.place(tag, row.value.as_deref())?;
        for (number, page) in &row.pages {
            self.change(&keys::page(tag, *number), page.as_deref())?;
        }
        let before = row.beneath.and_then(|published| published.due);
        let is_same = |at: Timestamp, other: Timestamp| (at.unix(), at.digits()) == (other.unix(), other.digits());
        if let Some(before) = before.filter(|before| !row.due.is_some_and(|due| is_same(due, *before))) {
            let (key, value) = (keys::due(before, tag), keys::due_value(before));
            self.contents.remove(&key, &value);
            self.batch.remove(key);
        }
        if let Some(due) = row.due.filter(|due| !before.is_some_and(|before| is_same(*due, before))) {
            self.add(&keys::due(due, tag), &keys::due_value(due));
        }
        Ok(())
    }

    /// Puts a session on its page, or on the one that is open; or takes it away.
    fn place(&mut self, tag: Tag, value: Option<&[u8]>) -> Result<(), IndexError> {
        let home = self.home(tag)?;
        if let Some(home) = home {
            let page = self.page(home)?;
            match value {
                Some(value) if pages::put(page, tag, value)? => return Ok(()),
                _ => pages::remove(page, tag)?,
            }
        }
        let Some(value) = value else {
            self.placed.extend(home.map(|_| Placed { tag, from: home, to: None }));
            return Ok(());
        };
        loop {
            let open = self.open;
            let page = self.page(open)?;
            if page.len() < pages::FULL_BYTES && pages::put(page, tag, value)? {
                self.placed.push(Placed { tag, from: home, to: Some(open) });
                return Ok(());
            }
            self.open = open.checked_add(1).ok_or_else(|| IndexError::new("the index has no pages left"))?;
        }
    }

    /// The page of a session. It is changed here once at most, so it is still where the directory says; who else is
    /// there may not be.
    fn home(&mut self, tag: Tag) -> Result<Option<u32>, IndexError> {
        let numbers: Vec<u32> = self.view.directory().pages(Prefix::of(tag)).collect();
        for number in numbers {
            if pages::find(self.page(number)?, tag)?.is_some() {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    fn page(&mut self, number: u32) -> Result<&mut Vec<u8>, IndexError> {
        if !self.pages.contains_key(&number) {
            let old = self.view.tree().get(keys::sessions(number))?;
            let new = old.as_deref().map(<[u8]>::to_vec).unwrap_or_default();
            self.pages.insert(number, Page { old, new });
        }
        let page = self.pages.get_mut(&number).ok_or_else(|| IndexError::new("a page is not there"))?;
        Ok(&mut page.new)
    }

    /// Gives a key another value, or takes it away.
    pub(super) fn change(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), IndexError> {
        let old = self.view.tree().get(key)?;
        self.replace(key, old.as_deref(), value);
        Ok(())
    }

    fn replace(&mut self, key: &[u8], old: Option<&[u8]>, value: Option<&[u8]>) {
        // What came and went meanwhile costs nothing.
        if old == value {
            return;
        }
        if let Some(old) = old {
            self.contents.remove(key, old);
        }
        match value {
            Some(value) => self.add(key, value),
            None => self.batch.remove(key),
        }
    }

    /// A key that the tree does not have, or does not count any more.
    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.contents.add(key, value);
        self.bytes += key.len() + value.len();
        self.batch.insert(key, value);
    }

    /// All of it.
    pub(super) fn finish(mut self) -> Finished {
        for (number, Page { old, new }) in std::mem::take(&mut self.pages) {
            let new = (!new.is_empty()).then_some(&*new);
            self.replace(&keys::sessions(number), old.as_deref(), new);
        }
        let Edit { batch, contents, placed, open, bytes, .. } = self;
        Finished { batch, contents, placed, open, bytes }
    }
}
