//! Letting whole segments go.

use std::sync::Arc;

use super::codec::Chain;
use super::damage::Damage;
use super::disk::{Access, Disk};
use super::error::{IoFault, JournalError, OpenError};
use super::layout::{RETIRED_FILE, UNFINISHED, read_header, segment_file};
use super::place::Position;
use super::walk::{Entries, Route, Step, Walk};
use super::writer::Journal;
use crate::crash::crash_point;

/// A segment of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its number.
    pub number: u64,
    /// Bytes of its file; of the one that is written to, up to the last commit.
    pub bytes: u64,
    /// It is the one that is written to.
    pub in_use: bool,
}

/// What is in a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Records that are there.
    pub records: u64,
    /// Bytes of frames, less those of bodies that were erased.
    pub live_bytes: u64,
    /// Bytes of bodies that were erased.
    pub erased_bytes: u64,
    /// What is damaged in it.
    pub damage: Vec<Damage>,
}

impl Journal {
    /// All segments, in order.
    ///
    /// # Errors
    /// When the disk does not say how long one is.
    pub fn segments(&self) -> Result<Vec<Segment>, JournalError> {
        let segment = |number: &u64| {
            let (number, in_use) = (*number, *number == self.active.end.segment);
            if in_use {
                return Ok(Segment { number, bytes: self.active.end.offset, in_use });
            }
            let name = segment_file(number);
            match self.disk.open(&name, Access::Read).and_then(|file| file.length()) {
                Ok(bytes) => Ok(Segment { number, bytes, in_use }),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Segment { number, bytes: 0, in_use }),
                Err(error) => Err(IoFault::to("measure", &name)(error).into()),
            }
        };
        self.segments.iter().map(segment).collect()
    }

    /// Reads a segment through, to say what in it still counts.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn weigh(&self, segment: u64) -> Result<Weight, OpenError> {
        let from = Position { segment, offset: 0 };
        let next = Position { segment: segment.saturating_add(1), offset: 0 };
        let route =
            Route { from, until: Some(next.min(self.active.end)), known: Position::START, entries: Entries::None };
        let mut walk = Walk::new(Arc::clone(&self.disk), self.layout(), route);
        let mut weight = Weight::default();
        while let Some(step) = walk.step()? {
            match step {
                Step::Frame(found) => {
                    weight.records += found.next.records - found.first;
                    weight.live_bytes += found.end - found.at.offset - found.erased_bytes;
                    weight.erased_bytes += found.erased_bytes;
                }
                Step::Damage(damage) if damage.at.segment == segment => weight.damage.push(damage),
                Step::Damage(_) => {}
            }
        }
        Ok(weight)
    }

    /// Lets whole segments go, wherever they stand, durably when this returns; for the caller, who
    /// knows that nothing in them is kept. Those that are gone already are passed over.
    ///
    /// The chain stays checkable: each segment begins with the chain value of what was before it,
    /// so what is left is checked by itself; and the list of retired segments keeps the number of
    /// records and the chain value at the end of each stretch that went, which the header after it
    /// must match. A segment that is absent and not in the list is damage.
    ///
    /// # Errors
    /// [`JournalError::InUse`] for the segment that is written to, before anything is done;
    /// [`JournalError::Io`] when writing failed, and [`JournalError::Broken`] ever after.
    pub fn retire(&mut self, segments: &[u64]) -> Result<(), JournalError> {
        self.usable()?;
        if let Some(segment) = segments.iter().find(|segment| **segment >= self.active.end.segment) {
            return Err(JournalError::InUse { segment: *segment });
        }
        let mut retired = self.retired.clone();
        for segment in segments.iter().filter(|segment| **segment > 0) {
            let (records, chain) = self.end_of(*segment);
            retired.add(*segment, records, chain);
        }
        // The list first: a file that is listed and there is removed at the next opening.
        let listed = replace(&*self.disk, RETIRED_FILE, &retired.encode());
        self.or_break(listed)?;
        crash_point!("retire.listed");
        self.retired = retired;
        let (going, staying) = self.segments.iter().partition::<Vec<_>, _>(|number| segments.contains(number));
        for number in going {
            let name = segment_file(number);
            self.reader.forget(number);
            match self.disk.remove(&name) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    let fault = IoFault::to("remove", &name)(error);
                    return self.or_break(Err(fault));
                }
                _ => {}
            }
            crash_point!("retire.file-removed");
        }
        self.segments = staying;
        let synced = self.disk.sync_names().map_err(IoFault::to("sync", ""));
        crash_point!("retire.removed");
        self.or_break(synced)
    }

    /// Records and chain at the end of a segment, by the header of the next; zero when that does not
    /// say, and then nothing is held against it.
    fn end_of(&self, segment: u64) -> (u64, Chain) {
        let name = segment_file(segment.saturating_add(1));
        let header = self.disk.open(&name, Access::Read).and_then(|file| read_header(&*file));
        match header {
            Ok(Ok(header)) => (header.first, header.chain),
            // The next may be retired already: then its range goes on saying where it ends.
            _ => (0, Chain([0; 16])),
        }
    }
}

/// Writes a file so that a crash leaves the old one or the new one.
fn replace(disk: &dyn Disk, name: &str, bytes: &[u8]) -> Result<(), IoFault> {
    let unfinished = format!("{name}{UNFINISHED}");
    let file = disk.create(&unfinished).map_err(IoFault::to("make", &unfinished))?;
    file.write_all_at(bytes, 0).and_then(|()| file.sync()).map_err(IoFault::to("write", &unfinished))?;
    crash_point!("retire.list-written");
    disk.rename(&unfinished, name).map_err(IoFault::to("rename", &unfinished))?;
    crash_point!("retire.list-renamed");
    disk.sync_names().map_err(IoFault::to("sync", ""))
}
