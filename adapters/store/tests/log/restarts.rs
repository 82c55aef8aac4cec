//! Opened again at any point, against the twin in memory.

use std::path::Path;

use finis_engine::log::{Batch, Log, LogError, LogRead, Mark, MemoryLog};
use finis_store::{EmbeddedLog, IndexState, Snapshot};
use proptest::prelude::*;

use crate::model::{Step, at, event, everything, key, steps};
use crate::{runtime, small};

/// Opens what must be whole.
#[track_caller]
fn open(folder: &Path) -> EmbeddedLog {
    let (log, report) = EmbeddedLog::open(folder, &small()).unwrap();
    assert!(report.journal.damage.is_empty(), "{report}");
    assert!(!matches!(report.index, IndexState::Rebuilt { .. }), "{report}");
    log
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn says_what_the_twin_says(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        runtime().block_on(async {
            let twin = MemoryLog::new();
            let mut log = open(folder.path());
            let mut beside = Snapshot::open(folder.path()).unwrap();
            for step in steps {
                match step {
                    Step::Append(batch) => {
                        let some = batch.events.iter().take(batch.events.len() / 2);
                        let ready = some.map(|event| log.ready(&event.key, &event.delivery));
                        let ready = ready.collect();
                        let appended = log.append(Batch { ready, ..(*batch).clone() }).await.unwrap();
                        assert_eq!(appended, twin.append(*batch).await.unwrap());
                    }
                    Step::Mark(consumer, marks) => {
                        log.mark(&consumer.to_string(), &marks).await.unwrap();
                        twin.mark(&consumer.to_string(), &marks).await.unwrap();
                        assert_eq!(log.consumers().await, twin.consumers().await);
                    }
                    Step::Remove(consumer) => {
                        log.remove_consumer(&consumer.to_string()).await.unwrap();
                        twin.remove_consumer(&consumer.to_string()).await.unwrap();
                    }
                    Step::LetGo(session, gone) => {
                        log.let_go(&[key(session)], gone).await.unwrap();
                        twin.let_go(&[key(session)], gone).await.unwrap();
                    }
                    Step::Restart { closed } => {
                        if closed {
                            log.close().await.unwrap();
                        } else {
                            drop(log);
                        }
                        log = open(folder.path());
                    }
                }
                assert_eq!(log.latest().await, twin.latest().await);
                assert_eq!(log.next_due().await, twin.next_due().await);
                assert_eq!(log.waiting().await, twin.waiting().await);
                let due = |due: Vec<_>| due.into_iter().map(|(at, _)| at).collect::<Vec<_>>();
                assert_eq!(log.due(None, at(20), 3).await.map(due), twin.due(None, at(20), 3).await.map(due));
                // Whoever looks from beside sees the same, and the same as if he had looked anew.
                beside.refresh().unwrap();
                let (from_beside, expected) = (everything(&beside).await, everything(&twin).await);
                let counts = expected.counts();
                let is_within = |(key, digest, count): &(_, _, u64)| {
                    counts.iter().any(|known| (&known.0, &known.1) == (key, digest) && *count <= known.2)
                };
                assert!(from_beside.counts().iter().all(is_within));
                assert_eq!(from_beside.uncounted(), expected.uncounted());
                assert_eq!(everything(&log).await, everything(&twin).await);
            }
            let anew = Snapshot::open(folder.path()).unwrap();
            assert_eq!(anew.damage(), []);
            assert_eq!(everything(&anew).await.uncounted(), everything(&twin).await.uncounted());
            assert_eq!(everything(&log).await, everything(&twin).await);
            drop(log);
            let log = open(folder.path());
            assert_eq!(everything(&log).await, everything(&twin).await);
            log.close().await.unwrap();
            let (log, report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
            assert_eq!((report.replayed, report.journal.closed), (0, true));
            assert_eq!(everything(&log).await, everything(&twin).await);
            let anew = Snapshot::open(folder.path()).unwrap();
            assert_eq!(everything(&anew).await, everything(&twin).await);
            log.close().await.unwrap();
            let checkup = finis_store::check(folder.path()).unwrap();
            assert!(checkup.is_sound(), "{checkup:?}");
        });
    }
}

/// Pages spill: a session of some thousand events is whole after a restart, and takes no event twice.
#[test]
fn a_long_session_spills() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let batch = |from: u32| Batch {
            events: (from..from + 500).map(|number| event(0, number, i64::from(number))).collect(),
            ..Batch::default()
        };
        let log = open(folder.path());
        for from in [0, 500, 1000, 1500] {
            assert!(log.append(batch(from)).await.unwrap().new.iter().all(|new| *new));
        }
        drop(log);
        let log = open(folder.path());
        assert!(!log.append(batch(700)).await.unwrap().new.contains(&true));
        assert_eq!(log.load(&[key(0)]).await.unwrap()[0].events.len(), 2000);
        log.close().await.unwrap();
        let log = open(folder.path());
        assert!(!log.append(batch(1500)).await.unwrap().new.contains(&true));
        assert!(log.append(batch(1800)).await.unwrap().new[200..].iter().all(|new| *new));
        assert_eq!(log.load(&[key(0)]).await.unwrap()[0].events.len(), 2300);
    });
}

#[test]
fn refuses_what_is_too_large_and_takes_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let log = open(folder.path());
        let mut headers = event(0, 2, 1);
        headers.delivery.headers = vec![("x".to_owned(), "y".repeat(17 << 20))];
        let mut body = event(0, 3, 1);
        body.delivery.body = vec![0; 17 << 20].into();
        for event in [headers, body] {
            let answer = log.append(Batch { events: vec![event], ..Batch::default() }).await;
            assert!(matches!(answer, Err(LogError::TooLarge { .. })), "{answer:?}");
        }
        let named = log.mark(&"x".repeat(2000), &[Mark::Begin(1)]).await;
        assert!(matches!(named, Err(LogError::TooLarge { .. })), "{named:?}");
        log.append(Batch { events: vec![event(0, 4, 1)], ..Batch::default() }).await.unwrap();
        assert_eq!(everything(&log).await.stored[0].events.len(), 1);
    });
}

#[test]
fn is_held_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let text = EmbeddedLog::open(folder.path(), &small()).unwrap_err().to_string();
    assert!(text.contains("held by process"), "{text}");
    drop(log);
    drop(open(folder.path()));
}

/// A disk that has no room is told before anything is written, and what adds nothing is answered.
#[test]
fn a_full_disk_refuses_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let batch = |number| Batch { events: vec![event(0, number, 1)], ..Batch::default() };
        let log = open(folder.path());
        log.append(batch(1)).await.unwrap();
        drop(log);
        let mut settings = small();
        settings.journal.free_bytes_min = u64::MAX / 4;
        let (log, _report) = EmbeddedLog::open(folder.path(), &settings).unwrap();
        assert!(matches!(log.append(batch(2)).await, Err(LogError::Full { .. })));
        assert_eq!(log.append(batch(1)).await.unwrap().new, [false]);
        assert_eq!(everything(&log).await.stored[0].events.len(), 1);
        drop(log);
        assert_eq!(open(folder.path()).append(batch(2)).await.unwrap().new, [true]);
    });
}
