//! What a journal asks of a disk: a folder of files. A test can write one that crashes.

mod folder; // the real one

pub use folder::Folder;

use std::any::Any;
use std::fmt;
use std::io;

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading alone; the file system may be read-only.
    Read,
    /// Reading and writing.
    Write,
}

/// A folder of files, by their names.
pub trait Disk: Send + Sync + fmt::Debug {
    /// The folder, for people.
    fn name(&self) -> String;

    /// Names of all files in it, in any order.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Opens a file that is there.
    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn DiskFile>>;

    /// Makes a file, empty, in place of what was there.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name, in place of what had it, at once or not at all.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes durable what files there are and what their names are.
    fn sync_names(&self) -> io::Result<()>;

    /// Bytes that can still be written.
    fn free_bytes(&self) -> io::Result<u64>;

    /// Takes the lock with this name for as long as what is returned lives.
    fn lock(&self, name: &str) -> Result<Box<dyn Any + Send>, LockError>;

    /// A number that nobody can guess.
    fn salt(&self) -> io::Result<u64>;
}

/// An open file.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Reads at a place, as many bytes as it likes; none at the end of the file.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all bytes at a place. After an error any of them may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes it longer, with zeros, or shorter.
    fn set_length(&self, bytes: u64) -> io::Result<()>;

    /// Makes it `bytes` long at least, and takes the space for that, if the file system can.
    fn reserve(&self, bytes: u64) -> io::Result<()>;

    /// Makes durable what it holds, and its length.
    fn sync(&self) -> io::Result<()>;
}

/// Why a lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Somebody has it.
    Held {
        /// The process that has it, when it says so.
        pid: Option<u32>,
    },
    /// It could not be asked for.
    Io(io::Error),
}

/// Reads until `into` is full or the file ends; gives the bytes read.
pub(super) fn read_full(file: &dyn DiskFile, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match file.read_at(&mut into[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
