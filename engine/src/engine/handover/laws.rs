//! What [`Dispatch`] promises, whatever happens: handlers fail and succeed in any order, time passes or does
//! not, processes end, people retry and skip.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::dispatch::{Dispatch, Offered};
use super::{Failure, Policy, Schedule, Then};
use crate::engine::StartAt;
use crate::engine::consumers::{release_orphans, retry_all, retry_one, skip};
use crate::live::SessionKey;
use crate::log::{Cause, Consumer, Mark};
use crate::timestamp::Timestamp;

const BACKOFF: Duration = Duration::from_secs(4);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// What waits so long is set aside, if anything is.
const LONG: Duration = Duration::from_secs(8);

/// An outbox, a log, and handlers that fail so and so often.
struct World {
    policy: Policy,
    /// Of which session each notice is, and how it fails yet, the last first.
    notices: Vec<(u8, Vec<Fault>)>,
    consumer: Consumer,
    dispatch: Dispatch,
    /// The consumer was changed, and whoever hands over has not learned of it.
    is_stale: bool,
    now: Timestamp,
    under_way: BTreeSet<u64>,
    /// Since when each may be tried again, and how often it failed since it was last told of.
    failed: BTreeMap<u64, (Timestamp, u32)>,
    /// Until when nothing may be handed over.
    paused_until: Timestamp,
    succeeded: BTreeSet<u64>,
    skipped: BTreeSet<u64>,
    /// What people let go on, and whoever hands over has not learned of it.
    freed: BTreeSet<u64>,
}

/// What a handler says of its failure; times are seconds from now.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Schedule,
    At(u64),
    Pause(u64),
    Park,
    Close,
}

fn faults() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => Just(Fault::Schedule),
        2 => (0..20_u64).prop_map(Fault::At),
        1 => (0..20_u64).prop_map(Fault::Pause),
        1 => Just(Fault::Park),
        1 => Just(Fault::Close),
    ]
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Offer,
    Start,
    /// One of those under way.
    Land(usize),
    Pass(u64),
    /// The process ends, and what is under way with it.
    Restart,
    /// Begins anew with what is under way.
    Reload,
    /// With `false`, whoever hands over learns of it later.
    RetryAll(bool),
    RetryOne(usize, bool),
    Skip(usize, bool),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Offer),
        6 => Just(Step::Start),
        8 => (0_usize..8).prop_map(Step::Land),
        4 => (0_u64..12).prop_map(Step::Pass),
        1 => Just(Step::Restart),
        1 => Just(Step::Reload),
        1 => any::<bool>().prop_map(Step::RetryAll),
        1 => (0_usize..8, any::<bool>()).prop_map(|(which, told)| Step::RetryOne(which, told)),
        1 => (0_usize..8, any::<bool>()).prop_map(|(which, told)| Step::Skip(which, told)),
    ]
}

fn policies() -> impl Strategy<Value = Policy> {
    let schedules = prop_oneof![
        Just(Schedule::Doubling { first: BACKOFF, longest: BACKOFF_MAX }),
        vec((0..12_u64).prop_map(Duration::from_secs), 0..4).prop_map(|delays| Schedule::Delays(delays.into())),
    ];
    (1..5_usize, 1..4_u32, 1..12_usize, 0..6_usize, schedules, any::<bool>()).prop_map(
        |(at_once_max, tries_max, window_max, parked_max, schedule, has_aside)| {
            let aside_after = has_aside.then_some(LONG);
            let start = StartAt::Oldest;
            Policy { start, at_once_max, in_order: true, tries_max, schedule, aside_after, window_max, parked_max }
        },
    )
}

impl World {
    fn new(policy: Policy, notices: Vec<(u8, Vec<Fault>)>) -> World {
        let now = Timestamp::from_unix(1_800_000_000, 0, 0).unwrap();
        World {
            policy: policy.clone(),
            notices,
            consumer: Consumer::new("a", 0),
            dispatch: Dispatch::new(policy, 0),
            is_stale: false,
            now,
            under_way: BTreeSet::new(),
            failed: BTreeMap::new(),
            paused_until: now,
            succeeded: BTreeSet::new(),
            skipped: BTreeSet::new(),
            freed: BTreeSet::new(),
        }
    }

