//! From places in the journal to entries of the log, whoever knows the places.

use std::collections::BTreeMap;

use finis_engine::live::{Notice, NoticeKind, SessionKey};
use finis_engine::log::{Arrivals, EventEntry, Gone, LogError, Quarantine, Refused, RefusedCursor, Stored};
use finis_engine::{Digest, Timestamp};

use crate::body::{decode_event, decode_key, decode_notice, decode_refused, forgotten};
use crate::head::{Head, series};
use crate::index::{IndexError, Meta, OUTBOX_PAGE, Session, earliest};
use crate::journal::{Body, Content, JournalError, Place, Reader};
use crate::tag::{Tag, Tags};

/// How often a session is looked up anew that was moved while it was read.
const TRIES: usize = 3;

/// Who knows where records lie.
pub(crate) trait Places {
    /// A session; nothing of one that is not known.
    fn session(&self, tag: Tag) -> Result<Option<Session>, IndexError>;

    /// What was counted of a session's events and stands in no record yet. It is asked before the session.
    fn repeated(&self, tag: Tag) -> Vec<(Digest, Arrivals)>;

    /// Tags of sessions after this one, in order, up to this many.
    fn sessions(&self, after: Option<Tag>, limit: usize) -> Result<Vec<Tag>, IndexError>;

    /// A page of the outbox; nothing for a notice that is not kept.
    fn outbox(&self, page: u64) -> Result<Vec<Option<Place>>, IndexError>;

    /// Sessions that are due by this time, behind this one, the earliest first, up to this many.
    fn due(
        &self,
        after: Option<(Timestamp, Tag)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, Tag)>, IndexError>;

    /// Deliveries that could not be read, behind this one, in order, up to this many.
    fn refused(&self, after: Option<RefusedCursor>, limit: usize) -> Result<Vec<(RefusedCursor, Place)>, IndexError>;

    /// Where the one lies that stands there; nothing when there is none.
    fn refused_at(&self, cursor: RefusedCursor) -> Result<Option<Place>, IndexError>;

    /// The state of the log as a whole.
    fn meta(&self) -> Meta;
}

/// Where the last word of a session stood in the outbox, its head, and its body.
pub(crate) type LastWord = (u64, Head, Body);

/// Reads entries.
pub(crate) struct Entries<'p, P> {
    pub(crate) places: &'p P,
    pub(crate) journal: &'p Reader,
    pub(crate) tags: Tags,
}

/// What is at a place.
enum Found {
    Here(Head, Vec<u8>),
    /// The body was erased.
    Erased(Head),
    /// It is not there any more: it was moved, or let go.
    Moved,
}

