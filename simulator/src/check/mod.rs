//! The laws of a fold, tried on a fold of your own.
//!
//! Whoever folds lifecycle events by hand needs what finis needs: that neither the order nor the number of
//! deliveries shows in the end, whichever of the events came. [`Check`] tries every permutation, doubling and
//! loss of a few events, then random ones of all, and gives back the smallest counterexample it finds.
//!
//! A status that is set by whatever came last is the usual mistake:
//!
//! ```
//! use finis_simulator::check::{Check, Event, Fold};
//! use finis_simulator::world::{Settings, World};
//!
//! struct LastWriteWins;
//!
//! impl Fold for LastWriteWins {
//!     type State = String;
//!     type Answer = String;
//!
//!     fn empty(&self) -> String {
//!         "unknown".to_owned()
//!     }
//!     fn apply(&self, status: &mut String, event: &Event) {
//!         *status = event.kind.clone();
//!     }
//!     fn answer(&self, status: &String) -> String {
//!         status.clone()
//!     }
//! }
//!
//! let catalogue = finis_providers::Catalogue::shipped();
//! let world = World::new(catalogue.get("smallest-legacy").unwrap(), Settings::default()).unwrap();
//! let events = Event::of_session(&world, 0);
//!
//! let found = Check::default().run(&LastWriteWins, &events).unwrap_err();
//! assert_eq!(
//!     found.to_string(),
//!     "\
//! the same 2 events end differently in another order
//!   1  call.start           2026-05-03T00:00:00.180Z
//!   2  call.end             2026-05-03T00:00:51.494Z
//! 1 2  comes to  \"call.end\"
//! 2 1  comes to  \"call.start\""
//! );
//! ```
//!
//! A fold is right when it goes by what the events say, and not by when they came:
//!
//! ```
//! # use finis_engine::Timestamp;
//! # use finis_simulator::check::{Check, Event, Fold};
//! # use finis_simulator::world::{Settings, World};
//! struct LatestByTheProvidersClock;
//!
//! impl Fold for LatestByTheProvidersClock {
//!     type State = Option<(Option<Timestamp>, String)>;
//!     type Answer = Option<String>;
//!
//!     fn empty(&self) -> Self::State {
//!         None
//!     }
//!     fn apply(&self, latest: &mut Self::State, event: &Event) {
//!         // Of two at one instant the name decides: anything will do that is not arrival.
//!         let this = Some((event.at, event.kind.clone()));
//!         *latest = latest.take().max(this);
//!     }
//!     fn answer(&self, latest: &Self::State) -> Option<String> {
//!         latest.as_ref().map(|(_, kind)| kind.clone())
//!     }
//! }
//! # let catalogue = finis_providers::Catalogue::shipped();
//! # let world = World::new(catalogue.get("smallest-legacy").unwrap(), Settings::default()).unwrap();
//! # let events = Event::of_session(&world, 0);
//!
//! assert!(Check::default().run(&LatestByTheProvidersClock, &events).is_ok());
//! ```

mod counterexample; // what was found, as people read it
mod event; // an event as a fold of one's own sees it
mod orders; // sequences that are tried

use std::fmt;

pub use counterexample::Counterexample;
pub use event::Event;
use orders::{each_doubling, each_order, each_subset};

use crate::random::{Purpose, Random};

/// A fold of your own.
pub trait Fold {
    /// What it keeps.
    type State;
    /// What it says in the end. What is not in it may depend on arrival.
    type Answer: PartialEq + fmt::Debug;

    /// What it keeps of nothing.
    fn empty(&self) -> Self::State;

    /// Takes a delivery of an event.
    fn apply(&self, state: &mut Self::State, event: &Event);

    /// What it says of all that it took.
    fn answer(&self, state: &Self::State) -> Self::Answer;
}

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Of so many events at most every permutation and every doubling is tried, for every choice of them.
    pub exhaustive_max: usize,
    /// So many random orders of random choices, with random doublings, are tried after that.
    pub random_runs: u32,
    /// What these come from.
    pub seed: u64,
}

impl Default for Check {
    /// All of up to four events, and a thousand random runs.
    fn default() -> Self {
        Check { exhaustive_max: 4, random_runs: 1_000, seed: 1 }
    }
}

