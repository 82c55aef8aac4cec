//! What is in a journal, by number: a record's content follows from it, so that what is read can be
//! told from what should be there.

use std::collections::BTreeSet;

use finis_store::journal::codec::Body;
use finis_store::journal::{Content, Entry, Record, Scanned};

pub(crate) fn head(number: u64) -> Vec<u8> {
    format!("head of record {number}").into_bytes()
}

/// Every third has none; some are long, some compress well, some do not.
pub(crate) fn content(number: u64) -> Option<Vec<u8>> {
    match number % 6 {
        1 | 4 => None,
        0 => Some(format!("body of record {number}").into_bytes()),
        2 => Some(format!("body of record {number}. ").repeat(40).into_bytes()),
        3 => Some((0..700_u64).map(|at| (at.wrapping_mul(number + 7).wrapping_mul(0x9E37_79B9) >> 11) as u8).collect()),
        _ => Some(Vec::new()),
    }
}

pub(crate) fn record(number: u64) -> Record {
    Record { head: head(number), body: content(number).map(|content| Body::new(&content)) }
}

pub(crate) fn records(first: u64, count: u64) -> Vec<Record> {
    (first..first + count).map(record).collect()
}

/// What a body must be.
pub(crate) fn body(number: u64, erased: &BTreeSet<u64>) -> Content {
    match content(number) {
        None => Content::None,
        Some(_) if erased.contains(&number) => Content::Erased,
        Some(content) => Content::Here(content),
    }
}

/// Whether an entry is the record of its number, erased or not.
#[track_caller]
pub(crate) fn check_entry(entry: &Entry) {
    assert_eq!(entry.head, head(entry.number), "the head of {}", entry.number);
    let erased = entry.body == Content::Erased && content(entry.number).is_some();
    assert!(erased || entry.body == body(entry.number, &BTreeSet::new()), "the body of {}", entry.number);
}

/// The numbers that a scan gives. There is no damage in it, and each record is what it was.
#[track_caller]
pub(crate) fn numbers(scan: impl Iterator<Item = Result<Scanned, finis_store::journal::OpenError>>) -> Vec<u64> {
    let mut numbers = Vec::new();
    for item in scan {
        match item.unwrap() {
            Scanned::Record(entry) => {
                check_entry(&entry);
                numbers.push(entry.number);
            }
            Scanned::Damage(damage) => panic!("damage: {damage}"),
        }
    }
    numbers
}
