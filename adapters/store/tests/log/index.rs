//! An index that is not as it should be: gone, cut off, with flipped bits, of another journal, or of
//! another time. It is made again, and the log says what it said.

use std::fs;
use std::path::Path;
use std::time::Duration;

use finis_engine::live::NoticeKind;
use finis_engine::log::{Batch, Cause, EventEntry, Log, LogRead, Mark};
use finis_store::{EmbeddedLog, IndexState, Report};

use crate::model::{Everything, at, event, everything, key, key_of, notice, refused, repeat};
use crate::{runtime, small};

/// Fills a log, closes it, and tells all that it says.
fn filled(folder: &Path, events: u32) -> Everything {
    runtime().block_on(async {
        let (log, _report) = EmbeddedLog::open(folder, &small()).unwrap();
        let mut number = 0;
        while number < events {
            let batch = Batch {
                events: (number..number + 20).map(|number| event((number % 6) as u8, number, 3)).collect(),
                // What came in the batch before, each time once more.
                repeats: (0..9).map(|n| repeat((n % 6) as u8, n, 10 + i64::from(number))).collect(),
                deadlines: vec![(key(0), at(number.into()))],
                notices: vec![notice((number % 5) as u8, NoticeKind::Asset, number)],
                due: vec![(key((number % 4) as u8), Some(at(number.into())))],
                refused: vec![refused(number, 4)],
                ..Batch::default()
            };
            log.append(batch).await.unwrap();
            number += 20;
        }
        let parked = Mark::Park(9, Cause::Failed { reason: "no".to_owned() });
        log.mark("consumer", &[Mark::Begin(0), Mark::UpTo(7), parked, Mark::Done(11)]).await.unwrap();
        let all = everything(&log).await;
        log.close().await.unwrap();
        all
    })
}

/// Opens it, and holds it to what it said before.
#[track_caller]
fn check(folder: &Path, expected: &Everything, what: &str) -> Report {
    runtime().block_on(async {
        let settings = finis_store::Settings { index_patience: Duration::from_secs(20), ..small() };
        let (log, report) = EmbeddedLog::open(folder, &settings).unwrap();
        assert_eq!(everything(&log).await, *expected, "{what}: {report}");
        assert!(report.journal.damage.is_empty(), "{what}: {report}");
        // What is there is known; nor does it come once more with what was told before.
        let again = Batch { events: (0..60).map(|n| event((n % 6) as u8, n, 3)).collect(), ..Batch::default() };
        assert!(!log.append(again).await.unwrap().new.contains(&true), "{what}: {report}");
        report
    })
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (entry, to) = (entry.as_ref().unwrap(), to.join(entry.as_ref().unwrap().file_name()));
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

fn is_rebuilt(report: &Report) -> bool {
    matches!(report.index, IndexState::Rebuilt { .. })
}

#[test]
fn gone_or_with_a_file_gone() {
    let folder = tempfile::tempdir().unwrap();
    let all = filled(folder.path(), 400);
    let report = check(folder.path(), &all, "nothing");
    assert_eq!((report.index, report.replayed), (IndexState::Kept, 0));
    for gone in ["", "db", "conf"] {
        let copied = tempfile::tempdir().unwrap();
        copy(folder.path(), copied.path());
        let path = copied.path().join("index").join(gone);
        if gone.is_empty() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
        let report = check(copied.path(), &all, gone);
        // sled makes its settings again, and then all is there.
        assert!(is_rebuilt(&report) || gone == "conf", "{gone}: {report}");
        assert!(!is_rebuilt(&check(copied.path(), &all, gone)), "{gone}");
    }
}

#[test]
fn cut_off_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let all = filled(folder.path(), 200);
    let length = fs::metadata(folder.path().join("index/db")).unwrap().len();
    for cut in [0, 1, 7, 100, 4096, length / 3, length / 2, length - 512, length - 1] {
        let copied = tempfile::tempdir().unwrap();
        copy(folder.path(), copied.path());
        change(&copied.path().join("index/db"), |bytes| bytes.truncate(cut as usize));
        let _report = check(copied.path(), &all, &format!("cut at {cut} of {length}"));
    }
}

/// `FINIS_FLIPS` sets how many.
#[test]
fn with_a_flipped_bit() {
    let flips = std::env::var("FINIS_FLIPS").ok().and_then(|text| text.parse().ok()).unwrap_or(24);
    let folder = tempfile::tempdir().unwrap();
    // Opened several times, so that sled has a snapshot and segments that it no longer adds to.
    filled(folder.path(), 200);
    filled(folder.path(), 600);
    let all = filled(folder.path(), 1200);
    let used = fs::read(folder.path().join("index/db")).unwrap();
    // Where something is written: the rest is zeros.
    let places: Vec<usize> = (0..used.len()).filter(|place| used[*place] != 0).collect();
    let (mut rebuilt, mut replayed) = (0, 0);
    for flip in 0..flips {
        let place = places[(flip * 7_919 + 13) % places.len()];
        let copied = tempfile::tempdir().unwrap();
        copy(folder.path(), copied.path());
        change(&copied.path().join("index/db"), |bytes| bytes[place] ^= 1 << (flip % 8));
        let report = check(copied.path(), &all, &format!("bit {} of byte {place}", flip % 8));
        rebuilt += usize::from(is_rebuilt(&report));
        replayed += usize::from(!is_rebuilt(&report) && report.replayed > 0);
    }
    println!("of {flips} flipped bits, {rebuilt} had the index made again, {replayed} brought up to date");
    assert!(rebuilt + replayed > 0);
}

