//! Repeats that were counted and stand in no record yet.
//!
//! That an event came again is no reason to sync: it is durable already, and whoever delivered it is told so at
//! once. So counts wait here for a commit that happens anyway. Of one event a record is written when its number
//! has doubled since the last one, and when the log is closed: a delivery that comes a hundred thousand times
//! leaves at most eighteen records of less than three hundred bytes, where a record for each commit would let
//! the journal grow with the storm. When too many events wait, all of them are written by themselves: a storm of
//! more different deliveries than may wait, again and again, costs at most such a record for each that came,
//! and a sync for as many as may wait.
//!
//! A crash takes what waits: of a number less than half, once a commit has said that it had doubled.

use std::collections::{BTreeMap, BTreeSet};

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
    /// All that is known of each, with what records say.
    waiting: BTreeMap<Of, Arrivals>,
    /// Those of them whose number has doubled since a record said it.
    doubled: BTreeSet<Of>,
}

impl Repeats {
    /// What waits of a session.
    pub(super) fn of(&self, tag: Tag) -> Vec<(Digest, Arrivals)> {
        let (first, last) = (Digest::from_bytes([0; 16]), Digest::from_bytes([0xFF; 16]));
        let of = self.waiting.range((tag, first)..=(tag, last));
        of.map(|((_, digest), arrivals)| (*digest, arrivals.clone())).collect()
    }

    /// Takes what is news. `said` is what records say.
    fn note(
        &mut self,
        of: Of,
        said: Option<&Arrivals>,
        waiting_max: usize,
        news: impl FnOnce(Option<&Arrivals>) -> Option<Arrivals>,
    ) {
        let waiting = self.waiting.get(&of);
        if waiting.is_none() && self.waiting.len() >= waiting_max.saturating_add(OVER_MAX) {
            return;
        }
        let Some(arrivals) = news(waiting.or(said)) else { return };
        if said.is_none_or(|said| arrivals.count() >= said.count().saturating_mul(2)) {
            self.doubled.insert(of);
        }
        self.waiting.insert(of, arrivals);
    }

    fn forget(&mut self, of: &Of) {
        self.waiting.remove(of);
        self.doubled.remove(of);
    }
}

impl Index {
    /// Counts that an event came again, if it is there.
    pub(crate) fn count(&mut self, of: Of, at: Timestamp) -> Result<(), IndexError> {
        let first = self.session(of.0)?.event(of.1).and_then(|known| known.received_at);
        self.note(of, |known| Arrivals::again(known, first, at))
    }

    /// The same, of one that was told with its time, and of which `first` was known before.
    pub(crate) fn count_told(&mut self, of: Of, first: Option<Timestamp>, at: Timestamp) -> Result<(), IndexError> {
        self.note(of, |known| Arrivals::told(known, first, at))
    }

    fn note(
        &mut self,
        (tag, digest): Of,
        news: impl FnOnce(Option<&Arrivals>) -> Option<Arrivals>,
    ) -> Result<(), IndexError> {
        let session = self.session(tag)?;
        if session.gone.is_some() || session.event(digest).is_none() {
            return Ok(());
        }
        let said = session.arrivals(digest).cloned();
        let waiting_max = self.repeats_max;
        self.view().repeats().note((tag, digest), said.as_ref(), waiting_max, news);
        Ok(())
    }

    /// Whether so many wait that they have to be written by themselves.
    pub(crate) fn has_too_many_repeats(&self) -> bool {
        self.view().repeats().waiting.len() >= self.repeats_max.max(1)
    }

    /// Some whose number has doubled since a record said it, up to this many.
    pub(crate) fn doubled(&self, limit: usize) -> Vec<Of> {
        self.view().repeats().doubled.iter().take(limit).copied().collect()
    }

    /// Some that wait, whatever their number, up to this many.
    pub(crate) fn repeats(&self, limit: usize) -> Vec<Of> {
        self.view().repeats().waiting.keys().take(limit).copied().collect()
    }

    /// When an event came that waits.
    pub(crate) fn repeat(&self, of: Of) -> Option<Arrivals> {
        self.view().repeats().waiting.get(&of).cloned()
    }

    /// Nothing of a session that was let go waits any more.
    pub(super) fn drop_repeats(&self, tag: Tag) {
        let mut repeats = self.view().repeats();
        for (digest, _) in repeats.of(tag) {
            repeats.forget(&(tag, digest));
        }
    }

    /// What records say that everybody can read does not wait any more. Not before: whoever looks finds it in
    /// the one place or in the other.
    pub(super) fn drop_said(&mut self) {
        let said = std::mem::take(&mut self.said);
        if !said.is_empty() {
            let mut repeats = self.view().repeats();
            for of in &said {
                repeats.forget(of);
            }
        }
    }
}
