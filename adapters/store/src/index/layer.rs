//! What is durable in the journal and not yet in the tree.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use finis_engine::Timestamp;

use super::Meta;
use super::directory::Prefix;
use super::due::Deadline;
use super::sessions::Published;
use crate::journal::Place;
use crate::tag::Tag;

/// What a commit changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) sessions: Vec<(Tag, SessionRow)>,
    /// Keys and values; nothing for a key that goes.
    pub(super) rest: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// What is to be written of a session. All of it goes into the tree at once, so that a crash leaves a
/// session there as it was or as it is.
#[derive(Clone, Debug)]
pub(super) struct SessionRow {
    /// Nothing when nothing of it is kept.
    pub(super) value: Option<Vec<u8>>,
    pub(super) pages: BTreeMap<u32, Option<Vec<u8>>>,
    /// Where the first of its records lies: those that came together are put together.
    pub(super) first: Option<Place>,
    pub(super) due: Option<Timestamp>,
    /// It was let go.
    pub(super) is_gone: bool,
    /// What there is of it beneath; nothing when there is nothing.
    pub(super) beneath: Option<Published>,
}

/// Changes that are durable in the journal and not yet in the tree. What is changed again and again
/// within a layer goes into the tree once.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) sessions: BTreeMap<Tag, SessionRow>,
    pub(super) rest: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// When these sessions are due.
    pub(super) due: BTreeSet<Deadline>,
    /// The state when it was full.
    pub(super) meta: Meta,
    /// It is full, or taken to be written: no more may be added.
    pub(super) is_sealed: bool,
}

/// All layers. What is in a newer one hides what is in an older one, and in the tree.
#[derive(Default)]
pub(super) struct Layers {
    /// The newest last.
    layers: VecDeque<Arc<Layer>>,
}

impl Layer {
    fn new(meta: Meta) -> Layer {
        Layer { sessions: BTreeMap::new(), rest: BTreeMap::new(), due: BTreeSet::new(), meta, is_sealed: false }
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len() + self.rest.len()
    }

    pub(super) fn take(&mut self, changes: Changes) {
        for (tag, row) in changes.sessions {
            let due = row.due;
            match self.sessions.get_mut(&tag) {
                None => drop(self.sessions.insert(tag, row)),
                Some(known) => {
                    if let Some(at) = known.due {
                        self.due.remove(&(at, tag));
                    }
                    // What is beneath stays what it was.
                    known.value = row.value;
                    known.first = row.first;
                    known.due = row.due;
                    known.is_gone = row.is_gone;
                    known.pages.extend(row.pages);
                }
            }
            self.due.extend(due.map(|at| (at, tag)));
        }
        self.rest.extend(changes.rest);
    }
}

impl Layers {
    /// The one that takes changes.
    pub(super) fn open(&mut self, meta: Meta) -> Option<&mut Layer> {
        if self.layers.back().is_none_or(|layer| layer.is_sealed) {
            self.layers.push_back(Arc::new(Layer::new(meta)));
        }
        // Nobody else has one that is not sealed.
        self.layers.back_mut().map(Arc::make_mut)
    }

    /// Seals the oldest one, if it is not; whether it was not.
    pub(super) fn seal_oldest(&mut self) -> Option<(Arc<Layer>, bool)> {
        let layer = self.layers.front_mut()?;
        let was_open = !layer.is_sealed;
        if was_open {
            Arc::make_mut(layer).is_sealed = true;
        }
        Some((Arc::clone(layer), was_open))
    }

    /// Drops the oldest one.
    pub(super) fn drop_oldest(&mut self) {
        self.layers.pop_front();
    }

    /// All of them, the newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Layer> + Clone {
        self.layers.iter().rev().map(|layer| &**layer)
    }

    /// What they say of a session, the newest first.
    pub(super) fn rows(&self, tag: Tag) -> impl Iterator<Item = &SessionRow> {
        self.newest_first().filter_map(move |layer| layer.sessions.get(&tag))
    }

    /// Whether they say anything of a session that begins so.
    pub(super) fn has_any(&self, prefix: Prefix) -> bool {
        self.newest_first().any(|layer| layer.sessions.range(prefix.tags()).next().is_some())
    }
}
