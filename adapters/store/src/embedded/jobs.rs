//! What the writer is asked: made ready, as far as can be, by who asks.

use std::cell::RefCell;
use std::collections::BTreeMap;

use finis_engine::live::{Notice, NoticeId, NoticeKind, SessionKey};
use finis_engine::log::{
    Appended, Batch, Delivery, EventEntry, Gone, Keep, LogError, Mark, Ready, RefusedId, SourceSettings,
};
use finis_engine::{Digest, Timestamp};
use tokio::sync::{mpsc, oneshot};

use super::mend::MendJob;
use super::retain::{Carried, Leaving, Retiring};
use crate::body::{encode_event_into, encode_notice_into, encode_refused};
use crate::head::{Head, REPEATED_BYTES};
use crate::index::NAME_BYTES_MAX;
use crate::journal::{BODY_BYTES_MAX, Body, HEAD_BYTES_MAX};
use crate::tag::{Tag, Tags};

/// Bytes of a batch: with as many, it has a frame of its own and fits.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// Bytes of what a source is read under: a small value in the index.
pub(super) const SETTINGS_BYTES_MAX: usize = 4000;

/// What a record costs beside its body, at most.
const RECORD_BYTES: usize = 160;

/// Bytes that a thread keeps to put the content of a body together.
const CONTENT_BYTES_KEPT: usize = 64 << 10;

pub(super) type Answer<T> = oneshot::Sender<Result<T, LogError>>;

/// What the writer is asked.
pub(super) enum Job {
    Append(Box<Prepared>, Answer<Appended>),
    Mark(String, Vec<Mark>, Answer<()>),
    Remove(String, Answer<()>),
    LetGo(Vec<Tag>, Gone, Answer<()>),
    /// Let these sessions go that may; how many did, and how many of those were not told to everybody.
    Expire(Vec<Leaving>, Keep, Gone, Answer<(u64, u64)>),
    /// Which of these records of a segment are wanted, and which are not. And whether there is no older one.
    Wanted(Vec<Carried>, Keep, bool, Answer<(Vec<Carried>, Vec<Carried>)>),
    /// Copy these to the end of the journal, as far as they are still wanted.
    Carry(Vec<Carried>, Answer<()>),
    /// Let a segment go, and what of it is not wanted; its bytes, and how many of them were refused.
    /// The outbox ends before it, unless older segments stay.
    Retire(Retiring, Answer<(u64, u64)>),
    Mend(MendJob, Answer<()>),
    Close(Answer<()>),
}

/// What waits for the writer, as the writer has it.
///
/// When it goes, everything in it goes, too, and whoever asked is told by that. A job can be on its way in just
/// then: the queue would keep it for as long as anybody can ask, and he who waits for the answer can.
pub(super) struct Jobs(mpsc::Receiver<Job>);

impl Jobs {
    /// To be called on the thread of the writer: it goes where one may block.
    pub(super) fn new(queue: mpsc::Receiver<Job>) -> Jobs {
        Jobs(queue)
    }

    /// The next, waited for; nothing when nobody is left to ask.
    pub(super) fn next(&mut self) -> Option<Job> {
        self.0.blocking_recv()
    }

    pub(super) fn next_if_there(&mut self) -> Option<Job> {
        self.0.try_recv().ok()
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.0.close();
        while self.next().is_some() {}
    }
}

/// A batch that is ready for the journal, apart from what only the writer knows.
pub(super) struct Prepared {
    pub(super) events: Vec<PreparedEvent>,
    /// Of which session, what, and when it came again.
    pub(super) repeats: Vec<(Tag, Digest, Timestamp)>,
    pub(super) deadlines: Vec<(Tag, Timestamp)>,
    pub(super) crowded: Vec<Tag>,
    pub(super) notices: Vec<PreparedNotice>,
    /// They get no place in the outbox.
    pub(super) quiet: bool,
    /// When each session is due from then on.
    pub(super) due: BTreeMap<Tag, Option<Timestamp>>,
    pub(super) refused: Vec<PreparedRefused>,
    pub(super) released: Vec<RefusedId>,
    pub(super) sources: Vec<SourceSettings>,
    /// How many records it can become, and of how many bytes at most.
    pub(super) records: usize,
    pub(super) bytes: usize,
}

/// An event, and the body that it will have.
pub(super) struct PreparedEvent {
    pub(super) tag: Tag,
    pub(super) digest: Digest,
    pub(super) received_at: Option<Timestamp>,
    pub(super) body: Body,
}

