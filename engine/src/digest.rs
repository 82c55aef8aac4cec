//! What makes an event itself.

use std::fmt;

use crate::json::write_string;

/// The identity of an event: the first 16 bytes of BLAKE3 over its payload in canonical form.
/// Equal digests mean one event, delivered again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest([u8; 16]);

impl Digest {
    /// The digest of an event's identity: its canonical payload and, after it, what a contract reads
    /// from headers ([`write_header`]).
    pub(crate) fn of(identity: &[u8]) -> Digest {
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::hash(identity).as_bytes()[..16]);
        Digest(digest)
    }

    /// Stands for a digest that nobody asked for. BLAKE3 gives it to no payload that anyone could find.
    pub(crate) const NONE: Digest = Digest([0; 16]);

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The digest that [`Digest::to_bytes`] gave these of.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Digest {
        Digest(bytes)
    }

    /// Its 32 hexadecimal digits, in lower case.
    pub(crate) fn to_hex(self) -> Hex {
        let mut digits = [0; 32];
        for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        }
        Hex(digits)
    }

    /// Reads 32 hexadecimal digits, in lower case.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Digest> {
        let digits = text.as_bytes();
        let mut digest = [0; 16];
        if digits.len() != 32 || digits.iter().any(u8::is_ascii_uppercase) {
            return None;
        }
        for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Some(Digest(digest))
    }
}

const HEX: [u8; 16] = *b"0123456789abcdef";

/// A digest in hexadecimal digits.
pub(crate) struct Hex([u8; 32]);

impl Hex {
    pub(crate) fn as_str(&self) -> &str {
        // They are digits.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Appends what a contract reads from a header to an identity: a line each, the value as JSON. Neither
/// has a raw line end, so nothing can be confused.
pub(crate) fn write_header(name: &str, value: &str, identity: &mut Vec<u8>) {
    identity.push(b'\n');
    identity.extend_from_slice(name.as_bytes());
    identity.extend_from_slice(b": ");
    write_string(value, identity);
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_hex().as_str())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
