//! Flushing the tree, come what may.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::IndexError;

/// After so long, and then again, it is looked whether sled has failed. Most disks flush in less.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Writes out what the tree has. It hangs, if that takes as long as `patience`.
///
/// Threads of sled write, and a flush waits for them. When the write errs that begins a batch, they note that and
/// wake nobody: a flush that waits by then waits for ever, and whoever would write to any tree of the process
/// waits for it, since all of them share a lock. So the flush is on a thread for that, and whoever waits for it
/// looks whether sled has failed.
pub(super) fn flush(tree: &sled::Db, patience: Duration) -> Result<(), IndexError> {
    let (send, flushed) = mpsc::channel();
    let flushing = tree.clone();
    let spawned = thread::Builder::new().name("finis-index-flush".to_owned()).spawn(move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| flushing.flush()));
        // The last who has the tree closes it, and that is to be somebody else.
        drop(flushing);
        let _ = send.send(outcome);
    });
    spawned.map_err(|error| IndexError::new(format_args!("no thread to flush it on: {error}")))?;
    let until = Instant::now() + patience;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match flushed.recv_timeout(LOOK_EVERY.min(left)) {
            Ok(Ok(outcome)) => return Ok(outcome.map(drop)?),
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => return Err(IndexError::new("flushing it panicked")),
            Err(RecvTimeoutError::Timeout) if left.is_zero() => return Err(IndexError::new("the index hangs")),
            Err(RecvTimeoutError::Timeout) => look(tree)?,
        }
    }
}

/// Whether sled has failed.
fn look(tree: &sled::Db) -> Result<(), IndexError> {
    let state = tree.context.global_error();
    if state.is_err() {
        // It answers at once by now, and wakes those who wait.
        let _ = tree.flush();
    }
    Ok(state?)
}
