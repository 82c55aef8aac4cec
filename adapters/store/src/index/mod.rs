//! The index: what the journal holds, found by session, by place in the outbox, by deadline.
//!
//! It is sled behind a thread of its own, and it is never the truth: it says up to where it knows the
//! journal, in the same batch as what it knows, and whatever is wrong with it, it is set aside and made
//! again. Nothing waits for it: what is durable in the journal is put into [layers](layer) in memory,
//! where every read finds it at once, and goes into the tree behind. There, sessions that came together are
//! [under one key](pages), and a [directory] in memory says who is where. That is all that memory has of every
//! session, in a few bytes; of [deadlines](due), it has the first.
//!
//! Of sled only `get`, `range`, `apply_batch` and `flush` are used, and values stay below 4 KiB: larger
//! ones it would keep in files that it never syncs. The thread of its own that writes in the background
//! is off; its asynchronous flush, transactions and subscriptions can hang, and are never called.

mod consumers; // who is told, and how far each is
mod counts; // how often events came, as records say
mod directory; // who is on which page of the tree
mod due; // when sessions are due
mod edit; // a batch of the tree
mod flush; // writing out what the tree has
mod keys; // the key space
#[cfg(test)]
mod laws; // what a view says, at every step
mod layer; // what is not in the tree yet
mod merge; // several sources as one
mod meta; // what the index says of itself
mod open; // opening the tree, come what may
mod pages; // sessions of one key of the tree
mod repeats; // what was counted and stands in no record yet
mod sessions; // where the records of a session lie
mod state; // what its one writer has
mod tree; // the thread that writes behind
mod view; // what is known, in the tree or not yet

use std::sync::Arc;

pub(crate) use keys::{NAME_BYTES_MAX, OUTBOX_PAGE, outbox};
pub(crate) use meta::Meta;
pub(crate) use open::{Checked, Settings, open, remove_unfinished, set_aside, set_aside_unfinished};
pub(crate) use repeats::Of as RepeatOf;
pub(crate) use sessions::{Session, earliest};
pub(crate) use state::{Index, read_outbox, recall};
pub(crate) use tree::Behind;
pub(crate) use view::View;

/// Why the index does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexError(pub(crate) Arc<str>);

impl IndexError {
    pub(crate) fn new(reason: impl std::fmt::Display) -> IndexError {
        IndexError(reason.to_string().into())
    }

    /// A value that is not what was written. Opening finds that, too, and makes the index again.
    pub(crate) fn value(of: &str) -> IndexError {
        IndexError::new(format_args!("the index has a value for {of} that cannot be read"))
    }
}

impl From<sled::Error> for IndexError {
    fn from(error: sled::Error) -> IndexError {
        IndexError::new(format_args!("the index failed: {error}"))
    }
}
