//! Where deliveries come from, and under which contract they are read.

use std::sync::Arc;

use crate::contract::{Contract, SubjectId, Terms};
use crate::event::{Event, Reader, Unreadable};
use crate::live::{LiveArrival, Said, Session, SessionKey, Under};
use crate::log::{Delivery, SourceSettings, Stored};
use crate::timestamp::Timestamp;

/// A configured origin of deliveries.
pub struct Source {
    /// Its name.
    pub name: String,
    /// What its provider promises.
    pub contract: Arc<Contract>,
    /// What it has settled on with the provider.
    pub terms: Terms,
    /// What says whether a delivery is really from there.
    pub verify: Box<dyn Verify>,
}

/// Says whether a delivery is from where it claims to be.
pub trait Verify: Send + Sync {
    /// Looks at headers and the body as it was posted, byte for byte.
    ///
    /// # Errors
    /// When it is not, or nothing proves it.
    fn verify(&self, headers: &[(&str, &str)], body: &[u8], now: Timestamp) -> Result<(), Denied>;
}

/// A delivery that is not from where it claims to be. The reason is for the receiver's own log: a sender
/// is told no more than that it is denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Why.
    pub reason: String,
}

/// Events that a contract does not read as a log has them, since it was another when they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Misread {
    /// Those that it cannot read. They fold nothing.
    pub unreadable: u64,
    /// Those that it reads as of another session. They stay where they are.
    pub elsewhere: u64,
}

/// Takes everything: for sources whose provider signs nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unverified;

impl Verify for Unverified {
    fn verify(&self, _headers: &[(&str, &str)], _body: &[u8], _now: Timestamp) -> Result<(), Denied> {
        Ok(())
    }
}

impl Source {
    /// Reads a delivery: of which session it is, and its event.
    ///
    /// # Errors
    /// When it is no event of the contract.
    pub fn read<'r>(
        &self,
        reader: &'r mut Reader,
        delivery: &'r Delivery,
    ) -> Result<(SessionKey, Event<'r>), Unreadable> {
        let body =
            std::str::from_utf8(&delivery.body).map_err(|error| Unreadable::NotUtf8 { offset: error.valid_up_to() })?;
        let event = reader.read_delivery(&self.contract, body, &delivery.headers)?;
        let subject = self.contract.subject_name(event.subject);
        Ok((SessionKey::new(&self.name, subject, event.id), event))
    }

    /// What it is read under, for a log to remember.
    #[must_use]
    pub fn settings(&self) -> SourceSettings {
        SourceSettings::new(&self.name, &self.contract, &self.terms)
    }

    /// What a session is judged under; nothing when the contract has no such subject.
    #[must_use]
    pub fn under(&self, key: &SessionKey) -> Option<Under<'_>> {
        let (subject, _): (SubjectId, &str) = self.contract.subjects().find(|(_, name)| *name == key.subject())?;
        Some(Under { contract: &self.contract, terms: &self.terms, subject })
    }

    /// A session as the log has it. Events that the contract can no longer read are kept, and fold nothing.
    #[must_use]
    pub fn restore(&self, key: SessionKey, stored: Stored) -> Session {
        self.restore_counting(key, stored).0
    }

    /// The same, with how many of its events the contract does not read as the log has them.
    pub(super) fn restore_counting(&self, key: SessionKey, stored: Stored) -> (Session, Misread) {
        let mut said = Said::default();
        let mut notices = stored.notices;
        notices.sort_by_key(|notice| notice.revision);
        for notice in &notices {
            said.note(notice);
        }
        let mut reader = Reader::new();
        let mut misread = Misread::default();
        let events = stored.events.iter().filter_map(|entry| {
            let Ok((key, event)) = self.read(&mut reader, &entry.delivery) else {
                misread.unreadable += 1;
                return None;
            };
            misread.elsewhere += u64::from(key != entry.key);
            Some((LiveArrival::new(&self.contract, &event), entry.received_at))
        });
        let events: Vec<_> = events.collect();
        let mut session = Session::restore(key, events, stored.deadlines, said);
        if stored.crowded {
            session.note_crowded();
        }
        (session, misread)
    }
}
