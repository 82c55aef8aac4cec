//! What is counted: each number says what it says, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use finis_engine::live::NoticeKind;
use finis_engine::log::{Log, MemoryLog};
use finis_engine::{Placed, Policy, ReceiveError, Settings};
use finis_http::{recordings::Tally, watch};

use super::open_metrics::Exposition;
use super::world::{EVENING, World, payload, until};
use crate::hand::Hand;

/// Long after every deadline of the evening.
const NOON: &str = "2026-05-03T12:00:00Z";

/// Everything that the sessions of one evening make: complete, stalled, amended, revived, refused. The writer waits
/// when this returns.
pub(super) async fn an_evening(world: &mut World) {
    let _writer = world.run();
    until("the writer waits", || {
        let health = world.engine.health();
        health.is_running && health.busy_for.is_none()
    })
    .await;
    world.receive("Ea Ta Rc Fb Ed Ed").await;
    for (source, headers, body) in [
        ("pathors", &[][..], "{}"),
        ("pathors", &[("x-forged", "1")][..], "{}"),
        ("elsewhere", &[][..], "{}"),
        ("pathors", &[][..], &*" ".repeat(301)),
    ] {
        // What becomes of it is counted.
        let _ = world.engine.receive(source, headers, body.as_bytes()).await;
    }
    world.clock.set(NOON);
    until("three deadlines passed", || world.engine.stats().deadlines == 3).await;
    world.receive("Cb Fd Cd").await;
}

/// An engine that takes bodies of at most 300 bytes.
pub(super) async fn world() -> World {
    let watched = watch::Settings {
        recordings: Some(Arc::new(Tally::new(["pathors"]))),
        endpoints: vec![("crm".to_owned(), Arc::default())],
        listeners: vec![("hooks", Arc::default())],
        ..watch::Settings::default()
    };
    World::new(Settings { body_bytes_max: 300, ..Settings::default() }, watched).await
}

#[track_caller]
fn check(scrape: &Exposition, name: &str, label: &str, expected: &[(&str, u32)]) {
    for (value, number) in expected {
        let found = scrape.value(name, &[("source", "pathors"), (label, value)]);
        assert_eq!(found, f64::from(*number), "{name} {label}={value}");
    }
}

fn lost(scrape: &Exposition, name: &str) -> BTreeMap<(String, String), u32> {
    let of = |(sample, labels): &(String, _)| (sample == name).then(|| BTreeMap::clone(labels));
    let rows = scrape.samples.iter().filter_map(|(key, number)| Some((of(key)?, *number)));
    rows.map(|(labels, number)| ((labels["kind"].clone(), labels["how"].clone()), number as u32)).collect()
}

fn expected(rows: [(&str, u32, u32); 3]) -> BTreeMap<(String, String), u32> {
    let both = |(kind, missing, inferred): (&str, u32, u32)| {
        let row = |how: &str, number| ((kind.to_owned(), how.to_owned()), number);
        [row("missing", missing), row("inferred", inferred)]
    };
    rows.into_iter().flat_map(both).collect()
}

#[tokio::test]
async fn an_evening_is_counted_to_the_last_event() {
    let mut world = world().await;
    an_evening(&mut world).await;
    let scrape = world.scrape().await;

    check(
        &scrape,
        "finis_deliveries_total",
        "fate",
        &[
            ("stored", 8),
            ("duplicate", 1),
            ("quarantined", 1),
            ("denied", 1),
            ("too_large", 1),
            ("expired", 0),
            ("forgotten", 0),
            ("busy", 0),
            ("failed", 0),
        ],
    );
    assert_eq!(scrape.value("finis_deliveries_total", &[("fate", "unknown_source")]), 1.0);
    check(&scrape, "finis_notices_total", "kind", &[("complete", 3), ("amended", 1), ("stalled", 2), ("asset", 1)]);
    for (name, number) in [
        ("finis_sessions_began_total", 4.0),
        ("finis_sessions_completed_total", 3.0),
        ("finis_sessions_stalled_total", 2.0),
        ("finis_sessions_revived_total", 1.0),
        ("finis_deadlines_passed_total", 3.0),
    ] {
        assert_eq!(scrape.value(name, &[("source", "pathors")]), number, "{name}");
    }

    // Of `c` all but the recording is missing, of `d` its end. What `b` lacks came with its end.
    let rows = [("session.ended", 1, 1), ("call.ended", 1, 1), ("session.finalized", 2, 0)];
    assert_eq!(lost(&scrape, "finis_lost_events_total"), expected(rows));
    // Of `b` the call ended after all, and `d` had its end.
    let rows = [("session.ended", 0, 0), ("call.ended", 0, 1), ("session.finalized", 1, 0)];
    assert_eq!(lost(&scrape, "finis_recovered_events_total"), expected(rows));

    // Nine commits with a delivery and one with three deadlines, 3 ms each.
    let sum_and_count =
        |name: &str| (scrape.value(&format!("{name}_sum"), &[]), scrape.value(&format!("{name}_count"), &[]));
    assert_eq!(sum_and_count("finis_commit_deliveries"), (9.0, 10.0));
    assert_eq!(sum_and_count("finis_commit_duration_seconds"), (0.03, 10.0));
    assert_eq!(sum_and_count("finis_queue_wait_seconds"), (0.0, 10.0));
    let bucket = |name: &str, bound| scrape.value(&format!("{name}_bucket"), &[("le", bound)]);
    assert_eq!((bucket("finis_commit_deliveries", "0.0"), bucket("finis_commit_deliveries", "1.0")), (1.0, 10.0));
    let commits = ["0.0025", "0.005"].map(|bound| bucket("finis_commit_duration_seconds", bound));
    assert_eq!(commits, [0.0, 10.0]);
    // Due at 08:44:14.012, 09:42:14.009 and 09:42:14.015, and in the log at 12:00:00.003.
    let (lag, count) = sum_and_count("finis_deadline_lag_seconds");
    assert!((lag - (11_745.991 + 8_265.994 + 8_265.988)).abs() < 0.001 && count == 3.0, "{lag} {count}");
    let lags = ["3600.0", "21600.0"].map(|bound| bucket("finis_deadline_lag_seconds", bound));
    assert_eq!(lags, [0.0, 3.0]);

    for (name, number) in [
        ("finis_queue_depth", 0.0),
        ("finis_queue_limit", 8192.0),
        ("finis_sessions_waiting", 0.0),
        ("finis_sessions_in_memory", 0.0),
        ("finis_consumers", 0.0),
        ("finis_log_up", 1.0),
        ("finis_ready", 1.0),
    ] {
        assert_eq!(scrape.value(name, &[]), number, "{name}");
    }
    // Whoever reads them knows what they are.
    for (name, family) in &scrape.families {
        assert!(family.help.len() > 20 && family.help.ends_with('.'), "{name}: {}", family.help);
    }
}

