//! A receiver of webhooks over HTTP: one that does its work, and ones that answer as receivers do on bad days.
//!
//! The one that does its work keeps each session as a set of events, and tells its end once, when all is here.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use finis::engine::{Clock, Contract, Key, Partial, Reader, Record, SubjectId, Terms, Timestamp};
use finis::live::SystemClock;
use finis::providers::Catalogue;
use finis::providers::signature::{Options, Request, Secret, Verifier};
use serde_json::{Value, json};

/// How a delivery is answered.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// By what it is.
    Proper,
    /// So often with 503 before that, each body by itself.
    Busy(u32),
    /// By another place to go.
    Redirect(String),
    /// Not at all.
    Silent,
}

/// A receiver that runs until the test ends.
pub(crate) struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    contract: Contract,
    verifier: Option<Verifier>,
    manner: Manner,
    sessions: BTreeMap<String, Session>,
    /// How often each body came.
    bodies: BTreeMap<Vec<u8>, u32>,
    requests: u64,
}

struct Session {
    subject: SubjectId,
    partial: Partial,
    told_at: Vec<Timestamp>,
}

impl Receiver {
    pub(crate) fn start(provider: &str, secret: Option<(&str, Options)>, manner: Manner) -> Receiver {
        let contract = Catalogue::shipped().get(provider).unwrap().clone();
        let verifier = secret
            .map(|(secret, options)| Verifier::new(contract.signature(), &[Secret::new(secret)], &options).unwrap());
        let (sessions, bodies) = (BTreeMap::new(), BTreeMap::new());
        let state = State { contract, verifier, manner, sessions, bodies, requests: 0 };
        let state = Arc::new(Mutex::new(state));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&state);
        // It ends with the process: whoever has a connection may still be about to use it.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || serve(&stream, &state));
            }
        });
        Receiver { address, state }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Requests that came, of any kind.
    pub(crate) fn requests(&self) -> u64 {
        self.state.lock().unwrap().requests
    }

    /// `--against`, `--expect` and `--reset` for it.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let urls = [("--against", "/hook"), ("--expect", "/conclusions"), ("--reset", "/reset")];
        urls.iter().flat_map(|(option, path)| [(*option).to_owned(), self.url(path)]).collect()
    }
}

/// Serves a connection until it is closed.
fn serve(stream: &TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    while let Some((line, headers, body)) = request(&mut reader) {
        let Some((status, more, answer)) = state.lock().unwrap().answer(&line, &headers, &body) else {
            // Whoever asks has to give up by itself.
            while reader.read(&mut [0]).is_ok_and(|read| read > 0) {}
            return;
        };
        let length = answer.len();
        let head = format!("HTTP/1.1 {status} X\r\n{more}content-length: {length}\r\n\r\n");
        let mut stream = stream;
        if stream.write_all((head + &answer).as_bytes()).is_err() {
            return;
        }
    }
}

/// A request: method and path, headers, body.
#[allow(clippy::type_complexity, reason = "three parts, each plain")]
fn request(reader: &mut impl BufRead) -> Option<(String, Vec<(String, String)>, Vec<u8>)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        let read = reader.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" if read == 0 => return None,
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let headers: Vec<(String, String)> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some((lines[0].trim_end_matches(" HTTP/1.1").to_owned(), headers, body))
}

impl State {
    /// Status, further headers, body; nothing when there is no answer.
    fn answer(&mut self, line: &str, headers: &[(String, String)], body: &[u8]) -> Option<(u16, String, String)> {
        self.requests += 1;
        let plain = |status: u16| Some((status, String::new(), "{}".to_owned()));
        match line {
            "POST /hook" => match self.manner.clone() {
                Manner::Proper => plain(self.receive(headers, body)),
                Manner::Busy(times) => {
                    let came = self.bodies.entry(body.to_vec()).or_default();
                    *came += 1;
                    let is_busy = *came <= times;
                    plain(if is_busy { 503 } else { self.receive(headers, body) })
                }
                Manner::Redirect(to) => Some((307, format!("location: {to}\r\n"), String::new())),
                Manner::Silent => None,
            },
            "GET /conclusions" => Some((200, String::new(), self.conclusions().to_string())),
            "POST /reset" => {
                self.sessions.clear();
                self.bodies.clear();
                plain(200)
            }
            _ => plain(404),
        }
    }

    fn receive(&mut self, headers: &[(String, String)], body: &[u8]) -> u16 {
        let now = SystemClock.now();
        if let Some(verifier) = &self.verifier {
            let headers = headers.iter().map(|(name, value)| (name, value));
            if verifier.verify(Request { url: None, headers, body }, now).is_err() {
                return 401;
            }
        }
        let mut reader = Reader::new();
        let Some(event) = std::str::from_utf8(body).ok().and_then(|body| reader.read(&self.contract, body).ok()) else {
            return 422;
        };
        let session = self.sessions.entry(event.id.to_owned()).or_insert_with(|| Session {
            subject: event.subject,
            partial: Partial::default(),
            told_at: Vec::new(),
        });
        session.partial.add(&self.contract, &event, Some(now));
        let terms = Terms::new(&self.contract);
        let key = Key { source: "hook", subject: session.subject, id: event.id };
        let is_over = Record::new(key, &session.partial, &self.contract, &terms, now).verdict.status.as_str();
        if is_over == "complete" && session.told_at.is_empty() {
            session.told_at.push(now);
        }
        200
    }

    fn conclusions(&self) -> Value {
        let (now, terms) = (SystemClock.now(), Terms::new(&self.contract));
        let sessions = self.sessions.iter().map(|(id, session)| {
            let key = Key { source: "hook", subject: session.subject, id };
            let mut record = Vec::new();
            Record::new(key, &session.partial, &self.contract, &terms, now).write_json(&mut record);
            let record: Value = serde_json::from_slice(&record).unwrap();
            let mut said = json!({
                "session": id,
                "subject": self.contract.subject_name(session.subject),
                "status": record["status"],
                "announced": session.told_at.len(),
                "channel": record["channel"],
                "fields": record["fields"],
            });
            if let Some(at) = session.told_at.first() {
                said["announced_at"] = json!(at.to_string());
            }
            said
        });
        json!({"sessions": sessions.collect::<Vec<_>>()})
    }
}
