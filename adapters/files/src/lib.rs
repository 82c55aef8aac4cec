//! finis-files: reads log exports, plain or compressed, in chunks of whole lines.
//!
//! [`Export::open`] finds out by the first bytes whether a file is gzip (any number of members),
//! zstd (any number of frames) or plain. [`Export::next_chunk`] gives it out in chunks that end at
//! line ends, so that threads can work on them side by side; memory is bounded by the size of a
//! chunk and of the longest line that is allowed, whatever the file holds.
//!
//! No line is understood here: that is the engine's part.

mod chunks; // from bytes to chunks of whole lines
mod open; // from a path to bytes

pub use chunks::{CHUNK_BYTES, Chunk, Content, KEPT_BYTES, LINE_BYTES_MAX, Lines};
pub use open::{Compression, Export, OpenError, ReadError};
