//! The witness: what is durable, said in another place than where it is.

use super::Chain;
use super::layout::{array, crc, u32_at, u64_at};
use crate::journal::Position;

/// Bytes of a slot.
pub const SLOT_BYTES: usize = 64;

const MAGIC: [u8; 2] = *b"fw";
const WITNESS_VERSION: u8 = 1;

/// Whether the journal was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WitnessState {
    /// It may go on past what is claimed.
    Running,
    /// It ends exactly there.
    Closed,
}

/// One slot of a witness. Of two, the valid one with the greater sequence speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Of the whole journal.
    pub salt: u64,
    /// Greater by one at each writing.
    pub sequence: u64,
    /// Everything before this is durable.
    pub end: Position,
    /// How many records that is.
    pub records: u64,
    /// The chain there.
    pub chain: Chain,
    /// Whether it was closed there.
    pub state: WitnessState,
}

impl Witness {
    /// As it stands in its slot.
    #[must_use]
    pub fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        bytes[..2].copy_from_slice(&MAGIC);
        bytes[2] = WITNESS_VERSION;
        bytes[3] = u8::from(self.state == WitnessState::Closed);
        bytes[8..16].copy_from_slice(&self.salt.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.end.segment.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.end.offset.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.records.to_le_bytes());
        bytes[48..].copy_from_slice(&self.chain.0);
        let sum = crc(&bytes[..4], &bytes[8..]);
        bytes[4..8].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Nothing when the bytes are no slot of this format.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Witness> {
        let bytes = bytes.get(..SLOT_BYTES)?;
        let sound = bytes[..2] == MAGIC && bytes[2] == WITNESS_VERSION && bytes[3] <= 1;
        if !sound || u32_at(bytes, 4) != crc(&bytes[..4], &bytes[8..]) {
            return None;
        }
        Some(Witness {
            salt: u64_at(bytes, 8),
            sequence: u64_at(bytes, 16),
            end: Position { segment: u64_at(bytes, 24), offset: u64_at(bytes, 32) },
            records: u64_at(bytes, 40),
            chain: Chain(array(bytes, 48)),
            state: if bytes[3] == 1 { WitnessState::Closed } else { WitnessState::Running },
        })
    }
}
