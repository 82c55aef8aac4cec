//! The one who writes: takes what is queued, finds what of it is new, commits it with one sync,
//! answers all.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use finis_engine::log::{Appended, LogError, Mark};

use super::drafting::Drafting;
use super::jobs::{Answer, Job, Jobs, Prepared, bare_bytes, marks_bytes, repeat_bytes};
use crate::crash::crash_point;
use crate::entries::{log_error, stopped};
use crate::index::{Behind, Index, IndexError, RepeatOf};
use crate::journal::{Journal, JournalError, Room};
use crate::tag::Tag;

/// Records and bytes of a commit, unless one batch has more: latency grows with it, throughput hardly.
const COMMIT_RECORDS: usize = 8192;
const COMMIT_BYTES: usize = 4 << 20;

/// Events of which a commit that happens anyway says how often they came.
const REPEATS: usize = 256;

/// Bytes of a frame that are no record.
const FRAME_BYTES: usize = 128;

/// The one who writes.
pub(super) struct Writer {
    pub(super) journal: Journal,
    pub(super) index: Index,
    pub(super) behind: Behind,
    pub(super) stopped: Arc<OnceLock<String>>,
    pub(super) patience: Duration,
}

/// A job of a commit, and who waits for it.
enum Part {
    Append(Box<Prepared>, Answer<Appended>),
    Mark(String, Vec<Mark>, Answer<()>),
    Remove(String, Answer<()>),
    LetGo(Vec<Tag>, finis_engine::log::Gone, Answer<()>),
}

/// What a part has become.
enum Done {
    Appended(Appended),
    Nothing,
}

impl Writer {
    /// Works until it is closed, or nobody is left to ask.
    pub(super) fn run(mut self, mut jobs: Jobs) {
        while let Some(first) = jobs.next() {
            let (parts, other) = gather(first, &mut jobs);
            self.commit(parts);
            if self.index.has_too_many_repeats() {
                self.say_repeats();
            }
            match other {
                None => {}
                Some(Job::Close(answer)) => {
                    self.say_repeats();
                    let Writer { journal, index, behind, stopped, patience } = self;
                    let _ = answer.send(close(journal, index, behind, &stopped, patience));
                    return;
                }
                Some(job) => self.tend(job),
            }
        }
        self.say_repeats();
    }

    /// Writes all that was counted and waits. Where there is no room for it, it is not said: nobody who has to be
    /// answered depends on it.
    fn say_repeats(&mut self) {
        loop {
            let of = self.index.repeats(COMMIT_RECORDS);
            if of.is_empty() || self.stopped.get().is_some() {
                return;
            }
            match self.commit_with(of.len() * repeat_bytes(), Room::Spare, |drafting| drafting.say_repeats(&of)) {
                Ok(()) => {}
                Err(LogError::Full { .. } | LogError::TooLarge { .. }) => return,
                Err(error) => {
                    let _ = self.stopped.set(error.to_string());
                    return;
                }
            }
        }
    }

    fn commit(&mut self, mut parts: Vec<Part>) {
        if parts.is_empty() {
            return;
        }
        match self.try_commit(&parts) {
            Ok(done) => {
                parts.into_iter().zip(done).for_each(|(part, done)| part.answer(done));
                crash_point!("commit.answered");
            }
            // Perhaps there is room for some of them, or some have nothing new.
            Err(LogError::Full { .. } | LogError::TooLarge { .. }) if parts.len() > 1 => {
                for part in parts {
                    self.commit(vec![part]);
                }
            }
            Err(error) => {
                let is_passing = matches!(error, LogError::Full { .. } | LogError::TooLarge { .. });
                if !is_passing {
                    let _ = self.stopped.set(error.to_string());
                }
                for part in parts.drain(..) {
                    let done = if is_passing { part.done_before(&mut self.index) } else { None };
                    match done {
                        Some(done) => part.answer(done),
                        None => part.refuse(error.clone()),
                    }
                }
            }
        }
    }

