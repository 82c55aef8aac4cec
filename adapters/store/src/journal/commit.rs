//! One commit, record by record.

use super::codec::{Body, TooLarge};
use super::error::JournalError;
use super::place::{Place, Position};
use super::writer::Journal;

/// A commit that is being made: where each record will be is known before it is there. Dropped, it never
/// was.
#[derive(Debug)]
#[must_use = "nothing is committed before it is finished"]
pub struct Commit<'j> {
    pub(super) journal: &'j mut Journal,
    pub(super) frame: Position,
    pub(super) bytes_max: usize,
}

impl Commit<'_> {
    /// Where the next record will be.
    #[must_use]
    pub fn next(&self) -> Place {
        Place { frame: self.frame, record: self.journal.draft.records() }
    }

    /// Whether it has no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.journal.draft.records() == 0
    }

    /// Adds a record.
    ///
    /// # Errors
    /// [`JournalError::TooLarge`], and the commit is as it was.
    pub fn push(&mut self, head: &[u8], body: Option<&Body>) -> Result<(), JournalError> {
        Ok(self.journal.draft.push(head, body)?)
    }

    /// Commits: after a crash all of its records are there, or none. When this returns `Ok`, they are
    /// durable. Nothing is done for no records.
    ///
    /// After [`JournalError::Io`], whether they are there is found out when the journal is opened again.
    ///
    /// # Errors
    /// [`JournalError::TooLarge`] when it has more bytes than it was begun for, before anything is written;
    /// [`JournalError::Io`] when writing failed, and [`JournalError::Broken`] ever after.
    pub fn finish(self) -> Result<(), JournalError> {
        let bytes = self.journal.draft.frame_bytes();
        if bytes > self.bytes_max {
            return Err(TooLarge { what: "commit", bytes, bytes_max: self.bytes_max }.into());
        }
        if self.is_empty() { Ok(()) } else { self.journal.commit_draft() }
    }
}
