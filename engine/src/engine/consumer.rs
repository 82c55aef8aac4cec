//! Who is told: a named consumer with a durable place in the outbox.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::sync::watch;

use super::Inner;
use super::gate::{Gate, Moved};
use crate::live::Notice;
use crate::log::{Consumer, Log, LogError, Mark};

/// Notices that are fetched at a time.
const AHEAD: usize = 64;

/// A notice with its place in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The place. Places count from 1 and have no gap.
    pub seq: u64,
    /// What is said.
    pub notice: Notice,
}

impl Placed {
    /// The notice as JSON, with its place.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.notice.to_json(self.seq)
    }
}

/// Where a consumer begins that is not known yet. One that is known goes on where it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartAt {
    /// With the oldest notice there is.
    #[default]
    Oldest,
    /// With the first that is said from now on.
    Now,
}

/// The notices of one consumer, in order. Each comes again, with the same id, until it is acknowledged: a
/// consumer that is opened anew begins behind the last that it acknowledged.
///
/// It is a [`Stream`], too, which ends when the engine has ended and all is handed over. Nothing is lost
/// when waiting for the next is given up halfway.
pub struct Notices {
    consumer: String,
    log: Arc<dyn Log>,
    gate: Arc<Gate>,
    said: watch::Receiver<u64>,
    moved: watch::Receiver<Moved>,
    /// How often it was rewound and removed, as far as this knows.
    rewinds: u64,
    removals: u64,
    /// The last that was handed over.
    handed: u64,
    ahead: VecDeque<Placed>,
    /// Nothing more will be said.
    ended: bool,
    /// Never locked: it only makes of a future that is `Send` a field that is `Sync`.
    step: Mutex<Step>,
}

/// What a consumer waits for.
enum Step {
    Idle,
    Fetching(Boxed<Result<Vec<(u64, Notice)>, LogError>>),
    /// Until something is said, or it is rewound; `true` when nothing will be said any more.
    Waiting(Boxed<bool>),
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Inner {
    /// The consumer as the log has it, and one that begins there if it was not known.
    pub(super) async fn consumer(&self, name: &str, start: StartAt) -> Result<Consumer, LogError> {
        let known = self.known_consumer(name).await?;
        if let Some(known) = known {
            return Ok(known);
        }
        let seq = match start {
            StartAt::Oldest => 0,
            StartAt::Now => self.log.last_seq().await?,
        };
        self.log.mark(name, &[Mark::Begin(seq)]).await?;
        Ok(Consumer::new(name, seq))
    }

    /// The consumer as the log has it.
    pub(super) async fn known_consumer(&self, name: &str) -> Result<Option<Consumer>, LogError> {
        Ok(self.log.consumers().await?.into_iter().find(|known| known.name == name))
    }
}

impl Notices {
    pub(super) async fn open(inner: &Inner, consumer: &str, start: StartAt) -> Result<Notices, LogError> {
        let gate = inner.gates.of(consumer);
        let turn = gate.turn().await;
        let handed = inner.consumer(consumer, start).await?.acknowledged;
        let moved = gate.moved();
        let Moved { rewinds, removals, .. } = *moved.borrow();
        drop(turn);
        Ok(Notices {
            consumer: consumer.to_owned(),
            log: Arc::clone(&inner.log),
            gate,
            said: inner.said.clone(),
            moved,
            rewinds,
            removals,
            handed,
            ahead: VecDeque::new(),
            ended: false,
            step: Mutex::new(Step::Idle),
        })
    }

    /// The next notice with its place in the outbox; waits until there is one. Nothing when the engine
    /// has ended and all is handed over.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn next(&mut self) -> Result<Option<Placed>, LogError> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// The next notice, if there is one.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn try_next(&mut self) -> Result<Option<Placed>, LogError> {
        poll_fn(|cx| self.poll_there(cx)).await
    }

    /// Says that all notices up to this place are dealt with: they do not come again. What was handed over
    /// before the consumer was rewound or removed cannot be acknowledged after it.
    ///
    /// # Errors
    /// When the log does not take it.
    pub async fn ack(&self, seq: u64) -> Result<(), LogError> {
        let _turn = self.gate.turn().await;
        let Moved { rewinds, removals, .. } = *self.moved.borrow();
        if (rewinds, removals) != (self.rewinds, self.removals) {
            return Ok(());
        }
        // What was not handed over cannot be dealt with.
        self.log.mark(&self.consumer, &[Mark::UpTo(seq.min(self.handed))]).await
    }

    /// The next one; waits until there is one, or there will never be.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Placed>, LogError>> {
        loop {
            if let Step::Waiting(waiting) = self.step() {
                let ended = ready!(waiting.as_mut().poll(cx));
                *self.step() = Step::Idle;
                self.ended |= ended;
            }
            match ready!(self.poll_there(cx))? {
                None if !self.ended => {
                    let (mut said, mut moved) = (self.said.clone(), self.moved.clone());
                    *self.step() = Step::Waiting(Box::pin(async move {
                        tokio::select! {
                            // So that the same happens every time.
                            biased;
                            said = said.changed() => said.is_err(),
                            // Its gate is there as long as this is.
                            _ = moved.changed() => false,
                        }
                    }));
                }
                next => return Poll::Ready(Ok(next)),
            }
        }
    }

    /// The next one that is there already.
    fn poll_there(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Placed>, LogError>> {
        let moved = *self.moved.borrow_and_update();
        if moved.rewinds != self.rewinds {
            (self.rewinds, self.handed) = (moved.rewinds, moved.rewound_to);
            self.ahead.clear();
            *self.step() = Step::Idle;
        }
        loop {
            if let Some(next) = self.ahead.pop_front() {
                self.handed = next.seq;
                return Poll::Ready(Ok(Some(next)));
            }
            if let Step::Fetching(fetching) = self.step() {
                let fetched = ready!(fetching.as_mut().poll(cx));
                *self.step() = Step::Idle;
                self.ahead = fetched?.into_iter().map(|(seq, notice)| Placed { seq, notice }).collect();
                if self.ahead.is_empty() {
                    return Poll::Ready(Ok(None));
                }
            } else {
                // What is said from here on is noticed.
                self.said.borrow_and_update();
                let (log, after) = (Arc::clone(&self.log), self.handed);
                let fetching = Box::pin(async move { log.notices(after, AHEAD).await });
                drop(mem::replace(self.step(), Step::Fetching(fetching)));
            }
        }
    }

    fn step(&mut self) -> &mut Step {
        // Nobody ever locks it, so nobody can panic meanwhile.
        self.step.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream for Notices {
    type Item = Result<Placed, LogError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx).map(Result::transpose)
    }
}

impl std::fmt::Debug for Notices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notices")
            .field("consumer", &self.consumer)
            .field("handed", &self.handed)
            .finish_non_exhaustive()
    }
}
