//! Damage at rest, on the real disk: each byte flipped, each file cut or gone. It is opened and
//! named, or refused in words; the rest is served; never a panic, and never records missing
//! without a word.

use std::fs;
use std::ops::Range;
use std::path::Path;

use finis_store::journal::{Content, Journal, OpenError, Position, Reader, Reason, Record, Scanned, Settings};

use crate::model::{check_entry, content, records};

const COUNT: u64 = 24;

fn settings() -> Settings {
    Settings { segment_bytes: 14_200, reserve_bytes: 0, free_bytes_min: 0 }
}

/// A journal of a few segments, closed or as a crash leaves it.
fn a_journal(folder: &Path, closed: bool) {
    let (mut journal, _) = Journal::open(folder, settings(), Position::START).unwrap();
    for first in (0..COUNT).step_by(3) {
        journal.append(&records(first, 3)).unwrap();
    }
    assert_eq!(journal.segments().unwrap().len(), 3);
    if closed {
        journal.close().unwrap();
    } else {
        drop(journal);
    }
}

/// What somebody learns who opens a journal and reads all of it.
struct Seen {
    records: Vec<u64>,
    /// Numbers of records whose bodies are said to be damaged.
    bodies: Vec<u64>,
    words: Vec<String>,
    lost: Vec<Range<u64>>,
}

/// Reads without writing. Nothing when it is refused.
fn read(folder: &Path) -> Option<Seen> {
    let mut seen = Seen { records: Vec::new(), bodies: Vec::new(), words: Vec::new(), lost: Vec::new() };
    let scan = match Reader::open(folder).and_then(|reader| reader.scan(Position::START)) {
        Ok(scan) => scan,
        Err(OpenError::Newer { .. } | OpenError::Unreadable { .. } | OpenError::NotThere { .. }) => return None,
        Err(error) => panic!("{error}"),
    };
    for item in scan {
        match item {
            Ok(Scanned::Record(entry)) if entry.body == Content::Damaged => {
                assert!(content(entry.number).is_some());
                seen.bodies.push(entry.number);
            }
            Ok(Scanned::Record(entry)) => {
                check_entry(&entry);
                seen.records.push(entry.number);
            }
            Ok(Scanned::Damage(damage)) => {
                seen.words.push(damage.to_string());
                seen.lost.push(damage.records);
            }
            Err(OpenError::Newer { .. }) => return None,
            Err(error) => panic!("{error}"),
        }
    }
    Some(seen)
}

