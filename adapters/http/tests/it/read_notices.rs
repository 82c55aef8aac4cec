//! Notices for consumers behind a network: again and again until they are acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use finis_engine::{Placed, Policy};
use serde_json::{Value, json};

use crate::read_world::World;
use crate::wait;

fn seqs(page: &Value) -> Vec<u64> {
    page["notices"].as_array().unwrap().iter().map(|notice| notice["seq"].as_u64().unwrap()).collect()
}

async fn with_ended(ids: &[&str]) -> World {
    let world = World::new().await;
    for id in ids {
        world.receive("ECF", id).await;
    }
    world
}

#[tokio::test]
async fn notices_come_again_until_they_are_acknowledged() {
    let world = with_ended(&["a", "b", "c"]).await;
    let ack = async |seq: u64| world.post("/v1/notices/ack", &json!({"consumer": "crm", "seq": seq})).await;
    let page = world.read("/v1/notices?consumer=crm").await;
    assert_eq!((seqs(&page), &page["known"], &page["acknowledged"]), (vec![1, 2, 3], &json!(false), &json!(0)));
    // As a consumer in this process gets it, byte for byte.
    let mut notices = world.engine.notices("other").await.unwrap();
    let first = notices.next().await.unwrap().unwrap().to_json();
    assert!(world.get("/v1/notices?consumer=crm").await.body.contains(&first));
    // To ask changes nothing.
    let consumers = world.read("/v1/consumers").await;
    assert_eq!(consumers["consumers"].as_array().unwrap().len(), 1, "{consumers}");
    assert_eq!(ack(2).await.fine(), json!({"consumer": "crm", "acknowledged": 2}));
    assert_eq!(ack(1).await.fine()["acknowledged"], 2);
    assert_eq!(ack(2).await.fine()["acknowledged"], 2);
    let page = world.read("/v1/notices?consumer=crm").await;
    assert_eq!((seqs(&page), &page["known"], &page["acknowledged"]), (vec![3], &json!(true), &json!(2)));
    ack(4).await.refused(409, "ahead");
    ack(u64::MAX).await.refused(409, "ahead");
    assert_eq!(seqs(&world.read("/v1/notices?consumer=crm").await), [3]);
    assert_eq!(ack(3).await.fine()["acknowledged"], 3);
    assert_eq!(seqs(&world.read("/v1/notices?consumer=crm").await), [0; 0]);
    // It has what is said from then on, and everybody else has all.
    world.receive("ECF", "d").await;
    assert_eq!(seqs(&world.read("/v1/notices?consumer=crm").await), [4]);
    assert_eq!(seqs(&world.read("/v1/notices?consumer=new").await), [1, 2, 3, 4]);
    assert_eq!(seqs(&world.read("/v1/notices").await), [1, 2, 3, 4]);
    assert_eq!(seqs(&world.read("/v1/notices?after=2").await), [3, 4]);
}

#[tokio::test]
async fn pages_of_notices_hold_each_once() {
    let world = World::new().await;
    for number in 0..150 {
        world.receive("ECF", &format!("s-{number}")).await;
    }
    world.post("/v1/notices/ack", &json!({"consumer": "crm", "seq": 40})).await.fine();
    for (query, first) in [("", 1), ("consumer=crm", 41)] {
        for limit in [1, 7, 32, 33, 100, 150, 1000] {
            let mut got = Vec::new();
            let mut after = 0;
            loop {
                let page = world.read(&format!("/v1/notices?limit={limit}&after={after}&{query}")).await;
                assert!(seqs(&page).len() <= limit);
                got.extend(seqs(&page));
                match page["next"].as_u64() {
                    Some(next) => after = next,
                    None => break,
                }
            }
            assert_eq!(got, (first..=150).collect::<Vec<u64>>(), "{query} {limit}");
        }
    }
}

#[tokio::test]
async fn what_is_no_acknowledgement_is_refused_and_not_said_again() {
    let world = with_ended(&["a"]).await;
    for body in [
        "",
        "canary",
        "{}",
        r#"{"consumer":"crm"}"#,
        r#"{"consumer":"crm","seq":"canary"}"#,
        r#"{"consumer":"crm","seq":-1}"#,
        r#"{"consumer":"crm","seq":1.5}"#,
        r#"{"consumer":"crm","seq":1,"canary":1}"#,
        r#"{"consumer":"crm","seq":1,"seq":1}"#,
        r#"{"consumer":1,"seq":1}"#,
        r#"["crm",1,2]"#,
    ] {
        let answer = world.ask("POST", "/v1/notices/ack", body).await;
        answer.refused(400, "bad_body");
        assert!(!answer.body.contains("canary"), "{answer:?}");
    }
    for name in ["", "a\nb", &"x".repeat(129)] {
        let answer = world.post("/v1/notices/ack", &json!({"consumer": name, "seq": 1})).await;
        assert_eq!(answer.refused(400, "bad_parameter")["parameter"], "consumer");
    }
    world.ask("POST", "/v1/notices/ack", &" ".repeat(17 << 10)).await.refused(413, "bad_body");
    assert_eq!(world.read("/v1/consumers").await["consumers"], json!([]));
}

