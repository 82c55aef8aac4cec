//! An engine that is read over a socket: a log that counts and fails, and a client that believes nothing.
//!
//! Whatever is answered to [`World::ask`] is held against the document: a status that it does not have, or a body
//! that is not as its schema says, fails the test.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use finis_engine::live::{Notice, SessionKey};
use finis_engine::log::{Layer, Log, LogError, MemoryLog, Stored};
use finis_engine::{Engine, Receipt, Source, Terms, Timestamp, Unverified};
use finis_http::read::{Settings, Token, router};
use finis_providers::Catalogue;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::hand::Hand;
use crate::read_document;

pub(crate) const TOKEN: &str = "a-token-for-tests-only";
pub(crate) const EVENING: &str = "2026-05-03T08:42:14Z";

/// A log that counts what is read of it, and has sessions that cannot be read.
pub(crate) struct Watched {
    log: Arc<dyn Log>,
    pub(crate) loaded: AtomicUsize,
    pub(crate) notices: AtomicUsize,
    /// A session with this id cannot be loaded.
    pub(crate) unreadable: Mutex<String>,
    /// Of a session with this id something is damaged.
    pub(crate) damaged: Mutex<String>,
}

#[async_trait]
impl Layer for Watched {
    fn below(&self) -> &dyn Log {
        &*self.log
    }

    async fn load(&self, keys: &[SessionKey]) -> Result<Vec<Stored>, LogError> {
        self.loaded.fetch_add(keys.len(), Ordering::SeqCst);
        let is = |id: &Mutex<String>, key: &SessionKey| key.id() == *id.lock().unwrap();
        if keys.iter().any(|key| is(&self.unreadable, key)) {
            return Err(LogError::Damaged { reason: "segment 1, offset 12288".into() });
        }
        let mut stored = self.log.load(keys).await?;
        for (stored, _) in stored.iter_mut().zip(keys).filter(|(_, key)| is(&self.damaged, key)) {
            stored.damaged.push("segment 1, offset 4096: an event".into());
        }
        Ok(stored)
    }

    async fn notices(&self, after: u64, limit: usize) -> Result<Vec<(u64, Notice)>, LogError> {
        let notices = self.log.notices(after, limit).await?;
        self.notices.fetch_add(notices.len(), Ordering::SeqCst);
        Ok(notices)
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

pub(crate) fn key(id: &str) -> SessionKey {
    SessionKey::new("desk", "session", id)
}

/// Of Pathors: `E`nded, `C`all ended, `F`inalized of a call, `T` finalized of a text, `G` finalized otherwise.
pub(crate) fn payload(kind: char, id: &str) -> String {
    let id = serde_json::to_string(id).unwrap();
    let (kind, rest) = match kind {
        'E' => ("session.ended", r#""messagesCount":8"#),
        'C' => ("call.ended", r#""callStatus":"userHangup","callDuration":78"#),
        'F' => ("session.finalized", r#""messagesCount":8,"callStatus":"userHangup","callDuration":78"#),
        'G' => ("session.finalized", r#""messagesCount":9,"callStatus":"transferred","callDuration":80"#),
        _ => ("session.finalized", r#""messagesCount":8"#),
    };
    format!(r#"{{"event":"{kind}","sessionId":{id},"timestamp":"{EVENING}",{rest}}}"#)
}

/// An engine that runs, and is read.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) log: Arc<Watched>,
    pub(crate) clock: Arc<Hand>,
    /// Says that streams are to end.
    pub(crate) ending: watch::Sender<bool>,
    pub(crate) address: String,
    writer: JoinHandle<Result<(), LogError>>,
    _server: Aborted,
}

/// A task that ends with whoever has it.
struct Aborted(JoinHandle<()>);

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl World {
    pub(crate) async fn new() -> World {
        World::with(|_| ()).await
    }

    pub(crate) async fn with(set: impl FnOnce(&mut Settings)) -> World {
        World::over(Arc::new(MemoryLog::new()), set).await
    }

    pub(crate) async fn over(log: Arc<dyn Log>, set: impl FnOnce(&mut Settings)) -> World {
        let log = Arc::new(Watched {
            log,
            loaded: AtomicUsize::new(0),
            notices: AtomicUsize::new(0),
            unreadable: Mutex::default(),
            damaged: Mutex::default(),
        });
        let clock = Hand::said(EVENING);
        let contract = Arc::new(Catalogue::shipped().get("pathors").unwrap().clone());
        let source = |name: &str| Source {
            name: name.into(),
            terms: Terms::new(&contract),
            contract: contract.clone(),
            verify: Box::new(Unverified),
        };
        let sources = [source("desk"), source("lab")];
        let (engine, writer) = Engine::new(log.clone(), clock.clone(), sources, finis_engine::Settings::default());
        let ending = watch::Sender::new(false);
        let mut settings = Settings::new(Token::new(TOKEN).unwrap());
        settings.ending = Some(ending.subscribe());
        set(&mut settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let app = router(engine.clone(), settings);
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let writer = tokio::spawn(writer.run());
        World { engine, log, clock, ending, address, writer, _server: Aborted(server) }
    }

    pub(crate) async fn receive(&self, kinds: &str, id: &str) {
        for kind in kinds.chars() {
            let receipt = self.engine.receive("desk", &[], payload(kind, id).as_bytes()).await.unwrap();
            assert!(matches!(receipt, Receipt::Stored { .. } | Receipt::Duplicate { .. }), "{receipt:?}");
        }
    }

    pub(crate) fn set_clock(&self, text: &str) {
        self.clock.set(text);
    }

    /// Takes nothing more, and ends.
    pub(crate) async fn close(self) {
        self.engine.close().await;
        self.writer.await.unwrap().unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }

    /// What a 200 says.
    pub(crate) async fn read(&self, path: &str) -> Value {
        self.get(path).await.fine()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &body.to_string()).await
    }

    /// Asks with the token, and holds the answer against the document.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let answer = self.ask_with(method, path, &format!("authorization: Bearer {TOKEN}\r\n"), body).await;
        read_document::check(method, path, &answer);
        answer
    }

    /// Asks with these headers.
    pub(crate) async fn ask_with(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut socket = TcpStream::connect(&self.address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        Answer::parse(&String::from_utf8(answer).unwrap())
    }
}

impl Answer {
    pub(crate) fn parse(text: &str) -> Answer {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Answer { status, headers, body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn fine(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }

    /// That it was refused so.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, error: &str) -> Value {
        let problem = self.json();
        assert_eq!((self.status, problem["error"].as_str()), (status, Some(error)), "{self:?}");
        problem
    }
}
