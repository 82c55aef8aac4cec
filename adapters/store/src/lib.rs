//! finis-store: keeps what was acknowledged.
//!
//! [`journal`] is a write-ahead log of checksummed, chained frames in segment files: one
//! `fdatasync` for a commit, and what was synced is there after a power cut, or its absence is
//! named. It knows nothing of sessions; heads and bodies of records are bytes to it.

pub mod journal; // the truth: appended once, read for ever, or said to be damaged
