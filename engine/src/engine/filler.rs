//! Events that come by another way than a delivery: out of an export, or out of quarantine.
//!
//! They are appended as they come and judged when all of them are in, so that nothing is said of a session
//! that is half there. Whoever fills has the log for himself, as a writer has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Source;
use super::judged::{Commits, Judged, SESSIONS_MAX};
use crate::live::{NoticeKind, SessionKey};
use crate::log::{Batch, EventEntry, Log, LogError, RefusedId, SourceSettings, Stored, Why};
use crate::timestamp::Timestamp;

/// Puts events into a log, and judges their sessions at the end.
pub struct Filler {
    log: Arc<dyn Log>,
    sources: BTreeMap<String, Source>,
    /// What the log remembers of sources.
    known: BTreeMap<String, SourceSettings>,
    /// Sessions that the events were of.
    touched: BTreeMap<SessionKey, Touched>,
    filled: Filled,
}

/// What events did to a session.
#[derive(Clone, Copy, Debug, Default)]
struct Touched {
    /// Any of them changed it.
    is_changed: bool,
    /// So many of them changed nothing.
    repeats: u64,
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Events that were not there before.
    pub new: u64,
    /// Events that were there, and now have an earlier arrival than was known.
    pub earlier: u64,
    /// Events that were there as they came.
    pub known: u64,
    /// Events of sessions that were forgotten: none of them is kept.
    pub forgotten: u64,
    /// Events of sessions that were let go by age: none of them is kept.
    pub expired: u64,
    /// Sessions that the events were of.
    pub sessions: u64,
    /// Sources whose settings the log did not have so, by name.
    pub settings: Vec<String>,
    /// Deadlines that had passed.
    pub deadlines: u64,
    /// Notices by kind.
    pub notices: BTreeMap<NoticeKind, u64>,
    /// Notices that nobody is told, by kind.
    pub quiet: BTreeMap<NoticeKind, u64>,
}

impl Filled {
    /// Takes what became of some behind those before them, of other sessions.
    pub(super) fn add(&mut self, some: Filled) {
        let Filled { new, earlier, known, forgotten, expired, sessions, settings, deadlines, notices, quiet } = some;
        self.new += new;
        self.earlier += earlier;
        self.known += known;
        self.forgotten += forgotten;
        self.expired += expired;
        self.sessions += sessions;
        self.settings.extend(settings);
        self.deadlines += deadlines;
        for (all, some) in [(&mut self.notices, notices), (&mut self.quiet, quiet)] {
            for (kind, count) in some {
                *all.entry(kind).or_default() += count;
            }
        }
    }

    /// Whether the log is as it was before.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        let Filled { new, earlier, settings, deadlines, notices, quiet, .. } = self;
        *new + *earlier + *deadlines == 0 && settings.is_empty() && notices.is_empty() && quiet.is_empty()
    }
}

