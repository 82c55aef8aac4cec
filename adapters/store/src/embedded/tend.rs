//! What the writer does beside taking batches: letting sessions go, moving records, retiring segments.

use std::collections::BTreeSet;

use finis_engine::Timestamp;
use finis_engine::log::{Consumer, Gone, Keep, LogError, REASON_BYTES_MAX, SourceSettings, Why};

use super::drafting::Drafting;
use super::jobs::{Answer, Job, SETTINGS_BYTES_MAX, bare_bytes};
use super::retain::{Carried, Leaving, Retiring};
use super::writer::{Writer, stop};
use crate::crash::crash_point;
use crate::entries::stopped;
use crate::head::{Due, Head};
use crate::index::{Index, NAME_BYTES_MAX};
use crate::journal::Room;
use crate::tag::Tag;

impl Writer {
    /// Does one such job, and answers.
    pub(super) fn tend(&mut self, job: Job) {
        match job {
            Job::Expire(leaving, keep, gone, answer) => {
                let done = self.expire(&leaving, &keep, gone);
                crash_point!("retain.expired");
                self.say(answer, done);
            }
            Job::Wanted(records, keep, is_oldest, answer) => {
                let done = self.wanted(records, &keep, is_oldest);
                self.say(answer, done);
            }
            Job::Carry(records, answer) => {
                let done = self.carry(&records);
                crash_point!("retain.carried");
                self.say(answer, done);
            }
            Job::Retire(retiring, answer) => {
                let done = self.retire(&retiring);
                self.say(answer, done);
            }
            Job::Mend(job, answer) => {
                let done = self.mend(job);
                self.say(answer, done);
            }
            // Those are gathered, or end it.
            Job::Append(..) | Job::Mark(..) | Job::Remove(..) | Job::LetGo(..) | Job::Close(_) => {}
        }
    }

    /// Whoever asked may not wait any more.
    fn say<T>(&self, answer: Answer<T>, done: Result<T, LogError>) {
        if let Err(error @ (LogError::Stopped { .. } | LogError::Damaged { .. })) = &done {
            let _ = self.stopped.set(error.to_string());
        }
        let _ = answer.send(done);
    }

    fn expire(&mut self, leaving: &[Leaving], keep: &Keep, gone: Gone) -> Result<(u64, u64), LogError> {
        let words = leaving.iter().filter_map(|leaving| leaving.last_word.as_ref());
        let bytes: usize = words.map(|(_, _, body)| body.stored_bytes() + bare_bytes(0)).sum();
        let bytes = bytes + leaving.len() * bare_bytes(0);
        self.commit_with(bytes, Room::Reserve, |drafting| drafting.expire(leaving, keep, gone))
    }

    /// Which of these records are wanted where they lie, and which are not.
    fn wanted(
        &mut self,
        records: Vec<Carried>,
        keep: &Keep,
        is_oldest: bool,
    ) -> Result<(Vec<Carried>, Vec<Carried>), LogError> {
        let (mut wanted, mut dropped) = (Vec::new(), Vec::new());
        for record in records {
            let is_wanted = is_wanted(&mut self.index, &record, keep, is_oldest)?;
            if is_wanted { &mut wanted } else { &mut dropped }.push(record);
        }
        Ok((wanted, dropped))
    }

    fn carry(&mut self, records: &[Carried]) -> Result<(), LogError> {
        let bytes: usize = records.iter().map(|record| record.bytes() as usize + bare_bytes(0)).sum();
        self.commit_with(bytes, Room::Reserve, |drafting| drafting.carry(records))
    }

