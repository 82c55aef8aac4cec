//! Points at which a test ends the process.
//!
//! Between every two steps that leave something behind, in files or with whoever asked, stands a
//! `crash_point!` with a label of [`POINTS`]: another label does not compile, and a test fails for a
//! point that it never reached. Without the feature `crash-points`, which nothing but tests turns on, a
//! point is no code at all.
//!
//! With it, a process passes all points unless `FINIS_CRASH_AT` says otherwise:
//!
//! | `FINIS_CRASH_AT` | |
//! |---|---|
//! | `append.framed:3` | aborts when it comes there for the third time: no destructor, nothing written |
//! | `append.framed:3:hold` | says `held append.framed` and goes no further with this thread, for a test that cuts the power |
//! | `say` | says `passed append.framed` for each, on standard error |

/// Every point, by what is being done and what has just happened.
pub const POINTS: &[&str] = &[
    // A commit of the journal.
    "append.begun",
    "append.space-taken",
    "append.zeros-written",
    "append.slot-written",
    "append.framed",
    "append.synced",
    // A new segment, and the change to it.
    "segment.made",
    "segment.filled",
    "segment.renamed",
    "segment.named",
    "roll.switched",
    "roll.witnessed",
    "roll.shortened",
    // The witness beside the segments.
    "witness.made",
    "witness.written",
    "witness.synced",
    // Opening the journal.
    "journal.locked",
    "journal.torn-cut",
    "journal.settling",
    "journal.settled",
    "journal.recovered",
    "journal.leftover-removed",
    "reserve.made",
    "reserve.taken",
    "journal.opened",
    // Closing it.
    "journal.closing",
    "journal.shortened",
    "journal.closed-once",
    "journal.closed",
    // Bodies that go: the record that says so is durable, and nothing of them is overwritten.
    "erase.due",
    "erase.marked",
    "erase.marks-synced",
    "erase.overwritten",
    "erase.synced",
    // Sessions that go; what is still wanted of a segment, copied; what only it says, said again.
    "retain.expired",
    "retain.carried",
    "retain.restated",
    "retain.retired",
    // Segments that go.
    "retire.list-written",
    "retire.list-renamed",
    "retire.listed",
    "retire.file-removed",
    "retire.removed",
    // Opening the log: the folder, the index, what the index has not.
    "log.locked",
    "log.snapshots-aside",
    "log.index-opened",
    "log.index-aside-removed",
    "log.index-aside",
    "log.replayed",
    "log.opened",
    // A commit of the log, around that of the journal.
    "commit.drafted",
    "commit.durable",
    "commit.kept",
    "commit.answered",
    // The index, behind.
    "index.applying",
    "index.applied",
    "index.part-applied",
    "index.flushing",
    "index.flushed",
    "index.synced",
    // Closing the log.
    "log.closing",
    "log.index-closed",
    "log.closed",
];

/// A point at which a test can end the process: see [`crate::crash`].
macro_rules! crash_point {
    ($label:literal) => {
        #[cfg(feature = "crash-points")]
        {
            const { assert!($crate::crash::is_known($label), "this label is not in `POINTS`") };
            $crate::crash::pass($label);
        }
    };
}
pub(crate) use crash_point;

/// Whether a label is one of [`POINTS`].
#[cfg(feature = "crash-points")]
pub(crate) const fn is_known(label: &str) -> bool {
    let mut at = 0;
    while at < POINTS.len() {
        if is_equal(POINTS[at].as_bytes(), label.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

#[cfg(feature = "crash-points")]
const fn is_equal(left: &[u8], right: &[u8]) -> bool {
    let mut at = 0;
    while at < left.len() && at < right.len() && left[at] == right[at] {
        at += 1;
    }
    at == left.len() && at == right.len()
}

/// Passes a point, or does not.
#[cfg(feature = "crash-points")]
pub(crate) fn pass(label: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static AIM: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("FINIS_CRASH_AT").ok());
    static PASSED: AtomicU64 = AtomicU64::new(0);

    let Some(aim) = AIM.as_deref() else { return };
    if aim == "say" {
        return say(format_args!("passed {label}"));
    }
    let mut parts = aim.split(':');
    if parts.next() != Some(label) {
        return;
    }
    let nth = parts.next().and_then(|nth| nth.parse().ok()).unwrap_or(1);
    if PASSED.fetch_add(1, Ordering::Relaxed) + 1 != nth {
        return;
    }
    if parts.next() == Some("hold") {
        say(format_args!("held {label}"));
        loop {
            std::thread::park();
        }
    }
    std::process::abort();
}

/// A line is written at once.
#[cfg(feature = "crash-points")]
fn say(line: std::fmt::Arguments<'_>) {
    use std::io::Write;
    // Nobody may listen any more.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
