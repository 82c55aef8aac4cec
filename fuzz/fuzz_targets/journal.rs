//! Any bytes as a frame of a journal, and any change to the files of one.
//!
//! A frame is made of the bytes, with its checksums as they must be, so that lengths can lie: it is
//! read without panic, and no length is believed. Then the bytes are changes to the files of a
//! closed journal: it is refused in words, or each record is what it was, or is named as damaged.

#![no_main]

use std::sync::{Arc, LazyLock};

use finis_store::journal::codec::{FRAME_HEADER_BYTES, Marker, Retired, SegmentHeader, Witness, decode};
use finis_store::journal::{Access, Content, Disk, Journal, OpenError, Position, Reader, Scanned, Settings};
use libfuzzer_sys::fuzz_target;

#[path = "../../adapters/store/tests/journal/model.rs"]
#[allow(dead_code, unreachable_pub)]
mod model;
#[path = "../../adapters/store/tests/journal/sim.rs"]
#[allow(dead_code, unreachable_pub)]
mod sim;

use sim::Sim;

const AT: Position = Position { segment: 1, offset: 12_288 };
const RECORDS: u64 = 24;

/// Changes of one input that are made. More would leave nothing to look at.
const CHANGES_MAX: usize = 16;

/// A closed journal of three segments.
static JOURNAL: LazyLock<Sim> = LazyLock::new(|| {
    let sim = Sim::new();
    let (mut journal, _) = Journal::open_on(Arc::new(sim.clone()), settings(), Position::START).unwrap();
    for first in (0..RECORDS).step_by(3) {
        journal.append(&model::records(first, 3)).unwrap();
    }
    assert_eq!(journal.segments().unwrap().len(), 3);
    journal.close().unwrap();
    sim
});

fn settings() -> Settings {
    Settings { segment_bytes: 14_200, reserve_bytes: 0, free_bytes_min: 0 }
}

fuzz_target!(|data: &[u8]| {
    read(data);
    read(&framed(data));
    change(data);
});

/// Anything that can be read from bytes.
fn read(bytes: &[u8]) {
    let _ = (SegmentHeader::decode(bytes), Witness::decode(bytes), Retired::decode(bytes));
    let Ok(frame) = decode(bytes, Marker::new(7, AT)) else { return };
    assert!(frame.header.frame_bytes() <= bytes.len());
    for (record, state) in &frame.records {
        if let (Some(slot), Some(finis_store::journal::codec::SlotState::Here(stored))) = (record.slot, state) {
            let _ = slot.content(stored);
        }
    }
}

/// The bytes, with marker and checksums as a frame has them.
fn framed(data: &[u8]) -> Vec<u8> {
    let mut frame = data.to_vec();
    frame.resize(data.len().max(FRAME_HEADER_BYTES), 0);
    let mut encoded = Vec::new();
    let nothing = finis_store::journal::codec::Chain([0; 16]);
    let one = [model::record(0)];
    if finis_store::journal::codec::encode(&one, 0, nothing, Marker::new(7, AT), &mut encoded).is_ok() {
        frame[..8].copy_from_slice(&encoded[..8]);
    }
    let heads = u32::from_le_bytes([frame[12], frame[13], frame[14], frame[15]]) as usize;
    if let Some(heads) = frame.get(FRAME_HEADER_BYTES..).and_then(|rest| rest.get(..heads)) {
        let sum = crc32c::crc32c(heads);
        frame[20..24].copy_from_slice(&sum.to_le_bytes());
    }
    let sum = crc32c::crc32c(&frame[..52]);
    frame[52..56].copy_from_slice(&sum.to_le_bytes());
    frame
}

/// Changes files, and looks at what is left: first without writing, then as a writer.
fn change(data: &[u8]) {
    let Some(sim) = JOURNAL.crashed(1, 1).pop() else { return };
    let mut names = sim.names().unwrap();
    names.sort();
    // Which file, whether to cut it, where, and with what.
    for change in data.chunks_exact(5).take(CHANGES_MAX) {
        let [name, how, low, high, value] = change else { continue };
        let name = &names[usize::from(*name) % names.len()];
        let Ok(file) = sim.open(name, Access::Write) else { continue };
        let at = u64::from(u16::from_le_bytes([*low, *high])) % file.length().unwrap().max(1);
        match how % 16 {
            0 => file.set_length(at).unwrap(),
            1 => sim.remove(name).unwrap(),
            // Where something is, more often than not.
            2..=8 => file.write_all_at(&[*value], 12_288 + at % 2_000).unwrap(),
            9..=11 => file.write_all_at(&[*value], (at % 3) * 4096 + u64::from(*value) % 64).unwrap(),
            _ => file.write_all_at(&[*value], at).unwrap(),
        }
    }
    if sim.names().unwrap().is_empty() {
        return; // nothing is left to say that anything was
    }
    let disk: Arc<dyn Disk> = Arc::new(sim);
    look(Reader::open_on(Arc::clone(&disk)).and_then(|reader| reader.scan(Position::START)));
    match Journal::open_on(disk, settings(), Position::START) {
        Ok((mut journal, report)) => {
            let next = journal.records();
            let complete = look(Ok(journal.scan(Position::START)));
            assert!(complete || !report.damage.is_empty(), "{report:?}");
            let place = journal.append(&model::records(next, 1)).unwrap();
            model::check_entry(&journal.read(place[0]).unwrap());
        }
        Err(error) => refused(&error),
    }
}

/// Whether all records are there. None is other than it was, and none is missing without a word.
fn look(scan: Result<impl Iterator<Item = Result<Scanned, OpenError>>, OpenError>) -> bool {
    let scan = match scan {
        Ok(scan) => scan,
        Err(error) => {
            refused(&error);
            return false;
        }
    };
    let (mut count, mut damaged) = (0, false);
    for item in scan {
        match item {
            Ok(Scanned::Record(entry)) if entry.body == Content::Damaged => damaged = true,
            Ok(Scanned::Record(entry)) => {
                model::check_entry(&entry);
                count += 1;
            }
            Ok(Scanned::Damage(damage)) => {
                assert!(!damage.to_string().is_empty());
                damaged = true;
            }
            Err(error) => {
                refused(&error);
                return false;
            }
        }
    }
    count == RECORDS && !damaged
}

fn refused(error: &OpenError) {
    let expected = matches!(error, OpenError::Newer { .. } | OpenError::Unreadable { .. } | OpenError::NotThere { .. });
    assert!(expected, "{error}: {:?}", std::error::Error::source(error));
}
