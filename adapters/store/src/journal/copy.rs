//! Copying a journal while it is written: what is there up to the end of a frame, and nothing after it.

use std::io;
use std::sync::Arc;

use super::codec::{Chain, SLOT_BYTES, Witness, WitnessState};
use super::damage::{Damage, Reason};
use super::disk::{Access, Disk, read_full};
use super::error::{IoFault, OpenError};
use super::layout::{Layout, RETIRED_FILE, SEGMENT_SLOTS, WITNESS_FILE, WITNESS_SLOTS, segment_file};
use super::place::Position;
use super::reader::Reader;
use super::walk::{Entries, Route, Step, Tail, Walk};

/// Read at once.
const PART_BYTES: usize = 1 << 20;

/// What a copy has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Segments.
    pub segments: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Records whose heads are sound.
    pub records: u64,
    /// Where it ends.
    pub end: Position,
    /// The chain there.
    pub chain: Chain,
    /// What is damaged, here as there.
    pub damage: Vec<Damage>,
}

impl Reader {
    /// Copies the journal to an empty disk, durably when this returns, and reads the copy to see that it is one.
    /// It is closed, and ends with the last frame that was found. Works beside a writer.
    ///
    /// Nothing when the writer let go of a segment meanwhile, or erased something: to be tried again, on a disk
    /// that is empty once more.
    ///
    /// # Errors
    /// When one cannot be read, or the other not written; [`OpenError::Unreadable`] when the end of the journal
    /// is damaged, so that nobody knows what it ends with.
    pub fn copy_to(&self, to: &Arc<dyn Disk>) -> Result<Option<Copied>, OpenError> {
        let layout = Layout::read(&*self.disk)?.ok_or_else(|| OpenError::NotThere { folder: self.disk.name() })?;
        let unreadable = || OpenError::Unreadable { folder: self.disk.name() };
        let (mut copied, tail) = read(&self.disk, &layout)?.ok_or_else(unreadable)?;
        for number in layout.segments.iter().copied().filter(|number| *number <= copied.end.segment) {
            let until = if number == copied.end.segment { copied.end.offset } else { u64::MAX };
            match self.copy_segment(number, until, &**to)? {
                Some(bytes) => copied.bytes += bytes,
                None => return Ok(None),
            }
            copied.segments += 1;
        }
        if !layout.retired.ranges().is_empty() {
            write(&**to, RETIRED_FILE, &layout.retired.encode())?;
        }
        let closing = |sequence, state| Witness {
            salt: layout.salt,
            sequence,
            end: copied.end,
            records: tail.expected.map_or(0, |expected| expected.records),
            chain: copied.chain,
            state,
        };
        write_slots(&**to, copied.end, closing(layout.sequence, WitnessState::Running))?;
        let mut witness = vec![0; WITNESS_SLOTS[1] as usize + SLOT_BYTES];
        for (sequence, slot) in (layout.sequence + 1..).zip(WITNESS_SLOTS) {
            let bytes = closing(sequence, WitnessState::Closed).encode();
            witness[slot as usize..][..SLOT_BYTES].copy_from_slice(&bytes);
        }
        write(&**to, WITNESS_FILE, &witness)?;
        to.sync_names().map_err(IoFault::to("sync", ""))?;
        let copy = Layout::read(&**to)?.ok_or_else(unreadable)?;
        let is_same = |(copy, _): &(Copied, Tail)| {
            (copy.records, copy.end, copy.chain, &copy.damage)
                == (copied.records, copied.end, copied.chain, &copied.damage)
        };
        Ok(read(to, &copy)?.is_some_and(|read| is_same(&read)).then_some(copied))
    }

    /// How many bytes; nothing when it is not there any more.
    fn copy_segment(&self, number: u64, until: u64, to: &dyn Disk) -> Result<Option<u64>, IoFault> {
        let name = segment_file(number);
        let from = match self.disk.open(&name, Access::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            from => from.map_err(IoFault::to("open", &name))?,
        };
        let file = to.create(&name).map_err(IoFault::to("make", &name))?;
        let (mut part, mut offset) = (vec![0; PART_BYTES], 0);
        while offset < until {
            let wanted = PART_BYTES.min(usize::try_from(until - offset).unwrap_or(PART_BYTES));
            let read = read_full(&*from, &mut part[..wanted], offset).map_err(IoFault::to("read", &name))?;
            file.write_all_at(&part[..read], offset).map_err(IoFault::to("write", &name))?;
            offset += read as u64;
            if read < wanted {
                break;
            }
        }
        file.sync().map_err(IoFault::to("sync", &name))?;
        Ok(Some(offset))
    }
}

/// The slots of the last segment, of which the original's speak of what came later.
fn write_slots(to: &dyn Disk, end: Position, slot: Witness) -> Result<(), IoFault> {
    let name = segment_file(end.segment);
    let file = to.open(&name, Access::Write).map_err(IoFault::to("open", &name))?;
    let written = file
        .write_all_at(&slot.encode(), SEGMENT_SLOTS[0])
        .and_then(|()| file.write_all_at(&[0; SLOT_BYTES], SEGMENT_SLOTS[1]))
        .and_then(|()| file.sync());
    written.map_err(IoFault::to("write", &name))
}

/// What is in a journal; nothing when nobody knows how it ends.
fn read(disk: &Arc<dyn Disk>, layout: &Layout) -> Result<Option<(Copied, Tail)>, OpenError> {
    let route = Route { from: Position::START, until: None, known: Position::START, entries: Entries::None };
    let mut walk = Walk::new(Arc::clone(disk), layout.clone(), route);
    let (mut records, mut damage) = (0, Vec::new());
    while let Some(step) = walk.step()? {
        match step {
            Step::Frame(found) => records += found.next.records - found.first,
            // The copy has a witness of its own.
            Step::Damage(found) if matches!(found.reason, Reason::Witness | Reason::Retired) => {}
            Step::Damage(found) => damage.push(found),
        }
    }
    let tail = walk.tail().filter(|tail| !tail.damaged);
    let Some((tail, expected)) = tail.and_then(|tail| Some((tail, tail.expected?))) else { return Ok(None) };
    let copied = Copied { segments: 0, bytes: 0, records, end: tail.at, chain: expected.chain, damage };
    Ok(Some((copied, tail)))
}

fn write(to: &dyn Disk, name: &str, bytes: &[u8]) -> Result<(), IoFault> {
    let file = to.create(name).map_err(IoFault::to("make", name))?;
    file.write_all_at(bytes, 0).and_then(|()| file.sync()).map_err(IoFault::to("write", name))
}
