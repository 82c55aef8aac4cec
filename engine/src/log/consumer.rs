//! What a log remembers of a consumer, and what a mark makes of it.
//!
//! A consumer has a low mark, and a few notices that stand otherwise than the mark alone says:
//!
//! ```text
//!            acknowledged
//! 1 2 3 4 5 6 │ 7 8 9 10 11 …
//!     p   r   │   d p  d        d: done   p: parked   r: released, to be handed over again
//! ```
//!
//! Done and parked notices are settled, and the mark moves over them as soon as nothing before them is
//! open: what is done is kept one by one only while something older is not, and a parked notice holds the
//! mark back no more than it holds back other sessions. Each mark says what is so, and not what is to be
//! computed: whoever hands over can say it late, or twice, and does no harm.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::timestamp::Timestamp;

/// A consumer of notices, as a log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// Its name.
    pub name: String,
    /// All notices up to this one are settled, but for those that are released.
    pub acknowledged: u64,
    /// Notices that stand otherwise than `acknowledged` says, by their place.
    pub standing: BTreeMap<u64, Standing>,
}

/// Where one notice stands with a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is dealt with, and something before it is not.
    Done,
    /// It is set aside, until somebody says what is to become of it.
    Parked(Cause),
    /// It was parked, and is to be handed over again.
    Released,
}

/// Why a notice is parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was tried, and failed as often as it may, or so that there is no use in trying again.
    Failed {
        /// The last failure, at most [`REASON_BYTES_MAX`] bytes.
        reason: String,
    },
    /// A notice of the same session that comes before it is parked.
    Held {
        /// The place of that one.
        behind: u64,
    },
    /// It failed, and is tried again by itself, so late that the mark does not wait for it.
    Later {
        /// The last failure, at most [`REASON_BYTES_MAX`] bytes.
        reason: String,
        /// How often it failed.
        tries: u32,
        /// When it is tried again.
        again: Timestamp,
    },
    /// It failed for a reason that holds for the whole consumer: nothing more is handed over to it, until this
    /// one is released or dealt with.
    Closed {
        /// Why, at most [`REASON_BYTES_MAX`] bytes.
        reason: String,
    },
}

impl Cause {
    /// Why it failed; nothing of one that was not tried.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Cause::Failed { reason } | Cause::Later { reason, .. } | Cause::Closed { reason } => Some(reason),
            Cause::Held { .. } => None,
        }
    }

    /// The same with another reason, where there is one.
    #[must_use]
    pub fn with_reason(self, new: &str) -> Cause {
        let reason = new.to_owned();
        match self {
            Cause::Failed { .. } => Cause::Failed { reason },
            Cause::Later { tries, again, .. } => Cause::Later { reason, tries, again },
            Cause::Closed { .. } => Cause::Closed { reason },
            Cause::Held { behind } => Cause::Held { behind },
        }
    }
}

/// Bytes of the reason for which a notice is parked: it is a small value wherever it is kept.
pub const REASON_BYTES_MAX: usize = 512;

/// Something to be remembered of a consumer. The same mark twice is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// One that is not known begins behind this place; to one that is known it says nothing. Every other
    /// mark says nothing to one that is not known.
    Begin(u64),
    /// All up to this place are dealt with, but for those that are parked or released. Never goes back.
    UpTo(u64),
    /// The notice at this place is dealt with.
    Done(u64),
    /// The notice at this place is parked, unless it was dealt with.
    Park(u64, Cause),
    /// The parked notice at this place is to be handed over again.
    Release(u64),
    /// It goes on behind this place, wherever that is: what is after it counts as never handed over. What is
    /// parked or released before it stays so.
    Reset(u64),
}

impl Consumer {
    /// A consumer that begins behind a place of the outbox: 0 is before the first.
    #[must_use]
    pub fn new(name: impl Into<String>, acknowledged: u64) -> Consumer {
        Consumer { name: name.into(), acknowledged, standing: BTreeMap::new() }
    }

    /// Notices that are parked, and why.
    pub fn parked(&self) -> impl Iterator<Item = (u64, &Cause)> {
        self.standing.iter().filter_map(|(seq, standing)| match standing {
            Standing::Parked(cause) => Some((*seq, cause)),
            Standing::Done | Standing::Released => None,
        })
    }

