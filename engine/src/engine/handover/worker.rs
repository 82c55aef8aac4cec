//! The one who hands over: fetches, starts handlers, waits for whatever comes next, and marks.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::dispatch::{Dispatch, Offered};
use super::failure::{Failure, Then};
use super::flights::{Fault, Flights, Outcome};
use super::{DeliverError, Handler, Handover, Policy};
use crate::engine::clock::Clock;
use crate::engine::consumer::Placed;
use crate::engine::consumers::release_orphans;
use crate::engine::gate::{Moved, Serving};
use crate::engine::stats::HandoverCounters;
use crate::engine::{Engine, Inner};
use crate::live::Notice;
use crate::log::{Cause, Log, LogError, Mark};
use crate::timestamp::Timestamp;

/// After so long it is tried again to mark what the log had no room for.
const RETRY: Duration = Duration::from_secs(1);

/// Hands notices over to a handler. Made by [`Engine::deliver`]; does nothing until it is run.
pub struct Worker<H> {
    consumer: String,
    policy: Policy,
    handler: Arc<H>,
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    said: watch::Receiver<u64>,
    moved: watch::Receiver<Moved>,
    stop: watch::Receiver<bool>,
    ended: oneshot::Sender<Result<(), LogError>>,
    counters: Arc<HandoverCounters>,
    _serving: Serving,
}

/// What changes while it runs.
struct State<H: Handler> {
    dispatch: Dispatch,
    contents: BTreeMap<u64, Notice>,
    flights: Flights<H::Error>,
    /// What is to be marked once the log has the marks before it.
    unmarked: Vec<Mark>,
    marking: Option<Marking>,
    /// When marks are tried again that the log had no room for.
    mark_again: Option<Timestamp>,
    /// There may be notices in the log that were not offered yet.
    has_more: bool,
    /// The consumer was changed by somebody else.
    is_stale: bool,
    /// Nothing more is handed over.
    stopping: bool,
}

/// Marks on their way to the log; they come back with what became of them.
type Marking = Pin<Box<dyn Future<Output = (Vec<Mark>, Result<(), LogError>)> + Send>>;

/// What a worker waits for.
enum Woken<E> {
    Landed(u64, Outcome<E>),
    Marked(Vec<Mark>, Result<(), LogError>),
    Stopped,
    Moved,
    /// Something was said; `false` when nothing will be any more.
    Said(bool),
    Due,
}

impl Engine {
    /// Hands the notices for a consumer of this name to a handler, from the first that it has not dealt with.
    /// Nothing is handed over until somebody runs the [`Worker`].
    ///
    /// Within a session they come one after the other, in order; different sessions do not wait for each
    /// other. What fails is tried again, later each time, and parked when it failed [`Policy::tries_max`]
    /// times: see [`Engine::parked`]. What comes later of that session is parked behind it. A consumer is
    /// either handed over to or takes [`Engine::notices`] itself, one at a time.
    ///
    /// # Errors
    /// When somebody hands over to this consumer already, or the log does not answer.
    pub async fn deliver<H: Handler>(
        &self,
        consumer: &str,
        policy: Policy,
        handler: H,
    ) -> Result<(Handover, Worker<H>), DeliverError> {
        let Inner { gates, log, clock, said, counters, .. } = &*self.inner;
        let gate = gates.of(consumer);
        let serving = gate.serve().ok_or_else(|| DeliverError::Served { consumer: consumer.to_owned() })?;
        let moved = gate.moved();
        // It is known from here on.
        self.inner.consumer(consumer, policy.start).await?;
        let ((stop, stopped), (end, ended)) = (watch::channel(false), oneshot::channel());
        let worker = Worker {
            consumer: consumer.to_owned(),
            policy,
            handler: Arc::new(handler),
            log: Arc::clone(log),
            clock: Arc::clone(clock),
            said: said.clone(),
            moved,
            stop: stopped,
            ended: end,
            counters: counters.handover(consumer),
            _serving: serving,
        };
        Ok((Handover { stop, ended }, worker))
    }
}

impl<H: Handler> Worker<H> {
    /// Runs until it is stopped, the engine has ended, or the consumer was removed. What is under way then is
    /// waited for.
    ///
    /// # Errors
    /// When the log fails. Whatever it does not know of comes again.
    pub async fn run(mut self) -> Result<(), LogError> {
        let outcome = self.work().await;
        // Nobody has to wait for it.
        let _ = self.ended.send(outcome.clone());
        outcome
    }

