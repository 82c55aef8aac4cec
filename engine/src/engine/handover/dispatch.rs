//! What may be handed over next, when it is tried again, and what is to be remembered of it.
//!
//! A function of values: notices and outcomes go in, with the time where it matters; places to hand over and
//! marks for the log come out. Whoever carries them out may stop at any point, and begin anew from what the
//! log has: nothing here is needed for that.
//!
//! Each session is a lane. Of a lane one notice at a time is under way, the first that is open, and none that
//! stands behind a parked one: so the order within a session holds. Lanes know nothing of each other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Policy;
use crate::live::SessionKey;
use crate::log::{Cause, Consumer, Mark, REASON_BYTES_MAX};
use crate::timestamp::Timestamp;

/// What is to be handed over, and how it went so far.
#[derive(Debug)]
pub(super) struct Dispatch {
    policy: Policy,
    lanes: BTreeMap<SessionKey, Lane>,
    /// Of which session each notice is that is queued, parked or under way.
    keys: BTreeMap<u64, SessionKey>,
    /// Heads of lanes that may go now.
    ready: BTreeSet<u64>,
    /// Heads of lanes that failed, by when they are tried again.
    waiting: BTreeSet<(Timestamp, u64)>,
    under_way: usize,
    parked: usize,
    /// All up to this place was offered, or is settled.
    read: u64,
    /// What was offered and is not settled.
    open: BTreeSet<u64>,
    /// What failed, and is neither dealt with nor parked.
    failed: BTreeMap<u64, Tried>,
    /// What was under way from before, and dealt with before it was offered.
    early: BTreeSet<u64>,
}

/// One session.
#[derive(Debug, Default)]
struct Lane {
    /// What is open, in order, what is under way among it.
    queue: BTreeSet<u64>,
    parked: BTreeSet<u64>,
    under_way: Option<u64>,
}

/// How often a notice failed, and when it may be tried again.
#[derive(Clone, Copy, Debug, Default)]
struct Tried {
    times: u32,
    again: Option<Timestamp>,
}

/// What becomes of a notice that is offered.
#[derive(Debug)]
pub(super) enum Offered {
    /// It is handed over in its turn.
    Queued,
    /// It is parked behind another, which is to be remembered.
    Held(Mark),
    /// It was dealt with before.
    Settled,
}

impl Dispatch {
    /// Begins behind a place: all up to it is settled, but for what is told of by [`Dispatch::park`] and
    /// [`Dispatch::release`] before anything is offered.
    pub(super) fn new(policy: Policy, acknowledged: u64) -> Dispatch {
        Dispatch {
            policy,
            lanes: BTreeMap::new(),
            keys: BTreeMap::new(),
            ready: BTreeSet::new(),
            waiting: BTreeSet::new(),
            under_way: 0,
            parked: 0,
            read: acknowledged,
            open: BTreeSet::new(),
            failed: BTreeMap::new(),
            early: BTreeSet::new(),
        }
    }

    /// Begins anew with a consumer that was changed. What is under way stays so, and how often a notice
    /// failed that is still open.
    pub(super) fn again(self, consumer: &Consumer) -> Dispatch {
        let mut again = Dispatch::new(self.policy, consumer.acknowledged);
        again.failed = self.failed;
        again.failed.retain(|seq, _| consumer.is_open(*seq));
        for (key, seq) in self.lanes.iter().filter_map(|(key, lane)| Some((key, lane.under_way?))) {
            again.lane(seq, key).under_way = Some(seq);
            again.under_way += 1;
        }
        again
    }

    /// A notice that is parked.
    pub(super) fn park(&mut self, seq: u64, key: &SessionKey) {
        self.parked += usize::from(self.lane(seq, key).parked.insert(seq));
    }

    /// A notice that was parked, and is to be handed over again; unless one before it was parked meanwhile.
    pub(super) fn release(&mut self, seq: u64, key: &SessionKey) -> Offered {
        self.queue(seq, key)
    }

