//! The live engine: from deliveries to a log and to notices.
//!
//! ```text
//! caller: verify, read, digest ──▶ queue ──▶ writer: judge, append, answer ──▶ log
//!                                  bounded          one commit for all that waits
//! ```
//!
//! [`Engine`] is a handle, to be cloned at will. What costs time is done by whoever brings a delivery;
//! one [`Writer`] takes all that waits in the queue, judges it session by session, appends it as one
//! batch and answers everybody when the log has it. What comes meanwhile it judges for the next batch. The
//! writer is a future that the caller runs, so a test or a simulator can run it in its own time. So is whoever
//! hands notices over: a [`Worker`].
//!
//! ```text
//! outbox ──▶ Notices: a consumer that pulls, in strict order
//!       └──▶ Handover: a handler, in order within each session, again, parked when it fails too often
//! ```
//!
//! The parts come from outside, through small traits: a [`Log`], a [`Clock`], and for each source
//! something that [verifies](Verify).

mod clock; // time from outside
mod consumer; // who is told
mod consumers; // what a person does with those
mod filler; // what comes by another way than a delivery
mod follow; // who only follows what is said
mod gate; // one change of a consumer at a time
mod handover; // notices handed over to a handler
mod health; // whether it takes work
mod judged; // sessions judged as a whole, on their way into a log
mod quarantine; // out of it, what can be read by now
mod reading; // what can be asked of it
mod refold; // sessions judged anew
mod retention; // for how long what is over is kept
mod source; // where deliveries come from
mod sources; // those there are, and how they change
mod stats; // what it did, in numbers
mod viewed; // a session as somebody looks at it
mod writer; // the one that judges and appends

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

pub use clock::Clock;
pub use consumer::{Notices, Placed, StartAt};
pub use consumers::{AckError, Parked, Progress};
pub use filler::{Filled, Filler};
pub use follow::Following;
pub use handover::{DeliverError, Failure, Handler, Handover, Policy, Schedule, Then, Worker};
pub use health::{Health, Refusal};
pub use judged::Judged;
pub use quarantine::{Retried, retry_refused};
pub use reading::{Seen, Unacknowledged};
pub use refold::{Refold, Refolded, Rejudged};
pub use retention::{REMEMBER_MIN, Retention};
pub use source::{Denied, Misread, Source, Unverified, Verify};
pub use stats::{DeliveryStats, HandoverStats, Histogram, LostStats, NoticeStats, SessionStats, SourceStats, Stats};
pub use viewed::Viewed;
pub use writer::Writer;

use crate::event::{Reader, Unreadable};
use crate::live::{LiveArrival, SessionKey};
use crate::log::{Delivery, Log, LogError, Refused};
use gate::Gates;
use health::Pulse;
use sources::{Present, Sources, by_name};
use stats::Counters;
use writer::{Answer, Job, Work};

thread_local! {
    /// Room to read in, which grows once and not for every delivery.
    static READER: RefCell<Reader> = RefCell::new(Reader::new());
}

/// Bytes of the longest body that is read there. What a longer one needs is given back.
const READER_BODY_BYTES: usize = 16 << 10;

/// Settings of an engine. Each has a default.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Deliveries that may wait for the writer.
    pub queue_max: usize,
    /// Deliveries in one commit.
    pub batch_max: usize,
    /// Sessions that are kept in memory while they wait for more.
    pub sessions_max: usize,
    /// Bytes of the longest body.
    pub body_bytes_max: usize,
    /// Distinct events of one session that are kept. What comes beyond is quarantined, and from then on the
    /// record has [`TOO_MANY_EVENTS`](crate::TOO_MANY_EVENTS) among its violations. What is filled in from
    /// exports or out of quarantine is not bounded by it.
    pub events_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            queue_max: 8192,
            batch_max: 1024,
            sessions_max: 100_000,
            body_bytes_max: 1 << 20,
            events_max: 10_000,
        }
    }
}

/// What became of a delivery. It is durable when this is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It was new, and is kept.
    Stored {
        /// Of which session it is.
        key: SessionKey,
    },
    /// It was here before.
    Duplicate {
        /// Of which session it is.
        key: SessionKey,
    },
    /// It cannot be read, or its session has as many events as it may have: it is kept whole until somebody
    /// looks.
    Quarantined {
        /// Why.
        reason: String,
    },
    /// Its session was over for so long that nothing of it is kept any more. Nothing of this is kept, and
    /// nothing is said of it again.
    Expired {
        /// Of which session it is.
        key: SessionKey,
    },
    /// Its session was to be forgotten. Nothing of this is kept, and nothing is said of it again.
    Forgotten {
        /// Of which session it is.
        key: SessionKey,
    },
}

