//! Damage at rest, in any file of a store: bits that flip, stretches of zeros or of anything, files that
//! are cut or gone.
//!
//! The store opens and names what is damaged, and serves what is intact; or it refuses in words. Never
//! a panic, never a wait without end, and never `Ok` with events missing and no word of it. What it serves, the
//! simulator's oracle judges: nothing that was not kept, and of each session the record that its intact events
//! make. After a crash the last frame is exempt, after a clean close nothing is. `FINIS_DAMAGES` sets how many
//! cases there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use finis::engine::log::{Delivery, LogRead};
use finis::engine::{Placed, Policy, Receipt, Timestamp};
use finis_simulator::oracle::{Given, judge_damaged};
use finis_simulator::run::Kept;
use finis_store::journal::{Content, Position, Reader, Scanned};
use finis_store::{EmbeddedLog, OpenError, Report, body};

use crate::child::chain;
use crate::deliveries::{HEADERS, SIGNED, STALL, contract, headers, posted, terms};
use crate::look::Look;
use crate::process::{Life, PATIENCE};
use crate::{Random, figure, store};

const DELIVERIES: u64 = 260;

/// A store, what it has, and where each delivery lies in its journal.
struct Whole {
    folder: tempfile::TempDir,
    kept: Kept,
    frames: BTreeMap<Vec<u8>, Frame>,
    last: Frame,
    is_closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    segment: u64,
    start: u64,
    end: u64,
}

impl Whole {
    /// Closed, or as a process leaves it that ends in the middle.
    fn new(is_closed: bool) -> Whole {
        let folder = tempfile::tempdir().unwrap();
        let mut life = Life::new(folder.path(), 0);
        life.count = Some(DELIVERIES);
        life.crash_at = (!is_closed).then(|| "log.closing:1".to_owned());
        let (status, said) = life.start().end();
        assert!(said.iter().any(|line| line.starts_with("kept ")), "it kept nothing: {status}: {}", said.join("\n"));
        let kept = {
            // Looking leaves traces.
            let copied = tempfile::tempdir().unwrap();
            store::copy(folder.path(), copied.path());
            let (log, _) = EmbeddedLog::open(copied.path(), &store::settings()).unwrap();
            store::runtime().block_on(Look::at(&log, STALL, "whole")).kept
        };
        let known: BTreeSet<&[u8]> = bodies(&kept).collect();
        let mut frames: Vec<(Vec<u8>, Position)> = Vec::new();
        let mut starts = BTreeSet::new();
        for item in Reader::open(&folder.path().join("journal")).unwrap().scan(Position::START).unwrap() {
            let Scanned::Record(entry) = item.unwrap() else { panic!("damaged before it is") };
            starts.insert(entry.place.frame);
            let Content::Here(content) = &entry.body else { continue };
            let event = body::decode_event(content).map(|(_, delivery)| delivery);
            let refused = || body::decode_refused(Timestamp::MIN, content).map(|refused| refused.delivery);
            // What a body is of, its head says; here, that somebody posted it.
            let is_posted = |delivery: &Delivery| known.contains(&delivery.body[..]);
            if let Some(delivery) = event.filter(is_posted).or_else(|| refused().filter(is_posted)) {
                frames.push((delivery.body.to_vec(), entry.place.frame));
            }
        }
        let frame = |start: Position| {
            let after = starts.range(start..).nth(1).filter(|next| next.segment == start.segment);
            Frame { segment: start.segment, start: start.offset, end: after.map_or(u64::MAX, |next| next.offset) }
        };
        let last = frame(*starts.last().unwrap());
        assert!(last.segment >= 3, "too few segments");
        let frames: BTreeMap<_, _> = frames.into_iter().map(|(body, start)| (body, frame(start))).collect();
        assert!(bodies(&kept).all(|body| frames.contains_key(body)), "kept, and not in the journal");
        Whole { folder, kept, frames, last, is_closed }
    }

    /// Deliveries that may have gone with these bytes.
    fn lost_with(&self, damage: &Damaged) -> BTreeSet<&[u8]> {
        let Some(segment) = damage.segment else { return BTreeSet::new() };
        let hit = |frame: &Frame| {
            frame.segment == segment && frame.start < damage.bytes.end && damage.bytes.start < frame.end
        };
        self.frames.iter().filter(|(_, frame)| hit(frame)).map(|(body, _)| &body[..]).collect()
    }
}

/// Bodies of all deliveries that are kept, readable or not.
fn bodies(kept: &Kept) -> impl Iterator<Item = &[u8]> {
    let events = kept.sessions.values().flat_map(|stored| &stored.events).map(|event| &event.delivery);
    events.chain(kept.refused.iter().map(|refused| &refused.delivery)).map(|delivery| &delivery.body[..])
}

/// What was done to a file.
#[derive(Debug)]
struct Damaged {
    what: String,
    in_journal: bool,
    /// When the file is one.
    segment: Option<u64>,
    bytes: Range<u64>,
}

