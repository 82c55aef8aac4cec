//! Opening the tree, come what may: sled can panic, hang, or open with less than it had.

use std::any::Any;
use std::fs;
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::directory::{Directory, Prefix};
use super::due::Deadlines;
use super::meta::Contents;
use super::tree::{Anew, tidy};
use super::{Behind, Index, IndexError, Meta, View, keys, pages};
use crate::crash::crash_point;
use crate::journal::Reader;

/// For as long the lock of sled can outlive the store that was closed before.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);

/// A tree that was opened, and found to be whole as far as was asked.
pub(crate) struct Checked {
    tree: sled::Db,
    folder: PathBuf,
    /// Nothing in a tree that is new.
    pub(crate) meta: Option<Meta>,
    contents: Contents,
    settings: Settings,
    directory: Directory,
    /// The last page of sessions.
    last_page: u32,
    /// Sessions that are due at some time.
    waiting: usize,
}

/// How an index is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) cache_bytes: u64,
    /// For how long it may do nothing before it counts as hung.
    pub(crate) patience: Duration,
    /// Keys that wait before they are written.
    pub(crate) layer_keys: usize,
    /// Deadlines that are kept in memory.
    pub(crate) deadlines: usize,
    /// Bytes that it may always have, however little it holds.
    pub(crate) slack_bytes: u64,
    /// Events that came again, how often of which may wait for a commit.
    pub(crate) repeats_max: usize,
}

/// An index that is ready.
pub(crate) struct Opened {
    pub(crate) index: Index,
    pub(crate) behind: Behind,
}

/// Opens the tree in a folder, on a thread that may be left behind.
pub(crate) fn open(folder: &Path, settings: Settings) -> Result<Checked, IndexError> {
    let (send, receive) = mpsc::channel();
    let path = folder.to_owned();
    let spawned = thread::Builder::new().name("finis-index-open".to_owned()).spawn(move || {
        let opened = catch_unwind(AssertUnwindSafe(|| check(&path, settings)));
        // When nobody waits any more, what was opened is dropped here.
        let _ = send.send(opened.unwrap_or_else(|_| Err(IndexError::new("opening it panicked"))));
    });
    spawned.map_err(|error| IndexError::new(format_args!("no thread to open it on: {error}")))?;
    match receive.recv_timeout(settings.patience) {
        Ok(opened) => opened,
        Err(_) => Err(IndexError::new(format_args!("it did not open in {} s", settings.patience.as_secs()))),
    }
}

fn check(folder: &Path, settings: Settings) -> Result<Checked, IndexError> {
    let config = sled::Config::new().path(folder).cache_capacity(settings.cache_bytes).flush_every_ms(None);
    let until = Instant::now() + LOCK_PATIENCE;
    let tree = loop {
        match config.open() {
            // Its threads can hold the lock for a while after they have nothing to do.
            Err(sled::Error::Io(error)) if is_locked(&error) && Instant::now() < until => {
                thread::sleep(Duration::from_millis(20));
            }
            opened => break opened?,
        }
    };
    let folder = folder.to_owned();
    let Some(value) = tree.get(keys::META)? else {
        if !tree.is_empty() {
            return Err(IndexError::new("it does not say what it knows"));
        }
        return Ok(Checked {
            tree,
            folder,
            meta: None,
            contents: Contents::default(),
            settings,
            directory: Directory::default(),
            last_page: 0,
            waiting: 0,
        });
    };
    let (meta, contents) = Meta::decode(&value).ok_or_else(|| IndexError::new("it is of another format"))?;
    let found = read_all(&tree)?;
    if found.contents != contents {
        return Err(IndexError::new("it does not hold what it says"));
    }
    found.directory.check(|page, prefix| {
        let page = tree.get(keys::sessions(page))?.unwrap_or_default();
        pages::alike(&page, prefix)
    })?;
    let Found { directory, last_page, waiting, .. } = found;
    Ok(Checked { tree, folder, meta: Some(meta), contents, settings, directory, last_page, waiting })
}

/// What is in a tree, or in a part of it.
#[derive(Default)]
struct Found {
    contents: Contents,
    /// Who is on which page.
    directory: Directory,
    last_page: u32,
    /// Sessions that are due at some time.
    waiting: usize,
}

