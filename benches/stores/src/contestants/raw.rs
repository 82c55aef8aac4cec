//! A file: the physical limit of an append that is durable.
//!
//! Length, checksum and payload of each event in one write, then one `fdatasync`. It finds no duplicate,
//! keeps no state and no outbox, and to find anything it has to be read from the front.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::Failure;
use crate::contestant::Contestant;
use crate::work::Event;

pub(crate) struct Raw {
    file: File,
    buffer: Vec<u8>,
    records: u64,
}

impl Raw {
    /// Reads all there is, as a log without an index must: the end is where a checksum fails.
    pub(crate) fn open(folder: &Path) -> Result<Raw, Failure> {
        let path = folder.join("log");
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let (records, end) = scan(&file)?;
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        Ok(Raw { file, buffer: Vec::new(), records })
    }
}

impl Contestant for Raw {
    fn commit(&mut self, events: &[Event]) -> Result<u64, Failure> {
        self.buffer.clear();
        for event in events {
            self.buffer.extend_from_slice(&(event.body.len() as u32).to_le_bytes());
            self.buffer.extend_from_slice(&crc32c::crc32c(&event.body).to_le_bytes());
            self.buffer.extend_from_slice(&event.body);
        }
        self.file.write_all(&self.buffer)?;
        self.file.sync_data()?;
        self.records += events.len() as u64;
        Ok(events.len() as u64)
    }

    fn read(&mut self, event: &Event) -> Result<bool, Failure> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(8))?;
        let mut body = vec![0; event.body.len()];
        file.read_exact(&mut body)?;
        Ok(body == *event.body)
    }

    fn count(&mut self) -> Result<u64, Failure> {
        Ok(self.records)
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        Ok(self.file.sync_all()?)
    }
}

/// How many records there are, and where they end.
fn scan(file: &File) -> Result<(u64, u64), Failure> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let (mut records, mut end) = (0, 0);
    let mut body = Vec::new();
    loop {
        let mut head = [0; 8];
        let is_whole = |error: std::io::Error| match error.kind() {
            ErrorKind::UnexpectedEof => Ok(false),
            _ => Err(error),
        };
        if !reader.read_exact(&mut head).map_or_else(is_whole, |()| Ok(true))? {
            return Ok((records, end));
        }
        let [a, b, c, d, sum @ ..] = head;
        let length = u32::from_le_bytes([a, b, c, d]);
        body.resize(length as usize, 0);
        let is_there = reader.read_exact(&mut body).map_or_else(is_whole, |()| Ok(true))?;
        if !is_there || crc32c::crc32c(&body) != u32::from_le_bytes(sum) {
            return Ok((records, end));
        }
        records += 1;
        end += 8 + u64::from(length);
    }
}
