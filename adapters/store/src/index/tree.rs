//! The thread that writes layers into the tree.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::directory::{Directory, Prefix};
use super::edit::{Edit, Finished};
use super::flush::flush;
use super::layer::{Layer, SessionRow};
use super::meta::{Contents, Meta};
use super::view::{Progress, View};
use super::{IndexError, keys};
use crate::crash::crash_point;
use crate::journal::Position;
use crate::tag::Tag;

/// Bytes that are written before they are made durable: after a power cut, no more than what the
/// journal has for them is read again. Nothing else hangs on it.
const FLUSHED_BYTES: usize = 32 << 20;

/// Sessions that go into the tree at once: its readers wait for as long as that takes.
const BATCH_SESSIONS: usize = 512;

/// Bytes on the disk for each byte that a tree holds, from which on it is written anew. A tree that only grew
/// has about a third of that.
const SLACK: u64 = 24;

/// It has grown by as much since it was written.
const GROWN: u64 = 3;

/// Rows that are written anew at once.
const ROWS: usize = 1024;

/// Times that garbage is collected after a batch: each time up to 500 pieces.
const COLLECTIONS: usize = 16;

/// What the folder of a tree is called while it is written, and when it is of no use any more.
const NEW: &str = ".new";
const OLD: &str = ".old";

/// Frees what a batch has replaced. By itself sled frees some 500 pieces for every 128 of its operations, and
/// a batch is one operation that leaves thousands: without this, memory grew by a kilobyte for each key that
/// was written into a tree larger than its cache.
fn collect() {
    for _ in 0..COLLECTIONS {
        crossbeam_epoch::pin().flush();
    }
}

/// The thread that writes behind, from the outside.
pub(crate) struct Behind {
    view: Arc<View>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Behind {
    /// Starts the thread. `contents` is what the tree in `folder` holds, `open` its last page.
    pub(super) fn start(
        view: Arc<View>,
        contents: Contents,
        open: u32,
        folder: PathBuf,
        anew: Anew,
    ) -> io::Result<Behind> {
        let meta = view.meta();
        let watermark = (meta.watermark, meta.records);
        let writer = Writer { view: Arc::clone(&view), contents, open, watermark, folder, unflushed: 0, anew };
        let thread = thread::Builder::new().name("finis-index".to_owned()).spawn(move || writer.run())?;
        Ok(Behind { view, thread: Some(thread) })
    }

    /// Writes all that waits, makes it durable, and ends; waits for that for a while.
    pub(crate) fn close(mut self, patience: Duration) -> Result<(), IndexError> {
        let until = Instant::now() + patience;
        let mut progress = self.view.progress();
        progress.closing = true;
        self.view.moved.notify_all();
        while !progress.ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(IndexError::new("the index did not close in time"));
            }
            (progress, _) = self.view.moved.wait_timeout(progress, left).unwrap_or_else(PoisonError::into_inner);
        }
        let result = progress.failed.clone().map_or(Ok(()), Err);
        drop(progress);
        // It has only to let go of what it held.
        self.thread.take().map(thread::JoinHandle::join);
        result
    }
}

/// Dropping it leaves what waits: the journal has it.
impl Drop for Behind {
    fn drop(&mut self) {
        self.view.progress().abandoned = true;
        self.view.moved.notify_all();
    }
}

/// Whether a tree takes much more than what it holds.
fn is_slack(bytes: u64, held: u64, least: u64) -> bool {
    bytes > least && bytes > SLACK * held
}

fn with_suffix(folder: &Path, suffix: &str) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn remove(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Takes away what a crash left of a tree that was being written anew.
pub(super) fn tidy(folder: &Path) -> io::Result<()> {
    remove(&with_suffix(folder, NEW))?;
    remove(&with_suffix(folder, OLD))
}

/// When a tree is written anew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anew {
    /// Bytes that it had when it was written.
    pub(super) bytes: u64,
    /// Bytes that it may always have.
    pub(super) least: u64,
    pub(super) cache_bytes: u64,
}

