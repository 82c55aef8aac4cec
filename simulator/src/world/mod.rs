//! Worlds: sessions that live as a provider says, from a seed.
//!
//! A [`World`] is a function from a number to a [`Session`]: each has a sequence of chance of its own, so the
//! millionth can be asked for without the others, and what was sent of it can be told afterwards ([`Truth`]).
//! [`World::emissions`] is all of it in order of time, with no more in memory than the sessions that are open.
//!
//! Nothing befalls a world: every event is sent, once, when it happens. What goes wrong on the way is the
//! matter of [`crate::faults`].

mod derive; // habits from a contract alone
mod guess; // what a field says when nothing is known of it
mod habits; // what usually happens, as data
mod plan; // a life made ready
mod session; // one session, and what is sent of it
mod stream; // all of them in order of time
mod truth; // what really happened
mod values; // values by chance

use std::time::Duration;

use finis_engine::Contract;
use finis_engine::contract::Draft;
use finis_engine::contract::draft::TimeFormat;

pub(crate) use guess::words;
pub use habits::{Gap, Habits, HabitsError, Life, Moment, Step, Values};
use plan::Plan;
pub use session::{Event, Session};
pub use stream::{Emission, Emissions};
pub use truth::{Truth, TruthEvent};

use crate::clock::{self, Micros};

/// How large a world is.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What everything comes from.
    pub seed: u64,
    /// How many sessions there are.
    pub sessions: u64,
    /// When the first may begin; in our millennium, so that times can be written.
    pub start: Micros,
    /// A session begins every so often, somewhere within that time; never zero.
    pub every: Duration,
}

impl Default for Settings {
    /// A hundred sessions, twelve a second, on a day in May.
    fn default() -> Self {
        let start = 1_777_766_400_000_000; // 2026-05-03T00:00:00Z
        Settings { seed: 1, sessions: 100, start, every: Duration::from_nanos(1_000_000_000 / 12) }
    }
}

/// A world under a contract.
#[derive(Clone, Debug)]
pub struct World<'c> {
    contract: &'c Draft,
    format: TimeFormat,
    plans: Vec<Plan>,
    settings: Settings,
}

impl<'c> World<'c> {
    /// A world as it usually is: by the habits that ship with finis where they fit the contract, else by
    /// those that the contract alone gives.
    ///
    /// # Errors
    /// When the contract has no life that it would call sound.
    pub fn new(contract: &'c Contract, settings: Settings) -> Result<World<'c>, HabitsError> {
        let shipped = Habits::shipped(contract.provider());
        match shipped.map(|habits| World::with(contract, &habits, settings)) {
            Some(Ok(world)) => Ok(world),
            _ => World::with(contract, &Habits::derive(contract)?, settings),
        }
    }

    /// A world of given habits.
    ///
    /// # Errors
    /// When they do not fit the contract.
    pub fn with(contract: &'c Contract, habits: &Habits, settings: Settings) -> Result<World<'c>, HabitsError> {
        let draft = contract.draft();
        let plans = habits.lives.iter().map(|life| Plan::new(draft, habits, life)).collect::<Result<Vec<_>, _>>()?;
        if plans.iter().all(|plan| plan.weight == 0) {
            return Err(HabitsError { problem: "no life has a weight: give one `weight = 1`".into() });
        }
        let format = draft.identity.time_format.unwrap_or(TimeFormat::Rfc3339);
        Ok(World { contract: draft, format, plans, settings })
    }

    /// How large it is.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The contract, as it was written.
    #[must_use]
    pub fn contract(&self) -> &'c Draft {
        self.contract
    }

    /// How the provider writes times.
    pub(crate) fn format(&self) -> TimeFormat {
        self.format
    }

    /// The earliest instant at which anything is sent of session `index` or of any after it.
    fn dawn(&self, index: u64) -> Micros {
        let nanos = u128::from(index).saturating_mul(self.settings.every.as_nanos());
        // A world that would go on for centuries ends with many sessions at one instant.
        self.settings.start + clock::length(u64::try_from(nanos / 1000).unwrap_or(u64::MAX))
    }
}
