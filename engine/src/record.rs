//! The record: what is known of a session, as it is handed out.

use crate::contract::{Contract, FieldId, KindSet, OUTCOME, SubjectId, Terms};
use crate::digest::Digest;
use crate::json::write_string;
use crate::judge::{Verdict, judge};
use crate::partial::{Claim, Partial};
use crate::timestamp::{LastDay, TEXT_MAX, Timestamp};

/// What stands among the broken rules of a session of which more events came than are kept. No rule of a
/// contract has this name. A fold without a limit, as that of exports, never says it.
pub const TOO_MANY_EVENTS: &str = "too_many_events";

/// The name of the subject that records do not mention.
const SESSION: &str = "session";

/// Whose record it is.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The name of the configured origin.
    pub source: &'a str,
    /// What it is about.
    pub subject: SubjectId,
    /// The id, byte for byte.
    pub id: &'a str,
}

/// All that is known of a session, and where it stands.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// The name of the configured origin.
    pub source: &'a str,
    /// What it is about, unless it is a session.
    pub subject: Option<&'a str>,
    /// The id of the session, or of whatever the subject is.
    pub session: &'a str,
    /// Where it stands; the channel is part of it.
    pub verdict: Verdict,
    /// Kinds that are due, not here, and whose facts nothing here has.
    pub missing: Vec<&'a str>,
    /// Kinds that are due and not here, but subsumed by one that is.
    pub inferred: Vec<&'a str>,
    /// Names of the rules that are broken, sorted; [`TOO_MANY_EVENTS`] is among them.
    pub violations: Vec<&'a str>,
    /// Fields for which different values were claimed, sorted by name.
    pub conflicts: Vec<Conflict<'a>>,
    /// Fields in the order of the contract, each with its value in canonical JSON.
    pub fields: Vec<(&'a str, &'a [u8])>,
    /// The events, sorted by time, kind and digest.
    pub events: Vec<RecordEvent<'a>>,
}

/// Different values for one field.
#[derive(Clone, Debug)]
pub struct Conflict<'a> {
    /// The field.
    pub field: &'a str,
    /// What was claimed; the first wins.
    pub values: Vec<Claimed<'a>>,
    /// There were more values than are kept.
    pub more: bool,
}

/// A value with the best claim to it.
#[derive(Clone, Copy, Debug)]
pub struct Claimed<'a> {
    /// In canonical JSON.
    pub value: &'a [u8],
    /// The kind of the event that claims it.
    pub kind: &'a str,
    /// The time of that event.
    pub at: Option<Timestamp>,
}

/// An event as records list it.
#[derive(Clone, Copy, Debug)]
pub struct RecordEvent<'a> {
    /// The provider's time.
    pub at: Option<Timestamp>,
    /// The name of its kind.
    pub kind: &'a str,
    /// Whether the contract has that kind.
    pub known: bool,
    /// The name as JSON, of kinds that the contract has.
    kind_json: &'a str,
    /// What makes it itself; nothing where it was not computed, since it decided nothing.
    pub digest: Option<Digest>,
}

