//! What of a batch is new: records of that, in a commit and in the index.

use finis_engine::Timestamp;
use finis_engine::log::{Appended, Gone, LogError, Mark, Why};

use super::jobs::{Prepared, PreparedEvent};
use crate::entries::{log_error, stopped};
use crate::head::{Due, Head, series};
use crate::index::{Index, RepeatOf, earliest};
use crate::journal::{Body, Commit, Place};
use crate::tag::Tag;

/// A commit, and the index that takes what goes into it.
pub(super) struct Drafting<'j, 'i> {
    pub(super) commit: Commit<'j>,
    pub(super) index: &'i mut Index,
    head: Vec<u8>,
}

impl<'j, 'i> Drafting<'j, 'i> {
    pub(super) fn new(commit: Commit<'j>, index: &'i mut Index) -> Drafting<'j, 'i> {
        Drafting { commit, index, head: Vec::with_capacity(128) }
    }

    pub(super) fn into_commit(self) -> Commit<'j> {
        self.commit
    }

    /// Adds a record that the index takes.
    pub(super) fn add(&mut self, head: &Head, body: Option<&Body>) -> Result<(), LogError> {
        self.index.take(head, self.commit.next()).map_err(|error| stopped(&error))?;
        self.push(head, body)
    }

    /// Adds a record whose content the index has.
    pub(super) fn push(&mut self, head: &Head, body: Option<&Body>) -> Result<(), LogError> {
        self.head.clear();
        head.write(&mut self.head);
        // It was begun for as many bytes.
        let pushed = self.commit.push(&self.head, body);
        pushed.map_err(|error| LogError::Stopped { reason: log_error(&error).to_string() })
    }

    pub(super) fn append(&mut self, batch: &Prepared) -> Result<Appended, LogError> {
        let mut appended = Appended::default();
        let mut latest: Option<Timestamp> = None;
        for event in &batch.events {
            let (is_new, is_earlier) = self.event(event, batch, &mut latest)?;
            appended.new.push(is_new);
            appended.earlier.push(is_earlier);
        }
        for (tag, at) in &batch.deadlines {
            let session = self.index.session(*tag).map_err(|error| stopped(&error))?;
            if session.is_known() && session.gone.is_none() && !session.has_passed(*at) {
                let due = batch.due(*tag, session.due);
                self.add(&Head::Passed { tag: *tag, at: *at, due }, None)?;
            }
        }
        for tag in &batch.crowded {
            let session = self.index.session(*tag).map_err(|error| stopped(&error))?;
            if session.is_known() && session.gone.is_none() && !session.crowded {
                self.add(&Head::Crowded { tag: *tag }, None)?;
            }
        }
        for notice in &batch.notices {
            let session = self.index.session(notice.tag).map_err(|error| stopped(&error))?;
            let first = !session.has_said(series(notice.kind), notice.revision) && session.gone.is_none();
            appended.first.push(first);
            if first {
                let seq = if batch.quiet { 0 } else { self.index.meta().seq + 1 };
                let (id, tag, kind, revision) = (notice.id, notice.tag, notice.kind, notice.revision);
                self.add(&Head::Notice { seq, id, tag, kind, revision }, Some(&notice.body))?;
            }
        }
        for tag in batch.due.keys() {
            let session = self.index.session(*tag).map_err(|error| stopped(&error))?;
            let (is_live, known) = (session.is_known() && session.gone.is_none(), session.due);
            match batch.due(*tag, known) {
                Due::Same => {}
                due if is_live => self.add(&Head::Due { tag: *tag, due }, None)?,
                _ => {}
            }
        }
        for id in &batch.released {
            let identity = id.to_bytes();
            if self.index.refused(identity).map_err(|error| stopped(&error))?.is_some() {
                self.add(&Head::Answered { identity }, None)?;
            }
        }
        for refused in &batch.refused {
            if self.index.refused(refused.identity).map_err(|error| stopped(&error))?.is_some() {
                latest = latest.max(Some(refused.received_at));
            } else {
                let (identity, received_at) = (refused.identity, refused.received_at);
                self.add(&Head::Refused { identity, received_at }, Some(&refused.body))?;
            }
        }
        for settings in &batch.sources {
            if self.index.source(&settings.name).map_err(|error| stopped(&error))?.as_ref() != Some(settings) {
                self.add(&Head::Source(settings.clone()), None)?;
            }
        }
        // What came again leaves nothing else behind, and the clock must not go behind it.
        if let Some(at) = latest.filter(|at| self.index.meta().latest.is_none_or(|latest| latest < *at)) {
            self.add(&Head::Clock { at }, None)?;
        }
        Ok(appended)
    }

    /// Whether it is new, and whether it was there with a later arrival or none.
    fn event(
        &mut self,
        event: &PreparedEvent,
        batch: &Prepared,
        latest: &mut Option<Timestamp>,
    ) -> Result<(bool, bool), LogError> {
        let PreparedEvent { tag, digest, received_at, .. } = *event;
        let session = self.index.session(tag).map_err(|error| stopped(&error))?;
        if session.gone.is_some() {
            *latest = (*latest).max(received_at);
            return Ok((false, false));
        }
        let (known, is_due) = (session.event(digest), session.due);
        // What is known and damaged is taken once more: whoever is told that it is kept can rely on it. A
        // record of this very commit is not there yet, and is sound.
        if let Some((known, at)) = known.zip(received_at) {
            self.index.count_told((tag, digest), known.received_at, at).map_err(|error| stopped(&error))?;
        }
        let is_here = |index: &Index, place: Place| place.frame == self.commit.next().frame || index.is_sound(place);
        let Some(known) = known.filter(|known| is_here(self.index, known.place)) else {
            let due = batch.due(tag, is_due);
            self.add(&Head::Event { tag, digest, received_at, due }, Some(&event.body))?;
            return Ok((true, false));
        };
        let known = known.received_at;
        *latest = (*latest).max(received_at);
        let at = earliest(known, received_at).filter(|at| !known.is_some_and(|known| is_same(*at, known)));
        if let Some(received_at) = at {
            self.add(&Head::Arrival { tag, digest, received_at }, None)?;
        }
        Ok((false, at.is_some()))
    }

    /// Says how often these events came, as far as that still waits to be said.
    pub(super) fn say_repeats(&mut self, of: &[RepeatOf]) -> Result<(), LogError> {
        for (tag, digest) in of.iter().copied() {
            if let Some(arrivals) = self.index.repeat((tag, digest)) {
                self.add(&Head::Repeated { tag, digest, arrivals }, None)?;
            }
        }
        Ok(())
    }

    pub(super) fn mark(&mut self, consumer: &str, marks: &[Mark]) -> Result<(), LogError> {
        for mark in marks {
            if let Some(head) = self.index.head_of(consumer, mark).map_err(|error| stopped(&error))? {
                self.add(&head, None)?;
            }
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, consumer: &str) -> Result<(), LogError> {
        if self.index.consumer(consumer).map_err(|error| stopped(&error))?.is_some() {
            self.add(&Head::Removed { consumer: consumer.to_owned() }, None)?;
        }
        Ok(())
    }

    pub(super) fn let_go(&mut self, tags: &[Tag], gone: Gone) -> Result<(), LogError> {
        for tag in tags {
            let session = self.index.session(*tag).map_err(|error| stopped(&error))?;
            // What was forgotten is not merely expired after that.
            let is_news = session.gone.is_none_or(|before| before.why < gone.why);
            if session.is_known() && is_news {
                let revisions = session.revisions();
                // Of what was forgotten, every notice stays in its place.
                let told = if gone.why == Why::Forgotten { 0 } else { u64::MAX };
                self.add(&Head::Gone { tag: *tag, why: gone.why, at: gone.at, revisions, told }, None)?;
            }
        }
        Ok(())
    }
}

