//! A file that is being written.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

use finis_engine::live::NoticeId;
use sha2::{Digest as _, Sha256};

use super::super::content::FIRST_BYTES;
use super::{Came, PART, create_new, hex, sync_folder};

/// A recording that is being written, hashed as it comes. Dropped, it is gone.
#[derive(Debug)]
pub struct Draft {
    folder: PathBuf,
    id: NoticeId,
    file: File,
    hash: Sha256,
    bytes: u64,
    first: Vec<u8>,
    is_kept: bool,
}

impl Draft {
    pub(super) fn begin(folder: PathBuf, id: NoticeId) -> io::Result<Draft> {
        let file = create_new(&folder.join(part(id)))?;
        Ok(Draft { folder, id, file, hash: Sha256::new(), bytes: 0, first: Vec::new(), is_kept: false })
    }

    /// Writes what comes next.
    ///
    /// # Errors
    /// When there is no room, or the disk fails. It is not to be written to after that.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        let room = FIRST_BYTES.saturating_sub(self.first.len());
        self.first.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(())
    }

    /// Its first bytes, as far as they tell what it is.
    #[must_use]
    pub fn first(&self) -> &[u8] {
        &self.first
    }

    /// How many bytes were written.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes it durable under its name, which ends with an extension of the list.
    ///
    /// # Errors
    /// When that cannot be done: then it is gone, or all of it is there and nothing is said of it.
    pub fn keep(mut self, extension: &'static str, content_type: &str) -> io::Result<Came> {
        self.file.sync_all()?;
        let file = format!("{}.{extension}", self.id);
        fs::rename(self.folder.join(part(self.id)), self.folder.join(&file))?;
        self.is_kept = true;
        sync_folder(&self.folder)?;
        let sha256 = hex(&self.hash.finalize_reset());
        Ok(Came::Archived { file, bytes: self.bytes, sha256, content_type: content_type.to_owned() })
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_kept {
            // What stays is removed when the folder is opened again, or by the next try.
            let _ = fs::remove_file(self.folder.join(part(self.id)));
        }
    }
}

fn part(id: NoticeId) -> String {
    format!(".{id}{PART}")
}
