//! How often events came: counted at no cost, and never too high.

use std::collections::BTreeSet;
use std::path::Path;

use finis_engine::Timestamp;
use finis_engine::log::{ARRIVALS_MAX, Arrivals, Batch, Gone, Log, LogRead, Why};
use finis_store::head::{Head, HeadError};
use finis_store::journal::{Journal, Position, Reader, Scanned};
use finis_store::{EmbeddedLog, Settings, Snapshot, check};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::index::copy;
use crate::model::{at, digest, event, everything, key, repeat};
use crate::{runtime, small};

fn came(seconds: &[i64]) -> Arrivals {
    let mut arrivals = Arrivals::of(at(seconds[0]));
    for second in seconds {
        arrivals.take(at(*second));
    }
    arrivals
}

fn joined(one: &Arrivals, other: &Arrivals) -> Arrivals {
    let mut joined = one.clone();
    joined.merge(other);
    joined
}

fn some() -> impl Strategy<Value = Arrivals> {
    vec(0_i64..60, 1..40).prop_map(|seconds| came(&seconds))
}

proptest! {
    #[test]
    fn counts_are_joined(one in some(), other in some(), third in some()) {
        prop_assert_eq!(joined(&one, &one), one.clone());
        prop_assert_eq!(joined(&one, &other), joined(&other, &one));
        prop_assert_eq!(joined(&joined(&one, &other), &third), joined(&one, &joined(&other, &third)));
        // Each is part of what they are together, so taking it once more changes nothing.
        prop_assert_eq!(joined(&joined(&one, &other), &one), joined(&one, &other));
    }

    #[test]
    fn the_first_and_the_last_are_exact_and_the_number_is_never_too_high(
        seconds in vec(0_i64..60, 1..60), rotated in any::<prop::sample::Index>(),
    ) {
        let all: BTreeSet<i64> = seconds.iter().copied().collect();
        let first: Vec<Timestamp> = all.iter().take(ARRIVALS_MAX).map(|second| at(*second)).collect();
        let ordered: Vec<i64> = all.iter().copied().collect();
        prop_assert_eq!(came(&ordered).count(), all.len() as u64);
        let mut others = seconds.clone();
        others.rotate_left(rotated.index(seconds.len()));
        for arrivals in [came(&seconds), came(&others), joined(&came(&seconds), &came(&others))] {
            prop_assert_eq!(arrivals.first(), &first);
            prop_assert_eq!(Some(arrivals.last()), all.last().map(|second| at(*second)));
            prop_assert!(arrivals.count() <= all.len() as u64);
            prop_assert!(arrivals.count() == all.len() as u64 || all.len() > ARRIVALS_MAX);
            let mut twice = arrivals.clone();
            for second in &seconds {
                twice.take(at(*second));
            }
            prop_assert!(twice.count() <= all.len() as u64);
        }
    }
}

fn open(folder: &Path) -> EmbeddedLog {
    let (log, report) = EmbeddedLog::open(folder, &small()).unwrap();
    assert!(report.journal.damage.is_empty(), "{report}");
    log
}

async fn count(log: &dyn LogRead, session: u8, number: u32) -> u64 {
    let stored = log.load(&[key(session)]).await.unwrap().remove(0);
    let known = stored.repeated.iter().find(|(known, _)| *known == digest(number));
    known.map_or(u64::from(!stored.events.is_empty()), |(_, arrivals)| arrivals.count())
}

/// Records of the journal that say how often an event came.
fn records(folder: &Path) -> usize {
    let journal = Reader::open(&folder.join("journal")).unwrap();
    let heads = journal.scan_heads(Position::START).unwrap().filter_map(|scanned| match scanned.unwrap() {
        Scanned::Record(entry) => Head::decode(&entry.head).ok(),
        Scanned::Damage(_) => None,
    });
    heads.filter(|head| matches!(head, Head::Repeated { .. })).count()
}

/// Bytes of a journal that was closed.
fn bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder.join("journal")).unwrap().map(|file| file.unwrap());
    let logs = files.filter(|file| file.file_name().to_string_lossy().ends_with(".log"));
    logs.map(|file| file.metadata().unwrap().len()).sum()
}

