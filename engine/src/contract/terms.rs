//! What a source has settled on with its provider: which kinds it is sent, and how long it waits.

use std::fmt;
use std::time::Duration;

use super::draft::Role;
use super::{Contract, KindId, KindSet, SubjectId};

/// The terms of one source under a contract: subscription, grace and stall.
#[derive(Clone, Debug)]
pub struct Terms {
    subscribed: KindSet,
    subjects: Vec<SubjectTerms>,
}

#[derive(Clone, Debug)]
struct SubjectTerms {
    /// Kinds that end a session: those of the contract that are subscribed, or the last lifecycle
    /// kind that is.
    closes: KindSet,
    grace: Duration,
    stall: Option<Duration>,
}

/// A subscription names a kind that the contract does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKind {
    /// What was named.
    pub kind: String,
    /// What there is.
    pub known: Vec<String>,
}

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no kind of event is called `{}`; there are {}", self.kind, self.known.join(", "))
    }
}

impl std::error::Error for UnknownKind {}

impl Terms {
    /// The contract's own: every kind, its grace and its stall.
    #[must_use]
    pub fn new(contract: &Contract) -> Terms {
        let mut all = KindSet::default();
        contract.kinds().for_each(|(kind, _)| all.insert(kind));
        let subjects = contract.subjects.iter();
        let mut terms = Terms {
            subscribed: all,
            subjects: subjects
                .map(|subject| SubjectTerms { closes: subject.closes, grace: subject.grace, stall: subject.stall })
                .collect(),
        };
        terms.close(contract);
        terms
    }

    /// Narrows what is sent to these kinds.
    ///
    /// # Errors
    /// When one of them is not in the contract.
    pub fn subscribe<'k>(
        &mut self,
        contract: &Contract,
        kinds: impl IntoIterator<Item = &'k str>,
    ) -> Result<(), UnknownKind> {
        let mut subscribed = KindSet::default();
        for kind in kinds {
            subscribed.insert(contract.kind_named(kind).ok_or_else(|| UnknownKind {
                kind: kind.to_owned(),
                known: contract.kinds().map(|(_, name)| name.to_owned()).collect(),
            })?);
        }
        self.subscribed = subscribed;
        self.close(contract);
        Ok(())
    }

    /// Sets how long to wait, after the end of a session, for what is missing. It is the main
    /// subject's; others keep what the contract says.
    pub fn set_grace(&mut self, grace: Duration) {
        self.subjects[0].grace = grace;
    }

    /// Sets how long to wait, after the last event of a session, for its end. It is the main
    /// subject's; others keep what the contract says.
    pub fn set_stall(&mut self, stall: Duration) {
        self.subjects[0].stall = Some(stall);
    }

    /// The kinds that are sent, in the order of the contract's table.
    pub fn subscribed(&self) -> impl Iterator<Item = KindId> {
        self.subscribed.iter()
    }

    pub(crate) fn is_subscribed(&self, kind: KindId) -> bool {
        self.subscribed.has(kind)
    }

    pub(crate) fn closes(&self, subject: SubjectId) -> KindSet {
        self.subjects[usize::from(subject.0)].closes
    }

    /// How long a session of this subject waits, after its end, for what is missing.
    #[must_use]
    pub fn grace(&self, subject: SubjectId) -> Duration {
        self.subjects[usize::from(subject.0)].grace
    }

    /// How long a session of this subject waits for its end; nothing when it has none.
    #[must_use]
    pub fn stall(&self, subject: SubjectId) -> Option<Duration> {
        self.subjects[usize::from(subject.0)].stall
    }

    fn close(&mut self, contract: &Contract) {
        for (place, terms) in self.subjects.iter_mut().enumerate() {
            let subject = SubjectId(place as u16);
            let own = contract.subject(subject).closes;
            terms.closes = own.and(self.subscribed);
            if terms.closes.is_empty() && !own.is_empty() {
                let lifecycle = contract.kinds_of(subject).filter(|(_, kind)| kind.role == Role::Lifecycle);
                let last = lifecycle.map(|(id, _)| id).filter(|id| self.subscribed.has(*id)).last();
                if let Some(kind) = last {
                    terms.closes.insert(kind);
                }
            }
        }
    }
}