/// What was tried without finding anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Sequences of deliveries.
    pub sequences: u64,
}

impl Check {
    /// Tries the laws of a fold on some events.
    ///
    /// # Errors
    /// With the smallest counterexample that was found.
    pub fn run<F: Fold>(&self, fold: &F, events: &[Event]) -> Result<Checked, Box<Counterexample>> {
        let mut trial = Trial { fold, events, checked: Checked::default() };
        for size in 1..=self.exhaustive_max.min(events.len()) {
            each_subset(events.len(), size, &mut |subset| trial.all(subset))?;
        }
        for run in 0..self.random_runs {
            trial.some(&mut Random::new(self.seed, Purpose::Check, run.into(), 0))?;
        }
        Ok(trial.checked)
    }
}

struct Trial<'t, F: Fold> {
    fold: &'t F,
    events: &'t [Event],
    checked: Checked,
}

impl<F: Fold> Trial<'_, F> {
    fn answer(&self, sequence: &[usize]) -> F::Answer {
        let mut state = self.fold.empty();
        for place in sequence {
            self.fold.apply(&mut state, &self.events[*place]);
        }
        self.fold.answer(&state)
    }

    fn differ(&mut self, one: &[usize], other: &[usize]) -> bool {
        self.checked.sequences += 1;
        self.answer(one) != self.answer(other)
    }

    /// Every order of a choice of events, and every order with one of them twice.
    fn all(&mut self, subset: &[usize]) -> Result<(), Box<Counterexample>> {
        each_order(subset, &mut |order| {
            if self.differ(subset, order) { Err(self.found(subset, order)) } else { Ok(()) }
        })?;
        each_order(subset, &mut |order| {
            each_doubling(order, &mut |doubled| {
                if self.differ(order, doubled) { Err(self.found(order, doubled)) } else { Ok(()) }
            })
        })
    }

    /// A random choice of events in a random order, some of them twice.
    fn some(&mut self, random: &mut Random) -> Result<(), Box<Counterexample>> {
        let subset: Vec<usize> = (0..self.events.len()).filter(|_| random.below(4) > 0).collect();
        let mut other = subset.clone();
        let again = subset.iter().filter(|_| random.below(4) == 0);
        other.extend(again);
        for place in (1..other.len()).rev() {
            other.swap(place, random.below(place as u64 + 1) as usize);
        }
        if !self.differ(&subset, &other) {
            return Ok(());
        }
        let (one, other) = self.shrink(subset, other);
        Err(self.found(&one, &other))
    }

    /// Takes away what is not needed for two sequences to differ: events from both, then repeats, then what
    /// is in another order for nothing.
    fn shrink(&mut self, mut one: Vec<usize>, mut other: Vec<usize>) -> (Vec<usize>, Vec<usize>) {
        loop {
            let before = (one.len(), other.len());
            for event in one.clone() {
                let without = |sequence: &[usize]| -> Vec<usize> {
                    sequence.iter().copied().filter(|place| *place != event).collect()
                };
                let (less, other_less) = (without(&one), without(&other));
                if self.differ(&less, &other_less) {
                    (one, other) = (less, other_less);
                }
            }
            for place in (0..other.len()).rev() {
                let mut less = other.clone();
                let event = less.remove(place);
                if less.contains(&event) && self.differ(&one, &less) {
                    other = less;
                }
            }
            // One step of sorting after another, as long as the end stays wrong.
            for place in 1..other.len() {
                let mut nearer = other.clone();
                nearer.swap(place - 1, place);
                if other[place - 1] > other[place] && self.differ(&one, &nearer) {
                    other = nearer;
                }
            }
            if (one.len(), other.len()) == before {
                return (one, other);
            }
        }
    }

    #[allow(clippy::unnecessary_box_returns, reason = "it goes up as an error, which is to be small")]
    fn found(&self, one: &[usize], other: &[usize]) -> Box<Counterexample> {
        let answers = [one, other].map(|sequence| format!("{:?}", self.answer(sequence)));
        Box::new(Counterexample::new(self.events, one, other, answers))
    }
}
