//! The one who writes: takes what is queued, finds what of it is new, commits it with one sync,
//! answers all.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use finis_engine::Timestamp;
use finis_engine::log::{Appended, LogError};
use tokio::sync::mpsc;

use super::jobs::{Answer, Job, Prepared, notice_head};
use super::{log_error, stopped};
use crate::crash::crash_point;
use crate::head::{Head, series};
use crate::index::{Behind, Draft, Index, IndexError, PENDING};
use crate::journal::{Body, Journal, JournalError, Place, Record};

/// Records and bytes of a commit, unless one batch has more: latency grows with it, throughput hardly.
const COMMIT_RECORDS: usize = 2048;
const COMMIT_BYTES: usize = 4 << 20;

/// The one who writes.
pub(super) struct Writer {
    pub(super) journal: Journal,
    pub(super) index: Index,
    pub(super) behind: Behind,
    pub(super) jobs: mpsc::Receiver<Job>,
    pub(super) stopped: Arc<OnceLock<String>>,
    pub(super) patience: Duration,
}

/// An answer that waits for its commit.
enum Waiting<'j> {
    Append(&'j mut Option<Answer<Appended>>, Appended),
    Done(&'j mut Option<Answer<()>>),
}

/// A job of a commit.
enum Part {
    Append(Box<Prepared>, Option<Answer<Appended>>),
    Acknowledge(String, u64, Option<Answer<()>>),
    Remove(String, Option<Answer<()>>),
}

impl Writer {
    /// Works until it is closed, or nobody is left to ask.
    pub(super) fn run(mut self) {
        let closing = loop {
            let Some(first) = self.jobs.blocking_recv() else { break None };
            let (mut parts, closing) = self.gather(first);
            self.commit(&mut parts);
            if closing.is_some() {
                break closing;
            }
        };
        if let Some(answer) = closing {
            let Writer { journal, index, behind, stopped, patience, .. } = self;
            let result = close(journal, index, behind, &stopped, patience);
            let _ = answer.send(result);
        }
    }

    /// What is queued, as far as it fits into one commit; and whether to close then.
    fn gather(&mut self, first: Job) -> (Vec<Part>, Option<Answer<()>>) {
        let (mut parts, mut records, mut bytes) = (Vec::new(), 0, 0);
        let mut next = Some(first);
        while let Some(job) = next {
            let part = match job {
                Job::Append(prepared, answer) => {
                    records += prepared.records;
                    bytes += prepared.bytes;
                    Part::Append(prepared, Some(answer))
                }
                Job::Acknowledge(consumer, seq, answer) => Part::Acknowledge(consumer, seq, Some(answer)),
                Job::Remove(consumer, answer) => Part::Remove(consumer, Some(answer)),
                Job::Close(answer) => return (parts, Some(answer)),
            };
            parts.push(part);
            let is_full = records >= COMMIT_RECORDS || bytes >= COMMIT_BYTES || parts.len() >= COMMIT_RECORDS;
            next = if is_full { None } else { self.jobs.try_recv().ok() };
        }
        (parts, None)
    }

    fn commit(&mut self, parts: &mut [Part]) {
        let result = match self.stopped.get() {
            Some(reason) => Err(LogError::Stopped { reason: reason.clone() }),
            None => {
                self.index.view().wait_for_room().map_err(|error| stopped(&error)).and_then(|()| self.try_commit(parts))
            }
        };
        match result {
            Ok(()) => {}
            // Perhaps there is room for some of them, or some have nothing new.
            Err(LogError::Full { .. } | LogError::TooLarge { .. }) if parts.len() > 1 => {
                parts.chunks_mut(1).for_each(|part| self.commit(part));
            }
            Err(error) => {
                if !matches!(error, LogError::Full { .. } | LogError::TooLarge { .. }) {
                    let _ = self.stopped.set(error.to_string());
                }
                for part in parts {
                    part.refuse(&error);
                }
            }
        }
    }

    /// Commits all or nothing, and answers when it is done.
    fn try_commit(&mut self, parts: &mut [Part]) -> Result<(), LogError> {
        let mut draft = self.index.draft();
        let mut records = Vec::new();
        let mut waiting = Vec::with_capacity(parts.len());
        for part in parts {
            waiting.push(part.draft(&mut draft, &mut records).map_err(|error| stopped(&error))?);
        }
        if records.is_empty() {
            // Nothing is new.
            draft.leave();
        } else {
            crash_point!("commit.drafted");
            match self.journal.append(&records) {
                Ok(places) => {
                    let frame = places.first().map_or(PENDING, |place| place.frame);
                    draft.keep(frame, self.journal.end(), self.journal.records());
                }
                Err(error) => {
                    draft.leave();
                    // Whatever cannot be asked of the disk, nobody knows what else it does not do.
                    return Err(match log_error(&error) {
                        LogError::Damaged { reason } => LogError::Stopped { reason },
                        other => other,
                    });
                }
            }
        }
        crash_point!("commit.kept");
        waiting.into_iter().for_each(Waiting::answer);
        crash_point!("commit.answered");
        Ok(())
    }
}

impl Part {
    /// Finds out what of it is new, and makes records of that.
    fn draft<'j>(&'j mut self, draft: &mut Draft<'_>, records: &mut Vec<Record>) -> Result<Waiting<'j>, IndexError> {
        let mut add = |draft: &mut Draft<'_>, head: &Head, body: Option<&Body>| {
            // A frame has far fewer than 2³² records.
            let place = Place { frame: PENDING, record: records.len() as u32 };
            draft.take(head, place)?;
            records.push(Record { head: head.encode(), body: body.cloned() });
            Ok::<(), IndexError>(())
        };
        match self {
            Part::Append(prepared, answer) => {
                let appended = prepared.draft(draft, &mut add)?;
                Ok(Waiting::Append(answer, appended))
            }
            Part::Acknowledge(consumer, seq, answer) => {
                if draft.consumer(consumer)?.is_none_or(|known| known < *seq) {
                    add(draft, &Head::Acknowledged { consumer: consumer.clone(), seq: *seq }, None)?;
                }
                Ok(Waiting::Done(answer))
            }
            Part::Remove(consumer, answer) => {
                if draft.consumer(consumer)?.is_some() {
                    add(draft, &Head::Removed { consumer: consumer.clone() }, None)?;
                }
                Ok(Waiting::Done(answer))
            }
        }
    }

    fn refuse(&mut self, error: &LogError) {
        match self {
            Part::Append(_, answer) => {
                if let Some(answer) = answer.take() {
                    let _ = answer.send(Err(error.clone()));
                }
            }
            Part::Acknowledge(_, _, answer) | Part::Remove(_, answer) => {
                if let Some(answer) = answer.take() {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
    }
}

impl Prepared {
    fn draft<A>(&self, draft: &mut Draft<'_>, add: &mut A) -> Result<Appended, IndexError>
    where
        A: FnMut(&mut Draft<'_>, &Head, Option<&Body>) -> Result<(), IndexError>,
    {
        let mut appended = Appended::default();
        let mut latest: Option<Timestamp> = None;
        for (head, body) in &self.events {
            let Head::Event { key, digest, received_at, .. } = head else { continue };
            let known = draft.session(key)?.event(*digest);
            appended.new.push(known.is_none());
            match known {
                None => add(draft, head, Some(body))?,
                Some(known) => {
                    if !is_same(known.earliest(*received_at), known) {
                        let (key, digest, received_at) = (key.clone(), *digest, *received_at);
                        add(draft, &Head::Arrival { key, digest, received_at }, None)?;
                    }
                    latest = latest.max(Some(*received_at));
                }
            }
        }
        for (key, due) in &self.deadlines {
            if !draft.session(key)?.has_passed(*due) {
                add(draft, &Head::Passed { key: key.clone(), due: *due }, None)?;
            }
        }
        for (notice, body) in &self.notices {
            let first = !draft.session(&notice.key)?.has_said(series(notice.kind), notice.revision);
            appended.first.push(first);
            if first {
                let seq = draft.meta().seq + 1;
                add(draft, &notice_head(notice, seq), Some(body))?;
            }
        }
        for (key, due) in &self.due {
            let (known, before) = (draft.knows(key)?, draft.session(key)?.due);
            let is_as_before = match (before, *due) {
                (Some(before), Some(due)) => is_same(before, due),
                (before, due) => before.is_none() && due.is_none(),
            };
            if !known || !is_as_before {
                add(draft, &Head::Due { key: key.clone(), due: *due }, None)?;
            }
        }
        for (head, body) in &self.refused {
            let Head::Refused { identity, received_at, .. } = head else { continue };
            if draft.has_refused(*identity)? {
                latest = latest.max(Some(*received_at));
            } else {
                add(draft, head, Some(body))?;
            }
        }
        // What came again leaves nothing else behind, and the clock must not go behind it.
        if let Some(at) = latest.filter(|at| draft.meta().latest.is_none_or(|latest| latest < *at)) {
            add(draft, &Head::Clock { at }, None)?;
        }
        Ok(appended)
    }
}

impl Waiting<'_> {
    /// Whoever asked may not wait any more; what was done is done.
    fn answer(self) {
        match self {
            Waiting::Append(answer, appended) => {
                if let Some(answer) = answer.take() {
                    let _ = answer.send(Ok(appended));
                }
            }
            Waiting::Done(answer) => {
                if let Some(answer) = answer.take() {
                    let _ = answer.send(Ok(()));
                }
            }
        }
    }
}

/// The same instant, written with the same digits.
fn is_same(one: Timestamp, other: Timestamp) -> bool {
    (one.unix(), one.digits()) == (other.unix(), other.digits())
}

fn close(
    journal: Journal,
    index: Index,
    behind: Behind,
    stop: &OnceLock<String>,
    patience: Duration,
) -> Result<(), LogError> {
    crash_point!("log.closing");
    let indexed = behind.close(patience);
    crash_point!("log.index-closed");
    drop(index);
    let was_stopped = stop.get().cloned();
    let _ = stop.set("it was closed".to_owned());
    let closed = match journal.close() {
        Err(JournalError::Broken) => Ok(()),
        closed => closed,
    };
    closed.map_err(|error| log_error(&error))?;
    crash_point!("log.closed");
    // The journal has everything; the index is behind at the next opening, and no more.
    indexed.map_err(|error| stopped(&error))?;
    was_stopped.map_or(Ok(()), |reason| Err(LogError::Stopped { reason }))
}