    async fn work(&mut self) -> Result<(), LogError> {
        let mut state = State {
            dispatch: Dispatch::new(self.policy.clone(), 0),
            contents: BTreeMap::new(),
            flights: Flights::new(),
            unmarked: Vec::new(),
            marking: None,
            mark_again: None,
            has_more: true,
            is_stale: true,
            stopping: false,
        };
        loop {
            self.mark(&mut state);
            let is_marked = state.marking.is_none() && state.unmarked.is_empty();
            // What the log has is all there is only when nothing is on its way there.
            if state.is_stale && is_marked && !state.stopping {
                self.load(&mut state).await?;
                self.mark(&mut state);
            }
            if state.stopping && is_marked && state.flights.is_empty() {
                return Ok(());
            }
            if !state.stopping && !state.is_stale && state.mark_again.is_none() {
                self.fetch(&mut state).await?;
                // Rewound while the log was asked, what was read is not what comes next.
                state.is_stale = self.moved.has_changed().unwrap_or(false);
                if !state.is_stale {
                    self.start(&mut state).await?;
                }
                // What was fetched may have been parked at once.
                self.mark(&mut state);
            }
            match self.wait(&mut state).await {
                Woken::Landed(seq, outcome) => {
                    state.land(seq, outcome, &*self.handler, self.clock.now(), &self.counters);
                }
                Woken::Marked(_, Ok(())) => state.marking = None,
                Woken::Marked(marks, Err(LogError::Full { .. })) if !state.stopping => {
                    state.marking = None;
                    state.unmarked.splice(0..0, marks);
                    state.mark_again = Some(self.clock.now().plus(RETRY));
                }
                Woken::Marked(_, Err(error)) => return Err(error),
                Woken::Moved => state.is_stale = true,
                Woken::Said(more) => (state.has_more, state.stopping) = (true, state.stopping || !more),
                // Whoever stops it waits for no room.
                Woken::Stopped => (state.stopping, state.mark_again) = (true, None),
                Woken::Due => {}
            }
        }
    }

    /// Waits for the next thing to happen. Given up by nobody, so that whatever it takes is taken.
    async fn wait(&mut self, state: &mut State<H>) -> Woken<H::Error> {
        let State { flights, marking, stopping, mark_again, dispatch, is_stale, .. } = state;
        let is_held_up = *stopping || *is_stale || mark_again.is_some();
        let due = if is_held_up { None } else { dispatch.due() };
        let due = [due, *mark_again].into_iter().flatten().min();
        let clock = &self.clock;
        tokio::select! {
            biased;
            (seq, outcome) = flights.next() => Woken::Landed(seq, outcome),
            (marks, result) = async {
                match marking {
                    Some(marking) => marking.await,
                    None => std::future::pending().await,
                }
            } => Woken::Marked(marks, result),
            () = stopped(&mut self.stop), if !*stopping => Woken::Stopped,
            // Its gate is there as long as this is.
            _ = self.moved.changed(), if !*stopping => Woken::Moved,
            said = self.said.changed(), if !*stopping => Woken::Said(said.is_ok()),
            () = async {
                match due {
                    Some(due) => clock.sleep_until(due).await,
                    None => std::future::pending().await,
                }
            } => Woken::Due,
        }
    }

    /// Begins anew from what the log has. What is under way stays so.
    async fn load(&mut self, state: &mut State<H>) -> Result<(), LogError> {
        self.moved.borrow_and_update();
        (state.is_stale, state.has_more) = (false, true);
        let consumers = self.log.consumers().await?;
        let Some(known) = consumers.into_iter().find(|known| known.name == self.consumer) else {
            // It was removed.
            state.stopping = true;
            return Ok(());
        };
        let orphans = release_orphans(&known);
        if !orphans.is_empty() {
            // Once the log has these, it is looked at again.
            (state.unmarked, state.is_stale) = (orphans, true);
            return Ok(());
        }
        let before = std::mem::replace(&mut state.dispatch, Dispatch::new(self.policy.clone(), 0));
        let keys = before.parked_keys();
        state.dispatch = before.again(&known);
        state.contents.clear();
        for (seq, cause) in known.parked() {
            let key = match keys.get(&seq) {
                Some(key) => Some(key.clone()),
                None => self.notice(seq).await?.map(|notice| notice.key),
            };
            if let Some(key) = key {
                state.dispatch.park(seq, &key, cause);
            }
        }
        for seq in known.released() {
            if let Some(notice) = self.notice(seq).await? {
                let offered = state.dispatch.release(seq, &notice.key);
                state.take(offered, seq, notice);
            } else {
                // It was erased meanwhile.
                state.unmarked.push(Mark::Done(seq));
            }
        }
        // Above the mark, what is settled is not offered.
        let mut after = known.acknowledged;
        while let Some((last, _)) = known.standing.last_key_value().filter(|(last, _)| **last > after) {
            let notices = self.log.notices(after, self.policy.window_max.max(1)).await?;
            let Some((read, _)) = notices.last() else { break };
            after = (*read).min(*last);
            for (seq, notice) in notices.into_iter().take_while(|(seq, _)| *seq <= after) {
                if known.is_open(seq) {
                    state.offer(seq, notice);
                } else {
                    state.dispatch.pass(seq);
                }
            }
        }
        Ok(())
    }

