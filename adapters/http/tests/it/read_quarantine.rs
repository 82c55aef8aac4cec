//! What could not be read, for whoever has the token.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use finis_engine::Receipt;
use finis_engine::log::{
    Batch, Delivery, Layer, Log, LogError, LogRead, MemoryLog, Quarantine, Refused, RefusedCursor,
};
use finis_store::EmbeddedLog;
use serde_json::{Value, json};

use crate::read_world::{EVENING, World, at};

/// Every page of a listing, from the first to the last.
async fn pages(world: &World, query: &str) -> Vec<Value> {
    let mut pages = vec![world.read(&format!("/v1/quarantine?{query}")).await];
    while let Some(next) = pages.last().unwrap()["next"].as_str() {
        let page = world.read(&format!("/v1/quarantine?{query}&cursor={next}")).await;
        pages.push(page);
        assert!(pages.len() < 10_000, "it comes to no end");
    }
    pages
}

fn ids(pages: &[Value]) -> Vec<String> {
    let deliveries = pages.iter().flat_map(|page| page["deliveries"].as_array().unwrap());
    deliveries.map(|delivery| delivery["id"].as_str().unwrap().to_owned()).collect()
}

/// The `number`th of many, that come at few instants.
fn refused(number: usize, source: &str, bytes: usize) -> Refused {
    let mut body = number.to_string().into_bytes();
    body.resize(bytes.max(body.len()), b' ');
    let received_at = at(EVENING).plus(std::time::Duration::from_secs(number as u64 / 7));
    let delivery = Delivery { headers: Vec::new(), body: body.into() };
    Refused { source: source.into(), received_at, reason: "not JSON".into(), delivery }
}

async fn put(log: &dyn Log, refused: Vec<Refused>) {
    log.append(Batch { refused, ..Batch::default() }).await.unwrap();
}

#[tokio::test]
async fn what_could_not_be_read_is_there_whole() {
    let world = World::new().await;
    let bodies: [&[u8]; 4] =
        [b"{\"a\":\"caf\xC3\xA9\",", b"\xFF\x00 not text", b"", "{\"event\":7} \u{1F600}\n".as_bytes()];
    for body in bodies {
        let headers = [("content-type", "application/json"), ("x-pathors-event", "caf\u{e9}")];
        let receipt = world.engine.receive("desk", &headers, body).await.unwrap();
        assert!(matches!(receipt, Receipt::Quarantined { .. }), "{receipt:?}");
    }
    let page = world.read("/v1/quarantine").await;
    assert_eq!((&page["next"], &page["looked_at"], &page["damaged"]), (&json!(null), &json!(4), &json!([])));
    let log: &dyn Log = &*world.log;
    let kept = log.refused(None, 9).await.unwrap().deliveries;
    let told = page["deliveries"].as_array().unwrap();
    assert_eq!((told.len(), kept.len()), (4, 4));
    for ((told, kept), body) in told.iter().zip(&kept).zip(bodies) {
        assert_eq!(told["id"], kept.id().to_string());
        assert_eq!((&told["source"], &told["reason"]), (&json!("desk"), &json!(kept.reason)));
        assert_eq!(told["received_at"], kept.received_at.to_string());
        let headers: serde_json::Map<String, Value> =
            kept.delivery.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        assert_eq!(told["headers"], Value::Object(headers));
        if let Ok(text) = std::str::from_utf8(body) {
            assert_eq!((&told["body"], told.get("body_base64")), (&json!(text), None));
        } else {
            assert_eq!(told.get("body"), None);
            assert_eq!(STANDARD.decode(told["body_base64"].as_str().unwrap()).unwrap(), body);
        }
    }
    assert!(!kept[0].reason.is_empty());
    world.close().await;
}

#[tokio::test]
async fn pages_have_each_once_while_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _report) = EmbeddedLog::open(folder.path(), &finis_store::Settings::default()).unwrap();
    let world = World::over(Arc::new(log), |_| ()).await;
    let mut all: Vec<Refused> = (0..130).map(|number| refused(number, "desk", 0)).collect();
    put(&*world.log, all.clone()).await;
    all.sort_by_key(Refused::cursor);
    let expected: Vec<String> = all.iter().map(|refused| refused.id().to_string()).collect();
    for (query, count) in [("", 3), ("limit=1", 131), ("limit=9", 15), ("limit=130", 2), ("limit=500", 1)] {
        let pages = pages(&world, query).await;
        assert_eq!(ids(&pages), expected, "{query}");
        // Who asks for all that there is is told with the page after it that there is no more.
        assert_eq!(pages.len(), count, "{query}");
    }
    // One that was listed goes, one that was not goes, and one comes.
    let first = world.read("/v1/quarantine?limit=50").await;
    let released = vec![all[3].id(), all[60].id()];
    let log: &dyn Log = &*world.log;
    log.append(Batch { released, ..Batch::default() }).await.unwrap();
    put(&*world.log, vec![refused(500, "desk", 0)]).await;
    let next = first["next"].as_str().unwrap();
    let rest = world.read(&format!("/v1/quarantine?limit=500&cursor={next}")).await;
    let come = refused(500, "desk", 0).id().to_string();
    let seen: Vec<String> = ids(&[first, rest]);
    let left = expected.iter().enumerate().filter(|(place, _)| *place != 60).map(|(_, id)| id).chain([&come]);
    assert!(seen.iter().eq(left), "{seen:?}");
    world.close().await;
}

