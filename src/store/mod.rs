//! Stores looked into and filled.
//!
//! A [`Look`] reads a store from its journal alone: it takes no lock and writes nothing, so it works beside
//! whoever has the store, keeps nobody from it, and leaves what a crash left as it is. What fills a store,
//! [`import`] and [`retry`], judges all of it anew, [`Rebuild::apply`], or erases from it, [`Known::forget`],
//! has it for itself. What a person wants done beside an engine that runs, the engine does.
//!
//! A store knows by itself what its sources are read under; contracts come from a catalogue.

mod export; // a store into an export
mod forget; // a session, for good
mod import; // exports into a store
mod look; // what is in a store
mod rebuild; // all of a store judged anew

pub use crate::engine::Viewed;
pub use crate::engine::timeline::{Step, What};
pub use export::{ExportError, Exported, export};
pub use forget::{Erased, Known, Named};
pub use import::{ImportError, import};
pub use look::{KeptTerms, Look, LookError, remembered_plan, remembered_source};
pub use rebuild::{Example, Part, Rebuild, Rebuilt, Resettled};

pub use crate::engine::{Retried, retry_refused as retry};
pub use finis_store::{
    CheckError, Checkup, CopyError, EmbeddedLog, Holder, IndexCheck, MendError, Mended, Snapshot, SnapshotError, check,
    copy, journal::Copied, mend,
};