/// Why a delivery was not taken. Nothing of it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiveError {
    /// There is no source of that name.
    UnknownSource {
        /// What was named.
        name: String,
    },
    /// It does not prove that it is from the source. The reason is for the log of the receiver alone.
    Denied {
        /// Why.
        reason: String,
    },
    /// Its body is longer than [`Settings::body_bytes_max`].
    TooLarge {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
    /// More waits than the engine can take: try again later.
    Busy,
    /// The log did not take it.
    Log(LogError),
    /// The engine was closed, or has stopped: until it is opened again it takes nothing.
    Stopped {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReceiveError::UnknownSource { name } => write!(f, "no source is called `{name}`"),
            ReceiveError::Denied { reason } => write!(f, "not from the source: {reason}"),
            ReceiveError::TooLarge { bytes, max } => {
                write!(f, "the body has {bytes} bytes, and at most {max} are taken")
            }
            ReceiveError::Busy => f.write_str("more waits than can be taken: try again later"),
            ReceiveError::Log(error) => error.fmt(f),
            ReceiveError::Stopped { reason } => {
                write!(f, "the engine takes nothing until it is opened again: {reason}")
            }
        }
    }
}

impl std::error::Error for ReceiveError {}

/// A delivery on its way in.
struct Arriving<'d> {
    source: &'d str,
    headers: &'d [(&'d str, &'d str)],
    body: &'d [u8],
}

/// What it is, as it was read.
struct Read {
    /// These were the sources.
    under: Arc<Sources>,
    work: Box<Work>,
}

impl Arriving<'_> {
    fn source<'s>(&self, sources: &'s Sources) -> Result<&'s Source, ReceiveError> {
        let unknown = || ReceiveError::UnknownSource { name: self.source.chars().take(64).collect() };
        sources.get(self.source).ok_or_else(unknown)
    }

    fn work(&self, source: &Source, inner: &Inner) -> Box<Work> {
        let headers = source.contract.kept_headers(self.headers.iter().copied());
        let delivery = Delivery { headers, body: self.body.into() };
        let read = |reader: &mut Reader| {
            let (key, event) = source.read(reader, &delivery)?;
            Ok::<_, Unreadable>((key, LiveArrival::new(&source.contract, &event)))
        };
        let is_usual = self.body.len() <= READER_BODY_BYTES;
        let read = if is_usual { READER.with_borrow_mut(read) } else { read(&mut Reader::new()) };
        Box::new(match read {
            Ok((key, arrival)) => {
                let ready = inner.log.ready(&key, &delivery);
                Work::Event { key, arrival, delivery, ready }
            }
            Err(unreadable) => {
                let reason = unreadable.to_string();
                Work::Refused(Refused { source: source.name.clone(), received_at: inner.clock.now(), reason, delivery })
            }
        })
    }
}

/// A handle of the live engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
    queue: mpsc::Sender<Job>,
}

struct Inner {
    sources: Present,
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    /// How many notices there were when the writer last appended any.
    said: watch::Receiver<u64>,
    gates: Gates,
    counters: Counters,
    pulse: Pulse,
    /// Why the engine takes nothing any more.
    stopped: Arc<Mutex<Option<String>>>,
}

impl Engine {
    /// An engine of these parts, and the writer that somebody has to run.
    ///
    /// The log may have been written under other contracts or on other terms. Those of these sources apply from
    /// here on: to whatever comes, and to sessions that wait, when the time is over that they were to wait for
    /// so far. Sessions that are over stay as they were said until something comes for them; [`Refold`] judges
    /// them all anew.
    #[must_use]
    pub fn new(
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
        sources: impl IntoIterator<Item = Source>,
        settings: Settings,
    ) -> (Engine, Writer) {
        let sources = by_name(sources);
        let (queue, jobs) = mpsc::channel(settings.queue_max.max(1));
        let (say, said) = watch::channel(0);
        let stopped = Arc::default();
        let counters = Counters::default();
        for source in sources.values() {
            // From the beginning there is a number for each.
            counters.of_known(source);
        }
        let inner = Arc::new(Inner {
            sources: Present::new(Arc::clone(&sources)),
            log,
            clock,
            settings,
            said,
            gates: Gates::default(),
            counters,
            pulse: Pulse::default(),
            stopped,
        });
        let writer = Writer::new(Arc::clone(&inner), sources, jobs, say);
        (Engine { inner, queue }, writer)
    }

    /// Takes a delivery: durable when this returns `Ok`. Waits while the queue is full.
    ///
    /// # Errors
    /// When it is not taken; [`ReceiveError`] says why, and nothing of it is kept.
    pub async fn receive(&self, source: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Receipt, ReceiveError> {
        let arriving = Arriving { source, headers, body };
        let read = self.read(&arriving).map_err(|error| self.refuse(source, error))?;
        let room = self.queue.reserve().await.map_err(|_| self.refuse(source, self.why_stopped()))?;
        self.hand_in(&arriving, read, room).await
    }

    /// Takes a delivery if there is room in the queue.
    ///
    /// # Errors
    /// [`ReceiveError::Busy`] when there is none; else as [`Engine::receive`].
    pub async fn try_receive(
        &self,
        source: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Receipt, ReceiveError> {
        // Decided before the body is looked at.
        let room = self.queue.try_reserve().map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => self.refuse(source, ReceiveError::Busy),
            mpsc::error::TrySendError::Closed(()) => self.refuse(source, self.why_stopped()),
        })?;
        let arriving = Arriving { source, headers, body };
        let read = self.read(&arriving).map_err(|error| self.refuse(source, error))?;
        self.hand_in(&arriving, read, room).await
    }

