//! finis: the embedded log as it comes, through the trait that its engine uses.
//!
//! A state is nothing it writes: it is a function of the events. What a receiver would say of each event
//! goes with it: when its session has to be judged again, or the notice that it is over.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use finis_engine::live::{Notice, NoticeId, NoticeKind, SessionKey};
use finis_engine::log::{Batch, Delivery, EventEntry, Log as _, LogRead as _};
use finis_engine::{Digest, Timestamp};
use finis_store::{EmbeddedLog, Settings};
use tokio::runtime::Runtime;

use crate::Failure;
use crate::contestant::{Contestant, Course, Taken, Tally};
use crate::work::{EVENTS_OF_A_SESSION, Event, Id, uuid};

/// The file that it keeps to let go when the disk is full.
pub(crate) const RESERVE: &str = "ballast";
/// A session that has not ended is judged again after this.
const PATIENCE: Duration = Duration::from_secs(3600);

pub(crate) struct Finis {
    runtime: Runtime,
    log: Arc<EmbeddedLog>,
    /// Who appends at the same time.
    tasks: usize,
    prepared: Arc<Prepared>,
}

/// Batches made before time is taken, each taken once. Empty: they are made when they are appended.
#[derive(Default)]
struct Prepared(Vec<Mutex<Option<Batch>>>);

impl Finis {
    pub(crate) fn open(folder: &Path, tasks: usize) -> Result<Finis, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
        let (log, _report) = EmbeddedLog::open(folder, &Settings::default())?;
        Ok(Finis { runtime, log: Arc::new(log), tasks, prepared: Arc::default() })
    }
}

impl Contestant for Finis {
    fn prepare(&mut self, course: &Course) {
        let batches = course.commits().map(|events| Mutex::new(Some(batch(events))));
        self.prepared = Arc::new(Prepared(batches.collect()));
    }

    fn commit(&mut self, events: &[Event]) -> Result<u64, Failure> {
        let appended = self.runtime.block_on(self.log.append(batch(events)))?;
        Ok(count_new(&appended.new))
    }

    fn run(&mut self, course: &Arc<Course>) -> Result<Tally, Failure> {
        let task = || appends(Arc::clone(&self.log), Arc::clone(course), Arc::clone(&self.prepared));
        if self.tasks == 1 {
            return self.runtime.block_on(task());
        }
        let tasks: Vec<_> = (0..self.tasks).map(|_| self.runtime.spawn(task())).collect();
        let mut tally = Tally::default();
        for task in tasks {
            tally.join(self.runtime.block_on(task)??);
        }
        Ok(tally)
    }

    fn read(&mut self, event: &Event) -> Result<bool, Failure> {
        let stored = self.runtime.block_on(self.log.load(&[key(&event.session)]))?;
        let events = stored.iter().flat_map(|stored| &stored.events);
        Ok(events.into_iter().any(|stored| stored.delivery.body == event.body))
    }

    fn count(&mut self) -> Result<u64, Failure> {
        let mut count = 0;
        let mut last = None;
        loop {
            let sessions = self.runtime.block_on(self.log.sessions(last.as_ref(), 1000))?;
            let stored = self.runtime.block_on(self.log.load(&sessions))?;
            count += stored.iter().map(|stored| stored.events.len() as u64).sum::<u64>();
            last = sessions.into_iter().last();
            if last.is_none() {
                return Ok(count);
            }
        }
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        let log = Arc::into_inner(self.log).ok_or("somebody has the log still")?;
        Ok(self.runtime.block_on(log.close())?)
    }
}

/// One append after the other, until the course is over.
async fn appends(log: Arc<EmbeddedLog>, course: Arc<Course>, prepared: Arc<Prepared>) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    while let Some(taken) = course.take() {
        let begin = Instant::now();
        let batch = prepared.take(&taken).unwrap_or_else(|| batch(course.events_of(&taken)));
        let appended = log.append(batch).await?;
        tally.add(begin.elapsed(), taken.len(), count_new(&appended.new));
    }
    Ok(tally)
}

impl Prepared {
    fn take(&self, taken: &Taken) -> Option<Batch> {
        let batch = self.0.get(taken.start / taken.len())?;
        batch.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What the engine appends for these events.
pub(crate) fn batch(events: &[Event]) -> Batch {
    let mut batch = Batch::default();
    // A session is judged once a batch: where it stands in `due`.
    let mut judged: HashMap<Id, usize> = HashMap::new();
    for event in events {
        let (key, received_at) = (key(&event.session), timestamp(event.received_at));
        let digest = Digest::from_bytes(event.digest);
        let delivery = Delivery { headers: Vec::new(), body: Arc::clone(&event.body) };
        // The engine has folded what came before: of an event that is there it says nothing new.
        if !event.again {
            let due = event.record.is_none().then(|| received_at.plus(PATIENCE));
            match judged.entry(event.session) {
                Entry::Occupied(place) => batch.due[*place.get()].1 = due,
                Entry::Vacant(place) => {
                    place.insert(batch.due.len());
                    batch.due.push((key.clone(), due));
                }
            }
            batch.notices.extend(event.record.as_ref().map(|record| notice(&key, record)));
        }
        batch.events.push(EventEntry { key, digest, received_at: Some(received_at), delivery });
    }
    batch
}

fn notice(key: &SessionKey, record: &str) -> Notice {
    Notice {
        id: NoticeId::new(key, NoticeKind::Complete, 1),
        key: key.clone(),
        kind: NoticeKind::Complete,
        revision: 1,
        record: record.to_owned(),
        events: EVENTS_OF_A_SESSION as usize,
        changes: Vec::new(),
        asset: None,
    }
}

/// The key of a session.
pub(crate) fn key(session: &Id) -> SessionKey {
    SessionKey::new("line", "session", &uuid(session))
}

fn timestamp(micros: i64) -> Timestamp {
    let nanos = (micros % 1_000_000) as u32 * 1000;
    Timestamp::from_unix(micros / 1_000_000, nanos, 6).unwrap_or(Timestamp::MIN)
}

fn count_new(new: &[bool]) -> u64 {
    new.iter().filter(|new| **new).count() as u64
}
