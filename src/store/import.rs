//! Exports into a store: read line by line, appended as they come, judged when all is in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use finis_store::journal::{BODY_BYTES_MAX, HEAD_BYTES_MAX};

use crate::engine::live::SessionKey;
use crate::engine::log::{Delivery, EventEntry, LogError};
use crate::engine::{Arrival, Contract, EventKind, Filler, LineReader, Source, Timestamp, Unreadable, Unverified};
use crate::files::{Export, OpenError};
use crate::reconcile::{Piece, Plan, Reading, Reconciliation, RejectWriter, Sinks};

/// Events of a commit.
const EVENTS: usize = 2048;

/// Bytes of payloads of a commit. One alone may have more.
const BYTES: usize = 4 << 20;

/// By so much another receiver's clock may be ahead of ours.
const AHEAD: Duration = Duration::from_secs(5 * 60);

/// Bytes of the name of a source.
const SOURCE_BYTES_MAX: usize = 1024;

/// Why exports were not imported. What is in the store by then stays there, unjudged, and an import that is
/// tried again does the rest.
#[derive(Debug)]
pub enum ImportError {
    /// An export cannot be opened.
    Open(OpenError),
    /// The rejects cannot be written.
    Rejects(std::io::Error),
    /// The store does not take it.
    Log(LogError),
}

/// Puts the events of exports into a store. They are not judged: that is [`Filler::settle`]'s to do, when all
/// that is wanted is in. `now` is the receiver's time: what claims to have come later is refused, since the
/// clock of a store never goes back behind what it has.
///
/// An export that breaks off is imported as far as it goes: [`Reading::broken`] says where it ended.
///
/// # Errors
/// When an export cannot be opened, the rejects not written, or the store takes no more.
pub async fn import(
    of: &Reconciliation,
    mut sinks: Sinks,
    filler: &mut Filler,
    now: Timestamp,
) -> Result<Reading, ImportError> {
    let mut reading = Reading::default();
    let mut writer = RejectWriter::new(sinks.rejects);
    let mut waiting =
        Waiting { of, latest: now.plus(AHEAD), events: Vec::new(), reader: LineReader::new(of.body_at.clone()) };
    let mut buffer = Vec::new();
    for (place, path) in of.exports.iter().enumerate() {
        let opened = sinks.opened.remove(&place).map_or_else(|| Export::open(path, &of.progress), Ok);
        let mut export = opened.map_err(ImportError::Open)?;
        let name = (of.exports.len() > 1).then(|| path.display().to_string());
        let mut lines = 0;
        loop {
            let chunk = match export.next_chunk(&mut buffer) {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => {
                    reading.broken.push(error);
                    break;
                }
            };
            let piece = Piece::read(place, &chunk, &buffer, &mut reading, |reading, line| waiting.line(reading, line));
            for reject in piece.rejects {
                writer.take(reject, name.as_deref(), lines, piece.offset).map_err(ImportError::Rejects)?;
            }
            lines += piece.lines;
            waiting.append(filler).await?;
        }
        reading.lines += lines;
    }
    reading.rejects = writer.finish().map_err(ImportError::Rejects)?;
    Ok(reading)
}

/// Events that were read and are not in the store yet: those of a chunk at most.
struct Waiting<'i> {
    of: &'i Reconciliation,
    /// What came later than this has not come yet.
    latest: Timestamp,
    events: Vec<(EventEntry, usize)>,
    reader: LineReader,
}

impl Waiting<'_> {
    fn line(&mut self, reading: &mut Reading, line: &str) -> Result<(), Unreadable> {
        let sources = &self.of.sources;
        let resolve = |name: Option<&str>| {
            let (name, plan) = sources.resolve(name)?;
            let contract: &Contract = &sources.plans()[plan].contract;
            Ok(((name.to_owned(), plan), contract))
        };
        let arrival = self.reader.read(line.as_bytes(), resolve)?;
        let (source, plan) = (&arrival.source.0, arrival.source.1);
        let contract = &*sources.plans()[plan].contract;
        let is_known = matches!(arrival.event.kind, EventKind::Known(_));
        let (received_at, at) = (arrival.received_at, arrival.event.at.filter(|_| is_known));
        let entry =
            entry(contract, source, &arrival, self.latest).map_err(|problem| Unreadable::Envelope { problem })?;
        reading.note(received_at, at);
        self.events.push((entry, plan));
        Ok(())
    }

    /// Appends what waits.
    async fn append(&mut self, filler: &mut Filler) -> Result<(), ImportError> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for (entry, plan) in std::mem::take(&mut self.events) {
            if filler.source(entry.key.source()).is_none() {
                filler.add_source(source(entry.key.source(), &self.of.sources.plans()[plan]));
            }
            let size = entry.delivery.body.len();
            if batch.len() >= EVENTS || !batch.is_empty() && bytes + size > BYTES {
                filler.append(std::mem::take(&mut batch), Vec::new()).await.map_err(ImportError::Log)?;
                bytes = 0;
            }
            bytes += size;
            batch.push(entry);
        }
        if batch.is_empty() {
            return Ok(());
        }
        filler.append(batch, Vec::new()).await.map_err(ImportError::Log)
    }
}

/// A source as it is given with an import.
fn source(name: &str, plan: &Plan) -> Source {
    let (contract, terms) = (Arc::clone(&plan.contract), plan.terms.clone());
    Source { name: name.to_owned(), contract, terms, verify: Box::new(Unverified) }
}

/// An event as a store keeps it, or why no store can.
fn entry<S>(contract: &Contract, source: &str, of: &Arrival<'_, S>, latest: Timestamp) -> Result<EventEntry, String> {
    if let Some(at) = of.received_at.filter(|at| *at > latest) {
        return Err(format!("`received_at` is {at}, which has not come yet: is the clock right?"));
    }
    let headers = contract.kept_headers(of.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let header_bytes = headers.iter().map(|(name, value)| name.len() + value.len() + 8).sum::<usize>();
    let within = |what: &str, bytes: usize, max: usize| {
        if bytes <= max { Ok(()) } else { Err(format!("{what} has {bytes} bytes, and a store takes {max}")) }
    };
    within("the payload", of.body.len(), BODY_BYTES_MAX)?;
    within("the name of the source", source.len(), SOURCE_BYTES_MAX)?;
    // Beside them stand source, subject and id, and a few bytes more.
    within("what the contract reads of the headers", header_bytes, HEAD_BYTES_MAX / 2)?;
    let key = SessionKey::new(source, contract.subject_name(of.event.subject), of.event.id);
    let delivery = Delivery { headers, body: of.body.as_bytes().into() };
    Ok(EventEntry { key, digest: of.event.digest(), received_at: of.received_at, delivery })
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImportError::Open(error) => error.fmt(f),
            ImportError::Rejects(_) => f.write_str("cannot write the rejects"),
            ImportError::Log(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ImportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ImportError::Open(error) => error.source(),
            ImportError::Rejects(error) => Some(error),
            ImportError::Log(_) => None,
        }
    }
}
