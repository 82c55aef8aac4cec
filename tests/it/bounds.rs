//! One session of which too much comes: what is kept, what is said, and what it costs.

use std::path::Path;
use std::sync::Arc;

use finis::engine::live::NoticeKind;
use finis::engine::log::{Log, LogRead, MemoryLog};
use finis::engine::{Engine, Key, Partial, Reader, Receipt, Record, Settings, TOO_MANY_EVENTS, Timestamp, Unverified};
use finis_store::{EmbeddedLog, Snapshot};

use crate::world::{EVENING, Hand, Running, key, kinds, payload, said, source};

/// Three events a session.
const THREE: Settings =
    Settings { queue_max: 64, batch_max: 16, sessions_max: 64, body_bytes_max: 1 << 20, events_max: 3 };

fn open(folder: &Path) -> Arc<EmbeddedLog> {
    let journal = finis_store::journal::Settings { segment_bytes: 1 << 20, reserve_bytes: 0, free_bytes_min: 0 };
    let settings = finis_store::Settings { journal, ..Default::default() };
    Arc::new(EmbeddedLog::open(folder, &settings).unwrap().0)
}

/// A recording of a session, another each time.
fn recording(number: usize) -> String {
    let at = Timestamp::parse(EVENING).unwrap().plus(std::time::Duration::from_millis(number as u64));
    payload('R', "s-1", &at.to_string())
}

fn violations(record: &str) -> String {
    let record: serde_json::Value = serde_json::from_str(record).unwrap();
    record["violations"].to_string()
}

