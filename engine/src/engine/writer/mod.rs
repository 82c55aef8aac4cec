//! The one that judges and appends.

mod flow; // from the queue into the log
mod job; // what waits for it
mod making; // a batch, delivery by delivery
mod reread; // out of quarantine

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use tokio::sync::{mpsc, watch};

use super::sources::Sources;
use super::{Inner, Source};
use crate::live::{NoticeKind, Session, SessionKey};
use crate::log::{Batch, Gone, LogError, Stored};
use crate::timestamp::Timestamp;
pub(super) use job::{Answer, Job, Work};
use making::Making;

/// The smallest step of the engine's own time.
const TICK: std::time::Duration = std::time::Duration::from_micros(1);

/// After so long it is tried again to pass deadlines that the log had no room for.
const RETRY: std::time::Duration = std::time::Duration::from_secs(1);

/// Events of a session that are read from the log again for each that comes after its end.
const BROUGHT_BACK_MAX: usize = 64;

/// Deadlines that pass in one commit.
const DEADLINES_MAX: usize = 256;

/// Whether the log refused one batch, and goes on.
fn is_passing(error: &LogError) -> bool {
    matches!(error, LogError::Full { .. } | LogError::TooLarge { .. })
}

/// Takes what waits, judges it, appends it as one batch, and answers.
pub struct Writer {
    inner: Arc<Inner>,
    /// What is judged is judged under these.
    sources: Arc<Sources>,
    jobs: mpsc::Receiver<Job>,
    say: watch::Sender<u64>,
    /// Sessions that wait for more.
    sessions: BTreeMap<SessionKey, Held>,
    touches: u64,
    /// Sessions of which the log gives nothing since something is damaged, and what. Nobody can judge them:
    /// their deadlines wait, what comes for them goes to quarantine, and everybody else goes on.
    damaged: BTreeMap<SessionKey, String>,
    /// The engine's own time: the latest that the log has. It never goes back.
    latest: Option<Timestamp>,
    /// The last of those that are due and cannot be judged here, since their source is none of this engine's.
    /// They stay due for one that has it. What becomes due later stands behind it: the engine's time goes on.
    passed_over: Option<(Timestamp, SessionKey)>,
}

/// A session in memory.
struct Held {
    session: Session,
    /// When it is due, as the log has it once all is kept that was judged.
    due: Option<Timestamp>,
    /// It was let go.
    gone: Option<Gone>,
    /// When it was last touched.
    touched: u64,
}

impl Writer {
    pub(super) fn new(
        inner: Arc<Inner>,
        sources: Arc<Sources>,
        jobs: mpsc::Receiver<Job>,
        say: watch::Sender<u64>,
    ) -> Writer {
        Writer {
            inner,
            sources,
            jobs,
            say,
            sessions: BTreeMap::new(),
            touches: 0,
            damaged: BTreeMap::new(),
            latest: None,
            passed_over: None,
        }
    }

    /// Runs until every handle of the engine is closed, or the log stops.
    ///
    /// # Errors
    /// When the log has stopped. Whoever waits is told so, and whoever comes later.
    pub async fn run(mut self) -> Result<(), LogError> {
        let mut came = Vec::new();
        let outcome = self.work(&mut came).await;
        if let Err(error) = &outcome {
            // A reason is put there whole.
            let mut stopped = self.inner.stopped.lock().unwrap_or_else(PoisonError::into_inner);
            *stopped = Some(error.to_string());
        }
        // Whoever was not looked at is let go after that, and asks why.
        drop(came);
        self.turn_away().await;
        outcome
    }

    /// Lets go of all that waits, and of what is on its way into the queue: whoever waits for it is told by
    /// that. A queue that goes while somebody has his place in it keeps what he puts there, for as long as
    /// anybody has a handle, and he has one.
    async fn turn_away(&mut self) {
        self.jobs.close();
        while self.jobs.recv().await.is_some() {}
    }

