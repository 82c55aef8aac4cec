//! Handlers that are under way: polled together, wherever the one who waits for them is run.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Handler;
use crate::engine::Placed;

/// What became of a notice: why it was not dealt with, if it was not.
pub(super) type Outcome = Result<(), String>;

type Flight = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Handlers under way. They are a few dozen at most, so all are asked when one is woken.
#[derive(Default)]
pub(super) struct Flights(Vec<(u64, Flight)>);

impl Flights {
    /// Hands a notice over.
    pub(super) fn start<H: Handler>(&mut self, handler: &Arc<H>, placed: Placed) {
        let (handler, seq) = (Arc::clone(handler), placed.seq);
        let handled = async move { handler.handle(placed).await.map_err(|error| error.to_string()) };
        self.0.push((seq, Box::pin(handled)));
    }

    /// The next that lands; waits for ever when none is under way. Given up, it forgets nothing.
    pub(super) async fn next(&mut self) -> (u64, Outcome) {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(u64, Outcome)> {
        for place in 0..self.0.len() {
            let (seq, flight) = &mut self.0[place];
            let seq = *seq;
            // One that panicked is dropped and never looked at again.
            let polled = catch_unwind(AssertUnwindSafe(|| flight.as_mut().poll(cx)));
            let outcome = match polled {
                Ok(Poll::Pending) => continue,
                Ok(Poll::Ready(outcome)) => outcome,
                Err(panic) => Err(format!("the handler panicked: {}", message(&*panic))),
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
