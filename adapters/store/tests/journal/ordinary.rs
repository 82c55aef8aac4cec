//! A good day: what is appended is read, scanned, erased, retired.

use std::collections::BTreeSet;
use std::sync::Arc;

use finis_store::journal::codec::{BODY_BYTES_MAX, Body, HEAD_BYTES_MAX};
use finis_store::journal::{
    Content, Disk, Journal, JournalError, OpenError, Place, Position, Reader, Reason, Record, Scanned, Settings,
};
use proptest::prelude::*;

use crate::model::{body, check_entry, head, numbers, record, records};
use crate::sim::Sim;

fn settings() -> Settings {
    Settings { segment_bytes: 20_000, reserve_bytes: 4096, free_bytes_min: 4096 }
}

fn open(folder: &tempfile::TempDir) -> Journal {
    let (journal, report) = Journal::open(folder.path(), settings(), Position::START).unwrap();
    assert_eq!(report.damage, []);
    journal
}

#[test]
fn a_journal_on_a_real_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder);
    let mut places = Vec::new();
    for first in (0..100).step_by(10) {
        places.extend(journal.append(&records(first, 10)).unwrap());
    }
    assert!(journal.append(&[]).unwrap().is_empty());
    assert!(journal.segments().unwrap().len() > 1);
    for (number, place) in places.iter().enumerate().rev() {
        let entry = journal.read(*place).unwrap();
        assert_eq!(entry.number, number as u64);
        check_entry(&entry);
        assert_eq!(Place::from_bytes(place.to_bytes()), *place);
    }
    assert_eq!(numbers(journal.scan(Position::START)), (0..100).collect::<Vec<_>>());
    assert_eq!(numbers(journal.scan(places[50].frame)), (50..100).collect::<Vec<_>>());
    assert_eq!(numbers(journal.scan(journal.end())), []);
    let (end, chain) = (journal.end(), journal.chain());
    journal.close().unwrap();

    // From the watermark on, nothing is read again.
    let (journal, report) = Journal::open(folder.path(), settings(), end).unwrap();
    assert!(report.closed);
    assert!(report.records <= 10, "{report:?}");
    assert_eq!((journal.end(), journal.chain(), journal.records()), (end, chain, 100));
    let (journal, report) = {
        drop(journal);
        Journal::open(folder.path(), settings(), places[50].frame).unwrap()
    };
    assert!(!report.closed);
    assert_eq!(report.records, 50);
    assert_eq!((journal.end(), journal.chain()), (end, chain));
}

#[test]
fn erased_bodies_are_gone_and_the_chain_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder);
    let mut places = Vec::new();
    for first in (0..40).step_by(10) {
        places.extend(journal.append(&records(first, 10)).unwrap());
    }
    let secret = b"unheard of, and not to be kept";
    let secret_one = Record { head: head(41), body: Some(Body::new(secret)) };
    places.extend(journal.append(&[record(40), secret_one]).unwrap());
    let whole = journal.weigh(1).unwrap();
    let gone: Vec<Place> = [2, 3, 4, 15, 41, 3].map(|number: usize| places[number]).to_vec();
    journal.erase(&gone).unwrap();
    journal.erase(&gone).unwrap();
    let erased = BTreeSet::from([2, 3, 15]);
    for (number, place) in places[..40].iter().enumerate() {
        assert_eq!(journal.read(*place).unwrap().body, body(number as u64, &erased));
    }
    assert_eq!(journal.read(places[41]).unwrap().body, Content::Erased);
    assert_eq!(journal.read(places[41]).unwrap().head, head(41));
    let less = journal.weigh(1).unwrap();
    assert_eq!(less.live_bytes + less.erased_bytes, whole.live_bytes);
    assert!(less.erased_bytes > 700 && whole.erased_bytes == 0);
    let chain = journal.chain();
    journal.close().unwrap();
    let journal = open(&folder);
    assert_eq!(journal.chain(), chain);
    assert_eq!(numbers(journal.scan(Position::START)).len(), 42);
    for name in Disk::names(&finis_store::journal::Folder::at(folder.path())).unwrap() {
        let bytes = std::fs::read(folder.path().join(&name)).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "`{name}`");
    }
}

