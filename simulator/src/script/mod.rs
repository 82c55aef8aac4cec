//! A world with its faults, written out: every arrival by itself, to be kept, cut down and played again.
//!
//! A [`Script`] is what a run is made of once chance is done: a list of arrivals, each of which knows of which
//! session and event it is and what befell it. Whoever looks for the smallest story that still fails takes
//! sessions, faults or single arrivals away, and plays what is left.

mod bytes; // bodies in JSON, byte for byte
mod folder; // as a folder of the fixtures' form
mod smallest; // cut down to what matters

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use folder::{LoadError, SaveError};
pub(crate) use folder::{SCRIPT, read};

use crate::arrival::Arrival;
use crate::faults::{Fault, Faults, Origin, Road, Tally};
use crate::model::{Instant, Model, Terms};
use crate::world::World;
use finis_engine::{Contract, Timestamp};

/// Where a script comes from: with it, the whole world can be made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The provider of the contract.
    pub provider: String,
    /// The version of the contract.
    pub version: String,
    /// The seed of the world.
    pub seed: u64,
    /// How many sessions it had.
    pub sessions: u64,
    /// The seed of the faults.
    pub faults_seed: u64,
    /// The dials.
    pub faults: Faults,
}

/// Arrivals, in the order in which they come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Where it comes from.
    pub head: Head,
    /// What comes.
    pub arrivals: Vec<Arrival>,
}

impl Script {
    /// Writes a world under faults out. All of it is in memory then: for worlds of a few thousand sessions.
    #[must_use]
    pub fn new(world: &World<'_>, faults: &Faults, faults_seed: u64, origin: Origin) -> Script {
        Script::tallied(world, faults, faults_seed, origin).0
    }

    /// The same, and what happened on the road: what was taken away on it is in no script.
    #[must_use]
    pub fn tallied(world: &World<'_>, faults: &Faults, faults_seed: u64, origin: Origin) -> (Script, Tally) {
        let contract = world.contract();
        let head = Head {
            provider: contract.provider.clone(),
            version: contract.version.clone(),
            seed: world.settings().seed,
            sessions: world.settings().sessions,
            faults_seed,
            faults: faults.clone(),
        };
        let mut road = Road::new(world, faults.clone(), faults_seed, origin);
        let arrivals = road.by_ref().collect();
        let tally = road.tally().clone();
        (Script { head, arrivals }, tally)
    }

    /// Sessions of which something comes, by their numbers in the world.
    #[must_use]
    pub fn sessions(&self) -> BTreeSet<u64> {
        self.arrivals.iter().map(|arrival| arrival.is.session).collect()
    }

    /// Faults that befell something that comes.
    #[must_use]
    pub fn faults(&self) -> BTreeSet<Fault> {
        self.arrivals.iter().flat_map(|arrival| arrival.is.faults.iter().copied()).collect()
    }

    /// What is left of it: arrivals of which this is true.
    #[must_use]
    pub fn keep(&self, keep: impl Fn(usize, &Arrival) -> bool) -> Script {
        let arrivals = self.arrivals.iter().enumerate().filter(|(place, arrival)| keep(*place, arrival));
        Script { head: self.head.clone(), arrivals: arrivals.map(|(_, arrival)| arrival.clone()).collect() }
    }

    /// Without a session.
    #[must_use]
    pub fn without_session(&self, session: u64) -> Script {
        self.keep(|_, arrival| arrival.is.session != session)
    }

    /// Without anything that a fault befell. What a fault took away does not come back: turn its dial
    /// ([`Faults::without`]) and write the world out again for that.
    #[must_use]
    pub fn without_fault(&self, fault: Fault) -> Script {
        self.keep(|_, arrival| !arrival.is.faults.contains(&fault))
    }

    /// Without the arrival at a place.
    #[must_use]
    pub fn without_arrival(&self, place: usize) -> Script {
        self.keep(|other, _| other != place)
    }

    /// The model after everything has come that proves where it comes from.
    #[must_use]
    pub fn model<'c>(&self, contract: &'c Contract, terms: Terms) -> Model<'c> {
        let mut model = Model::new(contract, terms);
        for arrival in self.arrivals.iter().filter(|arrival| arrival.is.proved) {
            model.take(&arrival.source, &arrival.headers, &arrival.body, Some(arrival.received_at));
        }
        model
    }

    /// When the last of it comes.
    #[must_use]
    pub fn end(&self) -> Option<Timestamp> {
        self.arrivals.last().map(|arrival| arrival.received_at)
    }

    /// The records that must come of it, judged at an instant, a line each.
    #[must_use]
    pub fn records(&self, contract: &Contract, terms: Terms, as_of: Timestamp) -> String {
        self.model(contract, terms).records(Instant::from(as_of))
    }
}
