//! What a session is called in the store.
//!
//! Its key can say who it is about: some platforms make ids of telephone numbers. So the key stands in
//! bodies alone, which can be erased; heads of records and the index know a session by a hash of it.

use std::fmt;

use finis_engine::live::SessionKey;

/// A session, in the store: the first 16 bytes of a BLAKE3 hash of its key that is keyed by the salt of
/// the journal, so the same session has another tag in another store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag([u8; Tag::BYTES]);

/// Makes the tags of one journal.
#[derive(Clone, Copy)]
pub struct Tags {
    key: [u8; 32],
}

impl Tag {
    /// Bytes of a tag.
    pub const BYTES: usize = 16;

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Tag::BYTES] {
        self.0
    }

    /// The tag that [`Tag::to_bytes`] gave these of.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Tag::BYTES]) -> Tag {
        Tag(bytes)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Tags {
    /// Those of the journal with this salt.
    #[must_use]
    pub fn new(salt: u64) -> Tags {
        Tags { key: blake3::derive_key("finis 1 tags of sessions", &salt.to_le_bytes()) }
    }

    /// The tag of a session.
    #[must_use]
    pub fn of(&self, key: &SessionKey) -> Tag {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for text in [key.source(), key.subject(), key.id()] {
            // As a body has them: none comes near 4 GiB.
            hasher.update(&(text.len() as u32).to_le_bytes()).update(text.as_bytes());
        }
        let mut tag = [0; Tag::BYTES];
        tag.copy_from_slice(&hasher.finalize().as_bytes()[..Tag::BYTES]);
        Tag(tag)
    }
}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tags")
    }
}