#[test]
fn retired_segments_are_gone_and_the_rest_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder);
    let mut places = Vec::new();
    while journal.end().segment < 7 {
        places.extend(journal.append(&records(places.len() as u64, 10)).unwrap());
    }
    assert!(matches!(journal.retire(&[1, 7]), Err(JournalError::InUse { segment: 7 })));
    journal.retire(&[1, 4]).unwrap();
    journal.retire(&[5]).unwrap();
    journal.retire(&[2, 1]).unwrap();
    let left: Vec<_> = journal.segments().unwrap().iter().map(|segment| segment.number).collect();
    assert_eq!(left, [3, 6, 7]);
    let kept = |place: &&Place| left.contains(&place.frame.segment);
    let count = places.iter().filter(kept).count();
    assert_eq!(numbers_with_gaps(&journal).len(), count);
    assert!(matches!(journal.read(places[0]), Err(JournalError::NoSuchRecord(_))));
    let all = journal.records();
    drop(journal);
    let journal = open(&folder);
    assert_eq!(numbers_with_gaps(&journal).len(), count);
    assert_eq!(journal.records(), all);
    // A retired segment is not missed; one that is merely absent is.
    drop(journal);
    std::fs::remove_file(folder.path().join("00000003.log")).unwrap();
    let (_, report) = Journal::open(folder.path(), settings(), Position::START).unwrap();
    let [damage] = &report.damage[..] else { panic!("{report:?}") };
    assert_eq!((damage.at.segment, &damage.reason), (3, &Reason::Missing { last: 3 }));
}

fn numbers_with_gaps(journal: &Journal) -> Vec<u64> {
    numbers(journal.scan(Position::START))
}

#[test]
fn one_writer_and_readers_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Reader::open(folder.path()), Err(OpenError::NotThere { .. })));
    assert!(matches!(Reader::open(&folder.path().join("none")), Err(OpenError::NotThere { .. })));
    let mut journal = open(&folder);
    let place = journal.append(&records(0, 3)).unwrap();
    let second = Journal::open(folder.path(), settings(), Position::START).unwrap_err();
    let name = folder.path().display();
    let pid = std::process::id();
    assert_eq!(
        second.to_string(),
        format!("cannot open the journal at `{name}`: held by process {pid}; stop it first")
    );

    let reader = Reader::open(folder.path()).unwrap();
    assert_eq!(numbers(reader.scan(Position::START).unwrap()), [0, 1, 2]);
    let end = journal.end();
    journal.append(&records(3, 2)).unwrap();
    assert_eq!(numbers(reader.scan(end).unwrap()), [3, 4]);
    check_entry(&reader.read(place[2]).unwrap());
    let no_frame = Place { frame: Position { offset: 8, ..place[0].frame }, record: 0 };
    assert!(matches!(reader.read(no_frame), Err(JournalError::Damaged(_))));
    let no_record = Place { record: 3, ..place[0] };
    assert!(matches!(reader.read(no_record), Err(JournalError::NoSuchRecord(_))));
    let no_segment = Place { frame: Position { segment: 9, ..place[0].frame }, record: 0 };
    assert!(matches!(reader.read(no_segment), Err(JournalError::NoSuchRecord(_))));
    drop(journal);
    drop(open(&folder));
}

/// A reader that never stops sees no damage while a writer writes, and every record in order.
#[test]
fn a_reader_sees_no_damage_while_a_writer_writes() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder);
    journal.append(&records(0, 1)).unwrap();
    let reader = Reader::open(folder.path()).unwrap();
    let writing = std::thread::spawn(move || {
        for turn in 0..150 {
            let first = journal.records();
            journal.append(&records(first, 1 + turn % 17)).unwrap();
        }
        journal.records()
    });
    let mut least = 1;
    while !writing.is_finished() {
        let seen = numbers(reader.scan(Position::START).unwrap());
        assert_eq!(seen, (0..seen.len() as u64).collect::<Vec<_>>());
        assert!(seen.len() >= least);
        least = seen.len();
    }
    let all = writing.join().unwrap();
    assert_eq!(numbers(reader.scan(Position::START).unwrap()).len() as u64, all);
}

#[test]
fn what_is_too_large_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder);
    let end = journal.end();
    let head = Record { head: vec![0; HEAD_BYTES_MAX + 1], body: None };
    let error = journal.append(&[record(0), head]).unwrap_err();
    assert_eq!(error.to_string(), "a head of 65537 bytes is more than the journal takes, 65536");
    let body = Record { head: vec![], body: Some(Body::new(&vec![0; BODY_BYTES_MAX + 1])) };
    assert!(matches!(journal.append(&[body]), Err(JournalError::TooLarge(_))));
    assert_eq!(journal.end(), end);
    // The largest there is, longer than a segment, has one of its own.
    let large = vec![7; BODY_BYTES_MAX];
    let record = Record { head: vec![1; HEAD_BYTES_MAX], body: Some(Body::new(&large)) };
    let place = journal.append(&[record, self::record(1)]).unwrap();
    let Content::Here(content) = journal.read(place[0]).unwrap().body else { panic!() };
    assert!(content == large);
    check_entry(&journal.read(place[1]).unwrap());
}