/// All is there, or what is not there is named; `last` more may be gone without a word.
#[track_caller]
fn check(seen: &Seen, last: u64, what: &str) {
    let words = &seen.words;
    assert!(seen.records.is_sorted_by(|left, right| left < right), "{what}");
    for number in 0..COUNT {
        let there = seen.records.contains(&number) || (seen.bodies.contains(&number) && !words.is_empty());
        let named = seen.lost.iter().any(|lost| lost.contains(&number));
        // Where the end of the journal is gone, the numbers are not known, or only the least of them.
        let told = words.iter().any(|words| words.contains("more was written") || words.contains("file is not there"));
        let told = told || (!words.is_empty() && seen.lost.iter().all(Range::is_empty));
        let exempt = number >= COUNT - last;
        assert!(there || named || told || exempt, "{what}: {number} is missing without a word: {words:?}");
        assert!(!(seen.records.contains(&number) && named), "{what}: {number} is there and called lost: {words:?}");
    }
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = entries.filter(|name| name != "lock").collect();
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).unwrap();
    for name in files(from) {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

/// A writer opens it, says the same, and goes on with what is left.
#[track_caller]
fn open_and_go_on(folder: &Path, last: u64, what: &str) {
    let opened = Journal::open(folder, settings(), Position::START);
    let (mut journal, report) = match opened {
        Ok(opened) => opened,
        Err(OpenError::Newer { .. } | OpenError::Unreadable { .. }) => return,
        Err(error) => panic!("{what}: {error}"),
    };
    let before = read(folder).unwrap();
    let damaged = !report.damage.is_empty();
    let missing = COUNT - before.records.len() as u64;
    assert!(damaged || missing <= last, "{what}: {missing} are missing: {report:?}");
    let next = journal.records();
    let place = journal.append(&records(next, 2)).unwrap();
    check_entry(&journal.read(place[1]).unwrap());
    journal.close().unwrap();
    let after = read(folder).unwrap();
    assert_eq!(after.records[..before.records.len()], before.records, "{what}");
    assert_eq!(after.records[before.records.len()..], [next, next + 1], "{what}");
}

fn every_flip(closed: bool) {
    let (original, damaged) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    a_journal(original.path(), closed);
    let damaged = damaged.path().join("journal");
    let last = if closed { 0 } else { 3 };
    let (mut flips, mut seen_flips) = (0, 0);
    for name in files(original.path()) {
        let bytes = fs::read(original.path().join(&name)).unwrap();
        copy(original.path(), &damaged);
        for at in 0..bytes.len() {
            // Of long stretches of zeros, not every one.
            let around = &bytes[at.saturating_sub(64)..bytes.len().min(at + 64)];
            if around.iter().all(|byte| *byte == 0) && at % 97 != 0 {
                continue;
            }
            flips += 1;
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(damaged.join(&name), &flipped).unwrap();
            let what = format!("`{name}`, byte {at}");
            let Some(seen) = read(&damaged) else { continue };
            seen_flips += u64::from(!seen.words.is_empty());
            check(&seen, last, &what);
            if at % 53 == 0 {
                open_and_go_on(&damaged, last, &what);
                copy(original.path(), &damaged);
            }
        }
        fs::write(damaged.join(&name), &bytes).unwrap();
    }
    assert!(seen_flips > 2_000, "{seen_flips} of {flips}");
}

#[test]
fn every_byte_of_a_closed_journal_flipped() {
    every_flip(true);
}

#[test]
fn every_byte_of_a_journal_after_a_crash_flipped() {
    every_flip(false);
}

fn every_cut_and_wipe(closed: bool) {
    let (original, damaged) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    a_journal(original.path(), closed);
    let damaged = damaged.path().join("journal");
    let last = if closed { 0 } else { 3 };
    for name in files(original.path()) {
        let bytes = fs::read(original.path().join(&name)).unwrap();
        let lengths = (0..bytes.len()).filter(|length| length % 127 == 0 || (12_280..12_400).contains(length));
        for length in lengths {
            copy(original.path(), &damaged);
            fs::write(damaged.join(&name), &bytes[..length]).unwrap();
            let what = format!("`{name}` cut to {length}");
            if let Some(seen) = read(&damaged) {
                check(&seen, last, &what);
            }
            open_and_go_on(&damaged, last, &what);
        }
        for sector in 0..bytes.len().div_ceil(512) {
            let range = sector * 512..bytes.len().min(sector * 512 + 512);
            if bytes[range.clone()].iter().all(|byte| *byte == 0) {
                continue;
            }
            for fill in [0, 0xFF] {
                copy(original.path(), &damaged);
                let mut wiped = bytes.clone();
                wiped[range.clone()].fill(fill);
                fs::write(damaged.join(&name), wiped).unwrap();
                let what = format!("`{name}`, sector {sector} filled with {fill}");
                if let Some(seen) = read(&damaged) {
                    check(&seen, last, &what);
                }
                open_and_go_on(&damaged, last, &what);
            }
        }
        copy(original.path(), &damaged);
        fs::remove_file(damaged.join(&name)).unwrap();
        let what = format!("`{name}` removed");
        let seen = read(&damaged).unwrap();
        assert!(!seen.words.is_empty(), "{what}");
        check(&seen, last, &what);
        open_and_go_on(&damaged, last, &what);
    }
}

#[test]
fn every_file_of_a_closed_journal_cut_wiped_or_removed() {
    every_cut_and_wipe(true);
}

#[test]
fn every_file_of_a_journal_after_a_crash_cut_wiped_or_removed() {
    every_cut_and_wipe(false);
}

#[test]
fn two_files_in_each_others_place() {
    let folder = tempfile::tempdir().unwrap();
    a_journal(folder.path(), true);
    let path = |name: &str| folder.path().join(name);
    fs::rename(path("00000001.log"), path("x")).unwrap();
    fs::rename(path("00000002.log"), path("00000001.log")).unwrap();
    fs::rename(path("x"), path("00000002.log")).unwrap();
    let seen = read(folder.path()).unwrap();
    assert!(seen.words.iter().any(|words| words.contains("another segment")), "{:?}", seen.words);
    check(&seen, 0, "swapped");
    open_and_go_on(folder.path(), 0, "swapped");
}

#[test]
fn an_index_that_knows_more_than_the_journal_has() {
    let folder = tempfile::tempdir().unwrap();
    a_journal(folder.path(), false);
    let more = Position { segment: 3, offset: 1 << 20 };
    let (journal, report) = Journal::open(folder.path(), settings(), more).unwrap();
    let [damage] = &report.damage[..] else { panic!("{report:?}") };
    assert!(damage.to_string().ends_with("the journal ends here, and more was written"), "{damage}");
    assert_eq!(journal.records(), COUNT);
    drop(journal);
    let more = Position { segment: 9, offset: 1 << 20 };
    let (_, report) = Journal::open(folder.path(), settings(), more).unwrap();
    let words = report.damage.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(words.iter().any(|words| words.contains("the file is not there")), "{words:?}");
}

/// Damage is told in words that name segment, offset and what is lost.
#[test]
fn words() {
    let folder = tempfile::tempdir().unwrap();
    a_journal(folder.path(), true);
    let path = folder.path().join("00000002.log");
    let mut bytes = fs::read(&path).unwrap();
    bytes[12_288 + 60] ^= 1;
    fs::write(&path, &bytes).unwrap();
    fs::remove_file(folder.path().join("00000001.log")).unwrap();
    let seen = read(folder.path()).unwrap();
    let first = seen.records[0];
    let words = [
        format!("segment 1: the file is not there; records 0 to {} are lost", first - 4),
        format!(
            "segment 2, offset 12288, {} bytes: the checksum of the frame's heads does not hold; records {} to {} are lost",
            seen.words[1].split(' ').nth(4).unwrap(),
            first - 3,
            first - 1
        ),
    ];
    // The first is lost with its segment, so its numbers are not known but by the next.
    assert_eq!(seen.words[1], words[1]);
    assert!(words[0].starts_with(seen.words[0].split(';').next().unwrap()), "{:?}", seen.words);
}

/// Two copies of a journal go on with different records of the same length. A frame of one in the
/// place of the same frame of the other is sound in itself; the chain tells.
#[test]
fn a_frame_of_another_history() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, other) = (one.path().join("journal"), other.path().join("journal"));
    let open = |folder: &Path| Journal::open(folder, settings(), Position::START).unwrap();
    let append = |journal: &mut Journal, head: &[u8]| {
        journal.append(&[Record { head: head.to_vec(), body: None }]).unwrap()[0].frame
    };
    let mut journal = open(&one).0;
    append(&mut journal, b"the same in both");
    drop(journal);
    fs::create_dir(&other).unwrap();
    copy(&one, &other);
    let mut frames = Vec::new();
    for (folder, heads) in [(&one, [b"one", b"two", b"six"]), (&other, [b"uno", b"due", b"sei"])] {
        let mut journal = open(folder).0;
        frames = heads.map(|head| append(&mut journal, head)).to_vec();
        journal.close().unwrap();
    }
    let name = "00000001.log";
    let mut bytes = fs::read(one.join(name)).unwrap();
    let foreign = frames[1].offset as usize..frames[2].offset as usize;
    bytes[foreign.clone()].copy_from_slice(&fs::read(other.join(name)).unwrap()[foreign]);
    fs::write(one.join(name), bytes).unwrap();
    let (_, report) = open(&one);
    let found: Vec<_> = report.damage.iter().map(|damage| (damage.at, &damage.reason)).collect();
    assert_eq!(found, [(frames[1], &Reason::Chain), (frames[2], &Reason::Chain)]);
}

/// A journal was closed and opened again, and of its witness only the older slot is left, which says
/// that it was closed.
#[test]
fn a_mark_of_closing_that_is_out_of_date() {
    let folder = tempfile::tempdir().unwrap();
    a_journal(folder.path(), true);
    let (mut journal, report) = Journal::open(folder.path(), settings(), Position::START).unwrap();
    assert!(report.closed);
    journal.append(&records(COUNT, 1)).unwrap();
    drop(journal);
    let path = folder.path().join("witness");
    let mut bytes = fs::read(&path).unwrap();
    for slot in [0, 4096] {
        if bytes[slot + 3] == 0 {
            bytes[slot..slot + 64].fill(0);
        }
    }
    fs::write(&path, bytes).unwrap();
    let (journal, report) = Journal::open(folder.path(), settings(), Position::START).unwrap();
    assert!(!report.closed && report.damage.is_empty(), "{report:?}");
    assert_eq!(journal.records(), COUNT + 1);
}
