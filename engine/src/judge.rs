//! From a partial to a verdict: a function of the evidence, the contract, the terms and the time.

use std::time::Duration;

use crate::contract::{
    Channel, Contract, Derivation, Due, Evidence, Facts, FieldId, KindId, KindSet, Outcome, Says, SubjectId, Terms,
};
use crate::partial::{Partial, Seen, Since};
use crate::timestamp::Timestamp;

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// No closing event yet.
    Open,
    /// It closed, but something is missing or inferred, or a rule is broken; the grace still runs.
    Settling,
    /// It closed, and either nothing is wanting or the grace is over.
    Complete,
    /// It did not close, and nothing new came for the stall time.
    Stalled,
}

/// Every status there is, in the order of the type.
pub const STATUSES: [Status; 4] = [Status::Open, Status::Settling, Status::Complete, Status::Stalled];

/// What decided a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// All that is due is here.
    Evidence,
    /// The time for it to come is over.
    Deadline,
}

/// What is to be said of a session at some time.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Where it stands.
    pub status: Status,
    /// What decided that; nothing while it may still change by itself.
    pub by: Option<By>,
    /// A call, a text, or not known.
    pub channel: Channel,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) due: KindSet,
    pub(crate) missing: KindSet,
    pub(crate) inferred: KindSet,
    /// Places of the broken rules.
    pub(crate) broken: Vec<usize>,
}

impl Verdict {
    /// How it went, if anything says so.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// Kinds that are due of this session, here or not, in the order of the contract's table.
    pub fn due(&self) -> impl Iterator<Item = KindId> {
        self.due.iter()
    }

    /// Kinds that are due and not here, and whose facts nothing here has.
    pub fn missing(&self) -> impl Iterator<Item = KindId> {
        self.missing.iter()
    }

    /// Kinds that are due and not here, but subsumed by one that is.
    pub fn inferred(&self) -> impl Iterator<Item = KindId> {
        self.inferred.iter()
    }
}

impl Status {
    /// The word in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::Settling => "settling",
            Status::Complete => "complete",
            Status::Stalled => "stalled",
        }
    }
}

impl By {
    /// The word in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            By::Evidence => "evidence",
            By::Deadline => "deadline",
        }
    }
}

/// Judges a session at `now`. A deadline is over at its very instant.
#[must_use]
pub fn judge(partial: &Partial, subject: SubjectId, contract: &Contract, terms: &Terms, now: Timestamp) -> Verdict {
    let here = partial.kinds();
    let channel = derive(&contract.channel, partial).unwrap_or(Channel::Unknown);
    let outcome = derive(&contract.outcome, partial);
    let record = Derived { partial, channel, outcome };

    let mut all_due = KindSet::default();
    let mut missing = KindSet::default();
    let mut inferred = KindSet::default();
    let mut subsumed = KindSet::default();
    here.iter().for_each(|kind| subsumed = subsumed.or(contract.kind(kind).subsumes));
    for (id, kind) in contract.kinds_of(subject) {
        let due = match &kind.due {
            Due::Always => true,
            Due::Never => false,
            Due::When(condition) => condition.holds(&record),
        };
        if !due || !terms.is_subscribed(id) {
            continue;
        }
        all_due.insert(id);
        if here.has(id) {
            continue;
        }
        if subsumed.has(id) { inferred.insert(id) } else { missing.insert(id) }
    }

    let rules = contract.rules.iter().enumerate();
    let broken: Vec<usize> =
        rules.filter(|(_, rule)| is_broken(&rule.says, here, &record)).map(|(place, _)| place).collect();

    let clean = missing.is_empty() && inferred.is_empty() && broken.is_empty() && !partial.is_crowded();
    let (status, by) = match first_close(partial, terms.closes(subject)) {
        Some(_) if clean => (Status::Complete, Some(By::Evidence)),
        Some(closed) if is_over(closed, terms.grace(subject), now) => (Status::Complete, Some(By::Deadline)),
        Some(_) => (Status::Settling, None),
        None => {
            let last = partial.events().iter().map(Seen::since).max().unwrap_or(Since::Ever);
            match terms.stall(subject) {
                Some(stall) if is_over(last, stall, now) => (Status::Stalled, Some(By::Deadline)),
                _ => (Status::Open, None),
            }
        }
    };
    Verdict { status, by, channel, outcome, due: all_due, missing, inferred, broken }
}

/// When a session has to be judged again though nothing comes: at the end of its grace while it settles,
/// of its stall time while it is open. Nothing when only an event can change what is said of it.
pub(crate) fn deadline(partial: &Partial, subject: SubjectId, terms: &Terms, verdict: &Verdict) -> Option<Timestamp> {
    let (since, wait) = match verdict.status {
        Status::Settling => (first_close(partial, terms.closes(subject))?, terms.grace(subject)),
        Status::Open => (partial.events().iter().map(Seen::since).max()?, terms.stall(subject)?),
        Status::Complete | Status::Stalled => return None,
    };
    match since {
        Since::Ever => None,
        Since::At(at) => Some(at.plus(wait)),
    }
}

/// Since when there is a closing event.
fn first_close(partial: &Partial, closes: KindSet) -> Option<Since> {
    let closing = partial.events().iter().filter(|seen| seen.known_kind().is_some_and(|kind| closes.has(kind)));
    closing.map(Seen::since).min()
}

/// Whether a wait is over.
fn is_over(since: Since, wait: Duration, now: Timestamp) -> bool {
    match since {
        Since::Ever => true,
        Since::At(at) => now >= at.plus(wait),
    }
}

fn is_broken(says: &Says, here: KindSet, record: &Derived<'_>) -> bool {
    match says {
        Says::Last { last, before } => record.partial.winning(*last).is_some_and(|last| {
            let events = record.partial.events().iter();
            let mut early = events.filter(|seen| seen.known_kind().is_some_and(|kind| before.has(kind)));
            last.at.is_some() && early.any(|seen| seen.at > last.at)
        }),
        Says::Never { kinds, when } => kinds.meets(here) && when.as_ref().is_none_or(|when| when.holds(record)),
    }
}

/// What the first derivation that applies says.
fn derive<T: Copy>(derivations: &[Derivation<T>], partial: &Partial) -> Option<T> {
    // Derivations in a row are mostly about one field.
    let mut last: Option<(FieldId, Option<&[u8]>)> = None;
    let mut winner = |field: FieldId| match last {
        Some((known, value)) if known == field => value,
        _ => last.insert((field, partial.winner(field))).1,
    };
    let mut applies = |evidence: &Evidence| match evidence {
        Evidence::Kind { kind, fact } => {
            let winning = partial.winning(*kind);
            winning.is_some_and(|seen| fact.is_none_or(|fact| seen.has_fact(fact)))
        }
        Evidence::Field { field, values } => winner(*field).is_some_and(|value| {
            values.as_ref().is_none_or(|values| values.iter().any(|known| known.as_bytes() == value))
        }),
    };
    derivations.iter().find(|derivation| applies(&derivation.evidence)).map(|derivation| derivation.is)
}

/// What conditions are asked about.
struct Derived<'p> {
    partial: &'p Partial,
    channel: Channel,
    outcome: Option<Outcome>,
}

impl Facts for Derived<'_> {
    fn channel(&self) -> Channel {
        self.channel
    }

    fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    fn field(&self, field: FieldId) -> Option<&[u8]> {
        self.partial.winner(field)
    }
}
