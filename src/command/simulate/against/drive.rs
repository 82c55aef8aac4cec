//! Every delivery in its turn: at a pace, so many at once, and again when it was refused.
//!
//! The script decides what is sent and in which order; the clock decides when. With one at a time, a receiver
//! meets them in the order of the script.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use finis::engine::Timestamp;
use finis_simulator::clock::micros;
use finis_simulator::faults::Signing;
use finis_simulator::script::Script;

use super::super::super::store::now;
use super::post::{Answer, Poster};
use super::target::Target;

/// Attempts without any answer, before there was one, after which nobody is there.
const DEAF_MAX: usize = 5;

/// How fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    /// As fast as it takes them.
    Free,
    /// So many a second.
    PerSecond(f64),
    /// As they came in the world, so many times as fast.
    Speedup(f64),
}

/// How deliveries are sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) pace: Pace,
    /// At most so many without an answer.
    pub(super) concurrency: usize,
    /// So often a delivery is sent again that was not taken.
    pub(super) retries: u32,
    /// So long after the answer the first time, then twice as long each time.
    pub(super) retry_after: Duration,
}

/// A delivery that was sent.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    /// Its place in the script.
    pub(super) place: usize,
    /// The how manieth attempt, from 1.
    pub(super) number: u32,
    /// When it was begun.
    pub(super) sent_at: Timestamp,
    /// Until its answer.
    pub(super) took: Duration,
    pub(super) answer: Answer,
}

/// A run against a receiver.
pub(super) struct Drive<'d> {
    pub(super) script: &'d Script,
    /// What the provider signs with. Without it, what is not to be proved is left out.
    pub(super) signing: Option<&'d Signing>,
    pub(super) poster: &'d Poster,
    pub(super) to: &'d Target,
    pub(super) manner: Manner,
    /// Deliveries that had their first answer.
    pub(super) progress: &'d AtomicU64,
}

/// What is to be sent.
struct Queue {
    /// The next of the script.
    next: usize,
    /// What is sent again, the earliest first: when, place, number of the attempt.
    again: BinaryHeap<Reverse<(Instant, usize, u32)>>,
    /// Without an answer yet.
    busy: usize,
    attempts: Vec<Attempt>,
    /// There was an answer.
    heard: bool,
    /// Nobody is there.
    deaf: bool,
}

impl Drive<'_> {
    /// Sends everything, and gives every attempt in the order in which they were begun.
    ///
    /// # Errors
    /// Why there is no connection, when there was none from the beginning.
    pub(super) fn run(&self) -> Result<Vec<Attempt>, String> {
        let start = Instant::now();
        let queue =
            Queue { next: 0, again: BinaryHeap::new(), busy: 0, attempts: Vec::new(), heard: false, deaf: false };
        let (queue, changed) = (Mutex::new(queue), Condvar::new());
        std::thread::scope(|scope| {
            for _ in 0..self.manner.concurrency.min(self.script.arrivals.len()) {
                scope.spawn(|| self.work(start, &queue, &changed));
            }
        });
        let Queue { mut attempts, deaf, .. } = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
        attempts.sort_by_key(|attempt| (attempt.sent_at, attempt.place));
        match attempts.first() {
            Some(first) if deaf => Err(first.answer.to_string()),
            _ => Ok(attempts),
        }
    }

    fn work(&self, start: Instant, queue: &Mutex<Queue>, changed: &Condvar) {
        while let Some((place, number)) = self.turn(start, lock(queue), changed) {
            let attempt = self.send(place, number);
            if number == 1 {
                self.progress.fetch_add(1, Ordering::Relaxed);
            }
            let mut state = lock(queue);
            state.busy -= 1;
            state.heard |= !matches!(attempt.answer, Answer::Broken(_));
            if number <= self.manner.retries && !attempt.answer.is_taken() {
                let after = self.manner.retry_after.saturating_mul(1 << (number - 1).min(20));
                state.again.push(Reverse((Instant::now() + after, place, number + 1)));
            }
            state.attempts.push(attempt);
            state.deaf |= !state.heard && state.attempts.len() >= DEAF_MAX.min(self.script.arrivals.len());
            changed.notify_all();
        }
        changed.notify_all();
    }

    /// Waits for something to send; nothing when there is no more.
    fn turn(&self, start: Instant, mut queue: MutexGuard<'_, Queue>, changed: &Condvar) -> Option<(usize, u32)> {
        loop {
            if queue.deaf {
                return None;
            }
            while self.is_left_out(queue.next) {
                queue.next += 1;
            }
            let next = (queue.next < self.script.arrivals.len()).then(|| self.due(start, queue.next));
            let again = queue.again.peek().map(|Reverse((due, ..))| *due);
            let now = Instant::now();
            // What is due again goes first, or it would wait for the end of a script that is sent at full speed.
            let due = match (again, next) {
                (Some(again), _) if again <= now => {
                    if let Some(Reverse((_, place, number))) = queue.again.pop() {
                        queue.busy += 1;
                        return Some((place, number));
                    }
                    continue;
                }
                (_, Some(next)) if next <= now => {
                    let place = queue.next;
                    queue.next += 1;
                    queue.busy += 1;
                    return Some((place, 1));
                }
                (again, next) => again.into_iter().chain(next).min(),
            };
            queue = match due {
                Some(due) => changed.wait_timeout(queue, due - now).unwrap_or_else(PoisonError::into_inner).0,
                // Whoever is busy may have something to send again.
                None if queue.busy > 0 => changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                None => return None,
            };
        }
    }

    /// Whether an arrival cannot be sent as what it is: a forgery where nothing is signed.
    fn is_left_out(&self, place: usize) -> bool {
        self.signing.is_none() && self.script.arrivals.get(place).is_some_and(|arrival| !arrival.is.proved)
    }

    /// When an arrival is to be sent.
    fn due(&self, start: Instant, place: usize) -> Instant {
        let after = match self.manner.pace {
            Pace::Free => 0.0,
            Pace::PerSecond(rate) => place as f64 / rate,
            Pace::Speedup(factor) => {
                let at = |place: usize| micros(self.script.arrivals[place].received_at);
                (at(place) - at(0)) as f64 / 1e6 / factor
            }
        };
        // A script of centuries is not waited for.
        start + Duration::try_from_secs_f64(after).unwrap_or(Duration::from_secs(u64::from(u32::MAX)))
    }

    /// Sends an arrival, signed for this instant.
    fn send(&self, place: usize, number: u32) -> Attempt {
        let arrival = &self.script.arrivals[place];
        let sent_at = now();
        let signed = self.signing.map(|signing| signing.anew(arrival, sent_at));
        let started = Instant::now();
        let answer = self.poster.post(self.to, signed.as_deref().unwrap_or(&arrival.headers), &arrival.body);
        Attempt { place, number, sent_at, took: started.elapsed(), answer }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
