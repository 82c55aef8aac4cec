//! A socket in the folder of the store, by which whoever may write there tells a server to reload.
//!
//! One line each way: `reload`, and a JSON object with `ok` and `text`.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use super::server::Reload;

/// The name of the socket.
const SOCKET: &str = "control";

/// What is asked.
const RELOAD: &str = "reload";

/// How long a question, and how long its answer, may take.
const QUESTION_TIME_MAX: Duration = Duration::from_secs(5);
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// Bytes of a question and of an answer that are read.
const QUESTION_BYTES_MAX: u64 = 64;
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// What a server says.
#[derive(Serialize, Deserialize)]
struct Answer {
    /// Whether it was done.
    ok: bool,
    /// What came of it, or why not.
    text: String,
}

/// The socket of a server, until this is dropped.
pub(super) struct Control {
    path: PathBuf,
    listening: JoinHandle<()>,
}

impl Control {
    /// Listens in the folder of a store that this process has open. A server works without: then it is only said.
    pub(super) fn open(store: &Path, reload: Reload) -> Option<Control> {
        let path = store.join(SOCKET);
        // The store is ours, so what is left there is of a process that was killed.
        let _ = std::fs::remove_file(&path);
        let opened = UnixListener::bind(&path).and_then(|listener| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
            Ok(listener)
        });
        match opened {
            Ok(listener) => Some(Control { path, listening: tokio::spawn(listen(listener, reload)) }),
            Err(error) => {
                let socket = path.display();
                tracing::warn!(%error, %socket, "`finis reload` will find nobody here; SIGHUP does the same");
                None
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.listening.abort();
        // A socket that is left over is removed by the next.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn listen(listener: UnixListener, reload: Reload) {
    loop {
        match listener.accept().await {
            // One after the other: nobody asks often.
            Ok((stream, _)) => {
                if let Err(error) = answer(stream, &reload).await {
                    tracing::debug!(%error, "whoever asked to reload did not hear the answer");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket takes nobody");
                tokio::time::sleep(QUESTION_TIME_MAX).await;
            }
        }
    }
}

async fn answer(mut stream: UnixStream, reload: &Reload) -> io::Result<()> {
    let mut line = String::new();
    let (reader, mut writer) = stream.split();
    let mut reader = tokio::io::BufReader::new(reader.take(QUESTION_BYTES_MAX));
    tokio::time::timeout(QUESTION_TIME_MAX, reader.read_line(&mut line)).await.map_err(io::Error::other)??;
    let answer = if line.trim_end() == RELOAD {
        match reload.again().await {
            Ok(reloaded) => Answer { ok: true, text: reloaded.to_string() },
            Err(error) => Answer { ok: false, text: error.to_string() },
        }
    } else {
        Answer { ok: false, text: format!("the one question here is `{RELOAD}`") }
    };
    let mut text = serde_json::to_string(&answer)?;
    text.push('\n');
    writer.write_all(text.as_bytes()).await
}

/// Why a server was not told, or did not do it.
#[derive(Debug)]
pub enum ControlError {
    /// No server has the store, or it cannot be reached.
    NotThere {
        /// The folder of the store.
        store: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It refused, and goes on as before. Why.
    Refused(String),
    /// It did not answer, or not as a server does.
    NoAnswer(io::Error),
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ControlError::NotThere { store, error } => {
                let store = store.display();
                write!(
                    f,
                    "no `finis serve` can be reached at the store `{store}` ({error}): start it, or name its --config or --store"
                )
            }
            ControlError::Refused(why) => write!(f, "not reloaded, all goes on as before:\n{why}"),
            ControlError::NoAnswer(error) => write!(f, "there was no answer: {error}; its log says what came of it"),
        }
    }
}

impl std::error::Error for ControlError {}

/// Tells the server that has the store in this folder to read its file again. What it says of that.
///
/// # Errors
/// When there is no server, or it refuses.
pub fn reload(store: &Path) -> Result<String, ControlError> {
    let not_there = |error| ControlError::NotThere { store: store.to_owned(), error };
    let mut stream = std::os::unix::net::UnixStream::connect(store.join(SOCKET)).map_err(not_there)?;
    let mut asked = || -> io::Result<Answer> {
        stream.set_write_timeout(Some(QUESTION_TIME_MAX))?;
        stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        stream.write_all(format!("{RELOAD}\n").as_bytes())?;
        let mut line = String::new();
        BufReader::new((&mut stream).take(ANSWER_BYTES_MAX)).read_line(&mut line)?;
        serde_json::from_str(&line).map_err(io::Error::from)
    };
    let Answer { ok, text } = asked().map_err(ControlError::NoAnswer)?;
    if ok { Ok(text) } else { Err(ControlError::Refused(text)) }
}
