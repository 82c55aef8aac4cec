//! What becomes of a notice that was not dealt with.

use crate::timestamp::Timestamp;

/// Why a notice was not dealt with, and what a handler wants to become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why, for people. What is longer than [`REASON_BYTES_MAX`](crate::log::REASON_BYTES_MAX) is cut.
    pub reason: String,
    /// What becomes of it.
    pub then: Then,
}

/// What becomes of a notice that failed.
///
/// Whatever is to be parked and finds no room among [`Policy::parked_max`](super::Policy::parked_max) is tried again
/// by the schedule instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is tried again by the policy's schedule, and parked when it was tried as often as it may be.
    Schedule,
    /// It is tried again at this time, however often it was tried.
    At(Timestamp),
    /// As `At`, and nothing else is handed over to the consumer before. A restart ends the pause.
    Pause(Timestamp),
    /// It is parked: to try again is of no use.
    Park,
    /// It is parked, and nothing more is handed over to the consumer, through restarts too, until somebody
    /// releases or skips it.
    Close,
}

impl Failure {
    /// A failure for this reason.
    #[must_use]
    pub fn new(reason: impl Into<String>, then: Then) -> Failure {
        Failure { reason: reason.into(), then }
    }
}
