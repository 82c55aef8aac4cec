//! Sessions of a log, folded and judged anew: under other contracts and on other terms than those that they
//! were last judged under.
//!
//! What would come of it is found out by reading alone, a stretch of sessions after the other; to apply it is
//! to append just that.

use std::collections::BTreeMap;

use super::judged::{Commits, Judged, SESSIONS_MAX};
use super::source::{Misread, Source};
use crate::live::{Change, SessionKey};
use crate::log::{Batch, Log, LogError, LogRead, SourceSettings};
use crate::timestamp::Timestamp;

/// Goes through all sessions of some sources, and judges each anew.
///
/// The same log, sources and time give the same, however often it is asked and in however many pieces it is
/// applied: a session that was appended once has nothing more to append.
pub struct Refold {
    sources: BTreeMap<String, Source>,
    as_of: Timestamp,
    /// When each session that waits is judged next. Those that are over are not among them, so they are few.
    waiting: BTreeMap<SessionKey, Timestamp>,
    after: Option<SessionKey>,
}

/// What judging a session anew came to.
#[derive(Clone, Debug)]
pub enum Refolded {
    /// It was judged.
    Judged(Box<Rejudged>),
    /// Something of it is damaged, and a record of what is left would be a wrong one: it stays as it is.
    Damaged(SessionKey),
    /// The contract reads none of its events, so there is nothing to judge: it stays as it is.
    Unreadable(SessionKey, Misread),
}

/// A session that was judged anew.
#[derive(Clone, Debug)]
pub struct Rejudged {
    /// How.
    pub judged: Judged,
    /// When it had to be judged next, as the log has it so far.
    pub was_due: Option<Timestamp>,
    /// What of its record is not as it was last said; nothing when nothing was said of it yet, or nothing is
    /// to be appended.
    pub changes: Vec<Change>,
    /// Nobody has heard of its end, nor of a stall.
    pub is_unheard: bool,
    /// Events that are not read as they were.
    pub misread: Misread,
}

impl Rejudged {
    /// Whether there is anything to append.
    #[must_use]
    pub fn is_change(&self) -> bool {
        let Judged { passed, notices, due, .. } = &self.judged;
        passed.is_some() || !notices.is_empty() || *due != self.was_due
    }

    /// Whether consumers are told in any case: of a session that waits, or that nobody has heard of, what is
    /// said is no correction of what was said before, and without it nobody would ever hear of its end.
    #[must_use]
    pub fn is_news(&self) -> bool {
        self.is_unheard || self.was_due.is_some()
    }
}

impl Refold {
    /// Judges the sessions of these sources at `as_of`, or at the log's own time if that is later: it never
    /// steps back. Sessions of other sources are left as they are.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn new(
        log: &dyn LogRead,
        sources: impl IntoIterator<Item = Source>,
        as_of: Timestamp,
    ) -> Result<Refold, LogError> {
        let as_of = log.latest().await?.map_or(as_of, |latest| latest.max(as_of));
        let waiting = log.due(None, Timestamp::MAX, usize::MAX).await?;
        let waiting = waiting.into_iter().map(|(at, key)| (key, at)).collect();
        let sources = sources.into_iter().map(|source| (source.name.clone(), source)).collect();
        Ok(Refold { sources, as_of, waiting, after: None })
    }

    /// When sessions are judged.
    #[must_use]
    pub fn as_of(&self) -> Timestamp {
        self.as_of
    }

    /// The source of this name.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.get(name)
    }

    /// Judges the next sessions, in the order of the log; nothing when all were judged. It may be that none
    /// of the next is of the sources.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn next(&mut self, log: &dyn LogRead) -> Result<Option<Vec<Refolded>>, LogError> {
        let mut keys = log.sessions(self.after.as_ref(), SESSIONS_MAX).await?;
        let Some(last) = keys.last().cloned() else { return Ok(None) };
        self.after = Some(last);
        keys.retain(|key| self.sources.contains_key(key.source()));
        let stored = log.load(&keys).await?;
        let mut refolded = Vec::with_capacity(keys.len());
        for (key, stored) in keys.into_iter().zip(stored) {
            let Some(source) = self.sources.get(key.source()) else { continue };
            if stored.gone.is_some() {
                continue;
            }
            if !stored.damaged.is_empty() {
                refolded.push(Refolded::Damaged(key));
                continue;
            }
            let events = stored.events.len() as u64;
            let was_due = self.waiting.get(&key).copied();
            let under = source.under(&key);
            let (mut session, misread) = source.restore_counting(key.clone(), stored);
            let Some(under) = under.filter(|_| !session.partial().is_empty()) else {
                let misread = Misread { unreadable: events, ..misread };
                refolded.push(Refolded::Unreadable(key, misread));
                continue;
            };
            let said = session.said().last_record().map(str::to_owned);
            let judged = Judged::new(&mut session, under, self.as_of);
            let mut rejudged = Rejudged { judged, was_due, changes: Vec::new(), is_unheard: said.is_none(), misread };
            if let Some(said) = said.filter(|_| rejudged.is_change()) {
                rejudged.changes = session.changes_since(under, &said);
            }
            refolded.push(Refolded::Judged(Box::new(rejudged)));
        }
        Ok(Some(refolded))
    }

    /// Lets a log remember what its sources are read under from here on, for whoever looks into it or opens
    /// it without being told. Once is enough, before sessions are applied.
    ///
    /// # Errors
    /// When the log does not take it.
    pub async fn remember(&self, log: &dyn Log) -> Result<(), LogError> {
        let known = log.sources().await?;
        let settings = self.sources.values().map(Source::settings);
        let changed: Vec<SourceSettings> = settings.filter(|settings| !known.contains(settings)).collect();
        if changed.is_empty() {
            return Ok(());
        }
        log.append(Batch { sources: changed, ..Batch::default() }).await.map(drop)
    }

    /// Appends what [`Refold::next`] gave, each session whole within one commit. Without `announce`, what
    /// corrects something that was said is remembered as said, and nobody is told;
    /// [news](Rejudged::is_news) are told in any case.
    ///
    /// # Errors
    /// When the log does not take it. What it has taken stays, and to do all of it again does the rest.
    pub async fn apply(&self, log: &dyn Log, some: Vec<Refolded>, announce: bool) -> Result<(), LogError> {
        let mut commits = Commits::default();
        for refolded in some {
            let Refolded::Judged(rejudged) = refolded else { continue };
            if rejudged.is_change() {
                let quiet = !announce && !rejudged.is_news();
                commits.add(log, rejudged.judged, quiet).await?;
            }
        }
        commits.append(log).await
    }
}

impl std::fmt::Debug for Refold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sources: Vec<&String> = self.sources.keys().collect();
        f.debug_struct("Refold").field("sources", &sources).field("as_of", &self.as_of).finish_non_exhaustive()
    }
}
