//! Where a session stands: the table of the design, read off the whole set.

use std::time::Duration;

use finis_engine::contract::Draft;
use finis_engine::contract::draft::Role;
use finis_engine::parse_span;

use super::claims::{Facts, facts, latest};
use super::read::subject_of;
use super::time::Instant;
use super::{Kept, Terms};

/// What is to be said of a session at some time.
pub(super) struct Verdict<'e> {
    pub(super) status: &'static str,
    pub(super) by: Option<&'static str>,
    pub(super) missing: Vec<&'e str>,
    pub(super) inferred: Vec<&'e str>,
    pub(super) violations: Vec<&'e str>,
    /// When it has to be looked at again though nothing comes.
    pub(super) deadline: Option<Instant>,
    pub(super) facts: Facts<'e>,
}

/// When something was: by the receiver where it knows, else by the provider. Nothing is before everything.
fn when(kept: &Kept) -> Option<Instant> {
    kept.received_at.or(kept.told.at)
}

/// Kinds that end a session of a subject, under a subscription.
fn closing<'c>(contract: &'c Draft, terms: &Terms, subject: usize) -> Vec<&'c str> {
    let own = &contract.subjects[subject].closes;
    let subscribed: Vec<&str> = own.iter().map(String::as_str).filter(|kind| terms.has(kind)).collect();
    if !subscribed.is_empty() || own.is_empty() {
        return subscribed;
    }
    let lifecycle = contract.events.iter().filter(|event| {
        event.role == Role::Lifecycle && subject_of(contract, event) == subject && terms.has(&event.kind)
    });
    lifecycle.map(|event| event.kind.as_str()).next_back().into_iter().collect()
}

fn span(own: Option<&String>, set: Option<Duration>, is_main: bool) -> Option<Duration> {
    // The contract was checked: what it says is a span.
    set.filter(|_| is_main).or_else(|| own.and_then(|text| parse_span(text).ok()))
}

/// Judges a session at an instant.
pub(super) fn judge<'e>(
    contract: &'e Draft,
    terms: &Terms,
    subject: &str,
    events: &'e [Kept],
    now: Instant,
) -> Verdict<'e> {
    // Keys have names of the contract's subjects.
    let subject = contract.subjects.iter().position(|known| known.name == subject).unwrap_or(0);
    let facts = facts(contract, events);
    let is_here = |kind: &str| events.iter().any(|kept| kept.told.kind == kind);
    let of_subject = contract.events.iter().filter(|event| subject_of(contract, event) == subject);
    let due = of_subject.filter(|event| {
        terms.has(&event.kind)
            && match event.due.as_str() {
                "always" => true,
                "never" => false,
                condition => facts.hold(condition),
            }
    });
    let absent: Vec<&str> = due.map(|event| event.kind.as_str()).filter(|kind| !is_here(kind)).collect();
    let is_subsumed = |kind: &str| {
        contract.events.iter().any(|event| is_here(&event.kind) && event.subsumes.iter().any(|other| other == kind))
    };
    let (inferred, missing): (Vec<&str>, Vec<&str>) = absent.into_iter().partition(|kind| is_subsumed(kind));
    let violations = violations(contract, events, &facts);

    let closes = closing(contract, terms, subject);
    let closed = events.iter().filter(|kept| closes.contains(&kept.told.kind.as_str())).map(when).min();
    let own = &contract.subjects[subject];
    let is_main = subject == 0;
    let sound = missing.is_empty() && inferred.is_empty() && violations.is_empty();
    let (status, by, deadline) = match closed {
        Some(_) if sound => ("complete", Some("evidence"), None),
        Some(first) => {
            let grace = span(own.grace.as_ref(), terms.grace, is_main).unwrap_or_default();
            match first.map(|first| first.plus(grace)) {
                Some(end) if now < end => ("settling", None, Some(end)),
                _ => ("complete", Some("deadline"), None),
            }
        }
        None => match span(own.stall.as_ref(), terms.stall, is_main) {
            None => ("open", None, None),
            Some(stall) => {
                let last = events.iter().map(when).max().flatten();
                match last.map(|last| last.plus(stall)) {
                    Some(end) if now < end => ("open", None, Some(end)),
                    _ => ("stalled", Some("deadline"), None),
                }
            }
        },
    };
    Verdict { status, by, missing, inferred, violations, deadline, facts }
}

fn violations<'e>(contract: &'e Draft, events: &[Kept], facts: &Facts<'_>) -> Vec<&'e str> {
    let is_of = |kept: &Kept, kinds: &[String]| kinds.contains(&kept.told.kind);
    // What has no time is neither before nor after anything.
    let is_later = |kept: &Kept, last: &Kept| kept.told.at.zip(last.told.at).is_some_and(|(at, last)| at > last);
    let broken = contract.rules.iter().filter(|rule| match &rule.last {
        Some(last) => latest(events, last)
            .is_some_and(|last| events.iter().any(|kept| is_of(kept, &rule.before) && is_later(kept, last))),
        None => {
            events.iter().any(|kept| is_of(kept, &rule.never))
                && rule.when.as_ref().is_none_or(|condition| facts.hold(condition))
        }
    });
    let mut names: Vec<&str> = broken.map(|rule| rule.name.as_str()).collect();
    names.sort_unstable();
    names
}
