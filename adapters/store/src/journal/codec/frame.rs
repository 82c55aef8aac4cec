//! A frame: one commit. Its header and its heads are covered by the chain; its bodies by their
//! hashes, which stand among the heads, so that a body can go and the chain stay whole.

use std::fmt;

use super::body::{self, BODY_BYTES_MAX, Body, Compression};
use super::layout::{ALIGN, aligned, array, crc, u32_at, u64_at};
use super::{Chain, first_16};
use crate::journal::{Position, Record};

/// Bytes of the header of a frame.
pub const FRAME_HEADER_BYTES: usize = 56;

/// Bytes that a frame may have: one commit, and what is read at a time.
pub const FRAME_BYTES_MAX: usize = 128 << 20;

/// Bytes that the head of a record may have.
pub const HEAD_BYTES_MAX: usize = 64 << 10;

/// What an erased body begins with. It stands in one sector, so it is there or it is not, and it is
/// not one bit, nor a few, away from what a body that is there begins with.
pub const SLOT_ERASED: [u8; 8] = *b"\0erased\0";

/// What a body that is there begins with, past its checksum.
const SLOT_HERE: [u8; 4] = *b"body";
const SLOT_PREFIX_BYTES: usize = 8;

/// Bytes that a draft keeps for the next one.
const KEPT_BYTES: usize = 4 << 20;

const ENTRY_BYTES: usize = 8;
const ENTRY_BODY_BYTES: usize = 24;

/// What a frame begins with: a hash of where it is, with the salt of the journal. Bytes of another
/// place or another journal are no frame here, nor are bytes that somebody sent us as a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker([u8; 8]);

impl Marker {
    /// The marker of the frame that begins there.
    #[must_use]
    pub fn new(salt: u64, at: Position) -> Marker {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&salt.to_le_bytes());
        bytes[8..16].copy_from_slice(&at.segment.to_le_bytes());
        bytes[16..].copy_from_slice(&at.offset.to_le_bytes());
        Marker(array(&first_16(&blake3::hash(&bytes)), 0))
    }
}

/// A header whose checksum holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// How many records.
    pub records: u32,
    /// Bytes of the section of heads.
    pub heads_bytes: u32,
    /// Bytes of the section of bodies.
    pub bodies_bytes: u32,
    heads_sum: u32,
    /// Number of its first record, counted from the beginning of the journal.
    pub first: u64,
    /// The chain before it.
    pub before: Chain,
}

impl FrameHeader {
    /// Bytes of header and heads, up to the first body.
    #[must_use]
    pub fn head_section_end(&self) -> usize {
        FRAME_HEADER_BYTES + self.heads_bytes as usize
    }

