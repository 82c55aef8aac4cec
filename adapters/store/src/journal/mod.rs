//! The journal: a write-ahead log of segment files, the truth of its store.
//!
//! A commit is one frame: it is written with one `write` and made durable with one `fdatasync`, and
//! only one frame is unsynced at a time. Read [`Journal::begin`], [`Journal::open`] and [`Damage`]
//! first.
//!
//! # What is promised
//!
//! - What [`Commit::finish`] acknowledged is there after a crash or a power cut: all records of a
//!   commit, or, of a commit that was not acknowledged, all or none.
//! - Records that are missing are never missing without a word. A **torn tail** is told from
//!   **damage**: it is the last frame, it fails, nothing valid follows, and no witness claims it.
//!   Anything else is a [`Damage`] with segment, offset, reason, and the numbers that are lost, as
//!   far as they can be known. After a crash the last frame is exempt; after a clean close nothing is.
//! - What is damaged takes nothing else with it: readers go on at the next valid frame, looked for
//!   within the segment, or at the next segment. It stays where it is until its segment is retired.
//! - After a failed write or sync nothing is taken until the journal is opened again, and then what no
//!   witness claims is written and synced anew: a sync that failed may have left pages that are read
//!   from memory and are nowhere on the disk.
//!
//! # The folder
//!
//! | file | holds |
//! |---|---|
//! | `NNNNNNNN.log` | a segment; its number in decimal, eight digits or more, from 1 |
//! | `witness` | two slots at 0 and 4096: which segments there are, how far they go, whether it was closed |
//! | `retired` | which segments were let go |
//! | `ballast` | space, to be let go when the disk is full |
//! | `lock` | locked by the writer; its process id, as text |
//! | `*.new` | a segment, or the list of retired ones, that is not finished |
//!
//! # A segment
//!
//! All integers are little-endian. Frames begin at multiples of 8.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 64 | header |
//! | 4096 | 64 | slot A of the witness |
//! | 8192 | 64 | slot B |
//! | 12288 | | frames, one after the other; zeros after the last one, while it is written to |
//!
//! Header:
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 8 | `finislog` |
//! | 8 | 4 | version, 1 |
//! | 12 | 4 | CRC32C of bytes 0 to 12 and 16 to 64 |
//! | 16 | 8 | salt: random, the same in all segments of a journal |
//! | 24 | 8 | number of the segment |
//! | 32 | 8 | number of its first record, counted from 0 at the beginning of the journal |
//! | 40 | 8 | offset at which the frames of the segment before it end; 0 in the first |
//! | 48 | 16 | chain before its first frame |
//!
//! So the header of a segment also closes the one before it, and a sealed segment is checked to its end.
//! A segment gets its name when header and slot A are durable. Magic, version and checksum
//! stand where they stand in every later version.
//!
//! # A frame
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 8 | marker: the first 8 bytes of BLAKE3 over salt, segment and offset of the frame, 8 bytes each |
//! | 8 | 4 | number of records, at least 1 |
//! | 12 | 4 | bytes of the heads, *h* |
//! | 16 | 4 | bytes of the bodies, *b*, a multiple of 8 |
//! | 20 | 4 | CRC32C of the heads |
//! | 24 | 8 | number of the first record |
//! | 32 | 16 | chain before this frame |
//! | 48 | 4 | zero |
//! | 52 | 4 | CRC32C of bytes 0 to 52 |
//! | 56 | *h* | heads: for each record an entry and its head |
//! | | | zeros to a multiple of 8 |
//! | | *b* | bodies: for each record that has one, a slot |
//!
//! The marker ties a frame to its place: bytes of another place, of another journal, or of a body
//! that somebody sent in the shape of a frame, are no frame.
//!
//! An entry, followed by the head:
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 4 | bytes of the head, at most 65,536 |
//! | 4 | 1 | 0: no body; 1: body as it is; 3: body as one zstd frame, with dictionary 1; 2: the same, as it was written once |
//! | 5 | 3 | zero |
//! | 8 | 4 | with a body: its bytes as stored |
//! | 12 | 4 | with a body: its bytes as it was given, at most 16 MiB |
//! | 16 | 16 | with a body: the first 16 bytes of BLAKE3 over it, as stored; of a 2, as it was given |
//!
//! A slot, padded with zeros to a multiple of 8:
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 4 | CRC32C of the hash in the entry and the bytes as stored |
//! | 4 | 4 | `body` |
//! | 8 | | the bytes as stored |
//!
//! Erased, its first eight bytes are `\0erased\0`, and zeros follow.
//!
//! # The chain
//!
//! The chain after a frame is the first 16 bytes of BLAKE3 over bytes 8 to 52 of the frame, among them
//! the chain before it, and its heads. Before the first frame it is that of `finis journal` and the
//! salt. Bodies are under it by their hashes, so a body can be erased and the chain stays whole.
//!
//! Segments can be retired one by one, anywhere. Each begins with the chain of what was before it,
//! so what is left is checked by itself; and the list of retired segments has, for each stretch that
//! went, the number of records and the chain at its end, which the header after it must match.
//!
//! # The witness
//!
//! A slot, alternating between two places so that one is always whole:
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 2 | `fw` |
//! | 2 | 1 | version, 1 |
//! | 3 | 1 | 0: running; 1: closed |
//! | 4 | 4 | CRC32C of bytes 0 to 4 and 8 to 64 |
//! | 8 | 8 | salt |
//! | 16 | 8 | sequence; of two slots, the greater one speaks |
//! | 24 | 8 | segment up to which everything is durable |
//! | 32 | 8 | offset within it |
//! | 40 | 8 | number of records up to there |
//! | 48 | 16 | chain there |
//!
//! It stands in two places, since a file of its own cannot be made durable by the sync of another.
//! The slots of the *segment* are written with each frame and synced with it: they say what was durable
//! before, so they lag by that one frame, and the loss of more at the end of the file is seen. The file
//! *witness* is synced when a segment begins, at opening and at closing: the loss of a whole segment is
//! seen, and a closed journal ends exactly where it says.
//!
//! # The list of retired segments
//!
//! `finisout`, version (4), number of stretches (4); for each stretch its first and last segment (8 each),
//! the number of records (8) and the chain (16) at its end, zero when unknown; CRC32C of all before (4).

pub mod codec; // bytes, apart from any file
mod commit; // one, record by record
mod copy; // all of it elsewhere, beside a writer
mod damage; // what no crash leaves behind
mod disk; // the seam to the file system
mod erase; // bodies that go
mod error; // why not
mod layout; // what is in the folder
mod open; // putting in order what a crash left
mod place; // where things are
mod reader; // one record, or all
mod record; // what goes in, what comes out
mod retire; // segments that go
mod space; // stopping before the disk is full
mod walk; // from front to back
mod window; // a file, a stretch at a time
mod writer; // the journal itself

pub use codec::{BODY_BYTES_MAX, Body, Chain, FRAME_BYTES_MAX, FrameError, HEAD_BYTES_MAX, HeaderError, TooLarge};
pub use commit::Commit;
pub use copy::Copied;
pub use damage::{Damage, Reason};
pub use disk::{Access, Disk, DiskFile, Folder, LockError};
pub use error::{IoFault, JournalError, OpenError};
pub use open::Report;
pub use place::{Place, Position};
pub use reader::{Reader, Scan, Scanned};
pub use record::{Content, Entry, Record};
pub use retire::{Segment, Weight};
pub use space::Room;
pub(crate) use space::release_to_open;
pub use writer::{Journal, Settings};