fn damage(folder: &Path, random: &mut Random) -> Damaged {
    let mut files = Vec::new();
    files_of(folder, &mut files);
    files.sort();
    let file = &files[random.below(files.len() as u64) as usize];
    let mut bytes = fs::read(file).unwrap();
    let length = bytes.len() as u64;
    let at = random.below(length.max(1));
    let mut change = |length: u64, to: &mut dyn FnMut(u8) -> u8| {
        let range = at as usize..(at + length).min(bytes.len() as u64) as usize;
        bytes[range.clone()].iter_mut().for_each(|byte| *byte = to(*byte));
        fs::write(file, &bytes).unwrap();
        range.start as u64..range.end as u64
    };
    let (how, range) = match random.below(8) {
        0..=3 => {
            let bit = 1 << random.below(8);
            ("a bit flipped", change(1, &mut |byte| byte ^ bit))
        }
        4 => ("zeros", change(512, &mut |_| 0)),
        5 => ("anything", change(4096, &mut |_| random.next() as u8)),
        6 => {
            fs::OpenOptions::new().write(true).open(file).and_then(|file| file.set_len(at)).unwrap();
            ("cut", at..u64::MAX)
        }
        _ => {
            fs::remove_file(file).unwrap();
            ("gone", 0..u64::MAX)
        }
    };
    let name = file.strip_prefix(folder).unwrap();
    let what = format!("{}: {how}, {range:?} of {length}", name.display());
    let in_journal = name.starts_with("journal");
    let stem = file.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
    Damaged { what, in_journal, segment: stem.filter(|_| in_journal), bytes: range }
}

fn files_of(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_of(&path, files) } else { files.push(path) }
    }
}

/// How the cases ended.
#[derive(Debug, Default)]
struct Tally {
    /// It opened, and all is there.
    unharmed: u64,
    /// It opened, and named what is not there.
    named: u64,
    /// Of these, those that only reading names: the index knew what is damaged, so opening did not look.
    named_when_read: u64,
    /// It refused in words.
    refused: u64,
    /// The index was made again.
    rebuilt: u64,
    /// Sessions that are in no list, since no record of them can be read: their damage is named to who asks.
    unlisted: u64,
}

#[test]
fn what_is_damaged_is_named_and_the_rest_is_served() {
    let cases = figure("FINIS_DAMAGES", 40);
    let mut random = Random(figure("FINIS_SEED", 1));
    let wholes = [Whole::new(true), Whole::new(false)];
    let mut tally = Tally::default();
    for case in 0..cases {
        let whole = &wholes[usize::from(case % 4 == 3)];
        let copied = tempfile::tempdir().unwrap();
        store::copy(whole.folder.path(), copied.path());
        let damaged = damage(copied.path(), &mut random);
        let what = format!("case {case}, closed {}: {}", whole.is_closed, damaged.what);
        match open(copied.path(), &what) {
            Err(error) => {
                let words = chain(&error);
                assert!(damaged.in_journal && words.len() > 20, "{what}: {words}");
                tally.refused += 1;
            }
            Ok((log, report)) => {
                tally.rebuilt += u64::from(matches!(report.index, finis_store::IndexState::Rebuilt { .. }));
                let seen = store::runtime().block_on(look(&log, whole, &mut tally, &what));
                check(whole, &damaged, &report, &seen, &mut tally, &what);
                drop(log);
                store::runtime().block_on(goes_on(copied.path(), &what));
            }
        }
    }
    println!("{cases} cases of damage: {tally:?}");
}

/// On a thread of its own: opening may not hang, nor panic.
fn open(folder: &Path, what: &str) -> Result<(EmbeddedLog, Report), OpenError> {
    let (send, opened) = mpsc::channel();
    let path = folder.to_owned();
    let thread = std::thread::spawn(move || {
        let _ = send.send(EmbeddedLog::open(&path, &store::settings()));
    });
    match opened.recv_timeout(PATIENCE) {
        Ok(opened) => opened,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what}: it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => panic!("{what}: it panicked: {:?}", thread.join()),
    }
}

/// Everything, and what is said of a session that nobody lists any more, since no record of it can be read.
async fn look(log: &EmbeddedLog, whole: &Whole, tally: &mut Tally, what: &str) -> Look {
    let mut look = Look::at(log, STALL, what).await;
    for key in whole.kept.sessions.keys().filter(|key| !look.kept.sessions.contains_key(*key)) {
        let stored = log.load(std::slice::from_ref(key)).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(stored[0].events.is_empty(), "{what}: {key:?} is there, and in no list");
        tally.unlisted += 1;
        look.sessions_damaged.extend(stored[0].damaged.iter().cloned());
    }
    look
}

