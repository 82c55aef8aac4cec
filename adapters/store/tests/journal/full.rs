//! A disk with no space: refused before it is full, with a word for it, and working again when
//! there is space.

use std::sync::Arc;

use finis_store::journal::{Journal, JournalError, Position, Room, Settings};

use crate::model::{numbers, records};
use crate::sim::Sim;

fn settings() -> Settings {
    Settings { segment_bytes: 20_000, reserve_bytes: 30_000, free_bytes_min: 10_000 }
}

fn open(sim: &Sim) -> Journal {
    let (journal, report) = Journal::open_on(Arc::new(sim.clone()), settings(), Position::START).unwrap();
    assert_eq!(report.damage, []);
    journal
}

/// Appends until it is refused; gives how many records there are then.
fn fill(journal: &mut Journal) -> u64 {
    loop {
        let count = journal.records();
        match journal.append(&records(count, 5)) {
            Ok(_) => {}
            Err(JournalError::Full { free, needed }) => {
                assert!(free < needed);
                return count;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn appends_are_refused_before_the_disk_is_full_and_taken_when_there_is_space() {
    let sim = Sim::new();
    sim.set_capacity(Some(150_000));
    let mut journal = open(&sim);
    assert!(journal.holds_reserve());
    let count = fill(&mut journal);
    assert!(count > 20);
    assert!(150_000 - sim.used_bytes() >= 10_000, "some is left");
    // Not even the reserve is given to appends.
    journal.release_reserve().unwrap();
    assert!(!journal.holds_reserve());
    assert!(150_000 - sim.used_bytes() >= 40_000);
    assert!(matches!(journal.append(&records(count, 5)), Err(JournalError::Full { .. })));
    assert!(!journal.restore_reserve().unwrap() || journal.holds_reserve());
    // Reading, erasing and retiring work on a full disk.
    assert_eq!(numbers(journal.scan(Position::START)).len() as u64, count);
    let first = journal.segments().unwrap()[0].number;
    journal.retire(&[first]).unwrap();
    // There is space: it goes on, without being opened again.
    sim.set_capacity(Some(300_000));
    assert!(journal.restore_reserve().unwrap());
    journal.append(&records(count, 5)).unwrap();
    assert_eq!(journal.records(), count + 5);
}

#[test]
fn a_journal_opens_on_a_full_disk() {
    let sim = Sim::new();
    sim.set_capacity(Some(150_000));
    let mut journal = open(&sim);
    let count = fill(&mut journal);
    journal.release_reserve().unwrap();
    drop(journal);
    sim.set_capacity(Some(sim.used_bytes()));
    let mut journal = open(&sim);
    assert!(!journal.holds_reserve());
    assert_eq!(numbers(journal.scan(Position::START)).len() as u64, count);
    assert!(matches!(journal.append(&records(count, 1)), Err(JournalError::Full { .. })));
    sim.set_capacity(None);
    assert!(journal.restore_reserve().unwrap());
    journal.append(&records(count, 1)).unwrap();
}

#[test]
fn a_disk_that_fills_behind_the_back_of_the_check() {
    // Nothing is kept free: the disk itself refuses.
    let settings = Settings { segment_bytes: 20_000, reserve_bytes: 0, free_bytes_min: 0 };
    let sim = Sim::new();
    let (mut journal, _) = Journal::open_on(Arc::new(sim.clone()), settings.clone(), Position::START).unwrap();
    journal.append(&records(0, 5)).unwrap();
    sim.set_capacity(Some(sim.used_bytes() + 5_000));
    let count = fill(&mut journal);
    sim.set_capacity(None);
    journal.append(&records(count, 5)).unwrap();
    drop(journal);
    let (journal, report) = Journal::open_on(Arc::new(sim), settings, Position::START).unwrap();
    assert_eq!(report.damage, []);
    assert_eq!(numbers(journal.scan(Position::START)).len() as u64, count + 5);
}

#[test]
fn what_makes_room_is_committed_on_a_full_disk_and_may_have_the_reserve() {
    let sim = Sim::new();
    sim.set_capacity(Some(150_000));
    let mut journal = open(&sim);
    let count = fill(&mut journal);
    // Somebody else takes the rest.
    sim.set_capacity(Some(sim.used_bytes()));
    let mut more = 0;
    loop {
        let record = &records(count + more, 1)[0];
        let head_bytes = record.head.len() + 128;
        let mut commit = match journal.begin_in(head_bytes, Room::Reserve) {
            Ok(commit) => commit,
            Err(JournalError::Full { .. }) => break,
            Err(error) => panic!("{error}"),
        };
        commit.push(&record.head, None).unwrap();
        commit.finish().unwrap();
        more += 1;
    }
    // With frames of some hundred bytes.
    assert!(more > 50, "{more}");
    assert!(!journal.holds_reserve());
    assert!(matches!(journal.append(&records(0, 1)), Err(JournalError::Full { .. })));
    // The reserve is made again with the next segment that there is space for.
    sim.set_capacity(None);
    while journal.segments().unwrap().len() < 10 {
        journal.append(&records(0, 20)).unwrap();
    }
    assert!(journal.holds_reserve());
}