/// Sessions of a layer: those that are on one page together, and then those that are new, as they came.
fn in_order<'l>(directory: &Directory, sessions: Vec<(&'l Tag, &'l SessionRow)>) -> Vec<(&'l Tag, &'l SessionRow)> {
    // Where one begins like another, that one's page is as good: it is only about the order.
    let page = |tag: &Tag| directory.pages(Prefix::of(*tag)).next().unwrap_or(u32::MAX);
    let mut placed: Vec<_> = sessions.into_iter().map(|it| (page(it.0), it)).collect();
    placed.sort_unstable_by_key(|(page, (tag, row))| (*page, row.first, **tag));
    placed.into_iter().map(|(_, session)| session).collect()
}

struct Writer {
    view: Arc<View>,
    contents: Contents,
    /// The page that takes new sessions.
    open: u32,
    /// Up to where the tree has everything, and how many records that is.
    watermark: (Position, u64),
    folder: PathBuf,
    unflushed: usize,
    anew: Anew,
}

impl Writer {
    fn run(mut self) {
        let result = catch_unwind(AssertUnwindSafe(|| self.write_all()));
        let result = result.unwrap_or_else(|_| Err(IndexError::new("the index panicked")));
        let mut progress = self.view.progress();
        progress.failed = result.err();
        progress.ended = true;
        self.view.moved.notify_all();
    }

    fn write_all(&mut self) -> Result<(), IndexError> {
        if self.view.tree().is_empty() {
            // So that one which is new is told from one that has lost everything.
            let (watermark, records) = self.watermark;
            let meta = Meta { watermark, records, ..self.view.meta() };
            let view = Arc::clone(&self.view);
            self.put(Edit::new(&view, self.contents, self.open), &meta)?;
            self.flush()?;
        }
        loop {
            {
                let mut progress = self.view.progress();
                while progress.waiting == 0 && !progress.closing && !progress.abandoned {
                    progress = self.view.moved.wait(progress).unwrap_or_else(PoisonError::into_inner);
                }
                if progress.abandoned {
                    return Ok(());
                }
            }
            let Some(layer) = self.view.take_layer() else {
                // Nothing waits, so it is closing.
                return self.flush();
            };
            if !self.write(&layer)? {
                return Ok(());
            }
            self.view.drop_layer();
            if self.unflushed >= FLUSHED_BYTES {
                self.flush()?;
            }
            let bytes = self.bytes()?;
            if is_slack(bytes, self.contents.bytes, self.anew.least) && bytes > GROWN * self.anew.bytes {
                self.write_anew()?;
            }
        }
    }

    /// Bytes of the tree on the disk. sled asks by the name that its folder had when it was opened.
    fn bytes(&self) -> Result<u64, IndexError> {
        let file = std::fs::metadata(self.folder.join("db"));
        let file = file.map_err(|error| IndexError::new(format_args!("the index cannot be measured: {error}")))?;
        Ok(file.len())
    }

    /// Writes all that the tree holds into a new one, and puts that in its place: sled gives little of the
    /// space back that it no longer needs. What is committed meanwhile waits in layers. A crash leaves the
    /// old one or the new one, or neither, and then it is made again from the journal.
    fn write_anew(&mut self) -> Result<(), IndexError> {
        let failed = |error: std::io::Error| IndexError::new(format_args!("the index cannot be written anew: {error}"));
        let (beside, old) = (with_suffix(&self.folder, NEW), with_suffix(&self.folder, OLD));
        remove(&beside).map_err(failed)?;
        remove(&old).map_err(failed)?;
        let config = sled::Config::new().path(&beside).cache_capacity(self.anew.cache_bytes).flush_every_ms(None);
        let tree = config.open()?;
        let mut batch = sled::Batch::default();
        for (count, row) in self.view.tree().iter().enumerate() {
            let (key, value) = row?;
            batch.insert(key, value);
            if count % ROWS == ROWS - 1 {
                tree.apply_batch(std::mem::take(&mut batch))?;
                collect();
            }
        }
        tree.apply_batch(batch)?;
        collect();
        flush(&tree, self.view.patience())?;
        File::open(beside.join("db")).and_then(|file| file.sync_data()).map_err(failed)?;
        let before = self.view.replace_tree(tree);
        std::fs::rename(&self.folder, &old).and_then(|()| std::fs::rename(&beside, &self.folder)).map_err(failed)?;
        self.anew.bytes = self.bytes()?;
        // Closing it writes, and nobody waits for that. Its files go when it is closed.
        let _ = thread::Builder::new().spawn(move || {
            drop(before);
            remove(&old)
        });
        Ok(())
    }