    fn last(&self) -> u64 {
        self.notices.len() as u64
    }

    fn session(&self, seq: u64) -> u8 {
        self.notices[seq as usize - 1].0
    }

    fn key(&self, seq: u64) -> SessionKey {
        SessionKey::new("a", "session", &self.session(seq).to_string())
    }

    fn take(&mut self, step: Step) {
        let parked: Vec<u64> = self.consumer.parked().map(|(seq, _)| seq).collect();
        let chosen = |which: usize| (!parked.is_empty()).then(|| parked[which % parked.len()]);
        match step {
            Step::Offer => self.offer(),
            Step::Start => drop(self.start()),
            Step::Land(which) => {
                if let Some(seq) = self.under_way.iter().nth(which % self.under_way.len().max(1)).copied() {
                    self.land(seq);
                }
            }
            Step::Pass(seconds) => self.now = self.now.plus(Duration::from_secs(seconds)),
            Step::Restart => {
                self.under_way.clear();
                // What the log remembers is not forgotten.
                let (consumer, failed) = (&self.consumer, &mut self.failed);
                failed.retain(|seq, _| consumer.parked().any(|(parked, _)| parked == *seq));
                self.paused_until = self.now;
                self.dispatch = Dispatch::new(self.policy.clone(), 0);
                self.load();
            }
            Step::Reload => self.load(),
            Step::RetryAll(told) => self.change(&retry_all(&self.consumer), told),
            Step::RetryOne(which, told) => {
                if let Some(seq) = chosen(which) {
                    self.change(&retry_one(&self.consumer, seq), told);
                }
            }
            Step::Skip(which, told) => {
                if let Some(seq) = chosen(which) {
                    self.skipped.insert(seq);
                    self.change(&skip(&self.consumer, seq), told);
                }
            }
        }
    }

    fn mark_all(&mut self, marks: &[Mark]) {
        for mark in marks {
            let is_late = matches!(mark, Mark::Park(seq, _) | Mark::Done(seq) if self.skipped.contains(seq));
            assert!(is_late || self.consumer.is_news(mark), "{mark:?} says nothing new of {:?}", self.consumer);
            self.consumer.take(mark);
            assert!(self.consumer.parked().count() <= self.policy.parked_max, "{:?}", self.consumer);
        }
    }

    fn change(&mut self, marks: &[Mark], told: bool) {
        for mark in marks {
            if let Mark::Release(seq) = mark {
                self.freed.insert(*seq);
            }
        }
        self.mark_all(marks);
        self.is_stale = true;
        if told {
            self.load();
        }
    }

    /// As the worker does it.
    fn load(&mut self) {
        self.is_stale = false;
        // What people let go on waits for no time.
        for seq in std::mem::take(&mut self.freed) {
            self.failed.remove(&seq);
        }
        self.mark_all(&release_orphans(&self.consumer));
        let before = std::mem::replace(&mut self.dispatch, Dispatch::new(self.policy.clone(), 0));
        self.dispatch = before.again(&self.consumer);
        for (seq, cause) in self.consumer.parked() {
            self.dispatch.park(seq, &self.key(seq), cause);
        }
        let released: Vec<u64> = self.consumer.released().collect();
        for seq in released {
            let offered = self.dispatch.release(seq, &self.key(seq));
            self.remember(&offered);
        }
        let known = self.consumer.clone();
        let settled = known.standing.last_key_value().map_or(0, |(last, _)| *last);
        for seq in known.acknowledged + 1..=settled {
            if known.is_open(seq) {
                self.offer_one(seq);
            } else {
                self.dispatch.pass(seq);
            }
        }
    }

