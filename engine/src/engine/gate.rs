//! Who may change a consumer, one at a time, and how those who follow it learn of a change.
//!
//! A log takes marks as they come. Whoever hands notices over has a picture of its consumer in memory, and
//! a person may rewind it meanwhile: without an order between the two, a late acknowledgement would undo
//! the rewinding.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{MutexGuard, watch};

/// The gates of all consumers, by name.
#[derive(Default)]
pub(super) struct Gates(Mutex<BTreeMap<String, Arc<Gate>>>);

/// The gate of one consumer.
pub(super) struct Gate {
    turn: tokio::sync::Mutex<()>,
    moved: watch::Sender<Moved>,
    /// Somebody hands over to it.
    is_served: AtomicBool,
}

/// What was done to a consumer by others than those it is told by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    /// How often it was changed in any way.
    pub(super) changes: u64,
    /// How often it was rewound, and to where the last time.
    pub(super) rewinds: u64,
    pub(super) rewound_to: u64,
    /// How often it was removed.
    pub(super) removals: u64,
}

impl Gates {
    pub(super) fn of(&self, consumer: &str) -> Arc<Gate> {
        // A gate is put there whole.
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(consumer.to_owned()).or_default())
    }

    /// Whether somebody hands over to a consumer. One that nobody asked for has no gate, and gets none by this.
    pub(super) fn is_served(&self, consumer: &str) -> bool {
        let gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gates.get(consumer).is_some_and(|gate| gate.is_served.load(Ordering::Acquire))
    }
}

impl Default for Gate {
    fn default() -> Self {
        Gate {
            turn: tokio::sync::Mutex::default(),
            moved: watch::Sender::new(Moved::default()),
            is_served: AtomicBool::new(false),
        }
    }
}

impl Gate {
    /// Waits until nobody else changes it. Whatever is read of the consumer meanwhile stays so.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    pub(super) fn moved(&self) -> watch::Receiver<Moved> {
        self.moved.subscribe()
    }

    /// Tells that it was changed. To be called in turn.
    pub(super) fn tell_changed(&self) {
        self.moved.send_modify(|moved| moved.changes += 1);
    }

    /// Tells that it was rewound. To be called in turn.
    pub(super) fn tell_rewound(&self, to: u64) {
        self.moved.send_modify(|moved| {
            (moved.changes, moved.rewinds, moved.rewound_to) = (moved.changes + 1, moved.rewinds + 1, to);
        });
    }

    /// Tells that it was removed. To be called in turn.
    pub(super) fn tell_removed(&self) {
        self.moved.send_modify(|moved| (moved.changes, moved.removals) = (moved.changes + 1, moved.removals + 1));
    }

    /// Serves the consumer, unless somebody does; until what this gives is dropped.
    pub(super) fn serve(self: &Arc<Gate>) -> Option<Serving> {
        let was_served = self.is_served.swap(true, Ordering::AcqRel);
        (!was_served).then(|| Serving(Arc::clone(self)))
    }
}

/// That somebody serves a consumer.
pub(super) struct Serving(Arc<Gate>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.is_served.store(false, Ordering::Release);
    }
}
