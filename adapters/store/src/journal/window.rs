//! A file read from front to back, a stretch at a time.

use std::io;
use std::sync::Arc;

use super::disk::{DiskFile, read_full};

/// Read at once, beyond what was asked for.
const AHEAD_BYTES: usize = 256 << 10;

pub(super) struct Window {
    file: Arc<dyn DiskFile>,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    pub(super) fn new(file: Arc<dyn DiskFile>) -> Window {
        Window { file, start: 0, bytes: Vec::new() }
    }

    /// The bytes from `offset` on, `length` of them unless the file ends before.
    pub(super) fn get(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        if self.within(offset).is_none_or(|within| self.bytes.len() - within < length) {
            self.fill(offset, length)?;
        }
        let rest = self.within(offset).map_or(&[][..], |within| &self.bytes[within..]);
        Ok(&rest[..length.min(rest.len())])
    }

    /// Forgets what was read, so that it is read again.
    pub(super) fn forget(&mut self) {
        self.bytes.clear();
    }

    fn within(&self, offset: u64) -> Option<usize> {
        let within = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        (within <= self.bytes.len()).then_some(within)
    }

    fn fill(&mut self, offset: u64, length: usize) -> io::Result<()> {
        self.start = offset;
        self.bytes.clear();
        // As much as the file has: a length that was read from a disk asks for no memory.
        let rest = self.file.length()?.saturating_sub(offset);
        let wanted = usize::try_from(rest).unwrap_or(usize::MAX).min(length.max(AHEAD_BYTES));
        self.bytes.resize(wanted, 0);
        let read = read_full(&*self.file, &mut self.bytes, offset);
        self.bytes.truncate(*read.as_ref().unwrap_or(&0));
        read.map(|_| ())
    }
}
