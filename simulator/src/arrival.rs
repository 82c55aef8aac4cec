//! What comes to a receiver, and what it is in truth.

use finis_engine::Timestamp;
use serde::{Deserialize, Serialize};

use crate::faults::Fault;

/// A delivery as it comes in, in the receiver's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it came.
    pub received_at: Timestamp,
    /// Where it was posted to.
    pub source: String,
    /// As the provider writes their names.
    pub headers: Vec<(String, String)>,
    /// Byte for byte.
    pub body: Vec<u8>,
    /// What no receiver can know.
    pub is: Is,
}

/// What a delivery is in truth: for oracles, and for whoever makes a story smaller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Is {
    /// Of which session of the world.
    pub session: u64,
    /// Of which of its events, as [`Truth::events`](crate::world::Truth::events) counts them; what is made
    /// up belongs to the event that it was made of.
    pub event: usize,
    /// What befell it. Nothing: it is the event as it was sent.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// Whether its headers prove, when it comes, that it is the provider's. Where the source has no secret
    /// everything counts as proved.
    pub proved: bool,
    /// Whether it can be read as an event. One that is proved and unreadable belongs into quarantine.
    pub readable: bool,
}

impl Is {
    /// Whether a receiver has to take it for an event.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.proved && self.readable
    }
}
