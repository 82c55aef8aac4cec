//! Every state that a power cut can leave: any part of what was not synced, in sectors of 512 bytes.
//!
//! The story: a journal with small segments appends, rolls, erases, retires, closes and is opened
//! again. The power goes at each call that changes something. Whatever was acknowledged is there;
//! the commit under way is there whole or not at all; nothing is called damaged; and the journal
//! that was recovered goes on.

use std::collections::BTreeSet;
use std::sync::Arc;

use finis_store::journal::{Content, Journal, JournalError, OpenError, Place, Position, Reader, Scanned, Settings};

use crate::model::{check_entry, numbers, record, records};
use crate::sim::{Fault, Sim};

#[derive(Clone, Copy, Debug)]
enum Act {
    Append(u64),
    /// Of the record with this number.
    Erase(u64),
    /// The first segment that is there.
    Retire,
    Close,
    Drop,
}

/// What somebody outside knows.
#[derive(Clone, Debug, Default)]
struct Known {
    acknowledged: u64,
    under_way: u64,
    places: Vec<Place>,
    erased: BTreeSet<u64>,
    erasing: BTreeSet<u64>,
    /// Records below this may be gone with their segments.
    retiring: u64,
    closed: bool,
}

fn settings() -> Settings {
    Settings { segment_bytes: 15_500, reserve_bytes: 0, free_bytes_min: 0 }
}

fn open(sim: &Sim) -> Result<Journal, OpenError> {
    Journal::open_on(Arc::new(sim.clone()), settings(), Position::START).map(|(journal, report)| {
        assert_eq!(report.damage, []);
        journal
    })
}

/// Acts until the power goes.
fn act(sim: &Sim, acts: &[Act], known: &mut Known) -> Result<(), String> {
    let text = |error: JournalError| error.to_string();
    let mut journal = open(sim).map_err(|error| error.to_string())?;
    for act in acts {
        known.closed = false;
        match act {
            Act::Append(count) => {
                known.under_way = *count;
                let places = journal.append(&records(known.acknowledged, *count)).map_err(text)?;
                known.places.extend(places);
                known.acknowledged += count;
                known.under_way = 0;
            }
            Act::Erase(number) => {
                known.erasing.insert(*number);
                journal.erase(&[known.places[*number as usize]]).map_err(text)?;
                known.erased.insert(*number);
            }
            Act::Retire => {
                let first = journal.segments().unwrap()[0].number;
                let gone = known.places.iter().filter(|place| place.frame.segment <= first).count();
                known.retiring = known.retiring.max(gone as u64);
                journal.retire(&[first]).map_err(text)?;
            }
            Act::Close => {
                journal.close().map_err(text)?;
                known.closed = true;
                journal = open(sim).map_err(|error| error.to_string())?;
            }
            Act::Drop => {
                drop(journal);
                journal = open(sim).map_err(|error| error.to_string())?;
            }
        }
    }
    Ok(())
}

/// What is there after a crash is what must be; gives how many records that is.
#[track_caller]
fn check(journal: &Journal, known: &Known) -> u64 {
    let mut next = None;
    for item in journal.scan(Position::START) {
        let Scanned::Record(entry) = item.unwrap() else { panic!("damage in {known:?}") };
        check_entry(&entry);
        let may = known.erasing.contains(&entry.number);
        let must = known.erased.contains(&entry.number);
        let erased = entry.body == Content::Erased;
        assert!(erased || !must || entry.body == Content::None, "{} is still there", entry.number);
        assert!(may || !erased, "{} was erased by nobody", entry.number);
        assert!(next.map_or(entry.number <= known.retiring, |next| entry.number == next), "{known:?}");
        next = Some(entry.number + 1);
    }
    let count = next.unwrap_or(journal.records());
    assert_eq!(count, journal.records());
    let all = [known.acknowledged, known.acknowledged + known.under_way];
    assert!(all.contains(&count), "{count} records, {known:?}");
    count
}

