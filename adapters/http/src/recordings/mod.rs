//! Recordings fetched before their address dies.
//!
//! Platforms give a recording an address that works for minutes. So the notice that says it is there (`asset`) is
//! handed to a consumer of its own, `recordings`, which fetches the file, keeps it in a folder and says what came
//! of it. Sources without such a folder have nothing fetched.
//!
//! ```text
//! asset ──▶ Recorder ──▶ Download ──▶ Draft ──▶ rename ──▶ Outcome
//!           ▲   │        guarded,     hashed             archived, failed, missed
//!           └───┘        bounded      while written
//!            decide: again in 1 s … each minute, until the address is dead
//! ```
//!
//! | outcome | means |
//! |---|---|
//! | `archived` | the whole file is here, with its length and its SHA-256 |
//! | `failed` | it cannot be had, whatever the time: where it is may not be gone to, it is too large, what came is no recording; or nobody says until when it is there, and it was tried for a day |
//! | `missed` | its time was over before all of it came: the last reason is with it |
//!
//! [`decide`] is a function of values; [`Archive`] keeps files so that a crash at any moment leaves all of one or
//! nothing; [`Recorder`] is the handler that carries out. An outcome that is not `archived` is no last word: who
//! rewinds the consumer has it tried again.

mod archive; // files, and what came of them
mod content; // what is a recording, by type and first bytes
mod decide; // again, or what came of it
mod download; // where bytes come from
mod recorder; // the one who fetches
mod sweep; // what goes with its session, or by its age
mod tally; // how it goes, in numbers

pub use archive::{Archive, ArchiveError, Came, Draft, Outcome, Places};
pub use content::Kind;
pub use decide::{Decision, Obstacle, decide};
pub use download::{Body, Download, Head};
pub use recorder::{CONSUMER, Recorder, Source, Wanting, deliver, policy};
pub use sweep::{Swept, sweep};
pub use tally::{Counts, Tally};
