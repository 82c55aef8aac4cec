//! From a path to the bytes behind it, decompressed.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::chunks::{Chunk, Chunker};

/// Bytes that tell one form from another.
const MAGIC_BYTES: usize = 4;
const GZIP: [u8; 2] = [0x1F, 0x8B];
const ZSTD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// Zstd frames to be skipped have 0x50 to 0x5F first.
const ZSTD_SKIPPED: [u8; 3] = [0x2A, 0x4D, 0x18];

/// How an export is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

/// An export that is being read.
pub struct Export {
    /// Its name as the user gave it; `-` is standard input.
    pub name: String,
    /// How it is compressed.
    pub compression: Compression,
    chunker: Chunker,
    reader: Box<dyn Read + Send>,
}

/// Why an export cannot be opened. The cause is the `source`.
#[derive(Debug)]
pub struct OpenError {
    /// The export.
    pub name: String,
    /// Why.
    pub error: io::Error,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot open `{}`", self.name)
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Why an export cannot be read to its end. What came before is good.
#[derive(Debug)]
pub struct ReadError {
    /// The export.
    pub name: String,
    /// Bytes, decompressed, that were read before.
    pub after: u64,
    compression: Compression,
    /// Why.
    pub error: io::Error,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, after) = (&self.name, self.after);
        let form = match self.compression {
            Compression::None => return write!(f, "cannot read `{name}` past byte {after}"),
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        };
        if self.error.kind() == io::ErrorKind::UnexpectedEof {
            write!(
                f,
                "`{name}` is truncated: its {form} data ends in the middle, after {after} bytes of text; what came before was kept"
            )
        } else {
            write!(
                f,
                "`{name}` is damaged: its {form} data cannot be read past {after} bytes of text; what came before was kept"
            )
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl Export {
    /// Opens a file, or standard input for `-`. `progress` counts the bytes read, as they are on
    /// the disk.
    ///
    /// # Errors
    /// When it cannot be opened, or its first bytes cannot be read.
    pub fn open(path: &Path, progress: &Arc<AtomicU64>) -> Result<Export, OpenError> {
        let name = path.display().to_string();
        let error = |error| OpenError { name: name.clone(), error };
        let raw: Box<dyn Read + Send> = if path.as_os_str() == "-" {
            Box::new(io::stdin())
        } else {
            let file = File::open(path).map_err(error)?;
            if file.metadata().map_err(error)?.is_dir() {
                let problem = format!("it is a folder: name the files in it, as `{}/*`", path.display());
                return Err(error(io::Error::new(io::ErrorKind::IsADirectory, problem)));
            }
            Box::new(file)
        };
        Export::new(name.clone(), Counted { raw, count: Arc::clone(progress) }).map_err(error)
    }

    /// Reads an export from any bytes.
    ///
    /// # Errors
    /// When the first of them cannot be read.
    pub fn new(name: String, mut raw: impl Read + Send + 'static) -> io::Result<Export> {
        let mut magic = Vec::with_capacity(MAGIC_BYTES);
        (&mut raw).take(MAGIC_BYTES as u64).read_to_end(&mut magic)?;
        let compression = compression_of(&magic);
        let raw = Cursor::new(magic).chain(raw);
        let reader: Box<dyn Read + Send> = match compression {
            Compression::None => Box::new(raw),
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(1 << 16, raw))),
            Compression::Zstd => Box::new(zstd::Decoder::new(raw)?),
        };
        Ok(Export { name, compression, chunker: Chunker::default(), reader })
    }

    /// The first bytes of the text, at least `length` if there are as many. Nothing is used up.
    pub fn peek(&mut self, length: usize) -> &[u8] {
        self.chunker.peek(&mut self.reader, length)
    }

    /// The text as one stream, for files whose lines may have any length. Nothing was taken before.
    #[must_use]
    pub fn into_reader(self) -> Box<dyn Read + Send> {
        self.reader
    }

    /// Gives out the next chunk; its bytes are put into `into`, in place of what was there.
    ///
    /// # Errors
    /// When the export cannot be read further. What could be read was given out before, and after
    /// the error there is nothing more.
    pub fn next_chunk(&mut self, into: &mut Vec<u8>) -> Result<Option<Chunk>, ReadError> {
        self.chunker.next(&mut self.reader, into).map_err(|error| ReadError {
            name: self.name.clone(),
            after: self.chunker.offset(),
            compression: self.compression,
            error,
        })
    }
}

fn compression_of(magic: &[u8]) -> Compression {
    if magic.starts_with(&GZIP) {
        Compression::Gzip
    } else if magic == ZSTD || (magic.len() == 4 && magic[0] & 0xF0 == 0x50 && magic[1..] == ZSTD_SKIPPED) {
        Compression::Zstd
    } else {
        Compression::None
    }
}

/// Counts what goes through it.
struct Counted {
    raw: Box<dyn Read + Send>,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.raw.read(into)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
