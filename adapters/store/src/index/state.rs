//! The index as its one writer has it: sessions that are busy, and what has changed since the last
//! commit.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use finis_engine::Timestamp;
use finis_engine::log::{Consumer, Mark, RefusedCursor, RefusedId, SourceSettings};

use super::keys::OUTBOX_PAGE;
use super::layer::{Changes, SessionRow};
use super::repeats::Of;
use super::sessions::{Session, read_place, write_place};
use super::view::View;
use super::{IndexError, Meta, keys};
use crate::bytes::{Bytes, Writer};
use crate::head::{Head, read_settings, write_settings};
use crate::journal::{JournalError, Place, Position, Reader};
use crate::tag::Tag;

/// Records of sessions that are kept in memory, twice: the recent ones, and those before.
const CACHED_RECORDS: usize = 200_000;

/// The index as its one writer has it.
///
/// What it takes is seen by others when it is [published](Index::publish). It cannot take anything back:
/// a commit that fails stops the log, and opening makes it again.
pub(crate) struct Index {
    view: Arc<View>,
    journal: Reader,
    meta: Meta,
    recent: HashMap<Tag, Session>,
    before: HashMap<Tag, Session>,
    /// Records of the recent ones.
    weight: usize,
    /// Sessions that were touched since the last commit.
    touched: Vec<Tag>,
    /// Keys that have changed since the last commit.
    rest: HashMap<Vec<u8>, Option<Vec<u8>>>,
    /// The page of the outbox that was written to last.
    outbox: OutboxPage,
    /// Bodies of sessions that were let go, and of what was refused and is dealt with.
    erasable: Vec<Place>,
    /// Repeats that may wait for a commit before they are written by themselves.
    pub(super) repeats_max: usize,
    /// Those that records say which were taken since the last commit.
    pub(super) said: Vec<Of>,
    /// Those that were asked for since it was opened; nothing for a name that is not known.
    pub(super) consumers: BTreeMap<String, Option<Consumer>>,
}

/// Where the notices of a page lie; nothing for one that is not kept.
#[derive(Default)]
struct OutboxPage {
    number: u64,
    places: Vec<Option<Place>>,
    is_changed: bool,
}

