//! Reads a journal: one record, or all from a position on. Works beside a writer.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::codec::{FRAME_HEADER_BYTES, FrameHeader, Marker, Slot, SlotState};
use super::damage::{Damage, Reason};
use super::disk::{Access, Disk, DiskFile, Folder, read_full};
use super::error::{IoFault, JournalError, OpenError};
use super::layout::{Layout, segment_file};
use super::place::{Place, Position};
use super::record::{Content, Entry};
use super::walk::{Entries, Route, Step, Walk};

/// Segments that are kept open.
const OPEN_MAX: usize = 32;

/// Read at once: most frames of one record, and the heads of most others.
const FIRST_READ_BYTES: usize = 4096;

/// Reads a journal. Cheap to clone; clones share their open files.
#[derive(Clone, Debug)]
pub struct Reader {
    pub(super) disk: Arc<dyn Disk>,
    salt: u64,
    files: Arc<Mutex<BTreeMap<u64, Arc<dyn DiskFile>>>>,
}

impl Reader {
    /// Opens the journal in a folder for reading alone. Takes no lock: a writer may be at work, and
    /// what it has not finished is not seen.
    ///
    /// # Errors
    /// When there is no journal, or none that can be read here.
    pub fn open(folder: &Path) -> Result<Reader, OpenError> {
        Reader::open_on(Arc::new(Folder::at(folder)))
    }

    /// As [`Reader::open`], on any disk.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open_on(disk: Arc<dyn Disk>) -> Result<Reader, OpenError> {
        let layout = match Layout::read(&*disk) {
            Ok(Some(layout)) => layout,
            Err(OpenError::Io(fault)) if fault.error.kind() != std::io::ErrorKind::NotFound => return Err(fault.into()),
            Ok(None) | Err(OpenError::Io(_)) => return Err(OpenError::NotThere { folder: disk.name() }),
            Err(error) => return Err(error),
        };
        Ok(Reader::new(disk, layout.salt))
    }

    pub(super) fn new(disk: Arc<dyn Disk>, salt: u64) -> Reader {
        Reader { disk, salt, files: Arc::default() }
    }

    /// The number that tells this journal from every other.
    #[must_use]
    pub fn salt(&self) -> u64 {
        self.salt
    }

    /// All records from a position on, and all damage between them, as they are now.
    ///
    /// A position within the journal must be one that it gave: where a frame begins or ends.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn scan(&self, from: Position) -> Result<Scan, OpenError> {
        Ok(Scan::new(&self.disk, self.layout()?, from, None, Entries::Whole))
    }

    /// As [`Reader::scan`], and no body is unpacked: those that are there are [`Content::Unread`].
    ///
    /// # Errors
    /// As [`Reader::scan`].
    pub fn scan_heads(&self, from: Position) -> Result<Scan, OpenError> {
        Ok(Scan::new(&self.disk, self.layout()?, from, None, Entries::Heads))
    }

    /// Numbers of all segments that are there, in order; the last is the one that is written to.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn segments(&self) -> Result<Vec<u64>, OpenError> {
        Ok(self.layout()?.segments)
    }

    /// All records of one segment, and all damage between them.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn scan_segment(&self, number: u64) -> Result<Scan, OpenError> {
        self.scan_one(number, Entries::Whole)
    }

    /// As [`Reader::scan_segment`], and no body is unpacked.
    ///
    /// # Errors
    /// As [`Reader::scan_segment`].
    pub fn scan_segment_heads(&self, number: u64) -> Result<Scan, OpenError> {
        self.scan_one(number, Entries::Heads)
    }

    fn scan_one(&self, number: u64, entries: Entries) -> Result<Scan, OpenError> {
        let from = Position { segment: number, offset: 0 };
        let until = Position { segment: number.saturating_add(1), offset: 0 };
        Ok(Scan::new(&self.disk, self.layout()?, from, Some(until), entries))
    }

    fn layout(&self) -> Result<Layout, OpenError> {
        Layout::read(&*self.disk)?.ok_or_else(|| OpenError::NotThere { folder: self.disk.name() })
    }

    /// Reads one record.
    ///
    /// # Errors
    /// When there is none there, or head or frame are damaged. A damaged or erased body is no error:
    /// [`Entry::body`] says so.
    pub fn read(&self, place: Place) -> Result<Entry, JournalError> {
        let located = self.locate(place)?;
        let body = match located.slot {
            None => Content::None,
            Some(slot) => {
                let mut bytes = vec![0; slot.end() - slot.at];
                let read = self.read_at(place, &mut bytes, slot.at)?;
                match slot.state(&bytes[..read]) {
                    SlotState::Here(stored) => slot.content(stored).map_or(Content::Damaged, Content::Here),
                    SlotState::Erased => Content::Erased,
                    SlotState::Damaged => Content::Damaged,
                }
            }
        };
        Ok(Entry { place, number: located.number, head: located.head, body })
    }

    /// Reads the head of one record.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn head(&self, place: Place) -> Result<Vec<u8>, JournalError> {
        Ok(self.locate(place)?.head)
    }

    /// Whether the body of a record is there, and its checksum holds. One that never had a body is sound.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn is_sound(&self, place: Place) -> Result<bool, JournalError> {
        let Some(slot) = self.locate(place)?.slot else { return Ok(true) };
        let mut bytes = vec![0; slot.end() - slot.at];
        let read = self.read_at(place, &mut bytes, slot.at)?;
        Ok(matches!(slot.state(&bytes[..read]), SlotState::Here(_)))
    }

    /// Finds a record: its head, and where its body is.
    pub(super) fn locate(&self, place: Place) -> Result<Located, JournalError> {
        let damaged = |reason| Damage { at: place.frame, bytes: 0, records: 0..0, reason };
        let mut bytes = vec![0; FIRST_READ_BYTES];
        let read = self.read_at(place, &mut bytes, 0)?;
        bytes.truncate(read);
        let marker = Marker::new(self.salt, place.frame);
        let header = FrameHeader::decode(&bytes, marker)
            .map_err(|error| JournalError::Damaged(damaged(Reason::Frame(error))))?;
        if header.head_section_end() > bytes.len() && read == FIRST_READ_BYTES {
            // Bounded: the header is sound, and has bounded lengths.
            bytes.resize(header.head_section_end(), 0);
            let more = self.read_at(place, &mut bytes[FIRST_READ_BYTES..], FIRST_READ_BYTES)?;
            bytes.truncate(FIRST_READ_BYTES + more);
        }
        debug_assert!(bytes.len() >= FRAME_HEADER_BYTES, "a header was decoded");
        let records = header.heads(&bytes).map_err(|error| JournalError::Damaged(damaged(Reason::Frame(error))))?;
        let record = records.get(place.record as usize).ok_or(JournalError::NoSuchRecord(place))?;
        Ok(Located { number: header.first + u64::from(place.record), head: record.head.to_vec(), slot: record.slot })
    }

    /// Lets go of the open file of a segment.
    pub(super) fn forget(&self, segment: u64) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).remove(&segment);
    }

    fn read_at(&self, place: Place, into: &mut [u8], within: usize) -> Result<usize, JournalError> {
        let name = segment_file(place.frame.segment);
        let file = self.file(place, &name)?;
        let offset = place.frame.offset.saturating_add(within as u64);
        Ok(read_full(&*file, into, offset).map_err(IoFault::to("read", &name))?)
    }

    fn file(&self, place: Place, name: &str) -> Result<Arc<dyn DiskFile>, JournalError> {
        let segment = place.frame.segment;
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(&segment) {
            return Ok(Arc::clone(file));
        }
        let file: Arc<dyn DiskFile> = match self.disk.open(name, Access::Read) {
            Ok(file) => file.into(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(JournalError::NoSuchRecord(place));
            }
            Err(error) => return Err(IoFault::to("open", name)(error).into()),
        };
        if files.len() >= OPEN_MAX {
            // The oldest segment is the least likely to be read again.
            files.pop_first();
        }
        files.insert(segment, Arc::clone(&file));
        Ok(file)
    }
}

