//! The bytes of a journal, apart from any file. Nothing here trusts a length, and nothing panics.

mod body; // content, compressed when that pays
mod frame; // one commit
mod layout; // integers and what is where
mod retired; // the segments that were let go
mod segment; // the header of a segment
mod witness; // what is durable, said elsewhere

pub use body::{BODY_BYTES_MAX, Body, Compression};
pub use frame::{
    Decoded, Draft, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, Frame, FrameError, FrameHeader, HEAD_BYTES_MAX, Marker,
    SLOT_ERASED, Slot, SlotState, TooLarge, decode, encode,
};
pub use retired::{Retired, RetiredError, RetiredRange};
pub use segment::{HEADER_BYTES, HeaderError, SegmentHeader, VERSION};
pub use witness::{SLOT_BYTES, Witness, WitnessState};

use std::fmt;

/// The running hash of a journal: 16 bytes of BLAKE3 over all heads, and all hashes of bodies, so far.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chain(pub [u8; 16]);

impl Chain {
    /// The value before the first frame of the journal with this salt.
    #[must_use]
    pub fn start(salt: u64) -> Chain {
        Chain::of(&[b"finis journal", &salt.to_le_bytes()])
    }

    fn of(parts: &[&[u8]]) -> Chain {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(part);
        }
        Chain(first_16(&hasher.finalize()))
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn first_16(hash: &blake3::Hash) -> [u8; 16] {
    let [first @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *hash.as_bytes();
    first
}