impl<P: Places> Entries<'_, P> {
    pub(crate) fn load(&self, tag: Tag) -> Result<Stored, LogError> {
        for _ in 0..TRIES {
            if let Some(stored) = self.try_load(tag, false)? {
                return Ok(stored);
            }
        }
        // Again and again: a segment went, and the index was not told before a crash. It has the copies.
        Ok(self.try_load(tag, true)?.unwrap_or_default())
    }

    /// Nothing when something was moved meanwhile, unless that is to be passed over.
    fn try_load(&self, tag: Tag, passes_over: bool) -> Result<Option<Stored>, LogError> {
        let mut stored = Stored::default();
        let mut repeated = self.places.repeated(tag);
        let Some(session) = self.places.session(tag).map_err(|error| stopped(&error))? else { return Ok(Some(stored)) };
        let (mut notices, mut arrivals) = (Vec::new(), Vec::new());
        for place in session.places() {
            let (head, body) = match self.entry(*place) {
                Ok(Found::Here(head, body)) => (head, body),
                Ok(Found::Erased(_)) => continue,
                Ok(Found::Moved) if passes_over => continue,
                Ok(Found::Moved) => return Ok(None),
                Err(LogError::Damaged { reason }) => {
                    stored.damaged.push(reason);
                    continue;
                }
                Err(error) => return Err(error),
            };
            match head {
                Head::Event { digest, received_at, .. } => {
                    let (key, delivery) = decode_event(&body).ok_or_else(|| other(*place))?;
                    stored.events.push(EventEntry { key, digest, received_at, delivery });
                }
                Head::Arrival { digest, received_at, .. } => arrivals.push((digest, received_at)),
                Head::Repeated { digest, arrivals, .. } => repeated.push((digest, arrivals)),
                Head::Passed { at, .. } => stored.deadlines.push(at),
                Head::Crowded { .. } => stored.crowded = true,
                Head::Notice { kind, revision, .. } => {
                    let notice = decode_notice(&head, &body).ok_or_else(|| other(*place))?;
                    notices.push((series(kind), revision, notice));
                }
                Head::Gone { why, at, .. } => stored.gone = Some(Gone { why, at }),
                Head::LastWord { kind, revision, .. } => {
                    let notice = decode_notice(&head, &body).ok_or_else(|| other(*place))?;
                    notices.push((series(kind), revision, notice));
                }
                _ => return Err(other(*place)),
            }
        }
        stored.events.sort_unstable_by_key(|event| event.digest);
        // An event that was moved can be there twice, for a moment.
        stored.events.dedup_by_key(|event| event.digest);
        for (digest, at) in arrivals {
            if let Ok(place) = stored.events.binary_search_by_key(&digest, |event| event.digest) {
                stored.events[place].received_at = earliest(stored.events[place].received_at, Some(at));
            }
        }
        stored.repeated = join(repeated, &stored.events);
        stored.deadlines.sort_unstable();
        stored.deadlines.dedup();
        notices.sort_unstable_by_key(|(series, revision, _)| (*series, *revision));
        notices.dedup_by_key(|(series, revision, _)| (*series, *revision));
        stored.notices = notices.into_iter().map(|(_, _, notice)| notice).collect();
        Ok(Some(stored))
    }

    pub(crate) fn due(
        &self,
        after: Option<&(Timestamp, SessionKey)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, SessionKey)>, LogError> {
        let after = after.map(|(at, key)| (*at, self.tags.of(key)));
        let mut asked = limit;
        loop {
            let mut due = Vec::new();
            let tags = self.places.due(after, until, asked).map_err(|error| stopped(&error))?;
            let are_all = tags.len() < asked;
            for (at, tag) in tags {
                due.extend(self.key(tag)?.map(|key| (at, key)));
            }
            // Those of which no record can be read, so that nobody knows their key, hold up nobody else.
            if are_all || due.len() >= limit {
                due.truncate(limit);
                return Ok(due);
            }
            asked = asked.saturating_mul(2);
        }
    }

    pub(crate) fn notices(&self, after: u64, limit: usize) -> Result<Vec<(u64, Notice)>, LogError> {
        let mut notices = Vec::new();
        let meta = self.places.meta();
        let mut next = after.saturating_add(1).max(meta.first);
        while next <= meta.seq && notices.len() < limit {
            let page = next / OUTBOX_PAGE;
            let places = self.places.outbox(page).map_err(|error| stopped(&error))?;
            let end = (page + 1) * OUTBOX_PAGE;
            while next < end && next <= meta.seq && notices.len() < limit {
                if let Some(Some(place)) = places.get((next % OUTBOX_PAGE) as usize) {
                    notices.extend(self.notice(*place)?.map(|notice| (next, notice)));
                }
                next += 1;
            }
        }
        Ok(notices)
    }

    pub(crate) fn sessions(&self, after: Option<&SessionKey>, limit: usize) -> Result<Vec<SessionKey>, LogError> {
        let mut after = after.map(|key| self.tags.of(key));
        let mut sessions = Vec::new();
        while sessions.len() < limit {
            let tags = self.places.sessions(after, limit - sessions.len()).map_err(|error| stopped(&error))?;
            let Some(last) = tags.last() else { break };
            after = Some(*last);
            for tag in tags {
                sessions.extend(self.key(tag)?);
            }
        }
        Ok(sessions)
    }

    pub(crate) fn refused(&self, after: Option<RefusedCursor>, limit: usize) -> Result<Quarantine, LogError> {
        let mut quarantine = Quarantine::default();
        let page = self.places.refused(after, limit).map_err(|error| stopped(&error))?;
        quarantine.next = page.last().filter(|_| page.len() == limit).map(|(cursor, _)| *cursor);
        for (cursor, place) in page {
            match self.refused_delivery(cursor, place) {
                Ok(delivery) => quarantine.deliveries.extend(delivery),
                Err(LogError::Damaged { reason }) => quarantine.damaged.push(reason),
                Err(error) => return Err(error),
            }
        }
        Ok(quarantine)
    }

    /// A refused delivery; nothing when it went since it was listed.
    fn refused_delivery(&self, cursor: RefusedCursor, mut place: Place) -> Result<Option<Refused>, LogError> {
        for _ in 0..TRIES {
            match self.entry(place)? {
                Found::Here(Head::Refused { received_at, .. }, body) => {
                    return decode_refused(received_at, &body).map(Some).ok_or_else(|| other(place));
                }
                Found::Here(..) => return Err(other(place)),
                Found::Erased(_) => return Ok(None),
                // Its segment goes: it lies elsewhere, unless it goes, too.
                Found::Moved => match self.places.refused_at(cursor).map_err(|error| stopped(&error))? {
                    Some(moved) if moved != place => place = moved,
                    _ => return Ok(None),
                },
            }
        }
        Ok(None)
    }

    /// The last thing that was said of a session: of its end, or of a stall.
    pub(crate) fn last_word(&self, tag: Tag) -> Result<Option<LastWord>, LogError> {
        let Some(session) = self.places.session(tag).map_err(|error| stopped(&error))? else { return Ok(None) };
        let mut last: Option<((bool, u32), LastWord)> = None;
        for place in session.places() {
            let Ok(Found::Here(head, body)) = self.entry(*place) else { continue };
            let Head::Notice { seq, kind, revision, .. } = head else { continue };
            let rank = (series(kind) == series(NoticeKind::Complete), revision);
            if kind != NoticeKind::Asset && last.as_ref().is_none_or(|(known, _)| *known < rank) {
                last = Some((rank, (seq, head, Body::new(&body))));
            }
        }
        Ok(last.map(|(_, word)| word))
    }

    /// The key of a session, as one of its records says; nothing when none does.
    pub(crate) fn key(&self, tag: Tag) -> Result<Option<SessionKey>, LogError> {
        let Some(session) = self.places.session(tag).map_err(|error| stopped(&error))? else { return Ok(None) };
        for place in session.places() {
            match self.entry(*place) {
                Ok(Found::Here(Head::Event { .. } | Head::Notice { .. }, body)) => {
                    return decode_key(&body).ok_or_else(|| other(*place)).map(Some);
                }
                Ok(_) | Err(LogError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// What is left of one that is damaged is handed over like one that is forgotten, and one of which not
    /// even the head can be read is left out: neither holds up what was said after it.
    fn notice(&self, place: Place) -> Result<Option<Notice>, LogError> {
        let found = match self.entry(place) {
            Err(LogError::Damaged { .. }) => self.remains(place)?,
            found => found?,
        };
        match found {
            Found::Here(head, body) => decode_notice(&head, &body).map(Some).ok_or_else(|| other(place)),
            Found::Erased(Head::Notice { id, revision, .. }) => Ok(Some(forgotten(id, revision))),
            Found::Erased(_) => Err(other(place)),
            Found::Moved => Ok(None),
        }
    }

    /// The head of a record whose body is damaged; nothing where that cannot be read either.
    fn remains(&self, place: Place) -> Result<Found, LogError> {
        match self.journal.read(place) {
            Ok(entry) => Ok(Head::decode(&entry.head).map_or(Found::Moved, Found::Erased)),
            Err(JournalError::NoSuchRecord(_) | JournalError::Damaged(_)) => Ok(Found::Moved),
            Err(error) => Err(log_error(&error)),
        }
    }

    fn entry(&self, place: Place) -> Result<Found, LogError> {
        let entry = match self.journal.read(place) {
            Err(JournalError::NoSuchRecord(_)) => return Ok(Found::Moved),
            entry => entry.map_err(|error| log_error(&error))?,
        };
        let damaged = |reason: &str| LogError::Damaged { reason: format!("{place} of the journal: {reason}") };
        let head = Head::decode(&entry.head).map_err(|_| damaged("the head cannot be read"))?;
        match entry.body {
            Content::Here(body) => Ok(Found::Here(head, body)),
            // Nothing but what is left of it was copied.
            Content::None if matches!(head, Head::Notice { .. }) => Ok(Found::Erased(head)),
            // One record is read whole.
            Content::None | Content::Unread => Ok(Found::Here(head, Vec::new())),
            Content::Erased => Ok(Found::Erased(head)),
            Content::Damaged => Err(damaged("the body is not what was written")),
        }
    }
}

/// When events came that are there, of all that is said of it. They are sorted by digest.
fn join(said: Vec<(Digest, Arrivals)>, events: &[EventEntry]) -> Vec<(Digest, Arrivals)> {
    let mut joined: BTreeMap<Digest, Arrivals> = BTreeMap::new();
    for (digest, arrivals) in said {
        let Ok(place) = events.binary_search_by_key(&digest, |event| event.digest) else { continue };
        let known = joined.entry(digest).or_insert_with(|| arrivals.clone());
        known.merge(&arrivals);
        // An earlier arrival is a record of its own, which was not waited with.
        events[place].received_at.into_iter().for_each(|at| known.take(at));
    }
    joined.into_iter().collect()
}

/// The index says that something else is there.
fn other(place: Place) -> LogError {
    stopped(&IndexError::new(format_args!("the index is wrong about {place} of the journal")))
}

/// What is wrong with the index is found at the next opening, and made good there.
pub(crate) fn stopped(error: &IndexError) -> LogError {
    LogError::Stopped { reason: error.0.to_string() }
}

/// What the journal says, to whoever uses the log.
pub(crate) fn log_error(error: &JournalError) -> LogError {
    let mut reason = error.to_string();
    if let Some(cause) = std::error::Error::source(error) {
        reason = format!("{reason}: {cause}");
    }
    match error {
        JournalError::Full { .. } => LogError::Full { reason },
        JournalError::TooLarge(_) => LogError::TooLarge { reason },
        JournalError::NoSuchRecord(_) | JournalError::Damaged(_) => LogError::Damaged { reason },
        JournalError::Broken | JournalError::InUse { .. } | JournalError::Io(_) => LogError::Stopped { reason },
    }
}
