//! How the store is opened here.

use std::path::Path;
use std::time::Duration;

use finis::engine::Settings;
use finis::live::{Finis, OpenError, StoreSettings};
use finis::providers::Catalogue;
use finis_store::journal;

use crate::deliveries::{STALL, sources};

/// Small segments, so that there are several, and little asked of the disk.
pub(crate) fn settings() -> StoreSettings {
    let journal = journal::Settings { segment_bytes: 96 << 10, reserve_bytes: 64 << 10, free_bytes_min: 64 << 10 };
    // Longer than any opening here takes, and shorter than anybody waits for a test.
    let index_patience = Duration::from_secs(60);
    StoreSettings { journal, index_cache_bytes: 4 << 20, index_patience, ..StoreSettings::default() }
}

pub(crate) async fn open(folder: &Path) -> Result<Finis, OpenError> {
    open_as(folder, settings(), STALL).await
}

pub(crate) async fn open_as(folder: &Path, store: StoreSettings, stall: Duration) -> Result<Finis, OpenError> {
    Finis::open_as(folder, store, sources(stall), &Catalogue::shipped(), Settings::default()).await
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

/// A folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), &to).unwrap();
        }
    }
}
