//! An engine to be watched: a clock that is set by hand, payloads of Pathors, a log that can be slow, full or
//! silent, and somebody who asks over a socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use finis_engine::log::{Appended, Batch, Layer, Log, LogError, MemoryLog};
use finis_engine::{Denied, Engine, Settings, Source, Terms, Timestamp, Verify};
use finis_http::watch;
use finis_providers::Catalogue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::open_metrics::Exposition;
use crate::hand::Hand;

pub(super) const EVENING: &str = "2026-05-03T08:42:14Z";

/// A log whose commits take a while by the clock, and which can be full, stuck or silent.
pub(super) struct Moody {
    log: Arc<MemoryLog>,
    clock: Arc<Hand>,
    commit_takes: Duration,
    pub(super) is_full: AtomicBool,
    pub(super) is_silent: AtomicBool,
    /// Commits wait as long as this says so.
    pub(super) is_stuck: tokio::sync::watch::Sender<bool>,
}

impl Moody {
    pub(super) fn new(log: Arc<MemoryLog>, clock: Arc<Hand>, commit_takes: Duration) -> Arc<Moody> {
        let (is_full, is_silent) = (AtomicBool::new(false), AtomicBool::new(false));
        let is_stuck = tokio::sync::watch::Sender::new(false);
        Arc::new(Moody { log, clock, commit_takes, is_full, is_silent, is_stuck })
    }
}

#[async_trait]
impl Layer for Moody {
    fn below(&self) -> &dyn Log {
        &*self.log
    }

    async fn waiting(&self) -> Result<Option<u64>, LogError> {
        if self.is_silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.below().waiting().await
    }

    async fn append(&self, batch: Batch) -> Result<Appended, LogError> {
        // It is there as long as the log is.
        let _ = self.is_stuck.subscribe().wait_for(|is_stuck| !is_stuck).await;
        if self.is_full.load(Ordering::SeqCst) {
            return Err(LogError::Full { reason: "no space on the disk: make some".into() });
        }
        self.clock.advance(self.commit_takes);
        self.log.append(batch).await
    }
}

/// Denies whoever says so.
struct Honest;

impl Verify for Honest {
    fn verify(&self, headers: &[(&str, &str)], _: &[u8], _: Timestamp) -> Result<(), Denied> {
        if headers.is_empty() { Ok(()) } else { Err(Denied { reason: "it says so itself".into() }) }
    }
}

/// A source of Pathors that denies whoever brings a header.
pub(super) fn source(name: &str) -> Source {
    let contract = Arc::new(Catalogue::shipped().get("pathors").unwrap().clone());
    Source { name: name.into(), terms: Terms::new(&contract), contract, verify: Box::new(Honest) }
}

/// Of Pathors: `E`nded, `C`all ended, `F`inalized with call fields, `T` finalized of a text, `R`ecording.
pub(super) fn payload(kind: char, id: &str) -> String {
    let at = EVENING;
    match kind {
        'E' => format!(r#"{{"event":"session.ended","sessionId":"{id}","timestamp":"{at}","messagesCount":8}}"#),
        'C' => format!(
            r#"{{"event":"call.ended","sessionId":"{id}","timestamp":"{at}","callStatus":"userHangup","callDuration":78}}"#
        ),
        'F' => format!(
            r#"{{"event":"session.finalized","sessionId":"{id}","timestamp":"{at}","messagesCount":8,"callStatus":"userHangup","callDuration":78}}"#
        ),
        'T' => format!(r#"{{"event":"session.finalized","sessionId":"{id}","timestamp":"{at}","messagesCount":8}}"#),
        _ => format!(
            r#"{{"event":"recording.ready","sessionId":"{id}","timestamp":"{at}","success":true,"recordingUrl":"https://r.example/{id}"}}"#
        ),
    }
}

/// An engine that runs, and whoever watches it over a socket.
pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) clock: Arc<Hand>,
    pub(super) log: Arc<Moody>,
    pub(super) address: SocketAddr,
    writer: Option<finis_engine::Writer>,
}

impl World {
    /// Commits take 3 milliseconds by the clock. Nobody writes yet.
    pub(super) async fn new(settings: Settings, watched: watch::Settings) -> World {
        World::over(Arc::default(), Hand::said(EVENING), settings, watched, ["pathors"]).await
    }

    pub(super) async fn over<const N: usize>(
        log: Arc<MemoryLog>,
        clock: Arc<Hand>,
        settings: Settings,
        watched: watch::Settings,
        sources: [&str; N],
    ) -> World {
        let log = Moody::new(log, Arc::clone(&clock), Duration::from_millis(3));
        let (engine, writer) =
            Engine::new(Arc::clone(&log) as Arc<dyn Log>, Arc::clone(&clock) as _, sources.map(source), settings);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = watch::router(engine.clone(), watched);
        tokio::spawn(async move { axum::serve(listener, router).await });
        World { engine, clock, log, address, writer: Some(writer) }
    }

    /// Somebody writes from now on.
    pub(super) fn run(&mut self) -> tokio::task::JoinHandle<Result<(), LogError>> {
        tokio::spawn(self.writer.take().expect("it runs once").run())
    }

    /// Brings these in, one after the other: each a kind and an id.
    pub(super) async fn receive(&self, deliveries: &str) {
        for delivery in deliveries.split(' ') {
            let (kind, id) = delivery.split_at(1);
            let kind = kind.chars().next().unwrap();
            self.engine.receive("pathors", &[], payload(kind, id).as_bytes()).await.unwrap();
        }
    }

    /// What a path answers: status, head and body.
    pub(super) async fn get(&self, path: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: finis.example\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    /// The numbers, as a strict reader has them.
    pub(super) async fn scrape(&self) -> Exposition {
        let (status, head, body) = self.get("/metrics").await;
        assert_eq!(status, 200, "{body}");
        assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
        Exposition::read(&body)
    }

    /// The words for what is wrong, by `/readyz`.
    pub(super) async fn problems(&self) -> Vec<String> {
        let (status, _, body) = self.get("/readyz").await;
        let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
        let problems = answer["problems"].as_array().cloned().unwrap_or_default();
        let (code, word) = if problems.is_empty() { (200, "ready") } else { (503, "not_ready") };
        assert_eq!((status, &answer["status"]), (code, &word.into()), "{body}");
        problems.iter().map(|problem| problem["problem"].as_str().unwrap().to_owned()).collect()
    }
}

/// Waits until something is so.
pub(super) async fn until(what: &'static str, mut is_so: impl FnMut() -> bool) {
    crate::wait::until_it_is(what, async || is_so()).await;
}
