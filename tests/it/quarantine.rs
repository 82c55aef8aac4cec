//! Out of quarantine: what is read again is judged, also when whoever reads it comes to no end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use finis::engine::log::{Batch, Delivery, Log, LogError, LogRead, Refused};
use finis::engine::{Filler, Unverified};
use finis::store::{Retried, retry};

use crate::world::{EVENING, Frail, Hand, Running, at, key, kinds, payload, said, source};

const IDS: [&str; 2] = ["s-1", "s-2"];

/// A log with texts in quarantine that a contract could not read which was another.
async fn with_refused() -> Arc<Frail> {
    let log: Arc<Frail> = Arc::default();
    let bodies = IDS.iter().flat_map(|id| ['E', 'T'].map(|kind| payload(kind, id, EVENING)));
    let refused = bodies.zip(0..).map(|(body, number)| Refused {
        source: "pathors".into(),
        received_at: at(EVENING).plus(Duration::from_micros(number)),
        reason: "it has no id".into(),
        delivery: Delivery { headers: Vec::new(), body: body.as_bytes().into() },
    });
    log.append(Batch { refused: refused.collect(), ..Batch::default() }).await.unwrap();
    log
}

async fn read_again(log: &Arc<Frail>) -> Result<Retried, LogError> {
    let filler = Filler::new(log.clone(), [source(Box::new(Unverified))]).await.unwrap();
    retry(&**log, filler).await
}

#[tokio::test]
async fn what_can_be_read_by_now_is_said_once() {
    let log = with_refused().await;
    let retried = read_again(&log).await.unwrap();
    assert_eq!((retried.read.len(), retried.left.len(), retried.filled.sessions), (4, 0, 2));
    let ends = said(&*log).await;
    assert!(ends.iter().all(|notice| notice.kind.as_str() == "complete"), "{:?}", kinds(&ends));
    assert_eq!(ends.len(), 2);
    // They wait for nothing any more.
    assert_eq!(log.next_due().await.unwrap(), None);
    assert!(read_again(&log).await.unwrap().read.is_empty());
    assert_eq!(said(&*log).await, ends);
}

/// Whatever of it is out of quarantine cannot be read again a second time.
#[tokio::test]
async fn what_was_cut_off_is_judged_by_whoever_comes_next() {
    for stops_at in 1..=5 {
        let log = with_refused().await;
        log.stops_at.store(stops_at, Ordering::SeqCst);
        assert!(read_again(&log).await.is_err(), "{stops_at}");
        log.stops_at.store(0, Ordering::SeqCst);
        // All of a session is there, or some of it is in quarantine still.
        let stored = log.load(&IDS.map(key)).await.unwrap();
        let whole = IDS.iter().zip(stored).filter(|(_, stored)| stored.events.len() == 2);
        let whole: BTreeSet<&str> = whole.map(|(id, _)| *id).collect();
        assert_eq!(whole.len(), (stops_at - 1) / 2, "{stops_at}");

        let running = Running::start(log.clone(), Hand::at(EVENING));
        let told = async {
            loop {
                let said = said(&*log).await;
                let ends: BTreeSet<&str> = said.iter().map(|notice| notice.key.id()).collect();
                if ends.iter().eq(&whole) {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), told).await.expect("those that are whole are told");
        running.stop().await;

        // The rest of it, by another try: each is said once.
        read_again(&log).await.unwrap();
        assert_eq!(said(&*log).await.len(), 2, "{stops_at}");
        assert!(log.refused(None, 9).await.unwrap().deliveries.is_empty());
    }
}
