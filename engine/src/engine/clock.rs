//! Time, from outside.

use async_trait::async_trait;

use crate::timestamp::Timestamp;

/// The receiver's clock. It may step back or jump: the engine's own time never goes back.
#[async_trait]
pub trait Clock: Send + Sync {
    /// What time it is.
    fn now(&self) -> Timestamp;

    /// Waits until it is at least `at`. To return early does no harm.
    async fn sleep_until(&self, at: Timestamp);
}
