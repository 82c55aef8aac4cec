//! Whoever tells a server what to do, and waits for its answer.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::words::{Answer, Question};
use super::{ANSWER_BYTES_MAX, ANSWER_TIME_MAX, QUESTION_TIME_MAX, SOCKET};
use crate::engine::{Filled, Retried};
use crate::store::Erased;

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
    /// It knows no such consumer or source.
    Unknown {
        /// Those that it knows.
        known: Vec<String>,
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
            ControlError::Unknown { known } => {
                write!(f, "the server knows none of that name, but {}", known.join(", "))
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

/// Has the server that has the store in this folder read its quarantine again, under the contracts that it has. What
/// became of that, and what it did to sessions.
///
/// # Errors
/// When there is no server, or it refuses.
pub fn retry_refused(store: &Path) -> Result<(Retried, Filled), ControlError> {
    match ask(store, &Question::RetryRefused)? {
        Answer::Retried(words) => words.try_into().map_err(ControlError::NoAnswer),
        answer => Err(unasked(answer)),
    }
}

/// What the server that has the store in this folder knows of an id, in one source or in all.
///
/// # Errors
/// When there is no server, it has no such source, or it refuses.
pub fn known(store: &Path, session: &str, source: Option<&str>) -> Result<Erased, ControlError> {
    erased(ask(store, &Question::Known { session: session.to_owned(), source: source.map(str::to_owned) })?)
}

/// Has the server that has the store in this folder erase all that it knows of an id. What that was.
///
/// # Errors
/// As [`known`].
pub fn forget(store: &Path, session: &str, source: Option<&str>) -> Result<Erased, ControlError> {
    erased(ask(store, &Question::Forget { session: session.to_owned(), source: source.map(str::to_owned) })?)
}

fn erased(answer: Answer) -> Result<Erased, ControlError> {
    match answer {
        Answer::Known(erased) => Ok(erased),
        answer => Err(unasked(answer)),
    }
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
        Answer::Unknown(known) => ControlError::Unknown { known },
        Answer::Reloaded(_) | Answer::Released(_) | Answer::Retried(_) | Answer::Known(_) => {
            ControlError::NoAnswer(io::ErrorKind::InvalidData.into())
        }
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
