//! Exports of any size into records.
//!
//! [`Reconciliation::read`] reads exports in chunks, on several threads, each packing the events it
//! finds and putting them to others of near ids. [`Events::print`] then takes part after part, again on
//! several threads: it sorts the events by session, folds and judges each session and prints its
//! record. That the order of arrival does not matter is what the laws of
//! [`Partial`](crate::engine::Partial) promise, so the same events give the same bytes, however many
//! threads there are.

mod header; // the first line of an export of a store
mod latest; // as-of, when nobody says
mod look; // which provider an export is of
mod ordered; // output of several threads in one order
mod parts; // ids in parts
mod print; // from events to records
mod read; // from chunks to packed events
mod rejects; // lines that are no events
mod rows; // packed events in memory
mod sources; // where lines come from, and under which contract
mod tally; // what is counted over records
mod units; // events in the order of output

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

pub use header::{HeaderError, StoreHeader};
pub use look::{Look, look};
pub use print::{Ndjson, Print, PrintError};
pub use read::{Events, Reading, Sinks};
pub use rejects::{RejectCounts, RejectSample};
pub use sources::{Plan, Sources};
pub use tally::{Loss, Tally};

#[cfg(feature = "live")]
pub(crate) use read::Piece;
#[cfg(feature = "live")]
pub(crate) use rejects::RejectWriter;

use crate::engine::Pointer;
use crate::files::OpenError;

/// What is to be folded, and how.
#[derive(Debug)]
pub struct Reconciliation {
    /// The exports; `-` is standard input.
    pub exports: Vec<PathBuf>,
    /// Where lines come from.
    pub sources: Sources,
    /// Where the payload stands in a line that is neither payload nor delivery.
    pub body_at: Option<Pointer>,
    /// Threads to use, at least 1.
    pub threads: usize,
    /// Bytes read so far, for whoever watches.
    pub progress: Arc<AtomicU64>,
}

/// Why exports cannot be folded at all.
#[derive(Debug)]
pub enum FoldError {
    /// One of them cannot be opened.
    Open(OpenError),
    /// The rejects cannot be written.
    Rejects(std::io::Error),
}

impl std::fmt::Display for FoldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FoldError::Open(error) => error.fmt(f),
            FoldError::Rejects(_) => f.write_str("cannot write the rejects"),
        }
    }
}

impl std::error::Error for FoldError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FoldError::Open(error) => error.source(),
            FoldError::Rejects(error) => Some(error),
        }
    }
}
