//! The one that judges and appends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

use super::sources::Sources;
use super::stats::{Counted, SourceCounters, Told};
use super::{Inner, Receipt, ReceiveError, Source};
use crate::live::{LiveArrival, Notice, NoticeKind, Received, Session, SessionKey, Under, Wanting};
use crate::log::{Batch, Delivery, EventEntry, Gone, LogError, Refused, Repeat, Stored, Why};
use crate::timestamp::Timestamp;

/// The smallest step of the engine's own time.
const TICK: std::time::Duration = std::time::Duration::from_micros(1);

/// After so long it is tried again to pass deadlines that the log had no room for.
const RETRY: std::time::Duration = std::time::Duration::from_secs(1);

/// Bytes of payloads in one commit. One payload alone may have more.
const COMMIT_BYTES_MAX: usize = 8 << 20;

/// Events of a session that are read from the log again for each that comes after its end.
const BROUGHT_BACK_MAX: usize = 64;

/// Deadlines that pass in one commit.
const DEADLINES_MAX: usize = 256;

/// Who waits for what became of a delivery.
pub(super) struct Answer {
    pub(super) to: oneshot::Sender<Result<Receipt, ReceiveError>>,
    /// Where it counts.
    pub(super) counters: Arc<SourceCounters>,
    /// Since when it waits.
    pub(super) since: Timestamp,
}

/// What waits for the writer.
pub(super) enum Job {
    /// A delivery, and who waits for the answer.
    Delivery(Box<Work>, Answer),
    /// A session that is to be forgotten; whether there was anything to forget.
    Forget(SessionKey, oneshot::Sender<Result<bool, LogError>>),
    /// These are the sources of all that is behind it.
    Sources(Arc<Sources>, oneshot::Sender<Result<(), LogError>>),
    /// Nothing more is to be taken.
    Close,
}

pub(super) enum Work {
    Event { key: SessionKey, arrival: LiveArrival, delivery: Delivery },
    Refused(Refused),
}

/// Whether the log refused one batch, and goes on.
fn is_passing(error: &LogError) -> bool {
    matches!(error, LogError::Full { .. } | LogError::TooLarge { .. })
}

/// Why an event that can be read is quarantined.
fn too_many(max: usize) -> String {
    format!(
        "its session has {max} events already, as many as are kept (`events_max`): \
         `finis quarantine retry` takes it all the same"
    )
}

/// How many of these, from the first on, go into one commit. Nothing goes with what stands behind other sources.
fn fitting(waiting: &[Job]) -> usize {
    let mut bytes = 0;
    let end = waiting.iter().enumerate().position(|(place, job)| {
        bytes += job.bytes();
        let is_after_change = place > 0 && matches!(waiting[place - 1], Job::Sources(..));
        place > 0 && (bytes > COMMIT_BYTES_MAX || is_after_change)
    });
    end.unwrap_or(waiting.len())
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Job::Delivery(work, _) => work.delivery().body.len(),
            Job::Forget(..) | Job::Sources(..) | Job::Close => 0,
        }
    }
}

impl Work {
    fn delivery(&self) -> &Delivery {
        match self {
            Work::Event { delivery, .. } => delivery,
            Work::Refused(refused) => &refused.delivery,
        }
    }

    fn key(&self) -> Option<&SessionKey> {
        match self {
            Work::Event { key, .. } => Some(key),
            Work::Refused(_) => None,
        }
    }
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
    /// When it is due, as the log has it.
    due: Option<Timestamp>,
    /// It was let go.
    gone: Option<Gone>,
    /// When it was last touched.
    touched: u64,
}

/// A batch that is being made.
#[derive(Default)]
struct Making {
    batch: Batch,
    touched: BTreeSet<SessionKey>,
    /// Events by their place that are the first of their sessions.
    began: Vec<usize>,
    /// What its notices tell of lost events.
    told: Vec<Told>,
}

