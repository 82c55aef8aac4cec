//! What a log promises, of every log; and what the embedded one promises besides.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed, and says where")]

mod faults; // a disk that fails under the journal
mod forget; // what is forgotten is nowhere
mod heads; // bytes of records, there and back
mod index; // an index that is not as it should be
mod kill; // processes that end without a word
mod laws; // the three laws, for any log
mod mended; // damage amid a journal
mod model; // small worlds: batches, and all that a log says
mod quarantine; // what could not be read, page by page
mod repeats; // how often events came
mod restarts; // opened again at any point, against the twin in memory
mod retain; // what need not be kept goes, and the rest stays
#[path = "../journal/sim.rs"]
#[allow(dead_code, reason = "the journal's own tests ask more of it")]
mod sim; // that disk

use std::path::Path;

use finis_store::{EmbeddedLog, Settings, journal};

log_laws!(memory, (finis_engine::log::MemoryLog::new(), ()));
log_laws!(embedded, {
    let folder = tempfile::tempdir().unwrap();
    let (log, _report) = finis_store::EmbeddedLog::open(folder.path(), &crate::small()).unwrap();
    (log, folder)
});

/// Small segments, and no demand on the disk of whoever runs this.
fn small() -> Settings {
    let journal = journal::Settings { segment_bytes: 128 << 10, reserve_bytes: 0, free_bytes_min: 0 };
    // So few that much is written behind, that deadlines are read on from there, and that repeats are too many to wait.
    Settings {
        journal,
        index_cache_bytes: 4 << 20,
        index_behind: 8,
        index_deadlines: 1,
        repeats_behind: 24,
        ..Settings::default()
    }
}

/// A log of which a segment has a few records.
fn open_segmented(folder: &Path) -> EmbeddedLog {
    let mut settings = small();
    settings.journal.segment_bytes = 24_000;
    let (log, report) = EmbeddedLog::open(folder, &settings).unwrap();
    assert!(report.journal.damage.is_empty(), "{report}");
    log
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}