    fn try_commit(&mut self, parts: &[Part]) -> Result<Vec<Done>, LogError> {
        let done = if parts.iter().all(Part::is_counted_only) {
            self.refuse_when_stopped()?;
            parts.iter().map(|_| Done::Appended(Appended::default())).collect()
        } else {
            self.try_commit_kept(parts)?
        };
        // Not before: of what was not committed, nothing is counted.
        for part in parts {
            part.count(&mut self.index).map_err(|error| stopped(&error))?;
        }
        Ok(done)
    }

    /// With what has doubled of what was counted before.
    fn try_commit_kept(&mut self, parts: &[Part]) -> Result<Vec<Done>, LogError> {
        let bytes: usize = parts.iter().map(Part::bytes).sum();
        let is_freeing = parts.iter().all(|part| matches!(part, Part::LetGo(..)));
        let room = if is_freeing { Room::Reserve } else { Room::Spare };
        let doubled = if is_freeing { Vec::new() } else { self.index.doubled(REPEATS) };
        let mut commit = |doubled: &[RepeatOf]| {
            self.commit_with(bytes + doubled.len() * repeat_bytes(), room, |drafting| {
                let done = parts.iter().map(|part| part.draft(drafting)).collect::<Result<_, _>>()?;
                // They make no commit by themselves.
                if !drafting.commit.is_empty() {
                    drafting.say_repeats(doubled)?;
                }
                Ok(done)
            })
        };
        match commit(&doubled) {
            // What has to be answered may still have room.
            Err(LogError::Full { .. } | LogError::TooLarge { .. }) if !doubled.is_empty() => commit(&[]),
            done => done,
        }
    }

