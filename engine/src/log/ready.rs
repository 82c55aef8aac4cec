//! What of an append is done before it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// What a log made of an event beforehand, on the side of whoever receives it: see
/// [`Log::ready`](super::Log::ready). Nobody but that log knows what is in it. The default is nothing.
#[derive(Clone, Default)]
pub struct Ready(Option<Arc<dyn Any + Send + Sync>>);

impl Ready {
    /// Holds what a log made.
    #[must_use]
    pub fn new<T: Any + Send + Sync>(made: T) -> Ready {
        Ready(Some(Arc::new(made)))
    }

    /// What was made, for the log that made it; nothing when there is nothing, or a copy of it elsewhere.
    #[must_use]
    pub fn into_made<T: Any + Send + Sync>(self) -> Option<T> {
        Arc::into_inner(self.0?.downcast::<T>().ok()?)
    }

    /// Whether something was made.
    #[must_use]
    pub fn is_made(&self) -> bool {
        self.0.is_some()
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ready").field(&self.is_made()).finish()
    }
}
