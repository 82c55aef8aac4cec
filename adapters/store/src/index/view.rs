//! What the index knows: the tree, and above it the layers that are not in the tree yet.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use std::time::{Duration, Instant};

use finis_engine::live::SessionKey;

use super::sessions::{Head, Session, decode_page};
use super::{IndexError, Meta, keys};

/// Keys of a layer, unless one commit has more: what goes into the tree at once, and stops its readers
/// for as long. While much waits, a key that is written again and again goes into the tree once.
const LAYER_KEYS: usize = 1024;

/// Layers that may wait before commits wait for them.
const LAYERS_MAX: usize = 32;

/// Rows that are read at once before others may write.
const ROWS_MAX: usize = 256;

/// Values by key; nothing for a key that goes.
pub(crate) type Puts = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A key and its value.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// Changes that are durable in the journal and not yet in the tree.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) puts: Arc<Puts>,
    pub(super) meta: Meta,
    /// It is being written: no more may be added.
    pub(super) taken: bool,
}

/// How far the writing behind is.
#[derive(Debug, Default)]
pub(super) struct Progress {
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
    layers: RwLock<VecDeque<Layer>>,
    pub(super) progress: Mutex<Progress>,
    pub(super) moved: Condvar,
    pub(super) tree: sled::Db,
    /// Nobody else opens the store while anybody can still read. Goes last.
    lock: Mutex<Option<Box<dyn Any + Send>>>,
    /// How long it may take.
    patience: Duration,
}

impl View {
    pub(super) fn new(tree: sled::Db, lock: Option<Box<dyn Any + Send>>, patience: Duration) -> View {
        View {
            layers: RwLock::default(),
            progress: Mutex::default(),
            moved: Condvar::new(),
            tree,
            lock: Mutex::new(lock),
            patience,
        }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        if let Some(value) = self.read().iter().rev().find_map(|layer| layer.puts.get(key)) {
            return Ok(value.clone());
        }
        // What leaves the layers is in the tree before.
        Ok(self.tree.get(key)?.map(|value| value.to_vec()))
    }

    /// Rows whose keys begin with `prefix`, after a key, in order, up to this many.
    pub(crate) fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, IndexError> {
        let mut rows: Vec<Row> = Vec::new();
        while rows.len() < limit {
            let from = match (rows.last(), after) {
                (Some((key, _)), _) => Bound::Excluded(key.clone()),
                (None, Some(after)) if after > prefix => Bound::Excluded(after.to_vec()),
                (None, _) => Bound::Included(prefix.to_vec()),
            };
            let most = ROWS_MAX.min(limit - rows.len());
            let more = self.scan_some(prefix, &from, most)?;
            let done = more.len() < most;
            rows.extend(more);
            if done {
                break;
            }
        }
        Ok(rows)
    }

    fn scan_some(&self, prefix: &[u8], from: &Bound<Vec<u8>>, limit: usize) -> Result<Vec<Row>, IndexError> {
        type Source<'s> = Box<dyn Iterator<Item = Result<(Vec<u8>, Option<Vec<u8>>), IndexError>> + 's>;
        let layers = self.read();
        let bounds = || (from.clone(), Bound::Unbounded);
        // The newest first.
        let mut sources: Vec<Peekable<Source<'_>>> = Vec::with_capacity(layers.len() + 1);
        for layer in layers.iter().rev() {
            let range = layer.puts.range::<Vec<u8>, _>(bounds()).map(|(key, value)| Ok((key.clone(), value.clone())));
            sources.push((Box::new(range) as Source<'_>).peekable());
        }
        let range = self.tree.range(bounds()).map(|row| {
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

    /// What it knows of a session; nothing of one that it does not know.
    pub(crate) fn session(&self, key: &SessionKey) -> Result<Option<Session>, IndexError> {
        let unreadable = || IndexError::value("a session");
        let Some(value) = self.get(&keys::session(key))? else { return Ok(None) };
        let head = Head::decode(&value).ok_or_else(unreadable)?;
        // A page is complete before it is one of the older, so those that the head counts belong to it
        // whatever is written meanwhile.
        let mut older = Vec::new();
        for page in 0..head.pages {
            let value = self.get(&keys::page(key, page))?.ok_or_else(unreadable)?;
            older.push(decode_page(&value));
        }
        Session::decode(head, older.into_iter()).ok_or_else(unreadable).map(Some)
    }

    /// The state of the index; nothing before it was ever written.
    pub(crate) fn meta(&self) -> Result<Option<Meta>, IndexError> {
        if let Some(layer) = self.read().back() {
            return Ok(Some(layer.meta));
        }
        let Some(value) = self.tree.get(keys::META)? else { return Ok(None) };
        let (meta, _) = Meta::decode(&value).ok_or_else(|| IndexError::value("itself"))?;
        Ok(Some(meta))
    }

    /// The lock, for another index of the same store.
    pub(super) fn take_lock(&self) -> Option<Box<dyn Any + Send>> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Adds what is durable in the journal up to the watermark of `meta`.
    pub(super) fn publish(&self, puts: Puts, meta: Meta) {
        let waiting = {
            let mut layers = self.write();
            match layers.back_mut() {
                Some(last) if !last.taken && last.puts.len() + puts.len() <= LAYER_KEYS => {
                    Arc::make_mut(&mut last.puts).extend(puts);
                    last.meta = meta;
                }
                _ => layers.push_back(Layer { puts: Arc::new(puts), meta, taken: false }),
            }
            layers.len()
        };
        self.progress().waiting = waiting;
        self.moved.notify_all();
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
    pub(super) fn take_layer(&self) -> Option<Layer> {
        let mut layers = self.write();
        let layer = layers.front_mut()?;
        layer.taken = true;
        Some(layer.clone())
    }

    /// The oldest layer is in the tree.
    pub(super) fn drop_layer(&self) {
        let waiting = {
            let mut layers = self.write();
            layers.pop_front();
            layers.len()
        };
        self.progress().waiting = waiting;
        self.moved.notify_all();
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, VecDeque<Layer>> {
        self.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, VecDeque<Layer>> {
        self.layers.write().unwrap_or_else(PoisonError::into_inner)
    }
}