/// A provider that sends one delivery 100,000 times, while others go on: in the journal it is some lines more.
#[test]
fn a_storm_of_one_delivery_leaves_little() {
    let grown = [0, 100_i64].map(|repeats| {
        let folder = tempfile::tempdir().unwrap();
        runtime().block_on(async {
            let settings = Settings { repeats_behind: 1 << 14, ..small() };
            let (log, _report) = EmbeddedLog::open(folder.path(), &settings).unwrap();
            for round in 0..1000_i64 {
                let repeats = (0..repeats).map(|part| repeat(0, 0, 100 + round * 100 + part)).collect();
                log.append(Batch { repeats, ..Batch::default() }).await.unwrap();
                let another = vec![event((round % 6) as u8, round as u32, 1)];
                log.append(Batch { events: another, ..Batch::default() }).await.unwrap();
            }
            // In the first round it was not there yet.
            let counted = 1 + u64::try_from(repeats * 999).unwrap();
            assert_eq!(count(&log, 0, 0).await, counted);
            log.close().await.unwrap();
            let log = open(folder.path());
            assert_eq!(count(&log, 0, 0).await, counted);
            log.close().await.unwrap();
        });
        (bytes(folder.path()), records(folder.path()))
    });
    assert_eq!(grown[0].1, 0);
    assert!(grown[1].1 <= 18, "{grown:?}");
    // Frames begin at multiples of a block of the disk, at most.
    assert!(grown[1].0 < grown[0].0 + 18 * 512, "{grown:?}");
}

/// Nothing but repeats: not one commit, until it is closed.
#[test]
fn what_came_again_alone_makes_no_commit() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let log = open(folder.path());
        log.append(Batch { events: vec![event(0, 0, 1)], ..Batch::default() }).await.unwrap();
        for second in 2..500 {
            log.append(Batch { repeats: vec![repeat(0, 0, second)], ..Batch::default() }).await.unwrap();
        }
        assert_eq!((count(&log, 0, 0).await, records(folder.path())), (499, 0));
        log.close().await.unwrap();
        assert_eq!(records(folder.path()), 1);
        assert_eq!(count(&Snapshot::open(folder.path()).unwrap(), 0, 0).await, 499);
    });
}

/// More events than may wait: all are counted, and memory is bounded.
#[test]
fn a_wide_storm_is_written_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let log = open(folder.path());
        log.append(Batch { events: (0..200).map(|number| event(0, number, 1)).collect(), ..Batch::default() })
            .await
            .unwrap();
        for pass in 1..6 {
            for number in 0..200 {
                let again = vec![repeat(0, number, pass * 1000 + i64::from(number))];
                log.append(Batch { repeats: again, ..Batch::default() }).await.unwrap();
            }
        }
        let all = everything(&log).await;
        assert!(all.counts().iter().all(|(.., count)| *count == 6) && all.counts().len() == 200);
        // Those of all but the last few.
        assert!((900..=1000).contains(&records(folder.path())), "{}", records(folder.path()));
        drop(log);
        std::fs::remove_dir_all(folder.path().join("index")).unwrap();
        assert_eq!(everything(&open(folder.path())).await, all);
    });
}

/// Closed or only dropped, with the index and without: the counts are what they were.
#[test]
fn counts_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let mut log = open(folder.path());
        log.append(Batch { events: vec![event(0, 0, 1), event(0, 1, 3600)], ..Batch::default() }).await.unwrap();
        for round in 0..12 {
            let repeats = (0..5).map(|part| repeat(0, (round % 2) as u32, 10 + round * 5 + part)).collect();
            log.append(Batch { repeats, ..Batch::default() }).await.unwrap();
            let all = everything(&log).await;
            if round % 3 == 0 {
                log.close().await.unwrap();
                assert!(check(folder.path()).unwrap().is_sound());
            } else {
                drop(log);
            }
            if round % 4 == 0 {
                // The lock is free when the thread of the one that was dropped has ended.
                drop(open(folder.path()));
                drop(open(folder.path()));
                std::fs::remove_dir_all(folder.path().join("index")).unwrap();
            }
            log = open(folder.path());
            assert_eq!(everything(&log).await, all, "round {round}");
        }
        assert_eq!((count(&log, 0, 0).await, count(&log, 0, 1).await), (31, 30));
    });
}

