//! Recordings to be fetched: a host on loopback that does as it is told, an engine, and a clock that leaps to
//! whatever is waited for.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use finis_engine::live::{NoticeId, NoticeKind, SessionKey};
use finis_engine::log::{Log, MemoryLog};
use finis_engine::{Clock, Denied, Engine, Handover, Settings, Source, Terms, Timestamp, Verify};
use finis_http::outbound::{Client, Guard, Limits, Roots, Rules};
use finis_http::recordings::{self, Archive, Outcome, Recorder, Tally};
use finis_providers::Catalogue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::wait::until;

pub(crate) const NOW: &str = "2026-05-03T08:42:30Z";
pub(crate) const BYTES_MAX: u64 = 1 << 20;

/// What comes of a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// An answer, byte for byte, and the end of the connection.
    Say(Vec<u8>),
    /// Nothing, for ever.
    Hang,
    /// A head without a length, and then bytes for as long as they are taken.
    Endless,
    /// The first part, then nothing until the host is told to go on, then the rest.
    Halves(Vec<u8>, Vec<u8>),
}

pub(crate) fn answer(status: &str, content_type: &str, body: &[u8]) -> Act {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n");
    Act::Say([head.as_bytes(), body].concat())
}

pub(crate) fn recording(body: &[u8]) -> Act {
    answer("200 OK", "audio/ogg", body)
}

pub(crate) fn not_found() -> Act {
    answer("404 Not Found", "text/plain", b"not yet")
}

/// A host of recordings.
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    asked: Arc<AtomicUsize>,
    pub(crate) go_on: Arc<Notify>,
}

impl Host {
    /// Does one of these for each request, and the last for all that come after.
    pub(crate) async fn new(acts: impl IntoIterator<Item = Act>) -> Host {
        let acts: Vec<Act> = acts.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, go_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (count, notify) = (Arc::clone(&asked), Arc::clone(&go_on));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acts, count, notify) = (acts.clone(), Arc::clone(&count), Arc::clone(&notify));
                tokio::spawn(async move { act(socket, &acts, &count, &notify).await });
            }
        });
        Host { address, asked, go_on }
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/recording.ogg?signature=canary", self.address)
    }
}

async fn act(mut socket: TcpStream, acts: &[Act], count: &AtomicUsize, go_on: &Notify) {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if !matches!(socket.read_buf(&mut head).await, Ok(1..)) {
            return;
        }
    }
    let place = count.fetch_add(1, Ordering::SeqCst).min(acts.len() - 1);
    // Whoever asks may have gone.
    match &acts[place] {
        Act::Say(bytes) => drop(socket.write_all(&closing(bytes)).await),
        Act::Hang => pending().await,
        Act::Endless => {
            let mut bytes: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: audio/ogg\r\n\r\n";
            while socket.write_all(bytes).await.is_ok() {
                bytes = &[b'x'; 4096];
            }
        }
        Act::Halves(first, rest) => {
            let (first, rest) =
                if first.is_empty() { (Vec::new(), closing(rest)) } else { (closing(first), rest.clone()) };
            let _ = socket.write_all(&first).await;
            go_on.notified().await;
            let _ = socket.write_all(&rest).await;
        }
    }
    let _ = socket.shutdown().await;
}

/// An answer that says that its connection ends: nobody counts on another on it.
fn closing(bytes: &[u8]) -> Vec<u8> {
    let line = bytes.windows(2).position(|two| two == b"\r\n").map_or(0, |end| end + 2);
    [&bytes[..line], b"connection: close\r\n", &bytes[line..]].concat()
}

/// Time passes when somebody waits for it, unless that is long.
pub(crate) struct Leaping(watch::Sender<Timestamp>);

impl Leaping {
    pub(crate) fn advance(&self, span: Duration) {
        self.0.send_modify(|now| *now = now.plus(span));
    }
}

#[async_trait]
impl Clock for Leaping {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    async fn sleep_until(&self, at: Timestamp) {
        // The deadlines of sessions are far away, and stay there.
        if at.since(self.now()) > Duration::from_secs(15 * 60) {
            pending::<()>().await;
        }
        self.0.send_modify(|now| *now = (*now).max(at));
    }
}

struct Anybody;

impl Verify for Anybody {
    fn verify(&self, _: &[(&str, &str)], _: &[u8], _: Timestamp) -> Result<(), Denied> {
        Ok(())
    }
}

