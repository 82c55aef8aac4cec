//! Out of quarantine: what is read again is judged, also when whoever reads it comes to no end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use finis::engine::Digest;
use finis::engine::live::{Notice, NoticeKind, SessionKey};
use finis::engine::log::{Batch, Delivery, EventEntry, Log, LogError, LogRead, Refused};
use finis::engine::{Filled, Filler, Receipt, Settings, Unverified};
use finis::store::{Retried, retry};

use crate::world::{EVENING, Frail, Hand, Running, at, key, kinds, payload, said, source, until};

const IDS: [&str; 2] = ["s-1", "s-2"];

/// A log with texts in quarantine that a contract could not read which was another.
async fn with_refused() -> Arc<Frail> {
    let log: Arc<Frail> = Arc::default();
    let bodies = IDS.iter().flat_map(|id| ['E', 'T'].map(|kind| payload(kind, id, EVENING)));
    let refused = bodies.zip(0..).map(|(body, number)| refused(&body, number));
    log.append(Batch { refused: refused.collect(), ..Batch::default() }).await.unwrap();
    log
}

/// What was refused of the source, so many microseconds after others.
fn refused(body: &str, number: u64) -> Refused {
    Refused {
        source: "pathors".into(),
        received_at: at(EVENING).plus(Duration::from_micros(number)),
        reason: "it has no id".into(),
        delivery: Delivery { headers: Vec::new(), body: body.as_bytes().into() },
    }
}

/// By whoever has the log for himself.
async fn read_again(log: &Arc<Frail>) -> Result<(Retried, Filled), LogError> {
    let filler = Filler::new(log.clone(), [source(Box::new(Unverified))]).await.unwrap();
    retry(&**log, filler).await
}

#[tokio::test]
async fn what_can_be_read_by_now_is_said_once() {
    let log = with_refused().await;
    let (retried, filled) = read_again(&log).await.unwrap();
    assert_eq!((retried.read.len(), retried.left.len(), filled.sessions), (4, 0, 2));
    let ends = said(&*log).await;
    assert!(ends.iter().all(|notice| notice.kind.as_str() == "complete"), "{:?}", kinds(&ends));
    assert_eq!(ends.len(), 2);
    // They wait for nothing any more.
    assert_eq!(log.next_due().await.unwrap(), None);
    assert!(read_again(&log).await.unwrap().0.read.is_empty());
    assert_eq!(said(&*log).await, ends);
}

/// Whatever of it is out of quarantine cannot be read again a second time.
#[tokio::test]
async fn what_was_cut_off_is_judged_by_whoever_comes_next() {
    for stops_at in 1..=5 {
        let log = with_refused().await;
        log.stops_at.store(stops_at, Ordering::SeqCst);
        assert!(read_again(&log).await.is_err(), "{stops_at}");
        log.stops_at.store(0, Ordering::SeqCst);
        // All of a session is there, or some of it is in quarantine still.
        let stored = log.load(&IDS.map(key)).await.unwrap();
        let whole = IDS.iter().zip(stored).filter(|(_, stored)| stored.events.len() == 2);
        let whole: BTreeSet<&str> = whole.map(|(id, _)| *id).collect();
        assert_eq!(whole.len(), (stops_at - 1) / 2, "{stops_at}");

        let running = Running::start(log.clone(), Hand::at(EVENING));
        until(async || {
            let said = said(&*log).await;
            let ends: BTreeSet<&str> = said.iter().map(|notice| notice.key.id()).collect();
            ends.iter().eq(&whole)
        })
        .await;
        running.stop().await;

        // The rest of it, by another try: each is said once.
        read_again(&log).await.unwrap();
        assert_eq!(said(&*log).await.len(), 2, "{stops_at}");
        assert!(log.refused(None, 9).await.unwrap().deliveries.is_empty());
    }
}

/// Ids and records of notices.
fn records(notices: &[Notice]) -> BTreeSet<(String, &str)> {
    notices.iter().map(|notice| (notice.id.to_string(), notice.record.as_str())).collect()
}

