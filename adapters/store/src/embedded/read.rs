//! Who reads the log while it is written.

use std::sync::Arc;

use finis_engine::log::{Arrivals, RefusedCursor};
use finis_engine::{Digest, Timestamp};

use crate::entries::{Entries, Places};
use crate::index::{self, IndexError, Meta, Session, View};
use crate::journal::{Place, Reader};
use crate::tag::{Tag, Tags};

/// Who reads: cheap to clone.
#[derive(Clone)]
pub(super) struct Readers {
    pub(super) view: Arc<View>,
    pub(super) journal: Reader,
    pub(super) tags: Tags,
}

impl Readers {
    pub(super) fn entries(&self) -> Entries<'_, View> {
        Entries { places: &self.view, journal: &self.journal, tags: self.tags }
    }
}

impl Places for View {
    fn session(&self, tag: Tag) -> Result<Option<Session>, IndexError> {
        View::session(self, tag)
    }

    fn repeated(&self, tag: Tag) -> Vec<(Digest, Arrivals)> {
        View::repeated(self, tag)
    }

    fn sessions(&self, after: Option<Tag>, limit: usize) -> Result<Vec<Tag>, IndexError> {
        View::sessions(self, after, limit)
    }

    fn outbox(&self, page: u64) -> Result<Vec<Option<Place>>, IndexError> {
        let value = self.get(&index::outbox(page))?;
        Ok(value.map(|value| index::read_outbox(&value)).transpose()?.unwrap_or_default())
    }

    fn due(
        &self,
        after: Option<(Timestamp, Tag)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, Tag)>, IndexError> {
        View::due(self, after, until, limit)
    }

    fn refused(&self, after: Option<RefusedCursor>, limit: usize) -> Result<Vec<(RefusedCursor, Place)>, IndexError> {
        View::refused(self, after, limit)
    }

    fn refused_at(&self, cursor: RefusedCursor) -> Result<Option<Place>, IndexError> {
        View::refused_at(self, cursor)
    }

    fn meta(&self) -> Meta {
        View::meta(self)
    }
}