#[tokio::test]
async fn a_consumer_is_made_set_back_and_removed() {
    let world = with_ended(&["a", "b"]).await;
    let made = world.ask("PUT", "/v1/consumers/now?start=now", "").await;
    assert_eq!((made.status, &made.json()["acknowledged"]), (201, &json!(2)));
    let made = world.ask("PUT", "/v1/consumers/old", "").await;
    assert_eq!((made.status, &made.json()["behind"]), (201, &json!(2)));
    let again = world.ask("PUT", "/v1/consumers/now", "").await;
    assert_eq!((again.status, &again.json()["acknowledged"]), (200, &json!(2)));
    world.ask("PUT", "/v1/consumers/x?start=then", "").await.refused(400, "bad_parameter");
    let rewound = world.post("/v1/consumers/now/rewind", &json!({"seq": 1})).await.fine();
    assert_eq!(rewound["behind"], 1);
    assert_eq!(seqs(&world.read("/v1/notices?consumer=now").await), [2]);
    world.post("/v1/consumers/now/rewind", &json!({"seq": 3})).await.refused(409, "ahead");
    assert_eq!(world.ask("DELETE", "/v1/consumers/now", "").await.status, 204);
    world.ask("DELETE", "/v1/consumers/now", "").await.refused(404, "unknown_consumer");
    world.post("/v1/consumers/now/rewind", &json!({"seq": 1})).await.refused(404, "unknown_consumer");
    world.get("/v1/consumers/now/parked").await.refused(404, "unknown_consumer");
    world.post("/v1/consumers/now/retry", &json!({})).await.refused(404, "unknown_consumer");
    let consumers = world.read("/v1/consumers").await;
    assert_eq!(
        consumers,
        json!({"last_seq": 2, "consumers": [
            {"consumer": "old", "acknowledged": 0, "behind": 2, "parked": 0, "served": false},
        ]})
    );
}

/// Asks until it is so.
async fn until(world: &World, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let mut told = Value::Null;
    wait::until(async || {
        told = world.read(path).await;
        is_so(&told)
    })
    .await;
    told
}

#[tokio::test]
async fn dead_letters_are_listed_sent_again_and_let_be() {
    let world = with_ended(&["a", "b", "c"]).await;
    // Said of `a` again: held behind what was said first.
    world.receive("G", "a").await;
    let fails = Arc::new(AtomicBool::new(true));
    let failing = fails.clone();
    let handler = move |placed: Placed| {
        let fails = failing.load(Ordering::SeqCst) && placed.notice.key.id() != "c";
        async move { if fails { Err("the receiver said 500") } else { Ok(()) } }
    };
    let policy = Policy { tries_max: 1, ..Policy::default() };
    let (handover, worker) = world.engine.deliver("webhook:crm", policy, handler).await.unwrap();
    let worker = tokio::spawn(worker.run());
    let parked = "/v1/consumers/webhook:crm/parked";
    let letters = until(&world, parked, |told| told["parked"].as_array().unwrap().len() == 3).await;
    let rows: Vec<(u64, &str)> = letters["parked"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["seq"].as_u64().unwrap(), row["cause"].as_str().unwrap()))
        .collect();
    assert_eq!(rows, [(1, "failed"), (2, "failed"), (4, "held")]);
    assert_eq!(letters["parked"][0]["reason"], "the receiver said 500");
    assert_eq!(
        (&letters["parked"][2]["behind"], &letters["parked"][2]["notice"]["kind"]),
        (&json!(1), &json!("amended"))
    );
    let page = world.read(&format!("{parked}?limit=2")).await;
    assert_eq!((page["parked"].as_array().unwrap().len(), &page["next"]), (2, &json!(2)));
    assert_eq!(world.read(&format!("{parked}?limit=2&after=2")).await["parked"][0]["seq"], 4);
    // What a handler has, it acknowledges by itself; and what was dealt with does not come to who asks.
    world.post("/v1/notices/ack", &json!({"consumer": "webhook:crm", "seq": 1})).await.refused(409, "served");
    world.ask("DELETE", "/v1/consumers/webhook:crm", "").await.refused(409, "served");
    assert_eq!(seqs(&world.read("/v1/notices?consumer=webhook:crm").await), [0; 0]);

    let retry = "/v1/consumers/webhook:crm/retry";
    let skip = "/v1/consumers/webhook:crm/skip";
    world.post(retry, &json!({"seq": 3})).await.refused(404, "not_parked");
    world.post(skip, &json!({"seq": 3})).await.refused(404, "not_parked");
    assert_eq!(world.post(skip, &json!({"seq": 2})).await.fine(), json!({"skipped": 2}));
    fails.store(false, Ordering::SeqCst);
    // One, with what is held behind it.
    assert_eq!(world.post(retry, &json!({"seq": 1})).await.fine(), json!({"retried": 2}));
    until(&world, "/v1/consumers", |told| {
        let consumer = &told["consumers"][0];
        (&consumer["behind"], &consumer["parked"], &consumer["served"]) == (&json!(0), &json!(0), &json!(true))
    })
    .await;
    assert_eq!(world.post(retry, &json!({})).await.fine(), json!({"retried": 0}));
    assert_eq!(world.ask("POST", retry, "").await.fine(), json!({"retried": 0}));
    handover.stop().await.unwrap();
    worker.await.unwrap().unwrap();
    assert_eq!(world.ask("DELETE", "/v1/consumers/webhook:crm", "").await.status, 204);
}
