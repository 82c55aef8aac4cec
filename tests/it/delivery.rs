//! Notices handed over to a handler: in order within a session, again when it fails, parked when it fails
//! too often, and after a restart whatever the log does not know of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use finis::engine::log::{Cause, Log, LogError, Mark, MemoryLog};
use finis::engine::{DeliverError, Handover, Placed, Policy, Schedule};
use finis::live::{Finis, SourceSetup};
use finis_store::EmbeddedLog;
use tokio::sync::watch;

use crate::world::{EVENING, Frail, Hand, Running, payload};

/// A system that is told: it notes what it is told, and fails where it is set to.
#[derive(Clone, Default)]
struct Crm(Arc<Inside>);

#[derive(Default)]
struct Inside {
    state: Mutex<State>,
    told: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    /// Session and revision of whatever it was handed, in order, and whether it took it.
    told: Vec<(String, u32, bool)>,
    ids: BTreeMap<String, BTreeSet<String>>,
    /// Sessions that it fails for, and how.
    fails: BTreeMap<String, Failure>,
    under_way: BTreeSet<String>,
    at_once: usize,
}

#[derive(Clone)]
enum Failure {
    Says(&'static str),
    Panics,
    /// Until somebody lets it go on.
    Hangs(watch::Receiver<bool>),
}

impl Crm {
    fn fail(&self, session: &str, failure: Failure) {
        self.0.state.lock().unwrap().fails.insert(session.to_owned(), failure);
    }

    fn heal(&self, session: &str) {
        self.0.state.lock().unwrap().fails.remove(session);
    }

    async fn take(self, placed: Placed) -> Result<(), String> {
        let (session, revision) = (placed.notice.key.id().to_owned(), placed.notice.revision);
        let failure = {
            let mut state = self.0.state.lock().unwrap();
            let name = format!("{session} {revision}");
            state.ids.entry(name).or_default().insert(placed.notice.id.to_string());
            assert!(state.under_way.insert(session.clone()), "two of {session} at once");
            state.at_once = state.at_once.max(state.under_way.len());
            state.fails.get(&session).cloned()
        };
        let outcome = match &failure {
            None => Ok(()),
            Some(Failure::Says(reason)) => Err((*reason).to_owned()),
            Some(Failure::Panics) => Err(String::new()),
            Some(Failure::Hangs(go)) => {
                self.0.told.send_modify(|_| {});
                go.clone().wait_for(|go| *go).await.map(drop).map_err(|error| error.to_string())
            }
        };
        {
            let mut state = self.0.state.lock().unwrap();
            state.under_way.remove(&session);
            state.told.push((session, revision, outcome.is_ok()));
        }
        self.0.told.send_modify(|told| *told += 1);
        assert!(!matches!(failure, Some(Failure::Panics)), "no way");
        outcome
    }

    /// What it was told, with a mark at what it did not take.
    fn told(&self) -> Vec<String> {
        let state = self.0.state.lock().unwrap();
        assert!(state.ids.values().all(|ids| ids.len() == 1), "one notice, two ids: {:?}", state.ids);
        let told = state.told.iter();
        told.map(|(session, revision, ok)| format!("{session}{revision}{}", if *ok { "" } else { "!" })).collect()
    }

    async fn told_times(&self, times: usize) {
        self.0.told.subscribe().wait_for(|told| *told >= times).await.unwrap();
    }

