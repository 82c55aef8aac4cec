//! Letting go of what has to be kept no more: sessions first, then whole segments of the journal.
//!
//! A segment goes when little in it is still wanted: that is copied to the end of the journal, and then
//! the file is removed. Segments go from the oldest on, for they hold what is oldest. A crash in between
//! leaves some records in two places, which is the same as one. Where a segment stays, what was in it of a
//! session that went is overwritten.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use finis_engine::Timestamp;
use finis_engine::log::{Gone, Keep, LogError, Retained, Why};
use tokio::sync::oneshot;

use super::EmbeddedLog;
use super::jobs::{Job, bare_bytes, repeat_bytes};
use super::read::Readers;
use crate::entries::{LastWord, stopped};
use crate::head::Head;
use crate::journal::{Body, Content, Entry, OpenError, Place, Scanned};
use crate::tag::Tag;

/// Sessions that go in one commit, and records that are copied in one.
const AT_ONCE: usize = 256;

/// A segment stays while more than this share of it, in percent, is wanted.
const WANTED_MAX: u64 = 50;

/// A session that may go, and what stays of it.
pub(super) struct Leaving {
    pub(super) tag: Tag,
    pub(super) last_word: Option<LastWord>,
}

/// A record that is copied to the end of the journal, as long as it is wanted where it lies.
pub(super) struct Carried {
    pub(super) place: Place,
    pub(super) head: Head,
    pub(super) body: Option<Body>,
}

/// A segment that goes, with what of it is not kept.
pub(super) struct Retiring {
    pub(super) segment: u64,
    pub(super) dropped: Vec<Carried>,
    /// What was copied, without bodies.
    pub(super) copied: Vec<Carried>,
    /// Nothing for the oldest. Where older ones stay, what it said of theirs has to be said again: sessions that
    /// it was about.
    pub(super) amidst: Option<BTreeSet<Tag>>,
}

/// What is in a segment, by its heads.
struct Survey {
    number: u64,
    /// No more is written to it.
    is_sealed: bool,
    /// Nothing older is there.
    is_oldest: bool,
    /// When the first of it came, and the last.
    earliest: Option<Timestamp>,
    latest: Option<Timestamp>,
    tags: BTreeSet<Tag>,
}

/// A sealed segment, read through.
pub(super) struct Segment {
    number: u64,
    records: Vec<Carried>,
    /// Those of which nothing is left that could be copied.
    lost: Vec<Carried>,
    /// Nothing older is there.
    is_oldest: bool,
}

impl EmbeddedLog {
    pub(super) async fn retain_some(&self, keep: &Keep, now: Timestamp) -> Result<Retained, LogError> {
        let mut retained = Retained::default();
        let bound = keep.sessions.max(keep.refused);
        let Some(bound) = bound else { return Ok(retained) };
        let examined = self.examined.load(Ordering::Relaxed);
        let survey = self.read(move |readers| next_survey(readers, examined)).await?;
        // What is older lies before what is younger.
        let Some(survey) = survey.filter(|survey| survey.earliest.is_none_or(|earliest| earliest < bound)) else {
            // From the oldest on, the next time.
            self.examined.store(0, Ordering::Relaxed);
            return Ok(retained);
        };
        retained.more = true;
        self.expire(&survey.tags, keep, now, &mut retained).await?;
        let Survey { number, is_oldest, .. } = survey;
        let mut gone = None;
        if survey.is_sealed && survey.latest.is_none_or(|latest| latest < bound) {
            let segment = self.read(move |readers| read_segment(readers, number, is_oldest)).await?;
            gone = self.evacuate(segment, keep, false).await?;
        }
        match gone {
            Some((bytes, refused)) => {
                retained.bytes += bytes;
                retained.refused += refused;
            }
            // It is left as it is for now.
            None => self.examined.store(number, Ordering::Relaxed),
        }
        Ok(retained)
    }

    /// Lets the sessions of a segment go that may.
    async fn expire(
        &self,
        tags: &BTreeSet<Tag>,
        keep: &Keep,
        now: Timestamp,
        retained: &mut Retained,
    ) -> Result<(), LogError> {
        if keep.sessions.is_none() {
            return Ok(());
        }
        let tags: Vec<Tag> = tags.iter().copied().collect();
        for tags in tags.chunks(AT_ONCE) {
            let (tags, keep) = (tags.to_vec(), *keep);
            let leaving = self.read(move |readers| tags.iter().map(|tag| leaving(readers, *tag, &keep)).collect());
            let leaving: Vec<Option<Leaving>> = leaving.await?;
            let leaving: Vec<Leaving> = leaving.into_iter().flatten().collect();
            if !leaving.is_empty() {
                let (answer, answered) = oneshot::channel();
                let gone = Gone { why: Why::Expired, at: now };
                let (expired, untold) = self.ask(Job::Expire(leaving, keep, gone, answer), answered).await?;
                retained.expired += expired;
                retained.untold += untold;
            }
        }
        Ok(())
    }