fn check(whole: &Whole, damaged: &Damaged, report: &Report, seen: &Look, tally: &mut Tally, what: &str) {
    let words = || format!("{what}: {report}; {:?} {:?}", seen.sessions_damaged, seen.quarantine_damaged);
    let given = Given {
        contract: contract(),
        arrivals: BTreeMap::new(),
        terms: terms(STALL),
        calm: false,
        retains: false,
        misreads: false,
    };
    let as_of = seen.as_of.unwrap_or(Timestamp::MIN);
    let broken: Vec<String> =
        judge_damaged(&given, &whole.kept, &seen.kept, as_of).iter().map(ToString::to_string).collect();
    assert!(broken.is_empty(), "{}\n{}", words(), broken.join("\n"));

    let may_be_lost = whole.lost_with(damaged);
    let there: BTreeSet<&[u8]> = bodies(&seen.kept).collect();
    let missing: Vec<&[u8]> = bodies(&whole.kept).filter(|body| !there.contains(body)).collect();
    for body in &missing {
        assert!(may_be_lost.contains(body), "{} is intact and not there: {}", String::from_utf8_lossy(body), words());
    }
    let read = !seen.sessions_damaged.is_empty() || !seen.quarantine_damaged.is_empty();
    let is_named = !report.journal.damage.is_empty() || report.unreadable > 0 || read;
    let exempt = |body: &&[u8]| !whole.is_closed && whole.frames[*body] == whole.last;
    let lost: Vec<_> = missing.iter().map(|body| String::from_utf8_lossy(body)).collect();
    assert!(is_named || missing.iter().all(exempt), "missing without a word: {}: {lost:?}", words());
    assert!(damaged.in_journal || !is_named, "the journal is whole: {}", words());
    tally.named += u64::from(is_named);
    tally.named_when_read += u64::from(is_named && report.journal.damage.is_empty() && report.unreadable == 0);
    tally.unharmed += u64::from(!is_named);
}

/// It takes deliveries of new sessions and of old ones, those with damage too.
async fn goes_on(folder: &Path, what: &str) {
    let finis = store::open(folder).await.unwrap_or_else(|error| panic!("{what}: then {}", chain(&error)));
    for number in (DELIVERIES - 30..DELIVERIES + 40).filter(|number| posted(*number).is.counts()) {
        let posted = posted(number);
        let told = finis.receive(&posted.source, &headers(&posted), &posted.body).await;
        let told = told.unwrap_or_else(|error| panic!("{what}: then {number}: {error}"));
        assert!(matches!(told, Receipt::Stored { .. } | Receipt::Duplicate { .. }), "{what}: then {number}: {told:?}");
    }
    finis.close().await.unwrap_or_else(|error| panic!("{what}: then closing: {error}"));
}

/// Of some notices nothing can be read: consumers get all the others, and come to the end.
#[test]
fn notices_that_cannot_be_read_stop_no_consumer() {
    const SESSIONS: u64 = 40;
    let folder = tempfile::tempdir().unwrap();
    store::runtime().block_on(async {
        let finis = store::open(folder.path()).await.unwrap();
        for number in 0..SESSIONS {
            for event in ["ended", "finalized"] {
                let body = format!(
                    r#"{{"event":"session.{event}","sessionId":"s-{number}","timestamp":"2026-05-03T08:42:11Z"}}"#
                );
                finis.receive(SIGNED, &HEADERS, body.as_bytes()).await.unwrap();
            }
        }
        let said = finis.log().notices(0, usize::MAX).await.unwrap();
        finis.close().await.unwrap();
        drop(finis);
        let unreadable = [1, 7, 8, 23, SESSIONS];
        for (seq, notice) in said.iter().filter(|(seq, _)| unreadable.contains(seq)) {
            assert_eq!(spoil(folder.path(), &notice.id.to_bytes()), 1, "place {seq}");
        }

        let finis = store::open(folder.path()).await.unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&told);
        let crm = finis.deliver("crm", Policy::default(), move |placed: Placed| {
            taken.lock().unwrap().push(placed.seq);
            async { Ok::<(), std::io::Error>(()) }
        });
        let crm = crm.await.unwrap();
        let readable = || (1..=SESSIONS).filter(|seq| !unreadable.contains(seq));
        let last = readable().next_back().unwrap();
        let until = Instant::now() + PATIENCE;
        // The last is no more, and nothing comes after it.
        while finis.consumers().await.unwrap()[0].acknowledged < last {
            assert!(Instant::now() < until, "told of {told:?}: {:?}", finis.consumers().await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        crm.stop().await.unwrap();
        let mut told = told.lock().unwrap().clone();
        told.sort_unstable();
        assert!(told.iter().copied().eq(readable()), "{told:?}");
        assert!(finis.log().consumers().await.unwrap()[0].standing.is_empty());

        let mut ops = finis.notices("ops").await.unwrap();
        for seq in readable() {
            assert_eq!(ops.next().await.unwrap().unwrap().seq, seq);
        }
        assert_eq!(ops.try_next().await.unwrap(), None);
        finis.close().await.unwrap();
    });
}

/// Changes a byte of each stretch of the journal that has these; how many there are.
fn spoil(folder: &Path, bytes: &[u8]) -> usize {
    let mut files = Vec::new();
    files_of(&folder.join("journal"), &mut files);
    let mut times = 0;
    for path in files {
        let mut file = fs::read(&path).unwrap();
        let at: Vec<usize> = (0..file.len()).filter(|at| file[*at..].starts_with(bytes)).collect();
        times += at.len();
        for at in at {
            file[at] ^= 1;
        }
        fs::write(&path, file).unwrap();
    }
    times
}
