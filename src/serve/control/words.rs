//! What a server is told, and what it says: each a line of JSON.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use crate::engine::live::{NoticeKind, SessionKey};
use crate::engine::log::RefusedId;
use crate::engine::{Filled, Retried};
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

/// What became of a quarantine that was read again, and what that did to sessions, in words and numbers.
#[derive(Serialize, Deserialize)]
pub(super) struct RetriedWords {
    /// Ids, and source, subject and id of the session that each is of.
    read: Vec<(String, [String; 3])>,
    left: Vec<(String, String)>,
    damaged: Vec<String>,
    new: u64,
    earlier: u64,
    known: u64,
    forgotten: u64,
    expired: u64,
    sessions: u64,
    deadlines: u64,
    notices: BTreeMap<String, u64>,
}

/// What can be said of sessions.
const KINDS: [NoticeKind; 5] =
    [NoticeKind::Complete, NoticeKind::Amended, NoticeKind::Stalled, NoticeKind::Asset, NoticeKind::Forgotten];

impl From<&(Retried, Filled)> for RetriedWords {
    fn from((retried, filled): &(Retried, Filled)) -> RetriedWords {
        let words = |key: &SessionKey| [key.source(), key.subject(), key.id()].map(str::to_owned);
        let Filled { new, earlier, known, forgotten, expired, sessions, deadlines, .. } = *filled;
        RetriedWords {
            read: retried.read.iter().map(|(id, key)| (id.to_string(), words(key))).collect(),
            left: retried.left.iter().map(|(id, reason)| (id.to_string(), reason.clone())).collect(),
            damaged: retried.damaged.clone(),
            new,
            earlier,
            known,
            forgotten,
            expired,
            sessions,
            deadlines,
            notices: filled.notices.iter().map(|(kind, count)| (kind.as_str().to_owned(), *count)).collect(),
        }
    }
}

impl TryFrom<RetriedWords> for (Retried, Filled) {
    type Error = io::Error;

    fn try_from(words: RetriedWords) -> Result<(Retried, Filled), io::Error> {
        let RetriedWords { new, earlier, known, forgotten, expired, sessions, deadlines, .. } = words;
        let read = words
            .read
            .iter()
            .map(|(digits, [source, subject, session])| Ok((id(digits)?, SessionKey::new(source, subject, session))));
        let read = read.collect::<io::Result<_>>()?;
        let left = words.left.into_iter().map(|(digits, reason)| Ok((id(&digits)?, reason)));
        let retried = Retried { read, left: left.collect::<io::Result<_>>()?, damaged: words.damaged };
        let notices = KINDS.into_iter().filter_map(|kind| Some((kind, *words.notices.get(kind.as_str())?))).collect();
        let filled =
            Filled { new, earlier, known, forgotten, expired, sessions, deadlines, notices, ..Filled::default() };
        Ok((retried, filled))
    }
}

/// The id of these hexadecimal digits.
fn id(digits: &str) -> io::Result<RefusedId> {
    let number = u128::from_str_radix(digits, 16).map_err(io::Error::other)?;
    Ok(RefusedId::from_bytes(number.to_be_bytes()))
}
