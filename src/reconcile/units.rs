//! Events in the order of output: by source, then by session.

use std::sync::Arc;

use super::parts::{prefix, shared_length};
use super::read::Events;
use super::rows::Row;
use super::sources::SourceId;
use crate::engine::{Form, Packed};

/// Events of a part, at most, that one thread is left to sort.
const PART_ROWS_MAX: usize = 1 << 20;

/// Events that a thread takes at a time when they were sorted before.
const UNIT_ROWS: usize = 1 << 14;

/// All events, in units that come one after another in the order of output.
pub(crate) struct Units<'r> {
    pub(crate) all: Vec<Unit<'r>>,
    /// Place of each source's name among all.
    order: Vec<u32>,
    forms: &'r [Arc<Form>],
}

/// What one thread prints at a time.
pub(crate) enum Unit<'r> {
    /// A part, as it is.
    Part(usize),
    /// Some of all events.
    Rows(Vec<Row<'r>>),
}

/// What an event is sorted by. Events of one session have one key; nearly always they alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SortKey {
    /// Place of the source's name among all.
    order: u32,
    /// The first bytes of the id that not all ids begin with.
    prefix: u64,
}

impl Events {
    /// What is to be printed. Parts of one source are in order as they are; several sources, or ids so
    /// uneven that a part has most of them, are sorted as a whole first.
    pub(crate) fn units(&self, threads: usize) -> Units<'_> {
        let mut names: Vec<usize> = (0..self.sources.len()).collect();
        names.sort_by(|left, right| self.sources[*left].0.cmp(&self.sources[*right].0));
        let mut order = vec![0; names.len()];
        names.iter().enumerate().for_each(|(place, source)| order[*source] = place as u32);
        let mut units = Units { all: Vec::new(), order, forms: &self.forms };

        let counts = self.kept.counts();
        if self.sources.len() <= 1 && counts.iter().all(|count| *count <= PART_ROWS_MAX) {
            units.all.extend((0..counts.len()).map(Unit::Part));
            return units;
        }
        let rows = self.sorted(&units, threads);
        let mut start = 0;
        while start < rows.len() {
            // A unit ends where a key does.
            let full = rows.len().min(start + UNIT_ROWS);
            let end = (full..rows.len()).find(|end| rows[*end - 1].0 != rows[*end].0).unwrap_or(rows.len());
            units.all.push(Unit::Rows(rows[start..end].iter().map(|(_, row)| *row).collect()));
            start = end;
        }
        units
    }

    /// All events, sorted by key.
    fn sorted<'r>(&'r self, units: &Units<'r>, threads: usize) -> Vec<(SortKey, Row<'r>)> {
        let parts = 0..self.kept.counts().len();
        let mut rows: Vec<_> = Vec::with_capacity(self.kept.counts().iter().sum());
        for part in parts {
            rows.extend(self.kept.rows(part).map(|row| (SortKey { order: 0, prefix: 0 }, row)));
        }
        let id = |row: &Row<'r>| Packed::read(row.packed, units.forms).id();
        let shared = shared(rows.iter().map(|(_, row)| id(row)));
        let share = rows.len().div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            for part in rows.chunks_mut(share) {
                scope.spawn(|| {
                    for (key, row) in &mut *part {
                        *key = units.key(row.source, &id(row)[shared..]);
                    }
                    part.sort_unstable_by_key(|(key, _)| *key);
                });
            }
        });
        // This sort finds the sorted parts, and only merges them.
        rows.sort_by_key(|(key, _)| *key);
        rows
    }
}

impl Units<'_> {
    fn key(&self, source: SourceId, id: &[u8]) -> SortKey {
        SortKey { order: self.order[source.0 as usize], prefix: prefix(id) }
    }

    /// Hands on the events of each session of a unit, in the order of output.
    pub(crate) fn each_session<'r>(
        &'r self,
        rows: impl Iterator<Item = Row<'r>>,
        of: &Events,
        mut session: impl FnMut(SourceId, &mut [Packed<'r>]),
    ) {
        let events: Vec<_> = rows.map(|row| (row.source, Packed::read(row.packed, self.forms))).collect();
        let shared = shared(events.iter().map(|(_, event)| event.id()));
        let places = events.iter().zip(0_u32..);
        let mut keys: Vec<_> =
            places.map(|((source, event), place)| (self.key(*source, &event.id()[shared..]), place)).collect();
        keys.sort_unstable_by_key(|(key, _)| *key);

        let mut of_session = Vec::new();
        for of_one_key in keys.chunk_by(|left, right| left.0 == right.0) {
            let (source, first) = events[of_one_key[0].1 as usize];
            of_session.clear();
            of_session.extend(of_one_key.iter().map(|(_, place)| events[*place as usize].1));
            if of_session.iter().all(|event| event.is_of_same_session(&first)) {
                session(source, &mut of_session);
                continue;
            }
            // One source has one place in the order, so the rest of a key is id and subject.
            let contract = &of.sources[source.0 as usize].1.contract;
            let key = |event: &Packed<'r>| (event.id(), contract.subject_name(event.subject()));
            of_session.sort_unstable_by_key(key);
            let sessions = of_session.chunk_by_mut(|left, right| key(left) == key(right));
            sessions.for_each(|events| session(source, events));
        }
    }
}

/// How many bytes all ids begin with alike.
fn shared<'i>(mut ids: impl Iterator<Item = &'i [u8]>) -> usize {
    let Some(first) = ids.next() else { return 0 };
    ids.fold(first.len(), |shared, id| shared_length(&first[..shared], id))
}
