//! What is said of a session, each once.

use std::fmt;

use super::changes::Change;
use super::key::SessionKey;
use crate::json::write_string;
use crate::timestamp::Timestamp;

/// What sort of thing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeKind {
    /// The session is over: revision 1 of what is said of its end, and never said twice.
    Complete,
    /// What was said of its end has changed: revision 2 and up.
    Amended,
    /// Nothing came for the stall time.
    Stalled,
    /// A recording or another file is there, for a while.
    Asset,
    /// What was said is erased, with all that was kept of the session. Only its id and its place are left.
    Forgotten,
}

/// The id of a notice: the same for the same source, subject, session, kind and revision, wherever and
/// whenever it is made. A consumer that stores it with its own effect has the effect exactly once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoticeId([u8; 16]);

/// One thing said of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its name for ever.
    pub id: NoticeId,
    /// Of which session.
    pub key: SessionKey,
    /// What sort of thing.
    pub kind: NoticeKind,
    /// Counts up by kind; `complete` and `amended` count together.
    pub revision: u32,
    /// The record with its certificate, as JSON; at most 100 events are listed in it.
    pub record: String,
    /// How many events the session has.
    pub events: usize,
    /// What is not as it was said before; of `amended`, and of `stalled` from revision 2 on.
    pub changes: Vec<Change>,
    /// Of `asset`: the field it is in, its value as JSON, and until when it is there.
    pub asset: Option<Asset>,
}

/// Events that a notice lists.
pub(super) const EVENTS_MAX: usize = 100;

/// A file that is there for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// The field that holds where it is.
    pub field: String,
    /// Where it is, as JSON.
    pub value: String,
    /// Until when, by the provider's promise; counted from the event that says so.
    pub until: Option<Timestamp>,
}

/// What was said of a session so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Of its end: how many revisions, and the record of the last.
    pub(super) end: Series,
    pub(super) stalled: Series,
    /// How many assets, and the value of the last for each field.
    pub(super) assets: u32,
    pub(super) asset_values: Vec<(String, String)>,
}

/// Revisions of one sort of thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Series {
    pub(super) revision: u32,
    pub(super) record: String,
}

impl Said {
    /// Takes note of a notice, as a replay of the log does.
    pub fn note(&mut self, notice: &Notice) {
        let record = || notice.record.clone();
        match notice.kind {
            NoticeKind::Complete | NoticeKind::Amended => {
                self.end = Series { revision: notice.revision, record: record() };
            }
            NoticeKind::Stalled => self.stalled = Series { revision: notice.revision, record: record() },
            NoticeKind::Asset => {
                self.assets = notice.revision;
                if let Some(Asset { field, value, .. }) = &notice.asset {
                    self.asset_values.retain(|(known, _)| known != field);
                    self.asset_values.push((field.clone(), value.clone()));
                }
            }
            // Nobody says anything of such a session again.
            NoticeKind::Forgotten => {}
        }
    }

    /// The record, as JSON, that was last said: of its end, or else of a stall. Nothing when neither was.
    #[must_use]
    pub fn last_record(&self) -> Option<&str> {
        [&self.end, &self.stalled].into_iter().find(|series| series.revision > 0).map(|series| &*series.record)
    }

    /// The revision that was last said of its end; 0 when none was.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.end.revision
    }
}

impl NoticeKind {
    /// The word in notices.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            NoticeKind::Complete => "complete",
            NoticeKind::Amended => "amended",
            NoticeKind::Stalled => "stalled",
            NoticeKind::Asset => "asset",
            NoticeKind::Forgotten => "forgotten",
        }
    }
}

impl NoticeId {
    /// The id of what is said of a session. BLAKE3 over the parts, each with its length before it.
    #[must_use]
    pub fn new(key: &SessionKey, kind: NoticeKind, revision: u32) -> NoticeId {
        let mut hasher = blake3::Hasher::new();
        for part in ["finis notice 1", key.source(), key.subject(), key.id(), kind.as_str()] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        hasher.update(&revision.to_le_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        NoticeId(id)
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The id that [`NoticeId::to_bytes`] gave these of.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> NoticeId {
        NoticeId(bytes)
    }
}

/// `ntc_` and 32 hexadecimal digits.
impl fmt::Display for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ntc_")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Notice {
    /// What is left of it when its session is forgotten.
    #[must_use]
    pub fn forgotten(self) -> Notice {
        let key = SessionKey::new("", "", "");
        let Notice { id, revision, .. } = self;
        let (record, changes) = (String::new(), Vec::new());
        Notice { id, key, kind: NoticeKind::Forgotten, revision, record, events: 0, changes, asset: None }
    }

    /// The notice as JSON, with its place in the outbox.
    #[must_use]
    pub fn to_json(&self, seq: u64) -> String {
        let mut out = Vec::with_capacity(self.record.len() + 256);
        let id = self.id.to_string();
        let mut member = |name: &str, value: &dyn Fn(&mut Vec<u8>)| {
            out.push(if out.is_empty() { b'{' } else { b',' });
            write_string(name, &mut out);
            out.push(b':');
            value(&mut out);
        };
        let raw = |text: String| move |out: &mut Vec<u8>| out.extend_from_slice(text.as_bytes());
        member("id", &|out| write_string(&id, out));
        member("seq", &raw(seq.to_string()));
        member("kind", &|out| write_string(self.kind.as_str(), out));
        member("revision", &raw(self.revision.to_string()));
        if let Some(asset) = &self.asset {
            member("asset", &|out| {
                out.extend_from_slice(b"{\"field\":");
                write_string(&asset.field, out);
                out.extend_from_slice(b",\"value\":");
                out.extend_from_slice(asset.value.as_bytes());
                if let Some(until) = asset.until {
                    out.extend_from_slice(format!(",\"until\":\"{until}\"").as_bytes());
                }
                out.push(b'}');
            });
        }
        if !self.changes.is_empty() {
            member("changes", &|out| {
                for (place, change) in self.changes.iter().enumerate() {
                    out.push(if place == 0 { b'[' } else { b',' });
                    change.write_json(out);
                }
                out.push(b']');
            });
        }
        if self.kind != NoticeKind::Forgotten {
            member("events", &raw(self.events.to_string()));
            member("record", &|out| out.extend_from_slice(self.record.as_bytes()));
        }
        out.push(b'}');
        // Made of str and of JSON that is one.
        String::from_utf8(out).unwrap_or_default()
    }
}
