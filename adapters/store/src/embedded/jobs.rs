//! What the writer is asked: made ready, as far as can be, by who asks.

use finis_engine::Timestamp;
use finis_engine::live::{Notice, SessionKey};
use finis_engine::log::{Appended, Batch, LogError, RefusedId, SourceSettings};
use tokio::sync::oneshot;

use crate::head::{Head, encode_notice};
use crate::index::PART_BYTES_MAX;
use crate::journal::{BODY_BYTES_MAX, Body, HEAD_BYTES_MAX};

/// Bytes of a batch: with as many, it has a frame of its own and fits.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// What a record costs beside its head and body, at most.
const RECORD_BYTES: usize = 64;

pub(super) type Answer<T> = oneshot::Sender<Result<T, LogError>>;

/// What the writer is asked.
pub(super) enum Job {
    Append(Box<Prepared>, Answer<Appended>),
    Acknowledge(String, u64, Answer<()>),
    Remove(String, Answer<()>),
    Close(Answer<()>),
}

/// A batch that is ready for the journal, apart from what only the writer knows.
pub(super) struct Prepared {
    pub(super) events: Vec<(Head, Body)>,
    pub(super) deadlines: Vec<(SessionKey, Timestamp)>,
    pub(super) notices: Vec<(Notice, Body)>,
    /// They get no place in the outbox.
    pub(super) quiet: bool,
    pub(super) due: Vec<(SessionKey, Option<Timestamp>)>,
    pub(super) refused: Vec<(Head, Body)>,
    pub(super) released: Vec<RefusedId>,
    pub(super) sources: Vec<SourceSettings>,
    /// How many records it can become, and of how many bytes.
    pub(super) records: usize,
    pub(super) bytes: usize,
}

impl Prepared {
    /// Hashes and compresses all bodies, and refuses what the journal or the index cannot take.
    pub(super) fn new(batch: Batch) -> Result<Prepared, LogError> {
        let keys = batch.events.iter().map(|event| &event.key).chain(batch.notices.iter().map(|notice| &notice.key));
        let keys = keys.chain(batch.deadlines.iter().map(|(key, _)| key)).chain(batch.due.iter().map(|(key, _)| key));
        keys.into_iter().try_for_each(check_key)?;

        let mut size = Size::default();
        let events = batch.events.into_iter().map(|event| {
            let body = body("a payload", &event.delivery.body)?;
            let (key, digest, received_at) = (event.key, event.digest, event.received_at);
            let head = Head::Event { key, digest, received_at, headers: event.delivery.headers };
            size.add(&head, &body)?;
            Ok((head, body))
        });
        let events = events.collect::<Result<_, LogError>>()?;
        let notices = batch.notices.into_iter().map(|mut notice| {
            let body = body("a notice", &encode_notice(&notice))?;
            // They are in the body, and not needed any more.
            (notice.record, notice.changes, notice.asset) = Default::default();
            size.add(&notice_head(&notice, 0), &body)?;
            Ok((notice, body))
        });
        let notices = notices.collect::<Result<_, LogError>>()?;
        let refused = batch.refused.into_iter().map(|refused| {
            check_part("the name of a source", &refused.source)?;
            let identity = refused.id();
            let body = body("a payload", &refused.delivery.body)?;
            let headers = refused.delivery.headers;
            let (source, received_at, reason) = (refused.source, refused.received_at, refused.reason);
            let head = Head::Refused { identity, source, received_at, reason, headers };
            size.add(&head, &body)?;
            Ok((head, body))
        });
        let refused = refused.collect::<Result<_, LogError>>()?;
        let sources = batch.sources;
        for settings in &sources {
            check_part("the name of a source", &settings.name)?;
            let head_bytes = Head::Source(settings.clone()).encode().len();
            within("the settings of a source", head_bytes, HEAD_BYTES_MAX)?;
            size.records += 1;
            size.bytes += head_bytes + RECORD_BYTES;
        }
        let (deadlines, due, released) = (batch.deadlines, batch.due, batch.released);
        size.records += deadlines.len() + due.len() + released.len() + 1;
        size.bytes += released.len() * RECORD_BYTES;
        size.bytes += (deadlines.len() + due.len()) * (3 * PART_BYTES_MAX + RECORD_BYTES);
        within("a batch", size.bytes, BATCH_BYTES_MAX)?;
        Ok(Prepared {
            events,
            deadlines,
            notices,
            quiet: batch.quiet,
            due,
            refused,
            released,
            sources,
            records: size.records,
            bytes: size.bytes,
        })
    }
}

/// The head of a notice.
pub(super) fn notice_head(notice: &Notice, seq: u64) -> Head {
    Head::Notice { seq, id: notice.id, key: notice.key.clone(), kind: notice.kind, revision: notice.revision }
}

/// Bytes of payloads and records.
pub(super) fn content_bytes(batch: &Batch) -> usize {
    let events = batch.events.iter().map(|event| event.delivery.body.len());
    let notices = batch.notices.iter().map(|notice| notice.record.len());
    let refused = batch.refused.iter().map(|refused| refused.delivery.body.len());
    events.chain(notices).chain(refused).sum()
}

#[derive(Default)]
struct Size {
    records: usize,
    bytes: usize,
}

impl Size {
    fn add(&mut self, head: &Head, body: &Body) -> Result<(), LogError> {
        let head_bytes = head.encode().len();
        within("what stands beside a payload, headers above all,", head_bytes, HEAD_BYTES_MAX)?;
        self.records += 1;
        self.bytes += head_bytes + body.stored_bytes() + RECORD_BYTES;
        Ok(())
    }
}

fn body(what: &str, content: &[u8]) -> Result<Body, LogError> {
    within(what, content.len(), BODY_BYTES_MAX)?;
    Ok(Body::new(content))
}

fn check_key(key: &SessionKey) -> Result<(), LogError> {
    check_part("the name of a source", &key.source)?;
    check_part("the name of a subject", &key.subject)?;
    check_part("the id of a session", &key.id)
}

/// Refuses what is too long for a key.
pub(super) fn check_part(what: &str, part: &str) -> Result<(), LogError> {
    within(what, part.len(), PART_BYTES_MAX)
}

fn within(what: &str, bytes: usize, bytes_max: usize) -> Result<(), LogError> {
    if bytes <= bytes_max {
        return Ok(());
    }
    Err(LogError::TooLarge { reason: format!("{what} has {bytes} bytes, and may have {bytes_max}") })
}
