//! Sources that change while deliveries come: nothing is turned away, nothing is lost, and what comes of it is
//! what comes of closing and opening again.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use finis::engine::live::NoticeKind;
use finis::engine::log::{Log, LogError, LogRead, MemoryLog};
use finis::engine::{Denied, Engine, Receipt, ReceiveError, Settings, Source, Terms, Timestamp, Unverified, Verify};
use finis_simulator::faults::{Chance, Faults};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::refold::{CONTRACTS, source, state};
use crate::sessions::{PATHORS, arrivals, clashing};
use crate::world::{EVENING, Frail, Hand, Running, at, key, kinds, payload, said};

#[derive(Clone)]
enum Step {
    /// So many seconds later, this comes.
    Comes(u64, Vec<u8>),
    /// Its source is read under this contract from here on.
    Changes(usize),
    /// There is no source.
    Vanishes,
}

/// As a person reads what is left when it fails.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Comes(later, body) => write!(f, "{later} s later {}", String::from_utf8_lossy(body)),
            Step::Changes(number) => write!(f, "contract {number}"),
            Step::Vanishes => f.write_str("no source"),
        }
    }
}

/// What is drawn of a step: when, and which of what comes of the sessions.
#[derive(Clone, Debug)]
enum Drawn {
    Comes(u64, Index),
    Changes(usize),
    Vanishes,
}

/// What comes of a few sessions of a world, in any order and some more than once, with changes between. Some of
/// it no contract reads. What is shrunk is which of it comes, and when; the sessions stay.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let later = prop_oneof![1..5_u64, 1..150_u64, 1..9000_u64];
    let drawn = prop_oneof![
        4 => (later, any::<Index>()).prop_map(|(later, which)| Drawn::Comes(later, which)),
        1 => (0..CONTRACTS.len()).prop_map(Drawn::Changes),
        1 => Just(Drawn::Vanishes),
    ];
    (any::<u64>().no_shrink(), vec(drawn, 1..24)).prop_map(|(seed, drawn)| {
        let faults = Faults { corrupt: Chance::percent(10), ..clashing() };
        let came = arrivals(PATHORS, seed, 1 + seed % 4, Duration::from_secs(60), &faults);
        let step = |drawn| match drawn {
            Drawn::Comes(later, which) => Step::Comes(later, which.get(&came).body.clone()),
            Drawn::Changes(number) => Step::Changes(number),
            Drawn::Vanishes => Step::Vanishes,
        };
        drawn.into_iter().map(step).collect()
    })
}

fn start(log: &Arc<MemoryLog>, clock: &Arc<Hand>, source: Option<Source>) -> Running {
    let (engine, writer) = Engine::new(log.clone(), clock.clone(), source, Settings::default());
    Running { engine, writer: tokio::spawn(writer.run()) }
}

/// Waits until the writer has seen what time it is.
async fn seen(running: &Running) {
    assert_eq!(running.engine.forget(&key("nobody")).await, Ok(false));
}

