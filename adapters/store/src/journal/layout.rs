//! What is in the folder: segments, the witness, the list of retired segments.

use std::io;

use super::codec::{
    HEADER_BYTES, HeaderError, Retired, RetiredError, SLOT_BYTES, SegmentHeader, VERSION, Witness, WitnessState,
};
use super::damage::{Damage, Reason};
use super::disk::{Access, Disk, DiskFile, read_full};
use super::error::{IoFault, OpenError};
use super::place::Position;

/// Header and slots stand in blocks of their own, so that a disk that tears a block in writing one
/// of them leaves the others.
const BLOCK_BYTES: u64 = 4096;

/// Where the frames of a segment begin: past its header and its two slots.
pub(super) const FRAMES_START: u64 = 3 * BLOCK_BYTES;

/// Where the two slots are in a segment.
pub(super) const SEGMENT_SLOTS: [u64; 2] = [BLOCK_BYTES, 2 * BLOCK_BYTES];

/// Where the two slots are in the file of the witness.
pub(super) const WITNESS_SLOTS: [u64; 2] = [0, BLOCK_BYTES];

pub(super) const WITNESS_FILE: &str = "witness";
pub(super) const RETIRED_FILE: &str = "retired";
pub(super) const LOCK_FILE: &str = "lock";
pub(super) const BALLAST_FILE: &str = "ballast";

/// What a file is called until it is complete.
pub(super) const UNFINISHED: &str = ".new";

/// More than any list of retired segments has.
const RETIRED_BYTES_MAX: u64 = 64 << 20;

/// A file with a greater number is none of ours.
const SEGMENT_MAX: u64 = 1 << 48;

pub(super) fn segment_file(number: u64) -> String {
    format!("{number:08}.log")
}

fn segment_number(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".log")?.parse().ok().filter(|number| (1..=SEGMENT_MAX).contains(number))?;
    (segment_file(number) == name).then_some(number)
}

fn is_unfinished(name: &str) -> bool {
    let of = name.strip_suffix(UNFINISHED);
    of.is_some_and(|of| of == RETIRED_FILE || segment_number(of).is_some())
}

/// What the folder says, before any frame is read.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) salt: u64,
    /// Numbers of the segments that are there and not retired, sorted.
    pub(super) segments: Vec<u64>,
    pub(super) retired: Retired,
    /// The furthest that a witness knows of.
    pub(super) claim: Option<Witness>,
    /// The journal was closed, and ends exactly where the witness says.
    pub(super) closed: bool,
    /// Neither slot of the last segment is readable.
    pub(super) slots_lost: bool,
    /// Greater than all sequences in slots.
    pub(super) sequence: u64,
    /// The slot of the witness file that may be written to.
    pub(super) witness_slot: usize,
    /// The slot of the last segment that may be written to.
    pub(super) segment_slot: usize,
    /// Of the witness and of the list of retired segments.
    pub(super) damage: Vec<Damage>,
    /// Files that a crash left.
    pub(super) leftovers: Vec<String>,
}

impl Layout {
    /// Reads it; nothing when the folder has no journal.
    pub(super) fn read(disk: &dyn Disk) -> Result<Option<Layout>, OpenError> {
        // The witness before the names: beside a writer, what it claims is then among them.
        let witness = read_slots(disk, WITNESS_FILE, WITNESS_SLOTS)?;
        let names = disk.names().map_err(IoFault::to("read", ""))?;
        let mut segments: Vec<u64> = names.iter().filter_map(|name| segment_number(name)).collect();
        segments.sort_unstable();
        let mut damage = Vec::new();

        let retired = match read_retired(disk, &names)? {
            Ok(retired) => retired,
            Err(RetiredError::Newer { version }) => return Err(newer(RETIRED_FILE.to_owned(), version)),
            Err(RetiredError::Damaged) => {
                damage.push(of_all(Reason::Retired));
                Retired::default()
            }
        };
        let mut leftovers: Vec<String> = names.iter().filter(|name| is_unfinished(name)).cloned().collect();
        leftovers.extend(segments.extract_if(.., |number| retired.has(*number)).map(segment_file));

        if segments.is_empty() && witness.is_none() && retired.ranges().is_empty() && damage.is_empty() {
            return Ok(None);
        }
        let witness = witness.unwrap_or_default();
        let mut headers = Headers { disk, segments: &segments };
        let salt = match witness.iter().flatten().map(|witness| witness.salt).next() {
            Some(salt) => salt,
            None => headers.salt()?.ok_or_else(|| OpenError::Unreadable { folder: disk.name() })?,
        };
        let witness = witness.map(|slot| slot.filter(|slot| slot.salt == salt));
        let mut slots = <[Option<Witness>; 2]>::default();
        if let Some(last) = segments.last() {
            headers.refuse_newer(*last)?;
            slots = read_slots(disk, &segment_file(*last), SEGMENT_SLOTS)?.unwrap_or_default();
            slots = slots.map(|slot| slot.filter(|slot| slot.salt == salt && slot.end.segment == *last));
        }
        // The first segment is made before the witness, and the witness before the first commit: a
        // crash in between has lost nothing.
        let begun = segments == [1] && slots.iter().flatten().all(|slot| slot.records == 0);
        let slots_lost = slots == [None; 2] && !segments.is_empty();
        if (witness == [None; 2] && !begun) || slots_lost {
            damage.push(of_all(Reason::Witness));
        }

        let newest = |slots: [Option<Witness>; 2]| slots.into_iter().flatten().max_by_key(|slot| slot.sequence);
        let all = [newest(witness), newest(slots)];
        let claim = all.into_iter().flatten().max_by_key(|slot| (slot.end, slot.sequence));
        let sequence = all.iter().flatten().map(|slot| slot.sequence).max().unwrap_or(0);
        Ok(Some(Layout {
            salt,
            retired,
            // Unless a commit came after it, whose witness was then lost.
            closed: newest(witness).is_some_and(|slot| {
                slot.state == WitnessState::Closed && newest(slots).is_none_or(|other| other.sequence < slot.sequence)
            }),
            slots_lost,
            sequence: sequence.saturating_add(1),
            witness_slot: older(witness),
            segment_slot: older(slots),
            claim,
            damage,
            leftovers,
            segments,
        }))
    }
}

