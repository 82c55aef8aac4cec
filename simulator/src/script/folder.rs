//! Scripts as folders, of the form that stories of the fixtures have.
//!
//! | file | holds |
//! |---|---|
//! | `script.jsonl` | all of it: the [`Head`], then an arrival a line, with what it is in truth |
//! | `deliveries.jsonl` | what proves where it comes from, as an export: what `finis reconcile` reads |
//! | `args` | further arguments of `finis reconcile`, one a line |
//! | `records.ndjson` | the records that must come of it, by the model |
//!
//! The first is what is loaded; the others are made of it, for people and for the command.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use finis_engine::{Contract, Timestamp, print_span};
use serde::Deserialize;

use super::bytes::{self, Body, Headers};
use super::{Head, Script};
use crate::arrival::{Arrival, Is};
use crate::json::Json;
use crate::model::Terms;

pub(crate) const SCRIPT: &str = "script.jsonl";

/// A line of a script.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    received_at: String,
    source: String,
    headers: Headers,
    is: Is,
    body: Body,
}

/// Why a script could not be written.
#[derive(Debug)]
pub struct SaveError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

/// Why a script could not be read.
#[derive(Debug)]
pub enum LoadError {
    /// The file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A line is none of a script.
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
}

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write `{}`", self.path.display())
    }
}

impl std::error::Error for SaveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Read { path, .. } => write!(f, "cannot read `{}`", path.display()),
            LoadError::Line { path, line, problem } => write!(f, "{}:{line}: {problem}", path.display()),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LoadError::Read { error, .. } => Some(error),
            LoadError::Line { .. } => None,
        }
    }
}

impl Script {
    /// Writes the script into a folder, which is made when it is not there. The records are those of the
    /// contract's own terms at `as_of`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, folder: &Path, contract: &Contract, as_of: Timestamp) -> Result<(), SaveError> {
        self.save_under(folder, contract, Terms::default(), as_of)
    }

    /// The same with records under other terms, which `args` then has, too.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save_under(
        &self,
        folder: &Path,
        contract: &Contract,
        terms: Terms,
        as_of: Timestamp,
    ) -> Result<(), SaveError> {
        fs::create_dir_all(folder).map_err(|error| SaveError { path: folder.to_owned(), error })?;
        let arguments = arguments(&terms, as_of);
        let records = self.records(contract, terms, as_of);
        for (name, bytes) in [
            (SCRIPT, self.to_bytes()),
            ("deliveries.jsonl", self.deliveries()),
            ("args", arguments.into_bytes()),
            ("records.ndjson", records.into_bytes()),
        ] {
            let path = folder.join(name);
            fs::write(&path, bytes).map_err(|error| SaveError { path, error })?;
        }
        Ok(())
    }

    /// Reads the script that a folder holds.
    ///
    /// # Errors
    /// When there is none, or what is there is none.
    pub fn load(folder: &Path) -> Result<Script, LoadError> {
        let path = folder.join(SCRIPT);
        let bytes = fs::read(&path).map_err(|error| LoadError::Read { path: path.clone(), error })?;
        Script::from_bytes(&bytes).map_err(|(line, problem)| LoadError::Line { path, line, problem })
    }

    /// The script as one file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // It has numbers and texts alone, which have no way to fail.
        let mut out = serde_json::to_vec(&self.head).unwrap_or_default();
        out.push(b'\n');
        for arrival in &self.arrivals {
            arrival.write(&mut out, true);
        }
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Script, (usize, String)> {
        let mut lines = bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
        let (_, head) = lines.next().ok_or((1, "there is nothing in it".to_owned()))?;
        let head: Head = serde_json::from_slice(head).map_err(|error| (1, error.to_string()))?;
        let arrivals = lines.map(|(place, line)| read(line).map_err(|problem| (place + 1, problem)));
        Ok(Script { head, arrivals: arrivals.collect::<Result<_, _>>()? })
    }

    /// What proves where it comes from, as an export: with the bodies as they came.
    #[must_use]
    pub fn deliveries(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.arrivals.iter().filter(|arrival| arrival.is.proved).for_each(|arrival| arrival.write(&mut out, false));
        out
    }
}

/// What `finis reconcile` has to be told, an argument a line.
fn arguments(terms: &Terms, as_of: Timestamp) -> String {
    let mut arguments = format!("--as-of\n{as_of}\n");
    let spans = [("--grace", terms.grace), ("--stall", terms.stall)];
    let spans = spans.into_iter().filter_map(|(name, span)| Some((name, span_in_seconds(span?))));
    let kinds = terms.subscribed.iter().map(|kinds| ("--subscribe", kinds.join(",")));
    for (name, value) in spans.chain(kinds) {
        arguments.extend([name, "\n", &value, "\n"]);
    }
    arguments
}

/// Whole seconds as a number, as stories have them.
fn span_in_seconds(span: Duration) -> String {
    if span.subsec_nanos() == 0 { span.as_secs().to_string() } else { print_span(span) }
}

impl Arrival {
    /// Appends it as a line; of an export, or of a script with what it is in truth.
    pub(crate) fn write(&self, out: &mut Vec<u8>, with_truth: bool) {
        let text = |text: &str| Json::String(text.to_owned());
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), text(value)));
        let mut members = vec![
            ("received_at".to_owned(), text(&self.received_at.to_string())),
            ("source".to_owned(), text(&self.source)),
            ("headers".to_owned(), Json::Object(headers.collect())),
        ];
        if with_truth {
            // It has numbers and words alone, which have no way to fail.
            let is = serde_json::to_string(&self.is).ok().and_then(|is| Json::parse(&is).ok());
            members.extend(is.map(|is| ("is".to_owned(), is)));
        }
        let line = Json::Object(members).to_string();
        // The body comes before the end.
        out.extend_from_slice(line.strip_suffix('}').unwrap_or(&line).as_bytes());
        out.extend_from_slice(b",\"body\":");
        bytes::write(&self.body, out);
        out.extend_from_slice(b"}\n");
    }
}

pub(crate) fn read(line: &[u8]) -> Result<Arrival, String> {
    let Read { received_at, source, headers, is, body: Body(body) } =
        serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let received_at = Timestamp::parse(&received_at).map_err(|error| format!("`{received_at}`: {error}"))?;
    Ok(Arrival { received_at, source, headers: headers.0, body, is })
}
