//! How many commits a second: the journal against a file that is merely appended to and synced.
//!
//! ```sh
//! cargo run --release -p finis-store --example commits -- [FOLDER] [SECONDS]
//! ```
//!
//! Records are 600 bytes: a head of 40, and a webhook of 560 that was made ready before, as callers
//! do on threads of their own. What is measured is what the one writer does.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that fails has nothing to say")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use finis_store::journal::codec::Body;
use finis_store::journal::{Journal, Position, Record, Settings};

const HEAD_BYTES: usize = 40;
const BODY_BYTES: usize = 560;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "commits.tmp".to_owned());
    let seconds = arguments.next().map_or(2.0, |seconds| seconds.parse().unwrap());
    let (folder, length) = (Path::new(&folder), Duration::from_secs_f64(seconds));
    std::fs::create_dir_all(folder).unwrap();
    println!("records a sync    append + fdatasync              the journal");
    for batch in [1, 16, 256] {
        let raw = raw(&folder.join(format!("raw-{batch}")), batch, length);
        let journal = journal(&folder.join(format!("journal-{batch}")), batch, length);
        println!("{batch:>14}    {raw}    {journal}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

fn raw(path: &Path, batch: usize, length: Duration) -> String {
    let mut file = File::create(path).unwrap();
    let bytes = vec![7_u8; (HEAD_BYTES + BODY_BYTES) * batch];
    let line = measure(batch, length, || {
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
    });
    // Left until the end: the disk may be busy for a while with space that is given back.
    line
}

fn journal(path: &Path, batch: usize, length: Duration) -> String {
    let (mut journal, report) = Journal::open(path, Settings::default(), Position::START).unwrap();
    assert!(report.damage.is_empty());
    let records: Vec<Record> = (0..batch).map(record).collect();
    let line = measure(batch, length, || {
        journal.append(&records).unwrap();
    });
    journal.close().unwrap();
    line
}

fn record(number: usize) -> Record {
    let mut body = format!(r#"{{"event":"session.ended","sessionId":"s-{number}","variables":{{"intention":"#);
    // Letters in no order, so that about as much is left as of a real body.
    let letter = |at: usize| char::from(b'a' + (at.wrapping_mul(number + 77).wrapping_mul(0x9E37) >> 9) as u8 % 26);
    body.extend((body.len()..BODY_BYTES).map(letter));
    Record { head: vec![1; HEAD_BYTES], body: Some(Body::new(body.as_bytes())) }
}

/// Commits until the time is up: records a second, and how long a commit takes.
fn measure(batch: usize, length: Duration, mut commit: impl FnMut()) -> String {
    let mut took = Vec::new();
    let start = Instant::now();
    while start.elapsed() < length {
        let begin = Instant::now();
        commit();
        took.push(begin.elapsed());
    }
    let records = (took.len() * batch) as f64 / start.elapsed().as_secs_f64();
    took.sort_unstable();
    let (half, most) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    format!("{records:>9.0}/s {:>5} / {:>5} µs", half.as_micros(), most.as_micros())
}
