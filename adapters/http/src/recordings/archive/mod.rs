//! Files, and what came of them.
//!
//! ```text
//! <folder>/lock                                 who keeps files here
//! <folder>/<32 hex>/                            one session: a hash of source, subject and id
//! <folder>/<32 hex>/ntc_<32 hex>.ogg            a recording, by the notice that it came of
//! <folder>/<32 hex>/ntc_<32 hex>.json           what came of it
//! <folder>/<32 hex>/.ntc_<32 hex>.part          one that is being written
//! ```
//!
//! Nothing that a provider says is part of a name: ids are hashed, and an extension is one of a list. Folders are
//! for their owner alone (0700), files too (0600). A file is written under another name, made durable, renamed,
//! and its folder made durable: so a crash leaves all of it or nothing, and what was being written is removed when
//! the folder is opened again. The recording comes before what is said of it: one that nothing is said of is
//! whole, and is said of when its notice comes again.
//!
//! All of it blocks, and is not for an async task.

mod draft; // a file that is being written
mod outcome; // what came of a recording
mod places; // which folders a store has

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{error, fmt};

use finis_engine::live::{NoticeId, SessionKey};
use sha2::{Digest as _, Sha256};

pub use draft::Draft;
pub use outcome::{Came, Outcome};
pub use places::Places;

use super::content::{is_extension, type_of};

/// The end of the name of what is being written.
const PART: &str = ".part";

/// Bytes of the longest file but recordings.
const SMALL_BYTES_MAX: u64 = 64 << 10;

/// Who keeps files in a folder.
const LOCK: &str = "lock";

/// A folder of recordings. To be cloned at will.
#[derive(Clone, Debug)]
pub struct Archive {
    folder: PathBuf,
    /// Held as long as a clone of this is there; nothing for whoever only looks or erases.
    _lock: Option<Arc<File>>,
}

/// Why recordings cannot be kept in a folder.
#[derive(Debug)]
pub enum ArchiveError {
    /// Somebody else does.
    Held {
        /// Where.
        folder: PathBuf,
    },
    /// It cannot be used.
    Io {
        /// Where.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArchiveError::Held { folder } => {
                write!(f, "another finis keeps recordings in `{}`: stop it, or name another folder", folder.display())
            }
            ArchiveError::Io { folder, error } => {
                write!(f, "no recordings can be kept in `{}`: {error}", folder.display())
            }
        }
    }
}

impl error::Error for ArchiveError {}

impl Archive {
    /// A folder to keep recordings in, made when it is not there. What was being written when the last process
    /// ended is removed.
    ///
    /// # Errors
    /// When another process keeps recordings there, or it cannot be used.
    pub fn open(folder: &Path) -> Result<Archive, ArchiveError> {
        let failed = |error| ArchiveError::Io { folder: folder.to_owned(), error };
        if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        // It may be a link to a larger disk; those of sessions may not.
        if !folder.is_dir() {
            make_folder(folder).map_err(failed)?;
        }
        let lock = private().create(true).truncate(false).open(folder.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ArchiveError::Held { folder: folder.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let archive = Archive { folder: folder.to_owned(), _lock: Some(Arc::new(lock)) };
        archive.clean().map_err(failed)?;
        Ok(archive)
    }

    /// A folder to be looked into, or erased from, whoever keeps recordings there.
    #[must_use]
    pub fn at(folder: &Path) -> Archive {
        Archive { folder: folder.to_owned(), _lock: None }
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where recordings of a session are, if there are any.
    #[must_use]
    pub fn of_session(&self, key: &SessionKey) -> PathBuf {
        let mut hash = Sha256::new();
        for part in ["finis recordings 1", key.source(), key.subject(), key.id()] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        self.folder.join(hex(&hash.finalize()[..16]))
    }

    /// What came of the recordings of a session, the first first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn outcomes(&self, key: &SessionKey) -> io::Result<Vec<Outcome>> {
        let mut all = Vec::new();
        for path in files(&self.of_session(key))? {
            if path.extension().is_some_and(|extension| extension == "json") {
                all.extend(read_outcome(&path)?.filter(|outcome| outcome.is_of(key)));
            }
        }
        all.sort_by(|one: &Outcome, other| (one.at, &one.notice).cmp(&(other.at, &other.notice)));
        Ok(all)
    }

    /// What came of the recording of a notice, if anything is known. One that is said to be here, and is not, is not
    /// known.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn outcome(&self, key: &SessionKey, id: NoticeId) -> io::Result<Option<Outcome>> {
        let folder = self.of_session(key);
        let outcome = read_outcome(&folder.join(format!("{id}.json")))?;
        let Some(Outcome { came: Came::Archived { file, bytes, .. }, .. }) = &outcome else { return Ok(outcome) };
        let is_name = is_of_notice(file, id);
        let is_here = is_name && fs::symlink_metadata(folder.join(file)).is_ok_and(|known| known.len() == *bytes);
        Ok(outcome.filter(|_| is_here))
    }

    /// Begins to write the recording of a notice.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn draft(&self, key: &SessionKey, id: NoticeId) -> io::Result<Draft> {
        let folder = self.of_session(key);
        make_folder(&folder)?;
        Draft::begin(folder, id)
    }

    /// Says what came of the recording of a notice: when this returns, durably.
    ///
    /// # Errors
    /// When it cannot be written. What was said before then stands.
    pub fn say(&self, key: &SessionKey, id: NoticeId, outcome: &Outcome) -> io::Result<()> {
        let folder = self.of_session(key);
        make_folder(&folder)?;
        let text = serde_json::to_vec_pretty(outcome).map_err(io::Error::other)?;
        write_whole(&folder, &format!("{id}.json"), &text)
    }

