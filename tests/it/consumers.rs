//! Consumers that pull: where they begin, how they are set back, and what becomes of those removed.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use finis::engine::log::{Log, LogError, MemoryLog};
use finis::engine::{Notices, Placed, StartAt};
use finis_store::EmbeddedLog;
use futures_core::Stream;

use crate::world::{EVENING, Hand, Running, payload};

/// Ends a session of this id.
async fn end(running: &Running, id: &str) {
    running.receive(&payload('E', id, EVENING)).await;
    running.receive(&payload('T', id, EVENING)).await;
}

/// An engine with sessions that ended, one notice each.
async fn with_ended(log: Arc<dyn Log>, ids: &[&str]) -> Running {
    let running = Running::start(log, Hand::at(EVENING));
    for id in ids {
        end(&running, id).await;
    }
    running
}

async fn seqs(notices: &mut Notices) -> Vec<u64> {
    let mut seqs = Vec::new();
    while let Some(placed) = notices.try_next().await.unwrap() {
        seqs.push(placed.seq);
    }
    seqs
}

/// Consumers as a person would note them: how far, how far behind, how many parked.
async fn progress(running: &Running) -> Vec<String> {
    let consumers = running.engine.consumers().await.unwrap().into_iter();
    consumers
        .map(|known| format!("{} {} -{} {}", known.consumer, known.acknowledged, known.behind, known.parked))
        .collect()
}

fn stores() -> [(Arc<dyn Log>, Option<tempfile::TempDir>); 2] {
    let folder = tempfile::tempdir().unwrap();
    let (log, _report) = EmbeddedLog::open(folder.path(), &finis_store::Settings::default()).unwrap();
    [(Arc::new(MemoryLog::new()), None), (Arc::new(log), Some(folder))]
}

#[tokio::test]
async fn one_that_is_new_begins_with_the_oldest_or_from_now_on() {
    for (log, _folder) in stores() {
        let running = with_ended(log, &["a", "b"]).await;
        let mut oldest = running.engine.notices("oldest").await.unwrap();
        let mut now = running.engine.notices_from("now", StartAt::Now).await.unwrap();
        assert_eq!((seqs(&mut oldest).await, seqs(&mut now).await), (vec![1, 2], vec![]));
        end(&running, "c").await;
        assert_eq!((seqs(&mut oldest).await, seqs(&mut now).await), (vec![3], vec![3]));
        oldest.ack(2).await.unwrap();
        assert_eq!(progress(&running).await, ["now 2 -1 0", "oldest 2 -1 0"]);
        // One that is known goes on where it was.
        let mut again = running.engine.notices_from("oldest", StartAt::Now).await.unwrap();
        assert_eq!(seqs(&mut again).await, [3]);
        running.stop().await;
    }
}

#[tokio::test]
async fn one_that_is_rewound_goes_on_from_there_and_a_late_acknowledgement_undoes_nothing() {
    for (log, _folder) in stores() {
        let running = with_ended(log, &["a", "b", "c", "d"]).await;
        let mut crm = running.engine.notices("crm").await.unwrap();
        let mut other = running.engine.notices("other").await.unwrap();
        assert_eq!(seqs(&mut crm).await, [1, 2, 3, 4]);
        assert_eq!(seqs(&mut other).await, [1, 2, 3, 4]);
        crm.ack(3).await.unwrap();
        running.engine.rewind("crm", 1).await.unwrap();
        crm.ack(4).await.unwrap();
        other.ack(4).await.unwrap();
        assert_eq!(progress(&running).await, ["crm 1 -3 0", "other 4 -0 0"]);
        assert_eq!((seqs(&mut crm).await, seqs(&mut other).await), (vec![2, 3, 4], vec![]));
        crm.ack(4).await.unwrap();
        // Forward, too, and no further than there is.
        running.engine.rewind("crm", 0).await.unwrap();
        running.engine.rewind("crm", 2).await.unwrap();
        assert_eq!(seqs(&mut crm).await, [3, 4]);
        running.engine.rewind("crm", 99).await.unwrap();
        running.engine.rewind("nobody", 1).await.unwrap();
        assert_eq!(progress(&running).await, ["crm 4 -0 0", "other 4 -0 0"]);
        running.stop().await;
    }
}

#[tokio::test]
async fn one_that_waits_is_woken_when_it_is_rewound() {
    let running = with_ended(Arc::new(MemoryLog::new()), &["a"]).await;
    let mut crm = running.engine.notices("crm").await.unwrap();
    assert_eq!(seqs(&mut crm).await, [1]);
    let waiting = tokio::spawn(async move { crm.next().await.unwrap().unwrap().seq });
    tokio::task::yield_now().await;
    running.engine.rewind("crm", 0).await.unwrap();
    assert_eq!(waiting.await.unwrap(), 1);
    running.stop().await;
}

#[tokio::test]
async fn one_that_is_removed_is_gone_until_it_comes_anew() {
    for (log, _folder) in stores() {
        let running = with_ended(log, &["a", "b"]).await;
        let mut crm = running.engine.notices("crm").await.unwrap();
        assert_eq!(seqs(&mut crm).await, [1, 2]);
        running.engine.remove_consumer("crm").await.unwrap();
        // Who is late does not bring it back, nor says anything of the next of its name.
        crm.ack(1).await.unwrap();
        assert_eq!(progress(&running).await, [""; 0]);
        let mut anew = running.engine.notices("crm").await.unwrap();
        crm.ack(2).await.unwrap();
        assert_eq!(progress(&running).await, ["crm 0 -2 0"]);
        assert_eq!(seqs(&mut anew).await, [1, 2]);
        running.stop().await;
    }
}

async fn next(notices: &mut Notices) -> Option<Result<Placed, LogError>> {
    std::future::poll_fn(|cx| Pin::new(&mut *notices).poll_next(cx)).await
}

/// A stream is woken by what is said, loses nothing when it is not waited for, and ends with the engine.
async fn streams() {
    for (log, _folder) in stores() {
        let running = with_ended(log, &["a"]).await;
        let mut crm = running.engine.notices("crm").await.unwrap();
        assert_eq!(next(&mut crm).await.unwrap().unwrap().seq, 1);
        for place in 2..20 {
            // Asked once or twice, and given up.
            for _ in 0..place % 3 {
                let poll = Pin::new(&mut crm).poll_next(&mut Context::from_waker(Waker::noop()));
                assert!(matches!(poll, Poll::Pending), "{poll:?}");
                tokio::task::yield_now().await;
            }
            let waiting = tokio::spawn(async move {
                let placed = next(&mut crm).await.unwrap().unwrap();
                crm.ack(placed.seq).await.unwrap();
                (placed.seq, crm)
            });
            tokio::task::yield_now().await;
            end(&running, &format!("s-{place}")).await;
            let (seq, woken) = waiting.await.unwrap();
            assert_eq!(seq, place);
            crm = woken;
        }
        assert_eq!(progress(&running).await, ["crm 19 -0 0"]);
        end(&running, "last").await;
        running.stop().await;
        assert_eq!(next(&mut crm).await.unwrap().unwrap().seq, 20);
        assert!(next(&mut crm).await.is_none() && next(&mut crm).await.is_none());
    }
}

#[tokio::test]
async fn streams_on_one_thread() {
    streams().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_on_several_threads() {
    streams().await;
}
