//! A store under the contracts of today: what would change in it, and the change itself.
//!
//! Both go through the same sessions in the same way ([`Refold`]), so that to apply is to do what the look
//! beforehand said. Old is what was last said of a session: of one that nobody has heard of yet, nothing is
//! old.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::live::{Change, NoticeKind, SessionKey};
use crate::engine::log::{Log, LogError, LogRead, Quarantine, QuarantinePages, SourceSettings};
use crate::engine::{Misread, Reader, Refold, Refolded, Rejudged, Source, Timestamp, Unverified};
use crate::reconcile::Plan;

/// Different ways in which one part changes that are counted apart; the rest is counted together.
const WAYS_MAX: usize = 64;

/// A rebuild that is to be done, or to be looked at beforehand.
#[derive(Debug)]
pub struct Rebuild {
    /// Consumers are told of corrections, too.
    pub announce: bool,
    /// Sessions that are given as examples, at most.
    pub examples_max: usize,
    /// Sessions that were gone through so far, for whoever watches.
    pub progress: Arc<AtomicU64>,
    refold: Refold,
    sources: Vec<Resettled>,
}

/// What a source was read under, and is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resettled {
    /// As the store remembers it.
    pub old: SourceSettings,
    /// As it is to be.
    pub new: SourceSettings,
}

/// What would come of a rebuild, or has come of it.
#[derive(Clone, Debug, Default)]
pub struct Rebuilt {
    /// When sessions were judged.
    pub as_of: Option<Timestamp>,
    /// The sources whose sessions these are, by name.
    pub sources: Vec<Resettled>,
    /// Sessions of them.
    pub sessions: u64,
    /// Those whose record is not as it was last said, of which there is something to say, or that wait for
    /// another time.
    pub changed: u64,
    /// What of records is not as it was last said, by part; those of fields have `fields.` before them.
    pub parts: BTreeMap<String, Part>,
    /// Notices that consumers are told, by kind.
    pub notices: BTreeMap<NoticeKind, u64>,
    /// Notices that nobody is told, by kind.
    pub quiet: BTreeMap<NoticeKind, u64>,
    /// Deadlines that had passed.
    pub deadlines: u64,
    /// Sessions that wait until another time than they did, or no longer, or again.
    pub due: u64,
    /// The first of those that change, by source and id.
    pub examples: BTreeMap<SessionKey, Example>,
    /// Sessions that stay as they are, since something of them is damaged.
    pub damaged: u64,
    /// Sessions that stay as they are, since none of their events can be read.
    pub unreadable: u64,
    /// Events of the others that are not read as they were.
    pub misread: Misread,
    /// Deliveries in quarantine that can be read. They stay there: [`retry`](super::retry) takes them.
    pub readable: u64,
}

/// How a part of records changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// In so many sessions.
    pub sessions: u64,
    /// From what to what, as JSON, in how many; not of fields and conflicts, whose values may be all different.
    pub ways: BTreeMap<(Option<String>, Option<String>), u64>,
}

/// A session that changes.
#[derive(Clone, Debug)]
pub struct Example {
    /// What is said of it: the kind and its revision.
    pub said: Vec<(NoticeKind, u32)>,
    /// Whether consumers are told.
    pub is_told: bool,
    /// What is not as it was last said.
    pub changes: Vec<Change>,
    /// Until when it waited, and waits.
    pub due: (Option<Timestamp>, Option<Timestamp>),
}