    /// Whether a delivery that comes now has room in the queue: to be asked before its body is read. Somebody
    /// else may be quicker: [`Engine::try_receive`] decides.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.queue.capacity() > 0
    }

    /// Why it takes nothing any more; nothing while it does.
    #[must_use]
    pub fn stopped(&self) -> Option<String> {
        let closed = || self.queue.is_closed().then(|| "it was closed".to_owned());
        self.reason().or_else(closed)
    }

    /// Waits until it takes nothing any more. Why, when it was not closed.
    pub async fn ended(&self) -> Option<String> {
        self.queue.closed().await;
        self.reason()
    }

    /// Bytes of the longest body that it takes.
    #[must_use]
    pub fn body_bytes_max(&self) -> usize {
        self.inner.settings.body_bytes_max
    }

    /// Counts a delivery that was turned away before it came here: whoever receives may know from its head alone
    /// that it would not be taken.
    pub fn turned_away(&self, source: &str, why: &ReceiveError) {
        self.inner.counters.of(source).refused(why);
    }

    /// The notices for a consumer of this name, from the first that it has not acknowledged. One that is
    /// new begins with the oldest there is.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn notices(&self, consumer: &str) -> Result<Notices, LogError> {
        self.notices_from(consumer, StartAt::Oldest).await
    }

    /// The same, and it is said where one begins that is new.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn notices_from(&self, consumer: &str, start: StartAt) -> Result<Notices, LogError> {
        Notices::open(&self.inner, consumer, start).await
    }

    /// What it did since it began, and what it holds, in numbers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let queue_max = self.queue.max_capacity();
        self.inner.counters.stats(queue_max - self.queue.capacity(), queue_max)
    }

    /// Takes nothing more, on any handle; what waits is appended and answered, and the writer then ends.
    /// It also ends when every handle is gone.
    pub async fn close(&self) {
        // If nobody takes it any more, it is closed.
        let _ = self.queue.send(Job::Close).await;
    }

    /// Verifies and reads a delivery, on the caller's side.
    fn read(&self, arriving: &Arriving<'_>) -> Result<Read, ReceiveError> {
        if let Some(reason) = self.reason() {
            return Err(ReceiveError::Stopped { reason });
        }
        let under = self.inner.sources.now();
        let source = arriving.source(&under)?;
        let (body, max) = (arriving.body, self.inner.settings.body_bytes_max);
        if body.len() > max {
            return Err(ReceiveError::TooLarge { bytes: body.len(), max });
        }
        source
            .verify
            .verify(arriving.headers, body, self.inner.clock.now())
            .map_err(|Denied { reason }| ReceiveError::Denied { reason })?;
        let work = arriving.work(source, &self.inner);
        Ok(Read { under, work })
    }

    /// Puts a delivery into the queue, read under the sources of that moment, and waits for what becomes of it.
    async fn hand_in(
        &self,
        arriving: &Arriving<'_>,
        read: Read,
        room: mpsc::Permit<'_, Job>,
    ) -> Result<Receipt, ReceiveError> {
        let answer = self.queue_in(arriving, read, room).map_err(|error| self.refuse(arriving.source, error))?;
        // From here on it is counted by the writer, whether anybody waits for it or not.
        answer.await.map_err(|_| self.refuse(arriving.source, self.why_stopped()))?
    }

    fn queue_in(
        &self,
        arriving: &Arriving<'_>,
        Read { mut under, mut work }: Read,
        room: mpsc::Permit<'_, Job>,
    ) -> Result<oneshot::Receiver<Result<Receipt, ReceiveError>>, ReceiveError> {
        let (to, answered) = oneshot::channel();
        let since = self.inner.clock.now();
        let mut counters = self.inner.counters.of_known(arriving.source(&under)?);
        // Once more for each change of the sources meanwhile.
        loop {
            {
                let present = self.inner.sources.hold();
                if Arc::ptr_eq(&present, &under) {
                    room.send(Job::Delivery(work, Answer { to, counters, since }));
                    return Ok(answered);
                }
            }
            under = self.inner.sources.now();
            let source = arriving.source(&under)?;
            counters = self.inner.counters.of_known(source);
            work = arriving.work(source, &self.inner);
        }
    }

    fn refuse(&self, source: &str, error: ReceiveError) -> ReceiveError {
        self.turned_away(source, &error);
        error
    }

    fn reason(&self) -> Option<String> {
        // A reason is put there whole.
        self.inner.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn why_stopped(&self) -> ReceiveError {
        let reason = self.reason().unwrap_or_else(|| "it was closed".to_owned());
        ReceiveError::Stopped { reason }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("sources", &self.source_names()).finish_non_exhaustive()
    }
}