    /// Bytes of the whole frame.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        aligned(self.head_section_end()) + self.bodies_bytes as usize
    }

    /// Whether bytes could be a header by their checksum alone: a quick look, before
    /// [`FrameHeader::decode`].
    #[must_use]
    pub fn plausible(bytes: &[u8]) -> bool {
        bytes.get(..FRAME_HEADER_BYTES).is_some_and(|bytes| u32_at(bytes, 52) == crc32c::crc32c(&bytes[..52]))
    }

    /// # Errors
    /// When the bytes are no header of a frame that begins where the marker says.
    pub fn decode(bytes: &[u8], marker: Marker) -> Result<FrameHeader, FrameError> {
        let Some(bytes) = bytes.get(..FRAME_HEADER_BYTES) else { return Err(FrameError::Short) };
        if bytes.iter().all(|byte| *byte == 0) {
            return Err(FrameError::Empty);
        }
        if bytes[..8] != marker.0 {
            return Err(FrameError::Marker);
        }
        if !FrameHeader::plausible(bytes) {
            return Err(FrameError::HeaderChecksum);
        }
        let header = FrameHeader {
            records: u32_at(bytes, 8),
            heads_bytes: u32_at(bytes, 12),
            bodies_bytes: u32_at(bytes, 16),
            heads_sum: u32_at(bytes, 20),
            first: u64_at(bytes, 24),
            before: Chain(array(bytes, 32)),
        };
        let (heads, bodies) = (header.heads_bytes as usize, header.bodies_bytes as usize);
        let bounded = heads <= FRAME_BYTES_MAX && bodies <= FRAME_BYTES_MAX && header.frame_bytes() <= FRAME_BYTES_MAX;
        let room = (header.records as usize).checked_mul(ENTRY_BYTES).is_some_and(|least| least <= heads);
        let counted = header.first.checked_add(u64::from(header.records)).is_some();
        if bounded && room && counted && header.records > 0 && bodies % ALIGN == 0 {
            Ok(header)
        } else {
            Err(FrameError::Lengths)
        }
    }

    /// The records of a frame, from its header and heads; `bytes` begins where the frame does.
    /// Bodies are not looked at: [`Decoded::slot`] says where each is.
    ///
    /// # Errors
    /// When the heads are not those of the header.
    pub fn heads<'b>(&self, bytes: &'b [u8]) -> Result<Vec<Decoded<'b>>, FrameError> {
        let Some(section) = bytes.get(FRAME_HEADER_BYTES..self.head_section_end()) else {
            return Err(FrameError::Short);
        };
        if crc32c::crc32c(section) != self.heads_sum {
            return Err(FrameError::HeadsChecksum);
        }
        let mut slot_at = aligned(self.head_section_end());
        let mut rest = section;
        let mut records = Vec::with_capacity(self.records as usize);
        for _ in 0..self.records {
            let (record, after) = take_record(rest, &mut slot_at).ok_or(FrameError::Entries)?;
            records.push(record);
            rest = after;
        }
        if rest.is_empty() && slot_at == self.frame_bytes() { Ok(records) } else { Err(FrameError::Entries) }
    }

    /// The chain after this frame; `bytes` begins where the frame does and its heads are sound.
    #[must_use]
    pub fn after(&self, bytes: &[u8]) -> Chain {
        // The marker stays out: it says where the frame is, not what it is.
        let covered = bytes.get(8..52).unwrap_or_default();
        let heads = bytes.get(FRAME_HEADER_BYTES..self.head_section_end()).unwrap_or_default();
        Chain::of(&[covered, heads])
    }
}

/// A record of a frame that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded<'b> {
    /// Its head.
    pub head: &'b [u8],
    /// Where its body is, if it has one.
    pub slot: Option<Slot>,
}

/// Where a body is, and what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// From the beginning of the frame, in bytes.
    pub at: usize,
    /// Bytes as stored, past the prefix of the slot.
    pub stored_bytes: usize,
    content_bytes: usize,
    compression: Compression,
    hash: [u8; 16],
}

/// What is in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotState<'b> {
    /// The stored bytes, and their checksum holds.
    Here(&'b [u8]),
    /// The body was erased.
    Erased,
    /// Neither a body nor the mark of one that was erased.
    Damaged,
}

impl Slot {
    /// Where the slot ends, without padding, from the beginning of the frame.
    #[must_use]
    pub fn end(&self) -> usize {
        self.at + SLOT_PREFIX_BYTES + self.stored_bytes
    }

    /// Where the stored bytes begin, from the beginning of the frame.
    #[must_use]
    pub fn stored_at(&self) -> usize {
        self.at + SLOT_PREFIX_BYTES
    }

    /// What is in it; `bytes` begins where the slot does.
    #[must_use]
    pub fn state<'b>(&self, bytes: &'b [u8]) -> SlotState<'b> {
        let Some((prefix, stored)) = bytes.split_first_chunk::<SLOT_PREFIX_BYTES>() else { return SlotState::Damaged };
        if *prefix == SLOT_ERASED {
            return SlotState::Erased;
        }
        match stored.get(..self.stored_bytes) {
            Some(stored) if *prefix == slot_prefix(self.hash, stored) => SlotState::Here(stored),
            _ => SlotState::Damaged,
        }
    }

    /// The content, or nothing when the stored bytes are not those of its hash.
    #[must_use]
    pub fn content(&self, stored: &[u8]) -> Option<Vec<u8>> {
        body::content(self.compression, stored, self.content_bytes, self.hash)
    }
}

fn slot_prefix(hash: [u8; 16], stored: &[u8]) -> [u8; SLOT_PREFIX_BYTES] {
    // With the hash, so that a body in the place of another is none.
    let mut prefix = [0; SLOT_PREFIX_BYTES];
    prefix[..4].copy_from_slice(&crc(&hash, stored).to_le_bytes());
    prefix[4..].copy_from_slice(&SLOT_HERE);
    prefix
}

