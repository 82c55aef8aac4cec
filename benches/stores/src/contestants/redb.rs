//! redb: a B-tree that is copied on write, `Durability::Immediate`, one transaction a commit.

use std::path::Path;

use redb::{Database, Durability, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _};
use redb::{TableDefinition, TableError};

use crate::Failure;
use crate::contestant::{CACHE_BYTES, Contestant};
use crate::work::{Event, Id};

const EVENTS: TableDefinition<[u8; 32], &[u8]> = TableDefinition::new("events");
const STATES: TableDefinition<Id, &str> = TableDefinition::new("states");
const OUTBOX: TableDefinition<u64, &str> = TableDefinition::new("outbox");

pub(crate) struct Redb {
    database: Database,
    /// Where the next row of the outbox goes.
    outbox_next: u64,
}

impl Redb {
    pub(crate) fn open(folder: &Path) -> Result<Redb, Failure> {
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(folder.join("db"))?;
        let outbox_next = match database.begin_read()?.open_table(OUTBOX) {
            Ok(outbox) => outbox.last()?.map_or(0, |(seq, _)| seq.value() + 1),
            Err(TableError::TableDoesNotExist(_)) => 0,
            Err(error) => return Err(error.into()),
        };
        Ok(Redb { database, outbox_next })
    }
}

impl Contestant for Redb {
    fn commit(&mut self, events: &[Event]) -> Result<u64, Failure> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        let mut new = 0;
        {
            let mut bodies = transaction.open_table(EVENTS)?;
            let mut states = transaction.open_table(STATES)?;
            let mut outbox = transaction.open_table(OUTBOX)?;
            for event in events {
                let key = event.key();
                if bodies.get(key)?.is_some() {
                    continue;
                }
                new += 1;
                bodies.insert(key, &event.body[..])?;
                states.insert(event.session, &*event.state)?;
                if let Some(record) = &event.record {
                    outbox.insert(self.outbox_next, &**record)?;
                    self.outbox_next += 1;
                }
            }
        }
        transaction.commit()?;
        Ok(new)
    }

    fn read(&mut self, event: &Event) -> Result<bool, Failure> {
        let body = self.database.begin_read()?.open_table(EVENTS)?.get(event.key())?;
        Ok(body.is_some_and(|body| body.value() == &*event.body))
    }

    fn count(&mut self) -> Result<u64, Failure> {
        Ok(self.database.begin_read()?.open_table(EVENTS)?.len()?)
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        drop(self.database);
        Ok(())
    }
}
