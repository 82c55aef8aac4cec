//! What of a batch is to be counted once the log has it.

use std::sync::Arc;
use std::time::Duration;

use super::counters::{Counters, SourceCounters};
use crate::live::{Names, NoticeKind, Session, Under, Wanting};
use crate::log::{Appended, Batch};
use crate::timestamp::Timestamp;

/// What the notice at a place of a batch tells of lost events.
pub(in crate::engine) struct Told {
    place: usize,
    /// Did not come, and were not told of before.
    lost: Names,
    /// Were told of before, and are not wanting in that way any more.
    recovered: Names,
    /// The session is complete after it had been stalled.
    is_revived: bool,
}

impl Told {
    /// What the notice tells of a session that was just judged, when `before` was wanting as it was last told.
    pub(in crate::engine) fn new(
        place: usize,
        kind: NoticeKind,
        session: &Session,
        under: Under<'_>,
        before: Option<Wanting>,
    ) -> Told {
        let now = session.wanting(under);
        let is_revived = kind == NoticeKind::Complete && before.is_some();
        let before = before.unwrap_or_default();
        let names = |wanting: Wanting| wanting.names(under.contract);
        Told { place, lost: names(now.beyond(before)), recovered: names(before.beyond(now)), is_revived }
    }
}

/// What of a batch is to be counted.
pub(in crate::engine) struct Counted {
    deliveries: usize,
    notices: Vec<(Arc<SourceCounters>, NoticeKind, u32)>,
    deadlines: Vec<(Arc<SourceCounters>, Timestamp)>,
    /// Events by their place that are the first of their sessions.
    began: Vec<(usize, Arc<SourceCounters>)>,
    told: Vec<Told>,
    /// Its deadlines were not waited for, so they do not lag.
    is_belated: bool,
}

impl Counted {
    /// Looks at a batch before it is given away. `began` are the places of first events.
    pub(in crate::engine) fn of(
        counters: &Counters,
        batch: &Batch,
        began: &[usize],
        told: Vec<Told>,
        is_belated: bool,
    ) -> Counted {
        let source = |key: &crate::live::SessionKey| counters.of(key.source());
        let notices = batch.notices.iter().map(|notice| (source(&notice.key), notice.kind, notice.revision));
        let began = began.iter().filter_map(|place| Some((*place, source(&batch.events.get(*place)?.key))));
        Counted {
            deliveries: batch.events.len() + batch.repeats.len() + batch.refused.len(),
            notices: notices.collect(),
            deadlines: batch.deadlines.iter().map(|(key, due)| (source(key), *due)).collect(),
            began: began.collect(),
            told,
            is_belated,
        }
    }
}

impl Counters {
    /// The log has taken a batch. It took so long, and it is `now`.
    pub(in crate::engine) fn appended(&self, counted: Counted, appended: &Appended, took: Duration, now: Timestamp) {
        self.commits.add(1);
        self.commit_deliveries.observe(counted.deliveries as u64);
        self.commit_micros.observe_duration(took);
        self.events.add(appended.new.iter().filter(|new| **new).count() as u64);
        for (source, due) in counted.deadlines {
            source.deadlines.add(1);
            if !counted.is_belated {
                self.deadline_lag_micros.observe_duration(now.since(due));
            }
        }
        for (place, source) in counted.began {
            source.began.add(u64::from(appended.new.get(place) == Some(&true)));
        }
        let is_first = |place: usize| appended.first.get(place) == Some(&true);
        for (place, (source, kind, revision)) in counted.notices.iter().enumerate() {
            if is_first(place) {
                source.said(*kind, *revision);
            }
        }
        for Told { place, lost, recovered, is_revived } in counted.told {
            let Some((source, ..)) = counted.notices.get(place).filter(|_| is_first(place)) else { continue };
            source.lost(lost, recovered);
            source.revived.add(u64::from(is_revived));
        }
    }
}