    async fn work(&mut self, came: &mut Vec<Job>) -> Result<(), LogError> {
        self.latest = self.inner.log.latest().await?;
        self.remember_sources().await?;
        loop {
            self.inner.pulse.busy_since(Some(self.inner.clock.now()));
            let next = if self.pass_deadlines().await? {
                self.next_due().await?
            } else {
                Some(self.inner.clock.now().plus(RETRY))
            };
            let clock = Arc::clone(&self.inner.clock);
            let due = async {
                match next {
                    Some(due) => clock.sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            self.inner.pulse.busy_since(None);
            let max = self.inner.settings.batch_max.max(1);
            let count = tokio::select! {
                // What came is answered before deadlines that fall due at the same time.
                biased;
                count = self.jobs.recv_many(came, max) => count,
                () = due => continue,
            };
            if count == 0 {
                return Ok(());
            }
            self.inner.pulse.busy_since(Some(self.inner.clock.now()));
            self.take(came).await?;
        }
    }

    /// Lets the log remember what sources are read under, for whoever looks into it later. Without room for
    /// that, the next opening does it.
    async fn remember_sources(&self) -> Result<(), LogError> {
        let sources = self.sources.values().map(Source::settings).collect();
        match self.inner.log.append(Batch { sources, ..Batch::default() }).await {
            Err(error) if is_passing(&error) => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    /// Judges under other sources from here on: as after opening the log with them.
    async fn change_sources(&mut self, sources: Arc<Sources>) -> Result<(), LogError> {
        self.sources = sources;
        // They were read under the old ones, and come from the log again when they are needed.
        self.sessions.clear();
        self.inner.counters.holds(0);
        // Some may have their source now.
        self.passed_over = None;
        self.remember_sources().await
    }

    /// The time now: later than anything the log has, whatever the system's clock says.
    fn now(&mut self) -> Timestamp {
        let system = self.inner.clock.now();
        let now = self.latest.map_or(system, |latest| if system > latest { system } else { latest.plus(TICK) });
        self.latest = Some(now);
        now
    }

    /// When the first session is due that was not passed over.
    async fn next_due(&self) -> Result<Option<Timestamp>, LogError> {
        let Some(last) = &self.passed_over else { return self.inner.log.next_due().await };
        let next = self.inner.log.due(Some(last), Timestamp::MAX, 1).await?;
        Ok(next.first().map(|(at, _)| *at))
    }

    /// The time now, or that of the log where the system's clock is behind it.
    fn not_before_latest(&self) -> Timestamp {
        let now = self.inner.clock.now();
        self.latest.map_or(now, |latest| latest.max(now))
    }

    /// Whether a session is due that was not passed over.
    async fn is_due(&self) -> Result<bool, LogError> {
        let next = self.next_due().await?;
        Ok(next.is_some_and(|due| due <= self.not_before_latest()))
    }

    /// Passes all deadlines that are due, with nothing under way. `false` when some cannot pass now, and stay due:
    /// the log has no room, or their sessions are damaged.
    async fn pass_deadlines(&mut self) -> Result<bool, LogError> {
        loop {
            if !self.is_due().await? {
                return Ok(true);
            }
            let now = self.not_before_latest();
            let limit = DEADLINES_MAX + self.damaged.len();
            let mut due = self.inner.log.due(self.passed_over.as_ref(), now, limit).await?;
            due.retain(|(_, key)| !self.damaged.contains_key(key));
            if due.is_empty() {
                // Those that are due are damaged, and stay so. Others are looked for again in a while.
                return Ok(false);
            }
            let sources = Arc::clone(&self.sources);
            let under = |key: &SessionKey| sources.get(key.source()).and_then(|source| source.under(key));
            let (ours, others): (Vec<_>, Vec<_>) = due.into_iter().partition(|(_, key)| under(key).is_some());
            let keys: Vec<SessionKey> = ours.into_iter().map(|(_, key)| key).collect();
            match self.settle(&keys, now, Making::default()).await {
                Err(error) if is_passing(&error) => return Ok(false),
                outcome => drop(outcome?),
            }
            if let Some(last) = others.into_iter().next_back() {
                // Nothing becomes due before it any more, even if the system's clock should go back.
                (self.latest, self.passed_over) = (Some(now), Some(last));
            }
        }
    }

    /// Passes the deadlines of these sessions that are over, and says what is to be said of them, in one commit with
    /// nothing under way. How many passed, and notices by kind.
    async fn settle(
        &mut self,
        keys: &[SessionKey],
        now: Timestamp,
        mut making: Making,
    ) -> Result<(u64, BTreeMap<NoticeKind, u64>), LogError> {
        self.fetch(&keys.iter().collect::<Vec<_>>()).await?;
        let sources = Arc::clone(&self.sources);
        for key in keys {
            if self.damaged.contains_key(key) {
                continue;
            }
            making.touch(key);
            let under = sources.get(key.source()).and_then(|source| source.under(key));
            let (Some(under), Some(Held { session, gone: None, .. })) = (under, self.sessions.get_mut(key)) else {
                continue;
            };
            // It may have been put off by what came since or by other terms, and under another contract
            // it may be over without a deadline.
            let before = session.said_wanting(under);
            let (passed, notices) = session.settle(under, now);
            making.say(session, under, before, notices);
            making.batch.deadlines.extend(passed.map(|due| (key.clone(), due)));
        }
        let passed = making.batch.deadlines.iter().map(|(_, due)| *due).max();
        let deadlines = making.batch.deadlines.len() as u64;
        let mut said = BTreeMap::new();
        for notice in &making.batch.notices {
            *said.entry(notice.kind).or_default() += 1;
        }
        self.note_due(&mut making);
        if let Some(appending) = self.begin(making) {
            self.finish(appending).await?;
        }
        // They are entries: what comes now is after them, even if the system's clock should go back.
        self.latest = self.latest.max(passed);
        Ok((deadlines, said))
    }

    /// Brings sessions that are not in memory from the log, apart from those that are damaged there.
    async fn fetch(&mut self, keys: &[&SessionKey]) -> Result<(), LogError> {
        self.touches += 1;
        let mut absent = BTreeSet::new();
        for key in keys {
            match self.sessions.get_mut(*key) {
                Some(held) => held.touched = self.touches,
                None if self.damaged.contains_key(*key) => {}
                None => drop(absent.insert(*key)),
            }
        }
        if !absent.is_empty() {
            let absent: Vec<SessionKey> = absent.into_iter().cloned().collect();
            match self.inner.log.load(&absent).await {
                Ok(stored) => absent.into_iter().zip(stored).for_each(|(key, stored)| self.restore(key, stored)),
                // One by one: which of them it is, nobody says.
                Err(LogError::Damaged { .. }) => {
                    for key in absent {
                        match self.inner.log.load(std::slice::from_ref(&key)).await {
                            Ok(stored) => stored.into_iter().for_each(|stored| self.restore(key.clone(), stored)),
                            Err(LogError::Damaged { reason }) => drop(self.damaged.insert(key, reason)),
                            Err(error) => return Err(error),
                        }
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn restore(&mut self, key: SessionKey, stored: Stored) {
        if let Some(source) = self.sources.get(key.source()) {
            let gone = stored.gone;
            let session = source.restore(key.clone(), stored);
            let due = source.under(&key).and_then(|under| session.deadline(under));
            self.sessions.insert(key, Held { session, due, gone, touched: self.touches });
        }
    }

    /// Lets go of a session that waits for nothing: it is brought back when something comes, unless that is much to
    /// read.
    fn let_rest(&mut self, key: SessionKey) {
        let is_little = |held: &Held| held.due.is_none() && held.session.partial().len() <= BROUGHT_BACK_MAX;
        if let Entry::Occupied(held) = self.sessions.entry(key)
            && is_little(held.get())
        {
            held.remove();
        }
    }

    /// Lets go of sessions that were not touched for the longest time, when there are too many, and counts the rest.
    fn evict(&mut self) {
        let max = self.inner.settings.sessions_max.max(1);
        if self.sessions.len() > max {
            // A tenth at a time, so that this is rare.
            let mut touches: Vec<u64> = self.sessions.values().map(|held| held.touched).collect();
            touches.sort_unstable();
            let bound = touches[self.sessions.len() - max + max / 10];
            self.sessions.retain(|_, held| held.touched > bound);
        }
        self.inner.counters.holds(self.sessions.len());
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("sessions", &self.sessions.len()).finish_non_exhaustive()
    }
}
