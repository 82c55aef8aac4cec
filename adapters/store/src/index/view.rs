//! What the index knows: the tree, and above it the layers that are not in the tree yet.

use std::any::Any;
use std::ops::Bound;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use finis_engine::log::{Arrivals, RefusedCursor, SourceSettings};
use finis_engine::{Digest, Timestamp};

use super::directory::{Directory, Prefix};
use super::due::{Asked, Deadline, Deadlines, Horizon, Unread};
use super::edit::Placed;
use super::layer::{Changes, Layer, Layers};
use super::merge::Merge;
use super::repeats::Repeats;
use super::sessions::{Session, Value, read_places};
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

/// What is known beside the tree.
struct Shared {
    layers: Layers,
    meta: Meta,
    /// Sessions that have to be judged again.
    due: Deadlines,
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
        due: Deadlines,
        meta: Meta,
        lock: Option<Box<dyn Any + Send>>,
        layer_keys: usize,
        patience: Duration,
    ) -> View {
        View {
            shared: RwLock::new(Shared { layers: Layers::default(), meta, due }),
            progress: Mutex::default(),
            moved: Condvar::new(),
            repeats: Mutex::default(),
            tree: RwLock::new(tree),
            directory: RwLock::new(directory),
            lock: Mutex::new(lock),
            layer_keys,
            patience,
        }
    }

    /// The value of a key that is not of a session.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        if let Some(value) = self.read().layers.newest_first().find_map(|layer| layer.rest.get(key)) {
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
    pub(crate) fn sessions(&self, after: Option<Tag>, limit: usize) -> Result<Vec<Tag>, IndexError> {
        let (mut tags, mut from) = (Vec::new(), after);
        while tags.len() < limit {
            let (more, end) = self.some_sessions(from, limit - tags.len())?;
            tags.extend(more);
            from = end;
            if from.is_none() {
                break;
            }
        }
        Ok(tags)
    }

    /// Some of them, and the one that was looked at last; nothing when there are no more.
    fn some_sessions(&self, after: Option<Tag>, limit: usize) -> Result<(Vec<Tag>, Option<Tag>), IndexError> {
        let shared = self.read();
        let (directory, tree) = (self.directory(), self.tree());
        let mut merge = Merge::default();
        for layer in shared.layers.newest_first() {
            let rows = layer.sessions.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
            merge.add(rows.map(|(tag, row)| Ok((*tag, row.value.is_some()))))?;
        }
        merge.add(in_tree(&directory, &tree, after).map(|tag| Ok((tag?, true))))?;
        let mut tags = Vec::new();
        for (count, row) in merge.enumerate() {
            let (tag, is_there) = row?;
            tags.extend(is_there.then_some(tag));
            if tags.len() >= limit || count + 1 >= ROWS_MAX {
                return Ok((tags, Some(tag)));
            }
        }
        Ok((tags, None))
    }

    /// Whether it may know a session, as far as memory tells: `false` is certain, and of those that it does not
    /// know, next to none are told otherwise.
    pub(crate) fn may_know(&self, tag: Tag) -> bool {
        let shared = self.read();
        let row = shared.layers.rows(tag).next();
        row.map_or_else(|| self.directory().pages(Prefix::of(tag)).next().is_some(), |row| row.value.is_some())
    }

    /// Where the records of a session lie; nothing of one that it does not know.
    pub(crate) fn session(&self, tag: Tag) -> Result<Option<Session>, IndexError> {
        let unreadable = || IndexError::value("a session");
        // Held all the time, so that what is read is of one moment.
        let shared = self.read();
        let value = match shared.layers.rows(tag).next() {
            Some(row) => row.value.as_deref().map(Value::decode),
            None => self.value(&shared.layers, tag)?,
        };
        let Some(value) = value else { return Ok(None) };
        let value = value.ok_or_else(unreadable)?;
        let mut older = Vec::new();
        for number in 0..value.pages {
            let page = match shared.layers.rows(tag).find_map(|row| row.pages.get(&number)) {
                Some(page) => page.clone(),
                None => self.tree().get(keys::page(tag, number))?.map(|page| page.to_vec()),
            };
            older.push(read_places(&page.ok_or_else(unreadable)?));
        }
        Session::decode(value, older.into_iter()).ok_or_else(unreadable).map(Some)
    }

    /// What the tree has of a session that no layer has; the inner is nothing when that cannot be read.
    #[allow(clippy::option_option, reason = "what was read, and whether it could be")]
    fn value(&self, layers: &Layers, tag: Tag) -> Result<Option<Option<Value>>, IndexError> {
        let prefix = Prefix::of(tag);
        let numbers: Vec<u32> = self.directory().pages(prefix).collect();
        for number in numbers {
            let page = self.tree().get(keys::sessions(number))?.unwrap_or_default();
            if let Some(value) = pages::find(&page, tag)? {
                return Ok(Some(Value::decode(value)));
            }
            // It is there because of another one that begins alike. That one can be on its way to another page.
            if pages::alike(&page, prefix)?.is_empty() && !layers.has_any(prefix) {
                return Err(IndexError::value("a session"));
            }
        }
        Ok(None)
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
    pub(crate) fn due(
        &self,
        after: Option<Deadline>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Deadline>, IndexError> {
        let mut due = Vec::new();
        let mut after = after.map_or(Horizon::Start, Horizon::At);
        while due.len() < limit && after < Horizon::End {
            let shared = self.read();
            let asked = Asked { after, until, limit: limit - due.len() };
            let piece = shared.due.piece(&shared.layers, &self.tree(), asked)?;
            due.extend(piece.deadlines);
            after = piece.end;
        }
        Ok(due)
    }

    /// When the first session is due, as memory tells; it nearly always does.
    pub(crate) fn next_due_known(&self) -> Result<Option<Timestamp>, Unread> {
        self.read().due.next()
    }

    /// When the first session is due.
    pub(crate) fn next_due(&self) -> Result<Option<Timestamp>, IndexError> {
        loop {
            if let Ok(next) = self.next_due_known() {
                return Ok(next);
            }
            let mut shared = self.write();
            let Shared { layers, due, .. } = &mut *shared;
            due.read_on(layers, &self.tree())?;
        }
    }

    /// How many sessions are due at some time.
    pub(crate) fn waiting(&self) -> usize {
        self.read().due.count()
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
                let before = row.beneath.and_then(|published| published.due);
                shared.due.change(*tag, before, row.due);
            }
            let Some(layer) = shared.layers.open(meta) else { return };
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
        let (layer, was_open) = shared.layers.seal_oldest()?;
        if was_open {
            // It was not full, so nobody counted it.
            self.progress().waiting += 1;
        }
        Some(layer)
    }

    /// The oldest layer is in the tree.
    pub(super) fn drop_layer(&self) {
        self.write().layers.drop_oldest();
        let mut progress = self.progress();
        progress.waiting = progress.waiting.saturating_sub(1);
        self.moved.notify_all();
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn some(&self, prefix: &[u8], from: &Bound<Vec<u8>>, limit: usize) -> Result<Vec<Row>, IndexError> {
        let shared = self.read();
        let tree = self.tree();
        let mut merge = Merge::default();
        for layer in shared.layers.newest_first() {
            let range = layer.rest.range::<Vec<u8>, _>((from.clone(), Bound::Unbounded));
            merge.add(range.map(|(key, value)| Ok((key.clone(), value.clone()))))?;
        }
        merge.add(tree.range((from.clone(), Bound::Unbounded)).map(|row| {
            let (key, value) = row?;
            Ok((key.to_vec(), Some(value.to_vec())))
        }))?;
        let mut rows = Vec::new();
        while rows.len() < limit {
            match merge.next().transpose()? {
                Some((key, value)) if key.starts_with(prefix) => rows.extend(value.map(|value| (key, value))),
                _ => break,
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

    /// Notes where sessions are in the tree now. Whoever looks for one finds it in a layer meanwhile.
    pub(super) fn relocate(&self, sessions: Vec<Placed>) {
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        for Placed { tag, from, to } in sessions {
            directory.relocate(Prefix::of(tag), from, to);
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

/// Sessions of the tree behind this one, in order.
fn in_tree<'s>(
    directory: &'s Directory,
    tree: &'s sled::Db,
    after: Option<Tag>,
) -> impl Iterator<Item = Result<Tag, IndexError>> + 's {
    let mut entries = directory.from(after.map_or(Prefix::FIRST, Prefix::of)).peekable();
    let mut read = move || {
        let Some((prefix, mut number)) = entries.next() else { return Ok(None) };
        let mut tags = Vec::new();
        loop {
            let page = tree.get(keys::sessions(number))?.unwrap_or_default();
            tags.extend(pages::alike(&page, prefix)?.into_iter().filter(|tag| after.is_none_or(|after| *tag > after)));
            match entries.next_if(|(other, _)| *other == prefix) {
                Some((_, next)) => number = next,
                None => break,
            }
        }
        tags.sort_unstable();
        // Those that are on one page were read twice.
        tags.dedup();
        Ok::<_, IndexError>(Some(tags))
    };
    std::iter::from_fn(move || read().transpose()).flat_map(|tags| match tags {
        Ok(tags) => tags.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    })
}