    /// Notices that were parked and are to be handed over again.
    pub fn released(&self) -> impl Iterator<Item = u64> {
        self.standing.iter().filter(|(_, standing)| **standing == Standing::Released).map(|(seq, _)| *seq)
    }

    /// Whether a notice is still to be handed over.
    #[must_use]
    pub fn is_open(&self, seq: u64) -> bool {
        match self.standing.get(&seq) {
            Some(standing) => *standing == Standing::Released,
            None => seq > self.acknowledged,
        }
    }

    /// How many notices are still to be handed over when the outbox has `said` of them.
    #[must_use]
    pub fn behind(&self, said: u64) -> u64 {
        let settled = self.standing.range((Bound::Excluded(self.acknowledged), Bound::Unbounded)).count() as u64;
        let released = self.released().filter(|seq| *seq <= self.acknowledged).count() as u64;
        said.saturating_sub(self.acknowledged).saturating_sub(settled) + released
    }

    /// Whether a mark changes anything.
    #[must_use]
    pub fn is_news(&self, mark: &Mark) -> bool {
        match mark {
            Mark::Begin(_) => false,
            Mark::UpTo(seq) => *seq > self.acknowledged,
            Mark::Done(seq) => match self.standing.get(seq) {
                Some(standing) => *standing != Standing::Done,
                None => *seq > self.acknowledged,
            },
            Mark::Park(seq, cause) => match self.standing.get(seq) {
                Some(Standing::Done) => false,
                Some(Standing::Parked(known)) => known != cause,
                Some(Standing::Released) => true,
                None => *seq > self.acknowledged,
            },
            Mark::Release(seq) => matches!(self.standing.get(seq), Some(Standing::Parked(_))),
            Mark::Reset(seq) => {
                let after = self.standing.last_key_value().is_some_and(|(last, _)| last > seq);
                *seq != self.acknowledged || after
            }
        }
    }

    /// Takes a mark. Says at which places a notice has another entry in `standing` now, or none any more.
    pub fn take(&mut self, mark: &Mark) -> Vec<u64> {
        if !self.is_news(mark) {
            return Vec::new();
        }
        let mut changed = Vec::new();
        match mark {
            Mark::Begin(_) => {}
            Mark::UpTo(seq) => self.move_to(*seq, &mut changed),
            Mark::Done(seq) if *seq <= self.acknowledged => drop(self.standing.remove(seq)),
            Mark::Done(seq) => drop(self.standing.insert(*seq, Standing::Done)),
            Mark::Park(seq, cause) => drop(self.standing.insert(*seq, Standing::Parked(cause.clone()))),
            Mark::Release(seq) if *seq <= self.acknowledged => {
                drop(self.standing.insert(*seq, Standing::Released));
            }
            // Above the mark it is open without that being said.
            Mark::Release(seq) => drop(self.standing.remove(seq)),
            Mark::Reset(seq) => {
                changed.extend(self.standing.split_off(&seq.saturating_add(1)).into_keys());
                let back = *seq < self.acknowledged;
                self.move_to(*seq, &mut changed);
                if back {
                    self.acknowledged = *seq;
                }
            }
        }
        match mark {
            Mark::Done(seq) | Mark::Park(seq, _) | Mark::Release(seq) => changed.push(*seq),
            Mark::Begin(_) | Mark::UpTo(_) | Mark::Reset(_) => {}
        }
        while let Some(next) = self.acknowledged.checked_add(1).filter(|next| self.is_settled(*next)) {
            self.move_to(next, &mut changed);
        }
        changed
    }

    fn is_settled(&self, seq: u64) -> bool {
        matches!(self.standing.get(&seq), Some(Standing::Done | Standing::Parked(_)))
    }