#[tokio::test]
async fn retries_parked_notices_and_lag_are_told_by_consumer() {
    let mut world = world().await;
    an_evening(&mut world).await;
    let mut slow = world.engine.notices("bi").await.unwrap();
    for _ in 0..2 {
        slow.next().await.unwrap().unwrap();
    }
    slow.ack(2).await.unwrap();
    let handler = |placed: Placed| async move {
        if placed.notice.kind == NoticeKind::Asset { Err("no room for recordings") } else { Ok(()) }
    };
    let policy = Policy { tries_max: 2, ..Policy::default() };
    let (_handover, worker) = world.engine.deliver("webhook:crm", policy, handler).await.unwrap();
    tokio::spawn(worker.run());
    let handovers = || world.engine.stats().handovers["webhook:crm"];
    until("it failed once", || handovers().failures == 1).await;
    world.clock.advance(Duration::from_secs(1));
    until("it is parked, and all else is handed over", || handovers().parked == 1 && handovers().tries == 7).await;
    // The log knows a little later.
    loop {
        let consumers = world.engine.consumers().await.unwrap();
        if consumers.iter().any(|consumer| consumer.behind == 0 && consumer.parked == 2) {
            break;
        }
        tokio::task::yield_now().await;
    }
    let scrape = world.scrape().await;
    let crm = |name: &str| scrape.value(name, &[("consumer", "webhook:crm")]);
    let handed = ["tries", "retries", "failures", "parked"].map(|what| crm(&format!("finis_handover_{what}_total")));
    assert_eq!(handed, [7.0, 1.0, 2.0, 1.0]);
    // The recording, and what was said of its session after that.
    assert_eq!((crm("finis_consumer_lag"), crm("finis_consumer_parked")), (0.0, 2.0));
    let bi = |name: &str| scrape.value(name, &[("consumer", "bi")]);
    assert_eq!((bi("finis_consumer_lag"), bi("finis_consumer_parked")), (5.0, 0.0));
    assert_eq!(scrape.value("finis_consumers", &[]), 2.0);
}

#[tokio::test]
async fn what_was_lost_before_a_restart_is_recovered_after_it() {
    let (log, clock) = (Arc::<MemoryLog>::default(), Hand::said(EVENING));
    let over = || async {
        let (log, clock) = (Arc::clone(&log), Arc::clone(&clock));
        World::over(log, clock, Settings::default(), watch::Settings::default(), ["pathors"]).await
    };
    let mut world = over().await;
    let writer = world.run();
    world.receive("Fb Ed Eopen").await;
    clock.set("2026-05-03T08:50:00Z");
    until("the grace of b is over", || world.engine.stats().deadlines == 1).await;
    let before = world.scrape().await;
    assert_eq!(before.value("finis_sessions_waiting", &[]), 2.0);
    let rows = [("session.ended", 0, 1), ("call.ended", 0, 1), ("session.finalized", 0, 0)];
    assert_eq!(lost(&before, "finis_lost_events_total"), expected(rows));
    world.engine.close().await;
    writer.await.unwrap().unwrap();

    let mut world = over().await;
    let _writer = world.run();
    // Exact at once, though nothing is in memory.
    let scrape = world.scrape().await;
    let sessions = ["finis_sessions_waiting", "finis_sessions_in_memory"].map(|name| scrape.value(name, &[]));
    assert_eq!(sessions, [2.0, 0.0]);
    world.receive("Eb Eopen Topen Topen").await;
    let scrape = world.scrape().await;
    assert_eq!(scrape.value("finis_sessions_waiting", &[]), 1.0);
    let nothing = [("session.ended", 0, 0), ("call.ended", 0, 0), ("session.finalized", 0, 0)];
    assert_eq!(lost(&scrape, "finis_lost_events_total"), expected(nothing));
    let rows = [("session.ended", 0, 1), ("call.ended", 0, 0), ("session.finalized", 0, 0)];
    assert_eq!(lost(&scrape, "finis_recovered_events_total"), expected(rows));
    // All of them began before.
    assert_eq!(scrape.value("finis_sessions_began_total", &[("source", "pathors")]), 0.0);
}

