//! Recordings that belong to a store, wherever a server was told to keep them.

use std::path::Path;

use finis::engine::live::SessionKey;
#[cfg(feature = "serve")]
use finis::serve::recordings::{Archive, Came, Places};
use serde_json::Value;

use super::Failure;

/// One recording of a session, and what came of it.
pub(super) struct Shown {
    /// When that was decided.
    pub(super) at: String,
    /// The word for it.
    pub(super) outcome: &'static str,
    /// Where the file is, or why it is not here.
    pub(super) what: String,
    /// All of it.
    pub(super) json: Value,
}

/// What came of the recordings of a session; nothing where none were ever fetched.
#[cfg(feature = "serve")]
pub(super) fn of(store: &Path, key: &SessionKey) -> Result<Vec<Shown>, Failure> {
    let mut all = Vec::new();
    for archive in places(store)? {
        let outcomes = archive.outcomes(key).map_err(|error| failed(&archive, &error))?;
        all.extend(outcomes.into_iter().map(|outcome| Shown {
            at: outcome.at.to_string(),
            outcome: outcome.came.as_str(),
            what: match &outcome.came {
                Came::Archived { file, .. } => archive.of_session(key).join(file).display().to_string(),
                Came::Failed { reason } | Came::Missed { reason } => reason.clone(),
            },
            // Texts and numbers alone.
            json: serde_json::to_value(&outcome).unwrap_or_default(),
        }));
    }
    Ok(all)
}

/// Removes the recordings of sessions. How many there were.
#[cfg(feature = "serve")]
pub(super) fn erase(store: &Path, keys: impl Iterator<Item = SessionKey>) -> Result<u64, Failure> {
    let (archives, mut removed) = (places(store)?, 0);
    for key in keys {
        for archive in &archives {
            removed += archive.erase(&key).map_err(|error| failed(archive, &error))?;
        }
    }
    Ok(removed)
}

/// Folders that have recordings of a store.
#[cfg(feature = "serve")]
pub(super) fn folders(store: &Path) -> Result<Vec<String>, Failure> {
    Ok(places(store)?.iter().map(|archive| archive.folder().display().to_string()).collect())
}

#[cfg(feature = "serve")]
fn places(store: &Path) -> Result<Vec<Archive>, Failure> {
    Places::of(store).map_err(|error| Failure(format!("cannot look for recordings: {error}")))
}

#[cfg(feature = "serve")]
fn failed(archive: &Archive, error: &std::io::Error) -> Failure {
    Failure(format!("recordings in `{}`: {error}", archive.folder().display()))
}

/// Without what fetches recordings, nothing here knows of any.
#[cfg(not(feature = "serve"))]
pub(super) fn of(_: &Path, _: &SessionKey) -> Result<Vec<Shown>, Failure> {
    Ok(Vec::new())
}

/// What cannot be erased is not passed over.
#[cfg(not(feature = "serve"))]
pub(super) fn erase(store: &Path, _: impl Iterator<Item = SessionKey>) -> Result<u64, Failure> {
    if ["recordings", "recordings.json"].iter().any(|name| store.join(name).exists()) {
        let why = "the store has recordings, and this finis was built without `serve`: use one that has it";
        return Err(Failure(why.to_owned()));
    }
    Ok(0)
}

/// As they are called where they are not elsewhere.
#[cfg(not(feature = "serve"))]
pub(super) fn folders(store: &Path) -> Result<Vec<String>, Failure> {
    let usual = store.join("recordings");
    Ok(if usual.exists() { vec![usual.display().to_string()] } else { Vec::new() })
}
