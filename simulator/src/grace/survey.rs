//! One pass over all sessions of a world, for every wait that is asked about.

use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use finis_engine::{Contract, SubjectId, Terms, parse_span};

use super::row::{GraceRow, StallRow};
use super::spread::Spread;
use super::story::{Narrator, Story};
use crate::clock::Micros;
use crate::faults::{Faults, Origin, Road, Tally};
use crate::random::Chance;
use crate::world::{Session, World};

/// Sessions that a thread takes at a time.
const TAKEN: u64 = 512;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// How long to wait for what is missing, each.
    pub graces: Vec<Duration>,
    /// How long to wait for an end, each.
    pub stalls: Vec<Duration>,
    /// Threads to work on it, at least one. The answer does not depend on it.
    pub threads: usize,
}

/// What became of the sessions of a world under faults, for each grace and each stall.
///
/// The two are asked about apart, and that says all: a session waits for its end before there is one, and
/// for what is missing after, so no grace changes what a stall does, and no stall what a grace does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Sessions of the main subject of which anything came.
    pub sessions: u64,
    /// Of these: a closing event came, so that they are complete in the end.
    pub closed: u64,
    /// Sessions of which nothing came, or nothing that can be read.
    pub unseen: u64,
    /// Sessions of other subjects: how long they wait, the contract says.
    pub others: u64,
    /// In the order of grace.
    pub graces: Vec<GraceRow>,
    /// In the order of stall.
    pub stalls: Vec<StallRow>,
    /// Of sessions of which something that was waited for came after the first closing event: how long after.
    pub lateness: Spread,
    /// Of sessions that closed: the longest time without an event before that.
    pub silence: Spread,
    /// What was sent, what came, and what befell it.
    pub tally: Tally,
}

impl Question {
    /// Waits around those of a contract's main subject, as people would try them, on one thread.
    #[must_use]
    pub fn around(contract: &Contract, terms: &Terms) -> Question {
        let around = |own: Duration| {
            let near = LADDER.iter().filter_map(|step| parse_span(step).ok());
            let mut waits: Vec<Duration> =
                near.filter(|wait| *wait >= own / 30 && *wait <= own * 15).chain([own]).collect();
            waits.sort_unstable();
            waits.dedup();
            waits
        };
        let own = Terms::new(contract);
        let stalls = terms.stall(SubjectId::MAIN).or(own.stall(SubjectId::MAIN));
        Question {
            graces: around(terms.grace(SubjectId::MAIN)),
            stalls: stalls.map(around).unwrap_or_default(),
            threads: 1,
        }
    }
}

/// When a session truly ended: when the provider sent what closes it, whether it came or not. Of one that it
/// never closes, when it was over.
fn ended(world: &World<'_>, session: &Session) -> Micros {
    let draft = world.contract();
    let closes = |kind: usize| draft.subjects.iter().any(|subject| subject.closes.contains(&draft.events[kind].kind));
    session.events.iter().find(|event| closes(event.kind)).map_or(session.end, |event| event.sent)
}

/// Lengths of time that people choose.
const LADDER: [&str; 22] = [
    "1s", "2s", "5s", "10s", "15s", "30s", "1m", "2m", "3m", "5m", "10m", "15m", "30m", "1h", "2h", "3h", "6h", "12h",
    "1d", "2d", "3d", "7d",
];

