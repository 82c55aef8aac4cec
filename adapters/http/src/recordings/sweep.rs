//! What goes with its session, or by its age.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use finis_engine::{Engine, Seen, Timestamp, Viewed};

use super::archive::Archive;
use super::recorder::blocking;

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Recordings of sessions that were forgotten or have expired.
    pub gone: u64,
    /// Recordings, and what was said of others, that were kept for as long as they were to be.
    pub old: u64,
}

/// Removes recordings of sessions that the log let go, and those that are older than their source keeps them: what
/// `keep` has no span for stays with its session. To be called every now and then.
///
/// Sessions that the log does not know are left alone: they may be of another log.
///
/// # Errors
/// When the folder or the log does not answer. What was removed by then stays so.
pub async fn sweep(
    engine: &Engine,
    archive: &Archive,
    keep: &BTreeMap<String, Duration>,
    now: Timestamp,
) -> io::Result<Swept> {
    let mut swept = Swept::default();
    let all = archive.clone();
    for folder in blocking(move || all.folders()).await? {
        let looked = archive.clone();
        let Some((key, outcomes)) = blocking(move || looked.said_in(&folder)).await? else { continue };
        let seen = engine.view(&key, |_: &Viewed<'_>| ()).await.map_err(io::Error::other)?;
        if let Seen::Gone(_) = seen {
            let archive = archive.clone();
            swept.gone += blocking(move || archive.erase(&key)).await?;
            continue;
        }
        let Some(keep) = keep.get(key.source()).copied() else { continue };
        let old: Vec<_> = outcomes.into_iter().filter(|outcome| now.since(outcome.at) > keep).collect();
        if !old.is_empty() {
            swept.old += old.len() as u64;
            let archive = archive.clone();
            blocking(move || old.iter().try_for_each(|outcome| archive.remove(&key, outcome))).await?;
        }
    }
    Ok(swept)
}