/// A crash takes what no commit has said: less than half, and nothing is counted that did not come.
#[test]
fn a_crash_takes_the_last_of_it_alone() {
    let (folder, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    runtime().block_on(async {
        let log = open(folder.path());
        log.append(Batch { events: vec![event(0, 0, 1)], ..Batch::default() }).await.unwrap();
        for round in 0..40_i64 {
            let repeats = (0..7).map(|part| repeat(0, 0, 10 + round * 7 + part)).collect();
            log.append(Batch { repeats, ..Batch::default() }).await.unwrap();
            let before = count(&log, 0, 0).await;
            assert_eq!(before, 1 + 7 * (round as u64 + 1));
            // What a crash would leave here, before anything is committed and after.
            for is_committed in [false, true] {
                if is_committed {
                    let another = vec![event(1, round as u32, 2)];
                    log.append(Batch { events: another, ..Batch::default() }).await.unwrap();
                }
                let left = crashed.path().join(format!("{round}-{is_committed}"));
                copy(&folder.path().join("journal"), &left.join("journal"));
                let counted = count(&Snapshot::open(&left).unwrap(), 0, 0).await;
                assert!(counted <= before, "{counted} of {before}");
                assert!(!is_committed || counted * 2 > before, "{counted} of {before}");
                let log = open(&left);
                assert_eq!(count(&log, 0, 0).await, counted);
                // It goes on from there.
                log.append(Batch { repeats: vec![repeat(0, 0, 5000)], ..Batch::default() }).await.unwrap();
                assert_eq!(count(&log, 0, 0).await, counted + 1);
                log.close().await.unwrap();
            }
        }
    });
}

/// An earlier arrival is durable at once, and counts beside what a record said before, whatever a crash took.
#[test]
fn an_earlier_arrival_counts_without_a_record_that_says_so() {
    let (folder, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    runtime().block_on(async {
        let log = open(folder.path());
        log.append(Batch { events: vec![event(0, 0, 5)], ..Batch::default() }).await.unwrap();
        log.append(Batch { repeats: vec![repeat(0, 0, 6), repeat(0, 0, 7)], ..Batch::default() }).await.unwrap();
        log.append(Batch { events: vec![event(1, 1, 8)], ..Batch::default() }).await.unwrap();
        assert_eq!(records(folder.path()), 1);
        log.append(Batch { events: vec![event(0, 0, 2)], ..Batch::default() }).await.unwrap();
        assert_eq!(records(folder.path()), 1);
        copy(&folder.path().join("journal"), &crashed.path().join("journal"));
        assert_eq!((count(&log, 0, 0).await, count(&open(crashed.path()), 0, 0).await), (4, 4));
    });
}

/// What was counted of a session that is forgotten goes with it, also what was in no record yet.
#[test]
fn what_is_forgotten_is_counted_no_more() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let log = open(folder.path());
        let batch = |repeats| Batch {
            events: vec![event(0, 0, 1), event(1, 0, 1)],
            repeats,
            due: vec![(key(0), Some(at(900)))],
            ..Batch::default()
        };
        log.append(batch(vec![])).await.unwrap();
        log.append(Batch { repeats: vec![repeat(0, 0, 2), repeat(1, 0, 2)], ..Batch::default() }).await.unwrap();
        log.append(Batch { events: vec![event(2, 5, 3)], ..Batch::default() }).await.unwrap();
        log.append(Batch { repeats: vec![repeat(0, 0, 3), repeat(1, 0, 3)], ..Batch::default() }).await.unwrap();
        assert_eq!(records(folder.path()), 2);
        log.let_go(&[key(0)], Gone { why: Why::Forgotten, at: at(4) }).await.unwrap();
        log.append(batch(vec![repeat(0, 0, 6)])).await.unwrap();
        let says_nothing = async |log: &EmbeddedLog| {
            let stored = log.load(&[key(0)]).await.unwrap().remove(0);
            assert!(stored.gone.is_some() && stored.events.is_empty() && stored.repeated.is_empty(), "{stored:?}");
            assert_eq!(count(log, 1, 0).await, 3);
        };
        says_nothing(&log).await;
        log.close().await.unwrap();
        // One of each before, and one more of the one that is kept.
        assert_eq!(records(folder.path()), 3);
        assert!(check(folder.path()).unwrap().is_sound());
        let log = open(folder.path());
        says_nothing(&log).await;
        log.close().await.unwrap();
        std::fs::remove_dir_all(folder.path().join("index")).unwrap();
        says_nothing(&open(folder.path())).await;
    });
}

/// A record of a kind that came later stops whoever does not know it, with words: passing it over would be
/// another history.
#[test]
fn a_kind_of_later_is_refused_with_words() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let log = open(folder.path());
        log.append(Batch { events: vec![event(0, 0, 1)], ..Batch::default() }).await.unwrap();
        log.close().await.unwrap();
    });
    let path = folder.path().join("journal");
    let (mut journal, _report) = Journal::open(&path, small().journal, Position::START).unwrap();
    let later = Head::decode(&[1, 22]).unwrap_err();
    assert_eq!(later, HeadError::Newer);
    let mut commit = journal.begin(1000).unwrap();
    commit.push(&[1, 22, 7, 7, 7], None).unwrap();
    commit.finish().unwrap();
    journal.close().unwrap();
    let told = [
        EmbeddedLog::open(folder.path(), &small()).unwrap_err().to_string(),
        Snapshot::open(folder.path()).unwrap_err().to_string(),
        check(folder.path()).unwrap_err().to_string(),
    ];
    assert!(told.iter().all(|told| told.ends_with("was written by a later finis: upgrade finis")), "{told:?}");
}
