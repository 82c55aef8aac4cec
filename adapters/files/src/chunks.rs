//! From bytes to chunks of whole lines.

use std::io::{self, Read};

use memchr::{memchr, memrchr};

/// Bytes read at a time. A chunk is about as large.
pub const CHUNK_BYTES: usize = 1 << 18;

/// Bytes of the longest line that is given out.
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// Bytes that are kept of a longer line, to know it by.
pub const KEPT_BYTES: usize = 64 << 10;

/// Part of an export.
#[derive(Debug)]
pub struct Chunk {
    /// Where it starts, in bytes of the text.
    pub offset: u64,
    /// What it is.
    pub content: Content,
}

/// What a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Whole lines. Only the last line of an export may lack its end.
    Lines,
    /// The first [`KEPT_BYTES`] of a single line that is too long.
    Overlong {
        /// How long, without its end.
        length: u64,
    },
}

/// What is between the bytes read and the chunks given out.
#[derive(Debug, Default)]
pub(crate) struct Chunker {
    /// Read, and not yet given out.
    ahead: Vec<u8>,
    /// Where `ahead` starts.
    offset: u64,
    ended: bool,
    failed: Option<io::Error>,
}

impl Chunker {
    /// The first bytes of the text, at least `length` if there are as many. Nothing is used up.
    pub(crate) fn peek(&mut self, reader: &mut dyn Read, length: usize) -> &[u8] {
        let mut ahead = std::mem::take(&mut self.ahead);
        while ahead.len() < length && !self.ended {
            let missing = length - ahead.len();
            self.read(reader, &mut ahead, missing);
        }
        self.ahead = ahead;
        &self.ahead
    }

    /// Bytes that were given out.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Puts the bytes of the next chunk into `into`. An error comes after all that could be read.
    pub(crate) fn next(&mut self, reader: &mut dyn Read, into: &mut Vec<u8>) -> io::Result<Option<Chunk>> {
        into.clear();
        std::mem::swap(into, &mut self.ahead);
        let offset = self.offset;
        let mut searched = 0;
        loop {
            if let Some(end) = memrchr(b'\n', &into[searched..]) {
                let end = searched + end + 1;
                self.ahead.extend_from_slice(&into[end..]);
                into.truncate(end);
                self.offset += end as u64;
                return Ok(Some(Chunk { offset, content: Content::Lines }));
            }
            if into.len() > LINE_BYTES_MAX {
                let length = self.skip_line(reader, into);
                return Ok(Some(Chunk { offset, content: Content::Overlong { length } }));
            }
            if self.ended {
                break;
            }
            searched = into.len();
            self.read(reader, into, CHUNK_BYTES);
        }
        self.offset += into.len() as u64;
        if !into.is_empty() {
            return Ok(Some(Chunk { offset, content: Content::Lines }));
        }
        self.failed.take().map_or(Ok(None), Err)
    }

    /// Reads to the end of the line that starts in `into`, keeping its first bytes alone.
    fn skip_line(&mut self, reader: &mut dyn Read, into: &mut Vec<u8>) -> u64 {
        let mut length = into.len() as u64;
        into.truncate(KEPT_BYTES);
        let mut block = Vec::with_capacity(CHUNK_BYTES);
        while !self.ended {
            block.clear();
            self.read(reader, &mut block, CHUNK_BYTES);
            if let Some(end) = memchr(b'\n', &block) {
                length += end as u64;
                self.ahead.extend_from_slice(&block[end + 1..]);
                self.offset += 1;
                break;
            }
            length += block.len() as u64;
        }
        self.offset += length;
        length
    }

    /// Reads `length` bytes more, fewer at the end. An error ends the export; it is said when all
    /// that came before it was given out.
    fn read(&mut self, reader: &mut dyn Read, into: &mut Vec<u8>, length: usize) {
        let before = into.len();
        into.reserve(length);
        // What was read before an error is kept.
        let outcome = reader.take(length as u64).read_to_end(into);
        self.ended = outcome.is_err() || into.len() - before < length;
        self.failed = outcome.err();
    }
}

/// The lines of a chunk, each with the place of its first byte, without its end.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    /// The lines of these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Lines<'a> {
        Lines { bytes, at: 0 }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at;
        let rest = &self.bytes[start..];
        if rest.is_empty() {
            return None;
        }
        let length = memchr(b'\n', rest).unwrap_or(rest.len());
        self.at = start + length + 1;
        self.at = self.at.min(self.bytes.len());
        Some((start, &rest[..length]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Export;

    /// All that an export gives out: offset, length if overlong, bytes.
    fn chunks(bytes: Vec<u8>) -> Vec<(u64, Option<u64>, Vec<u8>)> {
        let mut export = Export::new("test".into(), io::Cursor::new(bytes)).unwrap();
        let mut chunks = Vec::new();
        let mut into = Vec::new();
        while let Some(chunk) = export.next_chunk(&mut into).unwrap() {
            let length = match chunk.content {
                Content::Lines => None,
                Content::Overlong { length } => Some(length),
            };
            chunks.push((chunk.offset, length, into.clone()));
        }
        chunks
    }

    #[test]
    fn every_byte_is_given_out_once_and_in_place() {
        let mut text = Vec::new();
        for line in 0..200_000 {
            text.extend_from_slice(format!("line {line}\n").as_bytes());
        }
        text.extend_from_slice(b"no end");
        let mut joined = Vec::new();
        for (offset, overlong, bytes) in chunks(text.clone()) {
            assert_eq!(offset, joined.len() as u64);
            assert_eq!(overlong, None);
            joined.extend_from_slice(&bytes);
            assert!(bytes.ends_with(b"\n") || joined.len() == text.len());
        }
        assert_eq!(joined, text);
    }

    #[test]
    fn a_line_of_64_mib_is_passed_over() {
        let long = 64 << 20;
        let mut text = b"before\n".to_vec();
        text.resize(7 + long, b'x');
        text.extend_from_slice(b"\nafter\n");
        let chunks = chunks(text);
        let long = long as u64;
        assert_eq!(chunks[0], (0, None, b"before\n".to_vec()));
        assert_eq!(chunks[1], (7, Some(long), vec![b'x'; KEPT_BYTES]));
        assert_eq!(chunks[2], (7 + long + 1, None, b"after\n".to_vec()));
        assert_eq!(chunks.len(), 3);
    }

    #[test]
    fn peeking_uses_nothing_up() {
        let mut export = Export::new("test".into(), io::Cursor::new(b"one\ntwo\n".to_vec())).unwrap();
        assert_eq!(export.peek(100), b"one\ntwo\n");
        let mut into = Vec::new();
        export.next_chunk(&mut into).unwrap();
        assert_eq!(into, b"one\ntwo\n");
    }

    #[test]
    fn lines_know_where_they_start() {
        let lines: Vec<_> = Lines::new(b"a\n\nbc\nd").collect();
        assert_eq!(lines, [(0, &b"a"[..]), (2, b""), (3, b"bc"), (6, b"d")]);
        assert_eq!(Lines::new(b"a\n").count(), 1);
        assert_eq!(Lines::new(b"").count(), 0);
    }
}
