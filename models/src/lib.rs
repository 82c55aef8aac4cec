//! What finis promises of notices, as a model of which every state is looked at.
//!
//! ```text
//! provider ──▶ waiting ──▶ log + outbox ──▶ answered        one engine, which can crash
//!                              │
//!                              ▼ lease
//!                       sender, sender ──▶ wire ──▶ receiver ──▶ answer ──▶ mark
//! ```
//!
//! Deliveries come twice or never, whoever does anything can crash between any two steps, messages and answers
//! are lost, a sender can stop for so long that its lease is given to another and then go on. How often each
//! happens is bounded ([`Bounds`]); in what order, is not. [`World`] is checked for the [promises](stateright::Model::properties)
//! in every state of every order.
//!
//! A model that finds nothing wrong in a wrong design proves nothing: a world can be made [`Broken`] in ways that
//! engines are, and each has to be found.
//!
//! finis has one sender in one process so far, and no lease: that part says what has to hold once there are
//! several.

mod act; // what can happen, and what comes of it
mod promises; // what has to hold
mod state; // what there is

pub use act::Act;
pub use state::{Bounds, Event, Message, Notice, Sender, State};

/// Something that an engine does in the wrong order, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Broken {
    /// Deliveries are answered before they are durable.
    AnswersBeforeCommit,
    /// Notices are sent before they are durable.
    SendsBeforeCommit,
    /// What an event causes to be said is appended after the event, by itself.
    SaysAfterwards,
    /// After a crash everything that the log has is said once more.
    SaysAgain,
    /// A notice is marked as dealt with before it is sent.
    MarksBeforeSending,
    /// The id of a notice is counted by whoever sends it.
    CountsIds,
    /// A mark is taken whoever makes it.
    TakesAnyMark,
    /// The receiver has its effect first, and remembers the id in a step of its own.
    RemembersAfterwards,
}

/// Every way of being broken.
pub const BROKEN: [Broken; 8] = [
    Broken::AnswersBeforeCommit,
    Broken::SendsBeforeCommit,
    Broken::SaysAfterwards,
    Broken::SaysAgain,
    Broken::MarksBeforeSending,
    Broken::CountsIds,
    Broken::TakesAnyMark,
    Broken::RemembersAfterwards,
];

/// What is checked: a design, and how much happens to it.
#[derive(Clone, Debug)]
pub struct World {
    /// What is wrong with it, if anything.
    pub broken: Option<Broken>,
    /// How much happens.
    pub bounds: Bounds,
}

impl World {
    fn is(&self, broken: Broken) -> bool {
        self.broken == Some(broken)
    }
}