#[tokio::test]
async fn a_page_looks_at_so_many_and_reads_so_much() {
    let world = World::new().await;
    let many = (0..1200).map(|number| refused(number, if number % 600 == 599 { "gone" } else { "desk" }, 0));
    put(&*world.log, many.collect()).await;
    // Of a source that is not set up any more, too.
    let pages_of = pages(&world, "source=gone").await;
    let looked_at: Vec<u64> = pages_of.iter().map(|page| page["looked_at"].as_u64().unwrap()).collect();
    let listed: Vec<usize> = pages_of.iter().map(|page| page["deliveries"].as_array().unwrap().len()).collect();
    assert_eq!((looked_at, listed), (vec![500, 500, 200], vec![0, 1, 1]));
    let nobody = pages(&world, "source=canary").await;
    assert!(ids(&nobody).is_empty() && nobody.len() == 3);

    let world = World::new().await;
    put(&*world.log, (0..30).map(|number| refused(number, "desk", 1 << 20)).collect()).await;
    let pages_of = pages(&world, "limit=30&source=lab").await;
    assert!(pages_of.iter().all(|page| page["looked_at"].as_u64().unwrap() <= 12), "{pages_of:?}");
    assert_eq!(ids(&pages(&world, "limit=30").await).len(), 30);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_named() {
    let world = World::new().await;
    world.receive("E", "s-1").await;
    put(&*world.log, vec![refused(1, "desk", 0), refused(2, "desk", 0)]).await;
    let cursor = world.read("/v1/quarantine?limit=1").await["next"].as_str().unwrap().to_owned();
    let of_sessions = world.read("/v1/sessions?limit=1").await["next"].as_str().unwrap().to_owned();
    for (query, parameter) in [
        ("cursor=".to_owned(), "cursor"),
        ("cursor=canary".to_owned(), "cursor"),
        (format!("cursor={}", &cursor[1..]), "cursor"),
        (format!("cursor={}", &cursor[..cursor.len() - 2]), "cursor"),
        (format!("cursor={cursor}&cursor={cursor}"), "cursor"),
        (format!("cursor={of_sessions}"), "cursor"),
        ("limit=0".to_owned(), "limit"),
        ("limit=501".to_owned(), "limit"),
    ] {
        let answer = world.get(&format!("/v1/quarantine?{query}")).await;
        assert_eq!(answer.refused(400, "bad_parameter")["parameter"], parameter, "{query}");
        assert!(!answer.body.contains("canary"), "{answer:?}");
    }
    world.get(&format!("/v1/sessions?cursor={cursor}")).await.refused(400, "bad_parameter");
    world.get("/v1/quarantine?status=open").await.refused(400, "unknown_parameter");
    world.ask_with("GET", "/v1/quarantine", "", "").await.refused(401, "unauthorized");
}

/// A log of which something in quarantine is damaged, between the first and what comes behind.
struct Damaged(MemoryLog);

#[async_trait]
impl Layer for Damaged {
    fn below(&self) -> &dyn Log {
        &self.0
    }

    async fn refused(&self, after: Option<RefusedCursor>, limit: usize) -> Result<Quarantine, LogError> {
        let mut page = self.0.refused(after, limit).await?;
        if after.is_none() {
            page.damaged.push("segment 1, offset 4096: the body is not what was written".into());
        }
        Ok(page)
    }
}

#[tokio::test]
async fn what_is_damaged_is_said_and_holds_nothing_up() {
    let log = Damaged(MemoryLog::new());
    put(&log, (0..3).map(|number| refused(number, "desk", 0)).collect()).await;
    let world = World::over(Arc::new(log), |_| ()).await;
    let pages = pages(&world, "limit=2&source=desk").await;
    let damaged: Vec<&Value> = pages.iter().map(|page| &page["damaged"]).collect();
    assert_eq!(damaged, [&json!(["segment 1, offset 4096: the body is not what was written"]), &json!([])]);
    assert_eq!(ids(&pages).len(), 3);
}
