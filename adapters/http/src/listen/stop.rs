//! That it is to stop, as one connection hears of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use futures_util::task::AtomicWaker;

/// Told at most once, and heard by one task. Each connection has its own: one that all shared would go from core to
/// core with every request.
#[derive(Debug, Default)]
pub(super) struct Stop {
    is_told: AtomicBool,
    waiting: AtomicWaker,
}

impl Stop {
    pub(super) fn tell(&self) {
        self.is_told.store(true, Ordering::Release);
        self.waiting.wake();
    }

    pub(super) fn is_told(&self) -> bool {
        self.is_told.load(Ordering::Acquire)
    }

    /// Whether it is told. If not, the task is woken when it is.
    pub(super) fn poll(&self, cx: &Context<'_>) -> bool {
        // Before it is looked at: what is told in between wakes it.
        self.waiting.register(cx.waker());
        self.is_told()
    }
}
