//! finis-store: keeps what was acknowledged.
//!
//! [`journal`] is a write-ahead log of checksummed, chained frames in segment files: one
//! `fdatasync` for a commit, and what was synced is there after a power cut, or its absence is
//! named. It knows nothing of sessions; heads and bodies of records are bytes to it.
//!
//! [`EmbeddedLog`] is the log of a receiver on top of it, with sled as an index that is written behind
//! the acknowledgement and can be made again from the journal at any time. [`head`] and [`body`] have
//! what the journal's records are to it. [`Snapshot`] reads the same log from the journal alone, beside
//! whoever writes it.

pub mod body; // what of a record can be erased
mod bytes; // values as bytes
mod checkup; // whether all of it is as it was written
mod copy; // the log elsewhere
pub mod crash; // points at which a test ends the process
mod embedded; // the log of sessions, in a folder
mod entries; // from places to entries
pub mod head; // what each record of the journal is
mod index; // where everything lies, found again
pub mod journal; // the truth: appended once, read for ever, or said to be damaged
mod snapshot; // the log as it is now, read from the journal alone
pub mod tag; // what a session is called in the store

pub use checkup::{CheckError, Checkup, IndexCheck, MendError, Mended, check, mend};
pub use copy::{CopyError, copy};
pub use embedded::{EmbeddedLog, IndexState, OpenError, Report, Settings};
pub use snapshot::{Holder, Snapshot, SnapshotError};
