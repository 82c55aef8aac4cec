//! SQLite: a WAL that is synced at every commit (`synchronous=FULL`), one transaction a commit.
//!
//! Three tables. That of events has row numbers besides its key, which is SQLite's own choice and its
//! quicker one here: payloads are appended, and only 32 bytes of each go into the tree of keys.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _};

use crate::Failure;
use crate::contestant::{CACHE_BYTES, Contestant};
use crate::work::Event;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS events (
        session BLOB NOT NULL, digest BLOB NOT NULL, received_at INTEGER NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY (session, digest)
    );
    CREATE TABLE IF NOT EXISTS states (session BLOB PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY, record TEXT NOT NULL);
";

pub(crate) struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    pub(crate) fn open(folder: &Path) -> Result<Sqlite, Failure> {
        let connection = Connection::open(folder.join("db"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // Negative: KiB, not pages.
        connection.pragma_update(None, "cache_size", -(CACHE_BYTES as i64 >> 10))?;
        connection.execute_batch(TABLES)?;
        Ok(Sqlite { connection })
    }
}

impl Contestant for Sqlite {
    fn commit(&mut self, events: &[Event]) -> Result<u64, Failure> {
        let transaction = self.connection.transaction()?;
        let mut new = 0;
        {
            let mut insert = transaction.prepare_cached("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?)")?;
            let mut update = transaction.prepare_cached("INSERT OR REPLACE INTO states VALUES (?, ?)")?;
            let mut announce = transaction.prepare_cached("INSERT INTO outbox (record) VALUES (?)")?;
            for event in events {
                if insert.execute((&event.session, &event.digest, event.received_at, &event.body[..]))? == 0 {
                    continue;
                }
                new += 1;
                update.execute((&event.session, &event.state))?;
                if let Some(record) = &event.record {
                    announce.execute((record,))?;
                }
            }
        }
        transaction.commit()?;
        Ok(new)
    }

    fn read(&mut self, event: &Event) -> Result<bool, Failure> {
        let select = "SELECT body FROM events WHERE session = ? AND digest = ?";
        let key = (&event.session, &event.digest);
        let body = self.connection.query_row(select, key, |row| row.get::<_, Vec<u8>>(0)).optional()?;
        Ok(body.is_some_and(|body| body == *event.body))
    }

    fn count(&mut self) -> Result<u64, Failure> {
        let count: i64 = self.connection.query_row("SELECT COUNT(*) FROM events", (), |row| row.get(0))?;
        Ok(u64::try_from(count)?)
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        self.connection.close().map_err(|(_connection, error)| error.into())
    }
}
