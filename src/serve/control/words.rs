//! What a server is told, and what it says: each a line of JSON.

use std::io;

use serde::{Deserialize, Serialize};

use crate::engine::Retried;
use crate::engine::live::SessionKey;
use crate::engine::log::RefusedId;
use crate::store::Erased;

/// What a server is told.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Question {
    /// Read your file again.
    Reload,
    /// Hand parked notices of a consumer over again, one or all.
    Retry { consumer: String, seq: Option<u64> },
    /// Let a parked notice be.
    Skip { consumer: String, seq: u64 },
    /// Read your quarantine again.
    RetryRefused,
    /// Say what you know of an id.
    Known { session: String, source: Option<String> },
    /// Erase all that you know of an id.
    Forget { session: String, source: Option<String> },
}

/// What it says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// What came of reading the file.
    Reloaded(String),
    /// How many notices were no more parked.
    Released(u64),
    /// What became of the quarantine.
    Retried(RetriedWords),
    /// What is known, or was until it was erased.
    Known(Erased),
    /// There is no such consumer or source, but these.
    Unknown(Vec<String>),
    /// It was not done, and why.
    Refused(String),
}

/// As [`Retried`], in words.
#[derive(Serialize, Deserialize)]
pub(super) struct RetriedWords {
    /// Ids, and source, subject and id of the session that each is of.
    read: Vec<(String, [String; 3])>,
    left: Vec<(String, String)>,
    damaged: Vec<String>,
}

impl From<&Retried> for RetriedWords {
    fn from(retried: &Retried) -> RetriedWords {
        let words = |key: &SessionKey| [key.source(), key.subject(), key.id()].map(str::to_owned);
        RetriedWords {
            read: retried.read.iter().map(|(id, key)| (id.to_string(), words(key))).collect(),
            left: retried.left.iter().map(|(id, reason)| (id.to_string(), reason.clone())).collect(),
            damaged: retried.damaged.clone(),
        }
    }
}

impl TryFrom<RetriedWords> for Retried {
    type Error = io::Error;

    fn try_from(words: RetriedWords) -> Result<Retried, io::Error> {
        let read = words
            .read
            .iter()
            .map(|(digits, [source, subject, session])| Ok((id(digits)?, SessionKey::new(source, subject, session))));
        let read = read.collect::<io::Result<_>>()?;
        let left = words.left.into_iter().map(|(digits, reason)| Ok((id(&digits)?, reason)));
        Ok(Retried { read, left: left.collect::<io::Result<_>>()?, damaged: words.damaged })
    }
}

/// The id of these hexadecimal digits.
fn id(digits: &str) -> io::Result<RefusedId> {
    let number = u128::from_str_radix(digits, 16).map_err(io::Error::other)?;
    Ok(RefusedId::from_bytes(number.to_be_bytes()))
}