    /// Moves the mark forward; what is done below it needs no saying any more.
    fn move_to(&mut self, seq: u64, changed: &mut Vec<u64>) {
        let before = changed.len();
        let passed = self.standing.range(self.acknowledged..=seq.max(self.acknowledged));
        changed.extend(passed.filter(|(_, standing)| **standing == Standing::Done).map(|(seq, _)| *seq));
        for seq in &changed[before..] {
            self.standing.remove(seq);
        }
        self.acknowledged = self.acknowledged.max(seq);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const LAST: u64 = 9;

    /// A consumer as anybody would first write it: what each notice is, one by one.
    #[derive(Debug)]
    struct Naive(Vec<Option<Standing>>);

    impl Naive {
        fn new(acknowledged: u64) -> Naive {
            Naive((1..=LAST).map(|seq| (seq <= acknowledged).then_some(Standing::Done)).collect())
        }

        /// All before the first that is open.
        fn acknowledged(&self) -> u64 {
            self.0.iter().take_while(|notice| notice.is_some()).count() as u64
        }

        fn take(&mut self, mark: &Mark) {
            let acknowledged = self.acknowledged();
            for (seq, notice) in (1..).zip(&mut self.0) {
                let is_open = notice.is_none();
                match mark {
                    Mark::UpTo(to) | Mark::Reset(to) if seq <= *to && is_open => *notice = Some(Standing::Done),
                    Mark::Reset(to) if seq > *to => *notice = None,
                    Mark::Done(done) if seq == *done => *notice = Some(Standing::Done),
                    Mark::Park(parked, cause) if seq == *parked && *notice != Some(Standing::Done) => {
                        *notice = Some(Standing::Parked(cause.clone()));
                    }
                    Mark::Release(released) if seq == *released && matches!(notice, Some(Standing::Parked(_))) => {
                        *notice = (seq <= acknowledged).then_some(Standing::Released);
                    }
                    _ => {}
                }
            }
        }

        fn consumer(&self) -> Consumer {
            let acknowledged = self.acknowledged();
            let stands = |(seq, standing): (u64, &Option<Standing>)| Some((seq, standing.clone()?));
            let said_by_mark = |seq: u64, standing: &Standing| seq <= acknowledged && *standing == Standing::Done;
            let standing = (1..).zip(&self.0).filter_map(stands);
            let standing = standing.filter(|(seq, standing)| !said_by_mark(*seq, standing)).collect();
            Consumer { standing, ..Consumer::new("a", acknowledged) }
        }
    }

    fn marks() -> impl Strategy<Value = Mark> {
        let seq = || 1..=LAST;
        let causes = prop_oneof![
            Just(Cause::Failed { reason: "no".to_owned() }),
            (1..=LAST).prop_map(|behind| Cause::Held { behind })
        ];
        prop_oneof![
            1 => seq().prop_map(Mark::UpTo),
            4 => seq().prop_map(Mark::Done),
            4 => (seq(), causes).prop_map(|(seq, cause)| Mark::Park(seq, cause)),
            3 => seq().prop_map(Mark::Release),
            1 => (0..=LAST).prop_map(Mark::Reset),
            1 => (0..=LAST).prop_map(Mark::Begin),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn says_of_each_notice_what_was_marked(begin in 0..=LAST, marks in vec(marks(), 0..40)) {
            let (mut naive, mut consumer) = (Naive::new(begin), Consumer::new("a", begin));
            for mark in marks {
                let (before, is_news) = (consumer.clone(), consumer.is_news(&mark));
                let changed = consumer.take(&mark);
                naive.take(&mark);
                prop_assert_eq!(&consumer, &naive.consumer(), "{:?} of {:?}", mark, before);
                prop_assert_eq!(is_news, consumer != before);
                // Whoever keeps entries one by one has to write these, and no others.
                for seq in 0..=LAST {
                    let differs = before.standing.get(&seq) != consumer.standing.get(&seq);
                    prop_assert!(!differs || changed.contains(&seq), "{seq} after {mark:?} of {before:?}");
                }
                let open = (1..=LAST).filter(|seq| consumer.is_open(*seq)).count() as u64;
                prop_assert_eq!(consumer.behind(LAST), open);
                // The same again is the same once.
                prop_assert!(!consumer.is_news(&mark) && consumer.take(&mark).is_empty());
            }
        }

        #[test]
        fn the_order_in_which_notices_are_settled_does_not_show(
            settled in Just((1..=LAST).collect::<Vec<u64>>()).prop_shuffle(), parked in vec(1..=LAST, 0..4), count in 0..10_usize,
        ) {
            let mark = |seq: &u64| {
                if parked.contains(seq) { Mark::Park(*seq, Cause::Held { behind: 1 }) } else { Mark::Done(*seq) }
            };
            let mut some: Vec<u64> = settled.iter().copied().take(count).collect();
            let (mut one, mut other) = (Consumer::new("a", 0), Consumer::new("a", 0));
            for seq in &some {
                one.take(&mark(seq));
            }
            some.sort_unstable();
            for seq in &some {
                other.take(&mark(seq));
            }
            prop_assert_eq!(one, other);
        }
    }
}