/// Recovers a state, goes on from it, closes it, and finds all of it again.
#[track_caller]
fn check_state(state: &Sim, known: &Known) {
    if let Ok(reader) = Reader::open_on(Arc::new(state.clone())) {
        let seen = numbers(reader.scan(Position::START).unwrap());
        assert!(seen.last().map_or(0, |last| last + 1) >= known.acknowledged.min(seen.len() as u64));
    }
    let count = check(&open(state).unwrap(), known);
    // Recovered once, nothing is left of what the crash cut off.
    let (mut journal, report) = Journal::open_on(Arc::new(state.clone()), settings(), Position::START).unwrap();
    assert!(report.damage.is_empty() && report.torn.is_none(), "{report:?}");
    assert_eq!(check(&journal, known), count);
    let place = journal.append(&[record(count), record(count + 1)]).unwrap();
    check_entry(&journal.read(place[1]).unwrap());
    journal.close().unwrap();
    let (journal, report) = Journal::open_on(Arc::new(state.clone()), settings(), Position::START).unwrap();
    assert!(report.closed && report.damage.is_empty() && report.torn.is_none(), "{report:?}");
    let later = Known { acknowledged: count + 2, under_way: 0, ..known.clone() };
    assert_eq!(check(&journal, &later), count + 2);
}

/// Cuts the power at each call of a story, and checks every state, up to `most` for each call.
fn every_cut(acts: &[Act], most: usize) -> usize {
    let mut states = 0;
    for cut in 0.. {
        let sim = Sim::new();
        sim.fail_at(cut, Fault::PowerCut);
        let mut known = Known::default();
        let _ = act(&sim, acts, &mut known);
        for state in sim.crashed(most, cut + 1) {
            check_state(&state, &known);
            states += 1;
        }
        if !sim.has_failed() {
            break;
        }
    }
    states
}

#[test]
fn small_commits_in_every_state() {
    let acts = [Act::Append(1), Act::Append(2), Act::Append(1), Act::Drop, Act::Append(1), Act::Close, Act::Append(2)];
    let states = every_cut(&acts, 1 << 9);
    assert!(states > 500, "{states}");
}

#[test]
fn long_commits_in_many_states() {
    let acts = [Act::Append(30), Act::Append(3), Act::Append(60), Act::Drop, Act::Append(7)];
    every_cut(&acts, 60);
}

#[test]
fn segments_that_follow_one_another() {
    let acts = [Act::Append(9), Act::Append(9), Act::Append(9), Act::Append(9), Act::Close, Act::Append(9)];
    every_cut(&acts, 40);
}

#[test]
fn erasing_and_retiring() {
    let acts = [
        Act::Append(9),
        Act::Erase(2),
        Act::Append(9),
        Act::Append(9),
        Act::Erase(20),
        Act::Retire,
        Act::Erase(26),
        Act::Append(9),
        Act::Retire,
        Act::Drop,
        Act::Append(1),
    ];
    every_cut(&acts, 40);
}

/// The power goes, and goes again while the journal recovers.
#[test]
fn a_cut_in_the_recovery_from_a_cut() {
    let acts = [Act::Append(3), Act::Append(9), Act::Append(9), Act::Append(5)];
    for cut in 0.. {
        let sim = Sim::new();
        sim.fail_at(cut, Fault::PowerCut);
        let mut known = Known::default();
        let _ = act(&sim, &acts, &mut known);
        if !sim.has_failed() {
            break;
        }
        for state in sim.crashed(6, cut + 1) {
            for again in 0.. {
                let [twice] = &state.crashed(1, 1)[..] else { panic!("nothing is pending") };
                twice.fail_at(again, Fault::PowerCut);
                drop(open(twice));
                for state in twice.crashed(6, again + 1) {
                    check_state(&state, &known);
                }
                if !twice.has_failed() {
                    break;
                }
            }
        }
    }
}
