//! A body: content that can be erased, compressed by itself when that pays.

use std::cell::RefCell;
use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

use super::first_16;

/// Bytes of content that a body may have.
pub const BODY_BYTES_MAX: usize = 16 << 20;

/// Ready tables in the dictionary make this level as quick as those below it, and they save more.
const LEVEL: i32 = 1;

/// What webhooks and records have in common: keys, and tables for how often a byte comes. It was made by
/// the example `train` from the samples that are shipped as fixtures. It is part of the format: whatever
/// was written with it is read with it.
static DICTIONARY: &[u8] = include_bytes!("dictionary/1.zdict");
static ENCODER: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

/// Shorter content is not worth a try.
const COMPRESSED_FROM: usize = 100;

/// Bytes that a thread keeps to compress into.
const KEPT_BYTES: usize = 64 << 10;

/// How a body is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    None,
    /// One zstd frame, with the dictionary.
    Zstd,
    /// The same, and the hash is that of the content. It is read, and no more written.
    ZstdHashedBefore,
}

/// A body as it is stored: made ready, on any thread, before it is appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    pub(super) compression: Compression,
    pub(super) content_bytes: usize,
    pub(super) hash: [u8; 16],
    pub(super) stored: Vec<u8>,
}

impl Body {
    /// Compresses and hashes `content`. This is the costly part of an append, so it is apart from
    /// it: callers do it on threads of their own.
    ///
    /// Measured one by one: share of the size kept, microseconds to compress, microseconds to decompress.
    /// The first row is of deliveries and records of the shipped providers, about 330 bytes each, which the
    /// dictionary was made from; the others are of a provider that it knows nothing of.
    ///
    /// | | zstd -1 | zstd 1 | zstd 1, dictionary |
    /// |---|---|---|---|
    /// | known | 0.90, 1.2, 0.2 | 0.73, 3.4, 1.4 | **0.27, 0.9, 0.3** |
    /// | events of 660 bytes | 0.93, 1.5, 0.2 | 0.69, 3.6, 1.3 | **0.74, 2.0, 1.3** |
    /// | records of 1,000 bytes | 0.77, 2.3, 0.5 | 0.57, 4.6, 1.9 | **0.64, 3.0, 1.9** |
    ///
    /// Two thirds of what level 1 costs on bodies this small is making tables, and the dictionary has
    /// them. Bodies are not compressed together: one of them can be erased.
    #[must_use]
    pub fn new(content: &[u8]) -> Body {
        let (compression, stored) = match compressed(content) {
            Some(stored) => (Compression::Zstd, stored),
            None => (Compression::None, content.to_vec()),
        };
        Body { compression, content_bytes: content.len(), hash: hash(&stored), stored }
    }

    /// Bytes on the disk.
    #[must_use]
    pub fn stored_bytes(&self) -> usize {
        self.stored.len()
    }
}

/// Kept when it saves an eighth at least: less is not worth the time of every later reading.
fn compressed(content: &[u8]) -> Option<Vec<u8>> {
    thread_local! {
        // Making a compressor costs more than a small body. Beside it is room for what it gives.
        static COMPRESSOR: RefCell<(Option<Compressor<'static>>, Vec<u8>)> =
            RefCell::new((Compressor::with_prepared_dictionary(&ENCODER).ok(), Vec::new()));
    }
    if content.len() < COMPRESSED_FROM {
        return None;
    }
    let (worth_bytes, room) = (content.len() - content.len() / 8, zstd::zstd_safe::compress_bound(content.len()));
    COMPRESSOR.with_borrow_mut(|(compressor, stored)| {
        stored.clear();
        stored.reserve(room);
        compressor.as_mut()?.compress_to_buffer(content, stored).ok()?;
        let kept = (stored.len() <= worth_bytes).then(|| stored.clone());
        stored.shrink_to(KEPT_BYTES);
        kept
    })
}

/// The content again, or nothing when the stored bytes are not those of the hash.
pub(super) fn content(
    compression: Compression,
    stored: &[u8],
    content_bytes: usize,
    expected: [u8; 16],
) -> Option<Vec<u8>> {
    thread_local! {
        static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> =
            RefCell::new(Decompressor::with_prepared_dictionary(&DECODER).ok());
    }
    let decompress =
        || DECOMPRESSOR.with_borrow_mut(|decompressor| decompressor.as_mut()?.decompress(stored, content_bytes).ok());
    let is_sound = |bytes: &[u8]| hash(bytes) == expected;
    let content = match compression {
        Compression::None => is_sound(stored).then(|| stored.to_vec())?,
        Compression::Zstd => is_sound(stored).then(decompress)??,
        Compression::ZstdHashedBefore => decompress().filter(|content| is_sound(content))?,
    };
    (content.len() == content_bytes).then_some(content)
}

fn hash(bytes: &[u8]) -> [u8; 16] {
    first_16(&blake3::hash(bytes))
}
