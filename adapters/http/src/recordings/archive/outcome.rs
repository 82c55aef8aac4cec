//! What came of a recording.

use finis_engine::Timestamp;
use finis_engine::live::SessionKey;
use serde::{Deserialize, Serialize};

/// The subject that is not named.
const SESSION: &str = "session";

/// What came of a recording, as it stands beside it and is handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The notice that said it was there.
    pub notice: String,
    /// The name of the source.
    pub source: String,
    /// What it is of, when that is no session.
    #[serde(default = "session", skip_serializing_if = "is_session")]
    pub subject: String,
    /// The id of the session.
    pub session: String,
    /// The field of the record that says where it was.
    pub field: String,
    /// What came of it.
    #[serde(flatten)]
    pub came: Came,
    /// When that was decided, by the receiver's clock.
    #[serde(with = "time")]
    pub at: Timestamp,
    /// Until when it was promised to be there.
    #[serde(default, with = "perhaps", skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What came of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Came {
    /// It is here, whole.
    Archived {
        /// Its name in the folder of the session.
        file: String,
        /// How long it is.
        bytes: u64,
        /// Its SHA-256, as 64 hexadecimal digits.
        sha256: String,
        /// The type that it came with; empty when none was said.
        content_type: String,
    },
    /// It cannot be had.
    Failed {
        /// Why.
        reason: String,
    },
    /// Its time was over before it came.
    Missed {
        /// Why the last try failed.
        reason: String,
    },
}

impl Came {
    /// The word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Came::Archived { .. } => "archived",
            Came::Failed { .. } => "failed",
            Came::Missed { .. } => "missed",
        }
    }
}

impl Outcome {
    /// Of which session it is.
    #[must_use]
    pub fn key(&self) -> SessionKey {
        SessionKey::new(&self.source, &self.subject, &self.session)
    }

    pub(super) fn is_of(&self, key: &SessionKey) -> bool {
        self.source == key.source() && self.subject == key.subject() && self.session == key.id()
    }
}

fn session() -> String {
    SESSION.to_owned()
}

fn is_session(subject: &str) -> bool {
    subject == SESSION
}

/// Times as texts.
mod time {
    use finis_engine::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(at)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(from)?;
        Timestamp::parse(&text).map_err(D::Error::custom)
    }
}

/// Times that may be absent.
mod perhaps {
    use finis_engine::Timestamp;
    use serde::{Deserializer, Serializer};

    #[allow(clippy::ref_option, reason = "serde asks for it so")]
    pub(super) fn serialize<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => to.collect_str(at),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        super::time::deserialize(from).map(Some)
    }
}
