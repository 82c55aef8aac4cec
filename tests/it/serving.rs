//! A server that runs, from the outside: what it says, what is posted to it, and who it tells.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Child;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::Agent;

use crate::door::Finis;

/// Whatever is waited for is there by then, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asks again and again until there is something. A machine that stood still between two looks is not held against
/// whoever is waited for.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let mut waited = Duration::ZERO;
    loop {
        let began = Instant::now();
        if let Some(found) = look() {
            return found;
        }
        assert!(waited < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
        waited += began.elapsed().min(Duration::from_secs(1));
    }
}

/// Lines as they come.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn of(from: impl Read + Send + 'static) -> Lines {
        let lines = Lines::default();
        let shared = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                shared.0.lock().unwrap().push(line);
            }
        });
        lines
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// The first that has this in it, when it comes.
    #[track_caller]
    pub(crate) fn wait_for(&self, part: &str) -> String {
        until(&format!("a line with `{part}`; there are {:#?}", self.all()), || {
            self.all().into_iter().find(|line| line.contains(part))
        })
    }
}

/// A process of `finis serve`. It is killed when this is dropped.
pub(crate) struct Serving {
    child: Child,
    pub(crate) out: Lines,
    pub(crate) err: Lines,
}

impl Serving {
    pub(crate) fn start(finis: Finis) -> Serving {
        let mut child = finis.start();
        let (out, err) = (Lines::of(child.stdout.take().unwrap()), Lines::of(child.stderr.take().unwrap()));
        Serving { child, out, err }
    }

    /// Where it listens: a field of the line that says so.
    #[track_caller]
    pub(crate) fn address(&self, field: &str) -> SocketAddr {
        let line = self.err.wait_for("listening");
        let start = line.find(&format!("{field}=")).unwrap_or_else(|| panic!("no {field} in {line}")) + field.len() + 1;
        line[start..].split_whitespace().next().unwrap().trim_matches('"').parse().unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address("address"))
    }

    /// Sends it a signal, as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let kill =
            std::process::Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits until it has ended. Its exit code, if it has one.
    #[track_caller]
    pub(crate) fn ended(mut self) -> Option<i32> {
        until("the end of the server", || self.child.try_wait().unwrap()).code()
    }

    /// Tells it to stop, and waits until it has ended well.
    #[track_caller]
    pub(crate) fn stop(self) {
        let err = self.err.clone();
        self.signal("TERM");
        assert_eq!(self.ended(), Some(0), "{:#?}", err.all());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Posts, and says status and body of the answer; nothing when there is none.
pub(crate) fn post(url: &str, headers: &[(&str, &str)], body: &str) -> Option<(u16, String)> {
    let mut request = agent().post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = request.send(body).ok()?;
    let status = response.status().as_u16();
    Some((status, response.body_mut().read_to_string().ok()?))
}

/// Fetches, with a bearer token.
pub(crate) fn get(url: &str, token: &str) -> (u16, Value) {
    let request = agent().get(url).header("authorization", format!("Bearer {token}"));
    let mut response = request.call().unwrap();
    let status = response.status().as_u16();
    let text = response.body_mut().read_to_string().unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub(crate) fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(Some(PATIENCE)).build().into()
}

/// An endpoint of webhooks that takes everything, until it is told otherwise.
pub(crate) struct Consumer {
    address: SocketAddr,
    /// What it answers.
    status: Arc<AtomicU16>,
    /// Bodies by `webhook-id`, each as often as it came.
    taken: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
}

impl Consumer {
    pub(crate) fn start() -> Consumer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let taken: Arc<Mutex<BTreeMap<String, Vec<String>>>> = Arc::default();
        let status = Arc::new(AtomicU16::new(204));
        let (shared, said) = (Arc::clone(&taken), Arc::clone(&status));
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (taken, status) = (Arc::clone(&shared), Arc::clone(&said));
                std::thread::spawn(move || take(&stream, &status, &taken));
            }
        });
        Consumer { address, status, taken }
    }

    /// Answers with this status from here on.
    pub(crate) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/notices", self.address)
    }

    pub(crate) fn taken(&self) -> BTreeMap<String, Vec<String>> {
        self.taken.lock().unwrap().clone()
    }
}

/// Takes requests of one connection, until it ends. What is not answered well was not taken.
fn take(stream: &TcpStream, status: &AtomicU16, taken: &Mutex<BTreeMap<String, Vec<String>>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut id, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("webhook-id:") {
                value.trim().clone_into(&mut id);
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let status = status.load(Ordering::SeqCst);
        if status == 204 {
            taken.lock().unwrap().entry(id).or_default().push(String::from_utf8(body).unwrap());
        }
        let mut writer = stream;
        if writer.write_all(format!("HTTP/1.1 {status} Told\r\ncontent-length: 0\r\n\r\n").as_bytes()).is_err() {
            return;
        }
    }
}
