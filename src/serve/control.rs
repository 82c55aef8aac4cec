//! A socket in the folder of the store, by which whoever may write there tells a server what to do: it has the store,
//! and nobody else can change anything in it.
//!
//! One line of JSON each way, a [`Question`] and an [`Answer`].

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
use crate::engine::log::{LogError, LogRead as _};
use crate::live::Finis;

/// The name of the socket.
const SOCKET: &str = "control";

/// How long a question, and how long its answer, may take.
const QUESTION_TIME_MAX: Duration = Duration::from_secs(5);
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// Bytes of a question and of an answer that are read.
const QUESTION_BYTES_MAX: u64 = 4096;
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// What a server is told.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Question {
    /// Read your file again.
    Reload,
    /// Hand parked notices of a consumer over again, one or all.
    Retry { consumer: String, seq: Option<u64> },
    /// Let a parked notice be.
    Skip { consumer: String, seq: u64 },
}

/// What it says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// What came of reading the file.
    Reloaded(String),
    /// How many notices were no more parked.
    Released(u64),
    /// There is no such consumer, but these.
    Unknown(Vec<String>),
    /// It was not done, and why.
    Refused(String),
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
                tracing::warn!(%error, %socket, "`finis reload` and `finis notices retry` will find nobody here; SIGHUP reloads");
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
                    tracing::debug!(%error, "whoever asked at the control socket did not hear the answer");
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
    let finis = reload.finis();
    let mut line = String::new();
    let (reader, mut writer) = stream.split();
    let mut reader = tokio::io::BufReader::new(reader.take(QUESTION_BYTES_MAX));
    tokio::time::timeout(QUESTION_TIME_MAX, reader.read_line(&mut line)).await.map_err(io::Error::other)??;
    let answer = match serde_json::from_str(&line) {
        Ok(Question::Reload) => match reload.again().await {
            Ok(reloaded) => Answer::Reloaded(reloaded.to_string()),
            Err(error) => Answer::Refused(error.to_string()),
        },
        Ok(Question::Retry { consumer, seq }) => {
            let retry = async || match seq {
                Some(seq) => finis.retry_one_parked(&consumer, seq).await,
                None => finis.retry_parked(&consumer).await,
            };
            released(finis, &consumer, retry).await
        }
        Ok(Question::Skip { consumer, seq }) => {
            released(finis, &consumer, async || finis.skip_parked(&consumer, seq).await.map(usize::from)).await
        }
        Err(error) => Answer::Refused(format!("this server does not know what it is told: {error}")),
    };
    let mut text = serde_json::to_string(&answer)?;
    text.push('\n');
    writer.write_all(text.as_bytes()).await
}

/// Changes something of a consumer that there is.
async fn released(finis: &Finis, consumer: &str, change: impl AsyncFnOnce() -> Result<usize, LogError>) -> Answer {
    let changed = async {
        let names: Vec<String> = finis.log().consumers().await?.into_iter().map(|known| known.name).collect();
        if names.iter().any(|name| name == consumer) {
            change().await.map(|count| Answer::Released(count as u64))
        } else {
            Ok(Answer::Unknown(names))
        }
    };
    changed.await.unwrap_or_else(|error| Answer::Refused(error.to_string()))
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
    /// It knows no such consumer.
    Unknown {
        /// Those that it knows.
        consumers: Vec<String>,
    },
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
            ControlError::Refused(why) => f.write_str(why),
            ControlError::Unknown { consumers } => {
                write!(f, "the server has no such consumer; it has {}", consumers.join(", "))
            }
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
    match ask(store, &Question::Reload)? {
        Answer::Reloaded(text) => Ok(text),
        Answer::Refused(why) => Err(ControlError::Refused(format!("not reloaded, all goes on as before:\n{why}"))),
        answer => Err(unasked(answer)),
    }
}

/// Tells the server that has the store in this folder to hand parked notices of a consumer over again, one or all of
/// them. How many there were.
///
/// # Errors
/// When there is no server, it has no such consumer, or it refuses.
pub fn retry_parked(store: &Path, consumer: &str, seq: Option<u64>) -> Result<u64, ControlError> {
    number(ask(store, &Question::Retry { consumer: consumer.to_owned(), seq })?)
}

/// Tells the server that has the store in this folder to let a parked notice be. Whether there was such a one.
///
/// # Errors
/// As [`retry_parked`].
pub fn skip_parked(store: &Path, consumer: &str, seq: u64) -> Result<bool, ControlError> {
    Ok(number(ask(store, &Question::Skip { consumer: consumer.to_owned(), seq })?)? > 0)
}

fn number(answer: Answer) -> Result<u64, ControlError> {
    match answer {
        Answer::Released(count) => Ok(count),
        answer => Err(unasked(answer)),
    }
}

/// What is no answer to what was asked.
fn unasked(answer: Answer) -> ControlError {
    match answer {
        Answer::Refused(why) => ControlError::Refused(why),
        Answer::Unknown(consumers) => ControlError::Unknown { consumers },
        Answer::Reloaded(_) | Answer::Released(_) => ControlError::NoAnswer(io::ErrorKind::InvalidData.into()),
    }
}

fn ask(store: &Path, question: &Question) -> Result<Answer, ControlError> {
    let not_there = |error| ControlError::NotThere { store: store.to_owned(), error };
    let mut stream = std::os::unix::net::UnixStream::connect(store.join(SOCKET)).map_err(not_there)?;
    let mut asked = || -> io::Result<Answer> {
        stream.set_write_timeout(Some(QUESTION_TIME_MAX))?;
        stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        let mut line = serde_json::to_string(question)?;
        line.push('\n');
        stream.write_all(line.as_bytes())?;
        line.clear();
        BufReader::new((&mut stream).take(ANSWER_BYTES_MAX)).read_line(&mut line)?;
        serde_json::from_str(&line).map_err(io::Error::from)
    };
    asked().map_err(ControlError::NoAnswer)
}
