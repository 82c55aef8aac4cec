//! Whether deliveries should be sent here, and why not.

use std::sync::atomic::Ordering;
use std::time::Duration;

use finis_engine::{ReceiveError, Settings};
use finis_http::watch;

use super::world::{World, payload, until};

#[tokio::test]
async fn ready_from_when_somebody_writes_until_it_is_closed() {
    let mut world = World::new(Settings::default(), watch::Settings::default()).await;
    assert_eq!(world.problems().await, ["not_running"]);
    let writer = world.run();
    until("the writer runs", || world.engine.health().is_running).await;
    assert_eq!(world.problems().await, [""; 0]);
    assert_eq!(world.scrape().await.value("finis_ready", &[]), 1.0);
    world.engine.close().await;
    writer.await.unwrap().unwrap();
    assert_eq!(world.problems().await, ["stopped"]);
    assert_eq!(world.scrape().await.value("finis_ready", &[]), 0.0);
    assert_eq!(world.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn a_full_log_is_a_problem_for_a_while() {
    let mut world = World::new(Settings::default(), watch::Settings::default()).await;
    let _writer = world.run();
    world.receive("Ea").await;
    world.log.is_full.store(true, Ordering::SeqCst);
    let body = payload('E', "b");
    let refused = world.engine.receive("pathors", &[], body.as_bytes()).await;
    assert!(matches!(refused, Err(ReceiveError::Log(_))), "{refused:?}");
    assert_eq!(world.problems().await, ["log_full"]);
    let (_, _, answer) = world.get("/readyz").await;
    assert!(answer.contains("no space on the disk: make some"), "{answer}");
    // Nothing is sent to who is not ready: so it says that it is, and is tried again.
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(world.problems().await, [""; 0]);
    assert!(world.engine.receive("pathors", &[], body.as_bytes()).await.is_err());
    assert_eq!(world.problems().await, ["log_full"]);
    world.log.is_full.store(false, Ordering::SeqCst);
    world.receive("Eb").await;
    assert_eq!(world.problems().await, [""; 0]);
}

#[tokio::test]
async fn a_full_queue_is_a_problem() {
    let mut world = World::new(Settings { queue_max: 1, ..Settings::default() }, watch::Settings::default()).await;
    let (engine, body) = (world.engine.clone(), payload('E', "a"));
    let waiting = tokio::spawn(async move { engine.receive("pathors", &[], body.as_bytes()).await });
    until("it waits", || !world.engine.has_room()).await;
    assert_eq!(world.problems().await, ["not_running", "queue_full"]);
    let scrape = world.scrape().await;
    assert_eq!((scrape.value("finis_queue_depth", &[]), scrape.value("finis_queue_limit", &[])), (1.0, 1.0));
    world.clock.advance(Duration::from_secs(2));
    let _writer = world.run();
    waiting.await.unwrap().unwrap();
    assert_eq!(world.problems().await, [""; 0]);
    let scrape = world.scrape().await;
    let waited = |bound| scrape.value("finis_queue_wait_seconds_bucket", &[("le", bound)]);
    // The log began with what sources are read under: the clock went on while that was written.
    assert_eq!((waited("1.0"), waited("2.5")), (0.0, 1.0));
}

#[tokio::test]
async fn a_writer_that_is_stuck_is_a_problem() {
    let mut world = World::new(Settings::default(), watch::Settings::default()).await;
    let _writer = world.run();
    world.receive("Ea").await;
    world.log.is_stuck.send_replace(true);
    let (engine, body) = (world.engine.clone(), payload('E', "b"));
    let waiting = tokio::spawn(async move { engine.receive("pathors", &[], body.as_bytes()).await });
    until("it is at work", || world.engine.health().busy_for.is_some()).await;
    world.clock.advance(Duration::from_secs(9));
    assert_eq!(world.problems().await, [""; 0]);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.problems().await, ["slow"]);
    world.log.is_stuck.send_replace(false);
    waiting.await.unwrap().unwrap();
    until("it waits for more", || world.engine.health().busy_for.is_none()).await;
    assert_eq!(world.problems().await, [""; 0]);
}

#[tokio::test]
async fn a_silent_log_holds_up_no_scrape() {
    let watched = watch::Settings { answer_within: Duration::from_millis(20), ..watch::Settings::default() };
    let mut world = World::new(Settings::default(), watched).await;
    let _writer = world.run();
    world.receive("Ea").await;
    assert_eq!(world.scrape().await.value("finis_log_up", &[]), 1.0);
    world.log.is_silent.store(true, Ordering::SeqCst);
    assert_eq!(world.problems().await, ["log_silent"]);
    let scrape = world.scrape().await;
    assert_eq!(scrape.value("finis_log_up", &[]), 0.0);
    assert_eq!(scrape.value("finis_deliveries_total", &[("source", "pathors"), ("fate", "stored")]), 1.0);
    assert!(!scrape.names().contains("finis_sessions_waiting"));
}