    /// Copies what is wanted of a segment to the end of the journal, and lets it go. Nothing when too much
    /// of it is wanted, unless it must go; else the bytes that it had, and how many of its records were refused
    /// deliveries.
    pub(super) async fn evacuate(
        &self,
        segment: Segment,
        keep: &Keep,
        must_go: bool,
    ) -> Result<Option<(u64, u64)>, LogError> {
        let (number, is_oldest) = (segment.number, segment.is_oldest);
        let tags = || segment.records.iter().chain(&segment.lost).filter_map(|record| record.head.tag()).collect();
        let amidst = (!is_oldest).then(tags);
        let all: u64 = segment.records.iter().map(Carried::bytes).sum();
        let (answer, answered) = oneshot::channel();
        let (wanted, mut dropped) = self.ask(Job::Wanted(segment.records, *keep, is_oldest, answer), answered).await?;
        let bytes: u64 = wanted.iter().map(Carried::bytes).sum();
        if !must_go && bytes * 100 > all * WANTED_MAX {
            return Ok(None);
        }
        dropped.extend(segment.lost);
        // As long as the segment is there, what was copied can still have to be erased in it.
        let copied =
            wanted.iter().map(|Carried { place, head, .. }| Carried { place: *place, head: head.clone(), body: None });
        let copied = copied.collect();
        let mut wanted = wanted.into_iter().peekable();
        while wanted.peek().is_some() {
            let part = wanted.by_ref().take(AT_ONCE).collect();
            let (answer, answered) = oneshot::channel();
            self.ask(Job::Carry(part, answer), answered).await?;
        }
        let (answer, answered) = oneshot::channel();
        let retiring = Retiring { segment: number, dropped, copied, amidst };
        self.ask(Job::Retire(retiring, answer), answered).await.map(Some)
    }
}

impl Carried {
    /// About what it takes in the journal.
    pub(super) fn bytes(&self) -> u64 {
        let bare = if matches!(self.head, Head::Repeated { .. }) { repeat_bytes() } else { bare_bytes(0) };
        bare as u64 + self.body.as_ref().map_or(0, |body| body.stored_bytes() as u64)
    }
}

/// The oldest segment past this one, by its heads: the one that is written to, too, for where little comes
/// it has all that is old.
fn next_survey(readers: &Readers, after: u64) -> Result<Option<Survey>, LogError> {
    let numbers = readers.journal.segments().map_err(|error| open_failed(&error))?;
    let Some(&number) = numbers.iter().find(|number| **number > after) else { return Ok(None) };
    let (is_sealed, is_oldest) = (numbers.last() != Some(&number), numbers.first() == Some(&number));
    let mut survey = Survey { number, is_sealed, is_oldest, earliest: None, latest: None, tags: BTreeSet::new() };
    for scanned in readers.journal.scan_segment_heads(number).map_err(|error| open_failed(&error))? {
        let Scanned::Record(entry) = scanned.map_err(|error| open_failed(&error))? else { continue };
        // What is unreadable stands for nothing.
        let Ok(head) = Head::decode(&entry.head) else { continue };
        if let Some(at) = came_at(&head) {
            survey.earliest = Some(survey.earliest.map_or(at, |earliest| earliest.min(at)));
            survey.latest = survey.latest.max(Some(at));
        }
        survey.tags.extend(head.tag());
    }
    Ok(Some(survey))
}

/// When a record came.
fn came_at(head: &Head) -> Option<Timestamp> {
    match head {
        Head::Event { received_at, .. } => *received_at,
        Head::Refused { received_at, .. } => Some(*received_at),
        Head::Passed { at, .. } | Head::Gone { at, .. } => Some(*at),
        _ => None,
    }
}

pub(super) fn open_failed(error: &OpenError) -> LogError {
    LogError::Stopped { reason: error.to_string() }
}

/// Reads a segment through.
pub(super) fn read_segment(readers: &Readers, number: u64, is_oldest: bool) -> Result<Segment, LogError> {
    let mut segment = Segment { number, records: Vec::new(), lost: Vec::new(), is_oldest };
    for scanned in readers.journal.scan_segment(number).map_err(|error| open_failed(&error))? {
        let Scanned::Record(Entry { place, head, body, .. }) = scanned.map_err(|error| open_failed(&error))? else {
            continue;
        };
        // What is unreadable stands for nothing.
        let Ok(head) = Head::decode(&head) else { continue };
        let body = match body {
            Content::Here(content) => Some(Body::new(&content)),
            // There is nothing to be copied; that it is forgotten, its session says.
            Content::Erased | Content::Damaged if matches!(head, Head::Event { .. } | Head::Refused { .. }) => {
                segment.lost.push(Carried { place, head, body: None });
                continue;
            }
            // A head by itself; bodies are read, all of them.
            Content::None | Content::Unread | Content::Erased | Content::Damaged => None,
        };
        segment.records.push(Carried { place, head, body });
    }
    Ok(segment)
}

/// A session that may go, as far as can be seen from here.
fn leaving(readers: &Readers, tag: Tag, keep: &Keep) -> Result<Option<Leaving>, LogError> {
    let Some(session) = readers.view.session(tag).map_err(|error| stopped(&error))? else { return Ok(None) };
    if session.due.is_some() {
        return Ok(None);
    }
    let last_word = if keep.last_word { readers.entries().last_word(tag)? } else { None };
    Ok(Some(Leaving { tag, last_word }))
}