    /// Writes a layer in parts, none of which stops readers for long. The watermark goes on with the last:
    /// until then, the journal is read from where it was, and taking a record twice changes nothing. Only what
    /// was let go does not know any more what of the outbox was its own: that is written together.
    ///
    /// `false` when it was told to write no more.
    fn write(&mut self, layer: &Layer) -> Result<bool, IndexError> {
        let before = self.watermark;
        let (gone, sessions): (Vec<_>, Vec<_>) = layer.sessions.iter().partition(|(_, row)| row.is_gone);
        let sessions = in_order(&self.view.directory(), sessions);
        for part in sessions.chunks(BATCH_SESSIONS) {
            let began = Instant::now();
            let view = Arc::clone(&self.view);
            let mut edit = Edit::new(&view, self.contents, self.open);
            for (tag, row) in part {
                edit.session(**tag, row)?;
            }
            self.put(edit, &Meta { watermark: before.0, records: before.1, ..layer.meta })?;
            crash_point!("index.part-applied");
            if self.is_abandoned_after(began.elapsed()) {
                return Ok(false);
            }
        }
        let view = Arc::clone(&self.view);
        let mut edit = Edit::new(&view, self.contents, self.open);
        for (tag, row) in gone {
            edit.session(*tag, row)?;
        }
        for (key, value) in &layer.rest {
            edit.change(key, value.as_deref())?;
        }
        self.put(edit, &layer.meta)?;
        self.watermark = (layer.meta.watermark, layer.meta.records);
        Ok(true)
    }

    /// Rests for as long as the last part took, so that whoever takes deliveries has the processor and the disk
    /// meanwhile: nobody waits for the tree, unless more is waiting to be written or it is to end. Says whether it was
    /// told to write no more.
    fn is_abandoned_after(&self, took: Duration) -> bool {
        let progress = self.view.progress();
        let is_idle = |progress: &mut Progress| progress.waiting <= 1 && !progress.closing && !progress.abandoned;
        let rested = self.view.moved.wait_timeout_while(progress, took, is_idle);
        rested.unwrap_or_else(PoisonError::into_inner).0.abandoned
    }

    /// Writes a batch, and with it what the tree then holds.
    fn put(&mut self, edit: Edit<'_>, meta: &Meta) -> Result<(), IndexError> {
        let Finished { mut batch, contents, placed, open, bytes } = edit.finish();
        batch.insert(keys::META, meta.encode(contents));
        crash_point!("index.applying");
        self.view.tree().apply_batch(batch)?;
        crash_point!("index.applied");
        collect();
        self.view.relocate(placed);
        (self.contents, self.open) = (contents, open);
        self.unflushed += bytes;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), IndexError> {
        crash_point!("index.flushing");
        flush(&self.view.tree(), self.view.patience())?;
        crash_point!("index.flushed");
        // What sled calls a flush stays in the cache of the disk.
        let synced = File::open(self.folder.join("db")).and_then(|file| file.sync_data());
        synced.map_err(|error| IndexError::new(format_args!("the index cannot be synced: {error}")))?;
        crash_point!("index.synced");
        self.unflushed = 0;
        Ok(())
    }
}
