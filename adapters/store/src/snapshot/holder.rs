//! Who has the folder of a log open.

use std::fs::{File, TryLockError};
use std::io::Read;
use std::path::Path;

/// Who has a log open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process, when it says so.
    pub pid: Option<u32>,
}

impl Holder {
    /// Who has the log in a folder open; nothing when nobody has, or nobody can tell.
    ///
    /// To find out, the lock is shared for an instant: opening a log waits longer than that.
    #[must_use]
    pub fn of(folder: &Path) -> Option<Holder> {
        let mut file = File::open(folder.join(crate::embedded::LOCK_FILE)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let pid = (&mut file).take(32).read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                Some(Holder { pid })
            }
            // Closing the file lets go of it.
            Ok(()) | Err(TryLockError::Error(_)) => None,
        }
    }
}

/// `process 4711`, or `another process`.
impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("another process"),
        }
    }
}
