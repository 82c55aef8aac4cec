//! Handlers that are under way: polled together, wherever the one who waits for them is run.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Handler;
use crate::engine::Placed;

/// What became of a notice.
pub(super) type Outcome<E> = Result<(), Fault<E>>;

/// Why a notice was not dealt with.
pub(super) enum Fault<E> {
    /// The handler says so.
    Failed(E),
    /// It broke down, or was not even asked.
    Broken(String),
}

type Flight<E> = Pin<Box<dyn Future<Output = Result<(), E>> + Send>>;

/// Handlers under way. They are a few dozen at most, so all are asked when one is woken.
pub(super) struct Flights<E>(Vec<(u64, Flight<E>)>);

impl<E: Send> Flights<E> {
    pub(super) fn new() -> Flights<E> {
        Flights(Vec::new())
    }

    /// Hands a notice over.
    pub(super) fn start<H: Handler<Error = E>>(&mut self, handler: &Arc<H>, placed: Placed) {
        let (handler, seq) = (Arc::clone(handler), placed.seq);
        self.0.push((seq, Box::pin(async move { handler.handle(placed).await })));
    }

    /// The next that lands; waits for ever when none is under way. Given up, it forgets nothing.
    pub(super) async fn next(&mut self) -> (u64, Outcome<E>) {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(u64, Outcome<E>)> {
        for place in 0..self.0.len() {
            let (seq, flight) = &mut self.0[place];
            let seq = *seq;
            // One that panicked is dropped and never looked at again.
            let polled = catch_unwind(AssertUnwindSafe(|| flight.as_mut().poll(cx)));
            let outcome = match polled {
                Ok(Poll::Pending) => continue,
                Ok(Poll::Ready(outcome)) => outcome.map_err(Fault::Failed),
                Err(panic) => Err(Fault::Broken(format!("the handler panicked: {}", message(&*panic)))),
            };
            drop(self.0.swap_remove(place));
            return Poll::Ready((seq, outcome));
        }
        Poll::Pending
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it did not say why")
}