impl<'a> Record<'a> {
    /// Reads the record off a partial, judged at `now`.
    #[must_use]
    pub fn new(
        key: Key<'a>,
        partial: &'a Partial,
        contract: &'a Contract,
        terms: &Terms,
        now: Timestamp,
    ) -> Record<'a> {
        let mut record = Record::without_events(key, partial, contract, terms, now);
        record.events = partial
            .events()
            .iter()
            .map(|seen| RecordEvent {
                at: seen.at,
                kind: partial.kind_name(contract, seen),
                known: seen.known_kind().is_some(),
                kind_json: seen.known_kind().map_or("", |kind| &contract.kind(kind).name_json),
                digest: seen.known_digest(),
            })
            .collect();
        record.events.sort_unstable_by(|left, right| {
            left.at.cmp(&right.at).then_with(|| left.kind.cmp(right.kind)).then_with(|| left.digest.cmp(&right.digest))
        });
        record
    }

    /// The same without its events, which may be very many.
    pub(crate) fn without_events(
        key: Key<'a>,
        partial: &'a Partial,
        contract: &'a Contract,
        terms: &Terms,
        now: Timestamp,
    ) -> Record<'a> {
        let verdict = judge(partial, key.subject, contract, terms, now);
        let names = |kinds: KindSet| kinds.iter().map(|kind| contract.kind_name(kind)).collect();
        let mut violations: Vec<&str> = verdict.broken.iter().map(|rule| contract.rules[*rule].name.as_str()).collect();
        if partial.is_crowded() {
            violations.push(TOO_MANY_EVENTS);
            violations.sort_unstable();
        }
        let subject = contract.subject_name(key.subject);
        let mut record = Record {
            source: key.source,
            subject: (subject != SESSION).then_some(subject),
            session: key.id,
            missing: names(verdict.missing),
            inferred: names(verdict.inferred),
            violations,
            conflicts: Vec::new(),
            fields: Vec::new(),
            events: Vec::new(),
            verdict,
        };
        record.read_claims(partial, contract);
        record
    }

    fn read_claims(&mut self, partial: &'a Partial, contract: &'a Contract) {
        let outcome = contract.outcome_field.zip(self.verdict.outcome);
        let mut outcome = outcome.map(|(field, outcome)| (field, outcome.as_json().as_bytes()));
        self.fields.reserve_exact(contract.fields.len());
        for claims in partial.claims() {
            // No chunk is empty.
            let id = claims[0].field;
            if let Some((_, value)) = outcome.take_if(|(field, _)| *field < id) {
                self.fields.push((OUTCOME, value));
            }
            let field = contract.field(id);
            if let [only] = claims {
                self.fields.push((&field.name, partial.value(only)));
                continue;
            }
            let ranked = partial.ranked(claims);
            let winner = ranked[0];
            self.fields.push((&field.name, partial.value(winner)));
            let rivals = ranked.iter().take_while(|claim| Partial::same_step(claim, winner)).count();
            if field.conflict && rivals > 1 {
                let more = partial.has_more(winner);
                self.conflicts.push(conflict(partial, contract, id, &ranked[..rivals], more));
            }
        }
        self.fields.extend(outcome.map(|(_, value)| (OUTCOME, value)));
        self.conflicts.sort_unstable_by_key(|conflict| conflict.field);
    }

    /// Appends the record as one line of JSON, without a line end.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        self.write(out, &self.events, false);
        out.push(b'}');
    }

    /// Appends the record without its events, which may be very many.
    pub(crate) fn write_without_events(&self, out: &mut Vec<u8>) {
        self.write(out, &[], false);
        out.push(b'}');
    }

    /// Appends the record with the digests of its events and its certificate.
    pub fn write_certified(&self, out: &mut Vec<u8>, certifier: &crate::Certifier<'_>) {
        self.write_certified_up_to(out, certifier, usize::MAX);
    }

    /// The same, with the first of its events alone when there are more than so many. The certificate is
    /// that of the whole record.
    pub(crate) fn write_certified_up_to(&self, out: &mut Vec<u8>, certifier: &crate::Certifier<'_>, events_max: usize) {
        let start = out.len();
        self.write(out, &self.events, true);
        out.push(b'}');
        // The record is made of str and JSON, and has no key twice.
        let text = std::str::from_utf8(&out[start..]).unwrap_or_default();
        let certificate = certifier.certificate(text);
        if self.events.len() > events_max {
            out.truncate(start);
            self.write(out, &self.events[..events_max], true);
            out.push(b'}');
        }
        if let Ok(certificate) = certificate {
            out.pop();
            out.extend_from_slice(b",\"certificate\":\"");
            out.extend_from_slice(certificate.as_bytes());
            out.extend_from_slice(b"\"}");
        }
    }

    /// All but the closing brace, with these of its events.
    fn write(&self, out: &mut Vec<u8>, events: &[RecordEvent<'_>], digests: bool) {
        out.extend_from_slice(b"{\"source\":");
        write_string(self.source, out);
        if let Some(subject) = self.subject {
            out.extend_from_slice(b",\"subject\":");
            write_string(subject, out);
        }
        out.extend_from_slice(b",\"session\":");
        write_string(self.session, out);
        write_word(out, "channel", self.verdict.channel.as_str());
        write_word(out, "status", self.verdict.status.as_str());
        if let Some(by) = self.verdict.by {
            write_word(out, "by", by.as_str());
        }
        write_names(out, "missing", &self.missing);
        write_names(out, "inferred", &self.inferred);
        write_names(out, "violations", &self.violations);
        out.extend_from_slice(b",\"conflicts\":[");
        write_list(out, &self.conflicts, |out, conflict| conflict.write(out));
        out.extend_from_slice(b"],\"fields\":{");
        write_list(out, &self.fields, |out, (name, value)| {
            // Names of fields need no escape: the contract sees to it.
            out.push(b'"');
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            out.extend_from_slice(value);
        });
        out.extend_from_slice(b"},\"events\":[");
        let mut last = LastDay::default();
        write_list(out, events, |out, event| {
            out.extend_from_slice(b"{\"kind\":");
            if event.kind_json.is_empty() {
                write_string(event.kind, out);
            } else {
                out.extend_from_slice(event.kind_json.as_bytes());
            }
            write_at(out, event.at, &mut last);
            if let Some(digest) = event.digest.filter(|_| digests) {
                write_word(out, "digest", digest.to_hex().as_str());
            }
            out.push(b'}');
        });
        out.push(b']');
    }
}

