//! Stories as folders, of the form that scripts have.
//!
//! | file | holds |
//! |---|---|
//! | `script.jsonl` | all of it: the head, the setup, then what happens, a line each |
//! | `deliveries.jsonl`, `args`, `records.ndjson` | as for a [`Script`]: what `finis reconcile` reads, and what must come of it |
//! | `timeline.txt` | what happens, for people |
//!
//! A line is an arrival as a script has it, or `{"at":…,"mishap":…}`. A script is read, too: it is a story in
//! which nothing goes wrong with the receiver.

use std::fs;
use std::path::Path;

use finis_engine::{Contract, Timestamp};
use serde::Deserialize;

use super::{Happening, Setup, Story, What};
use crate::mishaps::Mishap;
pub use crate::script::LoadError;
use crate::script::{self, SCRIPT, SaveError, Script};

/// A line that says how the receiver is set up.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetupLine {
    setup: Setup,
}

/// A line that says what goes wrong.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MishapLine {
    at: String,
    mishap: Mishap,
}

impl Story {
    /// Writes the story into a folder, which is made when it is not there. The records are those of the
    /// setup's terms at `as_of`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, folder: &Path, contract: &Contract, as_of: Timestamp) -> Result<(), SaveError> {
        self.script().save_under(folder, contract, self.setup.model_terms(), as_of)?;
        for (name, bytes) in [(SCRIPT, self.to_bytes()), ("timeline.txt", self.timeline(contract).into_bytes())] {
            let path = folder.join(name);
            fs::write(&path, bytes).map_err(|error| SaveError { path, error })?;
        }
        Ok(())
    }

    /// Reads the story, or the script, that a folder holds.
    ///
    /// # Errors
    /// When there is none, or what is there is none.
    pub fn load(folder: &Path) -> Result<Story, LoadError> {
        let path = folder.join(SCRIPT);
        let bytes = fs::read(&path).map_err(|error| LoadError::Read { path: path.clone(), error })?;
        Story::from_bytes(&bytes).map_err(|(line, problem)| LoadError::Line { path, line, problem })
    }

    /// The story as one file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // These have numbers, words and lists of them, which have no way to fail.
        let mut out = serde_json::to_vec(&self.head).unwrap_or_default();
        let setup = serde_json::to_string(&self.setup).unwrap_or_default();
        out.extend(format!("\n{{\"setup\":{setup}}}\n").bytes());
        for Happening { at, what } in &self.happenings {
            match what {
                What::Arrival(arrival) => arrival.write(&mut out, true),
                What::Mishap(mishap) => {
                    let mishap = serde_json::to_string(mishap).unwrap_or_default();
                    out.extend(format!("{{\"at\":\"{at}\",\"mishap\":{mishap}}}\n").bytes());
                }
            }
        }
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Story, (usize, String)> {
        let mut lines = bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()).peekable();
        let (_, head) = lines.next().ok_or((1, "there is nothing in it".to_owned()))?;
        let head = serde_json::from_slice(head).map_err(|error| (1, error.to_string()))?;
        let mut setup = Setup::default();
        if let Some((place, line)) = lines.next_if(|(_, line)| line.starts_with(b"{\"setup\"")) {
            let line: SetupLine = serde_json::from_slice(line).map_err(|error| (place + 1, error.to_string()))?;
            setup = line.setup;
        }
        let happenings = lines.map(|(place, line)| read(line).map_err(|problem| (place + 1, problem)));
        let happenings: Vec<Happening> = happenings.collect::<Result<_, _>>()?;
        if !happenings.is_sorted_by_key(|happening| happening.at) {
            return Err((1, "what happens is not in order of time".to_owned()));
        }
        Ok(Story { head, setup, happenings })
    }
}

impl From<Script> for Story {
    /// A story in which nothing goes wrong with the receiver, and nothing is signed.
    fn from(script: Script) -> Story {
        Story::of(script, Setup::default(), [])
    }
}

fn read(line: &[u8]) -> Result<Happening, String> {
    if !line.starts_with(b"{\"at\"") {
        let arrival = script::read(line)?;
        return Ok(Happening { at: arrival.received_at, what: What::Arrival(Box::new(arrival)) });
    }
    let MishapLine { at, mishap } = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let at = Timestamp::parse(&at).map_err(|error| format!("`{at}`: {error}"))?;
    Ok(Happening { at, what: What::Mishap(mishap) })
}
