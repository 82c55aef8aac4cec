//! From the queue into the log: what came is judged while what was judged before it is appended.
//!
//! ```text
//! queue ──▶ made: judged, takes what comes ──▶ under way: appended, one at a time ──▶ answers
//!                  on top of what is under way
//! ```
//!
//! Sessions in memory are ahead of the log by what is under way and what is made. Nobody is told of it before
//! it is kept, in order; and when an append fails, so does all that was judged on top of it, and the sessions
//! of both come from the log again. What has to see the log as it will be waits until nothing is under way:
//! deadlines, sessions that are to be forgotten, what is read again out of quarantine, other sources, and
//! sessions that are not in memory while something of theirs is on its way into the log.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::job::{Answer, Job, fitting};
use super::making::Making;
use super::{Writer, is_passing};
use crate::engine::stats::Counted;
use crate::engine::{Receipt, ReceiveError};
use crate::live::SessionKey;
use crate::log::{Appended, Batch, Gone, LogError, Why};
use crate::timestamp::Timestamp;

/// A batch that is being appended.
pub(super) struct UnderWay {
    appending: Pin<Box<dyn Future<Output = Result<Appended, LogError>> + Send>>,
    /// What became of it, once that is known.
    outcome: Option<Result<Appended, LogError>>,
    since: Timestamp,
    /// When the sessions are due that it touches.
    due: BTreeMap<SessionKey, Option<Timestamp>>,
    answers: Vec<(Answer, Receipt)>,
    /// Nothing when it has only what came again, to be counted: then nobody depends on it.
    counted: Option<Counted>,
    /// How many notices it has.
    said: u64,
}

impl UnderWay {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.outcome.is_none() {
            let Poll::Ready(outcome) = self.appending.as_mut().poll(cx) else { return Poll::Pending };
            self.outcome = Some(outcome);
        }
        Poll::Ready(())
    }

    async fn done(&mut self) {
        poll_fn(|cx| self.poll(cx)).await;
    }
}

/// Waits for something while an append goes on: a log may be asked by others meanwhile, and must not be held up.
async fn beside<T>(under_way: &mut Option<UnderWay>, other: impl Future<Output = T>) -> T {
    let mut other = pin!(other);
    poll_fn(|cx| {
        if let Some(under_way) = under_way {
            // It is asked again by whoever waits for it.
            let _ = under_way.poll(cx);
        }
        other.as_mut().poll(cx)
    })
    .await
}

impl Writer {
    /// Takes what came, and what comes while that is appended, until nothing is under way and nothing waits.
    pub(super) async fn take(&mut self, came: &mut Vec<Job>) -> Result<(), LogError> {
        let (mut under_way, mut made) = (None, Making::default());
        match self.flow(came, &mut under_way, &mut made).await {
            Ok(()) => Ok(()),
            Err(error) => {
                // What is under way may be kept all the same: its own outcome says so.
                if let Some(last) = under_way {
                    let _ = self.finish(last).await;
                }
                self.fail(made, &error);
                Err(error)
            }
        }
    }

    async fn flow(
        &mut self,
        came: &mut Vec<Job>,
        under_way: &mut Option<UnderWay>,
        made: &mut Making,
    ) -> Result<(), LogError> {
        let batch_max = self.inner.settings.batch_max.max(1);
        let mut is_open = true;
        loop {
            while let Some(some) = self.takeable(came, under_way, made).await? {
                self.take_some(some, under_way, made).await?;
            }
            if under_way.is_none() && !made.is_empty() {
                *under_way = self.begin(std::mem::take(made));
            }
            let Some(last) = under_way else {
                if came.is_empty() {
                    return Ok(());
                }
                continue;
            };
            let is_room = is_open && came.is_empty() && made.answers.len() < batch_max;
            tokio::select! {
                biased;
                () = last.done() => {}
                count = self.jobs.recv_many(came, batch_max - made.answers.len()), if is_room => {
                    is_open = count > 0;
                    continue;
                }
            }
            self.inner.pulse.busy_since(Some(self.inner.clock.now()));
            if let Some(last) = under_way.take()
                && let Err(error) = self.finish(last).await
            {
                if !is_passing(&error) {
                    return Err(error);
                }
                // The log takes other batches, or this one later; nothing was appended, and nothing is remembered.
                self.fail(std::mem::take(made), &error);
            }
        }
    }

