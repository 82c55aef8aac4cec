//! The real engine, played through a story in virtual time, one step at a time.
//!
//! ```text
//! happenings ──▶ Play ──▶ engine, writer, consumers ──▶ log that fails as told ──▶ what is kept
//!                 │            one life of a process          │                     outlives it
//!                 └── time, set from one instant to the next ──┴── steps ──▶ Played
//! ```
//!
//! Nothing here asks a clock, starts a thread or depends on chance: [`play`] is a function of its story, and
//! gives the same steps on every machine. Between two instants at which something happens, no time passes.
//! After the last happening nothing goes wrong any more, and time goes on until everything is finished, or
//! should have been: that things come to an end is a promise, too.

mod consumers; // whoever is told
mod log; // a log that fails as it is told to
mod operator; // what a person does with it
mod play; // from one instant to the next
mod played; // what happened
mod pool; // tasks, in an order that stays
mod stage; // what outlives a process
mod time; // time that stands still until it is set

pub use play::{Progress, play};
pub use played::{Answer, Batch, Did, Ending, Kept, Played, Step};