/// What is to be there.
pub(crate) struct Wanted {
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) rules: Rules,
    pub(crate) total: Duration,
    pub(crate) now: &'static str,
}

impl Default for Wanted {
    fn default() -> Self {
        let rules = Rules { allow: vec!["127.0.0.1".parse().unwrap()], ..Rules::default() };
        Wanted { log: Arc::default(), rules, total: Duration::from_secs(300), now: NOW }
    }
}

/// An engine with the sources `desk`, whose recordings are fetched, and `elsewhere`.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) clock: Arc<Leaping>,
    pub(crate) archive: Archive,
    pub(crate) tally: Arc<Tally>,
    handover: Handover,
    running: [JoinHandle<()>; 2],
}

impl World {
    pub(crate) async fn new(folder: &Path) -> World {
        World::with(folder, Wanted::default()).await
    }

    pub(crate) async fn with(folder: &Path, wanted: Wanted) -> World {
        let clock = Arc::new(Leaping(watch::Sender::new(Timestamp::parse(wanted.now).unwrap())));
        let log = Arc::clone(&wanted.log) as Arc<dyn Log>;
        let sources = ["desk", "elsewhere"].map(source);
        let (engine, writer) = Engine::new(log, Arc::clone(&clock) as Arc<dyn Clock>, sources, Settings::default());
        let writing = tokio::spawn(async move { drop(writer.run().await) });
        let archive = Archive::open(folder).unwrap();
        let limits = Limits { total: wanted.total, answer_bytes_max: BYTES_MAX, ..Limits::default() };
        let download = Client::new(Guard::new(&wanted.rules), limits, &Roots::none()).unwrap();
        let of_desk = recordings::Source { archive: archive.clone(), download, bytes_max: BYTES_MAX };
        let sources = BTreeMap::from([("desk".to_owned(), of_desk)]);
        let recorder = Recorder::new(engine.clone(), sources, Arc::clone(&clock) as Arc<dyn Clock>);
        let tally = recorder.tally();
        let (handover, worker) = recordings::deliver(&engine, recorder).await.unwrap();
        let handing = tokio::spawn(async move { drop(worker.run().await) });
        World { engine, clock, archive, tally, handover, running: [writing, handing] }
    }

    /// It ends as a process does that is killed: nobody waits for anything.
    pub(crate) async fn kill(self) {
        for running in self.running {
            running.abort();
            let _ = running.await;
        }
        drop(self.handover);
    }

    /// A recording is said to be there.
    pub(crate) async fn ready(&self, source: &str, session: &str, url: &str) {
        let body = serde_json::json!({
            "event": "recording.ready", "sessionId": session, "projectId": "p",
            "timestamp": self.clock.now().to_string(), "success": true, "recordingUrl": url,
        });
        self.engine.receive(source, &[], body.to_string().as_bytes()).await.unwrap();
    }

    /// What came of the recordings of a session, once there are so many.
    pub(crate) async fn outcomes(&self, session: &str, number: usize) -> Vec<Outcome> {
        let key = key(session);
        until(async || self.archive.outcomes(&key).unwrap().len() == number).await;
        self.archive.outcomes(&key).unwrap()
    }

    /// What came of the only one, as JSON.
    pub(crate) async fn outcome(&self, session: &str) -> serde_json::Value {
        serde_json::to_value(&self.outcomes(session, 1).await[0]).unwrap()
    }

    /// Waits until the consumer has nothing more to deal with.
    pub(crate) async fn dealt_with(&self) {
        until(async || {
            let consumers = self.engine.consumers().await.unwrap();
            consumers.iter().any(|known| known.consumer == "recordings" && known.behind == 0 && known.parked == 0)
        })
        .await;
    }
}

fn source(name: &str) -> Source {
    let contract = Catalogue::shipped().get("pathors").unwrap().clone();
    let terms = Terms::new(&contract);
    Source { name: name.to_owned(), contract: Arc::new(contract), terms, verify: Box::new(Anybody) }
}

pub(crate) fn key(session: &str) -> SessionKey {
    SessionKey::new("desk", "session", session)
}

/// The notice of the recording of a session.
pub(crate) fn notice(session: &str, revision: u32) -> NoticeId {
    NoticeId::new(&key(session), NoticeKind::Asset, revision)
}

/// Every file below a folder but the lock, by its path from there.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("lock") {
                all.push(path.strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    all.sort();
    all
}
