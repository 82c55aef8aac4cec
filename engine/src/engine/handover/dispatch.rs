//! What may be handed over next, when it is tried again, and what is to be remembered of it.
//!
//! A function of values: notices and outcomes go in, with the time where it matters; places to hand over and
//! marks for the log come out. Whoever carries them out may stop at any point, and begin anew from what the
//! log has: nothing here is needed for that.
//!
//! Each session is a lane. Of a lane one notice at a time is under way, the first that is open, and none that
//! stands behind a parked one: so the order within a session holds. Lanes know nothing of each other. Where no
//! order is wanted, each notice has a lane of its own.
//!
//! What is tried again much later is parked, too, with the time: the log then remembers it, and the mark goes on
//! over it. It is handed over when its time has come, as the first of its lane, and parked again if it fails.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::Policy;
use super::failure::{Failure, Then};
use crate::live::SessionKey;
use crate::log::{Cause, Consumer, Mark, REASON_BYTES_MAX};
use crate::timestamp::Timestamp;

/// What is to be handed over, and how it went so far.
#[derive(Debug)]
pub(super) struct Dispatch {
    policy: Policy,
    lanes: BTreeMap<SessionKey, Lane>,
    /// In which lane each notice is that is queued, parked or under way.
    keys: BTreeMap<u64, SessionKey>,
    /// Heads of lanes that may go now.
    ready: BTreeSet<u64>,
    /// Heads of lanes that failed, by when they are tried again.
    waiting: BTreeSet<(Timestamp, u64)>,
    under_way: usize,
    parked: usize,
    /// What is parked until its time.
    later: BTreeMap<u64, Tried>,
    /// What is parked, and closes the consumer. Nothing is handed over while there is any.
    closed: BTreeSet<u64>,
    /// Nothing is handed over before.
    paused_until: Option<Timestamp>,
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

impl Lane {
    /// The first that is not dealt with, parked or not.
    fn head(&self) -> Option<u64> {
        self.queue.first().into_iter().chain(self.parked.first()).min().copied()
    }
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
            later: BTreeMap::new(),
            closed: BTreeSet::new(),
            paused_until: None,
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
        again.paused_until = self.paused_until;
        again.failed = self.failed;
        again.failed.retain(|seq, _| consumer.is_open(*seq));
        for (key, seq) in self.lanes.iter().filter_map(|(key, lane)| Some((key, lane.under_way?))) {
            again.lane(seq, key).under_way = Some(seq);
            again.under_way += 1;
        }
        again
    }

    /// A notice that is parked.
    pub(super) fn park(&mut self, seq: u64, key: &SessionKey, cause: &Cause) {
        let key = &*self.lane_key(seq, key);
        self.parked += usize::from(self.lane(seq, key).parked.insert(seq));
        match cause {
            Cause::Later { tries, again, .. } => {
                self.later.insert(seq, Tried { times: *tries, again: Some(*again) });
                self.show_head(key);
            }
            Cause::Closed { .. } => drop(self.closed.insert(seq)),
            Cause::Failed { .. } | Cause::Held { .. } => {}
        }
    }

    /// A notice that was parked, and is to be handed over again; unless one before it was parked meanwhile.
    pub(super) fn release(&mut self, seq: u64, key: &SessionKey) -> Offered {
        let key = &*self.lane_key(seq, key);
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
        let key = &*self.lane_key(seq, key);
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
        self.paused_until = self.paused_until.filter(|until| *until > now);
        if !self.has_room() || self.paused_until.is_some() {
            return None;
        }
        while let Some((_, seq)) = self.waiting.first().copied().filter(|(at, _)| *at <= now) {
            self.waiting.pop_first();
            self.ready.insert(seq);
            // It waits for nothing any more, whoever looks at its lane next.
            for tried in [self.failed.get_mut(&seq), self.later.get_mut(&seq)].into_iter().flatten() {
                tried.again = None;
            }
        }
        while let Some(seq) = self.ready.pop_first() {
            let lane = self.keys.get(&seq).and_then(|key| self.lanes.get_mut(key));
            // What another came before meanwhile is shown again when that one is dealt with.
            let Some(lane) = lane.filter(|lane| lane.under_way.is_none() && lane.head() == Some(seq)) else { continue };
            lane.under_way = Some(seq);
            self.under_way += 1;
            return Some(seq);
        }
        None
    }

    /// When something may be handed over that may not now, if there is room for it.
    pub(super) fn due(&self) -> Option<Timestamp> {
        if !self.has_room() {
            return None;
        }
        let waiting = self.waiting.first().map(|(at, _)| *at);
        match self.paused_until {
            Some(until) if !self.ready.is_empty() => Some(until),
            Some(until) => waiting.map(|at| at.max(until)),
            None => waiting,
        }
    }

