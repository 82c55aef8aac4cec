//! What an engine did, in numbers: each counts what it says, and nothing else.

use std::sync::Arc;

use finis::engine::log::MemoryLog;
use finis::engine::{Denied, Engine, Settings, Timestamp, Unverified, Verify};

use crate::world::{EVENING, Hand, payload, source};

/// Denies whoever says so.
struct Honest;

impl Verify for Honest {
    fn verify(&self, headers: &[(&str, &str)], _: &[u8], _: Timestamp) -> Result<(), Denied> {
        if headers.is_empty() { Ok(()) } else { Err(Denied { reason: "it says so itself".into() }) }
    }
}

#[tokio::test]
async fn each_delivery_counts_as_what_became_of_it() {
    let log: Arc<MemoryLog> = Arc::default();
    let clock = Hand::at(EVENING);
    let settings = Settings { body_bytes_max: 300, ..Settings::default() };
    let (engine, writer) = Engine::new(log, clock.clone(), [source(Box::new(Honest))], settings);
    let nothing = engine.stats();
    assert_eq!((nothing.deliveries, nothing.notices), Default::default());
    assert_eq!((nothing.commits, nothing.events, nothing.deadlines, nothing.sessions), (0, 0, 0, 0));
    let writer = tokio::spawn(writer.run());
    let receive = async |source: &str, headers: &[(&str, &str)], body: &str| {
        let _ = engine.receive(source, headers, body.as_bytes()).await;
    };
    for (kind, id) in [('E', "a"), ('T', "a"), ('R', "b"), ('F', "c"), ('E', "d"), ('E', "d")] {
        receive("pathors", &[], &payload(kind, id, EVENING)).await;
    }
    receive("pathors", &[], "{}").await;
    receive("pathors", &[("x-forged", "1")], "{}").await;
    receive("elsewhere", &[], "{}").await;
    receive("pathors", &[], &" ".repeat(301)).await;
    let stats = engine.stats();
    let of = stats.deliveries;
    assert_eq!((of.stored, of.duplicate, of.quarantined), (5, 1, 1));
    assert_eq!((of.denied, of.unknown_source, of.too_large, of.busy, of.failed), (1, 1, 1, 0, 0));
    assert_eq!((stats.commits, stats.events, stats.deadlines), (6, 5, 0));
    assert_eq!((stats.notices.complete, stats.notices.asset), (1, 1));
    // The one that is complete waits for nothing.
    assert_eq!((stats.queue_depth, stats.sessions), (0, 3));

    let mut notices = engine.notices("crm").await.unwrap();
    clock.set("2026-05-03T12:00:00Z");
    for _ in 0..5 {
        notices.next().await.unwrap().unwrap();
    }
    receive("pathors", &[], &payload('G', "a", "2026-05-03T08:42:15Z")).await;
    let stats = engine.stats();
    let said = stats.notices;
    assert_eq!((said.complete, said.amended, said.stalled, said.asset), (2, 1, 2, 1));
    assert_eq!((stats.deadlines, stats.sessions), (3, 0));

    engine.close().await;
    writer.await.unwrap().unwrap();
    receive("pathors", &[], &payload('E', "late", EVENING)).await;
    assert_eq!(engine.stats().deliveries.failed, 1);
}

#[tokio::test]
async fn a_full_queue_is_deep_and_turns_away() {
    let settings = Settings { queue_max: 1, ..Settings::default() };
    let (engine, writer) =
        Engine::new(Arc::<MemoryLog>::default(), Hand::at(EVENING), [source(Box::new(Unverified))], settings);
    let first = payload('E', "s-1", EVENING);
    let mut waiting = Box::pin(engine.try_receive("pathors", &[], first.as_bytes()));
    tokio::select! {
        biased;
        told = &mut waiting => panic!("nobody writes yet: {told:?}"),
        () = std::future::ready(()) => {}
    }
    assert!(engine.try_receive("pathors", &[], first.as_bytes()).await.is_err());
    let stats = engine.stats();
    assert_eq!((stats.queue_depth, stats.deliveries.busy, stats.deliveries.stored), (1, 1, 0));
    // Nobody waits for it any more, and it counts.
    drop(waiting);
    let writer = tokio::spawn(writer.run());
    engine.close().await;
    writer.await.unwrap().unwrap();
    let stats = engine.stats();
    assert_eq!((stats.queue_depth, stats.deliveries.stored), (0, 1));
}
