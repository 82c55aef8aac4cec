//! Packed events in memory: appended as they come, each to the part of the ids that it belongs to.

use std::ops::Range;
use std::sync::OnceLock;

use super::parts::Parts;
use super::sources::SourceId;
use crate::engine::PackedArrival;

/// Bytes of a block, the room that a part of one thread takes at a time.
const BLOCK_BYTES: usize = 16 << 10;

/// Bytes of a slab, out of which blocks are cut. The system gives it page by page, as it is used.
const SLAB_BYTES: usize = 32 << 20;

/// Events that a thread has seen before it says where parts begin and end.
const EARLY_ROWS: usize = 1 << 13;

/// Bytes before each event: how many it has, and its source.
const HEAD_BYTES: usize = 8;

/// The events that one thread packed.
pub(crate) struct Rows<'s> {
    /// Where parts begin and end; all threads go by the same.
    bounds: &'s OnceLock<Parts>,
    early: Early,
    slabs: Vec<Vec<u8>>,
    /// Bytes of the last slab that are taken.
    taken: usize,
    /// By part: the block that is being filled, and those that are full.
    open: Vec<Block>,
    full: Vec<Vec<Block>>,
    counts: Vec<usize>,
}

/// Events that came before it was known where parts begin and end.
#[derive(Default)]
struct Early {
    bytes: Vec<u8>,
    /// Source, bytes, and those of the id, which are among them.
    rows: Vec<(SourceId, Range<usize>, Range<usize>)>,
}

/// Bytes of a slab; offsets fit, for a slab is hardly longer than the longest line.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    slab: u32,
    start: u32,
    end: u32,
    full: u32,
}

impl Block {
    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// All events of a fold, by part, in the order of parts.
#[derive(Debug)]
pub(crate) struct Kept {
    slabs: Vec<Vec<u8>>,
    blocks: Vec<Vec<Block>>,
    counts: Vec<usize>,
}

/// A packed event and where it came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'k> {
    pub(crate) source: SourceId,
    pub(crate) packed: &'k [u8],
}

impl<'s> Rows<'s> {
    pub(crate) fn new(bounds: &'s OnceLock<Parts>) -> Rows<'s> {
        let (early, slabs) = (Early::default(), Vec::new());
        Rows { bounds, early, slabs, taken: 0, open: Vec::new(), full: Vec::new(), counts: Vec::new() }
    }

    /// Keeps an event.
    pub(crate) fn add(&mut self, arrival: &PackedArrival<'_, SourceId>) {
        if let Some(parts) = self.bounds.get() {
            let room = self.room(parts.part_of(arrival.id), arrival.source, arrival.packed_len());
            arrival.write(room);
        } else {
            self.early.add(arrival);
            if self.early.rows.len() == EARLY_ROWS {
                self.settle();
            }
        }
    }

    /// Puts early events where they belong. To be called at the end, too.
    fn settle(&mut self) {
        let early = std::mem::take(&mut self.early);
        if early.rows.is_empty() {
            return;
        }
        let parts = self.bounds.get_or_init(|| Parts::between(early.ids()));
        for (source, row, id) in &early.rows {
            self.room(parts.part_of(&early.bytes[id.clone()]), *source, row.len())
                .copy_from_slice(&early.bytes[row.clone()]);
        }
    }

    /// Room for one more event of a part.
    fn room(&mut self, part: usize, source: SourceId, length: usize) -> &mut [u8] {
        let bytes = HEAD_BYTES + length;
        if self.open.get(part).is_none_or(|block| ((block.full - block.end) as usize) < bytes) {
            self.open_block(part, bytes);
        }
        let block = &mut self.open[part];
        let start = block.end as usize;
        block.end += bytes as u32;
        self.counts[part] += 1;
        let (head, room) = self.slabs[block.slab as usize][start..start + bytes].split_at_mut(HEAD_BYTES);
        // Lines are bounded far below 4 GiB, and so is what they are packed to.
        head[..4].copy_from_slice(&(length as u32).to_le_bytes());
        head[4..].copy_from_slice(&source.0.to_le_bytes());
        room
    }

    /// Gives a part a new block, with room for so many bytes.
    fn open_block(&mut self, part: usize, bytes: usize) {
        if self.open.len() <= part {
            self.open.resize(part + 1, Block::default());
            self.full.resize_with(part + 1, Vec::new);
            self.counts.resize(part + 1, 0);
        }
        let room = bytes.max(BLOCK_BYTES);
        if self.slabs.last().is_none_or(|slab| slab.len() - self.taken < room) {
            self.slabs.push(vec![0; room.max(SLAB_BYTES)]);
            self.taken = 0;
        }
        let start = self.taken as u32;
        self.taken += room;
        let block = Block { slab: self.slabs.len() as u32 - 1, start, end: start, full: self.taken as u32 };
        let before = std::mem::replace(&mut self.open[part], block);
        self.full[part].push(before);
    }
}

impl Early {
    fn add(&mut self, arrival: &PackedArrival<'_, SourceId>) {
        let start = self.bytes.len();
        let end = start + arrival.packed_len();
        self.bytes.resize(end, 0);
        arrival.write(&mut self.bytes[start..]);
        self.bytes.extend_from_slice(arrival.id);
        self.rows.push((arrival.source, start..end, end..self.bytes.len()));
    }

    fn ids(&self) -> impl Iterator<Item = &[u8]> {
        self.rows.iter().map(|(_, _, id)| &self.bytes[id.clone()])
    }
}

impl Kept {
    /// Puts together what the threads packed.
    pub(crate) fn new(threads: Vec<Rows<'_>>) -> Kept {
        let mut kept = Kept { slabs: Vec::new(), blocks: Vec::new(), counts: Vec::new() };
        for mut rows in threads {
            rows.settle();
            let parts = rows.open.len().max(kept.blocks.len());
            kept.blocks.resize_with(parts, Vec::new);
            kept.counts.resize(parts, 0);
            let before = kept.slabs.len() as u32;
            kept.slabs.append(&mut rows.slabs);
            for (part, (full, open)) in rows.full.into_iter().zip(rows.open).enumerate() {
                let blocks = full.into_iter().chain([open]).filter(|block| block.end > block.start);
                kept.blocks[part].extend(blocks.map(|block| Block { slab: block.slab + before, ..block }));
                kept.counts[part] += rows.counts[part];
            }
        }
        kept
    }

    /// How many events each part has.
    pub(crate) fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// The events of a part, as they lie in memory.
    pub(crate) fn rows(&self, part: usize) -> impl Iterator<Item = Row<'_>> {
        self.blocks[part].iter().flat_map(|block| rows(self.bytes(*block)))
    }

    fn bytes(&self, block: Block) -> &[u8] {
        &self.slabs[block.slab as usize][block.range()]
    }

    /// Copies a part to one place: read from end to end, it then is in the processor's cache, and its
    /// events can be taken in any order.
    pub(crate) fn copy(&self, part: usize, into: &mut Vec<u8>) {
        into.clear();
        for block in &self.blocks[part] {
            into.extend_from_slice(self.bytes(*block));
        }
    }
}

/// The events among bytes, one after another.
pub(crate) fn rows(mut bytes: &[u8]) -> impl Iterator<Item = Row<'_>> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk()?;
        let (source, rest) = rest.split_first_chunk()?;
        let (packed, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        bytes = rest;
        Some(Row { source: SourceId(u32::from_le_bytes(*source)), packed })
    })
}