/// A notice, and the body that it will have.
pub(super) struct PreparedNotice {
    pub(super) tag: Tag,
    pub(super) id: NoticeId,
    pub(super) kind: NoticeKind,
    pub(super) revision: u32,
    pub(super) body: Body,
}

/// A delivery that cannot be read, and the body that it will have.
pub(super) struct PreparedRefused {
    pub(super) identity: [u8; 16],
    pub(super) received_at: Timestamp,
    pub(super) body: Body,
}

/// What can be made of an event before anything else is known of it: the costly part of an append.
pub(super) struct ReadyEvent {
    tag: Tag,
    body: Body,
}

impl ReadyEvent {
    pub(super) fn new(key: &SessionKey, delivery: &Delivery, tags: &Tags) -> Result<ReadyEvent, LogError> {
        let encode = |content: &mut Vec<u8>| encode_event_into(key, delivery, content);
        let body = body_of("a payload, with what stands beside it,", encode)?;
        Ok(ReadyEvent { tag: tags.of(key), body })
    }
}

/// Events, and what was made of them already.
pub(super) type Events = Vec<(EventEntry, Ready)>;

/// The events of a batch.
pub(super) fn take_events(batch: &mut Batch) -> Events {
    let ready = std::mem::take(&mut batch.ready).into_iter().chain(std::iter::repeat_with(Ready::default));
    std::mem::take(&mut batch.events).into_iter().zip(ready).collect()
}

/// Makes those events ready that are not.
pub(super) fn prepare(events: Events, tags: &Tags) -> Result<Vec<PreparedEvent>, LogError> {
    let prepare = |(event, ready): (EventEntry, Ready)| {
        let ready = match ready.into_made::<ReadyEvent>() {
            Some(ready) => ready,
            None => ReadyEvent::new(&event.key, &event.delivery, tags)?,
        };
        let (digest, received_at) = (event.digest, event.received_at);
        Ok(PreparedEvent { tag: ready.tag, digest, received_at, body: ready.body })
    };
    events.into_iter().map(prepare).collect()
}

impl Prepared {
    /// Whether nothing of it has to be kept: events came again, and are to be counted.
    pub(super) fn is_counted_only(&self) -> bool {
        let Prepared { events, deadlines, crowded, notices, due, refused, released, sources, .. } = self;
        let is_nothing = events.is_empty() && deadlines.is_empty() && crowded.is_empty() && notices.is_empty();
        is_nothing && due.is_empty() && refused.is_empty() && released.is_empty() && sources.is_empty()
    }

    /// Makes all of a batch ready, whose events stand beside it, and refuses what the journal cannot take.
    pub(super) fn new(events: Events, batch: Batch, tags: &Tags) -> Result<Prepared, LogError> {
        let events = prepare(events, tags)?;
        let mut size = Size::default();
        for event in &events {
            size.add(&event.body);
        }
        let notices = batch.notices.into_iter().map(|notice| {
            let body = body_of("a notice", |content| encode_notice_into(&notice, content))?;
            size.add(&body);
            let Notice { id, kind, revision, .. } = notice;
            Ok(PreparedNotice { tag: tags.of(&notice.key), id, kind, revision, body })
        });
        let notices = notices.collect::<Result<_, LogError>>()?;
        let refused = batch.refused.into_iter().map(|refused| {
            let identity = refused.id().to_bytes();
            let body = body("a payload, with what stands beside it,", &encode_refused(&refused))?;
            size.add(&body);
            Ok(PreparedRefused { identity, received_at: refused.received_at, body })
        });
        let refused = refused.collect::<Result<_, LogError>>()?;
        // They become no records of this commit.
        let repeats = batch.repeats.iter();
        let repeats = repeats.map(|repeat| (tags.of(&repeat.key), repeat.digest, repeat.received_at)).collect();
        let tagged = |(key, at): (SessionKey, Timestamp)| (tags.of(&key), at);
        let deadlines: Vec<_> = batch.deadlines.into_iter().map(tagged).collect();
        let crowded: Vec<Tag> = batch.crowded.iter().map(|key| tags.of(key)).collect();
        let due: BTreeMap<_, _> = batch.due.into_iter().map(|(key, due)| (tags.of(&key), due)).collect();
        let (released, sources) = (batch.released, batch.sources);
        for settings in &sources {
            check_name("the name of a source", &settings.name)?;
            let head_bytes = Head::Source(settings.clone()).encode().len();
            within("the settings of a source", head_bytes, SETTINGS_BYTES_MAX)?;
            size.bytes += head_bytes;
        }
        // And perhaps the time.
        let others = deadlines.len() + crowded.len() + due.len() + released.len() + sources.len() + 1;
        let (records, bytes) = (size.records + others, size.bytes + others * RECORD_BYTES);
        within("a batch", bytes, BATCH_BYTES_MAX)?;
        let quiet = batch.quiet;
        Ok(Prepared {
            events,
            repeats,
            deadlines,
            crowded,
            notices,
            quiet,
            due,
            refused,
            released,
            sources,
            records,
            bytes,
        })
    }

