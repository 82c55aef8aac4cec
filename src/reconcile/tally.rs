//! What is counted over records.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::engine::{Contract, Record, Status};

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

impl Tally {
    /// Counts a record.
    pub fn add(&mut self, record: &Record<'_>, contract: &Contract) {
        let verdict = &record.verdict;
        self.sessions += 1;
        self.events += record.events.len() as u64;
        count(&mut self.by_subject, record.subject.unwrap_or("session"));
        *self.by_status.entry(verdict.status.as_str()).or_default() += 1;
        match (verdict.status, verdict.by) {
            (Status::Complete, Some(crate::engine::By::Evidence)) => self.complete_by_evidence += 1,
            (Status::Complete, _) => self.complete_by_deadline += 1,
            _ => {}
        }
        *self.by_channel.entry(verdict.channel.as_str()).or_default() += 1;
        if let Some(outcome) = verdict.outcome() {
            *self.by_outcome.entry(outcome.as_str()).or_default() += 1;
        }
        record.missing.iter().for_each(|kind| count(&mut self.missing, kind));
        record.inferred.iter().for_each(|kind| count(&mut self.inferred, kind));
        record.violations.iter().for_each(|rule| count(&mut self.violations, rule));
        record.conflicts.iter().for_each(|conflict| count(&mut self.conflicts, conflict.field));
        self.sessions_missing += u64::from(!record.missing.is_empty());
        self.sessions_in_conflict += u64::from(!record.conflicts.is_empty());
        for event in record.events.iter().filter(|event| !event.known) {
            count(&mut self.unknown_kinds, event.kind);
        }
        if matches!(verdict.status, Status::Complete | Status::Stalled) {
            verdict.due().for_each(|kind| self.loss(contract.kind_name(kind)).due += 1);
            verdict.missing().chain(verdict.inferred()).for_each(|kind| self.loss(contract.kind_name(kind)).lost += 1);
        }
    }

    /// Adds what another thread counted.
    pub fn merge(&mut self, other: Tally) {
        self.sessions += other.sessions;
        self.events += other.events;
        self.complete_by_evidence += other.complete_by_evidence;
        self.complete_by_deadline += other.complete_by_deadline;
        self.sessions_missing += other.sessions_missing;
        self.sessions_in_conflict += other.sessions_in_conflict;
        merge(&mut self.by_subject, other.by_subject);
        merge(&mut self.by_status, other.by_status);
        merge(&mut self.by_channel, other.by_channel);
        merge(&mut self.by_outcome, other.by_outcome);
        merge(&mut self.missing, other.missing);
        merge(&mut self.inferred, other.inferred);
        merge(&mut self.violations, other.violations);
        merge(&mut self.conflicts, other.conflicts);
        merge(&mut self.unknown_kinds, other.unknown_kinds);
        for (kind, theirs) in other.loss {
            let loss = self.loss.entry(kind).or_default();
            loss.due += theirs.due;
            loss.lost += theirs.lost;
        }
    }

    fn loss(&mut self, kind: &str) -> &mut Loss {
        // Looked up twice, for a kind is nearly always there and its name then needs no copy.
        if !self.loss.contains_key(kind) {
            self.loss.insert(kind.to_owned(), Loss::default());
        }
        self.loss.get_mut(kind).expect("it was put there a line above")
    }
}

/// Counts one more of `name`, which is nearly always there already.
fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count += 1;
    } else {
        counts.insert(name.to_owned(), 1);
    }
}

fn merge<K: Ord>(counts: &mut BTreeMap<K, u64>, other: BTreeMap<K, u64>) {
    for (name, theirs) in other {
        *counts.entry(name).or_default() += theirs;
    }
}
