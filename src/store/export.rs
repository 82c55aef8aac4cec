//! A store into an export, from which `reconcile` makes the records that the store has.

use std::fmt;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Look, LookError};
use crate::engine::Timestamp;
use crate::engine::log::{EventEntry, LogRead};
use crate::reconcile::StoreHeader;

/// Sessions that are read at once.
const SESSIONS: usize = 256;

/// What went into an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Sessions, and whatever else events are about.
    pub sessions: u64,
    /// Events.
    pub events: u64,
    /// The time that the header says.
    pub as_of: Option<Timestamp>,
}

/// Why an export was not made.
#[derive(Debug)]
pub enum ExportError {
    /// The store cannot be read.
    Look(LookError),
    /// The export cannot be written.
    Write(io::Error),
}

/// Writes all events of a store, or of one of its sources, after a header that says how to judge them: at
/// `as_of`, or else at the latest time that the store knows.
///
/// # Errors
/// When the store cannot be read, or the export not written.
pub async fn export(
    look: &Look,
    source: Option<&str>,
    as_of: Option<Timestamp>,
    out: &mut (dyn Write + Send),
) -> Result<Exported, ExportError> {
    let latest = look.log().latest().await.map_err(LookError::from)?;
    let mut exported = Exported { as_of: as_of.or(latest), ..Exported::default() };
    let sources = look.settings().iter().filter(|settings| source.is_none_or(|source| settings.name == source));
    let header = StoreHeader { as_of: exported.as_of, sources: sources.cloned().collect() };
    writeln!(out, "{}", header.to_json())?;
    let mut after = None;
    loop {
        let keys = look.sessions(source, after.as_ref(), SESSIONS).await?;
        for stored in look.log().load(&keys).await.map_err(LookError::from)? {
            let mut events = stored.events;
            events.sort_by_key(|event| (event.received_at, event.digest));
            exported.sessions += u64::from(!events.is_empty());
            for event in &events {
                write_event(event, out)?;
                exported.events += 1;
            }
        }
        match keys.into_iter().next_back() {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    out.flush()?;
    Ok(exported)
}

fn write_event(event: &EventEntry, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"{")?;
    if let Some(at) = event.received_at {
        write!(out, "\"received_at\":\"{at}\",")?;
    }
    write!(out, "\"source\":{}", Value::from(event.key.source()))?;
    if !event.delivery.headers.is_empty() {
        write!(out, ",\"headers\":{}", headers(&event.delivery.headers))?;
    }
    // An event was read from it, so it is UTF-8.
    let body = String::from_utf8_lossy(&event.delivery.body);
    out.write_all(b",\"body\":")?;
    if stays_as_it_is(&body) {
        out.write_all(body.as_bytes())?;
    } else {
        write!(out, "{}", Value::from(&*body))?;
    }
    out.write_all(b"}\n")
}

/// Whether an object in a line gives the same bytes back. White space around it would not, nor a line end in it.
fn stays_as_it_is(body: &str) -> bool {
    body.starts_with('{') && body.ends_with('}') && !body.contains(['\n', '\r'])
}

/// Headers as an object; of one that came several times, a list.
fn headers(headers: &[(String, String)]) -> Value {
    let mut object = serde_json::Map::new();
    for (name, value) in headers {
        match object.get_mut(name) {
            None => drop(object.insert(name.clone(), json!(value))),
            Some(Value::Array(values)) => values.push(json!(value)),
            Some(first) => *first = json!([first.clone(), value]),
        }
    }
    Value::Object(object)
}

impl From<LookError> for ExportError {
    fn from(error: LookError) -> ExportError {
        ExportError::Look(error)
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> ExportError {
        ExportError::Write(error)
    }
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExportError::Look(error) => error.fmt(f),
            ExportError::Write(_) => f.write_str("cannot write the export"),
        }
    }
}

impl std::error::Error for ExportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ExportError::Look(error) => std::error::Error::source(error),
            ExportError::Write(error) => Some(error),
        }
    }
}
