//! The thread that writes layers into the tree.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::meta::Contents;
use super::view::{Layer, View};
use super::{IndexError, keys};
use crate::crash::crash_point;

/// Bytes that are written before they are made durable: after a power cut, no more than what the
/// journal has for them is read again. Nothing else hangs on it.
const FLUSHED_BYTES: usize = 32 << 20;

/// The thread that writes behind, from the outside.
pub(crate) struct Behind {
    view: Arc<View>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Behind {
    /// Starts the thread. `contents` is what the tree in `folder` holds.
    pub(super) fn start(view: Arc<View>, contents: Contents, folder: PathBuf) -> io::Result<Behind> {
        let writer = Writer { view: Arc::clone(&view), contents, folder, unflushed: 0 };
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

struct Writer {
    view: Arc<View>,
    contents: Contents,
    folder: PathBuf,
    unflushed: usize,
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
        if self.view.tree.is_empty() {
            self.write_one()?;
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
            if !self.write_one()? {
                // Nothing waits, so it is closing.
                return self.flush();
            }
            if self.unflushed >= FLUSHED_BYTES {
                self.flush()?;
            }
        }
    }

    /// Whether there was one.
    fn write_one(&mut self) -> Result<bool, IndexError> {
        let Some(layer) = self.view.take_layer() else { return Ok(false) };
        self.apply(&layer)?;
        self.view.drop_layer();
        Ok(true)
    }

    fn apply(&mut self, layer: &Layer) -> Result<(), IndexError> {
        let mut contents = self.contents;
        let mut batch = sled::Batch::default();
        for (key, value) in layer.puts.iter() {
            let old = self.view.tree.get(key)?;
            // What came and went meanwhile costs nothing.
            if old.as_deref() == value.as_deref() {
                continue;
            }
            if let Some(old) = old {
                contents.remove(key, &old);
            }
            match value {
                Some(value) => {
                    contents.add(key, value);
                    self.unflushed += key.len() + value.len();
                    batch.insert(key.as_slice(), value.as_slice());
                }
                None => batch.remove(key.as_slice()),
            }
        }
        batch.insert(keys::META, layer.meta.encode(contents));
        crash_point!("index.applying");
        self.view.tree.apply_batch(batch)?;
        crash_point!("index.applied");
        self.contents = contents;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), IndexError> {
        crash_point!("index.flushing");
        self.view.tree.flush()?;
        crash_point!("index.flushed");
        // What sled calls a flush stays in the cache of the disk.
        let synced = File::open(self.folder.join("db")).and_then(|file| file.sync_data());
        synced.map_err(|error| IndexError::new(format_args!("the index cannot be synced: {error}")))?;
        crash_point!("index.synced");
        self.unflushed = 0;
        Ok(())
    }
}
