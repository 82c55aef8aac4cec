//! Every call fails once: an error is told, nothing more is taken, and opened again all that was
//! acknowledged is there, also after a power cut later on.

use std::sync::Arc;

use finis_store::journal::{Journal, JournalError, Place, Position, Settings};

use crate::model::{numbers, records};
use crate::sim::{Fault, Sim};

const APPENDS: u64 = 9;
const RECORDS: u64 = 6;

fn settings() -> Settings {
    Settings { segment_bytes: 14_500, reserve_bytes: 0, free_bytes_min: 0 }
}

fn open(sim: &Sim) -> Result<Journal, String> {
    let opened = Journal::open_on(Arc::new(sim.clone()), settings(), Position::START);
    let (journal, report) = opened.map_err(|error| error.to_string())?;
    assert_eq!(report.damage, []);
    Ok(journal)
}

/// Appends, erases and retires, and says at each error whether work is refused after it.
fn work(journal: &mut Journal, acknowledged: &mut u64) -> Result<(), JournalError> {
    let mut first: Option<Place> = None;
    for turn in 0..APPENDS {
        let places = journal.append(&records(*acknowledged, RECORDS))?;
        *acknowledged += RECORDS;
        first = first.or(places.first().copied());
        if turn == 3 {
            journal.erase(&first.into_iter().collect::<Vec<_>>())?;
        }
        if turn == 6 {
            journal.retire(&[2])?;
        }
    }
    Ok(())
}

fn every_call_fails(fault: Fault) {
    let mut failures = 0;
    for nth in 0.. {
        let sim = Sim::new();
        let mut acknowledged = 0;
        sim.fail_at(nth, fault);
        let mut done = false;
        if let Ok(mut journal) = open(&sim) {
            match work(&mut journal, &mut acknowledged) {
                Ok(()) => done = journal.close().is_ok(),
                Err(JournalError::Full { .. }) => {
                    assert_eq!(fault, Fault::Enospc);
                    // Nothing was written, so it goes on.
                    journal.append(&records(acknowledged, RECORDS)).unwrap();
                    acknowledged += RECORDS;
                }
                Err(_) => {
                    failures += 1;
                    let refused = journal.append(&records(acknowledged, 1));
                    assert!(matches!(refused, Err(JournalError::Broken)), "{refused:?}");
                    assert!(matches!(journal.retire(&[1]), Err(JournalError::Broken)));
                    assert!(matches!(journal.erase(&[]), Err(JournalError::Broken)));
                }
            }
        }
        let failed = sim.has_failed();
        sim.no_faults();

        // Opened again, it is there and goes on. A power cut after that loses nothing of it.
        let mut journal = open(&sim).unwrap();
        let count = journal.records();
        assert!((acknowledged..=acknowledged + RECORDS).contains(&count), "call {nth}: {count} of {acknowledged}");
        let found = numbers(journal.scan(Position::START));
        assert_eq!(found.last().map_or(0, |last| last + 1), count);
        for state in sim.crashed(8, nth + 1) {
            assert_eq!(open(&state).unwrap().records(), count, "call {nth}: lost after it was opened again");
        }
        journal.append(&records(count, 1)).unwrap();
        for state in sim.crashed(8, nth + 1) {
            assert_eq!(open(&state).unwrap().records(), count + 1, "call {nth}");
        }
        if done || !failed {
            break;
        }
    }
    assert!(failures > 8, "{failures}");
}

#[test]
fn an_io_error_at_every_call() {
    every_call_fails(Fault::Eio);
}

#[test]
fn no_space_at_every_call() {
    every_call_fails(Fault::Enospc);
}