    fn refuse_when_stopped(&self) -> Result<(), LogError> {
        match self.stopped.get() {
            Some(reason) => Err(LogError::Stopped { reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// Commits all that is drafted, of at most so many bytes, or nothing.
    pub(super) fn commit_with<T>(
        &mut self,
        bytes: usize,
        room: Room,
        draft: impl FnOnce(&mut Drafting<'_, '_>) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        self.refuse_when_stopped()?;
        self.index.view().wait_for_room().map_err(|error| stopped(&error))?;
        // Refused before anything is taken, or not at all.
        let commit = self.journal.begin_in(bytes + FRAME_BYTES, room).map_err(|error| fatal(&error))?;
        let mut drafting = Drafting::new(commit, &mut self.index);
        let done = draft(&mut drafting)?;
        let commit = drafting.into_commit();
        if !commit.is_empty() {
            crash_point!("commit.drafted");
            // Whatever goes wrong from here on, the index has taken what the journal has not.
            commit.finish().map_err(|error| stop(&error))?;
            erase(&mut self.journal, &mut self.index).map_err(|error| stop(&error))?;
            crash_point!("commit.durable");
            self.index.publish(self.journal.end(), self.journal.records());
            crash_point!("commit.kept");
        }
        Ok(done)
    }
}

/// What is queued, as far as it fits into one commit; and what is to be done after it, by itself.
fn gather(first: Job, jobs: &mut Jobs) -> (Vec<Part>, Option<Job>) {
    let (mut parts, mut records, mut bytes) = (Vec::new(), 0, 0);
    let mut next = Some(first);
    while let Some(job) = next {
        let part = match job {
            Job::Append(prepared, answer) => {
                records += prepared.records;
                Part::Append(prepared, answer)
            }
            Job::Mark(consumer, marks, answer) => {
                records += marks.len();
                Part::Mark(consumer, marks, answer)
            }
            Job::Remove(consumer, answer) => Part::Remove(consumer, answer),
            Job::LetGo(tags, gone, answer) => Part::LetGo(tags, gone, answer),
            other => return (parts, Some(other)),
        };
        bytes += part.bytes();
        parts.push(part);
        let is_full = records >= COMMIT_RECORDS || bytes >= COMMIT_BYTES || parts.len() >= COMMIT_RECORDS;
        next = if is_full { None } else { jobs.next_if_there() };
    }
    (parts, None)
}

/// An error after which nobody knows what the journal has.
pub(super) fn stop(error: &JournalError) -> LogError {
    LogError::Stopped { reason: log_error(error).to_string() }
}

/// Erases what is to be forgotten. What lies in a segment that is gone is gone; where a head cannot be
/// read, nobody knows where its body is, and that segment has to go.
pub(super) fn erase(journal: &mut Journal, index: &mut Index) -> Result<(), JournalError> {
    let places = index.take_erasable();
    let is_lost = |error: &JournalError| matches!(error, JournalError::NoSuchRecord(_) | JournalError::Damaged(_));
    if !places.is_empty() {
        crash_point!("erase.due");
    }
    match journal.erase(&places) {
        // Nothing was written yet, and the others are there.
        Err(error) if is_lost(&error) => places.iter().try_for_each(|place| {
            journal.erase(&[*place]).or_else(|error| if is_lost(&error) { Ok(()) } else { Err(error) })
        }),
        erased => erased,
    }
}

/// What the journal says before anything was taken. Whatever cannot be asked of the disk, nobody knows
/// what else it does not do.
fn fatal(error: &JournalError) -> LogError {
    match log_error(error) {
        LogError::Damaged { reason } => LogError::Stopped { reason },
        other => other,
    }
}

impl Part {
    /// Bytes that it needs in a frame, at most.
    fn bytes(&self) -> usize {
        match self {
            Part::Append(prepared, _) => prepared.bytes,
            Part::Mark(consumer, marks, _) => marks_bytes(consumer, marks),
            Part::Remove(consumer, _) => bare_bytes(consumer.len()),
            Part::LetGo(tags, ..) => tags.len() * bare_bytes(0),
        }
    }

    /// Finds out what of it is new, and makes records of that.
    fn draft(&self, to: &mut Drafting<'_, '_>) -> Result<Done, LogError> {
        match self {
            Part::Append(prepared, _) => to.append(prepared).map(Done::Appended),
            Part::Mark(consumer, marks, _) => to.mark(consumer, marks).map(|()| Done::Nothing),
            Part::Remove(consumer, _) => to.remove(consumer).map(|()| Done::Nothing),
            Part::LetGo(tags, gone, _) => to.let_go(tags, *gone).map(|()| Done::Nothing),
        }
    }

    /// Whether nothing of it has to be kept.
    fn is_counted_only(&self) -> bool {
        matches!(self, Part::Append(prepared, _) if prepared.is_counted_only())
    }

    /// Counts what of it came again.
    fn count(&self, index: &mut Index) -> Result<(), IndexError> {
        let Part::Append(prepared, _) = self else { return Ok(()) };
        prepared.repeats.iter().try_for_each(|(tag, digest, at)| index.count((*tag, *digest), *at))
    }

    /// What it becomes when nothing of it is new.
    fn done_before(&self, index: &mut Index) -> Option<Done> {
        match self {
            Part::Append(prepared, _) => prepared.appended_before(index).map(Done::Appended),
            Part::Mark(consumer, marks, _) => {
                let is_news = |mark| index.head_of(consumer, mark).map_or(true, |head| head.is_some());
                (!marks.iter().any(is_news)).then_some(Done::Nothing)
            }
            Part::Remove(consumer, _) => index.consumer(consumer).ok()?.is_none().then_some(Done::Nothing),
            Part::LetGo(..) => None,
        }
    }

    /// Whoever asked may not wait any more; what was done is done.
    fn answer(self, done: Done) {
        match (self, done) {
            (Part::Append(_, answer), Done::Appended(appended)) => drop(answer.send(Ok(appended))),
            (Part::Append(_, answer), Done::Nothing) => drop(answer.send(Ok(Appended::default()))),
            (Part::Mark(.., answer) | Part::Remove(_, answer) | Part::LetGo(.., answer), _) => {
                let _ = answer.send(Ok(()));
            }
        }
    }

    fn refuse(self, error: LogError) {
        match self {
            Part::Append(_, answer) => drop(answer.send(Err(error))),
            Part::Mark(.., answer) | Part::Remove(_, answer) | Part::LetGo(.., answer) => {
                let _ = answer.send(Err(error));
            }
        }
    }
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