/// Plays it, and says what became of every delivery. With `anew`, a change is a restart.
async fn play(log: &Arc<MemoryLog>, steps: &[Step], anew: bool) -> Vec<Result<Receipt, ReceiveError>> {
    let clock = Hand::at(EVENING);
    let mut running = start(log, &clock, Some(source(0)));
    let mut outcomes = Vec::new();
    for step in steps {
        let changed = match step {
            Step::Comes(later, body) => {
                let now = clock.0.borrow().plus(Duration::from_secs(*later));
                clock.0.send_replace(now);
                outcomes.push(running.engine.receive("pathors", &[], body).await);
                seen(&running).await;
                continue;
            }
            Step::Changes(number) => Some(source(*number)),
            Step::Vanishes => None,
        };
        if anew {
            running.stop().await;
            running = start(log, &clock, changed);
        } else {
            running.engine.set_sources(changed).await.unwrap();
        }
        seen(&running).await;
    }
    running.stop().await;
    outcomes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_change_comes_to_what_closing_and_opening_comes_to(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (changed, opened) = (Arc::<MemoryLog>::default(), Arc::<MemoryLog>::default());
            let outcomes = play(&changed, &steps, false).await;
            assert_eq!(outcomes, play(&opened, &steps, true).await);
            assert_eq!(state(&*changed).await, state(&*opened).await);
            assert_eq!(changed.sources().await.unwrap(), opened.sources().await.unwrap());
            assert_eq!(
                changed.refused(None, usize::MAX).await.unwrap().deliveries.len(),
                opened.refused(None, usize::MAX).await.unwrap().deliveries.len()
            );
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn traffic_goes_on_through_changes_and_nothing_is_lost() {
    const SENDERS: usize = 6;
    const SESSIONS: usize = 60;
    let log = Arc::<MemoryLog>::default();
    // A short queue, so that many wait for room while sources change.
    let settings = Settings { queue_max: 4, ..Settings::default() };
    let (engine, writer) = Engine::new(log.clone(), Hand::at(EVENING), [source(0)], settings);
    let running = Running { engine, writer: tokio::spawn(writer.run()) };
    let mut senders = Vec::new();
    for sender in 0..SENDERS {
        let engine = running.engine.clone();
        senders.push(tokio::spawn(async move {
            for session in 0..SESSIONS {
                for kind in "ECF".chars() {
                    let id = format!("s-{sender}-{session}");
                    let receipt = engine.receive("pathors", &[], payload(kind, &id, EVENING).as_bytes()).await;
                    assert_eq!(receipt, Ok(Receipt::Stored { key: key(&id) }));
                }
            }
        }));
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let changing = {
        let (engine, is_over) = (running.engine.clone(), Arc::clone(&is_over));
        tokio::spawn(async move {
            let mut changes = 0_u64;
            while !is_over.load(Ordering::SeqCst) {
                // Grace is another each time; the last is the shipped one.
                engine.set_sources([source(2)]).await.unwrap();
                engine.set_sources([source(0)]).await.unwrap();
                changes += 2;
            }
            changes
        })
    };
    for sender in senders {
        sender.await.unwrap();
    }
    is_over.store(true, Ordering::SeqCst);
    assert!(changing.await.unwrap() > 2, "nothing changed while deliveries came");
    assert_eq!(running.engine.stats().deliveries.stored, (SENDERS * SESSIONS * 3) as u64);
    running.stop().await;

    // What was said is what is said without any change.
    let quiet = Arc::<MemoryLog>::default();
    let undisturbed = Running::start(quiet.clone(), Hand::at(EVENING));
    let mut expected = BTreeSet::new();
    for sender in 0..SENDERS {
        for session in 0..SESSIONS {
            for kind in "ECF".chars() {
                undisturbed.receive(&payload(kind, &format!("s-{sender}-{session}"), EVENING)).await;
            }
        }
    }
    undisturbed.stop().await;
    expected.extend(said(&*quiet).await.into_iter().map(|notice| (notice.id.to_string(), notice.record)));
    let told = said(&*log).await;
    assert_eq!(told.len(), SENDERS * SESSIONS);
    let told: BTreeSet<_> = told.into_iter().map(|notice| (notice.id.to_string(), notice.record)).collect();
    assert!(told == expected, "a change of sources shows in what was said");
}

/// Lets a delivery stand still while it is verified.
struct Slow {
    began: Mutex<mpsc::Sender<()>>,
    go_on: Mutex<mpsc::Receiver<()>>,
}

impl Verify for Slow {
    fn verify(&self, _: &[(&str, &str)], _: &[u8], _: Timestamp) -> Result<(), Denied> {
        self.began.lock().unwrap().send(()).unwrap();
        self.go_on.lock().unwrap().recv().unwrap();
        Ok(())
    }
}

/// Takes nothing.
struct Closed;

impl Verify for Closed {
    fn verify(&self, _: &[(&str, &str)], _: &[u8], _: Timestamp) -> Result<(), Denied> {
        Err(Denied { reason: "another secret".into() })
    }
}

/// What becomes of a delivery that was being verified when its source became another.
async fn overtaken(changed: Option<Source>) -> (Result<Receipt, ReceiveError>, Arc<MemoryLog>) {
    let log = Arc::<MemoryLog>::default();
    let (began, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let slow = Slow { began: Mutex::new(began), go_on: Mutex::new(may_go_on) };
    let slow = Source { verify: Box::new(slow), ..source(0) };
    let (engine, writer) = Engine::new(log.clone(), Hand::at(EVENING), [slow], Settings::default());
    let running = Running { engine: engine.clone(), writer: tokio::spawn(writer.run()) };
    let body = payload('E', "s-1", EVENING).replace(r#"{"event""#, r#"{"other":"s-9","event""#);
    let under_way = tokio::spawn(async move { engine.receive("pathors", &[], body.as_bytes()).await });
    has_begun.recv().unwrap();
    // It holds no change up.
    running.engine.set_sources(changed).await.unwrap();
    go_on.send(()).unwrap();
    let receipt = under_way.await.unwrap();
    running.stop().await;
    (receipt, log)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_delivery_that_a_change_overtakes_is_read_under_the_new_contract() {
    let text = include_str!("../../adapters/providers/contracts/pathors.toml");
    let text = text.replace("id = \"/sessionId\"", "id = \"/other\"");
    let contract = Arc::new(finis::providers::load("pathors.toml", &text).unwrap());
    let other = |verify: Box<dyn Verify>| Source {
        name: "pathors".into(),
        terms: Terms::new(&contract),
        contract: Arc::clone(&contract),
        verify,
    };
    // It was verified when it came, and is not held against the new secret.
    for verify in [Box::new(Unverified) as Box<dyn Verify>, Box::new(Closed)] {
        let (receipt, log) = overtaken(Some(other(verify))).await;
        assert_eq!(receipt, Ok(Receipt::Stored { key: key("s-9") }));
        assert_eq!(log.sessions(None, 9).await.unwrap(), [key("s-9")]);
    }
    // Read under the new contract, it may be unreadable, and is kept all the same.
    let text = text.replace("id = \"/other\"", "id = \"/another\"");
    let contract = Arc::new(finis::providers::load("pathors.toml", &text).unwrap());
    let unreadable =
        Source { name: "pathors".into(), terms: Terms::new(&contract), contract, verify: Box::new(Unverified) };
    let (receipt, log) = overtaken(Some(unreadable)).await;
    assert!(matches!(receipt, Ok(Receipt::Quarantined { .. })), "{receipt:?}");
    assert_eq!(log.refused(None, 9).await.unwrap().deliveries.len(), 1);

    let (receipt, log) = overtaken(None).await;
    assert_eq!(receipt, Err(ReceiveError::UnknownSource { name: "pathors".into() }));
    assert_eq!(log.sessions(None, 9).await.unwrap(), []);
}

#[tokio::test]
async fn the_deadlines_of_a_source_that_is_gone_wait_until_it_is_back() {
    let log = Arc::<MemoryLog>::default();
    let clock = Hand::at(EVENING);
    let running = Running::start(log.clone(), clock.clone());
    running.receive(&payload('F', "s-1", EVENING)).await;
    running.engine.set_sources([]).await.unwrap();
    assert_eq!(running.engine.source_names(), [""; 0]);
    clock.set("2026-05-03T10:00:00Z");
    let refused = running.engine.receive("pathors", &[], payload('E', "s-1", EVENING).as_bytes()).await;
    assert_eq!(refused, Err(ReceiveError::UnknownSource { name: "pathors".into() }));
    assert_eq!(running.engine.session(&key("s-1")).await.unwrap(), None, "there is no contract to read it by");
    assert_eq!(kinds(&said(&*log).await), []);
    assert_eq!(log.sessions(None, 9).await.unwrap(), [key("s-1")]);

    let mut crm = running.engine.notices("crm").await.unwrap();
    running.engine.set_sources([source(0)]).await.unwrap();
    assert_eq!(running.engine.source_names(), ["pathors"]);
    let notice = crm.next().await.unwrap().unwrap().notice;
    assert_eq!((notice.kind, notice.key), (NoticeKind::Complete, key("s-1")));
    drop(crm);
    running.stop().await;
}

#[tokio::test]
async fn a_full_log_takes_the_change_and_a_stopped_one_says_so() {
    let log = Arc::new(Frail::default());
    let clock = Hand::at(EVENING);
    let running = Running::start(log.clone() as Arc<dyn Log>, clock.clone());
    running.receive(&payload('F', "s-1", EVENING)).await;
    log.full.store(true, Ordering::SeqCst);
    running.engine.set_sources([source(2)]).await.unwrap();
    log.full.store(false, Ordering::SeqCst);
    // Grace is two hours under this one: when the old one is over, it is judged, and waits on.
    clock.set("2026-05-03T08:50:00Z");
    running.receive(&payload('R', "s-1", EVENING)).await;
    assert_eq!(kinds(&said(&*log).await), [(NoticeKind::Asset, 1)]);
    assert_eq!(log.next_due().await.unwrap(), Some(at(EVENING).plus(Duration::from_secs(2 * 60 * 60))));

    running.engine.close().await;
    running.writer.await.unwrap().unwrap();
    let outcome = running.engine.set_sources([source(0)]).await;
    assert!(matches!(outcome, Err(LogError::Stopped { .. })), "{outcome:?}");
}
