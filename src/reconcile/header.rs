//! The first line of an export of a store: as of when it was made, and what its sources were read under.
//!
//! ```json
//! {"finis_export":1,"as_of":"2026-05-03T10:00:00Z","sources":[{"name":"desk","provider":"pathors",
//!  "version":"2026-05","subscription":"all","grace":"2m","stall":"1h"}]}
//! ```
//!
//! It is one line. Whoever reads the export judges it at that time and under these settings, unless told
//! otherwise: the records are then those of the store, byte for byte. `subscription` is `"all"` or a list.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engine::log::SourceSettings;
use crate::engine::{Timestamp, parse_span, print_span};

/// The format of exports that is written, and the latest that is read.
const FORMAT: u64 = 1;

/// How the line begins. Nobody's payload does.
const START: &[u8] = b"{\"finis_export\":";

/// What an export of a store says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreHeader {
    /// The time to judge deadlines at: the latest that the store knew. Nothing when it knew none.
    pub as_of: Option<Timestamp>,
    /// Its sources.
    pub sources: Vec<SourceSettings>,
}

/// Why a first line that looks like a header is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// It was written by a later finis.
    Newer {
        /// Its format.
        found: u64,
    },
    /// It is not what was ever written.
    Malformed {
        /// What is wrong with it.
        problem: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Line {
    finis_export: u64,
    as_of: Option<String>,
    sources: Vec<SourceLine>,
}

#[derive(Serialize, Deserialize)]
struct SourceLine {
    name: String,
    provider: String,
    version: String,
    subscription: Value,
    grace: String,
    stall: Option<String>,
}

impl StoreHeader {
    /// Whether a first line is, or means to be, the header of an export.
    #[must_use]
    pub fn is_one(line: &[u8]) -> bool {
        line.starts_with(START)
    }

    /// Reads a first line; nothing when it is no header.
    ///
    /// # Errors
    /// When it looks like one and is not.
    pub fn parse(line: &[u8]) -> Result<Option<StoreHeader>, HeaderError> {
        if !StoreHeader::is_one(line) {
            return Ok(None);
        }
        let malformed = |problem: String| HeaderError::Malformed { problem };
        let value: Value = serde_json::from_slice(line).map_err(|error| malformed(error.to_string()))?;
        match value["finis_export"].as_u64() {
            Some(FORMAT) => {}
            Some(found) if found > FORMAT => return Err(HeaderError::Newer { found }),
            _ => return Err(malformed("`finis_export` is no format".to_owned())),
        }
        let line: Line = serde_json::from_value(value).map_err(|error| malformed(error.to_string()))?;
        let as_of = line.as_of.map(|text| Timestamp::parse(&text)).transpose();
        let as_of = as_of.map_err(|error| malformed(format!("`as_of` is {error}")))?;
        let sources = line.sources.into_iter().map(SourceLine::settings).collect::<Result<_, _>>();
        Ok(Some(StoreHeader { as_of, sources: sources.map_err(malformed)? }))
    }

    /// The line, without its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        let line = Line {
            finis_export: FORMAT,
            as_of: self.as_of.map(|at| at.to_string()),
            sources: self.sources.iter().map(SourceLine::new).collect(),
        };
        // Made of numbers, texts and lists of them.
        serde_json::to_string(&line).unwrap_or_default()
    }
}

impl SourceLine {
    fn new(settings: &SourceSettings) -> SourceLine {
        SourceLine {
            name: settings.name.clone(),
            provider: settings.provider.clone(),
            version: settings.version.clone(),
            subscription: settings.subscription.as_ref().map_or_else(|| json!("all"), |kinds| json!(kinds)),
            grace: print_span(settings.grace),
            stall: settings.stall.map(print_span),
        }
    }

    fn settings(self) -> Result<SourceSettings, String> {
        let subscription = match self.subscription {
            Value::String(all) if all == "all" => None,
            list => Some(serde_json::from_value(list).map_err(|_| "`subscription` is no list of kinds".to_owned())?),
        };
        Ok(SourceSettings {
            name: self.name,
            provider: self.provider,
            version: self.version,
            subscription,
            grace: parse_span(&self.grace)?,
            stall: self.stall.as_deref().map(parse_span).transpose()?,
        })
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeaderError::Newer { found } => {
                write!(f, "the export is of format {found}; this finis reads up to {FORMAT}: upgrade finis")
            }
            HeaderError::Malformed { problem } => {
                write!(f, "the first line begins as that of an export of a store, and is none: {problem}")
            }
        }
    }
}

impl std::error::Error for HeaderError {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_header_comes_back() {
        let header = StoreHeader {
            as_of: Timestamp::parse("2026-05-03T10:00:00.120Z").ok(),
            sources: vec![SourceSettings {
                name: "désk".into(),
                provider: "pathors".into(),
                version: "2026-05".into(),
                subscription: Some(vec!["session.ended".into()]),
                grace: Duration::from_millis(90_500),
                stall: None,
            }],
        };
        let line = header.to_json();
        assert_eq!(StoreHeader::parse(line.as_bytes()).unwrap(), Some(header));
        assert_eq!(StoreHeader::parse(b"{\"event\":1}").unwrap(), None);
        for (line, says) in [
            ("{\"finis_export\":2}", "this finis reads up to 1: upgrade finis"),
            ("{\"finis_export\":\"x\"}", "`finis_export` is no format"),
            ("{\"finis_export\":1,\"as_of\":\"May\",\"sources\":[]}", "`as_of` is not an RFC 3339 time"),
        ] {
            let error = StoreHeader::parse(line.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
