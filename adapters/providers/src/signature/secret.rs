//! What only the provider and the receiver may know.

use std::fmt;

use finis_engine::Timestamp;
use zeroize::Zeroizing;

/// A secret as the provider shows it, and until when it counts.
///
/// Its bytes are wiped when it is dropped, and nothing prints them.
#[derive(Clone)]
pub struct Secret {
    text: Zeroizing<Vec<u8>>,
    until: Option<Timestamp>,
}

impl Secret {
    /// A secret that counts until it is taken away. For `ed25519` it is a public key to verify
    /// with, and a private one to sign with.
    #[must_use]
    pub fn new(text: impl Into<Vec<u8>>) -> Secret {
        Secret { text: Zeroizing::new(text.into()), until: None }
    }

    /// The same secret, which counts before this instant and no longer at it: for a rotation, where
    /// the old one overlaps with the new one for a while.
    #[must_use]
    pub fn until(self, end: Timestamp) -> Secret {
        Secret { until: Some(end), ..self }
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(super) fn end(&self) -> Option<Timestamp> {
        self.until
    }
}

/// Says until when it counts, and nothing of what it is.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("until", &self.until).finish_non_exhaustive()
    }
}
