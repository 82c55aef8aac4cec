//! What is over leaves, what is to be forgotten is gone, and neither comes back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use finis::engine::live::{NoticeKind, SessionKey};
use finis::engine::log::{Log, LogRead, MemoryLog};
use finis::engine::{Receipt, Retention, Timestamp};
use finis::live::{Finis, SourceSetup};
use finis_simulator::clock::micros;
use finis_simulator::faults::{Chance, Faults, Odd};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::sessions::{self, PATHORS, arrivals, clashing};
use crate::world::{Hand, Running, at, payload};

fn key(id: &str) -> SessionKey {
    SessionKey::new("pathors", "session", id)
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A session of `E`, `C` and `F`, whole.
async fn call(running: &Running, id: &str) {
    for kind in ['E', 'C', 'F'] {
        let body = payload(kind, id, "2026-05-03T08:42:11Z");
        running.engine.receive("pathors", &[], body.as_bytes()).await.unwrap();
    }
}

#[test]
fn what_is_over_leaves_and_a_replay_is_answered() {
    runtime().block_on(async {
        let clock = Hand::at("2026-05-03T09:00:00Z");
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let running = Running::start(Arc::clone(&log), Arc::clone(&clock));
        let mut crm = running.engine.notices("crm").await.unwrap();
        call(&running, "old").await;
        clock.set("2026-05-20T09:00:00Z");
        call(&running, "young").await;
        let open = payload('E', "open", "2026-05-20T08:42:11Z");
        running.engine.receive("pathors", &[], open.as_bytes()).await.unwrap();

        // Somebody was not told: it stays.
        let retention = Retention::new(14 * DAY);
        let done = running.engine.retain(&retention).await.unwrap();
        assert_eq!(done.expired, 0);
        let first = crm.next().await.unwrap().unwrap();
        crm.ack(first.seq).await.unwrap();
        let done = running.engine.retain(&retention).await.unwrap();
        assert_eq!((done.expired, done.untold), (1, 0));
        assert_eq!(running.engine.session(&key("old")).await.unwrap(), None);
        assert!(running.engine.session(&key("young")).await.unwrap().is_some());

        // A replay, and something new of it: neither is kept, and nothing is said again.
        let said = log.last_seq().await.unwrap();
        for body in [payload('F', "old", "2026-05-03T08:42:11Z"), payload('G', "old", "2026-05-03T08:43:00Z")] {
            let receipt = running.engine.receive("pathors", &[], body.as_bytes()).await.unwrap();
            assert_eq!(receipt, Receipt::Expired { key: key("old") });
        }
        assert_eq!(log.last_seq().await.unwrap(), said);
        assert_eq!(running.engine.stats().deliveries.expired, 2);
        running.stop().await;
    });
}

#[test]
fn a_consumer_that_lags_holds_it_back_no_longer_than_it_may() {
    runtime().block_on(async {
        let clock = Hand::at("2026-05-03T09:00:00Z");
        let running = Running::start(Arc::new(MemoryLog::new()), Arc::clone(&clock));
        let mut dead = running.engine.notices("dead").await.unwrap();
        call(&running, "old").await;
        let retention = Retention { hold: 10 * DAY, ..Retention::new(14 * DAY) };
        clock.set("2026-05-25T09:00:00Z");
        assert_eq!(running.engine.retain(&retention).await.unwrap().expired, 0);
        clock.set("2026-05-28T09:00:01Z");
        let done = running.engine.retain(&retention).await.unwrap();
        assert_eq!((done.expired, done.untold), (1, 1));
        // It is told that there was something: the place and the id are there.
        let placed = dead.next().await.unwrap().unwrap();
        assert_eq!((placed.seq, placed.notice.kind), (1, NoticeKind::Forgotten));
        running.stop().await;
    });
}

#[test]
fn nobody_is_behind_by_what_is_not_there_any_more() {
    runtime().block_on(async {
        let clock = Hand::at("2026-05-03T09:00:00Z");
        let running = Running::start(Arc::new(MemoryLog::new()), Arc::clone(&clock));
        let behind = async || running.engine.consumers().await.unwrap()[0].behind;
        let mut crm = running.engine.notices("crm").await.unwrap();
        for id in ["one", "two", "three"] {
            call(&running, id).await;
        }
        while crm.try_next().await.unwrap().is_some() {}
        crm.ack(3).await.unwrap();
        clock.set("2026-05-20T09:00:00Z");
        assert_eq!(running.engine.retain(&Retention::new(14 * DAY)).await.unwrap().expired, 3);
        running.engine.rewind("crm", 1).await.unwrap();
        assert_eq!(behind().await, 0);
        // Behind a gap, too, and with what came since.
        call(&running, "four").await;
        assert_eq!(behind().await, 1);
        let placed = crm.next().await.unwrap().unwrap();
        assert_eq!(placed.seq, 4);
        crm.ack(4).await.unwrap();
        assert_eq!(behind().await, 0);
        running.stop().await;
    });
}

#[test]
fn what_is_forgotten_is_gone_while_it_is_busy() {
    runtime().block_on(async {
        let clock = Hand::at("2026-05-03T09:00:00Z");
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let running = Running::start(Arc::clone(&log), Arc::clone(&clock));
        let mut crm = running.engine.notices("crm").await.unwrap();
        // One that still waits is in memory; one that is over is not.
        let open = payload('E', "open", "2026-05-03T08:42:11Z");
        running.engine.receive("pathors", &[], open.as_bytes()).await.unwrap();
        call(&running, "over").await;
        for id in ["open", "over"] {
            assert!(running.engine.forget(&key(id)).await.unwrap());
            assert!(!running.engine.forget(&key(id)).await.unwrap());
            assert_eq!(running.engine.session(&key(id)).await.unwrap(), None);
            for kind in ['E', 'R'] {
                let body = payload(kind, id, "2026-05-03T08:42:11Z");
                let receipt = running.engine.receive("pathors", &[], body.as_bytes()).await.unwrap();
                assert_eq!(receipt, Receipt::Forgotten { key: key(id) });
            }
        }
        assert!(!running.engine.forget(&key("nobody")).await.unwrap());
        let placed = crm.next().await.unwrap().unwrap();
        assert_eq!((placed.seq, placed.notice.kind), (1, NoticeKind::Forgotten));
        assert!(!placed.to_json().contains("over"), "{}", placed.to_json());
        // Its deadlines are gone, too.
        clock.set("2026-06-03T09:00:00Z");
        call(&running, "later").await;
        assert_eq!(log.last_seq().await.unwrap(), 2);
        running.stop().await;
    });
}

/// As the README has it, on the system's clock; and dropping every handle ends it.
#[test]
fn a_store_keeps_for_as_long_as_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let source = || SourceSetup::new("pathors", "pathors").unsigned();
    runtime().block_on(async {
        let finis = Finis::open(folder.path(), [source()]).await.unwrap();
        let kinds = ['E', 'C', 'F'].map(|kind| payload(kind, "s", "2026-05-03T08:42:11Z"));
        for body in &kinds {
            finis.receive("pathors", &[], body.as_bytes()).await.unwrap();
        }
        assert!(finis.session("pathors", "s").await.unwrap().is_some());
        finis.keep_for(Retention::new(Duration::ZERO)).await;
        while finis.session("pathors", "s").await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
        let receipt = finis.receive("pathors", &[], kinds[0].as_bytes()).await.unwrap();
        assert_eq!(receipt, Receipt::Expired { key: key("s") });
        drop(finis);
        // Held by nobody any more.
        let finis = Finis::open(folder.path(), [source()]).await.unwrap();
        let receipt = finis.receive("pathors", &[], kinds[2].as_bytes()).await.unwrap();
        assert_eq!(receipt, Receipt::Expired { key: key("s") });
        finis.close().await.unwrap();
    });
}