    /// A recording of which nothing is said, because the process ended in between.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn unsaid(&self, key: &SessionKey, id: NoticeId) -> io::Result<Option<Came>> {
        for path in files(&self.of_session(key))? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !is_of_notice(name, id) {
                continue;
            }
            let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            let (mut file, mut hash) = (File::open(&path)?, Sha256::new());
            let (mut buffer, mut bytes) = (vec![0; 256 << 10], 0);
            loop {
                match file.read(&mut buffer)? {
                    0 => break,
                    read => {
                        hash.update(&buffer[..read]);
                        bytes += read as u64;
                    }
                }
            }
            return Ok(Some(Came::Archived {
                file: name.to_owned(),
                bytes,
                sha256: hex(&hash.finalize()),
                content_type: type_of(extension).to_owned(),
            }));
        }
        Ok(None)
    }

    /// Removes all recordings of a session, and what is said of them. Says how many recordings there were.
    ///
    /// They are removed as files are: what a disk still has of them, and copies, are not erased. Others may remove them
    /// at the same time, or bring one more, which goes with the next call.
    ///
    /// # Errors
    /// When something cannot be removed. To call it again does the rest.
    pub fn erase(&self, key: &SessionKey) -> io::Result<u64> {
        let folder = self.of_session(key);
        let mut removed = 0;
        // What is said of them last: it says whose they are.
        let mut paths = files(&folder)?;
        paths.sort_by_key(|path| path.extension().is_some_and(|extension| extension == "json"));
        for path in paths {
            let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            match fs::remove_file(&path) {
                Ok(()) => removed += u64::from(is_extension(extension)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        match fs::remove_dir(&folder) {
            Ok(()) => sync_folder(&self.folder)?,
            Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::DirectoryNotEmpty].contains(&error.kind()) => {}
            Err(error) => return Err(error),
        }
        Ok(removed)
    }

    /// Removes one recording, and what is said of it.
    pub(super) fn remove(&self, key: &SessionKey, outcome: &Outcome) -> io::Result<()> {
        let folder = self.of_session(key);
        for path in files(&folder)? {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let is_said = path.extension().is_some_and(|extension| extension == "json");
            if stem == outcome.notice && !is_said {
                fs::remove_file(&path)?;
            }
        }
        fs::remove_file(folder.join(format!("{}.json", outcome.notice)))?;
        sync_folder(&folder)?;
        // When there are others, it stays.
        let _ = fs::remove_dir(&folder);
        Ok(())
    }

    /// Whose recordings are in the folder of a session, and what came of them; nothing when it does not say.
    pub(super) fn said_in(&self, folder: &Path) -> io::Result<Option<(SessionKey, Vec<Outcome>)>> {
        let said = files(folder)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "json"));
        let outcomes: Vec<Outcome> = said.filter_map(|path| read_outcome(&path).ok().flatten()).collect();
        let key = outcomes.first().map(Outcome::key).filter(|key| self.of_session(key) == folder);
        Ok(key.map(|key| (key, outcomes)))
    }

    /// Removes what was being written when a process ended.
    fn clean(&self) -> io::Result<()> {
        for folder in self.folders()? {
            for path in files(&folder)? {
                if path.to_str().is_some_and(|path| path.ends_with(PART)) {
                    fs::remove_file(path)?;
                }
            }
        }
        Ok(())
    }

    /// Folders of sessions.
    pub(super) fn folders(&self) -> io::Result<Vec<PathBuf>> {
        let is_session =
            |name: &str| name.len() == 32 && name.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let mut folders = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() && entry.file_name().to_str().is_some_and(is_session) {
                folders.push(entry.path());
            }
        }
        Ok(folders)
    }
}

/// Whether a name is that of the recording of a notice.
fn is_of_notice(name: &str, id: NoticeId) -> bool {
    let end = name.strip_prefix(&id.to_string()).and_then(|end| end.strip_prefix('.'));
    end.is_some_and(is_extension)
}

/// The files of a folder; none when it is not there.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Nothing when it is not there, or cannot be understood: it is then as if nothing had been said.
fn read_outcome(path: &Path) -> io::Result<Option<Outcome>> {
    Ok(read_file(path)?.and_then(|text| serde_json::from_slice(&text).ok()))
}

/// The content of a small file; nothing when it is not there.
fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    file.take(SMALL_BYTES_MAX).read_to_end(&mut text)?;
    Ok(Some(text))
}

/// Writes a file so that all of it is there, durably, or what was there before.
fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let part = folder.join(format!(".{name}{PART}"));
    let mut file = create_new(&part)?;
    let written = io::Write::write_all(&mut file, bytes).and_then(|()| file.sync_all());
    let written = written.and_then(|()| fs::rename(&part, folder.join(name)));
    if written.is_err() {
        // It is removed when the folder is opened again.
        let _ = fs::remove_file(&part);
    }
    written.and_then(|()| sync_folder(folder))
}

/// A file that was not there: a link in its place is not followed.
fn create_new(path: &Path) -> io::Result<File> {
    match private().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Of a try that could not remove it. One at a time writes the files of a notice.
            fs::remove_file(path)?;
            private().create_new(true).open(path)
        }
        opened => opened,
    }
}

/// For writing, and for its owner alone.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A folder for its owner alone, durably; one that is there stays as it is.
fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Ok(()) => path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_folder),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::symlink_metadata(path)?.is_dir() {
                Ok(())
            } else {
                Err(error)
            }
        }
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere a folder cannot be opened, and names are durable with their files.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