fn take_record<'b>(section: &'b [u8], slot_at: &mut usize) -> Option<(Decoded<'b>, &'b [u8])> {
    let (entry, mut rest) = section.split_at_checked(ENTRY_BYTES)?;
    let head_bytes = u32_at(entry, 0) as usize;
    let compression = match entry[4..] {
        [0, 0, 0, 0] => None,
        [1, 0, 0, 0] => Some(Compression::None),
        [2, 0, 0, 0] => Some(Compression::ZstdHashedBefore),
        [3, 0, 0, 0] => Some(Compression::Zstd),
        _ => return None,
    };
    let mut slot = None;
    if let Some(compression) = compression {
        let (body, after) = rest.split_at_checked(ENTRY_BODY_BYTES)?;
        rest = after;
        let (stored_bytes, content_bytes) = (u32_at(body, 0) as usize, u32_at(body, 4) as usize);
        if stored_bytes > FRAME_BYTES_MAX || content_bytes > BODY_BYTES_MAX {
            return None;
        }
        let found = Slot { at: *slot_at, stored_bytes, content_bytes, compression, hash: array(body, 8) };
        *slot_at = slot_at.checked_add(aligned(SLOT_PREFIX_BYTES + stored_bytes))?;
        slot = Some(found);
    }
    if head_bytes > HEAD_BYTES_MAX {
        return None;
    }
    let (head, rest) = rest.split_at_checked(head_bytes)?;
    Some((Decoded { head, slot }, rest))
}

/// A frame that was read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'b> {
    /// Its header.
    pub header: FrameHeader,
    /// Its records, each with what is in its slot.
    pub records: Vec<(Decoded<'b>, Option<SlotState<'b>>)>,
    /// The chain after it.
    pub after: Chain,
}

impl Frame<'_> {
    /// No body is damaged. Erased ones are as they should be.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.records.iter().all(|(_, state)| *state != Some(SlotState::Damaged))
    }

    /// Number of the record after its last.
    #[must_use]
    pub fn next(&self) -> u64 {
        // Within range: the header was checked for it.
        self.header.first.saturating_add(u64::from(self.header.records))
    }
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The bytes end before the frame does.
    Short,
    /// Where the header would be, all is zero.
    Empty,
    /// It does not begin as the frame of this place does.
    Marker,
    /// The checksum of the header is not that of its bytes.
    HeaderChecksum,
    /// The header is sound, and its lengths are no frame's.
    Lengths,
    /// The checksum of the heads is not that of their bytes.
    HeadsChecksum,
    /// The heads are sound, and their lengths are no frame's.
    Entries,
}

/// More than a frame takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// What is too large.
    pub what: &'static str,
    /// Its bytes.
    pub bytes: usize,
    /// The bytes that it may have.
    pub bytes_max: usize,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TooLarge { what, bytes, bytes_max } = self;
        write!(f, "a {what} of {bytes} bytes is more than the journal takes, {bytes_max}")
    }
}

impl std::error::Error for TooLarge {}

/// A frame that is being made, record by record.
#[derive(Debug, Default)]
pub struct Draft {
    heads: Vec<u8>,
    bodies: Vec<u8>,
    records: u32,
}

impl Draft {
    /// Adds a record.
    ///
    /// # Errors
    /// When it is too large, or the frame would be; it is then as it was.
    pub fn push(&mut self, head: &[u8], body: Option<&Body>) -> Result<(), TooLarge> {
        within("head", head.len(), HEAD_BYTES_MAX)?;
        let mut frame_bytes = self.frame_bytes() + aligned(ENTRY_BYTES + head.len());
        if let Some(body) = body {
            within("body", body.content_bytes, BODY_BYTES_MAX)?;
            frame_bytes += ENTRY_BODY_BYTES + aligned(SLOT_PREFIX_BYTES + body.stored.len());
        }
        within("commit", frame_bytes, FRAME_BYTES_MAX)?;

        self.heads.extend_from_slice(&(head.len() as u32).to_le_bytes());
        let kind = match body {
            None => 0,
            Some(Body { compression: Compression::None, .. }) => 1,
            Some(Body { compression: Compression::ZstdHashedBefore, .. }) => 2,
            Some(Body { compression: Compression::Zstd, .. }) => 3,
        };
        self.heads.extend_from_slice(&[kind, 0, 0, 0]);
        if let Some(body) = body {
            self.heads.extend_from_slice(&(body.stored.len() as u32).to_le_bytes());
            self.heads.extend_from_slice(&(body.content_bytes as u32).to_le_bytes());
            self.heads.extend_from_slice(&body.hash);
            self.bodies.extend_from_slice(&slot_prefix(body.hash, &body.stored));
            self.bodies.extend_from_slice(&body.stored);
            self.bodies.resize(aligned(self.bodies.len()), 0);
        }
        self.heads.extend_from_slice(head);
        self.records += 1;
        Ok(())
    }