    /// The place behind which the next notice is to be offered.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// How many notices may be offered now; 0 as long as there is enough to do.
    pub(super) fn room(&self) -> usize {
        let window = self.policy.window_max.max(1);
        // Whatever is between the first that is open and the last that was read is remembered one by one.
        let span = self.open.first().map_or(0, |first| self.read - (first - 1));
        let room = window.saturating_sub(usize::try_from(span).unwrap_or(usize::MAX));
        if room >= window.div_ceil(4) || self.ready.is_empty() { room } else { 0 }
    }

    /// Takes the next notice of the outbox.
    pub(super) fn offer(&mut self, seq: u64, key: &SessionKey) -> Offered {
        self.read = self.read.max(seq);
        if self.early.remove(&seq) {
            return Offered::Settled;
        }
        let offered = self.queue(seq, key);
        if matches!(offered, Offered::Queued) {
            self.open.insert(seq);
        }
        offered
    }

    /// Of the places between the last that was offered and this one nothing is left. Says what is to be
    /// remembered, so that the mark does not stay before them for ever.
    pub(super) fn pass_gap(&self, seq: u64) -> impl Iterator<Item = Mark> + use<> {
        (self.read.saturating_add(1)..seq).map(Mark::Done)
    }

    /// A notice of the outbox that is settled already.
    pub(super) fn pass(&mut self, seq: u64) {
        self.read = self.read.max(seq);
    }