    /// Nothing in the segment is wanted but what was copied, and what the last records of some kinds say,
    /// which are written again.
    fn retire(&mut self, retiring: &Retiring) -> Result<(u64, u64), LogError> {
        let Retiring { segment, dropped, copied, amidst } = retiring;
        let records = || dropped.iter().chain(copied);
        // Between two commits, all is published.
        let sources = self.index.view().sources().map_err(|error| stopped(&error))?;
        let consumers = self.index.view().consumers().map_err(|error| stopped(&error))?;
        let bytes: usize = consumers.iter().map(consumer_bytes).sum();
        let again = amidst.as_ref().map_or(0, |tags| (tags.len() + dropped.len()) * bare_bytes(NAME_BYTES_MAX));
        let settings = sources.len() * bare_bytes(SETTINGS_BYTES_MAX);
        let bytes = bytes + settings + again + 2 * bare_bytes(0);
        let refused = self.commit_with(bytes, Room::Reserve, |drafting| {
            let mut refused = 0;
            for Carried { place, head, .. } in records().filter(|record| is_refused(&record.head)) {
                refused += u64::from(drafting.index.let_lie(head, *place).map_err(|error| stopped(&error))?);
            }
            match amidst {
                None => drafting.index.trim_outbox(*segment).map_err(|error| stopped(&error))?,
                Some(tags) => drafting.say_again(tags, dropped)?,
            }
            drafting.restate(&consumers, &sources)?;
            Ok(refused)
        })?;
        crash_point!("retain.restated");
        let segments = self.journal.segments().map_err(|error| stop(&error))?;
        let bytes = segments.iter().find(|known| known.number == *segment).map_or(0, |known| known.bytes);
        self.journal.retire(&[*segment]).map_err(|error| stop(&error))?;
        crash_point!("retain.retired");
        // Not before: as long as they are there, what they say can still have to be erased.
        for Carried { place, head, .. } in records().filter(|record| !is_refused(&record.head)) {
            self.index.let_lie(head, *place).map_err(|error| stopped(&error))?;
        }
        self.index.publish(self.journal.end(), self.journal.records());
        Ok((bytes, refused))
    }
}

/// Notices of a consumer that stand otherwise, in one record.
const STANDING: usize = 64;

/// Bytes that all of a consumer needs in a frame, at most.
fn consumer_bytes(consumer: &Consumer) -> usize {
    let name = bare_bytes(consumer.name.len());
    name + consumer.standing.len() * (bare_bytes(REASON_BYTES_MAX) + name)
}

fn is_refused(head: &Head) -> bool {
    matches!(head, Head::Refused { .. })
}

fn is_wanted(index: &mut Index, record: &Carried, keep: &Keep, is_oldest: bool) -> Result<bool, LogError> {
    let lies_there = |index: &mut Index| index.lies_at(&record.head, record.place).map_err(|error| stopped(&error));
    Ok(match &record.head {
        Head::Refused { received_at, .. } => {
            keep.refused.is_none_or(|bound| *received_at >= bound) && lies_there(index)?
        }
        // With older segments there, what they have of the session would come back without it.
        Head::Gone { at, why, .. } => {
            let is_over = is_oldest && *why == Why::Expired && keep.gone.is_some_and(|bound| *at < bound);
            !is_over && lies_there(index)?
        }
        // It goes with what says that its session is gone.
        Head::LastWord { tag, .. } => {
            let gone = index.session(*tag).map_err(|error| stopped(&error))?.gone;
            let is_over = |gone: Gone| is_oldest && keep.gone.is_some_and(|bound| gone.at < bound);
            gone.is_some_and(|gone| !is_over(gone)) && lies_there(index)?
        }
        // What is left of one whose session was forgotten is told to those who lag.
        Head::Notice { seq, .. } => {
            let here = index.outbox(*seq).map_err(|error| stopped(&error))? == Some(record.place);
            here && (*seq > keep.told || lies_there(index)?)
        }
        _ => lies_there(index)?,
    })
}

impl Drafting<'_, '_> {
    /// Lets those go that may, and have not changed since somebody looked.
    fn expire(&mut self, leaving: &[Leaving], keep: &Keep, gone: Gone) -> Result<(u64, u64), LogError> {
        let (mut expired, mut untold) = (0, 0);
        for Leaving { tag, last_word } in leaving {
            let session = self.index.session(*tag).map_err(|error| stopped(&error))?;
            let is_over = session.is_known() && session.gone.is_none() && session.due.is_none();
            let Some(latest) = session.latest().filter(|_| is_over) else { continue };
            let is_before = |bound: Option<Timestamp>| bound.is_some_and(|bound| latest < bound);
            let is_told = session.seqs().all(|seq| seq <= keep.told);
            let has_word = session.last_word() == last_word.as_ref().map(|(seq, ..)| *seq) || !keep.last_word;
            if !is_before(keep.sessions) || !(is_told || is_before(keep.untold)) || !has_word {
                continue;
            }
            let revisions = session.revisions();
            self.add(&Head::Gone { tag: *tag, why: gone.why, at: gone.at, revisions, told: keep.told }, None)?;
            if let Some((seq, Head::Notice { id, kind, revision, .. }, body)) = last_word {
                let (seq, id, kind, revision) = (*seq, *id, *kind, *revision);
                self.add(&Head::LastWord { seq, id, tag: *tag, kind, revision }, Some(body))?;
            }
            expired += 1;
            untold += u64::from(!is_told);
        }
        Ok((expired, untold))
    }