    /// How many records it has.
    #[must_use]
    pub fn records(&self) -> u32 {
        self.records
    }

    /// Bytes of the frame as it is.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        aligned(FRAME_HEADER_BYTES + self.heads.len()) + self.bodies.len()
    }

    /// Writes the frame at the end of `into`, and gives the chain after it. `first` is the number of the
    /// first record, `before` the chain so far.
    pub fn encode(&self, first: u64, before: Chain, marker: Marker, into: &mut Vec<u8>) -> Chain {
        let start = into.len();
        into.reserve(self.frame_bytes());
        into.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
        into.extend_from_slice(&self.heads);
        into.resize(start + aligned(into.len() - start), 0);
        into.extend_from_slice(&self.bodies);
        let header = FrameHeader {
            records: self.records,
            // Both are within what a frame may have.
            heads_bytes: self.heads.len() as u32,
            bodies_bytes: self.bodies.len() as u32,
            heads_sum: crc32c::crc32c(&self.heads),
            first,
            before,
        };
        let frame = &mut into[start..];
        frame[..8].copy_from_slice(&marker.0);
        frame[8..12].copy_from_slice(&header.records.to_le_bytes());
        frame[12..16].copy_from_slice(&header.heads_bytes.to_le_bytes());
        frame[16..20].copy_from_slice(&header.bodies_bytes.to_le_bytes());
        frame[20..24].copy_from_slice(&header.heads_sum.to_le_bytes());
        frame[24..32].copy_from_slice(&header.first.to_le_bytes());
        frame[32..48].copy_from_slice(&header.before.0);
        let sum = crc32c::crc32c(&frame[..52]);
        frame[52..56].copy_from_slice(&sum.to_le_bytes());
        header.after(frame)
    }

    /// Takes all records out again. Space is kept for the next, unless it is a lot.
    pub fn clear(&mut self) {
        self.records = 0;
        for bytes in [&mut self.heads, &mut self.bodies] {
            bytes.clear();
            bytes.shrink_to(KEPT_BYTES);
        }
    }
}

fn within(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), TooLarge> {
    if bytes <= bytes_max { Ok(()) } else { Err(TooLarge { what, bytes, bytes_max }) }
}

/// Writes the frame of these records at the end of `into`, and gives the chain after it: what [`Draft`]
/// does, for records that are there already.
///
/// # Errors
/// When a head, a body or the frame is too large, and then nothing is written.
pub fn encode(
    records: &[Record],
    first: u64,
    before: Chain,
    marker: Marker,
    into: &mut Vec<u8>,
) -> Result<Chain, TooLarge> {
    let mut draft = Draft::default();
    for record in records {
        draft.push(&record.head, record.body.as_ref())?;
    }
    Ok(draft.encode(first, before, marker, into))
}

/// Reads the frame that `bytes` begin with; what follows it is not looked at.
///
/// A damaged body is no error: the rest of the frame is good, and [`Frame::is_whole`] says so.
///
/// # Errors
/// When header or heads are not those of a frame.
pub fn decode(bytes: &[u8], marker: Marker) -> Result<Frame<'_>, FrameError> {
    let header = FrameHeader::decode(bytes, marker)?;
    let Some(bytes) = bytes.get(..header.frame_bytes()) else { return Err(FrameError::Short) };
    let records = header.heads(bytes)?;
    let state = |slot: Slot| slot.state(bytes.get(slot.at..).unwrap_or_default());
    let records = records.into_iter().map(|record| (record, record.slot.map(state))).collect();
    Ok(Frame { header, records, after: header.after(bytes) })
}