impl Rebuild {
    /// What a log has of these sources, under these contracts and on these terms, judged at `as_of`, or at the
    /// log's own time if that is later. Sources that the log does not remember have nothing to be judged.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn new(
        log: &dyn LogRead,
        sources: impl IntoIterator<Item = (String, Plan)>,
        as_of: Timestamp,
    ) -> Result<Rebuild, LogError> {
        let remembered = log.sources().await?;
        let source = |(name, Plan { contract, terms }): (String, Plan)| {
            let old = remembered.iter().find(|settings| settings.name == name)?.clone();
            let source = Source { name, contract, terms, verify: Box::new(Unverified) };
            Some((Resettled { old, new: source.settings() }, source))
        };
        let (sources, all): (Vec<Resettled>, Vec<Source>) = sources.into_iter().filter_map(source).unzip();
        let refold = Refold::new(log, all, as_of).await?;
        Ok(Rebuild { announce: false, examples_max: 0, progress: Arc::default(), refold, sources })
    }

    /// Says what would come of it, and writes nothing.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn preview(mut self, log: &dyn LogRead) -> Result<Rebuilt, LogError> {
        let mut rebuilt = self.begin(log).await?;
        while let Some(some) = self.refold.next(log).await? {
            self.count(&mut rebuilt, &some);
        }
        Ok(rebuilt)
    }

    /// Does it. Who does it twice changes nothing the second time, and who was interrupted does the rest.
    ///
    /// # Errors
    /// When the log does not take it. What it has taken by then stays.
    pub async fn apply(mut self, log: &dyn Log) -> Result<Rebuilt, LogError> {
        let mut rebuilt = self.begin(log).await?;
        // First, so that whoever goes on after a crash needs not be told the terms again.
        self.refold.remember(log).await?;
        while let Some(some) = self.refold.next(log).await? {
            self.count(&mut rebuilt, &some);
            self.refold.apply(log, some, self.announce).await?;
        }
        Ok(rebuilt)
    }

    async fn begin(&self, log: &dyn LogRead) -> Result<Rebuilt, LogError> {
        let mut reader = Reader::new();
        let mut pages = QuarantinePages::of(log);
        let mut readable = 0;
        while let Some(Quarantine { deliveries, .. }) = pages.next().await? {
            let refused = deliveries.iter().filter_map(|refused| Some((self.refold.source(&refused.source)?, refused)));
            readable += refused.filter(|(source, refused)| source.read_again(&mut reader, refused).is_ok()).count();
        }
        Ok(Rebuilt {
            as_of: Some(self.refold.as_of()).filter(|at| *at > Timestamp::MIN),
            sources: self.sources.clone(),
            readable: readable as u64,
            ..Rebuilt::default()
        })
    }

    fn count(&self, rebuilt: &mut Rebuilt, some: &[Refolded]) {
        for refolded in some {
            rebuilt.sessions += 1;
            match refolded {
                Refolded::Damaged(_) => rebuilt.damaged += 1,
                Refolded::Unreadable(..) => rebuilt.unreadable += 1,
                Refolded::Judged(rejudged) => {
                    rebuilt.misread.unreadable += rejudged.misread.unreadable;
                    rebuilt.misread.elsewhere += rejudged.misread.elsewhere;
                    if rejudged.is_change() {
                        rebuilt.count(rejudged, self.announce || rejudged.is_news(), self.examples_max);
                    }
                }
            }
        }
        self.progress.fetch_add(some.len() as u64, Ordering::Relaxed);
    }
}

impl Rebuilt {
    fn count(&mut self, rejudged: &Rejudged, is_told: bool, examples_max: usize) {
        let Rejudged { judged, was_due, changes, .. } = rejudged;
        let is_due_changed = *was_due != judged.due;
        self.deadlines += u64::from(judged.passed.is_some());
        self.due += u64::from(is_due_changed);
        let notices = if is_told { &mut self.notices } else { &mut self.quiet };
        for notice in &judged.notices {
            *notices.entry(notice.kind).or_default() += 1;
        }
        for change in changes {
            let part = self.parts.entry(change.part.clone()).or_default();
            part.sessions += 1;
            let way = (change.old.clone(), change.new.clone());
            let has_ways = !change.part.starts_with("fields.") && change.part != "conflicts";
            if has_ways && (part.ways.len() < WAYS_MAX || part.ways.contains_key(&way)) {
                *part.ways.entry(way).or_default() += 1;
            }
        }
        if judged.notices.is_empty() && changes.is_empty() && !is_due_changed {
            // Another deadline passed as well, and nothing came of it.
            return;
        }
        self.changed += 1;
        // A log may have an order of its own: the first by name are the same for everybody.
        let is_first = || self.examples.last_key_value().is_some_and(|(last, _)| judged.key < *last);
        if self.examples.len() < examples_max || is_first() {
            let said = judged.notices.iter().map(|notice| (notice.kind, notice.revision)).collect();
            let due = (*was_due, judged.due);
            self.examples.insert(judged.key.clone(), Example { said, is_told, changes: changes.clone(), due });
            if self.examples.len() > examples_max {
                self.examples.pop_last();
            }
        }
    }

    /// Whether the store is as it would be.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.changed + self.deadlines == 0 && self.sources.iter().all(|source| source.old == source.new)
    }
}
