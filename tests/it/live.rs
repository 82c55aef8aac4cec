//! The live engine over a log in memory: what is told of deliveries, what is said of sessions, and what a
//! restart or a log that fails changes.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use finis::engine::live::{Notice, NoticeKind};
use finis::engine::log::{Log, LogError, LogRead, MemoryLog};
use finis::engine::{
    Clock, Denied, Engine, Key, Partial, Placed, Reader, Receipt, ReceiveError, Record, Settings, Timestamp,
    Unverified, Verify,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::sessions::{self, PATHORS, arrivals, clashing};
use crate::world::{EVENING, Frail, Hand, Running, at, key, kinds, payload, said, source, too_large};

/// Nothing that is waited for takes as long, or it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_session_is_complete_once_in_every_order_and_however_often_it_comes() {
    for order in ["ECF", "EFC", "CEF", "CFE", "FEC", "FCE"] {
        let log = Arc::new(MemoryLog::new());
        let running = Running::start(log.clone(), Hand::at(EVENING));
        for kind in order.chars() {
            let payload = payload(kind, "s-1", EVENING);
            assert_eq!(running.receive(&payload).await, Receipt::Stored { key: key("s-1") }, "{order}");
            assert_eq!(running.receive(&payload).await, Receipt::Duplicate { key: key("s-1") }, "{order}");
        }
        let said = said(&*log).await;
        assert_eq!(kinds(&said), [(NoticeKind::Complete, 1)], "{order}");
        assert!(said[0].record.contains(r#""status":"complete","by":"evidence""#), "{}", said[0].record);
        let record = running.engine.session(&key("s-1")).await.unwrap().unwrap();
        assert_eq!(record, said[0].record);
        running.stop().await;
    }
}

#[tokio::test]
async fn what_changes_after_the_end_is_amended_with_old_and_new() {
    let log = Arc::new(MemoryLog::new());
    let running = Running::start(log.clone(), Hand::at(EVENING));
    for kind in "ECF".chars() {
        running.receive(&payload(kind, "s-1", EVENING)).await;
    }
    running.receive(&payload('G', "s-1", "2026-05-03T08:42:15Z")).await;
    let said = said(&*log).await;
    assert_eq!(kinds(&said), [(NoticeKind::Complete, 1), (NoticeKind::Amended, 2)]);
    let changed: Vec<_> = said[1]
        .changes
        .iter()
        .map(|change| {
            (change.part.as_str(), change.old.as_deref().unwrap_or("-"), change.new.as_deref().unwrap_or("-"))
        })
        .filter(|(part, ..)| part.starts_with("fields.call_status") || *part == "fields.outcome")
        .collect();
    assert_eq!(
        changed,
        [
            ("fields.call_status", "\"userHangup\"", "\"transferred\""),
            ("fields.outcome", "\"completed\"", "\"transferred\""),
        ]
    );
    let json: serde_json::Value = serde_json::from_str(&said[1].to_json(2)).unwrap();
    assert_eq!(
        (json["kind"].as_str(), json["seq"].as_u64(), json["revision"].as_u64()),
        (Some("amended"), Some(2), Some(2))
    );
    assert_eq!(json["id"].as_str(), Some(said[1].id.to_string().as_str()));
    assert_eq!(json["record"]["fields"]["call_status"], "transferred");
    running.stop().await;
}

#[tokio::test]
async fn deadlines_fire_without_traffic_and_after_a_restart_that_slept_through_them() {
    let log: Arc<MemoryLog> = Arc::default();
    let clock = Hand::at(EVENING);
    let running = Running::start(log.clone(), clock.clone());
    running.receive(&payload('E', "lost", EVENING)).await;
    running.receive(&payload('F', "inferred", EVENING)).await;
    assert_eq!(kinds(&said(&*log).await), []);

    // Grace is two minutes: at that very instant it is over.
    clock.set("2026-05-03T08:44:13.999999Z");
    running.receive(&payload('E', "other", EVENING)).await;
    assert_eq!(kinds(&said(&*log).await), []);
    let mut notices = running.engine.notices("crm").await.unwrap();
    clock.set("2026-05-03T08:44:14.000001Z");
    let Placed { seq, notice: first } = notices.next().await.unwrap().unwrap();
    assert_eq!((seq, first.kind, first.key.id()), (1, NoticeKind::Complete, "inferred"));
    assert!(
        first.record.contains(r#""by":"deadline""#)
            && first.record.contains(r#""inferred":["session.ended","call.ended"]"#)
    );
    running.stop().await;

    clock.set("2026-05-03T12:00:00Z");
    let running = Running::start(log.clone(), clock.clone());
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(notices_after(&running.engine, "ops", all.len()).await);
    }
    let told: Vec<_> = all.iter().map(|notice| (notice.kind, notice.key.id())).collect();
    assert_eq!(
        told,
        [(NoticeKind::Complete, "inferred"), (NoticeKind::Stalled, "lost"), (NoticeKind::Stalled, "other")]
    );

    // What comes later sets the stalled one going again, and then ends it.
    running.receive(&payload('F', "lost", "2026-05-03T08:42:15Z")).await;
    running.receive(&payload('C', "lost", "2026-05-03T08:42:14.5Z")).await;
    let said = said(&*log).await;
    assert_eq!((said[3].kind, said[3].revision, said[3].key.id()), (NoticeKind::Complete, 1, "lost"));
    running.stop().await;
}

async fn notices_after(engine: &Engine, consumer: &str, after: usize) -> Notice {
    let mut notices = engine.notices(consumer).await.unwrap();
    for _ in 0..after {
        notices.next().await.unwrap().unwrap();
    }
    notices.next().await.unwrap().unwrap().notice
}

#[tokio::test]
async fn a_consumer_gets_each_notice_again_until_it_acknowledges_it() {
    let log: Arc<MemoryLog> = Arc::default();
    let running = Running::start(log.clone(), Hand::at(EVENING));
    for id in ["a", "b", "c"] {
        running.receive(&payload('E', id, EVENING)).await;
        running.receive(&payload('T', id, EVENING)).await;
    }
    let mut crm = running.engine.notices("crm").await.unwrap();
    let first: Vec<_> = [crm.next().await, crm.next().await].into_iter().map(|next| next.unwrap().unwrap()).collect();
    crm.ack(1).await.unwrap();
    // What was not handed over cannot be acknowledged.
    crm.ack(99).await.unwrap();
    let mut again = running.engine.notices("crm").await.unwrap();
    assert_eq!(again.next().await.unwrap().unwrap().seq, 3);
    let mut other = running.engine.notices("other").await.unwrap();
    assert_eq!(other.next().await.unwrap().unwrap(), first[0]);
    running.stop().await;
    assert_eq!(other.next().await.unwrap().unwrap().seq, 2);
    assert_eq!(other.next().await.unwrap().unwrap().seq, 3);
    assert_eq!(other.next().await.unwrap(), None);
}

#[tokio::test]
async fn an_asset_is_said_at_once() {
    let log: Arc<MemoryLog> = Arc::default();
    let running = Running::start(log.clone(), Hand::at(EVENING));
    running.receive(&payload('R', "s-1", EVENING)).await;
    running.receive(&payload('R', "s-1", "2026-05-03T08:42:30Z")).await;
    let said = said(&*log).await;
    assert_eq!(kinds(&said), [(NoticeKind::Asset, 1)]);
    let asset = said[0].asset.as_ref().unwrap();
    assert_eq!((asset.field.as_str(), asset.value.as_str()), ("recording_url", "\"https://r.example/s-1\""));
    assert_eq!(asset.until, Some(at("2026-05-03T08:57:14Z")));
    running.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_and_what_is_not_from_the_source_is_not() {
    struct Password;
    impl Verify for Password {
        fn verify(&self, headers: &[(&str, &str)], _: &[u8], _: Timestamp) -> Result<(), Denied> {
            let known = headers.contains(&("x-secret", "open sesame"));
            known.then_some(()).ok_or_else(|| Denied { reason: "no password".into() })
        }
    }
    let log: Arc<MemoryLog> = Arc::default();
    let (engine, writer) = Engine::new(
        log.clone(),
        Hand::at(EVENING),
        [source(Box::new(Password))],
        Settings { body_bytes_max: 200, ..Settings::default() },
    );
    let writer = tokio::spawn(writer.run());
    let headers = [("x-secret", "open sesame")];
    let told = engine.receive("pathors", &headers, b"{\"event\":\"call.ended\"}").await.unwrap();
    assert_eq!(told, Receipt::Quarantined { reason: "no session id: nothing at `/sessionId`".into() });
    let kept = log.refused(None, 9).await.unwrap().deliveries;
    assert_eq!((kept.len(), &*kept[0].delivery.body), (1, &b"{\"event\":\"call.ended\"}"[..]));
    let denied = engine.receive("pathors", &[], b"{}").await;
    assert_eq!(denied, Err(ReceiveError::Denied { reason: "no password".into() }));
    assert_eq!(
        engine.receive("elsewhere", &headers, b"{}").await,
        Err(ReceiveError::UnknownSource { name: "elsewhere".into() })
    );
    assert_eq!(
        engine.receive("pathors", &headers, &[b' '; 201]).await,
        Err(ReceiveError::TooLarge { bytes: 201, max: 200 })
    );
    assert_eq!(log.refused(None, 9).await.unwrap().deliveries.len(), 1);
    engine.close().await;
    writer.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_full_log_refuses_all_who_wait_and_takes_them_again_when_there_is_room() {
    let log: Arc<Frail> = Arc::default();
    let running = Running::start(log.clone(), Hand::at(EVENING));
    running.receive(&payload('E', "s-1", EVENING)).await;
    log.full.store(true, Ordering::SeqCst);
    let (text, call) = (payload('T', "s-1", EVENING), payload('C', "s-2", EVENING));
    let (first, second) = tokio::join!(
        running.engine.receive("pathors", &[], text.as_bytes()),
        running.engine.receive("pathors", &[], call.as_bytes()),
    );
    let full = Err(ReceiveError::Log(LogError::Full { reason: "no space".into() }));
    assert_eq!((&first, &second), (&full, &full));
    assert!(said(&*log).await.is_empty());
    log.full.store(false, Ordering::SeqCst);
    assert_eq!(running.receive(&text).await, Receipt::Stored { key: key("s-1") });
    assert_eq!(running.receive(&call).await, Receipt::Stored { key: key("s-2") });
    assert_eq!(kinds(&said(&*log).await), [(NoticeKind::Complete, 1)]);
    running.stop().await;
}

#[tokio::test]
async fn a_session_that_is_damaged_stops_nobody_else_and_what_comes_for_it_is_kept_whole() {
    let log: Arc<Frail> = Arc::default();
    let running = Running::start(log.clone(), Hand::at(EVENING));
    for id in ["s-1", "s-2"] {
        running.receive(&payload('F', id, EVENING)).await;
    }
    running.stop().await;
    let mut frail = Arc::into_inner(log).unwrap();
    frail.damaged = "s-1";
    let log = Arc::new(frail);
    // Both are due, the damaged one first.
    let running = Running::start(log.clone(), Hand::at("2026-05-03T09:00:00Z"));
    let told = [
        running.receive(&payload('E', "s-3", EVENING)).await,
        running.receive(&payload('E', "s-1", EVENING)).await,
        running.receive(&payload('T', "s-3", EVENING)).await,
    ];
    assert_eq!(told[0], Receipt::Stored { key: key("s-3") });
    assert!(matches!(&told[1], Receipt::Quarantined { reason } if reason.contains("offset 12288")), "{told:?}");
    assert_eq!(told[2], Receipt::Stored { key: key("s-3") });
    let said = said(&*log).await;
    assert_eq!(said.iter().map(|notice| notice.key.id()).collect::<Vec<_>>(), ["s-2", "s-3"]);
    let refused = log.refused(None, 9).await.unwrap().deliveries;
    assert_eq!(&*refused[0].delivery.body, payload('E', "s-1", EVENING).as_bytes());
    running.stop().await;
}

#[tokio::test]
async fn a_deadline_that_a_full_log_does_not_take_passes_when_there_is_room() {
    let log: Arc<Frail> = Arc::default();
    let clock = Hand::at(EVENING);
    let running = Running::start(log.clone(), clock.clone());
    running.receive(&payload('F', "s-1", EVENING)).await;
    log.full.store(true, Ordering::SeqCst);
    clock.set("2026-05-03T09:00:00Z");
    // Whoever comes now is refused, after the deadline was tried.
    let told = running.engine.receive("pathors", &[], payload('E', "s-2", EVENING).as_bytes()).await;
    assert_eq!(told, Err(ReceiveError::Log(LogError::Full { reason: "no space".into() })));
    log.full.store(false, Ordering::SeqCst);
    clock.set("2026-05-03T09:00:01Z");
    let mut notices = running.engine.notices("crm").await.unwrap();
    let notice = notices.next().await.unwrap().unwrap().notice;
    assert_eq!((notice.kind, notice.key.id()), (NoticeKind::Complete, "s-1"));
    running.stop().await;
}

#[tokio::test]
async fn large_bodies_together_are_several_commits_and_one_too_large_stops_nobody_else() {
    let log: Arc<Frail> = Arc::default();
    log.bytes_max.store(9 << 20, Ordering::SeqCst);
    let settings = Settings { body_bytes_max: 16 << 20, ..Settings::default() };
    let (engine, writer) = Engine::new(log.clone(), Hand::at(EVENING), [source(Box::new(Unverified))], settings);
    let large = |id: usize, bytes: usize| {
        let text = "x".repeat(bytes);
        format!(r#"{{"event":"session.ended","sessionId":"s-{id}","timestamp":"{EVENING}","reason":"{text}"}}"#)
    };
    // All of them wait before anybody writes.
    let waiting: Vec<_> = (0..20)
        .map(|id| {
            let (engine, body) = (engine.clone(), large(id, if id == 7 { 10 << 20 } else { 1 << 20 }));
            tokio::spawn(async move { engine.receive("pathors", &[], body.as_bytes()).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let writer = tokio::spawn(writer.run());
    for (id, waiting) in waiting.into_iter().enumerate() {
        let told = waiting.await.unwrap();
        let expected = if id == 7 {
            Err(ReceiveError::Log(too_large()))
        } else {
            Ok(Receipt::Stored { key: key(&format!("s-{id}")) })
        };
        assert_eq!(told, expected);
    }
    engine.close().await;
    writer.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_log_that_stops_stops_the_engine_until_it_is_opened_again() {
    let log: Arc<Frail> = Arc::default();
    let clock = Hand::at(EVENING);
    let running = Running::start(log.clone(), clock.clone());
    running.receive(&payload('E', "s-1", EVENING)).await;
    log.broken.store(true, Ordering::SeqCst);
    let text = payload('T', "s-1", EVENING);
    let stopped = LogError::Stopped { reason: "the disk is gone".into() };
    let told = running.engine.receive("pathors", &[], text.as_bytes()).await;
    assert_eq!(told, Err(ReceiveError::Log(stopped.clone())));
    log.broken.store(false, Ordering::SeqCst);
    let Running { engine, writer } = running;
    assert_eq!(writer.await.unwrap(), Err(stopped));
    let told = engine.receive("pathors", &[], text.as_bytes()).await;
    assert!(matches!(&told, Err(ReceiveError::Stopped { reason }) if reason.contains("the disk is gone")), "{told:?}");
    let running = Running::start(log.clone(), clock);
    assert_eq!(running.receive(&text).await, Receipt::Stored { key: key("s-1") });
    assert_eq!(kinds(&said(&*log).await), [(NoticeKind::Complete, 1)]);
    running.stop().await;
}

/// Lets a delivery stand still while it is verified.
struct Slow {
    began: Mutex<mpsc::Sender<()>>,
    go_on: Mutex<mpsc::Receiver<()>>,
}

impl Verify for Slow {
    fn verify(&self, headers: &[(&str, &str)], _: &[u8], _: Timestamp) -> Result<(), Denied> {
        if headers.iter().any(|(name, _)| *name == "slow") {
            self.began.lock().unwrap().send(()).unwrap();
            self.go_on.lock().unwrap().recv().unwrap();
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_delivery_that_has_its_place_when_the_log_stops_is_told_so() {
    let log: Arc<Frail> = Arc::default();
    let (began, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let slow = Slow { began: Mutex::new(began), go_on: Mutex::new(may_go_on) };
    let (engine, writer) = Engine::new(log.clone(), Hand::at(EVENING), [source(Box::new(slow))], Settings::default());
    let writer = tokio::spawn(writer.run());
    let (text, handle) = (payload('E', "s-1", EVENING), engine.clone());
    let body = text.clone();
    let (tell, told) = tokio::sync::oneshot::channel();
    // It stands still with its place in the queue.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let receiving = handle.try_receive("pathors", &[("slow", "")], body.as_bytes());
        let _ = tell.send(runtime.block_on(receiving));
    });
    has_begun.recv().unwrap();
    log.broken.store(true, Ordering::SeqCst);
    assert!(engine.receive("pathors", &[], text.as_bytes()).await.is_err());
    // Nobody takes what comes now.
    engine.ended().await;
    go_on.send(()).unwrap();
    let told = tokio::time::timeout(PATIENCE, told).await.expect("it waits for ever").unwrap();
    assert!(matches!(&told, Err(ReceiveError::Stopped { reason }) if reason.contains("the disk is gone")), "{told:?}");
    assert!(writer.await.unwrap().is_err());
}

#[tokio::test]
async fn a_full_queue_is_said_and_not_waited_for() {
    let log: Arc<MemoryLog> = Arc::default();
    let settings = Settings { queue_max: 1, ..Settings::default() };
    let (engine, writer) = Engine::new(log, Hand::at(EVENING), [source(Box::new(Unverified))], settings);
    let first = payload('E', "s-1", EVENING);
    let mut waiting = Box::pin(engine.try_receive("pathors", &[], first.as_bytes()));
    tokio::select! {
        biased;
        told = &mut waiting => panic!("nobody writes yet: {told:?}"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(engine.try_receive("pathors", &[], first.as_bytes()).await, Err(ReceiveError::Busy));
    let writer = tokio::spawn(writer.run());
    assert_eq!(waiting.await, Ok(Receipt::Stored { key: key("s-1") }));
    engine.close().await;
    writer.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_engines_time_never_steps_back() {
    let log: Arc<MemoryLog> = Arc::default();
    let clock = Hand::at(EVENING);
    let running = Running::start(log.clone(), clock.clone());
    running.receive(&payload('E', "s-1", EVENING)).await;
    clock.set("2026-05-03T07:00:00Z");
    running.receive(&payload('C', "s-1", EVENING)).await;
    let stored = log.load(&[key("s-1")]).await.unwrap().remove(0);
    let mut arrivals: Vec<_> = stored.events.iter().map(|event| event.received_at.unwrap().to_string()).collect();
    arrivals.sort();
    assert_eq!(arrivals, ["2026-05-03T08:42:14.000001Z", "2026-05-03T08:42:14Z"]);
    running.stop().await;
}

#[tokio::test]
async fn what_comes_after_a_deadline_is_an_entry_after_it_though_the_clock_goes_back() {
    let log: Arc<MemoryLog> = Arc::default();
    let clock = Hand::at(EVENING);
    let running = Running::start(log.clone(), clock.clone());
    running.receive(&payload('E', "s-1", EVENING)).await;
    let mut notices = running.engine.notices("crm").await.unwrap();
    // Its stall time is an hour.
    clock.set("2026-05-03T09:42:14Z");
    assert_eq!(notices.next().await.unwrap().unwrap().notice.kind, NoticeKind::Stalled);
    clock.set("2026-05-03T09:00:00Z");
    running.receive(&payload('E', "s-2", EVENING)).await;
    let stored = log.load(&[key("s-2")]).await.unwrap().remove(0);
    assert_eq!(stored.events[0].received_at.unwrap().to_string(), "2026-05-03T09:42:14.000001Z");
    drop(notices);
    running.stop().await;
}

/// What happens to an engine.
#[derive(Clone)]
enum Step {
    /// So many minutes later this comes.
    Comes(u64, String),
    Restart,
}

/// As a person reads what is left when it fails.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Comes(minutes, body) => write!(f, "{minutes} minutes later {body}"),
            Step::Restart => f.write_str("a restart"),
        }
    }
}

/// What comes of a few sessions of a world, in any order and some more than once, with restarts between. What
/// is shrunk is which of it comes, and when; the sessions stay.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let drawn = prop_oneof![6 => (any::<Index>(), 0..90_u64).prop_map(Some), 1 => Just(None)];
    (any::<u64>().no_shrink(), vec(drawn, 1..30)).prop_map(|(seed, drawn)| {
        let came = arrivals(PATHORS, seed, 1 + seed % 3, Duration::from_secs(60), &clashing());
        let step = |drawn: Option<(Index, u64)>| {
            drawn.map_or(Step::Restart, |(which, minutes)| Step::Comes(minutes, sessions::payload(which.get(&came))))
        };
        drawn.into_iter().map(step).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_final_record_is_that_of_the_set_whatever_came_between(steps in steps(), embedded: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let open = || -> Arc<dyn Log> {
                let small = finis_store::journal::Settings { segment_bytes: 1 << 20, reserve_bytes: 0, ..Default::default() };
                let settings = finis_store::Settings { journal: small, ..Default::default() };
                Arc::new(finis_store::EmbeddedLog::open(folder.path(), &settings).unwrap().0)
            };
            let mut log: Arc<dyn Log> = if embedded { open() } else { Arc::<MemoryLog>::default() };
            let clock = Hand::at(EVENING);
            let mut running = Running::start(log.clone(), clock.clone());
            for step in &steps {
                let Step::Comes(minutes, body) = step else {
                    running.stop().await;
                    if embedded {
                        // Dropped, as a crash does it, and opened again.
                        drop(std::mem::replace(&mut log, Arc::new(MemoryLog::new())));
                        log = open();
                    }
                    running = Running::start(log.clone(), clock.clone());
                    continue;
                };
                let now = clock.now().plus(Duration::from_secs(minutes * 60));
                clock.0.send_replace(now);
                running.receive(body).await;
            }
            running.stop().await;

            let mut seen = std::collections::BTreeSet::new();
            let all = log.notices(0, usize::MAX).await.unwrap();
            for (place, (seq, notice)) in all.iter().enumerate() {
                assert_eq!(*seq, place as u64 + 1);
                assert!(seen.insert((notice.key.clone(), notice.id)), "said twice: {notice:?}");
                let series = if notice.kind == NoticeKind::Amended { NoticeKind::Complete } else { notice.kind };
                let before = all[..place].iter().filter(|(_, other)| {
                    let of = if other.kind == NoticeKind::Amended { NoticeKind::Complete } else { other.kind };
                    other.key == notice.key && of == series
                });
                assert_eq!(before.count() as u32 + 1, notice.revision, "{notice:?}");
                assert_eq!(notice.kind == NoticeKind::Amended, series == NoticeKind::Complete && notice.revision > 1);
            }
            let source = source(Box::new(Unverified));
            for key in log.sessions(None, usize::MAX).await.unwrap() {
                let stored = log.load(std::slice::from_ref(&key)).await.unwrap().remove(0);
                let mut partial = Partial::default();
                let mut now = Timestamp::MIN;
                for entry in stored.events.iter().rev() {
                    let mut reader = Reader::new();
                    let body = std::str::from_utf8(&entry.delivery.body).unwrap();
                    partial.add(&source.contract, &reader.read(&source.contract, body).unwrap(), entry.received_at);
                    now = now.max(entry.received_at.unwrap());
                }
                now = stored.deadlines.iter().fold(now, |now, due| now.max(*due));
                let (subject, _) = source.contract.subjects().next().unwrap();
                let of = Key { source: key.source(), subject, id: key.id() };
                let record = Record::new(of, &partial, &source.contract, &source.terms, now);
                let mut expected = Vec::new();
                record.write_certified(&mut expected, &finis::engine::Certifier::new(&source.contract, &source.terms));
                let running = Running::start(log.clone(), Hand::at("2026-05-03T08:42:14Z"));
                let told = running.engine.session(&key).await.unwrap().unwrap();
                assert_eq!(told, String::from_utf8(expected).unwrap());
                running.stop().await;
            }
        });
    }
}
