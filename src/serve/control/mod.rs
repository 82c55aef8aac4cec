//! A socket in the folder of the store, by which whoever may write there tells a server what to do: it has the store,
//! and nobody else can change anything in it.
//!
//! One line of JSON each way, a [`Question`] and an [`Answer`].

mod client; // who asks
mod words; // what is asked and answered

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use client::{ControlError, forget, known, reload, retry_parked, retry_refused, skip_parked};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};

use self::words::{Answer, Question};
use super::server::Reload;
use crate::engine::live::SessionKey;
use crate::engine::log::{LogError, LogRead as _};
use crate::live::Finis;
use crate::store::{Erased, Known};

/// The name of the socket.
const SOCKET: &str = "control";

/// How long a question, and how long its answer, may take.
const QUESTION_TIME_MAX: Duration = Duration::from_secs(5);
const ANSWER_TIME_MAX: Duration = Duration::from_secs(600);

/// Bytes of a question and of an answer that are read: an id may be long, and a quarantine large.
const QUESTION_BYTES_MAX: u64 = 1 << 20;
const ANSWER_BYTES_MAX: u64 = 1 << 30;

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
            Ok((listener, std::fs::metadata(&path)?.uid()))
        });
        match opened {
            Ok((listener, owner)) => Some(Control { path, listening: tokio::spawn(listen(listener, owner, reload)) }),
            Err(error) => {
                let socket = path.display();
                tracing::warn!(%error, %socket, "`finis reload`, `forget`, `notices retry` and `quarantine retry` will find nobody here; SIGHUP reloads");
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

async fn listen(listener: UnixListener, owner: u32, reload: Reload) {
    // They go when nobody listens any more.
    let mut asked = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = asked.join_next() => continue,
        };
        match accepted {
            // Who was quick to connect before the socket was the owner's alone is not let in.
            Ok((stream, _)) if !stream.peer_cred().is_ok_and(|peer| [0, owner].contains(&peer.uid())) => {
                tracing::warn!("the control socket was asked by another user");
            }
            Ok((stream, _)) => {
                let reload = reload.clone();
                asked.spawn(async move {
                    if let Err(error) = answer(stream, &reload).await {
                        tracing::debug!(%error, "whoever asked at the control socket did not hear the answer");
                    }
                });
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
        Ok(Question::RetryRefused) => retried(finis).await,
        Ok(Question::Known { session, source }) => told(erased(reload, &session, source.as_deref(), false).await),
        Ok(Question::Forget { session, source }) => told(erased(reload, &session, source.as_deref(), true).await),
        Err(error) => Answer::Refused(format!(
            "the server does not know what it is told, and may be of another version than this command: {error}"
        )),
    };
    let mut text = serde_json::to_string(&answer)?;
    text.push('\n');
    tokio::time::timeout(ANSWER_TIME_MAX, writer.write_all(text.as_bytes())).await.map_err(io::Error::other)?
}

fn told(outcome: Result<Answer, LogError>) -> Answer {
    outcome.unwrap_or_else(|error| Answer::Refused(error.to_string()))
}

/// Reads the quarantine again, and says so in the log.
async fn retried(finis: &Finis) -> Answer {
    match finis.retry_refused().await {
        Ok(done) => {
            let (read, left) = (done.0.read.len(), done.0.left.len());
            tracing::info!(read, left, "the quarantine was read again, as somebody asked at the control socket");
            Answer::Retried((&done).into())
        }
        Err(error) => {
            tracing::warn!(%error, "the quarantine was not read again to its end");
            Answer::Refused(format!(
                "{error}; what was read by then is out of quarantine, and `retry` goes on from there"
            ))
        }
    }
}

/// Looks up what the store knows of an id, and erases it if that is wanted.
async fn erased(reload: &Reload, id: &str, source: Option<&str>, erase: bool) -> Result<Answer, LogError> {
    let (finis, catalogue) = (reload.finis(), reload.catalogue().await);
    let names: Vec<String> = finis.log().sources().await?.into_iter().map(|known| known.name).collect();
    if source.is_some_and(|source| !names.iter().any(|name| name == source)) {
        return Ok(Answer::Unknown(names));
    }
    let known = Known::of(finis.log(), &catalogue, id, source).await?;
    if erase {
        let sources: BTreeSet<&str> = known.keys.iter().map(SessionKey::source).collect();
        if sources.len() > 1 {
            return Ok(Answer::Refused(
                "several sources have a session of this id: say which with --source".to_owned(),
            ));
        }
        known.forget_by(finis.engine()).await?;
        let Known { events, notices, .. } = known;
        tracing::info!(events, notices, "a session was forgotten, as somebody asked at the control socket");
    }
    Ok(Answer::Known(Erased::of(&known)))
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
    told(changed.await)
}