#[tokio::test]
async fn what_the_log_does_not_take_is_not_counted_as_done() {
    let mut world = World::new(Settings::default(), watch::Settings::default()).await;
    let _writer = world.run();
    world.receive("Fb").await;
    world.log.is_full.store(true, Ordering::SeqCst);
    world.clock.set(NOON);
    let refused = world.engine.receive("pathors", &[], payload('E', "n").as_bytes()).await;
    assert!(refused.is_err(), "{refused:?}");
    let scrape = world.scrape().await;
    let of = |scrape: &Exposition, name: &str| scrape.value(name, &[("source", "pathors")]);
    assert_eq!(of(&scrape, "finis_sessions_began_total"), 1.0);
    assert_eq!(of(&scrape, "finis_deadlines_passed_total"), 0.0);
    assert!(lost(&scrape, "finis_lost_events_total").values().all(|number| *number == 0));
    check(&scrape, "finis_deliveries_total", "fate", &[("stored", 1), ("failed", 1)]);

    world.log.is_full.store(false, Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(1));
    world.receive("En").await;
    let scrape = world.scrape().await;
    assert_eq!(of(&scrape, "finis_sessions_began_total"), 2.0);
    assert_eq!(of(&scrape, "finis_deadlines_passed_total"), 1.0);
    let rows = [("session.ended", 0, 1), ("call.ended", 0, 1), ("session.finalized", 0, 0)];
    assert_eq!(lost(&scrape, "finis_lost_events_total"), expected(rows));
}

#[tokio::test]
async fn no_stranger_makes_a_number() {
    let mut world = World::new(Settings::default(), watch::Settings::default()).await;
    let _writer = world.run();
    world.receive("Ea").await;
    let before = world.scrape().await;
    for number in 0..50 {
        let name = format!("stranger-{number}");
        let told = world.engine.receive(&name, &[], b"{}").await;
        assert!(matches!(told, Err(ReceiveError::UnknownSource { .. })), "{told:?}");
        world.engine.turned_away(&name, &ReceiveError::Busy);
        world.receive(&format!("E+49170{number:07}")).await;
    }
    world.engine.turned_away("pathors", &ReceiveError::TooLarge { bytes: 2, max: 1 });
    let after = world.scrape().await;
    let series = |scrape: &Exposition| scrape.samples.keys().cloned().collect::<Vec<_>>();
    assert_eq!(series(&before), series(&after));
    for (fate, number) in [("unknown_source", 50.0), ("busy", 50.0), ("too_large", 0.0)] {
        assert_eq!(after.value("finis_deliveries_total", &[("fate", fate)]), number, "{fate}");
    }
    check(&after, "finis_deliveries_total", "fate", &[("stored", 51), ("too_large", 1), ("busy", 0)]);
}

#[tokio::test]
async fn names_of_sources_are_escaped_and_consumers_are_bounded() {
    let strange = "we\"ird\\ \n source=\"x\",";
    let watched = watch::Settings { consumers_max: 2, ..watch::Settings::default() };
    let world =
        World::over(Arc::default(), Hand::said(EVENING), Settings::default(), watched, [strange, "plain"]).await;
    let log: &dyn Log = &*world.log;
    for consumer in ["c", "a", "b\"}"] {
        log.mark(consumer, &[finis_engine::log::Mark::Begin(0)]).await.unwrap();
    }
    world.engine.turned_away(strange, &ReceiveError::Busy);
    let scrape = world.scrape().await;
    assert_eq!(scrape.value("finis_deliveries_total", &[("source", strange), ("fate", "busy")]), 1.0);
    assert_eq!(scrape.value("finis_deliveries_total", &[("source", "plain"), ("fate", "busy")]), 0.0);
    let told = scrape.samples.keys().filter(|(name, _)| name == "finis_consumer_lag");
    let told: Vec<&str> = told.map(|(_, labels)| labels["consumer"].as_str()).collect();
    assert_eq!(told, ["a", "b\"}"]);
    assert_eq!(scrape.value("finis_consumers", &[]), 3.0);
}
