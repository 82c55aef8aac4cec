//! Erasing bodies: the heads stay, and the chain with them.

use std::collections::BTreeMap;

use super::codec::SLOT_ERASED;
use super::disk::{Access, DiskFile};
use super::error::{IoFault, JournalError};
use super::layout::segment_file;
use super::place::Place;
use super::writer::Journal;
use crate::crash::crash_point;

/// Zeros are written in pieces of this.
const ZEROS_BYTES: usize = 64 << 10;

/// Where a body is, in the file of its segment.
#[derive(Clone, Copy)]
struct Stretch {
    /// Its mark stands here.
    mark: u64,
    /// Its stored bytes begin here.
    stored: u64,
    stored_bytes: usize,
}

impl Journal {
    /// Overwrites the bodies of these records, durably when this returns. Their heads stay, and the
    /// hashes of the bodies with them. Records without a body, or with one erased before, are passed
    /// over; a damaged body is erased, too.
    ///
    /// A crash in between leaves each body there, or marked as erased with some of its bytes still
    /// in the file: whoever notes down what is to be erased does it again then. What the disk keeps
    /// of overwritten blocks is out of its hands.
    ///
    /// # Errors
    /// When a record cannot be found, before anything is written; [`JournalError::Io`] when writing
    /// failed, and [`JournalError::Broken`] ever after.
    pub fn erase(&mut self, places: &[Place]) -> Result<(), JournalError> {
        self.usable()?;
        let mut segments: BTreeMap<u64, Vec<Stretch>> = BTreeMap::new();
        for place in places {
            if let Some(slot) = self.reader.locate(*place)?.slot {
                let offset = place.frame.offset;
                segments.entry(place.frame.segment).or_default().push(Stretch {
                    mark: offset + slot.at as u64,
                    stored: offset + slot.stored_at() as u64,
                    stored_bytes: slot.stored_bytes,
                });
            }
        }
        for (segment, stretches) in segments {
            let name = segment_file(segment);
            let file = self.disk.open(&name, Access::Write).map_err(IoFault::to("open", &name))?;
            let erased = overwrite(&*file, &stretches).map_err(IoFault::to("erase in", &name));
            self.or_break(erased)?;
        }
        Ok(())
    }
}

/// Marks first, durably: a body that is half overwritten without a mark would look damaged.
fn overwrite(file: &dyn DiskFile, stretches: &[Stretch]) -> std::io::Result<()> {
    for stretch in stretches {
        file.write_all_at(&SLOT_ERASED, stretch.mark)?;
        crash_point!("erase.marked");
    }
    file.sync()?;
    crash_point!("erase.marks-synced");
    for stretch in stretches {
        let zeros = vec![0; stretch.stored_bytes.min(ZEROS_BYTES)];
        let mut written = 0;
        while written < stretch.stored_bytes {
            let length = zeros.len().min(stretch.stored_bytes - written);
            file.write_all_at(&zeros[..length], stretch.stored + written as u64)?;
            written += length;
            crash_point!("erase.overwritten");
        }
    }
    file.sync()?;
    crash_point!("erase.synced");
    Ok(())
}