impl Prepared {
    /// What is to be said of when a session is due, that was due at `known` so far: with the first record
    /// that it gets, and then it is as said.
    fn due(&self, tag: Tag, known: Option<Timestamp>) -> Due {
        let Some(due) = self.due.get(&tag) else { return Due::Same };
        let is_as_before = match (known, *due) {
            (Some(known), Some(due)) => is_same(known, due),
            (known, due) => known.is_none() && due.is_none(),
        };
        if is_as_before { Due::Same } else { Due::from(*due) }
    }

    /// What became of a batch that has nothing new; nothing when it has.
    pub(super) fn appended_before(&self, index: &mut Index) -> Option<Appended> {
        for event in &self.events {
            let session = index.session(event.tag).ok()?;
            let known = session.event(event.digest);
            let is_new = |at: Option<Timestamp>| earliest(at, event.received_at) != at;
            if session.gone.is_none() && known.is_none_or(|known| is_new(known.received_at)) {
                return None;
            }
        }
        for notice in &self.notices {
            if !index.session(notice.tag).ok()?.has_said(series(notice.kind), notice.revision) {
                return None;
            }
        }
        for (tag, at) in &self.deadlines {
            if !index.session(*tag).ok()?.has_passed(*at) {
                return None;
            }
        }
        for tag in &self.crowded {
            if !index.session(*tag).ok()?.crowded {
                return None;
            }
        }
        for refused in &self.refused {
            index.refused(refused.identity).ok()??;
        }
        for id in &self.released {
            if index.refused(id.to_bytes()).ok()?.is_some() {
                return None;
            }
        }
        for settings in &self.sources {
            index.source(&settings.name).ok()?.filter(|known| known == settings)?;
        }
        let (events, notices) = (self.events.len(), self.notices.len());
        Some(Appended { new: vec![false; events], earlier: vec![false; events], first: vec![false; notices] })
    }
}

/// The same instant, written with the same digits.
fn is_same(one: Timestamp, other: Timestamp) -> bool {
    (one.unix(), one.digits()) == (other.unix(), other.digits())
}
