//! Output of several threads in one order.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Takes numbered pieces from several threads and hands them on by number, none left out.
///
/// Whoever brings the next piece hands on all that are ready, while the others go on with their
/// work. A thread that is far ahead of the others waits, so that what is held back stays bounded.
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
    /// Not here while a thread hands on.
    hand_on: Option<W>,
    failed: Option<E>,
    /// A thread panicked: its piece will never come.
    abandoned: bool,
}

impl<P, E, W> State<P, E, W> {
    fn is_over(&self) -> bool {
        self.failed.is_some() || self.abandoned
    }
}

/// Lets the others go on when the thread that holds it panics.
pub(crate) struct Guard<'o, P, E, W: FnMut(&mut P) -> Result<(), E>>(&'o Ordered<P, E, W>);

impl<P, E, W: FnMut(&mut P) -> Result<(), E>> Drop for Guard<'_, P, E, W> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().abandoned = true;
            self.0.moved.notify_all();
        }
    }
}

impl<P, E, W: FnMut(&mut P) -> Result<(), E>> Ordered<P, E, W> {
    /// Pieces from number 0 on go to `hand_on`.
    pub(crate) fn new(ahead_max: u64, hand_on: W) -> Self {
        let (waiting, used) = (BTreeMap::new(), Vec::new());
        let state = State { next: 0, waiting, used, hand_on: Some(hand_on), failed: None, abandoned: false };
        Ordered { state: Mutex::new(state), moved: Condvar::new(), ahead_max }
    }

    /// To be held by each thread that gives pieces.
    pub(crate) fn guard(&self) -> Guard<'_, P, E, W> {
        Guard(self)
    }

    /// Gives a piece, and gets one back that was handed on, to be used again; an own one if there is
    /// none yet. Nothing when handing on has failed or another thread has panicked, and more pieces are
    /// of no use.
    pub(crate) fn give(&self, number: u64, piece: P) -> Option<P>
    where
        P: Default,
    {
        let mut state = self.lock();
        while !state.is_over() && number > state.next + self.ahead_max {
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting.insert(number, piece);
        // Only one thread hands on at a time; it takes what comes meanwhile, too.
        if let Some(mut hand_on) = state.hand_on.take() {
            while !state.is_over() {
                let next = state.next;
                let Some(mut piece) = state.waiting.remove(&next) else { break };
                drop(state);
                let outcome = hand_on(&mut piece);
                state = self.lock();
                state.failed = outcome.err();
                state.used.push(piece);
                state.next += 1;
                self.moved.notify_all();
            }
            state.hand_on = Some(hand_on);
        }
        (!state.is_over()).then(|| state.used.pop().unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_go_out_in_order_whoever_gives_them() {
        let mut out = Vec::new();
        let ordered = Ordered::new(2, |piece: &mut u64| {
            out.push(*piece);
            Ok::<(), ()>(())
        });
        std::thread::scope(|scope| {
            for start in 0..4 {
                let ordered = &ordered;
                scope.spawn(move || (start..100).step_by(4).all(|number| ordered.give(number, number).is_some()));
            }
        });
        ordered.finish().unwrap();
        assert_eq!(out, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_thread_that_panics_leaves_no_other_waiting() {
        let ordered = Ordered::new(0, |_: &mut u64| Ok::<(), ()>(()));
        let waiting = std::thread::scope(|scope| {
            // Piece 0 never comes.
            let waiting = scope.spawn(|| ordered.give(1, 1));
            let panicking = scope.spawn(|| {
                let _guard = ordered.guard();
                panic!("on purpose");
            });
            assert!(panicking.join().is_err());
            waiting.join().unwrap()
        });
        assert_eq!(waiting, None);
    }
}
