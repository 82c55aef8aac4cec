//! Whether anything can be taken now, decided before a body is read.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use finis_engine::log::LogError;
use finis_engine::{Engine, ReceiveError};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::Settings;
use super::answer::Refusal;

/// Bytes are counted in pieces of so many, so that all the bodies there may be fit the counter.
const PIECE_BYTES: usize = 1 << 10;

/// What there is room for.
pub(super) struct Room {
    retry_after: Duration,
    /// Pieces of bodies that may still come into memory.
    pieces: Semaphore,
    /// The log had no room: until then it is not asked again.
    full_until: Mutex<Option<Instant>>,
}

/// Room that a body has, until this is dropped.
pub(super) struct Held<'r> {
    room: &'r Room,
    permit: Option<SemaphorePermit<'r>>,
}

impl Room {
    pub(super) fn new(settings: &Settings) -> Room {
        let pieces = (settings.bodies_bytes_max / PIECE_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        Room { retry_after: settings.retry_after, pieces: Semaphore::new(pieces), full_until: Mutex::default() }
    }

    pub(super) fn retry_after(&self) -> Duration {
        self.retry_after
    }

    /// Whether a body of at least so many bytes may come. It takes nothing yet.
    pub(super) fn look(&self, engine: &Engine, bytes: u64) -> Result<(), Refusal> {
        if let Some(reason) = engine.stopped() {
            return Err(Refusal::Receive(ReceiveError::Stopped { reason }));
        }
        let max = engine.body_bytes_max();
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        if bytes > max {
            return Err(Refusal::Receive(ReceiveError::TooLarge { bytes, max }));
        }
        if self.is_full() {
            let reason = "it had no room a moment ago".to_owned();
            return Err(Refusal::Receive(ReceiveError::Log(LogError::Full { reason })));
        }
        if !engine.has_room() || self.pieces.available_permits() < bytes.div_ceil(PIECE_BYTES) {
            return Err(Refusal::Receive(ReceiveError::Busy));
        }
        Ok(())
    }

    /// Room for a body that begins to come.
    pub(super) fn hold(&self) -> Held<'_> {
        Held { room: self, permit: None }
    }

    /// The log has said that it has no room. Whoever comes after a while finds out whether it has some again.
    pub(super) fn note_full(&self) {
        // Put there whole.
        *self.full_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + self.retry_after);
    }

    fn is_full(&self) -> bool {
        let mut until = self.full_until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.is_some_and(|until| Instant::now() >= until) {
            *until = None;
        }
        until.is_some()
    }
}

impl Held<'_> {
    /// Takes room for a body that has grown to so many bytes. What is really here counts, not what a sender
    /// promises: else a few who promise much and send nothing would shut out everybody.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<(), Refusal> {
        let held = self.permit.as_ref().map_or(0, SemaphorePermit::num_permits);
        let more = bytes.div_ceil(PIECE_BYTES).saturating_sub(held);
        if more == 0 {
            return Ok(());
        }
        // At most what a body may have, in pieces.
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let Ok(permit) = self.room.pieces.try_acquire_many(more) else {
            return Err(Refusal::Receive(ReceiveError::Busy));
        };
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
        Ok(())
    }
}
