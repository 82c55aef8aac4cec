//! A copy of a log in another folder, taken from its journal alone, beside whoever writes it.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::embedded::JOURNAL;
use crate::journal::{Copied, Disk, Folder, OpenError, Reader};

/// How often it is tried when the writer moves things meanwhile.
const TRIES: usize = 8;

/// Why a log was not copied.
#[derive(Debug)]
pub enum CopyError {
    /// There is something in the folder where the copy was to be.
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// The journal cannot be read, or the copy not written.
    Journal(OpenError),
    /// The folder of the copy cannot be made.
    Io(io::Error),
    /// Again and again the writer let go of something meanwhile.
    Unsteady,
}

/// Copies the log in a folder to another one, which is not there or empty: a consistent beginning of it, up to the
/// end of a commit. It is durable, and was read and compared, when this returns. The index is not copied: the
/// copy's first opening makes it.
///
/// What a copy that failed has left is taken away again.
///
/// # Errors
/// When there is no log, the other folder is not empty, or one cannot be read or the other not written.
pub fn copy(from: &Path, to: &Path) -> Result<Copied, CopyError> {
    let reader = Reader::open(&from.join(JOURNAL)).map_err(CopyError::Journal)?;
    let is_made = !to.exists();
    if !is_made && fs::read_dir(to).map_err(CopyError::Io)?.next().is_some() {
        return Err(CopyError::NotEmpty { folder: to.to_owned() });
    }
    Folder::make(to).map_err(CopyError::Io)?;
    let journal = to.join(JOURNAL);
    let copied = try_copy(&reader, &journal);
    if copied.is_err() {
        // What went wrong is said; what cannot be taken away besides is seen by whoever tries again.
        let _ = fs::remove_dir_all(&journal);
        let _ = is_made.then(|| fs::remove_dir(to));
    }
    copied
}

fn try_copy(reader: &Reader, journal: &Path) -> Result<Copied, CopyError> {
    for _ in 0..TRIES {
        let disk: Arc<dyn Disk> = Arc::new(Folder::make(journal).map_err(CopyError::Io)?);
        if let Some(copied) = reader.copy_to(&disk).map_err(CopyError::Journal)? {
            return Ok(copied);
        }
        fs::remove_dir_all(journal).map_err(CopyError::Io)?;
    }
    Err(CopyError::Unsteady)
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CopyError::NotEmpty { folder } => {
                write!(f, "`{}` is not empty: name a folder that is not there yet", folder.display())
            }
            CopyError::Journal(error) => error.fmt(f),
            CopyError::Io(_) => f.write_str("cannot make the copy"),
            CopyError::Unsteady => {
                f.write_str("whoever has the store let go of something each time it was copied: try again")
            }
        }
    }
}

impl std::error::Error for CopyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CopyError::Journal(error) => error.source(),
            CopyError::Io(error) => Some(error),
            CopyError::NotEmpty { .. } | CopyError::Unsteady => None,
        }
    }
}
