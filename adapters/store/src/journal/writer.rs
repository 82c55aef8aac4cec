//! The journal itself: one writer that appends.

use std::any::Any;
use std::io;
use std::sync::Arc;

use super::codec::{Chain, Draft, Marker, Retired, SegmentHeader, Witness, WitnessState};
use super::commit::Commit;
use super::disk::{Access, Disk, DiskFile};
use super::error::{IoFault, JournalError, OpenError};
use super::layout::{FRAMES_START, Layout, SEGMENT_SLOTS, UNFINISHED, WITNESS_FILE, WITNESS_SLOTS, segment_file};
use super::place::{Place, Position};
use super::reader::{Reader, Scan};
use super::record::{Entry, Record};
use super::space::{Room, Space};
use super::walk::Entries;
use crate::crash::crash_point;

/// Frames shorter than this are written into zeros that were written before.
const ZEROS_BYTES: u64 = 1 << 20;

/// How a journal is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of a segment; a commit that is longer has one of its own. 64 MiB unless set.
    pub segment_bytes: u64,
    /// Bytes of the file that is kept to be let go when the disk is full; 0 for none. 64 MiB unless set.
    pub reserve_bytes: u64,
    /// Bytes that stay free beside it: with less, appends are refused. 64 MiB unless set.
    pub free_bytes_min: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { segment_bytes: 64 << 20, reserve_bytes: 64 << 20, free_bytes_min: 64 << 20 }
    }
}

/// A journal, open for writing. There is one writer; [`Journal::reader`] gives readers for others.
///
/// Dropping it is like a crash: nothing that was appended is lost. [`Journal::close`] says besides
/// that nothing follows.
#[derive(Debug)]
pub struct Journal {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) settings: Settings,
    pub(super) salt: u64,
    /// Numbers of all segments that are there, the one written to last.
    pub(super) segments: Vec<u64>,
    pub(super) retired: Retired,
    pub(super) active: Active,
    pub(super) records: u64,
    pub(super) chain: Chain,
    pub(super) witness: WitnessFile,
    pub(super) space: Space,
    pub(super) reader: Reader,
    /// A write or a sync failed.
    pub(super) broken: bool,
    pub(super) draft: Draft,
    pub(super) buffer: Vec<u8>,
    /// Until the journal goes, nobody else writes.
    pub(super) _lock: Box<dyn Any + Send>,
}

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) file: Box<dyn DiskFile>,
    pub(super) name: String,
    /// Where the last frame ends.
    pub(super) end: Position,
    /// The slot to be written next.
    pub(super) slot: usize,
    /// The space that was taken for it.
    pub(super) reserved: u64,
    /// Up to here, zeros were written.
    pub(super) zeroed: u64,
}

/// The witness beside the segments.
#[derive(Debug)]
pub(super) struct WitnessFile {
    pub(super) file: Box<dyn DiskFile>,
    /// The slot to be written next.
    pub(super) slot: usize,
    /// Of the next slot, here or in a segment.
    pub(super) sequence: u64,
}

impl Journal {
    /// Appends records as one commit: what [`Journal::begin`] and [`Commit::finish`] do, for records that
    /// are there already. Nothing is done for no records.
    ///
    /// # Errors
    /// As [`Journal::begin`] and [`Commit::finish`].
    pub fn append(&mut self, records: &[Record]) -> Result<Vec<Place>, JournalError> {
        self.usable()?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        self.draft.clear();
        for record in records {
            self.draft.push(&record.head, record.body.as_ref())?;
        }
        self.make_room(self.draft.frame_bytes() as u64, Room::Spare)?;
        let frame = self.active.end;
        self.commit_draft()?;
        Ok((0..records.len() as u32).map(|record| Place { frame, record }).collect())
    }

