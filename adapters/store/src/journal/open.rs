//! Opening a journal for writing: what a crash left is put in order, what is damaged is named.

use std::path::Path;
use std::sync::Arc;

use super::codec::{Chain, Draft, Retired, SegmentHeader, Witness, WitnessState};
use super::damage::{Damage, Reason};
use super::disk::{Access, Disk, DiskFile, Folder, LockError, read_full};
use super::error::{IoFault, JournalError, OpenError};
use super::layout::{FRAMES_START, LOCK_FILE, Layout, SEGMENT_SLOTS, WITNESS_FILE};
use super::place::Position;
use super::reader::Reader;
use super::space::Space;
use super::walk::{Entries, Expected, Route, Step, Tail, Walk, gaps};
use super::writer::{Active, Journal, Settings, WitnessFile, make_segment, open_segment};
use crate::crash::crash_point;

/// Copied at once.
const COPY_BYTES: usize = 1 << 20;

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "damage that nobody looks at is records missing without a word"]
pub struct Report {
    /// What is damaged, past the position that was asked for. Empty when all is there.
    pub damage: Vec<Damage>,
    /// A commit that a crash cut off: where it began and how many bytes of it there were. It was
    /// never acknowledged, and is gone now.
    pub torn: Option<(Position, u64)>,
    /// The journal had been closed.
    pub closed: bool,
    /// Records that were read and are sound in head and body.
    pub records: u64,
}

impl Journal {
    /// Opens the journal in a folder, or makes one. `from` is the watermark of the index: all before
    /// it is known there and not read again; [`Position::START`] reads all. That the journal goes
    /// as far as that is checked.
    ///
    /// # Errors
    /// When another writer has it, when it is of a later format, or when it cannot be read. Damage
    /// is no error: it is in the report, and the rest can be read and appended to.
    pub fn open(folder: &Path, settings: Settings, from: Position) -> Result<(Journal, Report), OpenError> {
        let disk = Folder::make(folder).map_err(IoFault::to("make", ""))?;
        Journal::open_on(Arc::new(disk), settings, from)
    }

    /// As [`Journal::open`], on any disk.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_on(disk: Arc<dyn Disk>, settings: Settings, from: Position) -> Result<(Journal, Report), OpenError> {
        let lock = disk.lock(LOCK_FILE).map_err(|error| match error {
            LockError::Held { pid } => OpenError::Held { folder: disk.name(), pid },
            LockError::Io(error) => IoFault::to("lock", LOCK_FILE)(error).into(),
        })?;
        crash_point!("journal.locked");
        let mut report = Report::default();
        let opened = match Layout::read(&*disk)? {
            Some(layout) => recover(&disk, &layout, from, &mut report)?,
            None => begin(&*disk)?,
        };
        crash_point!("journal.recovered");
        let space = Space::new(settings.free_bytes_min, settings.reserve_bytes);
        let mut journal = Journal {
            reader: Reader::new(Arc::clone(&disk), opened.salt),
            salt: opened.salt,
            segments: opened.segments,
            retired: opened.retired,
            records: opened.expected.records,
            chain: opened.expected.chain,
            active: opened.active,
            witness: opened.witness,
            space,
            settings,
            broken: false,
            draft: Draft::default(),
            buffer: Vec::new(),
            _lock: lock,
            disk,
        };
        // What is there now is durable, and its loss would be seen.
        journal.write_witness(WitnessState::Running).map_err(only_io)?;
        for file in &opened.leftovers {
            journal.disk.remove(file).map_err(IoFault::to("remove", file))?;
            crash_point!("journal.leftover-removed");
        }
        journal.space.hold(&*journal.disk)?;
        crash_point!("journal.opened");
        Ok((journal, report))
    }
}

/// The writing of the witness has no other error than this.
fn only_io(error: JournalError) -> OpenError {
    match error {
        JournalError::Io(fault) => OpenError::Io(fault),
        other => OpenError::Io(IoFault { file: String::new(), doing: "open", error: std::io::Error::other(other) }),
    }
}

struct Opened {
    salt: u64,
    segments: Vec<u64>,
    retired: Retired,
    expected: Expected,
    active: Active,
    witness: WitnessFile,
    leftovers: Vec<String>,
}

/// Makes a journal. The segment comes first: a witness without one would claim what never was.
fn begin(disk: &dyn Disk) -> Result<Opened, OpenError> {
    let salt = disk.salt().map_err(IoFault::to("make a salt for", ""))?;
    let expected = Expected { records: 0, chain: Chain::start(salt) };
    let active = begin_segment(disk, salt, Position::START, expected, 1)?;
    Ok(Opened {
        salt,
        segments: vec![1],
        retired: Retired::default(),
        expected,
        active,
        witness: open_witness(disk, 0, 2)?,
        leftovers: Vec::new(),
    })
}

/// Makes the segment after `previous`.
fn begin_segment(
    disk: &dyn Disk,
    salt: u64,
    previous: Position,
    expected: Expected,
    sequence: u64,
) -> Result<Active, IoFault> {
    let Expected { records, chain } = expected;
    let (number, previous_end) = (previous.segment + 1, previous.offset);
    let header = SegmentHeader { salt, number, first: records, previous_end, chain };
    // More space is taken by the first commit: opening must work on a full disk.
    make_segment(disk, &header, sequence, FRAMES_START)
}