/// sled takes a half-written snapshot for its newest, and never opens again.
#[test]
fn with_a_half_written_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let all = filled(folder.path(), 100);
    fs::write(folder.path().join("index/snap.0000000000FFFFFF.generating"), b"half").unwrap();
    let report = check(folder.path(), &all, "snapshot");
    assert_eq!((report.snapshots_aside, is_rebuilt(&report)), (1, false));
}

#[test]
fn of_another_journal() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let all = filled(folder.path(), 100);
    filled(other.path(), 300);
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    copy(&other.path().join("index"), &folder.path().join("index"));
    let report = check(folder.path(), &all, "another");
    assert_eq!(report.index, IndexState::Rebuilt { reason: "it is of another journal".to_owned() });
    assert!(folder.path().join("index.aside/db").exists());
}

/// An index of before is brought up to date, not made again.
#[test]
fn of_another_time() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 100);
    let older = tempfile::tempdir().unwrap();
    copy(&folder.path().join("index"), older.path());
    let all = filled(folder.path(), 300);
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    copy(older.path(), &folder.path().join("index"));
    let report = check(folder.path(), &all, "older");
    assert!(!is_rebuilt(&report) && report.replayed > 100, "{report}");
}

/// A journal that ends before what the index knows has lost something, and that is said.
#[test]
fn ahead_of_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let shorter = filled(folder.path(), 100);
    let older = tempfile::tempdir().unwrap();
    copy(&folder.path().join("journal"), older.path());
    filled(folder.path(), 300);
    fs::remove_dir_all(folder.path().join("journal")).unwrap();
    copy(older.path(), &folder.path().join("journal"));
    let (log, report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
    assert!(is_rebuilt(&report) && !report.journal.damage.is_empty(), "{report}");
    assert!(!report.to_string().contains('\n'), "{report}");
    assert_eq!(runtime().block_on(everything(&log)), shorter);
}

/// A stretch of the journal that is damaged takes its own entries with it, and no more.
#[test]
fn beside_a_damaged_journal() {
    let folder = tempfile::tempdir().unwrap();
    let all = filled(folder.path(), 200);
    change(&folder.path().join("journal/00000001.log"), |bytes| bytes[12_288 + 60] ^= 1);
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (log, report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
    assert!(!report.journal.damage.is_empty(), "{report}");
    let left = runtime().block_on(everything(&log));
    // The first batch had 20 events, and the first place of the outbox.
    let events = |all: &Everything| all.stored.iter().map(|stored| stored.events.len()).sum::<usize>();
    assert_eq!(events(&left), events(&all) - 20);
    assert_eq!(left.notices, all.notices[1..]);
}

/// sled gives little of its space back. What has grown far past what it holds is written anew beside.
#[test]
fn grown_far_past_what_it_holds() {
    let says = |folder: &Path, expected: &Everything| {
        let (log, report) = EmbeddedLog::open(folder, &small()).unwrap();
        assert_eq!(runtime().block_on(everything(&log)), *expected, "{report}");
        report
    };
    let sizes = [u64::MAX, 600_000].map(|slack| {
        let folder = tempfile::tempdir().unwrap();
        let settings = finis_store::Settings { index_slack_bytes: slack, ..small() };
        let all = runtime().block_on(async {
            let (log, _report) = EmbeddedLog::open(folder.path(), &settings).unwrap();
            let mut first = 0;
            while first < 8_000_u32 {
                // Each of 300 sessions again and again.
                let some = (first..first + 40).map(|number| {
                    let id = format!("call-{}", number % 300);
                    let key = key_of(&id);
                    (EventEntry { key: key.clone(), ..event(0, number % 900, 9) }, (key, Some(at(number.into()))))
                });
                let (events, due) = some.unzip();
                log.append(Batch { events, due, ..Batch::default() }).await.unwrap();
                first += 40;
            }
            let all = everything(&log).await;
            log.close().await.unwrap();
            all
        });
        let bytes = fs::metadata(folder.path().join("index/db")).unwrap().len();
        let report = says(folder.path(), &all);
        assert_eq!((report.index, report.replayed), (IndexState::Kept, 0));
        // A crash while it is written leaves nothing that disturbs.
        fs::rename(folder.path().join("index"), folder.path().join("index.old")).unwrap();
        fs::create_dir(folder.path().join("index.new")).unwrap();
        assert!(is_rebuilt(&says(folder.path(), &all)));
        assert!(!folder.path().join("index.new").exists());
        bytes
    });
    assert!(sizes[1] < sizes[0], "{sizes:?}");
}

/// What sled leaves behind is freed by who is told to, as long as both mean the same crate.
#[test]
fn sled_and_the_index_have_one_heap_of_garbage() {
    let lock = include_str!("../../../../Cargo.lock");
    assert_eq!(lock.matches("name = \"crossbeam-epoch\"\n").count(), 1);
}

/// sled opens with less than it had, or with what it had before, and says nothing.
#[test]
fn with_less_than_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let all = filled(folder.path(), 400);
    let keys: Vec<_> = {
        let tree = sled::open(folder.path().join("index")).unwrap();
        tree.iter().keys().map(|key| key.unwrap()).filter(|key| **key != *b"m").collect()
    };
    assert!(keys.len() > 10, "{}", keys.len());
    for (number, key) in keys.iter().enumerate() {
        let copied = tempfile::tempdir().unwrap();
        copy(folder.path(), copied.path());
        let tree = sled::open(copied.path().join("index")).unwrap();
        let value = tree.remove(key).unwrap().unwrap();
        if number % 2 == 1 {
            tree.insert(key, [&*value, &[0]].concat()).unwrap();
        }
        drop(tree);
        let report = check(copied.path(), &all, &format!("{key:?}"));
        let reason = "it does not hold what it says".to_owned();
        // Of what cannot even be read, that is said.
        let unreadable = |of| format!("the index has a value for {of} that cannot be read");
        let reasons = [reason, unreadable("sessions"), unreadable("a deadline")];
        assert!(reasons.map(|reason| IndexState::Rebuilt { reason }).contains(&report.index), "{key:?}: {report}");
    }
}

