//! Deadlines, and the receiver's time.

use std::collections::BTreeSet;

use finis_engine::Timestamp;

use super::{Findings, Given, Promise};
use crate::clock::{Micros, micros};
use crate::run::{Did, Played};

/// How late a deadline may be where nothing goes wrong.
const LATE_MAX: Micros = 1_000;

pub(super) fn judge(given: &Given<'_>, played: &Played, findings: &mut Findings) {
    let mut latest: Option<Timestamp> = None;
    let mut passed = BTreeSet::new();
    for step in &played.steps {
        let Did::Kept(batch) = &step.what else { continue };
        // What comes out of quarantine came when it came.
        let events = batch.events.iter().filter(|_| batch.released.is_empty());
        let events = events.filter_map(|(event, _)| event.received_at);
        let refused = batch.refused.iter().map(|refused| refused.received_at);
        // Each kind of entry in its own order: in a batch they stand side by side.
        let before = latest;
        for times in [events.collect::<Vec<_>>(), refused.collect()] {
            let mut last = before;
            for at in times {
                findings.expect(last.is_none_or(|last| last < at), Promise::Time, None, || {
                    format!("an entry of {at} comes after one of {}", last.unwrap_or(at))
                });
                last = Some(at);
                latest = latest.max(last);
            }
        }
        for (key, due) in &batch.deadlines {
            findings.expect(passed.insert((key, *due)), Promise::Deadlines, Some(key.id()), || {
                format!("the deadline of {due} passed twice")
            });
            let late = micros(step.at) - micros(*due);
            findings.expect(!given.calm || (0..=LATE_MAX).contains(&late), Promise::Deadlines, Some(key.id()), || {
                format!("the deadline of {due} passed at {}, and nothing went wrong", step.at)
            });
            latest = latest.max(Some(*due));
        }
    }
}
