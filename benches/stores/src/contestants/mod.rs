//! The stores. Each keeps the same rows, and syncs once a commit.
//!
//! The obvious layout is what one would write first, and what a comparison of stores should compare: an
//! event under its session and digest, which makes a duplicate a key that is there; the state of the
//! session, rewritten with every event; the outbox under a rising number. [`FjallLean`] has another.

pub(crate) mod finis; // the embedded log
mod fjall; // an LSM tree, three keyspaces
mod fjall_lean; // the same, with as few rows as can be
mod raw; // a file: the physical limit
mod redb; // a B-tree, copied on write
mod sled; // a Bw-tree
mod sqlite; // a B-tree with a WAL

pub(crate) use finis::Finis;
pub(crate) use fjall::Fjall;
pub(crate) use fjall_lean::FjallLean;
pub(crate) use raw::Raw;
pub(crate) use redb::Redb;
pub(crate) use sled::Sled;
pub(crate) use sqlite::Sqlite;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clap::ValueEnum as _;

    use crate::contestant::{Course, Name};
    use crate::work;

    #[test]
    fn each_keeps_every_event_once() {
        for &name in Name::value_variants() {
            let events = work::events(1, 4096, 600);
            let distinct = events.iter().filter(|event| !event.again || !name.knows_duplicates()).count() as u64;
            let folder = tempfile::tempdir().unwrap();
            let mut store = name.open(folder.path(), 64).unwrap();
            let course = Arc::new(Course::new(events, name.events_at_once(64)));
            let tally = store.run(&course).unwrap();
            assert_eq!((tally.events, tally.new), (4096, distinct), "{name:?}");
            assert_eq!(store.count().unwrap(), distinct, "{name:?}");
            assert!(store.read(&course.first(1)[0]).unwrap(), "{name:?}");
            store.close().unwrap();
        }
    }
}
