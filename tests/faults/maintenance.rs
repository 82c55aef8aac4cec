//! The journal's steps of letting go, by themselves: bodies that are erased, segments that are removed. A
//! process takes them on a journal, and ends at each of their points.
//!
//! What is not erased and not let go is there, byte for byte; what was to go may be there or not, and
//! nothing is damaged.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use finis_store::crash::POINTS;
use finis_store::journal::{Body, Content, Journal, Place, Position, Record, Scanned, Settings};

use crate::Random;
use crate::child;
use crate::process::Life;

const RECORDS: u64 = 40;
/// Goes with its segment.
const RETIRED: u64 = 2;

/// Whether a point lies on the way of whoever lets something go, and of nobody else.
pub(crate) fn is_its(point: &str) -> bool {
    is_of_the_journal(point) || point == "erase.due" || point.starts_with("retain.")
}

fn is_of_the_journal(point: &str) -> bool {
    (point.starts_with("erase.") && point != "erase.due") || point.starts_with("retire.")
}

fn settings() -> Settings {
    Settings { segment_bytes: 16 << 10, reserve_bytes: 0, free_bytes_min: 0 }
}

fn content(number: u64) -> String {
    // Hard to compress, so that there are several segments.
    Random(number).text(50 + number)
}

/// Bodies of these records are to go.
fn is_erased(number: u64) -> bool {
    number % 5 == 3
}

/// The child: appends, erases every fifth body, lets one segment go.
#[test]
fn keeps_house() {
    let Ok(folder) = std::env::var(child::FOLDER) else { return };
    let (mut journal, report) = Journal::open(Path::new(&folder), settings(), Position::START).unwrap();
    assert!(report.damage.is_empty());
    let mut places: Vec<Place> = Vec::new();
    for number in 0..RECORDS {
        let head = number.to_le_bytes().to_vec();
        let record = Record { head, body: Some(Body::new(content(number).as_bytes())) };
        places.extend(journal.append(&[record]).unwrap());
    }
    let numbered = (0..RECORDS).zip(places);
    let erased: Vec<Place> = numbered.filter(|(number, _)| is_erased(*number)).map(|(_, place)| place).collect();
    journal.erase(&erased).unwrap();
    journal.retire(&[RETIRED]).unwrap();
    journal.close().unwrap();
}

#[test]
fn a_process_ends_at_each_step_of_what_it_takes_away() {
    for point in POINTS.iter().filter(|point| is_of_the_journal(point)) {
        let folder = tempfile::tempdir().unwrap();
        let mut life = Life::new(folder.path(), 0);
        life.crash_at = Some(format!("{point}:1"));
        let (status, lines) = life.start_as("maintenance::keeps_house").end();
        assert!(status.signal().is_some(), "`{point}` is never reached: {status}: {}", lines.join("\n"));

        let (journal, report) = Journal::open(folder.path(), settings(), Position::START).unwrap();
        assert!(report.damage.is_empty(), "{point}: {report:?}");
        let mut there = Vec::new();
        for item in journal.scan(Position::START) {
            let Scanned::Record(entry) = item.unwrap() else { panic!("{point}: damaged") };
            assert_eq!(entry.head, entry.number.to_le_bytes(), "{point}");
            match &entry.body {
                Content::Here(body) => assert_eq!(*body, content(entry.number).as_bytes(), "{point}"),
                Content::Erased => assert!(is_erased(entry.number), "{point}: {} is erased", entry.number),
                body => panic!("{point}: {}: {body:?}", entry.number),
            }
            there.push((entry.number, entry.place.frame.segment));
        }
        let gone: Vec<u64> = (0..RECORDS).filter(|number| !there.iter().any(|(found, _)| found == number)).collect();
        assert!(there.iter().all(|(_, segment)| gone.is_empty() || *segment != RETIRED), "{point}: half is gone");
        assert!(gone.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{point}: more than one segment is gone: {gone:?}");
        assert!(gone.is_empty() || point.starts_with("retire."), "{point}: {gone:?}");
        assert!(there.iter().any(|(_, segment)| *segment > RETIRED), "{point}: there are too few segments");
    }
}
