//! Repeats that were counted and stand in no record yet.
//!
//! That an event came again is no reason to sync: it is durable already, and whoever delivered it is told so at
//! once. So counts wait here for a commit that happens anyway. Of one event a record is written when its number
//! has doubled, and when the log is closed: a delivery that comes a hundred thousand times in a row leaves
//! seventeen records of some three hundred bytes, not as many as it came. When too many events
//! wait, all of them are written by themselves; so a storm of ever the same deliveries that is wider than what
//! may wait costs less than a byte of the journal for each few that came, and no sync for most.
//!
//! After a crash the last of it is lost: at most half of a number, and nothing of one that was written since.

use std::collections::{BTreeMap, VecDeque};

use finis_engine::log::Arrivals;
use finis_engine::{Digest, Timestamp};

use super::{Index, IndexError};
use crate::tag::Tag;

/// Beyond as many as may wait, while there is no room on the disk to write them. What comes then is not counted.
const OVER_MAX: usize = 1 << 14;

/// An event of a session.
pub(crate) type Of = (Tag, Digest);

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    waiting: BTreeMap<Of, Waiting>,
    /// Those whose number has doubled, the first that did first. Some may not wait any more.
    doubled: VecDeque<Of>,
}

#[derive(Debug)]
struct Waiting {
    /// All that is known, with what records say.
    arrivals: Arrivals,
    has_doubled: bool,
}

impl Repeats {
    /// What waits of a session.
    pub(super) fn of(&self, tag: Tag) -> Vec<(Digest, Arrivals)> {
        let (first, last) = (Digest::from_bytes([0; 16]), Digest::from_bytes([0xFF; 16]));
        let of = self.waiting.range((tag, first)..=(tag, last));
        of.map(|((_, digest), waiting)| (*digest, waiting.arrivals.clone())).collect()
    }

    fn note(&mut self, of: Of, said: Option<&Arrivals>, first: Option<Timestamp>, at: Timestamp, waiting_max: usize) {
        let waiting = self.waiting.get(&of);
        if waiting.is_none() && self.waiting.len() >= waiting_max.saturating_add(OVER_MAX) {
            return;
        }
        let had_doubled = waiting.is_some_and(|waiting| waiting.has_doubled);
        let known = waiting.map(|waiting| &waiting.arrivals).or(said);
        let Some(arrivals) = Arrivals::again(known, first, at) else { return };
        let has_doubled = said.is_none_or(|said| arrivals.count() >= said.count().saturating_mul(2));
        if has_doubled && !had_doubled {
            self.doubled.push_back(of);
        }
        self.waiting.insert(of, Waiting { arrivals, has_doubled });
    }

    fn drop_session(&mut self, tag: Tag) {
        for (digest, _) in self.of(tag) {
            self.waiting.remove(&(tag, digest));
        }
    }

    fn drop_said(&mut self, said: &[Of]) {
        for of in said {
            self.waiting.remove(of);
        }
        while self.doubled.front().is_some_and(|of| !self.waiting.contains_key(of)) {
            self.doubled.pop_front();
        }
    }
}

impl Index {
    /// Counts that an event came again, if it is there. `first` is when it came first, as far as was known before.
    pub(crate) fn count(
        &mut self,
        (tag, digest): Of,
        first: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<(), IndexError> {
        let session = self.session(tag)?;
        if session.gone.is_some() || session.event(digest).is_none() {
            return Ok(());
        }
        let said = session.arrivals(digest).cloned();
        let waiting_max = self.repeats_max;
        self.view().repeats().note((tag, digest), said.as_ref(), first, at, waiting_max);
        Ok(())
    }

    /// Whether so many wait that they have to be written by themselves.
    pub(crate) fn has_too_many_repeats(&self) -> bool {
        self.view().repeats().waiting.len() >= self.repeats_max.max(1)
    }

    /// Some whose number has doubled since a record said it, up to this many.
    pub(crate) fn doubled(&self, limit: usize) -> Vec<Of> {
        let repeats = self.view().repeats();
        let waiting = repeats.doubled.iter().filter(|of| repeats.waiting.contains_key(*of));
        waiting.take(limit).copied().collect()
    }

    /// Some that wait, whatever their number, up to this many.
    pub(crate) fn repeats(&self, limit: usize) -> Vec<Of> {
        self.view().repeats().waiting.keys().take(limit).copied().collect()
    }

    /// When an event came that waits.
    pub(crate) fn repeat(&self, of: Of) -> Option<Arrivals> {
        self.view().repeats().waiting.get(&of).map(|waiting| waiting.arrivals.clone())
    }

    /// Nothing of a session that was let go waits any more.
    pub(super) fn drop_repeats(&self, tag: Tag) {
        self.view().repeats().drop_session(tag);
    }

    /// What records say that everybody can read does not wait any more. Not before: whoever looks finds it in
    /// the one place or in the other.
    pub(super) fn drop_said(&mut self) {
        let said = std::mem::take(&mut self.said);
        if !said.is_empty() {
            self.view().repeats().drop_said(&said);
        }
    }
}
