//! What became of all sessions under one wait.

use std::time::Duration;

use finis_engine::By;
use finis_engine::live::NoticeKind;

use super::spread::Spread;
use super::story::{Cause, Story, Waits};
use crate::clock::Micros;

/// What became of sessions under one grace. The stall plays no part in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GraceRow {
    /// How long is waited for what is missing, after the first closing event.
    pub grace: Duration,
    /// Sessions that were complete when all that is due was there.
    pub by_evidence: u64,
    /// Sessions that were complete when the grace was over.
    pub by_deadline: u64,
    /// Of those by deadline: an event of a kind that was missing or inferred came later.
    pub too_early: u64,
    /// Sessions of which anything was amended, but for events that stand for themselves.
    pub amended: u64,
    /// Amendments by an event of a kind that was missing or inferred.
    pub amendments_late: u64,
    /// Amendments by an event that stands for itself, as a recording.
    pub amendments_independent: u64,
    /// Amendments by corrections, contradictions, and deadlines after these.
    pub amendments_other: u64,
    /// Kinds that were missing at `complete`, over all sessions.
    pub missing: u64,
    /// Kinds that were inferred at `complete`, over all sessions.
    pub inferred: u64,
    /// Fields that these kinds would have filled and nothing else had, over all sessions.
    pub facts_missing: u64,
    /// From the true end of a session, when the provider sent what closes it, to its `complete`.
    pub time: Spread,
}

/// What became of sessions under one stall. The grace plays no part in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StallRow {
    /// How long is waited for an end, after the last event.
    pub stall: Duration,
    /// Sessions that were said to be stalled.
    pub stalled: u64,
    /// Of these: a closing event came later.
    pub too_early: u64,
    /// How often any was said to be stalled.
    pub notices: u64,
    /// From the true end of a session whose closing event never came, when it was sent, to the first `stalled`;
    /// zero when that was said before the end.
    pub time: Spread,
}

impl GraceRow {
    pub(super) fn new(grace: Duration) -> GraceRow {
        GraceRow { grace, ..GraceRow::default() }
    }

    /// Sessions that were complete at all; the same under every grace.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.by_evidence + self.by_deadline
    }

    /// Amendments, for whatever reason.
    #[must_use]
    pub fn amendments(&self) -> u64 {
        self.amendments_late + self.amendments_independent + self.amendments_other
    }

    /// Counts a session that truly ended at `ended`.
    pub(super) fn count(&mut self, story: &Story, ended: Micros) {
        let said = story.said(Waits { grace: self.grace, stall: None });
        // Without a stall nothing else is said first.
        let Some((complete, later)) = said.split_first() else { return };
        let step = &story.steps()[complete.step];
        match complete.by {
            Some(By::Deadline) => {
                self.by_deadline += 1;
                self.too_early += u64::from(story.comes_after(complete.step));
            }
            _ => self.by_evidence += 1,
        }
        let mut is_amended = false;
        for amended in later {
            let cause = story.cause(complete, amended);
            is_amended |= cause != Cause::Independent;
            match cause {
                Cause::Late => self.amendments_late += 1,
                Cause::Independent => self.amendments_independent += 1,
                Cause::Other => self.amendments_other += 1,
            }
        }
        self.amended += u64::from(is_amended);
        self.missing += u64::from(step.missing.len());
        self.inferred += u64::from(step.inferred.len());
        self.facts_missing += u64::from(step.facts_missing);
        self.time.count(complete.at - ended);
    }

    pub(super) fn add(&mut self, other: &GraceRow) {
        self.by_evidence += other.by_evidence;
        self.by_deadline += other.by_deadline;
        self.too_early += other.too_early;
        self.amended += other.amended;
        self.amendments_late += other.amendments_late;
        self.amendments_independent += other.amendments_independent;
        self.amendments_other += other.amendments_other;
        self.missing += other.missing;
        self.inferred += other.inferred;
        self.facts_missing += other.facts_missing;
        self.time.add(&other.time);
    }
}

impl StallRow {
    pub(super) fn new(stall: Duration) -> StallRow {
        StallRow { stall, ..StallRow::default() }
    }

    /// Counts a session that truly ended at `ended`.
    pub(super) fn count(&mut self, story: &Story, ended: Micros) {
        let said = story.said(Waits { grace: Duration::MAX, stall: Some(self.stall) });
        let stalled = said.iter().filter(|said| said.kind == NoticeKind::Stalled);
        let Some(first) = stalled.clone().next() else { return };
        self.stalled += 1;
        self.notices += stalled.count() as u64;
        if story.close().is_some() {
            self.too_early += 1;
        } else {
            self.time.count(first.at - ended);
        }
    }

    pub(super) fn add(&mut self, other: &StallRow) {
        self.stalled += other.stalled;
        self.too_early += other.too_early;
        self.notices += other.notices;
        self.time.add(&other.time);
    }
}