    fn offer(&mut self) {
        let from = self.dispatch.read() + 1;
        let room = self.dispatch.room() as u64;
        for seq in from..(from + room).min(self.last() + 1) {
            self.offer_one(seq);
        }
        // What is remembered one by one is bounded. What was let go on without its knowing may add to it once.
        let span = self.dispatch.read().saturating_sub(self.consumer.acknowledged);
        assert!(
            self.is_stale || room == 0 || span <= self.policy.window_max as u64,
            "{span} places are open: {:?}",
            self.consumer
        );
    }

    fn offer_one(&mut self, seq: u64) {
        let offered = self.dispatch.offer(seq, &self.key(seq));
        self.remember(&offered);
    }

    fn remember(&mut self, offered: &Offered) {
        if let Offered::Held(mark) = offered {
            self.mark_all(std::slice::from_ref(mark));
        }
    }

    fn start(&mut self) -> bool {
        let Some(seq) = self.dispatch.next(self.now) else { return false };
        let of_session = |other: &u64| self.session(*other) == self.session(seq);
        let cause = |seq| self.consumer.parked().find(|(parked, _)| *parked == seq).map(|(_, cause)| cause);
        if let Some(Cause::Later { tries, again, .. }) = cause(seq) {
            assert!(self.is_stale || self.now >= *again, "{seq} is tried before its time");
            assert_eq!(self.dispatch.tries(seq), *tries);
        } else {
            // What waits for its time may be skipped just before it.
            let is_skipped = self.is_stale && self.skipped.contains(&seq);
            assert!(is_skipped || self.consumer.is_open(seq), "{seq} is settled: {:?}", self.consumer);
        }
        let closed = self.consumer.parked().find(|(_, cause)| matches!(cause, Cause::Closed { .. }));
        assert!(self.is_stale || closed.is_none(), "{seq} is handed over, and {closed:?}");
        assert!(self.now >= self.paused_until, "{seq} is handed over in a pause");
        assert!(!self.under_way.iter().any(of_session), "two of a session are under way, {seq} is one");
        assert!(self.under_way.len() < self.policy.at_once_max);
        for before in (1..seq).filter(of_session) {
            let is_parked = self.consumer.parked().any(|(parked, _)| parked == before);
            assert!(!is_parked && !self.consumer.is_open(before), "{seq} before {before}: {:?}", self.consumer);
        }
        if let Some((again, _)) = self.failed.get(&seq) {
            assert!(self.now >= *again, "{seq} is tried before its time");
        }
        self.under_way.insert(seq);
        true
    }

    fn land(&mut self, seq: u64) {
        self.under_way.remove(&seq);
        let Some(fault) = self.notices[seq as usize - 1].1.pop() else {
            self.succeeded.insert(seq);
            let was_aside = self.dispatch.is_aside(seq);
            let mark = self.dispatch.succeed(seq);
            self.mark_all(&[mark]);
            if was_aside {
                self.load();
            }
            return;
        };
        let at = |seconds| self.now.plus(Duration::from_secs(seconds));
        let then = match fault {
            Fault::Schedule => Then::Schedule,
            Fault::At(seconds) => Then::At(at(seconds)),
            Fault::Pause(seconds) => Then::Pause(at(seconds)),
            Fault::Park => Then::Park,
            Fault::Close => Then::Close,
        };
        // Who was rewound over has nothing to say.
        let parked =
            |world: &World| world.consumer.parked().find(|(parked, _)| *parked == seq).map(|(_, cause)| cause.clone());
        let counts = self.consumer.is_open(seq) || matches!(parked(self), Some(Cause::Later { .. }));
        let before = parked(self);
        let marks = self.dispatch.fail(seq, &Failure::new("no", then), self.now);
        self.mark_all(&marks);
        let times = self.failed.get(&seq).map_or(1, |(_, times)| times + 1);
        let by_schedule = self.now.plus(self.policy.schedule.wait_after(times));
        let (due, may_end) = match then {
            Then::Schedule => (by_schedule, times >= self.policy.tries_max),
            Then::At(at) => (at, false),
            Then::Pause(until) => {
                if counts {
                    self.paused_until = self.paused_until.max(until);
                }
                (until, false)
            }
            Then::Park | Then::Close => (by_schedule, true),
        };
        self.failed.insert(seq, (due, times));
        if marks.iter().any(|mark| matches!(mark, Mark::Park(parked, _) if *parked == seq)) {
            self.freed.remove(&seq);
        }
        let after = parked(self);
        match &after {
            Some(Cause::Failed { .. } | Cause::Closed { .. }) if after != before => {
                assert!(may_end, "{seq} is parked after {times} tries, by {then:?}");
                assert_eq!(matches!(after, Some(Cause::Closed { .. })), then == Then::Close);
                self.failed.remove(&seq);
            }
            Some(Cause::Later { tries, again, .. }) if after != before => {
                assert!(!may_end && self.policy.aside_after.is_some() && *tries == times && *again == due);
            }
            _ => {}
        }
    }