    /// Begins a commit that will have at most so many bytes: from here on it is known where it will be.
    ///
    /// # Errors
    /// [`JournalError::Full`] and [`JournalError::TooLarge`] before anything is written;
    /// [`JournalError::Io`] when writing failed, and [`JournalError::Broken`] ever after.
    pub fn begin(&mut self, bytes_max: usize) -> Result<Commit<'_>, JournalError> {
        self.begin_in(bytes_max, Room::Spare)
    }

    /// As [`Journal::begin`], and it is said what it may take of a disk that is nearly full.
    ///
    /// # Errors
    /// As [`Journal::begin`].
    pub fn begin_in(&mut self, bytes_max: usize, room: Room) -> Result<Commit<'_>, JournalError> {
        self.usable()?;
        self.make_room(bytes_max as u64, room)?;
        self.draft.clear();
        Ok(Commit { bytes_max, frame: self.active.end, journal: self })
    }

    /// Reads one record.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn read(&self, place: Place) -> Result<Entry, JournalError> {
        self.reader.read(place)
    }

    /// All records from a position on, and all damage between them, up to the last commit. A position
    /// must be one that the journal gave: where a frame begins or ends.
    #[must_use]
    pub fn scan(&self, from: Position) -> Scan {
        Scan::new(&self.disk, self.layout(), from, Some(self.active.end), Entries::Whole)
    }

    /// As [`Journal::scan`], and no body is unpacked: those that are there are
    /// [`Content::Unread`](super::Content::Unread).
    #[must_use]
    pub fn scan_heads(&self, from: Position) -> Scan {
        Scan::new(&self.disk, self.layout(), from, Some(self.active.end), Entries::Heads)
    }

    /// A reader of this journal, for other threads.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Where the last commit ends: what an index that has all of it says as its watermark.
    #[must_use]
    pub fn end(&self) -> Position {
        self.active.end
    }

    /// How many records were ever appended.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The chain after the last commit.
    #[must_use]
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// Whether the reserve is there.
    #[must_use]
    pub fn holds_reserve(&self) -> bool {
        self.space.is_held()
    }

    /// Gives the reserve back to the disk, for whatever must be done on a full one. Appends are
    /// refused as before until there is space for it again.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn release_reserve(&mut self) -> Result<(), JournalError> {
        Ok(self.space.release(&*self.disk)?)
    }

    /// Makes the reserve again; `false` when there is no space for it yet.
    ///
    /// # Errors
    /// When the disk does not say what is free.
    pub fn restore_reserve(&mut self) -> Result<bool, JournalError> {
        Ok(self.space.hold(&*self.disk)?)
    }

    /// Says that nothing follows, so that the next opening knows that all is there.
    ///
    /// # Errors
    /// When writing failed, now or before. Nothing that was appended is lost by that.
    pub fn close(mut self) -> Result<(), JournalError> {
        self.usable()?;
        crash_point!("journal.closing");
        let Active { file, name, end, .. } = &self.active;
        let cut = file.set_length(end.offset).and_then(|()| file.sync());
        cut.map_err(IoFault::to("shorten", name))?;
        crash_point!("journal.shortened");
        // Both slots, so that neither can be lost without notice.
        self.write_witness(WitnessState::Closed)?;
        crash_point!("journal.closed-once");
        self.write_witness(WitnessState::Closed)?;
        crash_point!("journal.closed");
        Ok(())
    }

    /// What there is, for a walk that ends at the last commit.
    pub(super) fn layout(&self) -> Layout {
        Layout::known(self.salt, self.segments.clone(), self.retired.clone())
    }

    /// Refuses after a failure.
    pub(super) fn usable(&self) -> Result<(), JournalError> {
        if self.broken { Err(JournalError::Broken) } else { Ok(()) }
    }

    /// Passes a result on; after a failure, nothing more is written.
    pub(super) fn or_break<T>(&mut self, result: Result<T, IoFault>) -> Result<T, JournalError> {
        self.broken |= result.is_err();
        Ok(result?)
    }

    /// The claim to be written next.
    pub(super) fn claim(&self, state: WitnessState) -> Witness {
        Witness {
            salt: self.salt,
            sequence: self.witness.sequence,
            end: self.active.end,
            records: self.records,
            chain: self.chain,
            state,
        }
    }

    /// Writes the witness beside the segments, durably. It is off the path: at opening, at a new
    /// segment, at closing.
    pub(super) fn write_witness(&mut self, state: WitnessState) -> Result<(), JournalError> {
        let slot = self.claim(state).encode();
        let file = &self.witness.file;
        let written = file.write_all_at(&slot, WITNESS_SLOTS[self.witness.slot]);
        crash_point!("witness.written");
        let written = written.and_then(|()| file.sync());
        self.or_break(written.map_err(IoFault::to("write", WITNESS_FILE)))?;
        crash_point!("witness.synced");
        self.witness.slot ^= 1;
        self.witness.sequence += 1;
        Ok(())
    }

    /// Makes the frame of the draft and commits it. There is room for it.
    pub(super) fn commit_draft(&mut self) -> Result<(), JournalError> {
        let frame = self.active.end;
        self.buffer.clear();
        let marker = Marker::new(self.salt, frame);
        let after = self.draft.encode(self.records, self.chain, marker, &mut self.buffer);
        self.commit(frame)?;

        self.active.end.offset += self.buffer.len() as u64;
        self.active.slot ^= 1;
        self.witness.sequence += 1;
        self.records += u64::from(self.draft.records());
        self.chain = after;
        if self.buffer.capacity() > 4 * ZEROS_BYTES as usize {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    /// Writes what is in the buffer, and syncs once. The slot says what was durable before: it needs
    /// no sync of its own, and lags by this one frame.
    fn commit(&mut self, at: Position) -> Result<(), JournalError> {
        crash_point!("append.begun");
        let slot = self.claim(WitnessState::Running).encode();
        let Active { file, name, slot: which, .. } = &self.active;
        let written = file.write_all_at(&slot, SEGMENT_SLOTS[*which]);
        crash_point!("append.slot-written");
        let written = written.and_then(|()| file.write_all_at(&self.buffer, at.offset));
        crash_point!("append.framed");
        let written = written.map_err(IoFault::to("write", name));
        let synced = written.and_then(|()| file.sync().map_err(IoFault::to("sync", name)));
        crash_point!("append.synced");
        self.or_break(synced)
    }

    /// Sees to it that a frame of so many bytes has a place: checks what is free, goes on to a new
    /// segment, takes space.
    fn make_room(&mut self, frame_bytes: u64, room: Room) -> Result<(), JournalError> {
        // What is taken ahead would be missing elsewhere, when there is little.
        let ahead = if room == Room::Spare { self.settings.segment_bytes } else { 0 };
        let begun = self.active.end.offset > FRAMES_START;
        if begun && self.active.end.offset + frame_bytes > self.settings.segment_bytes {
            let bytes = ahead.max(FRAMES_START + frame_bytes);
            self.space.check(&*self.disk, bytes, room)?;
            self.roll(bytes)?;
            if room == Room::Spare {
                // Without it as much stays free, so nothing hangs on it.
                let _ = self.space.hold(&*self.disk);
            }
        } else {
            let end = self.active.end.offset + frame_bytes;
            let bytes = if end > self.active.reserved { ahead.max(end) } else { 0 };
            self.space.check(&*self.disk, bytes.saturating_sub(self.active.reserved), room)?;
            if bytes > 0 {
                self.reserve(bytes)?;
            }
        }
        self.write_zeros(frame_bytes)
    }

    fn reserve(&mut self, bytes: u64) -> Result<(), JournalError> {
        match self.active.file.reserve(bytes) {
            Ok(()) => {
                crash_point!("append.space-taken");
                self.active.reserved = bytes;
                Ok(())
            }
            // Nothing of a frame was written yet.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Err(self.full(bytes)),
            Err(error) => {
                let fault = IoFault::to("take space for", &self.active.name)(error);
                self.or_break(Err(fault))
            }
        }
    }

    fn full(&self, needed: u64) -> JournalError {
        JournalError::Full { free: self.disk.free_bytes().unwrap_or(0), needed }
    }

    /// Overwriting costs less to sync than writing into space that is merely taken: measured a sixth
    /// more commits a second with frames of 700 bytes, two fifths with 10 kB. Frames nearly as long
    /// as the zeros would gain nothing.
    fn write_zeros(&mut self, frame_bytes: u64) -> Result<(), JournalError> {
        let end = self.active.end.offset + frame_bytes;
        let until = (self.active.zeroed.max(self.active.end.offset) + ZEROS_BYTES).min(self.active.reserved);
        if frame_bytes >= ZEROS_BYTES / 4 || end <= self.active.zeroed || until < end {
            return Ok(());
        }
        let from = self.active.zeroed.max(self.active.end.offset);
        let zeros = vec![0; (until - from) as usize];
        let written = self.active.file.write_all_at(&zeros, from);
        self.or_break(written.map_err(IoFault::to("write", &self.active.name)))?;
        self.active.zeroed = until;
        crash_point!("append.zeros-written");
        Ok(())
    }

    /// Goes on to a new segment, so that the one before it can be retired.
    ///
    /// # Errors
    /// [`JournalError::Full`] before anything is written; [`JournalError::Io`] when writing failed, and
    /// [`JournalError::Broken`] ever after.
    pub fn begin_segment(&mut self) -> Result<(), JournalError> {
        self.usable()?;
        if self.active.end.offset <= FRAMES_START {
            return Ok(());
        }
        let bytes = self.settings.segment_bytes;
        self.space.check(&*self.disk, bytes, Room::Spare)?;
        self.roll(bytes)
    }

    /// Goes on to a new segment, which says where this one ends.
    pub(super) fn roll(&mut self, bytes: u64) -> Result<(), JournalError> {
        let header = SegmentHeader {
            salt: self.salt,
            number: self.active.end.segment + 1,
            first: self.records,
            previous_end: self.active.end.offset,
            chain: self.chain,
        };
        let made = make_segment(&*self.disk, &header, self.witness.sequence, bytes);
        let active = match made {
            Err(fault) if fault.error.kind() == io::ErrorKind::StorageFull => {
                // The new one has no name yet, and this one is as it was.
                let _ = self.disk.remove(&(segment_file(header.number) + UNFINISHED));
                return Err(self.full(bytes));
            }
            made => self.or_break(made)?,
        };
        let old = std::mem::replace(&mut self.active, active);
        crash_point!("roll.switched");
        self.segments.push(header.number);
        self.witness.sequence += 1;
        // From now on, the loss of the new segment would be seen.
        self.write_witness(WitnessState::Running)?;
        crash_point!("roll.witnessed");
        // The space that was taken and not used. Zeros would be as good, so nothing hangs on it.
        if old.reserved > old.end.offset {
            let _ = old.file.set_length(old.end.offset);
            crash_point!("roll.shortened");
        }
        Ok(())
    }
}

/// Makes a segment with its header and its first slot. It gets its name when it is complete, so a
/// crash leaves all of it or nothing.
pub(super) fn make_segment(
    disk: &dyn Disk,
    header: &SegmentHeader,
    sequence: u64,
    bytes: u64,
) -> Result<Active, IoFault> {
    let name = segment_file(header.number);
    let unfinished = format!("{name}{UNFINISHED}");
    let end = Position { segment: header.number, offset: FRAMES_START };
    let slot = Witness {
        salt: header.salt,
        sequence,
        end,
        records: header.first,
        chain: header.chain,
        state: WitnessState::Running,
    };
    let file = disk.create(&unfinished).map_err(IoFault::to("make", &unfinished))?;
    crash_point!("segment.made");
    let filled = file
        .reserve(bytes)
        .and_then(|()| file.write_all_at(&header.encode(), 0))
        .and_then(|()| file.write_all_at(&slot.encode(), SEGMENT_SLOTS[0]))
        .and_then(|()| file.sync());
    filled.map_err(IoFault::to("fill", &unfinished))?;
    crash_point!("segment.filled");
    disk.rename(&unfinished, &name).map_err(IoFault::to("rename", &unfinished))?;
    crash_point!("segment.renamed");
    disk.sync_names().map_err(IoFault::to("sync", ""))?;
    crash_point!("segment.named");
    Ok(Active { file, name, end, slot: 1, reserved: bytes, zeroed: FRAMES_START })
}

/// Opens a segment to be written to, past its last frame.
pub(super) fn open_segment(disk: &dyn Disk, end: Position, slot: usize) -> Result<Active, OpenError> {
    let name = segment_file(end.segment);
    let file = disk.open(&name, Access::Write).map_err(IoFault::to("open", &name))?;
    let reserved = file.length().map_err(IoFault::to("read", &name))?;
    Ok(Active { file, name, end, slot, reserved, zeroed: end.offset })
}
