//! Sessions for whoever has the token: pages of them, one, and how it came to that.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use finis_engine::Reader;
use finis_engine::live::LiveArrival;
use finis_engine::log::{Batch, Delivery, EventEntry, Gone, Log, Why};
use finis_providers::Catalogue;
use finis_store::EmbeddedLog;
use serde_json::{Value, json};

use crate::read_world::{EVENING, World, at, key, payload};

fn ids(page: &Value) -> Vec<&str> {
    page["sessions"].as_array().unwrap().iter().map(|session| session["session"].as_str().unwrap()).collect()
}

/// Every page of a listing, from the first to the last.
async fn pages(world: &World, query: &str) -> Vec<Value> {
    let mut pages = vec![world.read(&format!("/v1/sessions?{query}")).await];
    while let Some(next) = pages.last().unwrap()["next"].as_str() {
        let page = world.read(&format!("/v1/sessions?{query}&cursor={next}")).await;
        pages.push(page);
        assert!(pages.len() < 10_000, "it comes to no end");
    }
    pages
}

#[tokio::test]
async fn sessions_are_filtered_in_the_words_of_the_command() {
    let world = World::new().await;
    world.receive("ECF", "call").await;
    world.receive("F", "late").await;
    world.receive("E", "lost").await;
    world.set_clock("2026-05-03T10:00:00Z");
    world.receive("E", "open").await;
    // Deadlines of two passed before that came.
    let all = world.read("/v1/sessions").await;
    assert_eq!(ids(&all), ["call", "late", "lost", "open"]);
    assert_eq!(all["sessions"][1]["inferred"], json!(["session.ended", "call.ended"]));
    assert_eq!(all["sessions"][1]["by"], "deadline");
    assert_eq!(all["sessions"][0]["outcome"], "completed");
    // The clock of a receiver goes on by a little though that of the system stands.
    let is_at = |told: &Value, second: &str| told.as_str().unwrap().starts_with(second);
    assert!(is_at(&all["sessions"][0]["latest"], "2026-05-03T08:42:14."), "{all}");
    assert!(is_at(&all["sessions"][3]["awaits_until"], "2026-05-03T11:00:00"), "{all}");
    for (query, wanted) in [
        ("status=complete", vec!["call", "late"]),
        ("status=stalled", vec!["lost"]),
        ("status=settling", vec![]),
        ("missing=session.finalized", vec!["lost", "open"]),
        ("missing=session.finalized&status=open", vec!["open"]),
        ("missing=session.fin", vec![]),
        ("source=desk", vec!["call", "late", "lost", "open"]),
        ("source=lab", vec![]),
        ("since=2026-05-03T10:00:00Z", vec!["open"]),
        ("since=2026-05-03T10:00:00.001Z", vec![]),
        ("until=2026-05-03T10:00:00Z", vec!["call", "late", "lost"]),
        ("since=2026-05-03T08:42:14Z&until=2026-05-03T08:42:15Z", vec!["call", "late", "lost"]),
    ] {
        assert_eq!(ids(&world.read(&format!("/v1/sessions?{query}")).await), wanted, "{query}");
    }
}

#[tokio::test]
async fn pages_hold_every_session_once_while_others_come() {
    pages_hold_every_session_once(&World::new().await).await;
}

#[tokio::test]
async fn pages_of_a_store_hold_every_session_once_while_others_come() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _report) = EmbeddedLog::open(folder.path(), &finis_store::Settings::default()).unwrap();
    let world = World::over(Arc::new(log), |_| ()).await;
    pages_hold_every_session_once(&world).await;
    world.close().await;
}

async fn pages_hold_every_session_once(world: &World) {
    let mut sent = BTreeSet::new();
    for number in 0..100 {
        let id = format!("s-{number:03}");
        world.receive(if number % 3 == 0 { "E" } else { "ECF" }, &id).await;
        sent.insert(id);
    }
    for query in ["limit=7", "limit=1", "limit=500", "limit=64", "limit=100", "limit=13&source=desk"] {
        let mut got = Vec::new();
        for (place, page) in pages(world, query).await.iter().enumerate() {
            got.extend(ids(page).into_iter().map(str::to_owned));
            world.receive("E", &format!("late-{query}-{place}")).await;
        }
        let known: Vec<&String> = got.iter().filter(|id| sent.contains(*id)).collect();
        assert_eq!(known.len(), sent.len(), "{query}");
        assert_eq!(known.iter().collect::<BTreeSet<_>>().len(), sent.len(), "{query}");
    }
    let complete: usize = pages(world, "limit=5&status=complete").await.iter().map(|page| ids(page).len()).sum();
    assert_eq!(complete, 66);
    // A cursor is good though its session went.
    let page = world.read("/v1/sessions?limit=2").await;
    let gone = Gone { why: Why::Forgotten, at: at(EVENING) };
    let last = key(ids(&page)[1]);
    world.log.let_go(std::slice::from_ref(&last), gone).await.unwrap();
    let next = world.read(&format!("/v1/sessions?limit=1&cursor={}", page["next"].as_str().unwrap())).await;
    assert_eq!(ids(&next).len(), 1);
    assert!(!ids(&page).contains(&ids(&next)[0]), "{page} {next}");
}