impl Filler {
    /// Fills this log from these sources. What it has of others is left as it is.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn new(log: Arc<dyn Log>, sources: impl IntoIterator<Item = Source>) -> Result<Filler, LogError> {
        let known = log.sources().await?.into_iter().map(|settings| (settings.name.clone(), settings)).collect();
        let sources = sources.into_iter().map(|source| (source.name.clone(), source)).collect();
        Ok(Filler { log, sources, known, touched: BTreeMap::new(), filled: Filled::default() })
    }

    /// The source of this name.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.get(name)
    }

    /// One more source.
    pub fn add_source(&mut self, source: Source) {
        self.sources.insert(source.name.clone(), source);
    }

    /// Appends events, together with the word that refused deliveries are dealt with by them. Sessions of such
    /// events are due from then on: what is out of quarantine cannot be filled in again, so whoever has the log
    /// next judges them, should this one come to no end.
    ///
    /// # Errors
    /// When the log does not take them: nothing of this call is appended.
    pub async fn append(&mut self, events: Vec<EventEntry>, released: Vec<RefusedId>) -> Result<(), LogError> {
        let keys: Vec<SessionKey> = events.iter().map(|event| event.key.clone()).collect();
        let names: BTreeSet<&str> = keys.iter().map(SessionKey::source).collect();
        let settings = names.into_iter().filter_map(|name| self.sources.get(name)).map(Source::settings);
        let changed = settings.filter(|settings| self.known.get(&settings.name) != Some(settings));
        let changed: Vec<SourceSettings> = changed.collect();
        let is_left_to_others = !released.is_empty();
        let due = events.iter().filter(|_| is_left_to_others).map(|event| (event.key.clone(), event.received_at));
        let due = due.map(|(key, at)| (key, Some(at.unwrap_or(Timestamp::MIN)))).collect();
        let batch = Batch { events, due, released, sources: changed.clone(), ..Batch::default() };
        let appended = self.log.append(batch).await?;
        for settings in changed {
            self.filled.settings.push(settings.name.clone());
            self.known.insert(settings.name.clone(), settings);
        }
        let count = |all: &[bool]| all.iter().filter(|is| **is).count() as u64;
        let (new, earlier) = (count(&appended.new), count(&appended.earlier));
        self.filled.new += new;
        self.filled.earlier += earlier;
        self.filled.known += keys.len() as u64 - new - earlier;
        for (place, key) in keys.into_iter().enumerate() {
            let is_change = [&appended.new, &appended.earlier].into_iter().any(|of| of.get(place) == Some(&true));
            let touched = self.touched.entry(key).or_default();
            touched.is_changed |= is_change;
            touched.repeats += u64::from(!is_change);
        }
        Ok(())
    }

    /// Judges what was filled at `as_of`, or at the log's own time if that is later: it never steps back.
    /// Other sessions whose deadlines are over then are judged with it.
    ///
    /// With `quiet`, what is to be said because of these events is remembered as said and nobody is told. What
    /// would have been said without them is said all the same.
    ///
    /// # Errors
    /// When the log does not take it. What it has taken stays; to fill it again does the rest.
    pub async fn settle(mut self, as_of: Timestamp, quiet: bool) -> Result<Filled, LogError> {
        let as_of = self.log.latest().await?.map_or(as_of, |latest| latest.max(as_of));
        let touched: Vec<(SessionKey, Touched)> = std::mem::take(&mut self.touched).into_iter().collect();
        self.filled.sessions = touched.len() as u64;
        let waiting = if quiet { self.log.due(None, Timestamp::MAX, usize::MAX).await? } else { Vec::new() };
        let waiting: BTreeSet<SessionKey> = waiting.into_iter().map(|(_, key)| key).collect();
        for some in touched.chunks(SESSIONS_MAX) {
            let keys: Vec<SessionKey> = some.iter().map(|(key, _)| key.clone()).collect();
            let repeats: Vec<u64> = some.iter().map(|(_, touched)| touched.repeats).collect();
            self.judge(&keys, &repeats, as_of, |place, stored| {
                let (key, Touched { is_changed, .. }) = &some[place];
                // One that nobody ever judged was left by an import that did not come to its end.
                let is_judged = !stored.notices.is_empty() || !stored.deadlines.is_empty() || waiting.contains(key);
                quiet && (*is_changed || !is_judged)
            })
            .await?;
        }
        // What cannot be judged here stays due, and what can is due no more.
        let mut last = None;
        loop {
            let due = self.log.due(last.as_ref(), as_of, SESSIONS_MAX).await?;
            if due.is_empty() {
                return Ok(self.filled);
            }
            last = due.last().cloned();
            let ours: Vec<SessionKey> = due.into_iter().map(|(_, key)| key).filter(|key| self.can_judge(key)).collect();
            self.judge(&ours, &[], as_of, |_, _| false).await?;
        }
    }

    fn can_judge(&self, key: &SessionKey) -> bool {
        self.sources.get(key.source()).is_some_and(|source| source.under(key).is_some())
    }

    /// Judges sessions, of each of which so many events changed nothing.
    async fn judge(
        &mut self,
        keys: &[SessionKey],
        repeats: &[u64],
        as_of: Timestamp,
        is_quiet: impl Fn(usize, &Stored) -> bool + Send,
    ) -> Result<(), LogError> {
        let mut commits = Commits::default();
        for (place, (key, stored)) in keys.iter().zip(self.log.load(keys).await?).enumerate() {
            if let Some(gone) = stored.gone {
                let repeats = repeats.get(place).copied().unwrap_or(0);
                self.filled.known -= repeats;
                match gone.why {
                    Why::Forgotten => self.filled.forgotten += repeats,
                    Why::Expired => self.filled.expired += repeats,
                }
                continue;
            }
            let Some(source) = self.sources.get(key.source()) else { continue };
            let Some(under) = source.under(key) else { continue };
            let quiet = is_quiet(place, &stored);
            let judged = Judged::new(&mut source.restore(key.clone(), stored), under, as_of);
            self.filled.deadlines += u64::from(judged.passed.is_some());
            for notice in &judged.notices {
                let count = if quiet { &mut self.filled.quiet } else { &mut self.filled.notices };
                *count.entry(notice.kind).or_default() += 1;
            }
            commits.add(&*self.log, judged, quiet).await?;
        }
        commits.append(&*self.log).await
    }
}

impl std::fmt::Debug for Filler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filler").field("filled", &self.filled).finish_non_exhaustive()
    }
}
