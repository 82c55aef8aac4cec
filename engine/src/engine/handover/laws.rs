//! What [`Dispatch`] promises, whatever happens: handlers fail and succeed in any order, time passes or does
//! not, processes end, people retry and skip.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::Policy;
use super::dispatch::{Dispatch, Offered};
use crate::engine::consumers::{release_orphans, retry_all, retry_one, skip};
use crate::live::SessionKey;
use crate::log::{Cause, Consumer, Mark};
use crate::timestamp::Timestamp;

const BACKOFF: Duration = Duration::from_secs(4);
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// An outbox, a log, and handlers that fail so and so often.
struct World {
    policy: Policy,
    /// Of which session each notice is, and how often it fails yet.
    notices: Vec<(u8, u32)>,
    consumer: Consumer,
    dispatch: Dispatch,
    /// The consumer was changed, and whoever hands over has not learned of it.
    is_stale: bool,
    now: Timestamp,
    under_way: BTreeSet<u64>,
    /// Since when each may be tried again, and how often it failed since it was last told of.
    failed: BTreeMap<u64, (Timestamp, u32)>,
    succeeded: BTreeSet<u64>,
    skipped: BTreeSet<u64>,
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
    (1..5_usize, 1..4_u32, 1..12_usize, 0..6_usize).prop_map(|(at_once_max, tries_max, window_max, parked_max)| {
        Policy {
            at_once_max,
            tries_max,
            window_max,
            parked_max,
            backoff: BACKOFF,
            backoff_max: BACKOFF_MAX,
            ..Policy::default()
        }
    })
}

impl World {
    fn new(policy: Policy, notices: Vec<(u8, u32)>) -> World {
        World {
            policy,
            notices,
            consumer: Consumer::new("a", 0),
            dispatch: Dispatch::new(policy, 0),
            is_stale: false,
            now: Timestamp::from_unix(1_800_000_000, 0, 0).unwrap(),
            under_way: BTreeSet::new(),
            failed: BTreeMap::new(),
            succeeded: BTreeSet::new(),
            skipped: BTreeSet::new(),
        }
    }

    fn last(&self) -> u64 {
        self.notices.len() as u64
    }

    fn session(&self, seq: u64) -> u8 {
        self.notices[seq as usize - 1].0
    }

    fn key(&self, seq: u64) -> SessionKey {
        SessionKey { source: "a".into(), subject: "session".into(), id: self.session(seq).to_string() }
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
                self.failed.clear();
                self.dispatch = Dispatch::new(self.policy, 0);
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
            assert!(self.consumer.is_news(mark), "{mark:?} says nothing new of {:?}", self.consumer);
            self.consumer.take(mark);
            assert!(self.consumer.parked().count() <= self.policy.parked_max, "{:?}", self.consumer);
        }
    }

    fn change(&mut self, marks: &[Mark], told: bool) {
        self.mark_all(marks);
        self.is_stale = true;
        if told {
            self.load();
        }
    }

    /// As the worker does it.
    fn load(&mut self) {
        self.is_stale = false;
        self.mark_all(&release_orphans(&self.consumer));
        let before = std::mem::replace(&mut self.dispatch, Dispatch::new(self.policy, 0));
        self.dispatch = before.again(&self.consumer);
        let parked: Vec<u64> = self.consumer.parked().map(|(seq, _)| seq).collect();
        for seq in parked {
            self.dispatch.park(seq, &self.key(seq));
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
        assert!(self.consumer.is_open(seq), "{seq} is settled: {:?}", self.consumer);
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
        let fails = &mut self.notices[seq as usize - 1].1;
        if *fails == 0 {
            self.succeeded.insert(seq);
            let mark = self.dispatch.succeed(seq);
            self.mark_all(&[mark]);
            return;
        }
        *fails -= 1;
        let marks = self.dispatch.fail(seq, "no", self.now);
        self.mark_all(&marks);
        let (again, times) = self.failed.entry(seq).or_insert((self.now, 0));
        *times += 1;
        *again = self.now.plus(BACKOFF.saturating_mul(1 << (*times - 1).min(5)).min(BACKOFF_MAX));
        if self.consumer.parked().any(|(parked, _)| parked == seq) {
            assert!(*times >= self.policy.tries_max, "{seq} is parked after {times} tries");
            self.failed.remove(&seq);
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
        assert!(!has_room || self.consumer.behind(self.last()) == 0, "{:?}", self.consumer);
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
        notices in vec((0_u8..4, prop_oneof![3 => Just(0_u32), 1 => 1..9_u32]), 1..24),
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
