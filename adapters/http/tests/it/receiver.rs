//! A receiver for these tests: an engine on a log in memory that can be in trouble, served on loopback.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use axum::Router;
use finis_engine::log::{Appended, Batch, Layer, Log, LogError, MemoryLog};
use finis_engine::{Denied, Engine, Settings, Source, Terms, Timestamp, Verify};
use finis_http::{listen, receive, with_problems};
use finis_providers::Catalogue;
use finis_providers::signature::{Options, Outgoing, Request, Secret, Signer, Verifier};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::hand::Hand;
use crate::wait::until;
use crate::wire::{Answer, PATIENCE, Wire, post};

pub(crate) const SECRET: &str = "canary-secret-of-the-desk";
/// What `saaya` signed with before, and may still sign with.
const SECRET_BEFORE: &str = "whsec_Y2FuYXJ5LXNlY3JldC1vZi1iZWZvcmU=";
pub(crate) const HEADER: (&str, &str) = ("x-webhook-secret", SECRET);
/// The same, as a provider with a list of signatures shows one.
const WHSEC: &str = "whsec_Y2FuYXJ5LXNlY3JldC1vZi10aGUtZGVzaw==";
pub(crate) const NOW: &str = "2026-05-03T08:43:00Z";

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::shipped);

/// What a log can be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// It takes things, and says nothing until it is well.
    Slow,
    Full,
    Stopped,
}

pub(crate) struct Troubled {
    log: MemoryLog,
    mood: watch::Sender<Mood>,
    appends: AtomicUsize,
}

/// What a receiver is to be like.
pub(crate) struct Wanted {
    pub(crate) engine: Settings,
    pub(crate) receive: receive::Settings,
    pub(crate) limits: listen::Limits,
    /// What it serves beside, with a router then. Without one it is served as `finis serve` does.
    pub(crate) beside: Option<Router>,
}

impl Default for Wanted {
    fn default() -> Self {
        Wanted {
            engine: Settings::default(),
            receive: receive::Settings::default(),
            // Nothing is to end by time but where a test is about that.
            limits: listen::Limits { head: PATIENCE, body: PATIENCE, idle: PATIENCE, ..listen::Limits::default() },
            beside: None,
        }
    }
}

/// A receiver that runs, with the sources `desk` (a secret in a header), `saaya` (signed) and `agntix` (signed, in a
/// list).
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    pub(crate) engine: Engine,
    pub(crate) log: Arc<Troubled>,
    pub(crate) tally: Arc<listen::Tally>,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) serving: JoinHandle<io::Result<()>>,
    pub(crate) writing: JoinHandle<Result<(), LogError>>,
}

impl Receiver {
    pub(crate) async fn open() -> Receiver {
        Receiver::open_as(Wanted::default()).await
    }

    pub(crate) async fn open_as(wanted: Wanted) -> Receiver {
        let log = Arc::new(Troubled {
            log: MemoryLog::new(),
            mood: watch::Sender::new(Mood::Well),
            appends: AtomicUsize::new(0),
        });
        let (engine, writer) =
            Engine::new(Arc::clone(&log) as Arc<dyn Log>, Hand::said(NOW), [desk(), saaya(), agntix()], wanted.engine);
        let writing = tokio::spawn(writer.run());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async move {
            // Dropped without a word, it runs on.
            if stopped.await.is_err() {
                pending::<()>().await;
            }
        };
        let tally = Arc::default();
        let (limits, told) = (wanted.limits, Arc::clone(&tally));
        let serving = if let Some(beside) = wanted.beside {
            let router = with_problems(receive::router(engine.clone(), wanted.receive).merge(beside));
            tokio::spawn(listen::serve_counted(listener, router, limits, told, stopped))
        } else {
            let hooks = receive::Hooks::new(engine.clone(), wanted.receive);
            tokio::spawn(listen::serve_counted(listener, hooks, limits, told, stopped))
        };
        // The writer begins by telling its log what sources there are.
        until(async || log.appends() == 1).await;
        Receiver { address, engine, log, tally, stop: Some(stop), serving, writing }
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire::open(self.address).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: impl AsRef<[u8]>) -> Answer {
        self.connect().await.send(request).await.answer().await.expect("an answer")
    }

    /// A delivery as its provider sends it, on a connection of its own.
    pub(crate) async fn deliver(&self, body: impl AsRef<[u8]>) -> Answer {
        self.ask(post("/hooks/desk", &[HEADER], body)).await
    }

    pub(crate) fn stop(&mut self) {
        let _ = self.stop.take().expect("stopped once").send(());
    }
}

