//! Values as bytes, for heads of records and for the index. Lengths that were read are never trusted.

use finis_engine::live::SessionKey;
use finis_engine::{Digest, Timestamp};

use crate::journal::Place;
use crate::tag::Tag;

/// Appends values to bytes. Integers are little-endian.
pub(crate) struct Writer<'b>(pub(crate) &'b mut Vec<u8>);

impl Writer<'_> {
    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A text, at most 4 GiB of it: a journal takes far less.
    pub(crate) fn text(&mut self, text: &str) {
        self.u32(text.len() as u32);
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(crate) fn key(&mut self, key: &SessionKey) {
        self.text(key.source());
        self.text(key.subject());
        self.text(key.id());
    }

    pub(crate) fn tag(&mut self, tag: Tag) {
        self.0.extend_from_slice(&tag.to_bytes());
    }

    /// Seven bits a byte, the least first; the last byte has no high bit.
    pub(crate) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(crate) fn digest(&mut self, digest: Digest) {
        self.0.extend_from_slice(&digest.to_bytes());
    }

    pub(crate) fn timestamp(&mut self, at: Timestamp) {
        let (seconds, nanos) = at.unix();
        self.0.extend_from_slice(&seconds.to_le_bytes());
        self.u32(nanos);
        // At most nine.
        self.u8(at.digits() as u8);
    }
}

/// Takes values from bytes; nothing when they are not there.
pub(crate) struct Bytes<'b>(pub(crate) &'b [u8]);

impl<'b> Bytes<'b> {
    pub(crate) fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        Some(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        self.str().map(str::to_owned)
    }

    /// A text where it stands.
    fn str(&mut self) -> Option<&'b str> {
        let length = usize::try_from(self.u32()?).ok()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    /// The outer is nothing when the bytes are not there.
    #[allow(clippy::option_option, reason = "what was read, and whether it could be")]
    pub(crate) fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.u8()? {
            0 => Some(None),
            1 => read(self).map(Some),
            _ => None,
        }
    }

    pub(crate) fn key(&mut self) -> Option<SessionKey> {
        Some(SessionKey::new(self.str()?, self.str()?, self.str()?))
    }

    pub(crate) fn tag(&mut self) -> Option<Tag> {
        self.array().map(Tag::from_bytes)
    }

    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7F);
            // The tenth byte has room for one bit.
            if bits << shift >> shift != bits {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                // One way to write a number: no zero at its end.
                return (byte > 0 || shift == 0).then_some(value);
            }
        }
        None
    }

    pub(crate) fn digest(&mut self) -> Option<Digest> {
        self.array().map(Digest::from_bytes)
    }

    pub(crate) fn timestamp(&mut self) -> Option<Timestamp> {
        let seconds = i64::from_le_bytes(self.array()?);
        let (nanos, digits) = (self.u32()?, self.u8()?);
        if digits > 9 {
            return None;
        }
        Timestamp::from_unix(seconds, nanos, usize::from(digits))
    }

    pub(crate) fn place(&mut self) -> Option<Place> {
        self.array().map(Place::from_bytes)
    }

    /// `value`, when nothing is left.
    pub(crate) fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}