impl Index {
    pub(super) fn new(view: Arc<View>, journal: Reader, repeats_max: usize) -> Index {
        let meta = view.meta();
        Index {
            view,
            journal,
            meta,
            recent: HashMap::new(),
            before: HashMap::new(),
            weight: 0,
            touched: Vec::new(),
            rest: HashMap::new(),
            outbox: OutboxPage { number: u64::MAX, ..OutboxPage::default() },
            erasable: Vec::new(),
            repeats_max,
            said: Vec::new(),
            consumers: BTreeMap::new(),
        }
    }

    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    pub(crate) fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// A session with all that was taken so far.
    pub(crate) fn session(&mut self, tag: Tag) -> Result<&mut Session, IndexError> {
        match self.recent.entry(tag) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(free) => {
                let session = match self.before.remove(&tag) {
                    Some(session) => session,
                    None => recall(&self.view, &self.journal, tag)?,
                };
                if session.is_changed {
                    // It was told of places that are no more.
                    self.touched.push(tag);
                }
                self.weight += session.weight();
                Ok(free.insert(session))
            }
        }
    }

    /// Whether the body of a record is there as it was written. One that cannot be read is not.
    pub(crate) fn is_sound(&self, place: Place) -> bool {
        self.journal.is_sound(place).unwrap_or(false)
    }

    /// What a source is read under.
    pub(crate) fn source(&self, name: &str) -> Result<Option<SourceSettings>, IndexError> {
        self.get(&keys::source(name))?.map(|value| decode_settings(&value)).transpose()
    }

    /// Where a refused delivery lies.
    pub(crate) fn refused(&self, identity: [u8; 16]) -> Result<Option<Place>, IndexError> {
        Ok(self.filed(identity)?.map(|(_, place)| place))
    }

    /// Where a refused delivery stands among the others, and where it lies.
    fn filed(&self, identity: [u8; 16]) -> Result<Option<(RefusedCursor, Place)>, IndexError> {
        let read = |value: Vec<u8>| {
            let mut from = Bytes(&value);
            let (place, at) = (from.place()?, keys::read_instant(&from.array()?, 9)?);
            from.end((cursor(identity, at), place))
        };
        let value = self.get(&keys::identity(identity))?;
        value.map(|value| read(value).ok_or_else(|| IndexError::value("a delivery"))).transpose()
    }

    fn file(&mut self, cursor: RefusedCursor, place: Place) {
        let place = place.to_bytes();
        let value = [&place[..], &keys::instant(cursor.received_at)].concat();
        self.put(keys::refused(cursor), Some(place.to_vec()));
        self.put(keys::identity(cursor.id.to_bytes()), Some(value));
    }

    fn unfile(&mut self, cursor: RefusedCursor) {
        self.put(keys::refused(cursor), None);
        self.put(keys::identity(cursor.id.to_bytes()), None);
    }

    /// Takes a record of the journal that is at `place`, or will be. Taking one twice changes nothing.
    pub(crate) fn take(&mut self, head: &Head, place: Place) -> Result<(), IndexError> {
        match head {
            Head::Event { tag, received_at, .. } => {
                self.change(*tag, head, place)?;
                if let Some(at) = received_at {
                    self.meta.reach(*at);
                }
            }
            Head::Arrival { tag, received_at, .. } => {
                self.change(*tag, head, place)?;
                self.meta.reach(*received_at);
            }
            Head::Passed { tag, at, .. } => {
                self.change(*tag, head, place)?;
                self.meta.reach(*at);
            }
            Head::Gone { tag, at, told, .. } => {
                let session = self.session(*tag)?;
                let (seqs, places) = (session.seqs().collect::<Vec<_>>(), session.places().to_vec());
                for seq in seqs.into_iter().filter(|seq| seq <= told) {
                    self.put_notice(seq, None)?;
                }
                self.erasable.extend(places.into_iter().filter(|known| *known != place));
                self.drop_repeats(*tag);
                self.change(*tag, head, place)?;
                self.meta.reach(*at);
            }
            // It does not move the clock: whether and when a repeat was written is not to show.
            Head::Repeated { tag, digest, .. } => {
                self.change(*tag, head, place)?;
                self.said.push((*tag, *digest));
            }
            Head::Due { tag, .. } | Head::Crowded { tag } | Head::LastWord { tag, .. } => {
                self.change(*tag, head, place)?;
            }
            Head::Notice { seq, tag, .. } => {
                self.change(*tag, head, place)?;
                if *seq > 0 {
                    self.put_notice(*seq, Some(place))?;
                    self.meta.seq = self.meta.seq.max(*seq);
                }
            }
            Head::Refused { identity, received_at } => {
                // A crash can leave one in two places, of which the first is soon gone.
                if let Some((known, lies_at)) = self.filed(*identity)?.filter(|(_, known)| *known != place) {
                    self.unfile(known);
                    self.erasable.push(lies_at);
                }
                self.file(cursor(*identity, *received_at), place);
                self.meta.reach(*received_at);
            }
            Head::Acknowledged { consumer, seq } => self.mark(consumer, &Mark::UpTo(*seq))?,
            Head::Removed { consumer } => self.remove_consumer(consumer)?,
            Head::Done { consumer, seq } => self.mark(consumer, &Mark::Done(*seq))?,
            Head::Parked { consumer, seq, cause } => self.mark(consumer, &Mark::Park(*seq, cause.clone()))?,
            Head::Released { consumer, seq } => self.mark(consumer, &Mark::Release(*seq))?,
            Head::Reset { consumer, seq } => self.mark(consumer, &Mark::Reset(*seq))?,
            Head::Consumer { consumer, seq, is_first, standing } => {
                let standing = standing.iter().cloned().collect();
                let part = Consumer { standing, ..Consumer::new(&**consumer, *seq) };
                self.restate(&part, *is_first)?;
            }
            Head::Answered { identity } => {
                if let Some((known, place)) = self.filed(*identity)? {
                    self.unfile(known);
                    // What it said is elsewhere by now, or is to be nowhere.
                    self.erasable.push(place);
                }
            }
            Head::Source(settings) => {
                let mut value = Vec::new();
                write_settings(&mut Writer(&mut value), settings);
                self.put(keys::source(&settings.name), Some(value));
            }
            Head::Clock { at } => self.meta.reach(*at),
            Head::Outbox { last, first } => {
                self.meta.seq = self.meta.seq.max(*last);
                self.meta.first = self.meta.first.max(*first);
            }
        }
        Ok(())
    }

    fn change(&mut self, tag: Tag, head: &Head, place: Place) -> Result<(), IndexError> {
        // Those that were let go stay so, whatever a replay finds behind it.
        let session = self.session(tag)?;
        if session.gone.is_some() && !matches!(head, Head::Gone { .. } | Head::LastWord { .. }) {
            return Ok(());
        }
        let (was_changed, before) = (session.is_changed, session.weight());
        session.take(head, place);
        let is_new = session.is_changed && !was_changed;
        // What was let go is lighter than before.
        let grown = session.weight().saturating_sub(before);
        self.weight += grown;
        if is_new {
            self.touched.push(tag);
        }
        Ok(())
    }

    /// A record lies elsewhere, too; in its session as well, if it was there. There it stays known where it was
    /// until that segment is gone: whatever is to be forgotten is erased in both places.
    pub(crate) fn relocate(
        &mut self,
        head: &Head,
        from: Place,
        is_in_session: bool,
        to: Place,
    ) -> Result<(), IndexError> {
        if let Some(tag) = head.tag().filter(|_| is_in_session) {
            let session = self.session(tag)?;
            let was_changed = session.is_changed;
            session.relocate(from, [from, to]);
            if !was_changed {
                self.touched.push(tag);
            }
        }
        match head {
            Head::Notice { seq, .. } if *seq > 0 => self.put_notice(*seq, Some(to))?,
            Head::Refused { identity, received_at } => self.file(cursor(*identity, *received_at), to),
            _ => {}
        }
        Ok(())
    }

    /// A record is not kept any more. Whether it was there.
    pub(crate) fn let_lie(&mut self, head: &Head, place: Place) -> Result<bool, IndexError> {
        if !self.lies_at(head, place)? {
            return Ok(false);
        }
        if let Head::Refused { identity, received_at } = head {
            self.unfile(cursor(*identity, *received_at));
        } else if let Some(tag) = head.tag() {
            let session = self.session(tag)?;
            let was_changed = session.is_changed;
            session.relocate(place, []);
            if !was_changed {
                self.touched.push(tag);
            }
        }
        Ok(true)
    }

    /// A segment goes: the outbox begins with the first notice that does not lie in it and is kept.
    pub(crate) fn trim_outbox(&mut self, segment: u64) -> Result<(), IndexError> {
        while self.meta.first <= self.meta.seq {
            let place = self.outbox(self.meta.first)?;
            if place.is_some_and(|place| place.frame.segment > segment) {
                break;
            }
            self.put_notice(self.meta.first, None)?;
            self.meta.first += 1;
        }
        Ok(())
    }

    /// Where the notice at a place in the outbox lies.
    pub(crate) fn outbox(&mut self, seq: u64) -> Result<Option<Place>, IndexError> {
        if seq == 0 {
            return Ok(None);
        }
        self.open_outbox(seq / OUTBOX_PAGE)?;
        Ok(self.outbox.places.get((seq % OUTBOX_PAGE) as usize).copied().flatten())
    }

    /// Whether what is known of a record is that it lies there.
    pub(crate) fn lies_at(&mut self, head: &Head, place: Place) -> Result<bool, IndexError> {
        match head {
            Head::Refused { identity, .. } => Ok(self.refused(*identity)? == Some(place)),
            Head::Due { .. } => Ok(false),
            head => match head.tag() {
                Some(tag) => Ok(self.session(tag)?.lies_at(place)),
                None => Ok(false),
            },
        }
    }

    /// Says where the notice at a place in the outbox lies.
    fn put_notice(&mut self, seq: u64, place: Option<Place>) -> Result<(), IndexError> {
        self.open_outbox(seq / OUTBOX_PAGE)?;
        let within = (seq % OUTBOX_PAGE) as usize;
        let page = &mut self.outbox;
        page.places.resize(page.places.len().max(within + 1), None);
        page.is_changed |= page.places[within] != place;
        page.places[within] = place;
        Ok(())
    }

    fn open_outbox(&mut self, number: u64) -> Result<(), IndexError> {
        if self.outbox.number != number {
            self.write_outbox();
            let places = self.get(&keys::outbox(number))?.map(|value| read_outbox(&value)).transpose()?;
            self.outbox = OutboxPage { number, places: places.unwrap_or_default(), is_changed: false };
        }
        Ok(())
    }

    fn write_outbox(&mut self) {
        let OutboxPage { number, places, is_changed } = &mut self.outbox;
        if std::mem::take(is_changed) {
            let value = places.iter().any(Option::is_some).then(|| encode_outbox(places));
            let key = keys::outbox(*number);
            self.rest.insert(key, value);
        }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.rest.get(key).cloned().map_or_else(|| self.view.get(key), Ok)
    }

    pub(super) fn put(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.rest.insert(key, value);
    }

    /// Records whose bodies have to be erased before what was taken is published: a crash in between has
    /// then nothing of it in the tree, and they are here again after a replay.
    pub(crate) fn take_erasable(&mut self) -> Vec<Place> {
        std::mem::take(&mut self.erasable)
    }

    /// Shows what was taken to everybody: the journal has it, and nothing else before `watermark`, which
    /// `records` are before.
    pub(crate) fn publish(&mut self, watermark: Position, records: u64) {
        self.write_outbox();
        let mut changes = Changes::default();
        for tag in self.touched.drain(..) {
            let Some(session) = self.recent.get_mut(&tag) else { continue };
            let beneath = session.published;
            let encoded = session.publish();
            let pages = encoded.pages.into_iter().collect();
            let (first, is_gone) = (session.places().first().copied(), session.gone.is_some());
            // Of one of which nothing is kept, no deadline is either.
            let due = session.published.and_then(|published| published.due);
            let row = SessionRow { value: encoded.value, pages, first, due, is_gone, beneath };
            changes.sessions.push((tag, row));
        }
        changes.rest.extend(self.rest.drain());
        self.meta.watermark = watermark;
        self.meta.records = records;
        self.view.publish(changes, self.meta);
        self.drop_said();
        if self.weight > CACHED_RECORDS {
            self.before = std::mem::take(&mut self.recent);
            self.weight = 0;
        }
    }
}

