//! What is counted over records.

use std::collections::BTreeMap;

use serde::Serialize;

use super::sources::Plan;
use crate::engine::{By, CHANNELS, Channel, KindId, OUTCOMES, Outcome, Record, STATUSES, Status, SubjectId};

/// Counts over records.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// Records in all.
    pub sessions: u64,
    /// By what they are about: sessions, campaigns, uploads.
    pub by_subject: BTreeMap<String, u64>,
    /// By status; `complete` also by what decided it.
    pub by_status: BTreeMap<&'static str, u64>,
    /// Records complete by evidence.
    pub complete_by_evidence: u64,
    /// Records complete by deadline.
    pub complete_by_deadline: u64,
    /// Records by channel.
    pub by_channel: BTreeMap<&'static str, u64>,
    /// Records by outcome.
    pub by_outcome: BTreeMap<&'static str, u64>,
    /// How often each kind is missing.
    pub missing: BTreeMap<String, u64>,
    /// How often each kind is inferred.
    pub inferred: BTreeMap<String, u64>,
    /// How often each rule is broken.
    pub violations: BTreeMap<String, u64>,
    /// How often each field is in conflict.
    pub conflicts: BTreeMap<String, u64>,
    /// Records with anything missing.
    pub sessions_missing: u64,
    /// Records with any conflict.
    pub sessions_in_conflict: u64,
    /// Events of kinds that the contract does not know.
    pub unknown_kinds: BTreeMap<String, u64>,
    /// Events in all.
    pub events: u64,
    /// For each kind that was due of sessions that are over, how many of these are without it.
    pub loss: BTreeMap<String, Loss>,
}

/// How much of a kind was lost, among sessions that are complete or stalled.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Loss {
    /// Sessions of which it was due.
    pub due: u64,
    /// Of these, those that it never came of.
    pub lost: u64,
}

impl Loss {
    /// How many of a hundred.
    #[must_use]
    pub fn percent(self) -> f64 {
        if self.due == 0 { 0.0 } else { self.lost as f64 * 100.0 / self.due as f64 }
    }
}

/// Counts over the records of one source, by place in its contract: names are looked up once, at the
/// end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    events: u64,
    by_subject: Vec<u64>,
    by_status: [u64; STATUSES.len()],
    complete_by_evidence: u64,
    by_channel: [u64; CHANNELS.len()],
    by_outcome: [u64; OUTCOMES.len()],
    /// By kind.
    missing: Vec<u64>,
    inferred: Vec<u64>,
    due: Vec<u64>,
    lost: Vec<u64>,
    sessions_missing: u64,
    sessions_in_conflict: u64,
    violations: BTreeMap<String, u64>,
    conflicts: BTreeMap<String, u64>,
    unknown_kinds: BTreeMap<String, u64>,
}

impl Counts {
    /// Counts a record of this subject.
    pub(crate) fn add(&mut self, record: &Record<'_>, subject: SubjectId) {
        let verdict = &record.verdict;
        self.events += record.events.len() as u64;
        *at(&mut self.by_subject, subject.index()) += 1;
        self.by_status[verdict.status as usize] += 1;
        self.complete_by_evidence += u64::from(verdict.by == Some(By::Evidence));
        self.by_channel[verdict.channel as usize] += 1;
        if let Some(outcome) = verdict.outcome() {
            self.by_outcome[outcome as usize] += 1;
        }
        verdict.missing().for_each(|kind| *of(&mut self.missing, kind) += 1);
        verdict.inferred().for_each(|kind| *of(&mut self.inferred, kind) += 1);
        record.violations.iter().for_each(|rule| count(&mut self.violations, rule));
        record.conflicts.iter().for_each(|conflict| count(&mut self.conflicts, conflict.field));
        self.sessions_missing += u64::from(!record.missing.is_empty());
        self.sessions_in_conflict += u64::from(!record.conflicts.is_empty());
        for event in record.events.iter().filter(|event| !event.known) {
            count(&mut self.unknown_kinds, event.kind);
        }
        if matches!(verdict.status, Status::Complete | Status::Stalled) {
            verdict.due().for_each(|kind| *of(&mut self.due, kind) += 1);
            verdict.missing().chain(verdict.inferred()).for_each(|kind| *of(&mut self.lost, kind) += 1);
        }
    }
}

impl Tally {
    /// Adds what was counted over records of a source that is read under `plan`.
    pub(crate) fn add(&mut self, counts: Counts, plan: &Plan) {
        let contract = &plan.contract;
        self.sessions += counts.by_status.iter().sum::<u64>();
        self.events += counts.events;
        let complete = counts.by_status[Status::Complete as usize];
        self.complete_by_evidence += counts.complete_by_evidence;
        self.complete_by_deadline += complete - counts.complete_by_evidence;
        self.sessions_missing += counts.sessions_missing;
        self.sessions_in_conflict += counts.sessions_in_conflict;
        merge(&mut self.by_subject, contract.subjects().map(|(_, name)| name.to_owned()).zip(counts.by_subject));
        merge(&mut self.by_status, STATUSES.map(Status::as_str).into_iter().zip(counts.by_status));
        merge(&mut self.by_channel, CHANNELS.map(Channel::as_str).into_iter().zip(counts.by_channel));
        merge(&mut self.by_outcome, OUTCOMES.map(Outcome::as_str).into_iter().zip(counts.by_outcome));
        let kinds = || contract.kinds().map(|(_, name)| name.to_owned());
        merge(&mut self.missing, kinds().zip(counts.missing));
        merge(&mut self.inferred, kinds().zip(counts.inferred));
        merge(&mut self.violations, counts.violations);
        merge(&mut self.conflicts, counts.conflicts);
        merge(&mut self.unknown_kinds, counts.unknown_kinds);
        let lost = counts.lost.iter().copied().chain(std::iter::repeat(0));
        for ((kind, due), lost) in kinds().zip(counts.due).zip(lost).filter(|((_, due), _)| *due > 0) {
            let loss = self.loss.entry(kind).or_default();
            loss.due += due;
            loss.lost += lost;
        }
    }
}

fn of(counts: &mut Vec<u64>, kind: KindId) -> &mut u64 {
    at(counts, kind.index())
}

/// The count at a place, with room made for it.
fn at(counts: &mut Vec<u64>, place: usize) -> &mut u64 {
    if counts.len() <= place {
        counts.resize(place + 1, 0);
    }
    &mut counts[place]
}

/// Counts one more of `name`, which is nearly always there already.
fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count += 1;
    } else {
        counts.insert(name.to_owned(), 1);
    }
}

fn merge<K: Ord>(counts: &mut BTreeMap<K, u64>, more: impl IntoIterator<Item = (K, u64)>) {
    for (name, more) in more.into_iter().filter(|(_, more)| *more > 0) {
        *counts.entry(name).or_default() += more;
    }
}
