//! Output of several threads in one order.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Takes numbered pieces from several threads and hands them on by number, none left out.
///
/// A thread that is far ahead of the others waits, so that what is held back stays bounded.
pub(crate) struct Ordered<P, E, W: FnMut(&mut P) -> Result<(), E>> {
    state: Mutex<State<P, E, W>>,
    moved: Condvar,
    ahead_max: u64,
}

struct State<P, E, W> {
    next: u64,
    waiting: BTreeMap<u64, P>,
    /// Handed on, and free to be used again.
    used: Vec<P>,
    hand_on: W,
    failed: Option<E>,
}

impl<P, E, W: FnMut(&mut P) -> Result<(), E>> Ordered<P, E, W> {
    /// Pieces from number 0 on go to `hand_on`.
    pub(crate) fn new(ahead_max: u64, hand_on: W) -> Self {
        let state = State { next: 0, waiting: BTreeMap::new(), used: Vec::new(), hand_on, failed: None };
        Ordered { state: Mutex::new(state), moved: Condvar::new(), ahead_max }
    }

    /// Gives a piece, and gets one back that was handed on, to be used again; an own one if there is
    /// none yet. Nothing when handing on has failed, and more pieces are of no use.
    pub(crate) fn give(&self, number: u64, piece: P) -> Option<P>
    where
        P: Default,
    {
        let mut state = self.lock();
        while state.failed.is_none() && number > state.next + self.ahead_max {
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting.insert(number, piece);
        loop {
            let next = state.next;
            let Some(mut piece) = state.waiting.remove(&next) else { break };
            if state.failed.is_none() {
                state.failed = (state.hand_on)(&mut piece).err();
            }
            state.used.push(piece);
            state.next += 1;
        }
        self.moved.notify_all();
        state.failed.is_none().then(|| state.used.pop().unwrap_or_default())
    }

    /// What went wrong, if anything.
    pub(crate) fn finish(self) -> Result<(), E> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        state.failed.map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, State<P, E, W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