    /// How often a notice failed, as far as is known.
    pub(super) fn tries(&self, seq: u64) -> u32 {
        self.later.get(&seq).or_else(|| self.failed.get(&seq)).map_or(0, |tried| tried.times)
    }

    /// Whether a notice is set aside until its time. When it is dealt with, what was held behind it is to be
    /// released: to begin anew with what the log has does that.
    pub(super) fn is_aside(&self, seq: u64) -> bool {
        self.later.contains_key(&seq)
    }

    /// A notice was dealt with. Says what is to be remembered.
    pub(super) fn succeed(&mut self, seq: u64) -> Mark {
        if let Some(key) = self.land(seq) {
            self.failed.remove(&seq);
            if self.later.remove(&seq).is_some() {
                let lane = self.lanes.get_mut(&key);
                self.parked -= usize::from(lane.is_some_and(|lane| lane.parked.remove(&seq)));
            }
            self.settle(seq, &key);
        }
        if seq > self.read {
            self.early.insert(seq);
        }
        Mark::Done(seq)
    }

    /// A notice was not dealt with. Says what is to be remembered; nothing when it is tried again soon.
    pub(super) fn fail(&mut self, seq: u64, failure: &Failure, now: Timestamp) -> Vec<Mark> {
        let Some(key) = self.land(seq) else { return Vec::new() };
        let (is_later, is_queued) = (self.is_aside(seq), self.is_queued(seq, &key));
        // Otherwise it was rewound over while it was under way, or is still to be offered.
        if !is_later && !is_queued && seq <= self.read {
            return Vec::new();
        }
        let times = self.tries(seq).saturating_add(1);
        let by_schedule = now.plus(self.policy.schedule.wait_after(times));
        let reason = || shortened(&failure.reason);
        let (again, end) = match failure.then {
            Then::Schedule => {
                let end = (times >= self.policy.tries_max).then(|| Cause::Failed { reason: reason() });
                (by_schedule, end)
            }
            Then::At(at) => (at, None),
            Then::Pause(until) => {
                self.paused_until = self.paused_until.max(Some(until));
                (until, None)
            }
            Then::Park => (by_schedule, Some(Cause::Failed { reason: reason() })),
            Then::Close => (by_schedule, Some(Cause::Closed { reason: reason() })),
        };
        let is_long = self.policy.aside_after.is_some_and(|long| again >= now.plus(long));
        let later = || (is_later || is_long).then(|| Cause::Later { reason: reason(), tries: times, again });
        // What is parked already takes no more room.
        let has_room = is_later || is_queued && self.parked < self.policy.parked_max;
        let cause = end.or_else(later).filter(|_| has_room);
        let tried = Tried { times, again: Some(again) };
        let mut marks = Vec::new();
        if let Some(cause) = cause {
            if is_queued {
                self.set_aside(seq, &key);
            }
            self.later.remove(&seq);
            match cause {
                Cause::Later { .. } => drop(self.later.insert(seq, tried)),
                Cause::Closed { .. } => drop(self.closed.insert(seq)),
                Cause::Failed { .. } | Cause::Held { .. } => {}
            }
            marks.push(Mark::Park(seq, cause));
            if is_queued {
                marks.extend(self.hold_behind(seq, &key));
            }
        } else {
            self.failed.insert(seq, tried);
        }
        self.show_head(&key);
        marks
    }

    /// In which lane each notice is that is parked.
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
        if !lane.queue.contains(&seq) && !self.later.contains_key(&seq) {
            self.settle(seq, &key);
        }
        Some(key)
    }

    fn is_queued(&self, seq: u64, key: &SessionKey) -> bool {
        self.lanes.get(key).is_some_and(|lane| lane.queue.contains(&seq))
    }

    /// Whether anything more may be under way.
    fn has_room(&self) -> bool {
        self.closed.is_empty() && self.under_way < self.policy.at_once_max.max(1)
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
        let Some(head) = lane.head() else { return };
        let tried = match self.later.get(&head) {
            Some(tried) => Some(tried),
            None if lane.parked.contains(&head) => return,
            None => self.failed.get(&head),
        };
        match tried.and_then(|tried| tried.again) {
            Some(at) => drop(self.waiting.insert((at, head))),
            None => drop(self.ready.insert(head)),
        }
    }

    /// In which lane a notice waits: that of its session, or one of its own.
    fn lane_key<'k>(&self, seq: u64, key: &'k SessionKey) -> Cow<'k, SessionKey> {
        if self.policy.in_order {
            return Cow::Borrowed(key);
        }
        Cow::Owned(SessionKey::new("", "", &seq.to_string()))
    }

    fn lane(&mut self, seq: u64, key: &SessionKey) -> &mut Lane {
        self.keys.insert(seq, key.clone());
        self.lanes.entry(key.clone()).or_default()
    }
}

/// As much of a reason as is kept.
fn shortened(reason: &str) -> String {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason[..end].to_owned()
}
