//! Any bytes as an export, as they are and compressed.
//!
//! Every byte of the text comes out once, in place, in chunks of whole lines, and it ends.

#![no_main]

use std::io::{Cursor, Read, Write};

use finis_files::{Compression, Content, Export, KEPT_BYTES, LINE_BYTES_MAX, Lines};
use flate2::bufread::MultiGzDecoder;
use libfuzzer_sys::fuzz_target;

/// Bytes of text that an input may stand for. A few bytes can stand for any number.
const TEXT_BYTES_MAX: u64 = 64 << 20;

fuzz_target!(|data: &[u8]| {
    // The first byte says how far to peek, the second where a compressed text is cut in two.
    let [peek, cut, bytes @ ..] = data else { return };
    let peek = usize::from(*peek) * 16;
    check(bytes.to_vec(), peek, None);

    let (left, right) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    let both = |compress: fn(&[u8]) -> Vec<u8>| [compress(left), compress(right)].concat();
    check(both(gzip), peek, Some(bytes));
    check(both(zstd), peek, Some(bytes));
});

/// Reads an export of these bytes. `text` is what it must give out; when nobody knows, another
/// reader says.
fn check(bytes: Vec<u8>, peek: usize, text: Option<&[u8]>) {
    let Ok(mut export) = Export::new("an export".into(), Cursor::new(bytes.clone())) else { return };
    let (expected, whole) = match text {
        Some(text) => (text.to_vec(), true),
        None => decompress(export.compression, &bytes),
    };
    if expected.len() as u64 == TEXT_BYTES_MAX {
        return;
    }
    let peeked = export.peek(peek).to_vec();
    assert!(peeked.len() >= peek.min(expected.len()) || !whole, "peeking stops early");

    let mut at = 0;
    let mut chunk_bytes = Vec::new();
    let outcome = loop {
        let chunk = match export.next_chunk(&mut chunk_bytes) {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        assert_eq!(chunk.offset, at as u64, "a chunk is out of place");
        assert!(!chunk_bytes.is_empty(), "a chunk of nothing");
        let rest = expected.get(at..).unwrap_or_default();
        match chunk.content {
            Content::Lines => {
                assert!(rest.starts_with(&chunk_bytes) || !whole, "a chunk is not what stands in the text");
                check_lines(&chunk_bytes);
                at += chunk_bytes.len();
                assert!(chunk_bytes.ends_with(b"\n") || at == expected.len() || !whole, "a line is torn");
            }
            Content::Overlong { length } => {
                let length = length as usize;
                assert!(length > LINE_BYTES_MAX && chunk_bytes.len() == KEPT_BYTES);
                assert!(rest.starts_with(&chunk_bytes) || !whole, "another line was kept");
                let line = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                assert!(line == length || !whole, "{length} bytes were passed over, not {line}");
                at += length + usize::from(at + length < expected.len());
            }
        }
    };
    assert_eq!(outcome.is_ok(), whole, "{outcome:?}");
    assert!(at == expected.len() || !whole, "{at} of {} bytes came out", expected.len());
    if let Err(error) = outcome {
        assert!(error.to_string().contains("an export"), "the export is not named: {error}");
    }
    assert!(matches!(export.next_chunk(&mut chunk_bytes), Ok(None)), "there is something after the end");
}

fn check_lines(bytes: &[u8]) {
    let mut at = 0;
    for (start, line) in Lines::new(bytes) {
        assert_eq!(start, at, "a line is out of place");
        assert!(!line.contains(&b'\n') && bytes[at..].starts_with(line));
        at += line.len() + 1;
    }
    assert!(at == bytes.len() || at == bytes.len() + 1, "lines are lost");
}

/// The text behind the bytes, at most [`TEXT_BYTES_MAX`], and whether it could be read to its end.
fn decompress(compression: Compression, bytes: &[u8]) -> (Vec<u8>, bool) {
    let reader: Box<dyn Read> = match compression {
        Compression::None => Box::new(bytes),
        Compression::Gzip => Box::new(MultiGzDecoder::new(bytes)),
        Compression::Zstd => Box::new(zstd::Decoder::with_buffer(bytes).expect("no room for zstd")),
    };
    let mut text = Vec::new();
    let whole = reader.take(TEXT_BYTES_MAX).read_to_end(&mut text).is_ok();
    (text, whole)
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 1).unwrap()
}