    /// Adds events that are ready, behind those there are.
    pub(super) fn add_events(&mut self, events: Vec<PreparedEvent>) -> Result<(), LogError> {
        let mut size = Size::default();
        for event in &events {
            size.add(&event.body);
        }
        self.records += size.records;
        self.bytes += size.bytes;
        within("a batch", self.bytes, BATCH_BYTES_MAX)?;
        self.events.extend(events);
        Ok(())
    }
}

/// Takes the last of some events: as many as have so many bytes of payloads that are to be made ready.
pub(super) fn last_events(events: &mut Events, bytes: usize) -> Events {
    let (mut taken, mut from) = (0, events.len());
    while taken < bytes && from > 0 {
        from -= 1;
        taken += unready_bytes(&events[from]);
    }
    events.split_off(from)
}

fn unready_bytes((event, ready): &(EventEntry, Ready)) -> usize {
    if ready.is_made() { 0 } else { event.delivery.body.len() }
}

/// Bytes that a record without a body can have.
pub(super) const fn bare_bytes(name: usize) -> usize {
    RECORD_BYTES + name
}

/// Bytes that a record of repeats can have.
pub(super) const fn repeat_bytes() -> usize {
    bare_bytes(REPEATED_BYTES)
}

/// Bytes of payloads and records that are to be made ready.
pub(super) fn content_bytes(events: &Events, batch: &Batch) -> usize {
    let events = events.iter().map(unready_bytes);
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
    fn add(&mut self, body: &Body) {
        self.records += 1;
        self.bytes += body.stored_bytes() + RECORD_BYTES;
    }
}

/// A body whose content is put together where the thread did that with the one before.
fn body_of(what: &str, encode: impl FnOnce(&mut Vec<u8>)) -> Result<Body, LogError> {
    thread_local! {
        static CONTENT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    CONTENT.with_borrow_mut(|content| {
        content.clear();
        encode(content);
        let body = body(what, content);
        content.shrink_to(CONTENT_BYTES_KEPT);
        body
    })
}

fn body(what: &str, content: &[u8]) -> Result<Body, LogError> {
    within(what, content.len(), BODY_BYTES_MAX)?;
    Ok(Body::new(content))
}

/// Refuses what is too long for a name.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), LogError> {
    within(what, name.len(), NAME_BYTES_MAX.min(HEAD_BYTES_MAX / 2))
}

/// Refuses marks that are no small values.
pub(super) fn check_marks(marks: &[Mark]) -> Result<(), LogError> {
    marks.iter().try_for_each(|mark| match mark {
        Mark::Park(_, cause) => check_name("the reason of a failure", cause.reason().unwrap_or_default()),
        _ => Ok(()),
    })
}

/// Bytes that a cause has at most, its reason aside.
const CAUSE_BYTES: usize = 32;

/// Bytes that marks of a consumer need in a frame, at most.
pub(super) fn marks_bytes(consumer: &str, marks: &[Mark]) -> usize {
    let reason = |mark: &Mark| match mark {
        // What else there is of a cause is some bytes.
        Mark::Park(_, cause) => cause.reason().map_or(0, str::len) + CAUSE_BYTES,
        _ => 0,
    };
    marks.iter().map(|mark| bare_bytes(consumer.len() + reason(mark))).sum()
}

fn within(what: &str, bytes: usize, bytes_max: usize) -> Result<(), LogError> {
    if bytes <= bytes_max {
        return Ok(());
    }
    Err(LogError::TooLarge { reason: format!("{what} has {bytes} bytes, and may have {bytes_max}") })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed, and says where")]

    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Nothing that is waited for takes as long, or it hangs.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn whoever_asks_while_the_writer_goes_is_told() {
        let (ask, queue) = mpsc::channel(2);
        // It has its place, and is not there yet.
        let place = ask.try_reserve().unwrap();
        let writer = thread::spawn(move || drop(Jobs::new(queue)));
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(ask.closed());
        let (answer, answered) = oneshot::channel::<Result<(), LogError>>();
        place.send(Job::Close(answer));
        let (tell, told) = std::sync::mpsc::channel();
        thread::spawn(move || tell.send(answered.blocking_recv()));
        assert!(told.recv_timeout(PATIENCE).expect("it waits for ever").is_err());
        writer.join().unwrap();
    }
}