impl Conflict<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"field\":");
        write_string(self.field, out);
        out.extend_from_slice(b",\"winner\":");
        self.values.iter().take(1).for_each(|winner| out.extend_from_slice(winner.value));
        out.extend_from_slice(b",\"values\":[");
        write_list(out, &self.values, |out, claimed| {
            out.extend_from_slice(b"{\"value\":");
            out.extend_from_slice(claimed.value);
            out.extend_from_slice(b",\"kind\":");
            write_string(claimed.kind, out);
            write_at(out, claimed.at, &mut LastDay::default());
            out.push(b'}');
        });
        out.push(b']');
        if self.more {
            out.extend_from_slice(b",\"more\":true");
        }
        out.push(b'}');
    }
}

fn conflict<'a>(
    partial: &'a Partial,
    contract: &'a Contract,
    field: FieldId,
    rivals: &[&'a Claim],
    more: bool,
) -> Conflict<'a> {
    let claimed = |claim: &&'a Claim| {
        let claimant = partial.claimant(claim);
        Claimed { value: partial.value(claim), kind: partial.kind_name(contract, claimant), at: claimant.at }
    };
    Conflict { field: &contract.field(field).name, values: rivals.iter().map(claimed).collect(), more }
}

fn write_at(out: &mut Vec<u8>, at: Option<Timestamp>, last: &mut LastDay) {
    match at {
        Some(at) => {
            out.extend_from_slice(b",\"at\":\"");
            out.extend_from_slice(at.text_near(last, &mut [0; TEXT_MAX]).as_bytes());
            out.push(b'"');
        }
        None => out.extend_from_slice(b",\"at\":null"),
    }
}

/// A member whose value is a word that needs no escape.
fn write_word(out: &mut Vec<u8>, key: &str, word: &str) {
    for part in [",\"", key, "\":\"", word, "\""] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn write_names(out: &mut Vec<u8>, key: &str, names: &[&str]) {
    for part in [",\"", key, "\":["] {
        out.extend_from_slice(part.as_bytes());
    }
    write_list(out, names, |out, name| write_string(name, out));
    out.push(b']');
}

fn write_list<T>(out: &mut Vec<u8>, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write(out, item);
    }
}