    async fn until(&self, is_so: impl Fn(&State) -> bool) {
        let mut told = self.0.told.subscribe();
        told.wait_for(|_| is_so(&self.0.state.lock().unwrap())).await.unwrap();
    }
}

fn policy() -> Policy {
    let (first, longest) = (Duration::from_secs(10), Duration::from_secs(15));
    Policy { tries_max: 3, schedule: Schedule::Doubling { first, longest }, ..Policy::default() }
}

async fn deliver(running: &Running, consumer: &str, policy: Policy, crm: &Crm) -> Handover {
    let crm = crm.clone();
    let handler = move |placed: Placed| crm.clone().take(placed);
    let (handover, worker) = running.engine.deliver(consumer, policy, handler).await.unwrap();
    tokio::spawn(worker.run());
    handover
}

/// Ends a session of this id, and then changes it so many times: a notice each.
async fn end(running: &Running, id: &str, changes: usize) {
    running.receive(&payload('E', id, EVENING)).await;
    running.receive(&payload('T', id, EVENING)).await;
    for change in 0..changes {
        let changed = payload('T', id, &format!("2026-05-03T08:43:{change:02}Z"));
        running.receive(&changed.replace(":8}", &format!(":{}}}", 100 + change))).await;
    }
}

/// Until a consumer stands so in the log: how far, how far behind, what is parked and why.
async fn stands(running: &Running, consumer: &str, expected: &str) {
    let mut last = String::new();
    for _ in 0..20_000 {
        let known = running.engine.consumers().await.unwrap().into_iter().find(|known| known.consumer == consumer);
        let known = known.map_or(String::new(), |known| format!("{} -{}", known.acknowledged, known.behind));
        let parked = running.engine.parked(consumer).await.unwrap();
        last = parked.iter().fold(known, |text, parked| match &parked.cause {
            Cause::Failed { reason } => format!("{text}, {} {reason}", parked.placed.seq),
            Cause::Held { behind } => format!("{text}, {} behind {behind}", parked.placed.seq),
            Cause::Later { reason, tries, .. } => format!("{text}, {} {reason} {tries}", parked.placed.seq),
            Cause::Closed { reason } => format!("{text}, {} closed {reason}", parked.placed.seq),
        });
        if last == expected {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{consumer} stands so: {last}; expected {expected}");
}

/// Sets the clock to this many seconds after the evening began.
fn after(clock: &Hand, seconds: u64) {
    clock.0.send_replace(crate::world::at(EVENING).plus(Duration::from_secs(seconds)));
}

fn stores() -> [(Arc<dyn Log>, Option<tempfile::TempDir>); 2] {
    let folder = tempfile::tempdir().unwrap();
    let (log, _report) = EmbeddedLog::open(folder.path(), &finis_store::Settings::default()).unwrap();
    [(Arc::new(MemoryLog::new()), None), (Arc::new(log), Some(folder))]
}

#[tokio::test]
async fn what_fails_is_tried_again_later_each_time_and_the_others_go_on() {
    for (log, _folder) in stores() {
        let clock = Hand::at(EVENING);
        let (running, crm) = (Running::start(log, clock.clone()), Crm::default());
        crm.fail("a", Failure::Says("busy"));
        end(&running, "a", 1).await;
        end(&running, "b", 1).await;
        let handover = deliver(&running, "crm", policy(), &crm).await;
        stands(&running, "crm", "0 -2").await;
        assert_eq!(crm.told(), ["a1!", "b1", "b2"]);
        // Not before its time, and twice as late the next time, but never later than at most.
        after(&clock, 9);
        end(&running, "c", 0).await;
        stands(&running, "crm", "0 -2").await;
        after(&clock, 10);
        crm.told_times(5).await;
        after(&clock, 24);
        end(&running, "d", 0).await;
        stands(&running, "crm", "0 -2").await;
        crm.heal("a");
        after(&clock, 25);
        stands(&running, "crm", "6 -0").await;
        assert_eq!(crm.told(), ["a1!", "b1", "b2", "c1", "a1!", "d1", "a1", "a2"]);
        handover.stop().await.unwrap();
        running.stop().await;
    }
}

/// Tries what fails until it is parked.
async fn park(running: &Running, clock: &Hand, crm: &Crm, expected: &str) {
    let before = crm.told().len();
    after(clock, 10);
    crm.told_times(before + 1).await;
    after(clock, 25);
    stands(running, "crm", expected).await;
}

#[tokio::test]
async fn a_poisonous_notice_is_parked_its_session_is_held_and_a_retry_is_in_order() {
    for (log, _folder) in stores() {
        let clock = Hand::at(EVENING);
        let (running, crm) = (Running::start(log, clock.clone()), Crm::default());
        crm.fail("a", Failure::Says("no such contact"));
        end(&running, "a", 2).await;
        end(&running, "b", 0).await;
        let handover = deliver(&running, "crm", policy(), &crm).await;
        stands(&running, "crm", "0 -3").await;
        park(&running, &clock, &crm, "4 -0, 1 no such contact, 2 behind 1, 3 behind 1").await;
        // What comes later is held, too, and others go on.
        end(&running, "c", 0).await;
        running.receive(&payload('G', "a", "2026-05-03T08:50:00Z")).await;
        stands(&running, "crm", "6 -0, 1 no such contact, 2 behind 1, 3 behind 1, 6 behind 1").await;
        // After a restart, too.
        handover.stop().await.unwrap();
        let handover = deliver(&running, "crm", policy(), &crm).await;
        assert_eq!(crm.told(), ["a1!", "b1", "a1!", "a1!", "c1"]);
        // One that is retried in vain is parked again.
        assert_eq!(running.engine.retry_one_parked("crm", 2).await.unwrap(), 4);
        crm.told_times(6).await;
        after(&clock, 35);
        crm.told_times(7).await;
        crm.fail("a", Failure::Says("still none"));
        after(&clock, 50);
        stands(&running, "crm", "6 -0, 1 still none, 2 behind 1, 3 behind 1, 6 behind 1").await;
        crm.heal("a");
        assert_eq!(running.engine.retry_parked("crm").await.unwrap(), 4);
        stands(&running, "crm", "6 -0").await;
        assert_eq!(crm.told()[8..], ["a1", "a2", "a3", "a4"]);
        handover.stop().await.unwrap();
        running.stop().await;
    }
}

#[tokio::test]
async fn what_is_skipped_lets_those_behind_it_go_on() {
    for (log, _folder) in stores() {
        let clock = Hand::at(EVENING);
        let (running, crm) = (Running::start(log, clock.clone()), Crm::default());
        crm.fail("a", Failure::Panics);
        end(&running, "a", 2).await;
        let handover = deliver(&running, "crm", policy(), &crm).await;
        crm.told_times(1).await;
        let parked = "3 -0, 1 the handler panicked: no way, 2 behind 1, 3 behind 1";
        park(&running, &clock, &crm, parked).await;
        assert!(!running.engine.skip_parked("crm", 9).await.unwrap());
        assert!(running.engine.skip_parked("crm", 2).await.unwrap());
        stands(&running, "crm", "3 -0, 1 the handler panicked: no way, 3 behind 1").await;
        crm.heal("a");
        assert!(running.engine.skip_parked("crm", 1).await.unwrap());
        stands(&running, "crm", "3 -0").await;
        assert_eq!(crm.told(), ["a1!", "a1!", "a1!", "a3"]);
        handover.stop().await.unwrap();
        running.stop().await;
    }
}

#[tokio::test]
async fn consumers_do_not_know_of_each_other_and_each_is_served_by_one() {
    let clock = Hand::at(EVENING);
    let (running, crm, other) = (Running::start(Arc::new(MemoryLog::new()), clock), Crm::default(), Crm::default());
    crm.fail("a", Failure::Says("no"));
    end(&running, "a", 0).await;
    let first = deliver(&running, "crm", policy(), &crm).await;
    let second = deliver(&running, "other", policy(), &other).await;
    stands(&running, "other", "1 -0").await;
    stands(&running, "crm", "0 -1").await;
    let again = running.engine.deliver("crm", policy(), |_| async { Ok::<(), String>(()) }).await;
    let error = again.err().unwrap();
    assert_eq!(error, DeliverError::Served { consumer: "crm".to_owned() });
    assert!(error.to_string().contains("`crm` already"), "{error}");
    // Removed, it ends by itself, and its name is free.
    running.engine.remove_consumer("crm").await.unwrap();
    first.ended().await.unwrap();
    stands(&running, "crm", "").await;
    crm.heal("a");
    let anew = deliver(&running, "crm", policy(), &crm).await;
    stands(&running, "crm", "1 -0").await;
    for handover in [anew, second] {
        handover.stop().await.unwrap();
    }
    running.stop().await;
}

#[tokio::test]
async fn what_the_log_does_not_know_of_comes_again_after_a_restart_and_nothing_else() {
    for (log, _folder) in stores() {
        let clock = Hand::at(EVENING);
        let (running, crm) = (Running::start(log.clone(), clock.clone()), Crm::default());
        let (go, wait) = watch::channel(false);
        crm.fail("a", Failure::Hangs(wait));
        for id in ["a", "b", "c"] {
            end(&running, id, 0).await;
        }
        let handler = crm.clone();
        let handler = move |placed: Placed| handler.clone().take(placed);
        let (handover, worker) = running.engine.deliver("crm", policy(), handler).await.unwrap();
        let worker = tokio::spawn(worker.run());
        stands(&running, "crm", "0 -1").await;
        // As a crash: what is under way is gone.
        worker.abort();
        assert!(worker.await.unwrap_err().is_cancelled());
        handover.stop().await.unwrap();
        running.stop().await;
        crm.0.state.lock().unwrap().under_way.clear();

        let running = Running::start(log, clock);
        let handover = deliver(&running, "crm", policy(), &crm).await;
        crm.until(|state| state.under_way.contains("a")).await;
        // Stopped, it waits for what is under way, and begins nothing.
        let mut stopping = Box::pin(handover.stop());
        tokio::select! {
            biased;
            stopped = &mut stopping => panic!("it did not wait: {stopped:?}"),
            () = tokio::task::yield_now() => {}
        }
        end(&running, "d", 0).await;
        go.send_replace(true);
        stopping.await.unwrap();
        assert_eq!(crm.told(), ["b1", "c1", "a1"]);
        stands(&running, "crm", "3 -1").await;
        running.stop().await;
    }
}

#[tokio::test]
async fn what_is_held_behind_nothing_goes_on() {
    for (log, _folder) in stores() {
        let (running, crm) = (Running::start(log.clone(), Hand::at(EVENING)), Crm::default());
        end(&running, "a", 2).await;
        // It was skipped while the next was on its way to be held behind it.
        let held = Mark::Park(2, Cause::Held { behind: 1 });
        log.mark("crm", &[Mark::Begin(0), Mark::Done(1), held]).await.unwrap();
        let handover = deliver(&running, "crm", policy(), &crm).await;
        stands(&running, "crm", "3 -0").await;
        assert_eq!(crm.told(), ["a2", "a3"]);
        handover.stop().await.unwrap();
        running.stop().await;
    }
}

#[tokio::test]
async fn so_many_are_handed_over_at_once_and_no_more() {
    let (running, crm) = (Running::start(Arc::new(MemoryLog::new()), Hand::at(EVENING)), Crm::default());
    let (go, wait) = watch::channel(false);
    let ids: Vec<String> = (0..9).map(|number| format!("s{number}-")).collect();
    for id in &ids {
        crm.fail(id, Failure::Hangs(wait.clone()));
        end(&running, id, 1).await;
    }
    let handover = deliver(&running, "crm", Policy { at_once_max: 4, ..policy() }, &crm).await;
    crm.until(|state| state.under_way.len() == 4).await;
    go.send_replace(true);
    stands(&running, "crm", "18 -0").await;
    assert_eq!(crm.0.state.lock().unwrap().at_once, 4);
    let (told, mut in_order) = (crm.told(), Vec::new());
    for id in &ids {
        in_order.extend(told.iter().filter(|told| told.starts_with(id.as_str())).cloned());
    }
    let expected: Vec<String> = ids.iter().flat_map(|id| [format!("{id}1"), format!("{id}2")]).collect();
    assert_eq!(in_order, expected);
    handover.stop().await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn one_that_is_rewound_is_told_again() {
    for (log, _folder) in stores() {
        let (running, crm) = (Running::start(log, Hand::at(EVENING)), Crm::default());
        end(&running, "a", 2).await;
        let handover = deliver(&running, "crm", policy(), &crm).await;
        stands(&running, "crm", "3 -0").await;
        running.engine.rewind("crm", 1).await.unwrap();
        crm.told_times(5).await;
        stands(&running, "crm", "3 -0").await;
        assert_eq!(crm.told(), ["a1", "a2", "a3", "a2", "a3"]);
        handover.stop().await.unwrap();
        running.stop().await;
    }
}

#[tokio::test]
async fn with_no_room_among_the_parked_it_is_tried_on_and_on() {
    let clock = Hand::at(EVENING);
    let (running, crm) = (Running::start(Arc::new(MemoryLog::new()), clock.clone()), Crm::default());
    crm.fail("a", Failure::Says("no"));
    crm.fail("b", Failure::Says("neither"));
    end(&running, "a", 0).await;
    end(&running, "b", 0).await;
    let policy = Policy { tries_max: 1, parked_max: 1, window_max: 2, ..policy() };
    let handover = deliver(&running, "crm", policy, &crm).await;
    stands(&running, "crm", "1 -1, 1 no").await;
    after(&clock, 10);
    crm.told_times(3).await;
    after(&clock, 25);
    crm.told_times(4).await;
    assert_eq!(crm.told(), ["a1!", "b1!", "b1!", "b1!"]);
    running.engine.skip_parked("crm", 1).await.unwrap();
    after(&clock, 40);
    stands(&running, "crm", "2 -0, 2 neither").await;
    handover.stop().await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_full_log_is_told_again_what_was_dealt_with_and_a_stop_does_not_wait_for_room() {
    let (log, clock): (Arc<Frail>, _) = (Arc::default(), Hand::at(EVENING));
    let (running, crm) = (Running::start(log.clone(), clock.clone()), Crm::default());
    end(&running, "a", 1).await;
    let handover = deliver(&running, "crm", policy(), &crm).await;
    stands(&running, "crm", "2 -0").await;
    let (go, wait) = watch::channel(false);
    crm.fail("d", Failure::Hangs(wait));
    end(&running, "d", 0).await;
    crm.until(|state| state.under_way.contains("d")).await;
    log.full.store(true, Ordering::SeqCst);
    go.send_replace(true);
    crm.told_times(3).await;
    stands(&running, "crm", "2 -1").await;
    log.full.store(false, Ordering::SeqCst);
    after(&clock, 1);
    stands(&running, "crm", "3 -0").await;
    assert_eq!(crm.told(), ["a1", "a2", "d1"]);

    let (go, wait) = watch::channel(false);
    crm.fail("e", Failure::Hangs(wait));
    end(&running, "e", 0).await;
    crm.until(|state| state.under_way.contains("e")).await;
    log.full.store(true, Ordering::SeqCst);
    go.send_replace(true);
    let stopped = handover.stop().await;
    assert_eq!(stopped, Err(LogError::Full { reason: "no space".into() }));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_closed_knows_of_whatever_was_dealt_with() {
    let folder = tempfile::tempdir().unwrap();
    let open = async || Finis::open(folder.path(), [SourceSetup::new("pathors", "pathors").unsigned()]).await.unwrap();
    let crm = Crm::default();
    let handler = |crm: &Crm| {
        let crm = crm.clone();
        move |placed: Placed| crm.clone().take(placed)
    };
    let finis = open().await;
    let handover = finis.deliver("crm", Policy::default(), handler(&crm)).await.unwrap();
    let (go, wait) = watch::channel(false);
    crm.fail("last", Failure::Hangs(wait));
    for number in 0..64 {
        let id = if number == 63 { "last".to_owned() } else { format!("s-{number} ") };
        for kind in ['E', 'T'] {
            finis.receive("pathors", &[], payload(kind, &id, EVENING).as_bytes()).await.unwrap();
        }
    }
    crm.until(|state| state.under_way.contains("last")).await;
    let closing = tokio::spawn({
        let finis = finis.clone();
        async move { finis.close().await }
    });
    go.send_replace(true);
    closing.await.unwrap().unwrap();
    handover.ended().await.unwrap();
    let told = crm.told().len();
    let closed: Result<_, LogError> = finis.consumers().await;
    assert!(closed.is_err());
    drop(finis);

    let finis = open().await;
    let consumers = finis.consumers().await.unwrap();
    assert_eq!((consumers[0].acknowledged + consumers[0].behind, consumers[0].parked), (64, 0));
    let handover = finis.deliver("crm", Policy::default(), handler(&crm)).await.unwrap();
    crm.told_times(64).await;
    handover.stop().await.unwrap();
    assert_eq!((told as u64, crm.told().len()), (64 - consumers[0].behind, 64), "what was dealt with came again");
    finis.close().await.unwrap();
}
