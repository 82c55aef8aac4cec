//! A story: everything that happens to a receiver, in one list.
//!
//! A [`Story`] is what a run is made of once chance is done. It says how the receiver is set up, and then
//! what happens, in order of time: arrivals, as a [`Script`] has them, and [mishaps](Mishap) of the receiver's
//! own. Nothing is drawn while it is played, so what is left of it when something is taken away is a story
//! again; and one that is kept in a folder is played next year as it is played now.

mod folder; // as a folder of the fixtures' form
mod setup; // how a receiver is set up
mod theme; // what a small story turns around
mod timeline; // as a person reads it

use std::collections::BTreeSet;
use std::time::Duration;

use finis_engine::{Contract, Timestamp};

pub use folder::LoadError;
pub use setup::{Setup, SetupError};
use theme::Theme;

use crate::arrival::Arrival;
use crate::faults::{Chance, Faults, Odd, Preset, Tally};
use crate::mishaps::{Mishap, Mishaps};
use crate::random::{Purpose, Random};
use crate::script::{Head, Script};
use crate::world::{Settings, World};

/// The name of the source that a story's deliveries come to, unless its script says another.
pub const SOURCE: &str = "front-desk";

/// Something that happens, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When, by a clock that is right.
    pub at: Timestamp,
    /// What.
    pub what: What,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A delivery comes.
    Arrival(Box<Arrival>),
    /// Something goes wrong with the receiver.
    Mishap(Mishap),
}

/// Everything that happens to a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// Where it comes from.
    pub head: Head,
    /// How the receiver is set up.
    pub setup: Setup,
    /// What happens, in order of time. Of one instant, what stands first happens first; deliveries that
    /// stand beside each other come together.
    pub happenings: Vec<Happening>,
}

impl Story {
    /// The story of a world under faults and mishaps, which draw from the same seed.
    ///
    /// # Errors
    /// When the contract cannot be signed for, and the setup wants it to be.
    pub fn new(
        world: &World<'_>,
        contract: &Contract,
        faults: &Faults,
        mishaps: &Mishaps,
        seed: u64,
        setup: Setup,
    ) -> Result<Story, SetupError> {
        Story::tallied(world, contract, faults, mishaps, seed, setup).map(|(story, _)| story)
    }

    /// As [`Story::new`], with how often each fault befell something, also what never came.
    fn tallied(
        world: &World<'_>,
        contract: &Contract,
        faults: &Faults,
        mishaps: &Mishaps,
        seed: u64,
        setup: Setup,
    ) -> Result<(Story, Tally), SetupError> {
        let origin = setup.origin(contract, SOURCE)?;
        let (script, tally) = Script::tallied(world, faults, seed, origin);
        let drawn = mishaps.draw(&script.arrivals, seed);
        Ok((Story::of(script, setup, drawn), tally))
    }

    /// A small story by chance alone: a few sessions, some faults, some mishaps, tight bounds. Thousands of
    /// them find what one large one does not, and are smaller to begin with.
    ///
    /// # Errors
    /// When the contract has no world.
    pub fn swarm(contract: &Contract, seed: u64) -> Result<Story, SetupError> {
        Story::swarm_tallied(contract, seed).map(|(story, _)| story)
    }

    /// As [`Story::swarm`], with how often each fault befell something, also what never came.
    ///
    /// # Errors
    /// When the contract has no world.
    pub fn swarm_tallied(contract: &Contract, seed: u64) -> Result<(Story, Tally), SetupError> {
        let (mut setup, mut mishaps) = (Setup::swarm(contract, seed), Mishaps::swarm(seed));
        Theme::swarm(seed).set(seed, &mut setup, &mut mishaps);
        Story::tallied(&small_world(contract, seed)?, contract, &Faults::swarm(seed), &mishaps, seed, setup)
    }

    /// As [`Story::swarm_tallied`], with every fault and every mishap turned on at once.
    ///
    /// # Errors
    /// When the contract has no world.
    pub fn everything_tallied(contract: &Contract, seed: u64) -> Result<(Story, Tally), SetupError> {
        let odd = Odd { chance: Chance::percent(5), copies_max: 4, ..Odd::default() };
        let faults = Faults { odd, ..Preset::Hostile.faults() };
        let (setup, mishaps) = (Setup::swarm(contract, seed), Mishaps::preset(Preset::Hostile));
        Story::tallied(&small_world(contract, seed)?, contract, &faults, &mishaps, seed, setup)
    }

    /// A script with mishaps put in, each at its instant and before what comes then.
    #[must_use]
    pub fn of(script: Script, setup: Setup, mishaps: impl IntoIterator<Item = (Timestamp, Mishap)>) -> Story {
        let mishaps = mishaps.into_iter().map(|(at, mishap)| Happening { at, what: What::Mishap(mishap) });
        let arrivals = script
            .arrivals
            .into_iter()
            .map(|arrival| Happening { at: arrival.received_at, what: What::Arrival(Box::new(arrival)) });
        let mut happenings: Vec<Happening> = mishaps.chain(arrivals).collect();
        // Stable: what was drawn first stays first.
        happenings.sort_by_key(|happening| happening.at);
        Story { head: script.head, setup, happenings }
    }

    /// Deliveries that come, with their places among the happenings.
    pub fn arrivals(&self) -> impl Iterator<Item = (usize, &Arrival)> {
        self.happenings.iter().enumerate().filter_map(|(place, happening)| match &happening.what {
            What::Arrival(arrival) => Some((place, &**arrival)),
            What::Mishap(_) => None,
        })
    }

    /// Mishaps, with their places among the happenings.
    pub fn mishaps(&self) -> impl Iterator<Item = (usize, &Mishap)> {
        self.happenings.iter().enumerate().filter_map(|(place, happening)| match &happening.what {
            What::Mishap(mishap) => Some((place, mishap)),
            What::Arrival(_) => None,
        })
    }

    /// Sessions of which something comes, by their numbers in the world.
    #[must_use]
    pub fn sessions(&self) -> BTreeSet<u64> {
        self.arrivals().map(|(_, arrival)| arrival.is.session).collect()
    }

    /// The arrivals alone.
    #[must_use]
    pub fn script(&self) -> Script {
        Script { head: self.head.clone(), arrivals: self.arrivals().map(|(_, arrival)| arrival.clone()).collect() }
    }

    /// What is left of it: happenings of which this is true.
    #[must_use]
    pub fn keep(&self, keep: impl Fn(usize, &Happening) -> bool) -> Story {
        let happenings = self.happenings.iter().enumerate().filter(|(place, happening)| keep(*place, happening));
        let happenings = happenings.map(|(_, happening)| happening.clone()).collect();
        Story { head: self.head.clone(), setup: self.setup.clone(), happenings }
    }
}

/// A few sessions, from all at once to a minute apart.
fn small_world(contract: &Contract, seed: u64) -> Result<World<'_>, SetupError> {
    let random = &mut Random::new(seed, Purpose::Setup, 1, 0);
    let sessions = 1 + random.below(10);
    let every = Duration::from_millis(1 << random.below(17));
    World::new(contract, Settings { seed, sessions, every, ..Settings::default() }).map_err(SetupError::World)
}
