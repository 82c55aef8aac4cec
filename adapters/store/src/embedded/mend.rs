//! Segments that are damaged go; what is sound in them moves to the end of the journal.

use std::collections::BTreeSet;

use finis_engine::log::{Keep, LogError};
use tokio::sync::oneshot;

use super::EmbeddedLog;
use super::jobs::{Job, bare_bytes};
use super::retain::{open_failed, read_segment};
use super::writer::{Writer, stop};
use crate::head::Head;
use crate::index::Meta;
use crate::journal::Room;

/// What the writer does of it.
pub(super) enum MendJob {
    /// Go on to a new segment, so that all others can go.
    Roll,
    /// Take segments that are not there as retired, and say once more which are.
    Absent(Vec<u64>),
    /// What was said up to here was said, and what came by then came by then, though it may be lost.
    Reach(Meta),
}

impl EmbeddedLog {
    /// Moves what is sound in damaged segments to the end of the journal and lets them go, and notes that
    /// `absent` ones are gone. `meta` is what the index knew, as far as it could be read: the place of a notice
    /// that is lost is never given to another.
    pub(crate) async fn retire_damaged(
        &self,
        damaged: &BTreeSet<u64>,
        absent: &BTreeSet<u64>,
        meta: Option<Meta>,
    ) -> Result<(), LogError> {
        if let Some(meta) = meta {
            self.ask_mend(MendJob::Reach(meta)).await?;
        }
        if !damaged.is_empty() {
            self.ask_mend(MendJob::Roll).await?;
        }
        for number in damaged.iter().copied() {
            let segment = self.read(move |readers| {
                let there = readers.journal.segments().map_err(|error| open_failed(&error))?;
                there.contains(&number).then(|| read_segment(readers, number, false)).transpose()
            });
            if let Some(segment) = segment.await? {
                self.evacuate(segment, &Keep::default(), true).await?;
            }
        }
        self.ask_mend(MendJob::Absent(absent.iter().copied().collect())).await
    }

    async fn ask_mend(&self, job: MendJob) -> Result<(), LogError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Job::Mend(job, answer), answered).await
    }
}

impl Writer {
    pub(super) fn mend(&mut self, job: MendJob) -> Result<(), LogError> {
        match job {
            MendJob::Roll => self.journal.begin_segment().map_err(|error| stop(&error)),
            MendJob::Absent(segments) => self.journal.retire(&segments).map_err(|error| stop(&error)),
            MendJob::Reach(meta) => self.commit_with(2 * bare_bytes(0), Room::Spare, |drafting| {
                let known = *drafting.index.meta();
                if meta.seq > known.seq {
                    drafting.add(&Head::Outbox { last: meta.seq, first: known.first }, None)?;
                }
                match meta.latest.filter(|latest| known.latest.is_none_or(|known| known < *latest)) {
                    Some(at) => drafting.add(&Head::Clock { at }, None),
                    None => Ok(()),
                }
            }),
        }
    }
}
