//! What comes while a batch is appended is judged meanwhile: nobody hears of it early, and when the append fails,
//! nothing that was built on it stays.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

use finis::engine::live::NoticeKind;
use finis::engine::log::{LogError, LogRead as _};
use finis::engine::{Engine, Receipt, ReceiveError, Settings};
use tokio::task::JoinHandle;

use crate::world::{EVENING, Frail, Hand, Running, key, kinds, payload, said, too_large};

type Answered = JoinHandle<Result<Receipt, ReceiveError>>;

fn send(engine: &Engine, payload: String) -> Answered {
    let engine = engine.clone();
    tokio::spawn(async move { engine.receive("pathors", &[], payload.as_bytes()).await })
}

async fn until(is_so: impl Fn() -> bool) {
    crate::world::until(async || is_so()).await;
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
async fn only_who_was_alone_is_told_for_good_that_it_is_too_large() {
    let log = Arc::new(Frail::default());
    let running = Running::start(log.clone(), Hand::at(EVENING));
    let answers = overlapping(&running, &log, "ECF").await;
    // Not even one of them.
    log.bytes_max.store(1, Ordering::SeqCst);
    log.held.send_replace(false);
    let mut told = Vec::new();
    for answer in answers {
        told.push(answer.await.unwrap());
    }
    // What was judged on top of it may come again, and has to be told so.
    assert_eq!(told, [Err(ReceiveError::Log(too_large())), Err(ReceiveError::Busy), Err(ReceiveError::Busy)]);
    log.bytes_max.store(0, Ordering::SeqCst);
    for kind in "CF".chars() {
        let payload = payload(kind, "s-1", EVENING);
        assert_eq!(running.receive(&payload).await, Receipt::Stored { key: key("s-1") }, "{kind}");
    }
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

/// Asks an engine why it has stopped when it is woken.
struct Asks(Engine, OnceLock<Option<String>>);

impl Wake for Asks {
    fn wake(self: Arc<Self>) {
        let _ = self.1.set(self.0.stopped());
    }
}

#[tokio::test]
async fn who_was_not_looked_at_when_the_log_stops_can_ask_why() {
    let log = Arc::new(Frail::default());
    let running = Running::start(log.clone(), Hand::at(EVENING));
    let answers = overlapping(&running, &log, "E").await;
    // The one waits until nothing is under way, the other behind it.
    let (forgotten, last) = (key("s-2"), payload('E', "s-3", EVENING));
    let mut forget = pin!(running.engine.forget(&forgotten));
    let mut behind = pin!(running.engine.receive("pathors", &[], last.as_bytes()));
    let asks = Arc::new(Asks(running.engine.clone(), OnceLock::new()));
    assert!(forget.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(behind.as_mut().poll(&mut Context::from_waker(&Waker::from(asks.clone()))).is_pending());
    until(|| running.engine.stats().queue_depth == 0).await;
    log.broken.store(true, Ordering::SeqCst);
    log.held.send_replace(false);
    assert!(running.writer.await.unwrap().is_err());
    let why = asks.1.get().cloned().flatten();
    assert!(why.as_ref().is_some_and(|why| why.contains("the disk is gone")), "{why:?}");
    assert!(matches!(behind.await, Err(ReceiveError::Stopped { reason }) if Some(&reason) == why.as_ref()));
    for answer in answers {
        assert!(answer.await.unwrap().is_err());
    }
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

#[tokio::test]
async fn deadlines_are_not_held_up_by_what_comes_one_after_the_other() {
    let (log, clock) = (Arc::new(Frail::default()), Hand::at(EVENING));
    let running = Running::start(log.clone(), clock.clone());
    running.receive(&payload('E', "s-1", EVENING)).await;
    let due = log.next_due().await.unwrap().unwrap();
    log.held.send_replace(true);
    let before = send(&running.engine, payload('E', "s-2", EVENING));
    until(|| log.waiting.load(Ordering::SeqCst) == 1).await;
    clock.set(&due.to_string());
    let last = payload('E', "s-3", EVENING);
    let mut behind = pin!(running.engine.receive("pathors", &[], last.as_bytes()));
    // It is in the queue, and then with the writer.
    let is_queued = poll_fn(|cx| Poll::Ready(behind.as_mut().poll(cx).is_pending())).await;
    assert!(is_queued);
    until(|| running.engine.stats().queue_depth == 0).await;
    // The deadline is an entry before what came when it was due: the log takes two more, and stops at the third.
    log.stops_at.store(3, Ordering::SeqCst);
    log.held.send_replace(false);
    assert!(matches!(before.await.unwrap(), Ok(Receipt::Stored { .. })));
    assert!(matches!(behind.await, Err(ReceiveError::Log(LogError::Stopped { .. }))));
    let said = said(&*log).await;
    assert_eq!(kinds(&said), [(NoticeKind::Stalled, 1)]);
    assert_eq!(said[0].key, key("s-1"));
    assert!(matches!(running.writer.await.unwrap(), Err(LogError::Stopped { .. })));
}

#[tokio::test]
async fn sessions_of_which_all_comes_again_do_not_fill_memory() {
    let (log, clock) = (Arc::new(Frail::default()), Hand::at(EVENING));
    let settings = Settings { sessions_max: 10, ..Settings::default() };
    let running = Running::start_with(log.clone(), clock, settings);
    let each = |number: usize| payload('T', &format!("s-{number}"), EVENING);
    for number in 0..40 {
        assert!(matches!(running.receive(&each(number)).await, Receipt::Stored { .. }));
    }
    for number in 0..40 {
        assert!(matches!(running.receive(&each(number)).await, Receipt::Duplicate { .. }));
        assert!(running.engine.stats().sessions <= 10, "{number}: {}", running.engine.stats().sessions);
    }
    // No more when others fail beside them.
    log.full.store(true, Ordering::SeqCst);
    for number in 0..40 {
        let again = send(&running.engine, each(number));
        let new = send(&running.engine, payload('E', &format!("n-{number}"), EVENING));
        let _ = (again.await.unwrap(), new.await.unwrap());
        assert!(running.engine.stats().sessions <= 10, "{number}: {}", running.engine.stats().sessions);
    }
    running.stop().await;
}
