//! A body: content that can be erased, compressed by itself when that pays.

use std::cell::RefCell;

use super::first_16;

/// Bytes of content that a body may have.
pub const BODY_BYTES_MAX: usize = 16 << 20;

/// Shorter content is not worth a try.
const COMPRESSED_FROM: usize = 100;

/// How a body is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    None,
    /// One zstd frame.
    Zstd,
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
    /// Hashes and compresses `content`. This is the costly part of an append, so it is apart from
    /// it: callers do it on threads of their own.
    ///
    /// Measured on webhooks of fourteen platforms, one by one (share of the size kept, microseconds
    /// to compress and to decompress):
    ///
    /// | bytes | zstd 1 | zstd 3 | zstd -1 | lz4 |
    /// |---|---|---|---|---|
    /// | ~360 | 0.67, 4.5, 1.6 | 0.67, 4.7, 1.8 | 0.79, 2.1, 0.3 | 0.78, 0.8, 0.2 |
    /// | ~1,060 | 0.50, 6.4, 2.8 | 0.50, 7.8, 3.0 | 0.60, 2.2, 0.6 | 0.64, 1.8, 0.5 |
    /// | ~3,200 | 0.36, 10.7, 4.7 | 0.35, 12.4, 4.4 | 0.46, 7.6, 3.0 | 0.52, 4.5, 1.2 |
    ///
    /// zstd at level 1: a fifth to a third smaller than lz4 for as long as the log is kept, and its
    /// five microseconds are less than what the signature and the reading of a webhook take beside
    /// it. Higher levels gain next to nothing at these sizes.
    #[must_use]
    pub fn new(content: &[u8]) -> Body {
        let (compression, stored) = match compressed(content) {
            Some(stored) => (Compression::Zstd, stored),
            None => (Compression::None, content.to_vec()),
        };
        Body { compression, content_bytes: content.len(), hash: hash(content), stored }
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
        // Making a compressor costs more than a small body.
        static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> =
            RefCell::new(zstd::bulk::Compressor::new(1).ok());
    }
    if content.len() < COMPRESSED_FROM {
        return None;
    }
    let stored = COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut()?.compress(content).ok())?;
    (stored.len() <= content.len() - content.len() / 8).then_some(stored)
}

/// The content again, or nothing when the stored bytes are not those of the hash.
pub(super) fn content(
    compression: Compression,
    stored: &[u8],
    content_bytes: usize,
    expected: [u8; 16],
) -> Option<Vec<u8>> {
    thread_local! {
        static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> =
            RefCell::new(zstd::bulk::Decompressor::new().ok());
    }
    let content = match compression {
        Compression::None => stored.to_vec(),
        Compression::Zstd => DECOMPRESSOR
            .with_borrow_mut(|decompressor| decompressor.as_mut()?.decompress(stored, content_bytes).ok())?,
    };
    (content.len() == content_bytes && hash(&content) == expected).then_some(content)
}

fn hash(content: &[u8]) -> [u8; 16] {
    first_16(&blake3::hash(content))
}