fn cursor(identity: [u8; 16], received_at: Timestamp) -> RefusedCursor {
    RefusedCursor { received_at, id: RefusedId::from_bytes(identity) }
}

/// A session as the journal has it. Records that are damaged are passed over: opening and checking name
/// them, and the rest is served.
pub(crate) fn recall(view: &View, journal: &Reader, tag: Tag) -> Result<Session, IndexError> {
    let Some(mut session) = view.session(tag)? else { return Ok(Session::default()) };
    for place in session.places().to_vec() {
        match journal.head(place) {
            Ok(head) => {
                if let Ok(head) = Head::decode(&head) {
                    session.recall(&head, place);
                }
            }
            Err(JournalError::Damaged(_)) => {}
            // It was moved, or let go, and the index was not told before a crash.
            Err(JournalError::NoSuchRecord(_)) => session.relocate(place, []),
            Err(error) => return Err(IndexError::new(format_args!("the journal cannot be read: {error}"))),
        }
    }
    Ok(session)
}

/// The value of a source's key.
pub(crate) fn decode_settings(value: &[u8]) -> Result<SourceSettings, IndexError> {
    read_settings(&mut Bytes(value)).ok_or_else(|| IndexError::value("a source"))
}

/// A page of the outbox: a byte for each notice, 1 for one that is kept, and their places.
fn encode_outbox(places: &[Option<Place>]) -> Vec<u8> {
    // A page has 64 at most.
    let mut bytes = vec![places.len() as u8];
    bytes.extend(places.iter().map(|place| u8::from(place.is_some())));
    for place in places.iter().flatten() {
        write_place(*place, Position::START, &mut Writer(&mut bytes));
    }
    bytes
}

/// Where the notices of a page of the outbox lie; nothing for one that is not kept.
pub(crate) fn read_outbox(value: &[u8]) -> Result<Vec<Option<Place>>, IndexError> {
    let unreadable = || IndexError::value("a page of the outbox");
    let (count, rest) = value.split_first().ok_or_else(unreadable)?;
    let (kept, places) = rest.split_at_checked(usize::from(*count)).ok_or_else(unreadable)?;
    let mut places = Bytes(places);
    let page = kept.iter().map(|kept| match kept {
        0 => Some(None),
        1 => read_place(Position::START, &mut places).map(Some),
        _ => None,
    });
    page.collect::<Option<_>>().filter(|_| places.0.is_empty()).ok_or_else(unreadable)
}