/// What an engine does beside its deliveries is what is done without one.
#[tokio::test]
async fn an_engine_that_runs_says_the_same() {
    let (alone, log) = (with_refused().await, with_refused().await);
    let (expected, filled) = read_again(&alone).await.unwrap();
    let running = Running::start(log.clone(), Hand::at(EVENING));
    // Of another session, which waits, and is none of this.
    running.receive(&payload('E', "s-9", EVENING)).await;
    let (retried, did) = running.engine.retry_refused().await.unwrap();
    assert_eq!((retried.read.len(), &retried.left), (4, &expected.left));
    assert_eq!((did.new, did.sessions, &did.notices), (filled.new, filled.sessions, &filled.notices));
    until(async || said(&*log).await.len() == 2).await;
    assert_eq!(records(&said(&*log).await), records(&said(&*alone).await));
    assert_eq!(running.engine.retry_refused().await.unwrap(), (Retried::default(), Filled::default()));
    assert_eq!(running.receive(&payload('T', "s-1", EVENING)).await, Receipt::Duplicate { key: key("s-1") });
    until(async || running.engine.stats().sessions == 1).await;
    running.stop().await;
}

/// Whatever lies between the events of one in quarantine: of a session that is half there nothing is said, though all its
/// deadlines are over.
#[tokio::test]
async fn sessions_are_judged_when_all_of_them_is_read() {
    let (alone, log) = (Arc::<Frail>::default(), Arc::<Frail>::default());
    let ids: Vec<String> = (0..40).map(|number| format!("s-{number}")).collect();
    let bodies = ['E', 'T'].into_iter().flat_map(|kind| ids.iter().map(move |id| payload(kind, id, EVENING)));
    let all: Vec<Refused> = bodies.zip(0..).map(|(body, number)| refused(&body, number)).collect();
    for log in [&alone, &log] {
        log.append(Batch { refused: all.clone(), ..Batch::default() }).await.unwrap();
    }
    read_again(&alone).await.unwrap();
    let running = Running::start(log.clone(), Hand::at("2026-05-04T08:42:14Z"));
    let (retried, did) = running.engine.retry_refused().await.unwrap();
    assert_eq!((retried.read.len(), did.sessions, did.new), (80, 40, 80));
    assert_eq!(did.notices, BTreeMap::from([(NoticeKind::Complete, 40)]));
    assert_eq!(records(&said(&*log).await), records(&said(&*alone).await));
    assert_eq!((log.next_due().await.unwrap(), running.engine.stats().sessions), (None, 0));
    // Nobody waited for deadlines of what was in quarantine.
    assert_eq!(running.engine.stats().deadline_lag_micros.count(), 0);
    running.stop().await;
}

#[tokio::test]
async fn what_is_of_a_session_that_was_forgotten_is_told_so_and_not_kept() {
    let log = with_refused().await;
    let running = Running::start(log.clone(), Hand::at(EVENING));
    running.receive(&payload('E', "s-1", EVENING)).await;
    assert!(running.engine.forget(&key("s-1")).await.unwrap());
    let (retried, did) = running.engine.retry_refused().await.unwrap();
    assert_eq!((retried.read.len(), did.forgotten, did.new), (4, 2, 2));
    assert!(log.refused(None, 9).await.unwrap().deliveries.is_empty());
    assert!(log.load(&[key("s-1")]).await.unwrap()[0].events.is_empty());
    running.stop().await;
}

/// Sessions that are in memory are as the log has them afterwards; and so it is when pages and commits end between
/// events of one.
#[tokio::test]
async fn sessions_that_wait_for_what_was_refused_get_it() {
    let log: Arc<Frail> = Arc::default();
    let running = Running::start(log.clone(), Hand::at(EVENING));
    let ids: Vec<String> = (0..40).map(|number| format!("s-{number}")).collect();
    for id in &ids {
        running.receive(&payload('E', id, EVENING)).await;
    }
    let refused = ids.iter().zip(0..).map(|(id, number)| refused(&payload('T', id, EVENING), number));
    log.append(Batch { refused: refused.collect(), ..Batch::default() }).await.unwrap();
    assert_eq!(running.engine.stats().sessions, 40);
    let (retried, _) = running.engine.retry_refused().await.unwrap();
    assert_eq!((retried.read.len(), retried.left.len()), (40, 0));
    until(async || said(&*log).await.len() == 40).await;
    assert!(said(&*log).await.iter().all(|notice| notice.kind == NoticeKind::Complete && notice.revision == 1));
    until(async || running.engine.stats().sessions == 0).await;
    assert_eq!(log.next_due().await.unwrap(), None);
    running.stop().await;
}

