//! Which folders a store has.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Archive, read_file, write_whole};

/// The folder of recordings in that of a store, unless another is named.
const FOLDER: &str = "recordings";

/// Where a store remembers the others.
const FILE: &str = "recordings.json";

/// The folders that recordings of a store were ever kept in: whoever erases or shows a session has to find them
/// without the file that a server was told by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    folders: Vec<PathBuf>,
}

impl Places {
    /// Where recordings are kept unless another folder is named: in that of the store.
    #[must_use]
    pub fn usual(store: &Path) -> PathBuf {
        store.join(FOLDER)
    }

    /// Remembers folders, beside those that were remembered before. The store has to be there.
    ///
    /// # Errors
    /// When that cannot be written, or what was remembered cannot be read.
    pub fn remember<'p>(store: &Path, folders: impl IntoIterator<Item = &'p Path>) -> io::Result<()> {
        let mut known = Places::read(store)?;
        let usual = std::path::absolute(Places::usual(store))?;
        let before = known.folders.len();
        for folder in folders {
            let folder = std::path::absolute(folder)?;
            if folder != usual && !known.folders.contains(&folder) {
                known.folders.push(folder);
            }
        }
        if known.folders.len() == before {
            return Ok(());
        }
        // A path that is not UTF-8 cannot be written there.
        let text = serde_json::to_vec_pretty(&known).map_err(io::Error::other)?;
        write_whole(store, FILE, &text)
    }

    /// The folders of a store, each to be looked into.
    ///
    /// # Errors
    /// When one that was remembered is not there: what is in it could not be found.
    pub fn of(store: &Path) -> io::Result<Vec<Archive>> {
        let usual = Places::usual(store);
        let mut all = Vec::new();
        if usual.is_dir() {
            all.push(Archive::at(&usual));
        }
        for folder in Places::read(store)?.folders {
            if !folder.is_dir() {
                let shown = folder.display();
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    format!(
                        "recordings were kept in `{shown}`, which is not there: bring it back, or make an empty folder in its place"
                    ),
                ));
            }
            all.push(Archive::at(&folder));
        }
        Ok(all)
    }

    fn read(store: &Path) -> io::Result<Places> {
        match read_file(&store.join(FILE))? {
            Some(text) => serde_json::from_slice(&text).map_err(io::Error::other),
            None => Ok(Places::default()),
        }
    }
}
