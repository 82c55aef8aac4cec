//! What goes wrong between a provider and a receiver.
//!
//! [`Faults`] are dials, each by itself and all combinable; at zero none does anything, and turning one
//! changes nothing that another does, since each draws from a sequence of chance of its own. A [`Road`] takes
//! a world's events through them and gives [`Arrival`](crate::Arrival)s in the order in which they come.

mod body; // bodies dressed otherwise, changed, damaged
mod clock; // the provider's clock
mod number; // the same number written otherwise
mod odd; // bodies that nobody would send
mod outage; // times in which nothing gets through
mod presets; // dials by name, and by chance
mod road; // from what is sent to what arrives
mod signing; // as the provider signs, and as nobody should

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use presets::Preset;
pub use road::{Origin, Road, Tally};
pub use signing::Signing;

pub use crate::random::Chance;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// It never arrives.
    Loss,
    /// It was sent while nothing got through, and never arrives.
    Outage,
    /// It was held up for much longer than usual.
    Delay,
    /// It came again at once.
    Duplicate,
    /// It came again hours later, as a sender's retries do.
    Storm,
    /// Somebody sent it again, headers and all.
    Replay,
    /// Something else under the same kind and time.
    Conflict,
    /// Something else under the same kind, later.
    Correction,
    /// The provider's clock was off.
    Skew,
    /// The same content in other bytes.
    Dress,
    /// A body that nobody can read.
    Corrupt,
    /// A kind that the contract does not have.
    Unknown,
    /// A signature that proves nothing.
    Forge,
    /// Something that nobody would send, under the same kind or one that the contract does not have.
    Odd,
}

/// Every fault there is.
pub const FAULTS: [Fault; 14] = [
    Fault::Loss,
    Fault::Outage,
    Fault::Delay,
    Fault::Duplicate,
    Fault::Storm,
    Fault::Replay,
    Fault::Conflict,
    Fault::Correction,
    Fault::Skew,
    Fault::Dress,
    Fault::Corrupt,
    Fault::Unknown,
    Fault::Forge,
    Fault::Odd,
];

/// How much goes wrong. The default is nothing at all: every event arrives as it was sent, at that instant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// How often an event never arrives, neither itself nor a copy.
    pub loss: Chance,
    /// The same for single kinds, in place of `loss`.
    pub loss_of: BTreeMap<String, Chance>,
    /// Times in which nothing that is sent arrives.
    pub outage: Outage,
    /// How long everything takes, and some things much longer: what brings them out of order.
    pub delay: Delay,
    /// How often an event comes again within seconds.
    pub duplicate: Chance,
    /// How often an event comes again and again, hours later.
    pub storm: Storm,
    /// How often what came comes again, headers and all.
    pub replay: Later,
    /// How often something else comes under the same kind and time.
    pub conflict: Chance,
    /// How often something else comes under the same kind, later.
    pub correction: Later,
    /// How wrong the provider's clock is. It stands in bodies alone: signatures are made elsewhere.
    pub skew: Skew,
    /// How often a delivery has the same content in other bytes: white space, the order of keys, escapes,
    /// notations of numbers.
    pub dress: Chance,
    /// How often a delivery comes in a form that nobody can read, in place of itself.
    pub corrupt: Chance,
    /// How often an event of a kind that the contract does not have comes beside one that it has.
    pub unknown: Chance,
    /// How often a delivery comes once more with a signature that proves nothing. Nothing where the source
    /// has no secret.
    pub forge: Chance,
    /// Copies that disagree about facts in ways that nobody would. In no preset and in no swarm: it is there to
    /// try the laws of a fold with.
    pub odd: Odd,
}

/// Times in which nothing that is sent arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outage {
    /// How often there is one in each stretch of time.
    pub chance: Chance,
    /// How long a stretch is, in seconds.
    pub every_s: u64,
    /// How long an outage lasts, in seconds; it does not leave its stretch.
    pub lasts_s: u64,
}

/// How long deliveries take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delay {
    /// Usually, in milliseconds: evenly from half of it to one and a half.
    pub usual_ms: u64,
    /// How often it is longer.
    pub tail: Chance,
    /// How long it then is at least, in milliseconds.
    pub tail_ms: u64,
    /// How often that may be doubled, each time as likely as not.
    pub doublings_max: u32,
}

/// A sender that tries again, and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Storm {
    /// How often.
    pub chance: Chance,
    /// How many copies at most.
    pub copies_max: u32,
    /// How long after the first, in seconds: evenly from half of it to one and a half.
    pub after_s: u64,
}

/// Copies of an event that nobody would send: facts that are missing, null, of another type, long, deep or
/// nearly the same; times written otherwise, or others; kinds that the contract does not have. All of them can
/// be read, and most of them disagree about one and the same fact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Odd {
    /// How often.
    pub chance: Chance,
    /// How many copies at most.
    pub copies_max: u32,
    /// The field that they disagree about; any unless told, one for each event.
    pub field: Option<String>,
}

/// Something that comes later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Later {
    /// How often.
    pub chance: Chance,
    /// How much later, in seconds: evenly from half of it to one and a half.
    pub after_s: u64,
}

/// A provider's clock that is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Skew {
    /// How far it is ahead all the time, in milliseconds; behind when negative.
    pub ahead_ms: i64,
    /// How often it is off by more for one stretch of time.
    pub step: Chance,
    /// How long a stretch is, in seconds.
    pub every_s: u64,
    /// How far it is off then at most, in milliseconds, either way.
    pub step_ms: u64,
}

impl Faults {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Faults {
        Faults::default()
    }

    /// Turns the dial of one fault to zero. All others do as they did.
    #[must_use]
    pub fn without(mut self, fault: Fault) -> Faults {
        match fault {
            Fault::Loss => (self.loss, self.loss_of) = (Chance::NEVER, BTreeMap::new()),
            Fault::Outage => self.outage = Outage::default(),
            Fault::Delay => self.delay.tail = Chance::NEVER,
            Fault::Duplicate => self.duplicate = Chance::NEVER,
            Fault::Storm => self.storm = Storm::default(),
            Fault::Replay => self.replay = Later::default(),
            Fault::Conflict => self.conflict = Chance::NEVER,
            Fault::Correction => self.correction = Later::default(),
            Fault::Skew => self.skew = Skew::default(),
            Fault::Dress => self.dress = Chance::NEVER,
            Fault::Corrupt => self.corrupt = Chance::NEVER,
            Fault::Unknown => self.unknown = Chance::NEVER,
            Fault::Forge => self.forge = Chance::NEVER,
            Fault::Odd => self.odd = Odd::default(),
        }
        self
    }
}