#[tokio::test]
async fn what_is_due_of_another_source_hides_nothing_that_was_read_again() {
    let log: Arc<Frail> = Arc::default();
    // Due since before all of this, and nobody here can judge it.
    let other = SessionKey::new("elsewhere", "session", "s-1");
    let entry = EventEntry {
        key: other.clone(),
        digest: Digest::from_bytes([7; 16]),
        received_at: Some(at("2026-05-03T08:43:00Z")),
        delivery: Delivery { headers: Vec::new(), body: b"{}".as_slice().into() },
    };
    let due = vec![(other, Some(at("2026-05-03T08:44:00Z")))];
    log.append(Batch { events: vec![entry], due, ..Batch::default() }).await.unwrap();
    let running = Running::start(log.clone(), Hand::at("2026-05-03T08:45:00Z"));
    running.receive(&payload('E', "s-9", EVENING)).await;
    // It came long before.
    let both = [payload('E', "s-2", EVENING), payload('T', "s-2", EVENING)];
    let both = both.iter().zip(0..).map(|(body, number)| refused(body, number)).collect();
    log.append(Batch { refused: both, ..Batch::default() }).await.unwrap();
    assert_eq!(running.engine.retry_refused().await.unwrap().0.read.len(), 2);
    until(async || said(&*log).await.len() == 1).await;
    running.stop().await;
}

#[tokio::test]
async fn what_cannot_be_kept_stays_in_quarantine_and_the_engine_goes_on() {
    let log = with_refused().await;
    let running = Running::start(log.clone(), Hand::at(EVENING));
    log.full.store(true, Ordering::SeqCst);
    assert!(matches!(running.engine.retry_refused().await, Err(LogError::Full { .. })));
    assert_eq!(log.refused(None, 9).await.unwrap().deliveries.len(), 4);
    log.full.store(false, Ordering::SeqCst);
    // Some of it is nobody's business any more.
    let gone = log.refused(None, 9).await.unwrap().deliveries.iter().take(2).map(Refused::id).collect();
    running.engine.let_go_refused(gone).await.unwrap();
    let (retried, _) = running.engine.retry_refused().await.unwrap();
    assert_eq!(retried.read.iter().map(|(_, of)| of.clone()).collect::<Vec<_>>(), [key("s-2"), key("s-2")]);
    until(async || said(&*log).await.len() == 1).await;
    running.stop().await;
}

#[tokio::test]
async fn what_is_of_no_source_or_of_a_damaged_session_is_left() {
    let log = Arc::new(Frail { damaged: "s-1", ..Frail::default() });
    let running = Running::start_with(log.clone(), Hand::at(EVENING), Settings::default());
    // Nobody can judge it: so it is here, with what came of it.
    assert!(matches!(running.receive(&payload('E', "s-1", EVENING)).await, Receipt::Quarantined { .. }));
    let stray = Refused { source: "elsewhere".into(), ..refused(&payload('E', "s-2", EVENING), 5) };
    log.append(Batch { refused: vec![stray], ..Batch::default() }).await.unwrap();
    let (retried, _) = running.engine.retry_refused().await.unwrap();
    assert!(retried.read.is_empty());
    let mut reasons: Vec<String> = retried.left.into_iter().map(|(_, reason)| reason).collect();
    reasons.sort_unstable();
    assert!(reasons[0].starts_with("its session cannot be read: "), "{reasons:?}");
    assert_eq!(reasons[1..], ["the source `elsewhere` is not known"]);
    assert_eq!(log.refused(None, 9).await.unwrap().deliveries.len(), 2);
    running.stop().await;
}