impl Troubled {
    pub(crate) fn be(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// How often it was asked to take something.
    pub(crate) fn appends(&self) -> usize {
        self.appends.load(Ordering::SeqCst)
    }
}

/// An event of a session.
pub(crate) fn event(kind: &str, session: &str) -> String {
    format!(r#"{{"event":"{kind}","sessionId":"{session}","timestamp":"2026-05-03T08:42:11.512Z"}}"#)
}

/// The headers that prove a delivery of `saaya`, signed so many seconds from now.
pub(crate) fn signed(body: &[u8], seconds: i64, secret: &str) -> Vec<(String, String)> {
    sign("saaya", body, seconds, secret)
}

fn sign(provider: &str, body: &[u8], seconds: i64, secret: &str) -> Vec<(String, String)> {
    let signature = CATALOGUE.get(provider).unwrap().signature();
    let signer = Signer::new(signature, &[Secret::new(secret)], &Options::default()).unwrap();
    let at = Timestamp::from_unix(Timestamp::parse(NOW).unwrap().unix().0 + seconds, 0, 0).unwrap();
    signer.sign(&Outgoing { body, id: Some("msg_1"), ..Outgoing::default() }, at).unwrap()
}

/// The headers that prove a delivery of a source, rightly or as a forger might try.
pub(crate) fn proof(source: &str, how: &str, body: &[u8]) -> Vec<(String, String)> {
    let rightly = |source: &str, body: &[u8], seconds, other: bool| match (source, other) {
        ("desk", false) => vec![(HEADER.0.to_owned(), SECRET.to_owned())],
        ("desk", true) => vec![(HEADER.0.to_owned(), "another".to_owned())],
        ("agntix", _) => sign("agntix", body, seconds, if other { "whsec_b3RoZXI=" } else { WHSEC }),
        (_, _) => sign("saaya", body, seconds, if other { "another" } else { SECRET }),
    };
    let mut headers = rightly(source, body, how.parse().unwrap_or(0), how == "other-secret");
    let (_, value) = headers.last_mut().unwrap();
    match how {
        "absent" => headers.clear(),
        "empty" => value.clear(),
        "cut" => value.truncate(value.len() - 4),
        "of-another-body" => {
            let mut other = body.to_vec();
            other[0] ^= 1;
            return rightly(source, &other, 0, false);
        }
        "twice" => headers.push(headers.last().unwrap().clone()),
        "secret-of-before" => return sign(source, body, 0, SECRET_BEFORE),
        "in-capitals" => {
            let (time, digits) = value.rsplit_once('=').unwrap();
            *value = format!("{time}={}", digits.to_uppercase());
        }
        "no-break-space-behind" => value.push('\u{a0}'),
        "as-desk" => return rightly("desk", body, 0, false),
        // Of every alphabet, the one that is sure to differ.
        "url-alphabet" => *value = value.replace(['+', '/', '='], "-"),
        "in-a-list" => *value = format!("v1,AAAA v2,BBBB {value} v1,CCCC"),
        "in-a-list-too-long" => *value = format!("{}{value}", "v1,AAAA ".repeat(500)),
        "in-a-long-list" => *value = format!("{}{value}", "v1,AAAA ".repeat(10_000)),
        _ => {
            if let Some(time) = how.strip_prefix("time:") {
                let (_, rest) = value.split_once(',').unwrap();
                *value = format!("t={time},{rest}");
            }
        }
    }
    headers
}

fn desk() -> Source {
    source("desk", "pathors", &Options { header: Some(HEADER.0.to_owned()), ..Options::default() })
}

fn saaya() -> Source {
    source("saaya", "saaya", &Options::default())
}

fn agntix() -> Source {
    source("agntix", "agntix", &Options::default())
}

fn source(name: &str, provider: &str, options: &Options) -> Source {
    let contract = CATALOGUE.get(provider).unwrap().clone();
    let secret = if provider == "agntix" { WHSEC } else { SECRET };
    // The one that was before is still good there.
    let before = (provider == "saaya").then(|| Secret::new(SECRET_BEFORE));
    let secrets: Vec<Secret> = before.into_iter().chain([Secret::new(secret)]).collect();
    let verifier = Verifier::new(contract.signature(), &secrets, options).unwrap();
    let terms = Terms::new(&contract);
    Source { name: name.to_owned(), contract: Arc::new(contract), terms, verify: Box::new(Signed(verifier)) }
}

struct Signed(Verifier);

impl Verify for Signed {
    fn verify(&self, headers: &[(&str, &str)], body: &[u8], now: Timestamp) -> Result<(), Denied> {
        let request = Request { url: None, headers: headers.iter().copied(), body };
        self.0.verify(request, now).map(drop).map_err(|refused| Denied { reason: refused.to_string() })
    }
}

#[async_trait]
impl Layer for Troubled {
    fn below(&self) -> &dyn Log {
        &self.log
    }

    async fn append(&self, batch: Batch) -> Result<Appended, LogError> {
        self.appends.fetch_add(1, Ordering::SeqCst);
        let mood = *self.mood.subscribe().wait_for(|mood| *mood != Mood::Slow).await.unwrap();
        match mood {
            Mood::Full => Err(LogError::Full { reason: "no room in this test".to_owned() }),
            Mood::Stopped => Err(LogError::Stopped { reason: "this test stopped it".to_owned() }),
            Mood::Well | Mood::Slow => self.log.append(batch).await,
        }
    }
}
