//! The smallest story that still breaks a promise.
//!
//! A story that fails has dozens of deliveries, and two or three of them matter. [`smallest`] takes away
//! whatever it can (sessions, then single happenings, then the bounds and terms of the setup), makes what is
//! left milder and plainer, and keeps each change after which the same promise is still broken. Runs are
//! functions of their stories, so nothing has to be tried twice.

mod plainer; // the same story, told with less
mod subset; // what can be left out of a list

use std::collections::BTreeSet;

use finis_engine::Contract;

use crate::mishaps::Mishap;
use crate::oracle::{self, Promise};
use crate::run;
use crate::story::{Happening, Story, What};

/// How far the search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Stories that were played.
    pub played: u64,
    /// Sessions and happenings of the smallest that still fails.
    pub sessions: usize,
    /// Its happenings.
    pub happenings: usize,
}

/// How long to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Stories to play at most.
    pub plays_max: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { plays_max: 4_000 }
    }
}

/// The smallest story found that breaks a promise as this one does. It is the story itself when that breaks
/// another promise, or none.
#[must_use]
pub fn smallest(
    story: &Story,
    contract: &Contract,
    promise: Promise,
    bounds: Bounds,
    watch: &mut dyn FnMut(Progress),
) -> Story {
    let mut search = Search { contract, promise, bounds, played: 0, best: story.clone(), watch };
    if !search.fails(story) {
        return story.clone();
    }
    search.leave_out_sessions();
    search.leave_out_happenings();
    // Each may make way for the others.
    loop {
        let before = search.best.clone();
        search.make_plainer();
        search.leave_out_sessions();
        search.leave_out_happenings();
        if search.best == before || search.is_over() {
            return search.best;
        }
    }
}

struct Search<'c, 'w> {
    contract: &'c Contract,
    promise: Promise,
    bounds: Bounds,
    played: u64,
    /// The smallest so far that fails.
    best: Story,
    watch: &'w mut dyn FnMut(Progress),
}

impl Search<'_, '_> {
    fn is_over(&self) -> bool {
        self.played >= self.bounds.plays_max
    }

    fn fails(&mut self, story: &Story) -> bool {
        if self.is_over() {
            return false;
        }
        self.played += 1;
        let played = run::play(story, self.contract, &mut |_| {});
        let fails = played.is_ok_and(|played| {
            oracle::judge(story, self.contract, &played).iter().any(|broken| broken.promise == self.promise)
        });
        let progress = self.progress();
        (self.watch)(progress);
        fails
    }

    fn progress(&self) -> Progress {
        Progress { played: self.played, sessions: self.best.sessions().len(), happenings: self.best.happenings.len() }
    }

    /// Goes on with a story when it fails, too.
    fn take(&mut self, story: Story) -> bool {
        let fails = story != self.best && self.fails(&story);
        if fails {
            self.best = story;
        }
        fails
    }

    fn leave_out_sessions(&mut self) {
        let story = self.best.clone();
        let sessions: Vec<u64> = story.sessions().into_iter().collect();
        subset::smallest(sessions.len(), |kept| {
            let kept: BTreeSet<u64> = kept.iter().map(|place| sessions[*place]).collect();
            self.take(story.keep(|_, happening| session_of(happening).is_none_or(|of| kept.contains(&of))))
        });
    }

    fn leave_out_happenings(&mut self) {
        let story = self.best.clone();
        subset::smallest(story.happenings.len(), |kept| {
            let kept: BTreeSet<usize> = kept.iter().copied().collect();
            self.take(story.keep(|place, _| kept.contains(&place)))
        });
    }

    fn make_plainer(&mut self) {
        for setup in plainer::setups(&self.best) {
            self.take(setup(&self.best));
        }
        let copies = plainer::copies(&self.best);
        let mut place = 0;
        while place < self.best.happenings.len() {
            for plainer in plainer::happenings(&self.best, place, &copies) {
                if self.take(plainer) {
                    break;
                }
            }
            place += 1;
        }
    }
}

/// The session that something happens to.
fn session_of(happening: &Happening) -> Option<u64> {
    match &happening.what {
        What::Arrival(arrival) => Some(arrival.is.session),
        What::Mishap(Mishap::Forget { session }) => Some(*session),
        What::Mishap(_) => None,
    }
}