fn open_witness(disk: &dyn Disk, slot: usize, sequence: u64) -> Result<WitnessFile, IoFault> {
    let file = match disk.open(WITNESS_FILE, Access::Write) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let file = disk.create(WITNESS_FILE).map_err(IoFault::to("make", WITNESS_FILE))?;
            crash_point!("witness.made");
            disk.sync_names().map_err(IoFault::to("sync", ""))?;
            file
        }
        file => file.map_err(IoFault::to("open", WITNESS_FILE))?,
    };
    Ok(WitnessFile { file, slot, sequence })
}

fn recover(disk: &Arc<dyn Disk>, layout: &Layout, from: Position, report: &mut Report) -> Result<Opened, OpenError> {
    let mut tail = check(disk, layout, from, report)?;
    // Nor is a segment written to that has lost its header or its slots.
    let lost = |damage: &Damage| damage.at.segment == tail.at.segment && damage.at.offset < FRAMES_START;
    tail.damaged |= layout.slots_lost || report.damage.iter().any(lost);
    let expected = tail.expected.unwrap_or(Expected { records: 0, chain: Chain::start(layout.salt) });
    let mut opened = Opened {
        salt: layout.salt,
        segments: layout.segments.clone(),
        retired: layout.retired.clone(),
        expected,
        witness: open_witness(&**disk, layout.witness_slot, layout.sequence + 1)?,
        active: if tail.damaged {
            begin_segment(&**disk, layout.salt, tail.at, expected, layout.sequence)?
        } else {
            open_segment(&**disk, tail.at, layout.segment_slot)?
        },
        leftovers: layout.leftovers.clone(),
    };
    if tail.damaged {
        // What is damaged stays as it is, for whoever wants to look at it.
        opened.segments.push(opened.active.end.segment);
    } else {
        if tail.torn_bytes > 0 {
            report.torn = Some((tail.at, tail.torn_bytes));
            let cut = opened.active.file.set_length(tail.at.offset);
            cut.map_err(IoFault::to("shorten", &opened.active.name))?;
            opened.active.reserved = tail.at.offset;
            crash_point!("journal.torn-cut");
        }
        if !layout.closed {
            settle(layout, &mut opened)?;
            disk.sync_names().map_err(IoFault::to("sync", ""))?;
        }
    }
    Ok(opened)
}

/// Reads what is past `from`, and at most one frame before it.
fn check(disk: &Arc<dyn Disk>, layout: &Layout, from: Position, report: &mut Report) -> Result<Tail, OpenError> {
    report.closed = layout.closed;
    report.damage.extend(layout.damage.iter().cloned());
    // The chain goes on from what a witness says; where none does, from the header of the segment.
    let start = match layout.claim {
        Some(claim) => from.min(claim.end),
        None => Position { offset: 0, ..from },
    };
    report.damage.extend(missing_before(layout, start.segment));
    let route = Route { from: start, until: None, known: from, entries: Entries::None };
    let mut walk = Walk::new(Arc::clone(disk), layout.clone(), route);
    while let Some(step) = walk.step()? {
        match step {
            Step::Frame(found) => report.records += found.next.records - found.first,
            Step::Damage(damage) => report.damage.push(damage),
        }
    }
    let nowhere = Tail { at: start, expected: None, torn_bytes: 0, damaged: true };
    Ok(walk.tail().unwrap_or(nowhere))
}

/// Segments before `end` that are neither there nor retired. That takes no reading.
fn missing_before(layout: &Layout, end: u64) -> Vec<Damage> {
    let mut damage = Vec::new();
    let mut next = 1;
    let present = layout.segments.iter().copied().filter(|number| *number < end);
    for number in present.chain([end]) {
        for (first, last) in gaps(layout.retired.ranges(), next, number) {
            let at = Position { segment: first, offset: 0 };
            damage.push(Damage { at, bytes: 0, records: 0..0, reason: Reason::Missing { last } });
        }
        next = number.saturating_add(1);
    }
    damage
}

/// Writes again what no witness claims, and syncs it. A sync that failed can leave frames that are
/// read well from memory and are nowhere on the disk.
fn settle(layout: &Layout, opened: &mut Opened) -> Result<(), OpenError> {
    let Opened { active, expected, salt, .. } = opened;
    let claimed = layout.claim.map(|claim| claim.end).filter(|end| end.segment == active.end.segment);
    let mut offset = claimed.map_or(FRAMES_START, |end| end.offset);
    let mut bytes = vec![0; COPY_BYTES.min((active.end.offset.saturating_sub(offset)) as usize)];
    let fault = |error| IoFault::to("write", &active.name)(error);
    while offset < active.end.offset {
        let length = bytes.len().min((active.end.offset - offset) as usize);
        let part = &mut bytes[..length];
        read_full(&*active.file, part, offset).map_err(fault)?;
        active.file.write_all_at(part, offset).map_err(fault)?;
        crash_point!("journal.settling");
        offset += length as u64;
    }
    let slot = Witness {
        salt: *salt,
        sequence: layout.sequence,
        end: active.end,
        records: expected.records,
        chain: expected.chain,
        state: WitnessState::Running,
    };
    let file: &dyn DiskFile = &*active.file;
    file.write_all_at(&slot.encode(), SEGMENT_SLOTS[active.slot]).and_then(|()| file.sync()).map_err(fault)?;
    crash_point!("journal.settled");
    active.slot ^= 1;
    Ok(())
}
