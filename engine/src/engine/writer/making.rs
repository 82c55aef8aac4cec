//! A batch that is being made: deliveries judged one by one, on top of all that was judged before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::job::{Answer, Work};
use super::{Held, Writer};
use crate::engine::Receipt;
use crate::engine::stats::Told;
use crate::live::{Notice, NoticeKind, Received, Session, SessionKey, Under, Wanting};
use crate::log::{Batch, EventEntry, Refused, Repeat, Why};
use crate::timestamp::Timestamp;

/// A batch that is being made.
#[derive(Default)]
pub(super) struct Making {
    /// What is to be appended, apart from when sessions are due.
    pub(super) batch: Batch,
    /// When the sessions are due that it touches.
    pub(super) due: BTreeMap<SessionKey, Option<Timestamp>>,
    /// Events by their place that are the first of their sessions.
    pub(super) began: Vec<usize>,
    /// What its notices tell of lost events.
    pub(super) told: Vec<Told>,
    /// Who waits for it, and what they are told when it is kept.
    pub(super) answers: Vec<(Answer, Receipt)>,
    /// Bytes of its payloads.
    pub(super) bytes: usize,
    /// Sessions that were touched, and of which it is not known yet when they are due.
    touched: BTreeSet<SessionKey>,
    /// Sessions of which something came that changes nothing.
    pub(super) unchanged: Vec<SessionKey>,
    /// Its deadlines were not waited for: their sessions were in quarantine.
    pub(super) is_belated: bool,
}

impl Making {
    /// One whose deadlines were not waited for.
    pub(super) fn belated() -> Making {
        Making { is_belated: true, ..Making::default() }
    }

    /// Whether there is nothing that has to be kept.
    pub(super) fn is_nothing(&self) -> bool {
        self.due.is_empty() && self.batch.refused.is_empty()
    }

    /// Whether nobody waits for it, and nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.is_nothing()
    }

    /// Takes note that a session is not as the log has it.
    pub(super) fn touch(&mut self, key: &SessionKey) {
        self.touched.insert(key.clone());
    }

    /// Takes what is said of a session that was just judged, when `before` was wanting as it was last told.
    pub(super) fn say(&mut self, session: &Session, under: Under<'_>, before: Option<Wanting>, notices: Vec<Notice>) {
        for notice in notices {
            if notice.kind != NoticeKind::Asset {
                let place = self.batch.notices.len();
                self.told.push(Told::new(place, notice.kind, session, under, before));
            }
            self.batch.notices.push(notice);
        }
    }
}

/// Why an event that can be read is quarantined.
fn too_many(max: usize) -> String {
    format!(
        "its session has {max} events already, as many as are kept (`events_max`): \
         `finis quarantine retry` takes it all the same"
    )
}

impl Writer {
    /// Judges a delivery: what it becomes once the batch is kept.
    pub(super) fn judge(&mut self, work: Work, making: &mut Making) -> Receipt {
        let now = self.now();
        let (key, arrival, delivery, ready) = match work {
            Work::Event { key, arrival, delivery, ready } => (key, arrival, delivery, ready),
            Work::Refused(refused) => {
                let reason = refused.reason.clone();
                making.batch.refused.push(Refused { received_at: now, ..refused });
                return Receipt::Quarantined { reason };
            }
        };
        if let Some(damage) = self.damaged.get(&key) {
            let reason = format!("its session cannot be read: {damage}");
            let refused =
                Refused { source: key.source().to_owned(), received_at: now, reason: reason.clone(), delivery };
            making.batch.refused.push(refused);
            return Receipt::Quarantined { reason };
        }
        let sources = Arc::clone(&self.sources);
        let under = sources.get(key.source()).and_then(|source| source.under(&key));
        let empty = || Held { session: Session::new(key.clone()), due: None, gone: None, touched: 0 };
        let Held { session, due, gone, .. } = self.sessions.entry(key.clone()).or_insert_with(empty);
        if let Some(gone) = gone {
            making.unchanged.push(key.clone());
            return match gone.why {
                Why::Expired => Receipt::Expired { key },
                Why::Forgotten => Receipt::Forgotten { key },
            };
        }
        // The key was made by the source, of a subject of its contract.
        let Some(under) = under else { return Receipt::Duplicate { key } };
        // Time goes on while sessions are read and batches are written. What became due meanwhile is an entry
        // before this one, whatever the batches are.
        if due.is_some_and(|due| due <= now) && session.deadline(under).is_some_and(|due| due <= now) {
            let before = session.said_wanting(under);
            let (passed, notices) = session.settle(under, now);
            making.say(session, under, before, notices);
            making.batch.deadlines.extend(passed.map(|due| (key.clone(), due)));
            making.touch(&key);
        }
        let max = self.inner.settings.events_max.max(1);
        if session.partial().len() >= max && !session.has(&arrival) {
            if !session.partial().is_crowded() {
                let before = session.said_wanting(under);
                let notices = session.crowd(under);
                making.say(session, under, before, notices);
                making.batch.crowded.push(key.clone());
                making.touch(&key);
            }
            making.unchanged.push(key.clone());
            let reason = too_many(max);
            let refused =
                Refused { source: key.source().to_owned(), received_at: now, reason: reason.clone(), delivery };
            making.batch.refused.push(refused);
            return Receipt::Quarantined { reason };
        }
        let is_first = session.partial().is_empty();
        let before = session.said_wanting(under);
        let digest = arrival.digest();
        match session.receive(under, arrival, now) {
            Received::Duplicate => {
                making.unchanged.push(key.clone());
                making.batch.repeats.push(Repeat { key: key.clone(), digest, received_at: now });
                Receipt::Duplicate { key }
            }
            Received::Stored(notices) => {
                making.began.extend(is_first.then_some(making.batch.events.len()));
                making.batch.events.push(EventEntry { key: key.clone(), digest, received_at: Some(now), delivery });
                making.batch.ready.push(ready);
                making.say(session, under, before, notices);
                making.touch(&key);
                Receipt::Stored { key }
            }
        }
    }

    /// Finds out when those are due that were touched.
    pub(super) fn note_due(&mut self, making: &mut Making) {
        for key in std::mem::take(&mut making.touched) {
            let under = self.sources.get(key.source()).and_then(|source| source.under(&key));
            let held = self.sessions.get_mut(&key).zip(under);
            let due = held.and_then(|(held, under)| {
                held.due = held.session.deadline(under);
                held.due
            });
            making.due.insert(key, due);
        }
    }
}