async fn beyond_the_limit(log: Arc<dyn Log>) {
    let running = Running::start_with(log.clone(), Hand::at(EVENING), THREE);
    for kind in "ECF".chars() {
        assert_eq!(running.receive(&payload(kind, "s-1", EVENING)).await, Receipt::Stored { key: key("s-1") });
    }
    let before = running.engine.session(&key("s-1")).await.unwrap().unwrap();
    assert_eq!(violations(&before), "[]");
    for number in [1, 2, 1] {
        let told = running.receive(&recording(number)).await;
        let Receipt::Quarantined { reason } = told else { panic!("{told:?}") };
        assert!(reason.contains("3 events") && reason.contains("`events_max`"), "{reason}");
    }
    // What is here is known to be here, and others go on as ever.
    assert_eq!(running.receive(&payload('C', "s-1", EVENING)).await, Receipt::Duplicate { key: key("s-1") });
    assert_eq!(running.receive(&payload('C', "s-2", EVENING)).await, Receipt::Stored { key: key("s-2") });
    let stored = log.load(&[key("s-1"), key("s-2")]).await.unwrap();
    assert_eq!(
        stored.iter().map(|stored| (stored.events.len(), stored.crowded)).collect::<Vec<_>>(),
        [(3, true), (1, false)]
    );
    assert_eq!(log.refused(None, 9).await.unwrap().deliveries.len(), 2);
    // It was over, and a rule that is broken since is an amendment; said once.
    let said = said(&*log).await;
    assert_eq!(kinds(&said), [(NoticeKind::Complete, 1), (NoticeKind::Amended, 2)]);
    let changed: Vec<&str> = said[1].changes.iter().map(|change| change.part.as_str()).collect();
    assert_eq!(changed, ["status", "violations", "by"]);
    let after = running.engine.session(&key("s-1")).await.unwrap().unwrap();
    assert_eq!((violations(&after).as_str(), &after), (r#"["too_many_events"]"#, &said[1].record));
    running.stop().await;
}

/// The session of [`beyond_the_limit`], in a log that was opened again.
async fn is_still_crowded(log: Arc<dyn Log>) {
    let clock = Hand::at("2026-05-03T08:43:00Z");
    let running = Running::start_with(log.clone(), clock.clone(), THREE);
    assert_eq!(running.receive(&payload('F', "s-1", EVENING)).await, Receipt::Duplicate { key: key("s-1") });
    assert!(matches!(running.receive(&recording(3)).await, Receipt::Quarantined { .. }));
    assert_eq!(said(&*log).await.len(), 2);
    // The grace is over as for any broken rule.
    clock.set("2026-05-03T08:45:00Z");
    let mut notices = running.engine.notices("crm").await.unwrap();
    for _ in 0..2 {
        notices.next().await.unwrap().unwrap();
    }
    let last = notices.next().await.unwrap().unwrap().notice;
    assert_eq!((last.kind, last.revision), (NoticeKind::Amended, 3));
    assert!(last.record.contains(r#""by":"deadline""#), "{}", last.record);
    assert_eq!(violations(&last.record), r#"["too_many_events"]"#);
    running.stop().await;
    // With more room it takes more, and what was too much stays said.
    let running = Running::start_with(log.clone(), clock, Settings::default());
    assert_eq!(running.receive(&recording(4)).await, Receipt::Stored { key: key("s-1") });
    let record = running.engine.session(&key("s-1")).await.unwrap().unwrap();
    assert_eq!(violations(&record), r#"["too_many_events"]"#);
    running.stop().await;
}

#[tokio::test]
async fn more_than_may_be_is_quarantined_and_the_record_says_so_once() {
    let log: Arc<MemoryLog> = Arc::default();
    beyond_the_limit(log.clone()).await;
    is_still_crowded(log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_does_after_a_restart_without_an_index_and_beside_whoever_writes() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    beyond_the_limit(log.clone()).await;
    let beside = Snapshot::open(folder.path()).unwrap();
    assert!(beside.load(&[key("s-1")]).await.unwrap()[0].crowded);
    drop(log);
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    is_still_crowded(open(folder.path())).await;
}

/// Exports are folded whole.
#[test]
fn offline_there_is_no_limit() {
    let source = source(Box::new(Unverified));
    let mut partial = Partial::default();
    for number in 0..10_100 {
        let mut reader = Reader::new();
        partial.add(&source.contract, &reader.read(&source.contract, &recording(number)).unwrap(), None);
    }
    let (subject, _) = source.contract.subjects().next().unwrap();
    let of = Key { source: "pathors", subject, id: "s-1" };
    let record = Record::new(of, &partial, &source.contract, &source.terms, Timestamp::MAX);
    assert_eq!((record.events.len(), record.violations.contains(&TOO_MANY_EVENTS)), (10_100, false));
}

/// Deadlines of sources that an engine does not have stay due for one that has them.
#[tokio::test]
async fn what_is_due_of_a_source_that_is_not_here_waits_for_it() {
    let log: Arc<MemoryLog> = Arc::default();
    let clock = Hand::at(EVENING);
    let running = Running::start(log.clone(), clock.clone());
    for id in ["a", "b", "c"] {
        running.receive(&payload('F', id, EVENING)).await;
    }
    running.stop().await;

    let elsewhere = || finis::engine::Source { name: "elsewhere".into(), ..source(Box::new(Unverified)) };
    let (engine, writer) = Engine::new(log.clone(), clock.clone(), [elsewhere()], Settings::default());
    let writer = tokio::spawn(writer.run());
    clock.set("2026-05-03T09:00:00Z");
    // Its own are passed all the same: one that was due later, and one that comes now.
    engine.receive("elsewhere", &[], payload('F', "d", EVENING).as_bytes()).await.unwrap();
    let mut notices = engine.notices("crm").await.unwrap();
    clock.set("2026-05-03T09:02:00.000001Z");
    let first = notices.next().await.unwrap().unwrap().notice;
    assert_eq!((first.kind, first.key.source()), (NoticeKind::Complete, "elsewhere"));
    // It does not spin: whoever shares its thread has had his turn, and the writer waits.
    let commits = engine.stats().commits;
    engine.close().await;
    writer.await.unwrap().unwrap();
    assert_eq!(commits, 2);
    let due = log.due(None, Timestamp::MAX, 9).await.unwrap();
    assert_eq!(due.iter().map(|(_, key)| key.id()).collect::<Vec<_>>(), ["a", "b", "c"]);

    let running = Running::start(log.clone(), clock);
    let mut notices = running.engine.notices("ops").await.unwrap();
    notices.next().await.unwrap().unwrap();
    for id in ["a", "b", "c"] {
        assert_eq!(notices.next().await.unwrap().unwrap().notice.key.id(), id);
    }
    assert_eq!(log.next_due().await.unwrap(), None);
    running.stop().await;
}

/// Many more than are kept, of a session that is over, one after the other: it stays in memory, so that none
/// of them reads it all again, and what is refused is looked up and not compared with all before it.
#[tokio::test]
async fn a_flood_is_kept_up_to_the_limit_and_quarantined_beyond() {
    let log: Arc<MemoryLog> = Arc::default();
    let settings = Settings { events_max: 200, ..Settings::default() };
    let running = Running::start_with(log.clone(), Hand::at(EVENING), settings);
    for kind in "ECF".chars() {
        running.receive(&payload(kind, "s-1", EVENING)).await;
    }
    for number in 0..2000 {
        let told = running.receive(&recording(number)).await;
        assert_eq!(matches!(told, Receipt::Stored { .. }), number < 197, "{number} {told:?}");
    }
    assert_eq!(running.engine.stats().sessions, 1);
    let stored = log.load(&[key("s-1")]).await.unwrap().remove(0);
    assert_eq!((stored.events.len(), log.refused(None, usize::MAX).await.unwrap().deliveries.len()), (200, 1803));
    running.stop().await;
}

/// What comes again of sessions that are over, and of one that was forgotten, reads them from the log. They are not
/// in memory afterwards.
#[tokio::test]
async fn what_comes_again_brings_nothing_into_memory_to_stay() {
    let running = Running::start(Arc::<MemoryLog>::default(), Hand::at(EVENING));
    let ids: Vec<String> = (0..30).map(|number| format!("s-{number}")).collect();
    for id in &ids {
        for kind in "ECF".chars() {
            assert_eq!(running.receive(&payload(kind, id, EVENING)).await, Receipt::Stored { key: key(id) });
        }
    }
    assert_eq!(running.engine.stats().sessions, 0);
    for id in &ids {
        assert_eq!(running.receive(&payload('F', id, EVENING)).await, Receipt::Duplicate { key: key(id) });
    }
    assert_eq!(running.engine.stats().sessions, 0);
    assert!(running.engine.forget(&key("s-0")).await.unwrap());
    assert_eq!(running.receive(&payload('F', "s-0", EVENING)).await, Receipt::Forgotten { key: key("s-0") });
    assert_eq!(running.engine.stats().sessions, 0);
    running.stop().await;
}