/// Reads all of a tree, half of the pages of sessions beside the rest.
fn read_all(tree: &sled::Db) -> Result<Found, IndexError> {
    let last_page = match tree.range(keys::sessions(0)..=keys::sessions(u32::MAX)).next_back() {
        Some(row) => keys::page_of(&row?.0).unwrap_or(0),
        None => 0,
    };
    let middle = keys::sessions(last_page / 2);
    let read = |from: Bound<Vec<u8>>, until: Bound<Vec<u8>>| {
        let mut found = Found::default();
        for row in tree.range::<Vec<u8>, _>((from, until)) {
            let (key, value) = row?;
            if *key == *keys::META {
                continue;
            }
            found.contents.add(&key, &value);
            if let Some(page) = keys::page_of(&key) {
                for session in pages::sessions(&value) {
                    found.directory.relocate(Prefix::of(session?.0), None, Some(page));
                }
            } else if key.starts_with(&[keys::DUE]) {
                keys::read_due(&key, &value).ok_or_else(|| IndexError::value("a deadline"))?;
                found.waiting += 1;
            }
        }
        Ok::<_, IndexError>(found)
    };
    thread::scope(|scope| {
        let rest = Bound::Excluded(middle.clone());
        let behind = scope.spawn(move || read(rest, Bound::Unbounded));
        let mut all = read(Bound::Unbounded, Bound::Included(middle))?;
        let behind = behind.join().map_err(|_| IndexError::new("reading it panicked"))??;
        all.contents.merge(behind.contents);
        all.directory.merge(behind.directory);
        all.waiting += behind.waiting;
        all.last_page = last_page;
        Ok(all)
    })
}

fn is_locked(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.to_string().contains("could not acquire lock")
}

impl Checked {
    /// Starts the thread that writes behind. `lock` is held for as long as anybody has the view.
    pub(crate) fn start(self, journal: Reader, lock: Option<Box<dyn Any + Send>>) -> Result<Opened, IndexError> {
        let (salt, repeats_max) = (journal.salt(), self.settings.repeats_max);
        let Settings { slack_bytes, cache_bytes, .. } = self.settings;
        let (contents, last_page, folder) = (self.contents, self.last_page, self.folder.clone());
        let view = Arc::new(self.view(salt, lock));
        let anew = Anew { bytes: 0, least: slack_bytes, cache_bytes };
        let behind = Behind::start(Arc::clone(&view), contents, last_page, folder, anew);
        let behind = behind.map_err(|error| IndexError::new(format_args!("no thread to write it on: {error}")))?;
        Ok(Opened { index: Index::new(view, journal, repeats_max), behind })
    }

    /// What it knows, for whoever only looks.
    pub(crate) fn look(self, salt: u64) -> View {
        self.view(salt, None)
    }

    fn view(self, salt: u64, lock: Option<Box<dyn Any + Send>>) -> View {
        let Settings { deadlines, layer_keys, patience, .. } = self.settings;
        let due = Deadlines::new(self.waiting, deadlines);
        let meta = self.meta.unwrap_or_else(|| Meta::new(salt));
        View::new(self.tree, self.directory, due, meta, lock, layer_keys, patience)
    }

    /// Drops it where nobody waits for it.
    pub(crate) fn leave(self) {
        leave(self);
    }
}

impl Opened {
    /// Drops it where nobody waits for it, and gives the lock back.
    pub(crate) fn abandon(self) -> Option<Box<dyn Any + Send>> {
        let lock = self.index.view().take_lock();
        leave(self);
        lock
    }
}

/// A tree that is dropped writes, and can panic or hang.
fn leave<T: Send + 'static>(what: T) {
    // Where there can be no thread, it is done here.
    let _ = thread::Builder::new().spawn(move || drop(what));
}

/// Gives a folder another name, in place of what had it: for whoever wants to look at it.
pub(crate) fn set_aside(folder: &Path, aside: &Path) -> io::Result<()> {
    match fs::remove_dir_all(aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    crash_point!("log.index-aside-removed");
    fs::rename(folder, aside)?;
    crash_point!("log.index-aside");
    Ok(())
}

/// Takes away what a crash left of an index that was being written anew.
pub(crate) fn remove_unfinished(folder: &Path) -> io::Result<()> {
    tidy(folder)
}

/// Takes away the snapshots that a crash left half written: sled takes one for its newest, and does not
/// open ever after. How many there were.
pub(crate) fn set_aside_unfinished(folder: &Path, aside: &Path) -> io::Result<usize> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut count = 0;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if text.starts_with("snap.") && text.ends_with(".generating") {
            fs::create_dir_all(aside)?;
            fs::rename(entry.path(), aside.join(&name))?;
            count += 1;
        }
    }
    Ok(count)
}