    /// Offers what is new, as far as there is room.
    async fn fetch(&mut self, state: &mut State<H>) -> Result<(), LogError> {
        while state.has_more {
            let room = state.dispatch.room();
            if room == 0 {
                break;
            }
            // What is said from here on is noticed.
            self.said.borrow_and_update();
            let notices = self.log.notices(state.dispatch.read(), room).await?;
            state.has_more = notices.len() == room;
            for (seq, notice) in notices {
                state.offer(seq, notice);
            }
        }
        Ok(())
    }

    /// Hands over whatever may be.
    async fn start(&mut self, state: &mut State<H>) -> Result<(), LogError> {
        while let Some(seq) = state.dispatch.next(self.clock.now()) {
            self.counters.tried(state.dispatch.tries(seq));
            let notice = match state.contents.get(&seq) {
                Some(notice) => Some(notice.clone()),
                // It was set aside until now.
                None => self.notice(seq).await?,
            };
            match notice {
                Some(notice) => state.flights.start(&self.handler, Placed { seq, notice }),
                // It was erased meanwhile: nobody can be told.
                None => state.land(seq, Ok(()), &*self.handler, self.clock.now(), &self.counters),
            }
        }
        Ok(())
    }

    /// Sends marks on their way, those that came meanwhile together.
    fn mark(&self, state: &mut State<H>) {
        if state.mark_again.is_some_and(|at| self.clock.now() < at) {
            return;
        }
        state.mark_again = None;
        if state.marking.is_none() && !state.unmarked.is_empty() {
            let marks = std::mem::take(&mut state.unmarked);
            let (log, consumer) = (Arc::clone(&self.log), self.consumer.clone());
            state.marking = Some(Box::pin(async move {
                let result = log.mark(&consumer, &marks).await;
                (marks, result)
            }));
        }
    }

    async fn notice(&self, seq: u64) -> Result<Option<Notice>, LogError> {
        let found = self.log.notices(seq.saturating_sub(1), 1).await?.pop();
        Ok(found.filter(|(found, _)| *found == seq).map(|(_, notice)| notice))
    }
}

impl<H: Handler> State<H> {
    fn offer(&mut self, seq: u64, notice: Notice) {
        self.unmarked.extend(self.dispatch.pass_gap(seq));
        let offered = self.dispatch.offer(seq, &notice.key);
        self.take(offered, seq, notice);
    }

    fn take(&mut self, offered: Offered, seq: u64, notice: Notice) {
        match offered {
            Offered::Queued => drop(self.contents.insert(seq, notice)),
            Offered::Held(mark) => self.unmarked.push(mark),
            Offered::Settled => {}
        }
    }

    fn land(&mut self, seq: u64, outcome: Outcome<H::Error>, handler: &H, now: Timestamp, counters: &HandoverCounters) {
        let before = self.unmarked.len();
        match outcome {
            Ok(()) => {
                // What was held behind it goes on once the log has this.
                self.is_stale |= self.dispatch.is_aside(seq);
                self.unmarked.push(self.dispatch.succeed(seq));
            }
            Err(fault) => {
                counters.failed();
                let failure = judge(handler, fault, self.dispatch.tries(seq).saturating_add(1), now);
                self.unmarked.extend(self.dispatch.fail(seq, &failure, now));
            }
        }
        for mark in &self.unmarked[before..] {
            if let Mark::Park(_, Cause::Failed { .. }) = mark {
                counters.parked();
            }
            if let Mark::Done(seq) | Mark::Park(seq, _) = mark {
                self.contents.remove(seq);
            }
        }
    }
}

/// What becomes of a notice, as its handler sees it.
fn judge<H: Handler>(handler: &H, fault: Fault<H::Error>, tries: u32, now: Timestamp) -> Failure {
    let error = match fault {
        Fault::Failed(error) => error,
        Fault::Broken(reason) => return Failure::new(reason, Then::Schedule),
    };
    // What a handler says of its failure may panic as the handler itself.
    catch_unwind(AssertUnwindSafe(|| handler.failed(error, tries, now)))
        .unwrap_or_else(|_| Failure::new("the handler panicked over a failure", Then::Schedule))
}

/// Waits until it is to stop, or nobody is left who could say so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Either way.
    let _ = stop.wait_for(|stop| *stop).await;
}

impl<H> std::fmt::Debug for Worker<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("consumer", &self.consumer).finish_non_exhaustive()
    }
}
