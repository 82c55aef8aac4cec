//! Time in a run: it stands still until somebody sets it.
//!
//! There are two clocks. One is right, and happenings and disks go by it; the other is the receiver's, and
//! may be set by a mishap. Nobody else looks at either.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use finis_engine::{Clock, Timestamp};

use crate::clock::{self, Micros};

/// Both clocks, and who waits for them.
#[derive(Debug)]
pub(super) struct Time(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// What time it is.
    now: Micros,
    /// How far the receiver's clock is ahead.
    ahead: Micros,
    /// Who waits for a time: by which clock, until when, and a number of their own.
    sleepers: [BTreeMap<(Micros, u64), Waker>; 2],
    next: u64,
}

/// The clock that somebody waits by.
#[derive(Clone, Copy, Debug)]
enum By {
    Right = 0,
    Receiver = 1,
}

/// Waits until a clock says so.
struct Sleep {
    time: Arc<Time>,
    by: By,
    until: Micros,
    /// Under which number it waits.
    waits: Option<u64>,
}

impl Inner {
    fn by(&self, by: By) -> Micros {
        match by {
            By::Right => self.now,
            By::Receiver => self.now + self.ahead,
        }
    }
}

impl Time {
    pub(super) fn new(now: Micros) -> Arc<Time> {
        Arc::new(Time(Mutex::new(Inner { now, ahead: 0, sleepers: Default::default(), next: 0 })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What time it is.
    pub(super) fn right(&self) -> Micros {
        self.lock().now
    }

    /// What time the receiver takes it for.
    pub(super) fn receiver(&self) -> Micros {
        self.lock().by(By::Receiver)
    }

    /// How far the receiver's clock is ahead.
    pub(super) fn ahead(&self) -> Micros {
        self.lock().ahead
    }

    /// When the next of those who wait is to be woken.
    pub(super) fn next(&self) -> Option<Micros> {
        let inner = self.lock();
        let first = |by: By, ahead| inner.sleepers[by as usize].keys().next().map(|(until, _)| until - ahead);
        [first(By::Right, 0), first(By::Receiver, inner.ahead)].into_iter().flatten().min()
    }

    /// Lets it be later. Never earlier.
    pub(super) fn set(&self, now: Micros) {
        let mut inner = self.lock();
        inner.now = inner.now.max(now);
        drop(inner);
        self.wake();
    }

    /// Sets the receiver's clock.
    pub(super) fn step(&self, by: Micros) {
        self.lock().ahead += by;
        self.wake();
    }

    fn wake(&self) {
        let mut inner = self.lock();
        let mut woken = Vec::new();
        for by in [By::Right, By::Receiver] {
            let now = inner.by(by);
            while let Some(entry) = inner.sleepers[by as usize].first_entry().filter(|entry| entry.key().0 <= now) {
                woken.push(entry.remove());
            }
        }
        drop(inner);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Waits so long, by the clock that is right.
    pub(super) fn sleep(self: &Arc<Time>, long: Micros) -> impl Future<Output = ()> + Send + use<> {
        let until = self.right() + long;
        Sleep { time: Arc::clone(self), by: By::Right, until, waits: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let time = Arc::clone(&self.time);
        let mut inner = time.lock();
        let place = self.by as usize;
        if let Some(number) = self.waits.take() {
            inner.sleepers[place].remove(&(self.until, number));
        }
        if inner.by(self.by) >= self.until {
            return Poll::Ready(());
        }
        let number = inner.next;
        inner.next += 1;
        inner.sleepers[place].insert((self.until, number), cx.waker().clone());
        self.waits = Some(number);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(number) = self.waits {
            self.time.lock().sleepers[self.by as usize].remove(&(self.until, number));
        }
    }
}

/// The receiver's clock, as the engine has it.
pub(super) struct ReceiverClock(pub(super) Arc<Time>);

#[async_trait]
impl Clock for ReceiverClock {
    fn now(&self) -> Timestamp {
        clock::timestamp(self.0.receiver())
    }

    async fn sleep_until(&self, at: Timestamp) {
        // The first microsecond that is not before it.
        let until = clock::micros(at) + Micros::from(!at.unix().1.is_multiple_of(1000));
        Sleep { time: Arc::clone(&self.0), by: By::Receiver, until, waits: None }.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::pool::Pool;

    #[test]
    fn who_waits_is_woken_in_time_and_a_clock_that_is_set_wakes_too() {
        let (time, mut pool) = (Time::new(1_000_000), Pool::default());
        let noted = Arc::new(Mutex::new(Vec::new()));
        for long in [30, 10, 20] {
            let (sleep, noted) = (time.sleep(long), Arc::clone(&noted));
            pool.spawn(async move {
                sleep.await;
                noted.lock().unwrap().push(long);
            });
        }
        let (clock, of_receiver) = (ReceiverClock(Arc::clone(&time)), Arc::clone(&noted));
        pool.spawn(async move {
            clock.sleep_until(clock::timestamp(1_000_500)).await;
            of_receiver.lock().unwrap().push(500);
        });
        pool.run(|| false);
        assert_eq!(time.next(), Some(1_000_010));
        time.set(1_000_020);
        pool.run(|| false);
        assert_eq!(time.next(), Some(1_000_030));
        time.step(1_000);
        pool.run(|| false);
        assert_eq!(*noted.lock().unwrap(), [10, 20, 500]);
        drop(pool);
        assert_eq!(time.next(), None);
    }
}