    /// A notice to be handed over now. It is under way from here on.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<u64> {
        if self.under_way >= self.policy.at_once_max.max(1) {
            return None;
        }
        while let Some((_, seq)) = self.waiting.first().copied().filter(|(at, _)| *at <= now) {
            self.waiting.pop_first();
            self.ready.insert(seq);
            // It waits for nothing any more, whoever looks at its lane next.
            if let Some(tried) = self.failed.get_mut(&seq) {
                tried.again = None;
            }
        }
        let seq = self.ready.pop_first()?;
        let lane = self.keys.get(&seq).and_then(|key| self.lanes.get_mut(key))?;
        lane.under_way = Some(seq);
        self.under_way += 1;
        Some(seq)
    }

    /// When the next failed one may be tried again, if there is room for it.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let has_room = self.under_way < self.policy.at_once_max.max(1);
        self.waiting.first().map(|(at, _)| *at).filter(|_| has_room)
    }

    /// How often a notice failed, as far as is known.
    pub(super) fn tries(&self, seq: u64) -> u32 {
        self.failed.get(&seq).map_or(0, |tried| tried.times)
    }

    /// A notice was dealt with. Says what is to be remembered.
    pub(super) fn succeed(&mut self, seq: u64) -> Mark {
        if let Some(key) = self.land(seq) {
            self.failed.remove(&seq);
            self.settle(seq, &key);
        }
        if seq > self.read {
            self.early.insert(seq);
        }
        Mark::Done(seq)
    }

    /// A notice was not dealt with. Says what is to be remembered; nothing when it is tried again.
    pub(super) fn fail(&mut self, seq: u64, reason: &str, now: Timestamp) -> Vec<Mark> {
        let Some(key) = self.land(seq) else { return Vec::new() };
        let is_queued = self.lanes.get(&key).is_some_and(|lane| lane.queue.contains(&seq));
        // Otherwise it was rewound over while it was under way, or is still to be offered.
        if !is_queued && seq <= self.read {
            return Vec::new();
        }
        let Policy { tries_max, backoff, backoff_max, parked_max, .. } = self.policy;
        let tried = self.failed.entry(seq).or_default();
        tried.times = tried.times.saturating_add(1);
        tried.again = Some(now.plus(wait_after(tried.times, backoff, backoff_max)));
        let mut marks = Vec::new();
        if is_queued && tried.times >= tries_max && self.parked < parked_max {
            marks.push(Mark::Park(seq, Cause::Failed { reason: shortened(reason) }));
            self.set_aside(seq, &key);
            marks.extend(self.hold_behind(seq, &key));
        }
        self.show_head(&key);
        marks
    }

    /// Of which session each notice is that is parked.
    pub(super) fn parked_keys(&self) -> BTreeMap<u64, SessionKey> {
        let parked = self.lanes.iter().flat_map(|(key, lane)| lane.parked.iter().map(move |seq| (*seq, key.clone())));
        parked.collect()
    }

    /// Puts a notice into its lane, behind what is parked there if anything is.
    fn queue(&mut self, seq: u64, key: &SessionKey) -> Offered {
        let has_room = self.parked < self.policy.parked_max;
        let lane = self.lane(seq, key);
        // Behind what waits for room among the parked, it waits, too.
        let holds = |first: &u64| *first < seq && has_room && lane.queue.is_empty();
        if let Some(first) = lane.parked.first().copied().filter(holds) {
            lane.parked.insert(seq);
            self.parked += 1;
            return Offered::Held(Mark::Park(seq, Cause::Held { behind: first }));
        }
        lane.queue.insert(seq);
        self.show_head(key);
        Offered::Queued
    }

    /// Parks whatever is queued in a lane behind a notice, as far as there is room.
    fn hold_behind(&mut self, seq: u64, key: &SessionKey) -> Vec<Mark> {
        let held = self.lanes.get(key).map(|lane| lane.queue.range(seq..).copied().collect::<Vec<_>>());
        let room = self.policy.parked_max.saturating_sub(self.parked);
        let held = held.into_iter().flatten().take(room);
        let mark = |held| {
            self.set_aside(held, key);
            Mark::Park(held, Cause::Held { behind: seq })
        };
        held.map(mark).collect()
    }

    /// From the queue to the parked ones.
    fn set_aside(&mut self, seq: u64, key: &SessionKey) {
        self.open.remove(&seq);
        self.failed.remove(&seq);
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.queue.remove(&seq);
            lane.parked.insert(seq);
            self.parked += 1;
        }
    }

    /// It is under way no more. Of which session it is.
    fn land(&mut self, seq: u64) -> Option<SessionKey> {
        let key = self.keys.get(&seq)?.clone();
        let lane = self.lanes.get_mut(&key).filter(|lane| lane.under_way == Some(seq))?;
        lane.under_way = None;
        self.under_way -= 1;
        if !lane.queue.contains(&seq) {
            self.settle(seq, &key);
        }
        Some(key)
    }

    /// Lets go of a notice, and of its lane when nothing else is in it.
    fn settle(&mut self, seq: u64, key: &SessionKey) {
        self.open.remove(&seq);
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.queue.remove(&seq);
            if !lane.parked.contains(&seq) {
                self.keys.remove(&seq);
            }
            if lane.queue.is_empty() && lane.parked.is_empty() {
                self.lanes.remove(key);
            }
        }
        self.show_head(key);
    }

    /// Puts the head of a lane where it is found, if it may go.
    fn show_head(&mut self, key: &SessionKey) {
        let Some(lane) = self.lanes.get(key).filter(|lane| lane.under_way.is_none()) else { return };
        let Some(head) = lane.queue.first() else { return };
        if lane.parked.first().is_some_and(|parked| parked < head) {
            return;
        }
        match self.failed.get(head).and_then(|tried| tried.again) {
            Some(at) => drop(self.waiting.insert((at, *head))),
            None => drop(self.ready.insert(*head)),
        }
    }

    fn lane(&mut self, seq: u64, key: &SessionKey) -> &mut Lane {
        self.keys.insert(seq, key.clone());
        self.lanes.entry(key.clone()).or_default()
    }
}

/// How long to wait after so many failures: twice as long each time.
fn wait_after(times: u32, backoff: Duration, backoff_max: Duration) -> Duration {
    let doubled = 1_u32.checked_shl(times.saturating_sub(1)).unwrap_or(u32::MAX);
    backoff.saturating_mul(doubled).min(backoff_max)
}

/// As much of a reason as is kept.
fn shortened(reason: &str) -> String {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason[..end].to_owned()
}
