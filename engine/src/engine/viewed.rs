//! A session as somebody looks at it: its record, where it stands, and how it came to that.

use super::Source;
use crate::judge::Verdict;
use crate::live::{Session, SessionKey, Under};
use crate::log::Stored;
use crate::record::Record;
use crate::timeline::{Step, timeline, where_it_stands};
use crate::timestamp::Timestamp;

/// A session as a log has it.
pub struct Viewed<'s> {
    /// Where it is from.
    pub source: &'s Source,
    /// What it is judged under.
    pub under: Under<'s>,
    /// What the log has of it.
    pub stored: Stored,
    session: Session,
    as_of: Timestamp,
}

impl Source {
    /// A session of this source as a log has it, judged at `as_of`, or at its own latest entry if that is
    /// later. Nothing when the contract has no such subject.
    #[must_use]
    pub fn view(&self, key: &SessionKey, stored: Stored, as_of: Timestamp) -> Option<Viewed<'_>> {
        let under = self.under(key)?;
        let session = self.restore(key.clone(), stored.clone());
        Some(Viewed { source: self, under, stored, session, as_of })
    }
}

impl Viewed<'_> {
    /// Its record with its certificate, as JSON.
    #[must_use]
    pub fn record(&self) -> String {
        self.session.record_at(self.under, self.as_of)
    }

    /// Its record, part by part.
    #[must_use]
    pub fn parts(&self) -> Record<'_> {
        self.session.view_at(self.under, self.as_of)
    }

    /// Where it stands.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.session.verdict_at(self.under, self.as_of)
    }

    /// When it is judged again though nothing comes.
    #[must_use]
    pub fn awaits_until(&self) -> Option<Timestamp> {
        self.session.deadline(self.under).filter(|due| *due > self.as_of)
    }

    /// When the last of its events came; if nothing says when any did, the latest time at which one happened.
    #[must_use]
    pub fn latest(&self) -> Option<Timestamp> {
        let came = self.stored.events.iter().filter_map(|event| event.received_at).max();
        came.or_else(|| self.session.partial().events().iter().filter_map(|seen| seen.at).max())
    }

    /// How it came to be what it is, entry by entry.
    #[must_use]
    pub fn timeline(&self) -> Vec<Step> {
        timeline(self.source, self.under, self.session.key(), &self.stored)
    }

    /// The same, as JSON: an object for each entry, and a last one, `record`, for where the session stands.
    #[must_use]
    pub fn timeline_json(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.timeline().iter().map(Step::to_json).collect();
        // The record stands as it is everywhere, byte for byte.
        lines.push(where_it_stands(&self.record(), self.awaits_until()));
        lines
    }
}
