//! Events in the order of output: by source, then by session.

use std::cmp::Ordering;
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

/// What one thread prints at a time.
pub(crate) enum Unit<'r> {
    /// A part, to be sorted by who takes it.
    Part(usize),
    /// Events in order, those of a session together.
    Sorted(Vec<Entry<'r>>),
}

/// A packed event, and what it is sorted by.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'r> {
    pub(crate) source: SourceId,
    /// Place of the source's name among all.
    order: u32,
    /// The first bytes of the id that not all ids begin with, so that most comparisons touch nothing else.
    prefix: u64,
    id: &'r [u8],
    subject: &'r str,
    packed: &'r [u8],
}

impl<'r> Entry<'r> {
    pub(crate) fn event(&self, forms: &'r [Arc<Form>]) -> Packed<'r> {
        Packed::read(self.packed, forms)
    }

    pub(crate) fn is_of_same_session(&self, other: &Entry<'_>) -> bool {
        (self.prefix, self.order, self.id, self.subject) == (other.prefix, other.order, other.id, other.subject)
    }

    fn cmp(&self, other: &Entry<'_>) -> Ordering {
        let by_prefix = self.order.cmp(&other.order).then(self.prefix.cmp(&other.prefix));
        by_prefix.then_with(|| self.id.cmp(other.id)).then_with(|| self.subject.cmp(other.subject))
    }
}

impl Events {
    /// What is to be printed, in order. Parts of one source are in order as they are; several sources,
    /// or ids so uneven that a part has most of them, are sorted as a whole.
    pub(crate) fn units(&self, threads: usize) -> Vec<Unit<'_>> {
        let counts = self.kept.counts();
        if self.sources.len() <= 1 && counts.iter().all(|count| *count <= PART_ROWS_MAX) {
            return (0..counts.len()).map(Unit::Part).collect();
        }
        let mut entries = self.sorted(threads);
        let mut units = Vec::new();
        while !entries.is_empty() {
            // A unit ends where a session does.
            let full = entries.len().saturating_sub(UNIT_ROWS);
            let start = (0..=full).rev().find(|at| *at == 0 || !entries[*at - 1].is_of_same_session(&entries[*at]));
            units.push(Unit::Sorted(entries.split_off(start.unwrap_or_default())));
        }
        units.reverse();
        units
    }

    /// The events of a part, in order. `entries` is room for them.
    pub(crate) fn sort_part<'r>(&'r self, part: usize, entries: &mut Vec<Entry<'r>>) {
        entries.clear();
        entries.extend(self.kept.rows(part).map(|row| self.entry(row, 0)));
        let Some(first) = entries.first().map(|entry| entry.id) else { return };
        let shared = entries.iter().fold(first.len(), |shared, entry| shared_length(&first[..shared], entry.id));
        for entry in &mut *entries {
            entry.prefix = prefix(&entry.id[shared..]);
        }
        entries.sort_unstable_by(Entry::cmp);
    }

    /// All events, in order.
    fn sorted(&self, threads: usize) -> Vec<Entry<'_>> {
        let mut names: Vec<usize> = (0..self.sources.len()).collect();
        names.sort_by(|left, right| self.sources[*left].0.cmp(&self.sources[*right].0));
        let mut order = vec![0; names.len()];
        names.iter().enumerate().for_each(|(place, source)| order[*source] = place as u32);

        let rows = (0..self.kept.counts().len()).flat_map(|part| self.kept.rows(part));
        let mut entries: Vec<Entry<'_>> = rows.map(|row| self.entry(row, order[row.source.0 as usize])).collect();
        let share = entries.len().div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            for part in entries.chunks_mut(share) {
                scope.spawn(|| {
                    part.iter_mut().for_each(|entry| entry.prefix = prefix(entry.id));
                    part.sort_unstable_by(Entry::cmp);
                });
            }
        });
        // This sort finds the sorted parts, and only merges them.
        entries.sort_by(Entry::cmp);
        entries
    }

    fn entry<'r>(&'r self, row: Row<'r>, order: u32) -> Entry<'r> {
        let event = Packed::read(row.packed, &self.forms);
        let contract = &self.sources[row.source.0 as usize].1.contract;
        let subject = contract.subject_name(event.subject());
        Entry { source: row.source, order, prefix: 0, id: event.id(), subject, packed: row.packed }
    }
}