/// What comes of sessions that begin in the course of three weeks, in the order in which it comes: some of it.
/// What is shrunk is which of it comes; the sessions stay.
fn weeks() -> impl Strategy<Value = Vec<(Timestamp, String)>> {
    (any::<u64>().no_shrink(), vec(any::<Index>(), 1..40)).prop_map(|(seed, drawn)| {
        let sessions = 1 + seed % 12;
        // Nothing odd: sessions are to be over.
        let faults = Faults { odd: Odd::default(), unknown: Chance::NEVER, ..clashing() };
        let came = arrivals(PATHORS, seed, sessions, 20 * DAY / sessions as u32, &faults);
        let chosen: BTreeSet<usize> = drawn.iter().map(|which| which.index(came.len())).collect();
        chosen.iter().map(|place| (came[*place].received_at, sessions::payload(&came[*place]))).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Time may be cut anywhere: what stays is as if nobody had ever let anything go.
    #[test]
    fn what_stays_is_as_it_was(weeks in weeks(), cut in any::<Index>(), at_the_very_time: bool) {
        runtime().block_on(async {
            let clock = Hand::at("2026-05-01T00:00:00Z");
            let (log, twin) = (Arc::new(MemoryLog::new()), Arc::new(MemoryLog::new()));
            let running = Running::start(Arc::clone(&log) as Arc<dyn Log>, Arc::clone(&clock));
            let kept = Running::start(Arc::clone(&twin) as Arc<dyn Log>, Arc::clone(&clock));
            for (received_at, body) in &weeks {
                clock.0.send_replace(*received_at);
                for running in [&running, &kept] {
                    running.receive(body).await;
                }
            }
            // All deadlines are over, but for one of a session that has just ended.
            let now = at("2026-05-28T12:00:00Z");
            clock.0.send_replace(now);
            let nothing = payload('T', "nothing", "2026-05-28T12:00:00Z");
            running.receive(&nothing).await;
            kept.receive(&nothing).await;

            // The last that came of each: an arrival, or a deadline.
            let keys = twin.sessions(None, usize::MAX).await.unwrap();
            let stored = twin.load(&keys).await.unwrap();
            let last = stored.iter().map(|stored| {
                let arrivals = stored.events.iter().filter_map(|event| event.received_at);
                arrivals.chain(stored.deadlines.iter().copied()).max().unwrap()
            });
            let last: Vec<Timestamp> = last.collect();
            // At one of these times, which is not before it yet, or an instant later.
            let bound = micros(*cut.get(&last)) + i64::from(!at_the_very_time);
            let after = Duration::from_micros(u64::try_from(micros(now) - bound).unwrap_or_default());
            let bound = now.minus(after);
            let stays = |place: usize| last[place] >= bound;
            let done = running.engine.retain(&Retention::new(after)).await.unwrap();
            assert_eq!(done.expired as usize, (0..keys.len()).filter(|place| !stays(*place)).count());
            for (place, key) in keys.iter().enumerate() {
                let record = running.engine.session(key).await.unwrap();
                let expected = kept.engine.session(key).await.unwrap();
                assert!(expected.is_some());
                assert_eq!(record, expected.filter(|_| stays(place)), "{key:?}");
            }
            running.stop().await;
            kept.stop().await;
        });
    }
}
