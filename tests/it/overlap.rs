//! What comes while a batch is appended is judged meanwhile: nobody hears of it early, and when the append fails,
//! nothing that was built on it stays.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use finis::engine::live::NoticeKind;
use finis::engine::log::{LogError, LogRead as _};
use finis::engine::{Engine, Receipt, ReceiveError, Settings};
use tokio::task::JoinHandle;

use crate::world::{EVENING, Frail, Hand, Running, key, kinds, payload, said};

type Answered = JoinHandle<Result<Receipt, ReceiveError>>;

fn send(engine: &Engine, payload: String) -> Answered {
    let engine = engine.clone();
    tokio::spawn(async move { engine.receive("pathors", &[], payload.as_bytes()).await })
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}

/// The first event of a session is being appended and held there; the others of these came meanwhile, and were
/// taken out of the queue.
async fn overlapping(running: &Running, log: &Frail, kinds: &str) -> Vec<Answered> {
    // It begins with an append of its own.
    until(|| running.engine.health().is_running).await;
    log.held.send_replace(true);
    let mut answers = Vec::new();
    for kind in kinds.chars() {
        let taken = running.engine.stats().queue_micros.count();
        answers.push(send(&running.engine, payload(kind, "s-1", EVENING)));
        until(|| running.engine.stats().queue_micros.count() > taken).await;
        until(|| log.waiting.load(Ordering::SeqCst) == 1).await;
    }
    answers
}

#[tokio::test]
async fn what_is_judged_meanwhile_is_answered_in_order_and_not_before_it_is_kept() {
    let log = Arc::new(Frail::default());
    let running = Running::start(log.clone(), Hand::at(EVENING));
    let answers = overlapping(&running, &log, "ECEF").await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(answers.iter().all(|answer| !answer.is_finished()), "nothing is kept yet");
    assert!(said(&*log).await.is_empty());
    log.held.send_replace(false);
    let mut receipts = Vec::new();
    for answer in answers {
        receipts.push(answer.await.unwrap().unwrap());
    }
    let (stored, duplicate) = (Receipt::Stored { key: key("s-1") }, Receipt::Duplicate { key: key("s-1") });
    assert_eq!(receipts, [stored.clone(), stored.clone(), duplicate, stored]);
    let said = said(&*log).await;
    assert_eq!(kinds(&said), [(NoticeKind::Complete, 1)]);
    assert_eq!(running.engine.session(&key("s-1")).await.unwrap().unwrap(), said[0].record);
    assert_eq!(log.waiting_max.load(Ordering::SeqCst), 1, "one append at a time");
    assert_eq!(log.load(&[key("s-1")]).await.unwrap()[0].repeated.len(), 1, "what came again is counted");
    running.stop().await;
}

#[tokio::test]
async fn what_was_judged_on_top_of_a_batch_that_failed_fails_with_it() {
    let log = Arc::new(Frail::default());
    let running = Running::start(log.clone(), Hand::at(EVENING));
    let answers = overlapping(&running, &log, "ECEF").await;
    log.full.store(true, Ordering::SeqCst);
    log.held.send_replace(false);
    for answer in answers {
        let told = answer.await.unwrap();
        assert!(matches!(told, Err(ReceiveError::Log(LogError::Full { .. }))), "{told:?}");
    }
    assert!(said(&*log).await.is_empty());
    // Nothing of it is remembered: what comes again is new.
    log.full.store(false, Ordering::SeqCst);
    for kind in "ECF".chars() {
        let payload = payload(kind, "s-1", EVENING);
        assert_eq!(running.receive(&payload).await, Receipt::Stored { key: key("s-1") }, "{kind}");
    }
    assert_eq!(kinds(&said(&*log).await), [(NoticeKind::Complete, 1)]);
    running.stop().await;
}

#[tokio::test]
async fn a_log_that_stops_takes_both_batches_with_it_and_the_engine_ends() {
    let log = Arc::new(Frail::default());
    let running = Running::start(log.clone(), Hand::at(EVENING));
    let answers = overlapping(&running, &log, "ECF").await;
    log.broken.store(true, Ordering::SeqCst);
    log.held.send_replace(false);
    for answer in answers {
        let told = answer.await.unwrap();
        assert!(matches!(told, Err(ReceiveError::Log(LogError::Stopped { .. }))), "{told:?}");
    }
    assert!(matches!(running.writer.await.unwrap(), Err(LogError::Stopped { .. })));
    assert!(log.load(&[key("s-1")]).await.unwrap()[0].events.is_empty());
}

#[tokio::test]
async fn a_session_that_leaves_memory_on_its_way_into_the_log_is_read_as_it_was_written() {
    let log = Arc::new(Frail::default());
    let settings = Settings { sessions_max: 1, batch_max: 1, ..Settings::default() };
    let running = Running::start_with(log.clone(), Hand::at(EVENING), settings);
    let sessions = ["s-1", "s-2", "s-3", "s-4"];
    let mut answers = Vec::new();
    for kind in "ECF".chars() {
        log.held.send_replace(true);
        for id in sessions {
            answers.push(send(&running.engine, payload(kind, id, EVENING)));
        }
        log.held.send_replace(false);
    }
    for answer in answers {
        assert!(matches!(answer.await.unwrap(), Ok(Receipt::Stored { .. })));
    }
    let said = said(&*log).await;
    assert_eq!(kinds(&said), [(NoticeKind::Complete, 1); 4]);
    for notice in said {
        assert_eq!(running.engine.session(&notice.key).await.unwrap().unwrap(), notice.record);
    }
    running.stop().await;
}