    /// What of that which came can be taken now, and is to be taken next.
    async fn takeable(
        &mut self,
        came: &mut Vec<Job>,
        under_way: &mut Option<UnderWay>,
        made: &Making,
    ) -> Result<Option<Vec<Job>>, LogError> {
        let batch_max = self.inner.settings.batch_max.max(1);
        let count = fitting(came, batch_max - made.answers.len().min(batch_max), made.bytes);
        if count == 0 {
            return Ok(None);
        }
        if under_way.is_none() && made.is_empty() {
            // Deadlines that were due before these came are entries before them.
            self.pass_deadlines().await?;
        } else {
            let some = &came[..count];
            let is_due = beside(under_way, self.is_due()).await?;
            // Neither in memory nor in the log as it will be.
            let has_to_arrive = |key| !self.sessions.contains_key(key) && is_on_its_way(key, under_way.as_ref(), made);
            if is_due || some[0].is_apart() || some.iter().filter_map(Job::key).any(has_to_arrive) {
                return Ok(None);
            }
        }
        let rest = came.split_off(count);
        Ok(Some(std::mem::replace(came, rest)))
    }

    /// Judges deliveries, or does what is to be done with nothing under way.
    async fn take_some(
        &mut self,
        some: Vec<Job>,
        under_way: &mut Option<UnderWay>,
        made: &mut Making,
    ) -> Result<(), LogError> {
        let taken_at = self.inner.clock.now();
        let keys: Vec<&SessionKey> = some.iter().filter_map(Job::key).collect();
        let fetched = beside(under_way, self.fetch(&keys)).await;
        for job in some {
            match job {
                Job::Delivery(work, answer) => {
                    self.inner.counters.waited(taken_at.since(answer.since));
                    if let Err(error) = &fetched {
                        refuse(answer, error);
                        continue;
                    }
                    made.bytes += work.bytes();
                    let receipt = self.judge(*work, made);
                    made.answers.push((answer, receipt));
                }
                Job::Forget(key, answer) => done(self.forget(&key).await, answer)?,
                Job::Reread(some, answer) => done(self.reread(some).await, answer)?,
                Job::Release(ids, answer) => {
                    let batch = Batch { released: ids, ..Batch::default() };
                    done(self.inner.log.append(batch).await.map(drop), answer)?;
                }
                Job::Sources(sources, answer) => done(self.change_sources(sources).await, answer)?,
                // What was queued before is still taken.
                Job::Close => self.jobs.close(),
            }
        }
        self.note_due(made);
        for key in std::mem::take(&mut made.unchanged) {
            // It may be here for that alone. One that is on its way goes when it has arrived.
            if !is_on_its_way(&key, under_way.as_ref(), made) {
                self.let_rest(key);
            }
        }
        match fetched {
            Err(error) if !is_passing(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Begins to append a batch. Where nothing is to be kept, nobody waits for the counting.
    pub(super) fn begin(&mut self, making: Making) -> Option<UnderWay> {
        let is_nothing = making.is_nothing();
        let Making { mut batch, due, began, told, mut answers, is_belated, .. } = making;
        if is_nothing {
            for (answer, receipt) in answers.drain(..) {
                tell(answer, Ok(receipt));
            }
            // Those brought back by what came again are in memory, too.
            self.evict();
            if batch.repeats.is_empty() {
                return None;
            }
        }
        batch.due.extend(due.iter().map(|(key, due)| (key.clone(), *due)));
        let said = batch.notices.len() as u64;
        let counted = (!is_nothing).then(|| Counted::of(&self.inner.counters, &batch, &began, told, is_belated));
        let since = self.inner.clock.now();
        let log = Arc::clone(&self.inner.log);
        let appending = Box::pin(async move { log.append(batch).await });
        Some(UnderWay { appending, outcome: None, since, due, answers, counted, said })
    }

    /// Waits until a batch is kept, or is not, and answers.
    pub(super) async fn finish(&mut self, mut last: UnderWay) -> Result<(), LogError> {
        last.done().await;
        let UnderWay { outcome, since, due, answers, counted, said, .. } = last;
        // What cannot be counted is not. A log that has stopped says so when something is to be kept.
        let (Some(outcome), Some(counted)) = (outcome, counted) else { return Ok(()) };
        let ended = self.inner.clock.now();
        match &outcome {
            Ok(_) => self.inner.pulse.taken(),
            Err(LogError::Full { reason }) => self.inner.pulse.refused(ended, reason.clone()),
            Err(_) => {}
        }
        let appended = match outcome {
            Ok(appended) => appended,
            Err(error) => {
                // Memory is ahead of the log.
                for key in due.keys() {
                    self.sessions.remove(key);
                }
                self.evict();
                let is_alone = answers.len() == 1;
                for (answer, _) in answers {
                    refuse_some(answer, &error, is_alone);
                }
                return Err(error);
            }
        };
        self.inner.counters.appended(counted, &appended, ended.since(since), ended);
        if said > 0 {
            self.say.send_modify(|count| *count += said);
        }
        let mut new = appended.new.into_iter();
        for (answer, receipt) in answers {
            let told = match receipt {
                // The log knew better: the session was let go meanwhile.
                Receipt::Stored { key } if new.next() == Some(false) => {
                    self.sessions.remove(&key);
                    self.what_became_of(key).await.map_err(ReceiveError::Log)
                }
                receipt => Ok(receipt),
            };
            tell(answer, told);
        }
        for (key, _) in due.into_iter().filter(|(_, due)| due.is_none()) {
            self.let_rest(key);
        }
        self.evict();
        Ok(())
    }

    /// Lets go of a batch that was judged on top of one that failed.
    fn fail(&mut self, making: Making, error: &LogError) {
        for key in making.due.keys() {
            self.sessions.remove(key);
        }
        for (answer, _) in making.answers {
            refuse_some(answer, error, false);
        }
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
        self.damaged.remove(key);
        Ok(true)
    }
}

/// Whether something of a session is not in the log yet.
fn is_on_its_way(key: &SessionKey, under_way: Option<&UnderWay>, made: &Making) -> bool {
    under_way.is_some_and(|last| last.due.contains_key(key)) || made.due.contains_key(key)
}

/// Tells whoever asked for it what became of something that was done with nothing under way. What is an error then,
/// the log does not get over: to find something damaged is none.
fn done<T>(outcome: Result<T, LogError>, answer: oneshot::Sender<Result<T, LogError>>) -> Result<(), LogError> {
    let is_survived = |error: &&LogError| is_passing(error) || matches!(error, LogError::Damaged { .. });
    let failed = outcome.as_ref().err().filter(|error| !is_survived(error)).cloned();
    // Whoever does not wait any more sees it in the log.
    let _ = answer.send(outcome);
    failed.map_or(Ok(()), Err)
}

/// Refuses what was to be appended with others, or not. Which of them is too large nobody knows: all of them may come
/// again, and each that is told for good that it is too large was alone.
fn refuse_some(answer: Answer, error: &LogError, is_alone: bool) {
    match error {
        LogError::TooLarge { .. } if !is_alone => tell(answer, Err(ReceiveError::Busy)),
        error => refuse(answer, error),
    }
}

fn refuse(answer: Answer, error: &LogError) {
    tell(answer, Err(ReceiveError::Log(error.clone())));
}

fn tell(answer: Answer, told: Result<Receipt, ReceiveError>) {
    match &told {
        Ok(receipt) => answer.counters.received(receipt),
        Err(error) => answer.counters.refused(error),
    }
    // Whoever does not wait any more has no need to know: it is kept all the same.
    let _ = answer.to.send(told);
}