impl Making {
    /// Whether there is nothing that has to be kept.
    fn is_nothing(&self) -> bool {
        self.touched.is_empty() && self.batch.refused.is_empty()
    }

    /// Takes what is said of a session that was just judged, when `before` was wanting as it was last told.
    fn say(&mut self, session: &Session, under: Under<'_>, before: Option<Wanting>, notices: Vec<Notice>) {
        for notice in notices {
            if notice.kind != NoticeKind::Asset {
                let place = self.batch.notices.len();
                self.told.push(Told::new(place, notice.kind, session, under, before));
            }
            self.batch.notices.push(notice);
        }
    }
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
        let outcome = self.work().await;
        if let Err(error) = &outcome {
            // A reason is put there whole.
            let mut stopped = self.inner.stopped.lock().unwrap_or_else(PoisonError::into_inner);
            *stopped = Some(error.to_string());
        }
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

    async fn work(&mut self) -> Result<(), LogError> {
        self.latest = self.inner.log.latest().await?;
        self.remember_sources().await?;
        let mut waiting = Vec::new();
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
            waiting.clear();
            self.inner.pulse.busy_since(None);
            let max = self.inner.settings.batch_max.max(1);
            let came = tokio::select! {
                // What came is answered before deadlines that fall due at the same time.
                biased;
                came = self.jobs.recv_many(&mut waiting, max) => came,
                () = due => continue,
            };
            if came == 0 {
                return Ok(());
            }
            self.inner.pulse.busy_since(Some(self.inner.clock.now()));
            // Deadlines that were due before these came are entries before them.
            self.pass_deadlines().await?;
            while !waiting.is_empty() {
                let rest = waiting.split_off(fitting(&waiting));
                self.take(waiting).await?;
                waiting = rest;
            }
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

    /// Passes all deadlines that are due. `false` when some cannot pass now, and stay due: the log has no room,
    /// or their sessions are damaged.
    async fn pass_deadlines(&mut self) -> Result<bool, LogError> {
        loop {
            let now = self.inner.clock.now();
            let now = self.latest.map_or(now, |latest| latest.max(now));
            if self.next_due().await?.is_none_or(|due| due > now) {
                return Ok(true);
            }
            let limit = DEADLINES_MAX + self.damaged.len();
            let mut due = self.inner.log.due(self.passed_over.as_ref(), now, limit).await?;
            due.retain(|(_, key)| !self.damaged.contains_key(key));
            if due.is_empty() {
                // Those that are due are damaged, and stay so. Others are looked for again in a while.
                return Ok(false);
            }
            let sources = Arc::clone(&self.sources);
            let under = |key: &SessionKey| sources.get(&key.source).and_then(|source| source.under(key));
            let (ours, others): (Vec<_>, Vec<_>) = due.into_iter().partition(|(_, key)| under(key).is_some());
            let keys: Vec<SessionKey> = ours.into_iter().map(|(_, key)| key).collect();
            self.fetch(&keys).await?;
            let mut making = Making::default();
            for key in keys {
                if self.damaged.contains_key(&key) {
                    continue;
                }
                making.touched.insert(key.clone());
                let (Some(under), Some(Held { session, gone: None, .. })) = (under(&key), self.sessions.get_mut(&key))
                else {
                    continue;
                };
                // It may have been put off by what came since or by other terms, and under another contract
                // it may be over without a deadline.
                let before = session.said_wanting(under);
                let (passed, notices) = session.settle(under, now);
                making.say(session, under, before, notices);
                making.batch.deadlines.extend(passed.map(|due| (key, due)));
            }
            let passed = making.batch.deadlines.iter().map(|(_, due)| *due).max();
            match self.append(making).await {
                Err(error) if is_passing(&error) => return Ok(false),
                outcome => drop(outcome?),
            }
            // They are entries: what comes now is after them, even if the system's clock should go back.
            self.latest = self.latest.max(passed);
            if let Some(last) = others.into_iter().next_back() {
                // Nothing becomes due before it any more, even if the system's clock should go back.
                (self.latest, self.passed_over) = (Some(now), Some(last));
            }
        }
    }

    /// Judges and appends what waits, and answers.
    async fn take(&mut self, waiting: Vec<Job>) -> Result<(), LogError> {
        let keys: Vec<SessionKey> = waiting
            .iter()
            .filter_map(|job| match job {
                Job::Delivery(work, _) => work.key().cloned(),
                Job::Forget(..) | Job::Sources(..) | Job::Close => None,
            })
            .collect();
        let mut making = Making::default();
        let mut answers = Vec::with_capacity(waiting.len());
        let taken_at = self.inner.clock.now();
        let fetched = self.fetch(&keys).await;
        let mut forget = Vec::new();
        let mut changed = None;
        for job in waiting {
            let (work, answer) = match job {
                Job::Delivery(work, answer) => {
                    self.inner.counters.waited(taken_at.since(answer.since));
                    (work, answer)
                }
                Job::Forget(key, answer) => {
                    forget.push((key, answer));
                    continue;
                }
                Job::Sources(sources, answer) => {
                    changed = Some((sources, answer));
                    continue;
                }
                Job::Close => {
                    // What was queued before is still taken.
                    self.jobs.close();
                    continue;
                }
            };
            let receipt = if fetched.is_ok() { Some(self.judge(*work, &mut making)) } else { None };
            answers.push((answer, receipt));
        }
        // Where nothing is to be kept, nobody waits for the counting.
        let repeats = if making.is_nothing() { std::mem::take(&mut making.batch.repeats) } else { Vec::new() };
        let outcome = match fetched {
            Ok(()) => self.append(making).await,
            Err(error) => Err(error),
        };
        let (outcome, mut new) = match outcome {
            Ok(new) => (Ok(()), new.into_iter()),
            Err(error) => (Err(error), Vec::new().into_iter()),
        };
        for (answer, receipt) in answers {
            let told = match (&outcome, receipt) {
                // The log knew better: the session was let go meanwhile.
                (Ok(()), Some(Receipt::Stored { key })) if new.next() == Some(false) => {
                    self.sessions.remove(&key);
                    self.what_became_of(key).await.map_err(ReceiveError::Log)
                }
                (Ok(()), Some(receipt)) => Ok(receipt),
                (Err(error), _) => Err(ReceiveError::Log(error.clone())),
                (Ok(()), None) => continue,
            };
            match &told {
                Ok(receipt) => answer.counters.received(receipt),
                Err(error) => answer.counters.refused(error),
            }
            // Those brought back by what came again are in memory, too.
            self.inner.counters.holds(self.sessions.len());
            // Whoever does not wait any more has no need to know: it is kept all the same.
            let _ = answer.to.send(told);
        }
        if !repeats.is_empty() {
            // What cannot be counted is not. A log that has stopped says so when something is to be kept.
            let _ = self.inner.log.append(Batch { repeats, ..Batch::default() }).await;
        }
        if outcome.is_ok() {
            for (key, answer) in forget {
                let done = self.forget(&key).await;
                let failed = done.as_ref().err().filter(|error| !is_passing(error)).cloned();
                let _ = answer.send(done);
                failed.map_or(Ok(()), Err)?;
            }
        }
        match outcome {
            // The log takes other batches, or this one later; nothing was appended, and nothing is remembered.
            Err(error) if is_passing(&error) => {
                for key in &keys {
                    self.sessions.remove(key);
                }
            }
            outcome => outcome?,
        }
        // The last of what goes into one commit.
        if let Some((sources, answer)) = changed {
            let done = self.change_sources(sources).await;
            let _ = answer.send(done.clone());
            done?;
        }
        Ok(())
    }

    /// What a delivery is of which the log has nothing, though it was not there before.
    async fn what_became_of(&self, key: SessionKey) -> Result<Receipt, LogError> {
        let stored = self.inner.log.load(std::slice::from_ref(&key)).await?.pop().unwrap_or_default();
        Ok(match stored.gone.map(|gone| gone.why) {
            Some(Why::Expired) => Receipt::Expired { key },
            Some(Why::Forgotten) => Receipt::Forgotten { key },
            None => Receipt::Duplicate { key },
        })
    }

    /// Erases all of a session, in memory too. Whether there was anything.
    async fn forget(&mut self, key: &SessionKey) -> Result<bool, LogError> {
        self.sessions.remove(key);
        let log = &self.inner.log;
        let stored = log.load(std::slice::from_ref(key)).await?.pop().unwrap_or_default();
        let is_forgotten = stored.gone.is_some_and(|gone| gone.why == Why::Forgotten);
        let has_anything = !stored.events.is_empty() || !stored.notices.is_empty() || !stored.damaged.is_empty();
        if is_forgotten || !(has_anything || stored.gone.is_some()) {
            return Ok(false);
        }
        let gone = Gone { why: Why::Forgotten, at: self.now() };
        self.inner.log.let_go(std::slice::from_ref(key), gone).await?;
        Ok(true)
    }

    fn judge(&mut self, work: Work, making: &mut Making) -> Receipt {
        let now = self.now();
        let (key, arrival, delivery) = match work {
            Work::Event { key, arrival, delivery } => (key, arrival, delivery),
            Work::Refused(refused) => {
                let reason = refused.reason.clone();
                making.batch.refused.push(Refused { received_at: now, ..refused });
                return Receipt::Quarantined { reason };
            }
        };
        if let Some(damage) = self.damaged.get(&key) {
            let reason = format!("its session cannot be read: {damage}");
            let refused = Refused { source: key.source, received_at: now, reason: reason.clone(), delivery };
            making.batch.refused.push(refused);
            return Receipt::Quarantined { reason };
        }
        let sources = Arc::clone(&self.sources);
        let under = sources.get(&key.source).and_then(|source| source.under(&key));
        let empty = || Held { session: Session::new(key.clone()), due: None, gone: None, touched: 0 };
        let Held { session, due, gone, .. } = self.sessions.entry(key.clone()).or_insert_with(empty);
        if let Some(gone) = gone {
            return match gone.why {
                Why::Expired => Receipt::Expired { key },
                Why::Forgotten => Receipt::Forgotten { key },
            };
        }
        // The key was made by the source, of a subject of its contract.
        let Some(under) = under else { return Receipt::Duplicate { key } };
        // Time goes on while sessions are read and batches are written. What became due meanwhile is an entry
        // before this one, whatever the batches are.
        if due.is_some_and(|due| due <= now) && session.deadline(under).is_some_and(|due| due <= now) {
            let before = session.said_wanting(under);
            let (passed, notices) = session.settle(under, now);
            making.say(session, under, before, notices);
            making.batch.deadlines.extend(passed.map(|due| (key.clone(), due)));
            making.touched.insert(key.clone());
        }
        let max = self.inner.settings.events_max.max(1);
        if session.partial().len() >= max && !session.has(&arrival) {
            if !session.partial().is_crowded() {
                let before = session.said_wanting(under);
                let notices = session.crowd(under);
                making.say(session, under, before, notices);
                making.batch.crowded.push(key.clone());
                making.touched.insert(key.clone());
            }
            let reason = too_many(max);
            let refused = Refused { source: key.source, received_at: now, reason: reason.clone(), delivery };
            making.batch.refused.push(refused);
            return Receipt::Quarantined { reason };
        }
        let is_first = session.partial().is_empty();
        let before = session.said_wanting(under);
        match session.receive(under, &arrival, now) {
            Received::Duplicate => {
                making.batch.repeats.push(Repeat { key: key.clone(), digest: arrival.digest(), received_at: now });
                Receipt::Duplicate { key }
            }
            Received::Stored(notices) => {
                let digest = arrival.digest();
                making.began.extend(is_first.then_some(making.batch.events.len()));
                making.batch.events.push(EventEntry { key: key.clone(), digest, received_at: Some(now), delivery });
                making.say(session, under, before, notices);
                making.touched.insert(key.clone());
                Receipt::Stored { key }
            }
        }
    }

    /// Brings sessions that are not in memory from the log, apart from those that are damaged there.
    async fn fetch(&mut self, keys: &[SessionKey]) -> Result<(), LogError> {
        let is_absent = |key: &&SessionKey| !self.sessions.contains_key(*key) && !self.damaged.contains_key(*key);
        let absent: BTreeSet<&SessionKey> = keys.iter().filter(is_absent).collect();
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
        self.touches += 1;
        for key in keys {
            if let Some(held) = self.sessions.get_mut(key) {
                held.touched = self.touches;
            }
        }
        Ok(())
    }

    fn restore(&mut self, key: SessionKey, stored: Stored) {
        if let Some(source) = self.sources.get(&key.source) {
            let gone = stored.gone;
            let session = source.restore(key.clone(), stored);
            let due = source.under(&key).and_then(|under| session.deadline(under));
            self.sessions.insert(key, Held { session, due, gone, touched: 0 });
        }
    }

    /// Appends a batch, with when each session that it touches is due next. Says of each event whether it is
    /// new.
    async fn append(&mut self, mut making: Making) -> Result<Vec<bool>, LogError> {
        if making.is_nothing() {
            return Ok(Vec::new());
        }
        for key in &making.touched {
            let under = self.sources.get(&key.source).and_then(|source| source.under(key));
            let held = self.sessions.get_mut(key).zip(under);
            let due = held.and_then(|(held, under)| {
                held.due = held.session.deadline(under);
                held.due
            });
            making.batch.due.push((key.clone(), due));
        }
        let said = making.batch.notices.len() as u64;
        let due = making.batch.due.clone();
        let counted = Counted::of(&self.inner.counters, &making.batch, &making.began, making.told);
        let began = self.inner.clock.now();
        let outcome = self.inner.log.append(making.batch).await;
        let ended = self.inner.clock.now();
        match &outcome {
            Ok(_) => self.inner.pulse.taken(),
            Err(LogError::Full { reason }) => self.inner.pulse.refused(ended, reason.clone()),
            Err(_) => {}
        }
        if outcome.is_err() {
            // Memory may be ahead of the log now.
            for key in &making.touched {
                self.sessions.remove(key);
            }
        }
        let appended = outcome?;
        self.inner.counters.appended(counted, &appended, ended.since(began), ended);
        // What waits for nothing is brought back when something comes, unless that is much to read.
        for (key, _) in due.iter().filter(|(_, due)| due.is_none()) {
            if self.sessions.get(key).is_some_and(|held| held.session.partial().len() <= BROUGHT_BACK_MAX) {
                self.sessions.remove(key);
            }
        }
        self.evict();
        self.inner.counters.holds(self.sessions.len());
        if said > 0 {
            self.say.send_modify(|count| *count += said);
        }
        Ok(appended.new)
    }

    /// Lets go of sessions that were not touched for the longest time, when there are too many.
    fn evict(&mut self) {
        let max = self.inner.settings.sessions_max.max(1);
        if self.sessions.len() <= max {
            return;
        }
        // A tenth at a time, so that this is rare.
        let mut touches: Vec<u64> = self.sessions.values().map(|held| held.touched).collect();
        touches.sort_unstable();
        let bound = touches[self.sessions.len() - max + max / 10];
        self.sessions.retain(|_, held| held.touched > bound);
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("sessions", &self.sessions.len()).finish_non_exhaustive()
    }
}