    /// With nothing more to do: what is held is held behind something, and nothing is only waiting behind what
    /// is parked, as long as there is room among the parked.
    fn check_parked(&self) {
        let parked: BTreeMap<u64, &Cause> = self.consumer.parked().collect();
        for cause in parked.values() {
            assert!(!matches!(cause, Cause::Held { behind } if !parked.contains_key(behind)), "{parked:?}");
        }
        let has_room = parked.len() < self.policy.parked_max;
        let is_closed = parked.values().any(|cause| matches!(cause, Cause::Closed { .. }));
        assert!(is_closed || !has_room || self.consumer.behind(self.last()) == 0, "{:?}", self.consumer);
    }

    /// Until nothing is left to be done, with people who retry whatever is parked.
    fn finish(&mut self) {
        self.load();
        for _ in 0..10_000 {
            let read = self.dispatch.read();
            self.offer();
            while self.start() {}
            if self.dispatch.read() > read {
                continue;
            }
            if let Some(seq) = self.under_way.first().copied() {
                self.land(seq);
            } else if let Some(due) = self.dispatch.due() {
                self.now = self.now.max(due);
            } else if self.consumer.parked().next().is_some() {
                self.load();
                self.check_parked();
                self.take(Step::RetryAll(true));
            } else if self.consumer.acknowledged == self.last() {
                return;
            }
        }
        panic!("it never ends: {:?}, {:?}", self.consumer, self.dispatch);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1_024, ..ProptestConfig::default() })]

    #[test]
    fn every_notice_is_dealt_with_in_the_order_of_its_session(
        policy in policies(),
        notices in vec((0_u8..4, prop_oneof![3 => Just(Vec::new()), 1 => vec(faults(), 1..9)]), 1..24),
        steps in vec(steps(), 0..120),
    ) {
        let mut world = World::new(policy, notices);
        for step in steps {
            world.take(step);
        }
        world.finish();
        prop_assert_eq!(&world.consumer, &Consumer::new("a", world.last()));
        let dealt: BTreeSet<u64> = world.succeeded.union(&world.skipped).copied().collect();
        prop_assert_eq!(dealt, (1..=world.last()).collect::<BTreeSet<u64>>());
    }
}

/// Two notices of one session, of which the first fails until much later: what is handed over meanwhile.
#[track_caller]
fn check_order(in_order: bool, expected: &[u64]) {
    let now = Timestamp::from_unix(1_800_000_000, 0, 0).unwrap();
    let key = SessionKey::new("desk", "session", "s");
    let policy = Policy { in_order, aside_after: Some(LONG), ..Policy::default() };
    let mut dispatch = Dispatch::new(policy, 0);
    dispatch.offer(1, &key);
    dispatch.offer(2, &key);
    assert_eq!(dispatch.next(now), Some(1));
    let _ = dispatch.fail(1, &Failure::new("not yet", Then::At(now.plus(LONG))), now);
    let handed_over: Vec<u64> = std::iter::from_fn(|| dispatch.next(now)).collect();
    assert_eq!(handed_over, expected);
    // What was set aside comes again in its time.
    assert_eq!(dispatch.next(now.plus(LONG)), Some(1));
}

#[test]
fn within_a_session_none_overtakes_unless_no_order_is_wanted() {
    check_order(true, &[]);
    check_order(false, &[2]);
}