impl Layout {
    /// Of a journal whose end is known, so that no witness needs to say it.
    pub(super) fn known(salt: u64, segments: Vec<u64>, retired: Retired) -> Layout {
        Layout {
            salt,
            segments,
            retired,
            claim: None,
            closed: false,
            slots_lost: false,
            sequence: 0,
            witness_slot: 0,
            segment_slot: 0,
            damage: Vec::new(),
            leftovers: Vec::new(),
        }
    }
}

/// Damage that has no place in a segment.
fn of_all(reason: Reason) -> Damage {
    Damage { at: Position::START, bytes: 0, records: 0..0, reason }
}

fn newer(file: String, found: u32) -> OpenError {
    OpenError::Newer { file, found, supported: VERSION }
}

/// The slot to be written next: never the one that speaks.
fn older(slots: [Option<Witness>; 2]) -> usize {
    usize::from(slots[1].map(|slot| slot.sequence) < slots[0].map(|slot| slot.sequence))
}

fn read_retired(disk: &dyn Disk, names: &[String]) -> Result<Result<Retired, RetiredError>, IoFault> {
    if !names.iter().any(|name| name == RETIRED_FILE) {
        return Ok(Ok(Retired::default()));
    }
    let read = || {
        let file = disk.open(RETIRED_FILE, Access::Read)?;
        let mut bytes = vec![0; file.length()?.min(RETIRED_BYTES_MAX) as usize];
        let read = read_full(&*file, &mut bytes, 0)?;
        bytes.truncate(read);
        Ok(Retired::decode(&bytes))
    };
    read().map_err(IoFault::to("read", RETIRED_FILE))
}

/// Nothing when there is no such file.
fn read_slots(disk: &dyn Disk, name: &str, offsets: [u64; 2]) -> Result<Option<[Option<Witness>; 2]>, IoFault> {
    let file = match disk.open(name, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(IoFault::to("open", name)(error)),
    };
    let mut slots = [None; 2];
    for (slot, offset) in slots.iter_mut().zip(offsets) {
        let mut bytes = [0; SLOT_BYTES];
        *slot = match read_full(&*file, &mut bytes, offset) {
            Ok(read) => Witness::decode(&bytes[..read]),
            // The other slot may speak. Where the disk gives no bytes, none is there.
            Err(_) => None,
        };
    }
    Ok(Some(slots))
}

/// Reads the header of a segment that is open.
pub(super) fn read_header(file: &dyn DiskFile) -> io::Result<Result<SegmentHeader, HeaderError>> {
    let mut bytes = [0; HEADER_BYTES];
    let read = read_full(file, &mut bytes, 0)?;
    Ok(SegmentHeader::decode(&bytes[..read]))
}

struct Headers<'a> {
    disk: &'a dyn Disk,
    segments: &'a [u64],
}

impl Headers<'_> {
    fn read(&self, number: u64) -> Option<Result<SegmentHeader, HeaderError>> {
        let file = self.disk.open(&segment_file(number), Access::Read).ok()?;
        read_header(&*file).ok()
    }

    /// The first that a header says.
    fn salt(&mut self) -> Result<Option<u64>, OpenError> {
        for number in self.segments {
            self.refuse_newer(*number)?;
            if let Some(Ok(header)) = self.read(*number) {
                return Ok(Some(header.salt));
            }
        }
        Ok(None)
    }

    fn refuse_newer(&self, number: u64) -> Result<(), OpenError> {
        match self.read(number) {
            Some(Err(HeaderError::Newer { version })) => Err(newer(segment_file(number), version)),
            _ => Ok(()),
        }
    }
}

/// The refusal of a segment of a later format.
pub(super) fn newer_segment(number: u64, version: u32) -> OpenError {
    newer(segment_file(number), version)
}