    /// Copies records to the end of the journal, those that are still where they were.
    fn carry(&mut self, records: &[Carried]) -> Result<(), LogError> {
        let mut due = BTreeSet::new();
        for Carried { place, head, body } in records {
            let lies_there = self.index.lies_at(head, *place).map_err(|error| stopped(&error))?;
            let is_said = match head {
                Head::Notice { seq, .. } => self.index.outbox(*seq).map_err(|error| stopped(&error))? == Some(*place),
                _ => false,
            };
            if !lies_there && !is_said {
                continue;
            }
            // When it is due is said once more below, for what was said since stands before this.
            let head = match head.clone() {
                Head::Event { tag, digest, received_at, .. } => {
                    Head::Event { tag, digest, received_at, due: Due::Same }
                }
                Head::Passed { tag, at, .. } => Head::Passed { tag, at, due: Due::Same },
                head => head,
            };
            let to = self.commit.next();
            // Of a session that was let go since it was read, nothing is copied but the place in the outbox.
            self.push(&head, body.as_ref().filter(|_| lies_there))?;
            self.index.relocate(&head, *place, lies_there, to).map_err(|error| stopped(&error))?;
            due.extend(head.tag().filter(|_| lies_there));
        }
        for tag in due {
            let session = self.index.session(tag).map_err(|error| stopped(&error))?;
            if let Some(at) = session.due {
                self.push(&Head::Due { tag, due: Due::At(at) }, None)?;
            }
        }
        Ok(())
    }

    /// Says again what records said of others that lie in older segments: these would count as before.
    fn say_again(&mut self, tags: &BTreeSet<Tag>, dropped: &[Carried]) -> Result<(), LogError> {
        for tag in tags {
            let session = self.index.session(*tag).map_err(|error| stopped(&error))?;
            if session.is_known() && session.gone.is_none() {
                let due = Due::from(session.due);
                self.push(&Head::Due { tag: *tag, due }, None)?;
            }
        }
        for Carried { head, .. } in dropped {
            let is_so = match head {
                Head::Answered { identity } => self.index.refused(*identity).map(|place| place.is_none()),
                Head::Removed { consumer } => self.index.consumer(consumer).map(|consumer| consumer.is_none()),
                _ => Ok(false),
            };
            if is_so.map_err(|error| stopped(&error))? {
                self.push(head, None)?;
            }
        }
        Ok(())
    }

    /// Says again what only the last record of its kind says.
    fn restate(&mut self, consumers: &[Consumer], sources: &[SourceSettings]) -> Result<(), LogError> {
        for settings in sources {
            self.push(&Head::Source(settings.clone()), None)?;
        }
        for Consumer { name, acknowledged, standing } in consumers {
            let all: Vec<_> = standing.iter().map(|(seq, standing)| (*seq, standing.clone())).collect();
            let mut parts = all.chunks(STANDING).map(<[_]>::to_vec);
            let mut is_first = true;
            loop {
                let part = parts.next();
                if part.is_none() && !is_first {
                    break;
                }
                let (consumer, seq, standing) = (name.clone(), *acknowledged, part.unwrap_or_default());
                self.push(&Head::Consumer { consumer, seq, is_first, standing }, None)?;
                is_first = false;
            }
        }
        let meta = *self.index.meta();
        self.push(&Head::Outbox { last: meta.seq, first: meta.first }, None)?;
        if let Some(at) = meta.latest {
            self.push(&Head::Clock { at }, None)?;
        }
        Ok(())
    }
}