impl Survey {
    /// Lets every session of a world come through faults, which draw from a seed of their own, once, and says
    /// what a receiver under these terms would have done at each wait. `done` hears of so many sessions more.
    #[must_use]
    pub fn new(
        contract: &Contract,
        world: &World<'_>,
        faults: &Faults,
        seed: u64,
        terms: &Terms,
        question: &Question,
        done: &(dyn Fn(u64) + Sync),
    ) -> Survey {
        let all = Mutex::new(Survey::empty(question));
        let next = AtomicU64::new(0);
        let sessions = world.settings().sessions;
        std::thread::scope(|scope| {
            for _ in 0..question.threads.max(1) {
                scope.spawn(|| {
                    let mut part = Survey::empty(question);
                    let mut narrator = Narrator::new(contract, terms);
                    let origin = Origin { source: contract.provider().to_owned(), signing: None };
                    let mut road = Road::new(world, faults.clone(), seed, origin);
                    loop {
                        let from = next.fetch_add(TAKEN, Ordering::Relaxed);
                        if from >= sessions {
                            break;
                        }
                        let to = sessions.min(from + TAKEN);
                        for index in from..to {
                            let session = Rc::new(world.session(index));
                            let story = narrator.tell(&road.session(&session));
                            part.count(story.as_ref(), ended(world, &session));
                        }
                        done(to - from);
                    }
                    part.tally = road.tally().clone();
                    // Counts are added, and who comes first does not show. A thread that panics has panicked
                    // before it came here.
                    all.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(&part);
                });
            }
        });
        all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn empty(question: &Question) -> Survey {
        let sorted = |waits: &[Duration]| {
            let mut waits = waits.to_vec();
            waits.sort_unstable();
            waits.dedup();
            waits
        };
        Survey {
            sessions: 0,
            closed: 0,
            unseen: 0,
            others: 0,
            graces: sorted(&question.graces).into_iter().map(GraceRow::new).collect(),
            stalls: sorted(&question.stalls).into_iter().map(StallRow::new).collect(),
            lateness: Spread::default(),
            silence: Spread::default(),
            tally: Tally::default(),
        }
    }

    /// Counts a session that truly ended at `ended`.
    fn count(&mut self, story: Option<&Story>, ended: Micros) {
        let Some(story) = story else {
            self.others += 1;
            return;
        };
        if story.steps().is_empty() {
            self.unseen += 1;
            return;
        }
        self.sessions += 1;
        self.closed += u64::from(story.close().is_some());
        self.graces.iter_mut().for_each(|row| row.count(story, ended));
        self.stalls.iter_mut().for_each(|row| row.count(story, ended));
        story.lateness().into_iter().for_each(|late| self.lateness.count(late));
        story.silence().into_iter().for_each(|silence| self.silence.count(silence));
    }

    fn add(&mut self, other: &Survey) {
        self.sessions += other.sessions;
        self.closed += other.closed;
        self.unseen += other.unseen;
        self.others += other.others;
        self.graces.iter_mut().zip(&other.graces).for_each(|(row, more)| row.add(more));
        self.stalls.iter_mut().zip(&other.stalls).for_each(|(row, more)| row.add(more));
        self.lateness.add(&other.lateness);
        self.silence.add(&other.silence);
        self.tally.add(&other.tally);
    }

    /// The grace to set, when at most this share of the sessions that close may be complete too early: the
    /// shortest of those asked about from which on none has more. Nothing when even the longest has.
    #[must_use]
    pub fn grace(&self, too_early_max: Chance) -> Option<Duration> {
        let rows = self.graces.iter().rev();
        rows.take_while(|row| self.is_within(row.too_early, too_early_max)).last().map(|row| row.grace)
    }

    /// The stall to set, by the same rule: at most this share of the sessions that close may be given up
    /// before.
    #[must_use]
    pub fn stall(&self, too_early_max: Chance) -> Option<Duration> {
        let rows = self.stalls.iter().rev();
        rows.take_while(|row| self.is_within(row.too_early, too_early_max)).last().map(|row| row.stall)
    }

    /// The shortest grace of any length that keeps to this share, to less than one part in a hundred, and
    /// never too short.
    #[must_use]
    pub fn shortest_grace(&self, too_early_max: Chance) -> Duration {
        self.shortest(&self.lateness, too_early_max)
    }

    /// The shortest stall of any length that keeps to this share, likewise.
    #[must_use]
    pub fn shortest_stall(&self, too_early_max: Chance) -> Duration {
        self.shortest(&self.silence, too_early_max)
    }

    /// The shortest wait that at most so many of these reach.
    fn shortest(&self, waits: &Spread, share: Chance) -> Duration {
        let most = u128::from(self.closed) * u128::from(share.per_million()) / 1_000_000;
        // A deadline at the very instant of an event is over before it comes.
        match waits.exceeded_by(most as u64) {
            Some(longest) if waits.total() > most as u64 => Duration::from_micros(longest.max(0) as u64 + 1),
            _ => Duration::ZERO,
        }
    }

    fn is_within(&self, sessions: u64, share: Chance) -> bool {
        u128::from(sessions) * 1_000_000 <= u128::from(self.closed) * u128::from(share.per_million())
    }
}
