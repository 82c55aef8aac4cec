//! A live engine to be tested: a clock that is set by hand, payloads of Pathors, an engine that runs, a log
//! that fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use finis::engine::live::{Notice, NoticeKind, SessionKey};
use finis::engine::log::{Appended, Batch, Layer, Log, LogError, LogRead, Mark, MemoryLog, Stored};
use finis::engine::{Clock, Engine, Receipt, Settings, Source, Terms, Timestamp, Unverified, Verify};
use finis::providers::Catalogue;
use tokio::sync::watch;

/// A clock that stands still until it is set.
pub(crate) struct Hand(pub(crate) watch::Sender<Timestamp>);

impl Hand {
    pub(crate) fn at(text: &str) -> Arc<Hand> {
        Arc::new(Hand(watch::Sender::new(at(text))))
    }

    pub(crate) fn set(&self, text: &str) {
        self.0.send_replace(at(text));
    }
}

#[async_trait]
impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    async fn sleep_until(&self, at: Timestamp) {
        // It is there as long as the clock is.
        let _ = self.0.subscribe().wait_for(|now| *now >= at).await;
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// Of Pathors: `E`nded, `C`all ended, `F`inalized with call fields, `T` finalized of a text, `R`ecording.
pub(crate) fn payload(kind: char, id: &str, at: &str) -> String {
    match kind {
        'E' => format!(r#"{{"event":"session.ended","sessionId":"{id}","timestamp":"{at}","messagesCount":8}}"#),
        'C' => format!(
            r#"{{"event":"call.ended","sessionId":"{id}","timestamp":"{at}","callStatus":"userHangup","callDuration":78}}"#
        ),
        'F' => format!(
            r#"{{"event":"session.finalized","sessionId":"{id}","timestamp":"{at}","messagesCount":8,"callStatus":"userHangup","callDuration":78}}"#
        ),
        'G' => format!(
            r#"{{"event":"session.finalized","sessionId":"{id}","timestamp":"{at}","messagesCount":9,"callStatus":"transferred","callDuration":80}}"#
        ),
        'T' => format!(r#"{{"event":"session.finalized","sessionId":"{id}","timestamp":"{at}","messagesCount":8}}"#),
        _ => format!(
            r#"{{"event":"recording.ready","sessionId":"{id}","timestamp":"{at}","success":true,"recordingUrl":"https://r.example/{id}"}}"#
        ),
    }
}

pub(crate) fn source(verify: Box<dyn Verify>) -> Source {
    let contract = Arc::new(Catalogue::shipped().get("pathors").unwrap().clone());
    Source { name: "pathors".into(), terms: Terms::new(&contract), contract, verify }
}

/// An engine with its writer, running.
pub(crate) struct Running {
    pub(crate) engine: Engine,
    pub(crate) writer: tokio::task::JoinHandle<Result<(), LogError>>,
}

impl Running {
    pub(crate) fn start(log: Arc<dyn Log>, clock: Arc<Hand>) -> Running {
        Running::start_with(log, clock, Settings::default())
    }

    pub(crate) fn start_with(log: Arc<dyn Log>, clock: Arc<Hand>, settings: Settings) -> Running {
        let (engine, writer) = Engine::new(log, clock, [source(Box::new(Unverified))], settings);
        Running { engine, writer: tokio::spawn(writer.run()) }
    }

    pub(crate) async fn stop(self) {
        self.engine.close().await;
        self.writer.await.unwrap().unwrap();
    }

    pub(crate) async fn receive(&self, payload: &str) -> Receipt {
        self.engine.receive("pathors", &[], payload.as_bytes()).await.unwrap()
    }
}

/// Asks again and again until it is so.
pub(crate) async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("it came to be so");
}

pub(crate) fn key(id: &str) -> SessionKey {
    SessionKey::new("pathors", "session", id)
}

pub(crate) async fn said(log: &dyn Log) -> Vec<Notice> {
    log.notices(0, usize::MAX).await.unwrap().into_iter().map(|(_, notice)| notice).collect()
}

pub(crate) fn kinds(notices: &[Notice]) -> Vec<(NoticeKind, u32)> {
    notices.iter().map(|notice| (notice.kind, notice.revision)).collect()
}

pub(crate) const EVENING: &str = "2026-05-03T08:42:14Z";

/// A log that can be told to fail, and to be slow.
#[derive(Default)]
pub(crate) struct Frail {
    pub(crate) log: MemoryLog,
    pub(crate) full: AtomicBool,
    pub(crate) broken: AtomicBool,
    /// Bytes of payloads above which a batch is too large; 0 for no bound.
    pub(crate) bytes_max: AtomicUsize,
    /// It stops at the append of this number, from 1 on; 0 for never.
    pub(crate) stops_at: AtomicUsize,
    /// Sessions with this id cannot be loaded.
    pub(crate) damaged: &'static str,
    /// Appends wait until they are let go on.
    pub(crate) held: watch::Sender<bool>,
    /// How many appends wait for that now, and how many did at most.
    pub(crate) waiting: AtomicUsize,
    pub(crate) waiting_max: AtomicUsize,
}

pub(crate) fn too_large() -> LogError {
    LogError::TooLarge { reason: "nine megabytes are too many".into() }
}

#[async_trait]
impl Layer for Frail {
    fn below(&self) -> &dyn Log {
        &self.log
    }

    async fn load(&self, keys: &[SessionKey]) -> Result<Vec<Stored>, LogError> {
        if keys.iter().any(|key| key.id() == self.damaged) {
            return Err(LogError::Damaged { reason: "segment 1, offset 12288".into() });
        }
        self.log.load(keys).await
    }

    async fn append(&self, batch: Batch) -> Result<Appended, LogError> {
        tokio::task::yield_now().await;
        let waiting = self.waiting.fetch_add(1, Ordering::SeqCst) + 1;
        self.waiting_max.fetch_max(waiting, Ordering::SeqCst);
        // Its sender is here.
        let _ = self.held.subscribe().wait_for(|held| !held).await;
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        if self.broken.load(Ordering::SeqCst) {
            return Err(LogError::Stopped { reason: "the disk is gone".into() });
        }
        let bytes: usize = batch.events.iter().map(|event| event.delivery.body.len()).sum();
        let bytes_max = self.bytes_max.load(Ordering::SeqCst);
        if bytes_max > 0 && bytes > bytes_max {
            return Err(too_large());
        }
        if self.full.load(Ordering::SeqCst) {
            return Err(LogError::Full { reason: "no space".into() });
        }
        match self.stops_at.load(Ordering::SeqCst) {
            0 => {}
            1 => return Err(LogError::Stopped { reason: "the process was killed".into() }),
            more => self.stops_at.store(more - 1, Ordering::SeqCst),
        }
        self.log.append(batch).await
    }

    async fn mark(&self, consumer: &str, marks: &[Mark]) -> Result<(), LogError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(LogError::Full { reason: "no space".into() });
        }
        self.log.mark(consumer, marks).await
    }
}
