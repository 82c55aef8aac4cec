//! Tasks, run one step at a time and in an order that is always the same.
//!
//! In rounds: of all tasks that were woken before a round began, each is polled once, in the order in which
//! they were spawned. Who woke whom first does not show, and neither does anything that a channel decides by
//! chance. Deliveries that are posted together are all queued before the writer looks.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Tasks of one life of a process.
#[derive(Default)]
pub(super) struct Pool {
    tasks: BTreeMap<u64, (Task, Waker)>,
    woken: Arc<Woken>,
    next: u64,
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Tasks that are to be polled.
#[derive(Default)]
struct Woken(Mutex<BTreeSet<u64>>);

/// Wakes one task.
struct Waking {
    task: u64,
    woken: Arc<Woken>,
}

impl Woken {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        // A number is there or not.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Waking {
    fn wake(self: Arc<Self>) {
        self.woken.lock().insert(self.task);
    }
}

impl Pool {
    /// Takes a task, to be polled with the next round.
    pub(super) fn spawn(&mut self, task: impl Future<Output = ()> + 'static) {
        let waking = Arc::new(Waking { task: self.next, woken: Arc::clone(&self.woken) });
        self.tasks.insert(self.next, (Box::pin(task), Waker::from(waking)));
        self.woken.lock().insert(self.next);
        self.next += 1;
    }

    /// Polls until nobody can go on, or all is to stop at once.
    pub(super) fn run(&mut self, is_halted: impl Fn() -> bool) {
        loop {
            let round = std::mem::take(&mut *self.woken.lock());
            if round.is_empty() {
                return;
            }
            for task in round {
                // One that has ended may be woken still.
                let Some((future, waker)) = self.tasks.get_mut(&task) else { continue };
                if let Poll::Ready(()) = future.as_mut().poll(&mut Context::from_waker(waker)) {
                    self.tasks.remove(&task);
                }
                if is_halted() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::{mpsc, watch};

    #[test]
    fn tasks_are_polled_in_their_order_whoever_woke_them() {
        let order = |first: usize| {
            let (mut pool, noted) = (Pool::default(), Arc::new(Mutex::new(Vec::new())));
            let (say, said) = watch::channel(0);
            for task in 0..20 {
                let (mut said, noted) = (said.clone(), Arc::clone(&noted));
                pool.spawn(async move {
                    if task % 2 == first {
                        let _ = said.changed().await;
                    }
                    noted.lock().unwrap().push(task);
                });
            }
            pool.spawn(async move {
                say.send_replace(1);
            });
            pool.run(|| false);
            assert!(pool.tasks.is_empty());
            Arc::into_inner(noted).unwrap().into_inner().unwrap()
        };
        assert_eq!(order(0), [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
        assert_eq!(order(0), order(0));
    }

    #[test]
    fn what_is_posted_together_is_queued_before_anybody_looks() {
        let (mut pool, (send, mut take)) = (Pool::default(), mpsc::channel(9));
        let batches = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&batches);
        pool.spawn(async move {
            let mut batch = Vec::new();
            while take.recv_many(&mut batch, 9).await > 0 {
                noted.lock().unwrap().push(std::mem::take(&mut batch));
            }
        });
        pool.run(|| false);
        for number in 0..5 {
            let send = send.clone();
            pool.spawn(async move { send.send(number).await.unwrap() });
        }
        pool.run(|| false);
        assert_eq!(*batches.lock().unwrap(), [[0, 1, 2, 3, 4]]);
    }
}
