//! A live engine to be tested: a clock that is set by hand, payloads of Pathors, an engine that runs.

use std::sync::Arc;

use async_trait::async_trait;
use finis::engine::live::{Notice, NoticeKind, SessionKey};
use finis::engine::log::{Log, LogError};
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
        let (engine, writer) = Engine::new(log, clock, [source(Box::new(Unverified))], Settings::default());
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

pub(crate) fn key(id: &str) -> SessionKey {
    SessionKey { source: "pathors".into(), subject: "session".into(), id: id.into() }
}

pub(crate) async fn said(log: &dyn Log) -> Vec<Notice> {
    log.notices(0, usize::MAX).await.unwrap().into_iter().map(|(_, notice)| notice).collect()
}

pub(crate) fn kinds(notices: &[Notice]) -> Vec<(NoticeKind, u32)> {
    notices.iter().map(|notice| (notice.kind, notice.revision)).collect()
}

pub(crate) const EVENING: &str = "2026-05-03T08:42:14Z";