#[test]
fn a_later_format_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder);
    journal.append(&records(0, 3)).unwrap();
    journal.close().unwrap();
    let path = folder.path().join("00000001.log");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8..12].copy_from_slice(&2_u32.to_le_bytes());
    let sum = bit_by_bit_crc32c(&[&bytes[..12], &bytes[16..64]].concat());
    bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let error = Journal::open(folder.path(), settings(), Position::START).unwrap_err();
    let words = "`00000001.log` of the journal is of format 2; this finis reads up to 1: upgrade finis";
    assert_eq!(error.to_string(), words);
    assert_eq!(
        Reader::open(folder.path()).and_then(|reader| reader.scan(Position::START)).err().unwrap().to_string(),
        words
    );
}

fn bit_by_bit_crc32c(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { sum >> 1 ^ 0x82F6_3B78 } else { sum >> 1 };
    !bytes.iter().fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum)))
}

/// A body that is a copy of the journal's own frames is a body, also where a frame is looked for.
#[test]
fn a_body_that_looks_like_a_frame_is_none() {
    let sim = Sim::new();
    let disk: Arc<dyn Disk> = Arc::new(sim);
    let settings = Settings { segment_bytes: 1 << 20, reserve_bytes: 0, free_bytes_min: 0 };
    let (mut journal, _) = Journal::open_on(Arc::clone(&disk), settings.clone(), Position::START).unwrap();
    journal.append(&records(0, 2)).unwrap();
    let file = disk.open("00000001.log", finis_store::journal::Access::Write).unwrap();
    let mut copy = vec![0; 2000];
    file.read_at(&mut copy, 12_288).unwrap();
    let noise: Vec<u8> = (0..4000_u32).flat_map(|at| (at.wrapping_mul(0x9E37_79B9) ^ at << 7).to_le_bytes()).collect();
    let hostile = Record { head: vec![], body: Some(Body::new(&[copy, noise].concat())) };
    let place = journal.append(&[hostile]).unwrap()[0];
    journal.append(&records(3, 2)).unwrap();
    drop(journal);
    // Its frame is damaged, so the next is looked for, through the body.
    file.write_all_at(b"?", place.frame.offset + 9).unwrap();
    let (journal, report) = Journal::open_on(disk, settings, Position::START).unwrap();
    let [damage] = &report.damage[..] else { panic!("{report:?}") };
    assert_eq!((damage.at, damage.records.clone()), (place.frame, 2..3));
    let found: Vec<u64> = journal
        .scan(Position::START)
        .filter_map(|item| if let Scanned::Record(entry) = item.unwrap() { Some(entry.number) } else { None })
        .collect();
    assert_eq!(found, [0, 1, 3, 4]);
}

#[derive(Clone, Debug)]
enum Act {
    Append(u64),
    Erase(prop::sample::Index),
    Retire(prop::sample::Index),
    Reopen,
    Close,
}

fn an_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1..25_u64).prop_map(Act::Append),
        2 => any::<prop::sample::Index>().prop_map(Act::Erase),
        1 => any::<prop::sample::Index>().prop_map(Act::Retire),
        1 => Just(Act::Reopen),
        1 => Just(Act::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A journal is a list of records, some of them erased, some gone.
    #[test]
    fn a_journal_is_a_list(acts in proptest::collection::vec(an_act(), 1..40)) {
        let disk: Arc<dyn Disk> = Arc::new(Sim::new());
        let open = |from| Journal::open_on(Arc::clone(&disk), settings(), from).unwrap();
        let mut journal = open(Position::START).0;
        let mut places: Vec<Place> = Vec::new();
        let (mut erased, mut gone) = (BTreeSet::new(), BTreeSet::new());
        for act in acts {
            match act {
                Act::Append(count) => places.extend(journal.append(&records(places.len() as u64, count)).unwrap()),
                Act::Erase(index) if !places.is_empty() => {
                    let number = index.index(places.len());
                    if !gone.contains(&places[number].frame.segment) {
                        journal.erase(&[places[number]]).unwrap();
                        erased.insert(number as u64);
                    }
                }
                Act::Retire(index) if journal.end().segment > 1 => {
                    let segment = 1 + index.index(journal.end().segment as usize - 1) as u64;
                    journal.retire(&[segment]).unwrap();
                    gone.insert(segment);
                }
                Act::Erase(_) | Act::Retire(_) => {}
                Act::Reopen => {
                    drop(journal);
                    journal = open(Position::START).0;
                }
                Act::Close => {
                    let end = journal.end();
                    journal.close().unwrap();
                    let (opened, report) = open(end);
                    prop_assert!(report.closed && report.damage.is_empty());
                    journal = opened;
                }
            }
            let mut expected = (0..places.len()).filter(|number| !gone.contains(&places[*number].frame.segment));
            for item in journal.scan(Position::START) {
                let Scanned::Record(entry) = item.unwrap() else { panic!() };
                let number = expected.next().unwrap() as u64;
                prop_assert_eq!(entry.number, number);
                prop_assert_eq!(entry.place, places[number as usize]);
                prop_assert_eq!(&entry.body, &body(number, &erased));
            }
            prop_assert_eq!(expected.next(), None);
        }
    }
}