/// Sessions share a key of the index until one of them grows: then it goes elsewhere, and leaves nothing behind.
#[test]
fn outgrown() {
    let folder = tempfile::tempdir().unwrap();
    let call = |number: u32| key_of(&format!("call-{number}"));
    let append = async |log: &EmbeddedLog, number: u32, first: u32, count: u32| {
        let event = |more: u32| EventEntry { key: call(number), ..event(0, number * 10_000 + first + more, 3) };
        let (events, due) = ((0..count).map(event).collect(), vec![(call(number), Some(at(number.into())))]);
        log.append(Batch { events, due, ..Batch::default() }).await.unwrap();
    };
    let all = runtime().block_on(async {
        let (log, _report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
        for number in 0..300 {
            append(&log, number, 0, 1).await;
        }
        log.close().await.unwrap();
        for round in 0..40 {
            let (log, report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
            assert_eq!(report.index, IndexState::Kept, "{round}: {report}");
            // Those that came together, on one page or two.
            for number in 0..30 {
                append(&log, number, 1 + round * 5, 5).await;
            }
            log.close().await.unwrap();
        }
        let (log, report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
        assert_eq!(report.index, IndexState::Kept, "{report}");
        assert_eq!(log.load(&[call(7)]).await.unwrap()[0].events.len(), 201);
        let all = everything(&log).await;
        assert_eq!(all.sessions.len(), 300);
        log.close().await.unwrap();
        all
    });
    assert!(finis_store::check(folder.path()).unwrap().is_sound());
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (log, _report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
    assert_eq!(runtime().block_on(everything(&log)), all);
}

/// A delivery whose body is damaged on the disk, and that comes again, is kept anew: who is told that it is kept can
/// rely on it.
#[test]
fn damaged_and_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let batch = |numbers: std::ops::Range<u32>| {
            let events = numbers.map(|number| event(0, number, 3)).collect();
            Batch { events, due: vec![(key(0), Some(at(90)))], ..Batch::default() }
        };
        let (log, _report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
        log.append(batch(0..3)).await.unwrap();
        let all = log.load(&[key(0)]).await.unwrap();
        log.close().await.unwrap();
        let needle = b"x-number\x01\0\0\x001";
        change(&folder.path().join("journal/00000001.log"), |bytes| {
            let place = bytes.windows(needle.len()).position(|part| part == needle).unwrap();
            bytes[place] ^= 1;
        });
        let (log, _report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
        let harmed = log.load(&[key(0)]).await.unwrap();
        assert_eq!((harmed[0].events.len(), harmed[0].damaged.len()), (2, 1));
        assert_eq!(log.append(batch(0..3)).await.unwrap().new, [false, true, false]);
        assert_eq!(log.append(batch(0..3)).await.unwrap().new, [false; 3]);
        assert_eq!(log.load(&[key(0)]).await.unwrap()[0].events, all[0].events);
        drop(log);
        fs::remove_dir_all(folder.path().join("index")).unwrap();
        let (log, _report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
        assert_eq!(log.append(batch(0..3)).await.unwrap().new, [false; 3]);
        assert_eq!(log.load(&[key(0)]).await.unwrap()[0].events, all[0].events);
    });
}
