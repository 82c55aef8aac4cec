//! What the index knows: the tree, and above it the layers that are not in the tree yet.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use finis_engine::log::{Arrivals, RefusedCursor, SourceSettings};
use finis_engine::{Digest, Timestamp};

use super::directory::Directory;
use super::repeats::Repeats;
use super::sessions::{Published, Session, Value, read_places};
use super::state::decode_settings;
use super::{IndexError, Meta, keys, pages};
use crate::bytes::Bytes;
use crate::journal::Place;
use crate::tag::Tag;

/// Layers that wait to be written before commits wait for them.
const LAYERS_MAX: usize = 3;

/// Rows that are read at once before others may write.
const ROWS_MAX: usize = 256;

/// A key and its value.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// What a commit changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) sessions: Vec<(Tag, SessionRow)>,
    /// Keys and values; nothing for a key that goes.
    pub(super) rest: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// What is to be written of a session. All of it goes into the tree at once, so that a crash leaves a
/// session there as it was or as it is.
#[derive(Clone, Debug)]
pub(super) struct SessionRow {
    /// Nothing when nothing of it is kept.
    pub(super) value: Option<Vec<u8>>,
    pub(super) pages: BTreeMap<u32, Option<Vec<u8>>>,
    /// Where the first of its records lies: those that came together are put together.
    pub(super) first: Option<Place>,
    pub(super) due: Option<Timestamp>,
    /// It was let go.
    pub(super) is_gone: bool,
    /// What there is of it beneath; nothing when there is nothing.
    pub(super) beneath: Option<Published>,
}

/// Changes that are durable in the journal and not yet in the tree. What is changed again and again
/// within a layer goes into the tree once.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) sessions: BTreeMap<Tag, SessionRow>,
    pub(super) rest: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// The state when it was full.
    pub(super) meta: Meta,
    /// It is full, or taken to be written: no more may be added.
    pub(super) is_sealed: bool,
}

/// What is known beside the tree.
struct Shared {
    /// The newest last.
    layers: VecDeque<Arc<Layer>>,
    meta: Meta,
    /// All sessions that have to be judged again.
    due: BTreeSet<(Timestamp, Tag)>,
}

/// How far the writing behind is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Layers that are full.
    pub(super) waiting: usize,
    /// All that waits is to be written, and then no more.
    pub(super) closing: bool,
    /// No more is to be written.
    pub(super) abandoned: bool,
    /// The thread has ended.
    pub(super) ended: bool,
    pub(super) failed: Option<IndexError>,
}

/// What the index knows, for any thread.
pub(crate) struct View {
    shared: RwLock<Shared>,
    pub(super) progress: Mutex<Progress>,
    pub(super) moved: Condvar,
    /// What its one writer has counted and not written.
    repeats: Mutex<Repeats>,
    /// Another one once it was written anew.
    tree: RwLock<sled::Db>,
    /// Who is on which page of the tree.
    directory: RwLock<Directory>,
    /// Nobody else opens the store while anybody can still read. Goes last.
    lock: Mutex<Option<Box<dyn Any + Send>>>,
    /// Sessions and other keys of a layer that is full.
    layer_keys: usize,
    /// How long it may take.
    patience: Duration,
}

impl View {
    pub(super) fn new(
        tree: sled::Db,
        directory: Directory,
        meta: Meta,
        lock: Option<Box<dyn Any + Send>>,
        layer_keys: usize,
        patience: Duration,
    ) -> Result<View, IndexError> {
        let mut due = BTreeSet::new();
        for row in tree.scan_prefix([keys::DUE]) {
            let (key, value) = row?;
            due.insert(keys::read_due(&key, &value).ok_or_else(|| IndexError::value("a deadline"))?);
        }
        Ok(View {
            shared: RwLock::new(Shared { layers: VecDeque::new(), meta, due }),
            progress: Mutex::default(),
            moved: Condvar::new(),
            repeats: Mutex::default(),
            tree: RwLock::new(tree),
            directory: RwLock::new(directory),
            lock: Mutex::new(lock),
            layer_keys,
            patience,
        })
    }