#[tokio::test]
async fn a_page_looks_at_so_many_sessions_whether_they_are_wanted_or_not() {
    let world = World::new().await;
    for number in 0..1200 {
        world.receive("E", &format!("s-{number}")).await;
    }
    let before = world.log.loaded.load(Ordering::SeqCst);
    let first = world.read("/v1/sessions?status=complete").await;
    assert_eq!((ids(&first).len(), &first["looked_at"]), (0, &json!(500)));
    assert_eq!(world.log.loaded.load(Ordering::SeqCst) - before, 500);
    let looked_at: Vec<u64> =
        pages(&world, "status=complete").await.iter().map(|page| page["looked_at"].as_u64().unwrap()).collect();
    assert_eq!(looked_at, [500, 500, 200]);
    // Of another source nothing is read at all.
    let before = world.log.loaded.load(Ordering::SeqCst);
    assert_eq!(pages(&world, "source=lab").await.len(), 3);
    assert_eq!(world.log.loaded.load(Ordering::SeqCst), before);
}

#[tokio::test]
async fn a_page_reads_so_many_events() {
    let world = World::new().await;
    // At once: one by one each costs as much as there are before it.
    let contract = Catalogue::shipped().get("pathors").unwrap().clone();
    let mut reader = Reader::new();
    let mut entry = |session: &str, number: u32| {
        let body = format!(
            r#"{{"event":"session.progress","sessionId":"{session}","timestamp":"{EVENING}","number":{number}}}"#
        );
        let digest = LiveArrival::new(&contract, &reader.read(&contract, &body).unwrap()).digest();
        let delivery = Delivery { headers: Vec::new(), body: body.as_bytes().into() };
        EventEntry { key: key(session), digest, received_at: Some(at(EVENING)), delivery }
    };
    for (session, events) in [("a", 15_000), ("b", 1), ("c", 5_000), ("d", 1), ("e", 1)] {
        let events = (0..events).map(|number| entry(session, number)).collect();
        world.log.append(Batch { events, ..Batch::default() }).await.unwrap();
    }
    let listed: Vec<String> = pages(&world, "limit=100").await.iter().map(|page| ids(page).join(" ")).collect();
    assert_eq!(listed, ["a b c", "d e"]);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_named_and_not_said_again() {
    let world = World::new().await;
    world.receive("E", "s-1").await;
    let cursor = world.read("/v1/sessions?limit=1").await["next"].as_str().unwrap_or_default().to_owned();
    assert!(!cursor.is_empty());
    for (query, parameter) in [
        ("cursor=".to_owned(), "cursor"),
        ("cursor=canary".to_owned(), "cursor"),
        (format!("cursor={}", &cursor[1..]), "cursor"),
        (format!("cursor={}", &cursor[..cursor.len() - 2]), "cursor"),
        (format!("cursor={cursor}canary"), "cursor"),
        (format!("cursor={cursor}&cursor={cursor}"), "cursor"),
        ("limit=0".to_owned(), "limit"),
        ("limit=501".to_owned(), "limit"),
        ("limit=-1".to_owned(), "limit"),
        ("limit=%2B1".to_owned(), "limit"),
        ("limit=99999999999999999999".to_owned(), "limit"),
        ("limit=".to_owned(), "limit"),
        ("status=canary".to_owned(), "status"),
        ("status=Open".to_owned(), "status"),
        ("since=canary".to_owned(), "since"),
        ("since=2026-05-03".to_owned(), "since"),
        ("until=2026-13-03T00:00:00Z".to_owned(), "until"),
        ("source=canary".to_owned(), "source"),
    ] {
        let answer = world.get(&format!("/v1/sessions?{query}")).await;
        assert_eq!(answer.refused(400, "bad_parameter")["parameter"], parameter, "{query}");
        assert!(!answer.body.contains("canary"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_record_stands_as_it_is_everywhere() {
    let world = World::new().await;
    for (id, path) in
        [("s-1", "s-1"), ("a/b c?", "a%2Fb%20c%3F"), ("é…", "%C3%A9%E2%80%A6"), ("..", "%2E%2E"), ("%41", "%2541")]
    {
        world.receive("EF", id).await;
        let answer = world.get(&format!("/v1/sessions/desk/{path}")).await;
        assert_eq!(answer.status, 200, "{id}: {answer:?}");
        assert_eq!(answer.body, world.engine.session(&key(id)).await.unwrap().unwrap());
        assert_eq!(answer.json()["session"], id);
    }
    let path = "/v1/sessions/desk/s-1";
    assert_eq!(world.get(&format!("{path}?subject=session")).await.status, 200);
    for missing in [
        "/v1/sessions/desk/s-2",
        "/v1/sessions/lab/s-1",
        "/v1/sessions/x/s-1",
        "/v1/sessions/desk/s-1?subject=campaign",
    ] {
        world.get(missing).await.refused(404, "unknown_session");
    }
    world.get("/v1/sessions/desk/%FF").await.refused(400, "bad_path");
    world.log.let_go(&[key("s-1")], Gone { why: Why::Forgotten, at: at(EVENING) }).await.unwrap();
    world.get(path).await.refused(404, "forgotten");
    world.get(&format!("{path}/timeline")).await.refused(404, "forgotten");
}

#[tokio::test]
async fn a_timeline_has_every_delivery_and_each_can_be_had() {
    let world = World::new().await;
    world.receive("E", "s-1").await;
    world.set_clock("2026-05-03T08:42:20Z");
    world.receive("EF", "s-1").await;
    world.set_clock("2026-05-03T08:42:30Z");
    world.receive("G", "s-1").await;
    world.set_clock("2026-05-03T08:50:00Z");
    world.receive("E", "s-2").await;
    let timeline = world.read("/v1/sessions/desk/s-1/timeline").await;
    let entries = timeline["entries"].as_array().unwrap();
    let told: Vec<String> = entries
        .iter()
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
            let said: Vec<&str> =
                entry["said"].as_array().into_iter().flatten().filter_map(|said| said["kind"].as_str()).collect();
            format!("{} {} {} [{}]", text("entry"), text("kind"), entry["came"], said.join(" "))
        })
        .collect();
    assert_eq!(
        told,
        [
            "event session.ended 2 []",
            "event session.finalized 1 []",
            "event session.finalized 1 []",
            "deadline - null [complete]",
            "record - null []",
        ]
    );
    assert_eq!(entries[0]["arrivals"], json!([EVENING, "2026-05-03T08:42:20Z"]));
    assert_eq!(entries[2]["again"], true);
    assert_eq!(entries[4]["record"], world.read("/v1/sessions/desk/s-1").await);
    for (entry, kind) in entries.iter().zip("EFG".chars()) {
        let digest = entry["digest"].as_str().unwrap();
        let delivery = world.read(&format!("/v1/sessions/desk/s-1/deliveries/{digest}")).await;
        assert_eq!(delivery["body"], payload(kind, "s-1"));
        assert_eq!((&delivery["source"], &delivery["received_at"]), (&json!("desk"), &entry["received_at"]));
    }
    let digest = "0".repeat(32);
    world.get(&format!("/v1/sessions/desk/s-1/deliveries/{digest}")).await.refused(404, "unknown_event");
    world.get("/v1/sessions/desk/nobody/timeline").await.refused(404, "unknown_session");
}

#[tokio::test]
async fn a_session_that_is_damaged_is_told_and_holds_no_other_up() {
    let world = World::new().await;
    for id in ["a", "b", "c", "d"] {
        world.receive("E", id).await;
    }
    "b".clone_into(&mut world.log.damaged.lock().unwrap());
    "c".clone_into(&mut world.log.unreadable.lock().unwrap());
    let page = world.read("/v1/sessions").await;
    assert_eq!((ids(&page), &page["unreadable"]), (vec!["a", "d"], &json!(2)));
    world.get("/v1/sessions/desk/b").await.refused(500, "damaged");
    world.get("/v1/sessions/desk/c").await.refused(500, "damaged");
    // What is there of it is shown, with what is not.
    let timeline = world.read("/v1/sessions/desk/b/timeline").await;
    assert_eq!(timeline["damaged"], json!(["segment 1, offset 4096: an event"]));
    assert_eq!(timeline["entries"][0]["kind"], "session.ended");
}
