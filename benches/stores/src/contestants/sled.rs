//! sled 0.34: one tree, tables told apart by the first byte of the key, one batch a commit.
//!
//! Its flush gives the bytes to the disk without asking the disk to keep them, so an `fdatasync` of its
//! file follows: without it, a power cut could take what was acknowledged.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;

use crate::Failure;
use crate::contestant::{CACHE_BYTES, Contestant};
use crate::work::Event;

pub(crate) struct Sled {
    database: sled::Db,
    file: File,
    /// Where the next row of the outbox goes.
    outbox_next: u64,
}

impl Sled {
    pub(crate) fn open(folder: &Path) -> Result<Sled, Failure> {
        let database = sled::Config::new().path(folder).cache_capacity(CACHE_BYTES as u64).open()?;
        let file = File::open(folder.join("db"))?;
        let last = database.scan_prefix(b"O").next_back().transpose()?;
        let outbox_next = match last {
            Some((key, _)) => u64::from_be_bytes(key[1..].try_into()?) + 1,
            None => 0,
        };
        Ok(Sled { database, file, outbox_next })
    }
}

impl Contestant for Sled {
    fn commit(&mut self, events: &[Event]) -> Result<u64, Failure> {
        let mut batch = sled::Batch::default();
        // What is in the batch is not in the tree yet.
        let mut here = HashSet::with_capacity(events.len());
        let mut new = 0;
        for event in events {
            let key = table(b'E', &event.key());
            if !here.insert(event.key()) || self.database.contains_key(&key)? {
                continue;
            }
            new += 1;
            batch.insert(key, &event.body[..]);
            batch.insert(table(b'S', &event.session), event.state.as_bytes());
            if let Some(record) = &event.record {
                batch.insert(table(b'O', &self.outbox_next.to_be_bytes()), record.as_bytes());
                self.outbox_next += 1;
            }
        }
        self.database.apply_batch(batch)?;
        self.database.flush()?;
        self.file.sync_data()?;
        Ok(new)
    }

    fn read(&mut self, event: &Event) -> Result<bool, Failure> {
        let body = self.database.get(table(b'E', &event.key()))?;
        Ok(body.is_some_and(|body| body == *event.body))
    }

    fn count(&mut self) -> Result<u64, Failure> {
        let mut count = 0;
        for row in self.database.scan_prefix(b"E") {
            row?;
            count += 1;
        }
        Ok(count)
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        self.database.flush()?;
        drop(self.database);
        Ok(self.file.sync_all()?)
    }
}

fn table(table: u8, key: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(1 + key.len());
    whole.push(table);
    whole.extend_from_slice(key);
    whole
}