    /// The value of a key that is not of a session.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        if let Some(value) = self.read().layers.iter().rev().find_map(|layer| layer.rest.get(key)) {
            return Ok(value.clone());
        }
        // What leaves the layers is in the tree before.
        Ok(self.tree().get(key)?.map(|value| value.to_vec()))
    }

    /// Rows that are not of sessions whose keys begin with `prefix`, after a key, in order, up to this many.
    pub(crate) fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, IndexError> {
        let mut rows: Vec<Row> = Vec::new();
        while rows.len() < limit {
            let from = match (rows.last(), after) {
                (Some((key, _)), _) => Bound::Excluded(key.clone()),
                (None, Some(after)) if after > prefix => Bound::Excluded(after.to_vec()),
                (None, _) => Bound::Included(prefix.to_vec()),
            };
            let most = ROWS_MAX.min(limit - rows.len());
            let more = self.some(prefix, &from, most)?;
            let is_done = more.len() < most;
            rows.extend(more);
            if is_done {
                break;
            }
        }
        Ok(rows)
    }

    /// Tags of sessions after this one, in order, up to this many.
    pub(crate) fn sessions(&self, after: Option<Tag>, limit: usize) -> Vec<Tag> {
        let shared = self.read();
        let directory = self.directory();
        let from = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let mut sources: Vec<Peekable<Tags<'_>>> = Vec::with_capacity(shared.layers.len() + 1);
        // The newest first.
        for layer in shared.layers.iter().rev() {
            let rows = layer.sessions.range::<Tag, _>(from).map(|(tag, row)| (*tag, row.value.is_some()));
            sources.push((Box::new(rows) as Tags<'_>).peekable());
        }
        sources.push((Box::new(directory.after(after).map(|tag| (tag, true))) as Tags<'_>).peekable());
        let mut tags = Vec::new();
        while tags.len() < limit {
            let Some(least) = sources.iter_mut().filter_map(Peekable::peek).map(|(tag, _)| *tag).min() else { break };
            let mut newest = None;
            for source in &mut sources {
                if let Some((_, is_there)) = source.next_if(|(tag, _)| *tag == least) {
                    newest.get_or_insert(is_there);
                }
            }
            tags.extend(newest.filter(|is_there| *is_there).map(|_| least));
        }
        tags
    }

    /// Whether it knows a session. That is in memory.
    pub(crate) fn knows(&self, tag: Tag) -> bool {
        let shared = self.read();
        let row = shared.layers.iter().rev().find_map(|layer| layer.sessions.get(&tag));
        row.map_or_else(|| self.directory().page(tag).is_some(), |row| row.value.is_some())
    }

    /// Where the records of a session lie; nothing of one that it does not know.
    pub(crate) fn session(&self, tag: Tag) -> Result<Option<Session>, IndexError> {
        let unreadable = || IndexError::value("a session");
        // Held all the time, so that what is read is of one moment.
        let shared = self.read();
        let rows = || shared.layers.iter().rev().filter_map(|layer| layer.sessions.get(&tag));
        let value = match rows().next() {
            Some(row) => row.value.as_deref().map(Value::decode),
            None => match self.directory().page(tag) {
                Some(page) => {
                    let page = self.tree().get(keys::sessions(page))?.ok_or_else(unreadable)?;
                    Some(Value::decode(pages::find(&page, tag)?.ok_or_else(unreadable)?))
                }
                None => None,
            },
        };
        let Some(value) = value else { return Ok(None) };
        let value = value.ok_or_else(unreadable)?;
        let mut older = Vec::new();
        for number in 0..value.pages {
            let page = match rows().find_map(|row| row.pages.get(&number)) {
                Some(page) => page.clone(),
                None => self.tree().get(keys::page(tag, number))?.map(|page| page.to_vec()),
            };
            older.push(read_places(&page.ok_or_else(unreadable)?));
        }
        Session::decode(value, older.into_iter()).ok_or_else(unreadable).map(Some)
    }

    /// What was counted of a session's events and stands in no record yet. To be asked before the session: what
    /// waits no more is in a record by then.
    pub(crate) fn repeated(&self, tag: Tag) -> Vec<(Digest, Arrivals)> {
        self.repeats().of(tag)
    }

    /// What its one writer has counted.
    pub(super) fn repeats(&self) -> MutexGuard<'_, Repeats> {
        // Every change is one that leaves the rest as it was.
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each source is read under, by name.
    pub(crate) fn sources(&self) -> Result<Vec<SourceSettings>, IndexError> {
        let rows = self.scan(&[keys::SOURCE], None, usize::MAX)?;
        rows.iter().map(|(_, value)| decode_settings(value)).collect()
    }

    /// Refused deliveries behind this one, in order, and where they lie, up to this many.
    pub(crate) fn refused(
        &self,
        after: Option<RefusedCursor>,
        limit: usize,
    ) -> Result<Vec<(RefusedCursor, Place)>, IndexError> {
        let rows = self.scan(&[keys::REFUSED], after.map(keys::refused).as_deref(), limit)?;
        let place = |(key, value): &Row| keys::read_refused(key).zip(Bytes(value).place());
        rows.iter().map(|row| place(row).ok_or_else(|| IndexError::value("a delivery"))).collect()
    }

    /// Where the refused delivery lies that stands there; nothing when there is none.
    pub(crate) fn refused_at(&self, cursor: RefusedCursor) -> Result<Option<Place>, IndexError> {
        let value = self.get(&keys::refused(cursor))?;
        value.map(|value| Bytes(&value).place().ok_or_else(|| IndexError::value("a delivery"))).transpose()
    }

    /// Sessions that are due by this time, behind this one, the earliest first, up to this many.
    pub(crate) fn due(&self, after: Option<(Timestamp, Tag)>, until: Timestamp, limit: usize) -> Vec<(Timestamp, Tag)> {
        let shared = self.read();
        let due = shared.due.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        due.take_while(|(at, _)| *at <= until).take(limit).copied().collect()
    }

    /// When the first session is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.read().due.first().map(|(at, _)| *at)
    }

    /// How many sessions are due at some time.
    pub(crate) fn waiting(&self) -> usize {
        self.read().due.len()
    }

    /// The state of the index.
    pub(crate) fn meta(&self) -> Meta {
        self.read().meta
    }

    /// How long the tree may take for anything.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// The lock, for another index of the same store.
    pub(super) fn take_lock(&self) -> Option<Box<dyn Any + Send>> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Adds what is durable in the journal up to the watermark of `meta`.
    pub(super) fn publish(&self, changes: Changes, meta: Meta) {
        let is_full = {
            let mut shared = self.write();
            let shared = &mut *shared;
            shared.meta = meta;
            for (tag, row) in &changes.sessions {
                if let Some(before) = row.beneath.and_then(|published| published.due) {
                    shared.due.remove(&(before, *tag));
                }
                shared.due.extend(row.due.map(|at| (at, *tag)));
            }
            if shared.layers.back().is_none_or(|layer| layer.is_sealed) {
                shared.layers.push_back(Arc::new(Layer::new(meta)));
            }
            let Some(layer) = shared.layers.back_mut() else { return };
            // Nobody else has one that is not sealed.
            let layer = Arc::make_mut(layer);
            layer.take(changes);
            layer.meta = meta;
            layer.is_sealed = layer.len() >= self.layer_keys;
            layer.is_sealed
        };
        if is_full {
            self.progress().waiting += 1;
            self.moved.notify_all();
        }
    }

    /// Waits until the writing behind has caught up enough to take more. It hangs, if nothing is written
    /// for as long as it may take.
    pub(crate) fn wait_for_room(&self) -> Result<(), IndexError> {
        let mut progress = self.progress();
        let (mut waiting, mut since) = (progress.waiting, Instant::now());
        loop {
            if let Some(error) = &progress.failed {
                return Err(error.clone());
            }
            if progress.waiting < LAYERS_MAX {
                return Ok(());
            }
            if progress.waiting != waiting {
                (waiting, since) = (progress.waiting, Instant::now());
            } else if since.elapsed() >= self.patience {
                return Err(IndexError::new("the index hangs"));
            }
            (progress, _) = self.moved.wait_timeout(progress, self.patience).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The oldest layer, to be written.
    pub(super) fn take_layer(&self) -> Option<Arc<Layer>> {
        let mut shared = self.write();
        let layer = shared.layers.front_mut()?;
        if !layer.is_sealed {
            Arc::make_mut(layer).is_sealed = true;
            // It was not full, so nobody counted it.
            self.progress().waiting += 1;
        }
        Some(Arc::clone(layer))
    }

    /// The oldest layer is in the tree.
    pub(super) fn drop_layer(&self) {
        self.write().layers.pop_front();
        let mut progress = self.progress();
        progress.waiting = progress.waiting.saturating_sub(1);
        self.moved.notify_all();
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn some(&self, prefix: &[u8], from: &Bound<Vec<u8>>, limit: usize) -> Result<Vec<Row>, IndexError> {
        let shared = self.read();
        // The newest first.
        let mut sources: Vec<Peekable<Source<'_>>> = Vec::with_capacity(shared.layers.len() + 1);
        for layer in shared.layers.iter().rev() {
            let range = layer.rest.range::<Vec<u8>, _>((from.clone(), Bound::Unbounded));
            let range = range.map(|(key, value)| Ok((key.clone(), value.clone())));
            sources.push((Box::new(range) as Source<'_>).peekable());
        }
        let tree = self.tree();
        let range = tree.range((from.clone(), Bound::Unbounded)).map(|row| {
            let (key, value) = row?;
            Ok((key.to_vec(), Some(value.to_vec())))
        });
        sources.push((Box::new(range) as Source<'_>).peekable());

        let mut rows = Vec::new();
        while rows.len() < limit {
            let mut least: Option<Vec<u8>> = None;
            for source in &mut sources {
                match source.peek() {
                    Some(Ok((key, _))) if least.as_ref().is_none_or(|least| key < least) => least = Some(key.clone()),
                    Some(Err(error)) => return Err(error.clone()),
                    _ => {}
                }
            }
            let Some(key) = least.filter(|key| key.starts_with(prefix)) else { break };
            let mut newest = None;
            for source in &mut sources {
                if let Some(Ok((_, value))) = source.next_if(|row| matches!(row, Ok((other, _)) if *other == key)) {
                    newest.get_or_insert(value);
                }
            }
            if let Some(Some(value)) = newest {
                rows.push((key, value));
            }
        }
        Ok(rows)
    }

    pub(super) fn tree(&self) -> RwLockReadGuard<'_, sled::Db> {
        self.tree.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes where sessions are in the tree now; nothing for those that are nowhere. Whoever looks for one
    /// finds it in a layer meanwhile.
    pub(super) fn relocate(&self, sessions: Vec<(Tag, Option<u32>)>) {
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        for (tag, page) in sessions {
            directory.put(tag, page);
        }
    }

    /// Puts another tree in place, which holds the same. Gives the one that was there.
    pub(super) fn replace_tree(&self, tree: sled::Db) -> sled::Db {
        let mut place = self.tree.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *place, tree)
    }

    fn read(&self) -> RwLockReadGuard<'_, Shared> {
        self.shared.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Shared> {
        self.shared.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sessions in order, and whether each is there or goes.
type Tags<'s> = Box<dyn Iterator<Item = (Tag, bool)> + 's>;

/// Keys in order, each with its value, or nothing where it goes.
type Source<'s> = Box<dyn Iterator<Item = Result<(Vec<u8>, Option<Vec<u8>>), IndexError>> + 's>;

impl Layer {
    fn new(meta: Meta) -> Layer {
        Layer { sessions: BTreeMap::new(), rest: BTreeMap::new(), meta, is_sealed: false }
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len() + self.rest.len()
    }

    fn take(&mut self, changes: Changes) {
        for (tag, row) in changes.sessions {
            match self.sessions.get_mut(&tag) {
                None => drop(self.sessions.insert(tag, row)),
                Some(known) => {
                    // What is beneath stays what it was.
                    known.value = row.value;
                    known.first = row.first;
                    known.due = row.due;
                    known.is_gone = row.is_gone;
                    known.pages.extend(row.pages);
                }
            }
        }
        self.rest.extend(changes.rest);
    }
}