/// A record whose head was read.
pub(super) struct Located {
    pub(super) number: u64,
    pub(super) head: Vec<u8>,
    pub(super) slot: Option<Slot>,
}

/// What a scan comes upon, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// A record.
    Record(Entry),
    /// A stretch that is damaged, and what is lost with it.
    Damage(Damage),
}

/// Records, and damage between them, in order: what [`Reader::scan`] gives.
///
/// An error ends it.
pub struct Scan {
    walk: Walk,
    items: VecDeque<Scanned>,
    failed: bool,
}

impl Scan {
    pub(super) fn new(
        disk: &Arc<dyn Disk>,
        mut layout: Layout,
        from: Position,
        until: Option<Position>,
        entries: Entries,
    ) -> Scan {
        let items = std::mem::take(&mut layout.damage).into_iter().map(Scanned::Damage).collect();
        let route = Route { from, until, known: Position::START, entries };
        Scan { walk: Walk::new(Arc::clone(disk), layout, route), items, failed: false }
    }
}

impl Scan {
    /// Where the journal ends, once there is nothing more: what comes later is scanned from there.
    #[must_use]
    pub fn end(&self) -> Option<Position> {
        self.walk.tail().map(|tail| tail.at)
    }
}

impl Iterator for Scan {
    type Item = Result<Scanned, OpenError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Some(Ok(item));
            }
            if self.failed {
                return None;
            }
            match self.walk.step() {
                Ok(Some(Step::Frame(found))) => self.items.extend(found.entries.into_iter().map(Scanned::Record)),
                Ok(Some(Step::Damage(damage))) => return Some(Ok(Scanned::Damage(damage))),
                Ok(None) => return None,
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
    }
}
