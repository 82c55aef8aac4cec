//! A session in the index: where its records lie in the journal.
//!
//! That is all that the tree keeps of it, some forty bytes for a call. What the records say of the session
//! is read from the journal when it is met again, and kept for as long as it is busy.
//!
//! | a session's value | |
//! |---|---|
//! | how many older pages there are | varint |
//! | when it is due, if ever | 0, or 1 and a time |
//! | places of its records past those of the older pages | [`write_places`] |

use finis_engine::log::{Arrivals, Gone};
use finis_engine::{Digest, Timestamp};

use super::counts::{Counts, Taken};
use crate::bytes::{Bytes, Writer};
use crate::head::{Due, Head, series};
use crate::journal::{Place, Position};

/// Places of an older page. With every place at its longest, a page stays below 4 KiB.
const PAGE_PLACES: usize = 192;

/// What is known of a session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    /// When it has to be judged again.
    pub(crate) due: Option<Timestamp>,
    /// It was let go, and this is what is left of it.
    pub(crate) gone: Option<Gone>,
    /// Events, sorted by digest.
    events: Vec<Seen>,
    /// How often events came that came more than once.
    counts: Counts,
    /// When deadlines that passed were due, sorted.
    passed: Vec<Timestamp>,
    /// More events came than are kept.
    pub(crate) crowded: bool,
    /// Series, revision and place in the outbox of what was said, sorted.
    said: Vec<(u8, u32, u64)>,
    /// Where its records lie, sorted.
    places: Vec<Place>,
    /// Older pages that the index has.
    pages: usize,
    /// Older pages before this one are as the index has them.
    clean: usize,
    /// What the index has, below what is being written: nothing when it has nothing.
    pub(super) published: Option<Published>,
    /// It is to be published.
    pub(super) is_changed: bool,
}

/// An event that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    digest: Digest,
    /// Its earliest arrival, if any is known.
    pub(crate) received_at: Option<Timestamp>,
    /// Where the last record of it lies.
    pub(crate) place: Place,
}

/// What the index has of a session beside its places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) due: Option<Timestamp>,
}

/// The value of a session's key.
pub(super) struct Value {
    pub(super) pages: u32,
    pub(super) due: Option<Timestamp>,
    places: Vec<Place>,
}

/// What of a session is to be written.
pub(super) struct Encoded {
    /// Nothing when nothing of it is kept.
    pub(super) value: Option<Vec<u8>>,
    /// Older pages that have changed; nothing for one that goes.
    pub(super) pages: Vec<(u32, Option<Vec<u8>>)>,
}

impl Session {
    /// Whether there is anything of it.
    pub(crate) fn is_known(&self) -> bool {
        !self.places.is_empty()
    }

    /// An event, if it is there.
    pub(crate) fn event(&self, digest: Digest) -> Option<Seen> {
        let at = self.events.binary_search_by_key(&digest, |seen| seen.digest).ok()?;
        self.events.get(at).copied()
    }

    /// When an event came, as far as a record says so beside its own.
    pub(crate) fn arrivals(&self, digest: Digest) -> Option<&Arrivals> {
        self.counts.get(digest)
    }

    pub(crate) fn has_passed(&self, due: Timestamp) -> bool {
        self.passed.binary_search(&due).is_ok()
    }

    pub(crate) fn has_said(&self, series: u8, revision: u32) -> bool {
        self.said.binary_search_by_key(&(series, revision), |said| (said.0, said.1)).is_ok()
    }

    /// The last revision that was said of each series.
    pub(crate) fn revisions(&self) -> [u32; 3] {
        let last = |series: u8| self.said.iter().rev().find(|said| said.0 == series).map_or(0, |said| said.1);
        [last(0), last(1), last(2)]
    }

    /// Places in the outbox of what was said.
    pub(crate) fn seqs(&self) -> impl Iterator<Item = u64> {
        // Those of which nobody is told have none.
        self.said.iter().map(|said| said.2).filter(|seq| *seq > 0)
    }

    /// Where its records lie.
    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// The latest receiver's time of its events and passed deadlines.
    pub(crate) fn latest(&self) -> Option<Timestamp> {
        self.events.iter().filter_map(|seen| seen.received_at).chain(self.passed.last().copied()).max()
    }

    /// Whether a record of it lies there.
    pub(crate) fn lies_at(&self, place: Place) -> bool {
        self.places.binary_search(&place).is_ok()
    }

    /// Where the last thing that was said of it stands in the outbox: of its end, or of a stall.
    pub(crate) fn last_word(&self) -> Option<u64> {
        let last = |series: u8| self.said.iter().rev().find(|said| said.0 == series).map(|said| said.2);
        last(0).or_else(|| last(1))
    }

    /// Whether both say the same of a session, wherever their records lie.
    pub(crate) fn says_as(&self, other: &Session) -> bool {
        let seen = |session: &Session| -> Vec<_> {
            session.events.iter().map(|seen| (seen.digest, seen.received_at)).collect()
        };
        seen(self) == seen(other)
            && self.counts.said().eq(other.counts.said())
            && self.passed == other.passed
            && self.said == other.said
            && self.crowded == other.crowded
            && self.due == other.due
            && self.gone == other.gone
    }

    /// How much memory it takes, in entries.
    pub(super) fn weight(&self) -> usize {
        1 + self.places.len() + self.counts.weight()
    }

    /// Takes a record of it, which lies or will lie at `place`. Taking it twice changes nothing.
    pub(crate) fn take(&mut self, head: &Head, place: Place) {
        match head {
            Head::Event { digest, received_at, due, .. } => {
                self.see(*digest, *received_at, place);
                self.set_due(*due);
            }
            Head::Arrival { digest, received_at, .. } => self.arrive(*digest, *received_at, place),
            Head::Repeated { digest, arrivals, .. } => match self.counts.take(*digest, arrivals, place) {
                Taken::Known => return,
                Taken::Keep { superseded } => superseded.into_iter().for_each(|place| self.let_place_go(place)),
            },
            Head::Passed { at, due, .. } => {
                insert(&mut self.passed, *at);
                self.set_due(*due);
            }
            Head::Crowded { .. } => self.crowded = true,
            Head::Notice { seq, kind, revision, .. } => insert(&mut self.said, (series(*kind), *revision, *seq)),
            Head::LastWord { .. } => {}
            // It is where the session is, and nowhere else.
            Head::Due { due, .. } => return self.set_due(*due),
            Head::Gone { why, at, revisions, .. } => {
                self.let_go(Gone { why: *why, at: *at });
                self.recall_revisions(revisions);
            }
            _ => return,
        }
        self.is_changed = true;
        if let Err(before) = self.places.binary_search(&place) {
            self.clean = self.clean.min(before / PAGE_PLACES);
            self.places.insert(before, place);
        }
    }

    /// What a record that the index knows to be there says; when it is due, the index says itself.
    pub(super) fn recall(&mut self, head: &Head, place: Place) {
        match head {
            Head::Event { digest, received_at, .. } => self.see(*digest, *received_at, place),
            Head::Arrival { digest, received_at, .. } => self.arrive(*digest, *received_at, place),
            Head::Repeated { digest, arrivals, .. } => drop(self.counts.take(*digest, arrivals, place)),
            Head::Passed { at, .. } => insert(&mut self.passed, *at),
            Head::Crowded { .. } => self.crowded = true,
            Head::Notice { seq, kind, revision, .. } => insert(&mut self.said, (series(*kind), *revision, *seq)),
            Head::Gone { why, at, revisions, .. } => {
                self.gone = Some(Gone { why: *why, at: *at });
                self.recall_revisions(revisions);
            }
            _ => {}
        }
    }

    /// A record of it that lay in one place lies in these now, or nowhere.
    pub(crate) fn relocate(&mut self, from: Place, to: impl IntoIterator<Item = Place>) {
        let to: Vec<Place> = to.into_iter().collect();
        for seen in self.events.iter_mut().filter(|seen| seen.place == from) {
            seen.place = to.iter().copied().max().unwrap_or(from);
        }
        self.counts.relocate(from, &to);
        let places = std::mem::take(&mut self.places);
        self.places = places.into_iter().filter(|place| *place != from).chain(to).collect();
        self.places.sort_unstable();
        self.places.dedup();
        (self.clean, self.is_changed) = (0, true);
    }

    /// What a record says, another one says as well.
    fn let_place_go(&mut self, place: Place) {
        if let Ok(known) = self.places.binary_search(&place) {
            self.clean = self.clean.min(known / PAGE_PLACES);
            self.places.remove(known);
        }
    }

    fn recall_revisions(&mut self, revisions: &[u32; 3]) {
        // Where they stood in the outbox, nobody needs to know any more.
        let said = (0_u8..).zip(revisions).filter(|(_, revision)| **revision > 0);
        self.said = said.map(|(series, revision)| (series, *revision, 0)).collect();
    }

    /// Nothing of it is kept any more.
    fn let_go(&mut self, gone: Gone) {
        self.events.clear();
        self.counts.clear();
        self.passed.clear();
        self.places.clear();
        (self.due, self.crowded, self.gone, self.clean) = (None, false, Some(gone), 0);
    }

    fn see(&mut self, digest: Digest, at: Option<Timestamp>, place: Place) {
        match self.events.binary_search_by_key(&digest, |seen| seen.digest) {
            Ok(known) => {
                let seen = &mut self.events[known];
                seen.received_at = earliest(seen.received_at, at);
                seen.place = seen.place.max(place);
            }
            Err(free) => self.events.insert(free, Seen { digest, received_at: at, place }),
        }
    }

    /// Its event can have been copied, and then lies behind this.
    fn arrive(&mut self, digest: Digest, at: Timestamp, place: Place) {
        match self.events.binary_search_by_key(&digest, |seen| seen.digest) {
            Ok(known) => self.events[known].received_at = earliest(self.events[known].received_at, Some(at)),
            Err(free) => self.events.insert(free, Seen { digest, received_at: Some(at), place }),
        }
    }

    fn set_due(&mut self, due: Due) {
        match due {
            Due::Same => return,
            Due::Never => self.due = None,
            Due::At(at) => self.due = Some(at),
        }
        self.is_changed = true;
    }

    /// What has changed since it was published, which it is now.
    pub(super) fn publish(&mut self) -> Encoded {
        let older = self.places.len().saturating_sub(1) / PAGE_PLACES;
        let mut pages = Vec::new();
        for number in self.clean..older {
            let mut page = Vec::new();
            write_places(&self.places[number * PAGE_PLACES..][..PAGE_PLACES], &mut Writer(&mut page));
            // A page has some hundred places, so there are far fewer pages than 2³².
            pages.push((number as u32, Some(page)));
        }
        pages.extend((older..self.pages).map(|number| (number as u32, None)));
        let mut value = Vec::with_capacity(64);
        let mut to = Writer(&mut value);
        to.varint(older as u64);
        to.option(self.due, Writer::timestamp);
        write_places(&self.places[older * PAGE_PLACES..], &mut to);
        (self.pages, self.clean, self.is_changed) = (older, older, false);
        let is_known = self.is_known();
        self.published = is_known.then_some(Published { due: self.due });
        Encoded { value: is_known.then_some(value), pages }
    }

    /// The session of the value of its key and its older pages, in order: where everything lies, and
    /// nothing of what it says yet.
    pub(super) fn decode(value: Value, older: impl Iterator<Item = Option<Vec<Place>>>) -> Option<Session> {
        let mut session = Session { due: value.due, ..Session::default() };
        for page in older {
            session.places.extend(page.filter(|page| page.len() == PAGE_PLACES)?);
            session.pages += 1;
        }
        session.places.extend(value.places);
        session.clean = session.pages;
        session.published = Some(Published { due: value.due });
        session.places.is_sorted().then_some(session)
    }
}

impl Value {
    pub(super) fn decode(bytes: &[u8]) -> Option<Value> {
        let mut from = Bytes(bytes);
        let (pages, due) = (u32::try_from(from.varint()?).ok()?, from.option(Bytes::timestamp)?);
        Some(Value { pages, due, places: read_places(from.0)? })
    }
}

/// The earlier of two arrivals, of which there may be none.
pub(crate) fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.earliest(other)),
        (one, other) => one.or(other),
    }
}

fn insert<T: Ord>(sorted: &mut Vec<T>, value: T) {
    if let Err(place) = sorted.binary_search(&value) {
        sorted.insert(place, value);
    }
}

/// Places in order, each by what it has more than the one before.
pub(super) fn write_places(places: &[Place], to: &mut Writer<'_>) {
    let mut before = Position::START;
    for place in places {
        write_place(*place, before, to);
        before = place.frame;
    }
}

pub(super) fn read_places(bytes: &[u8]) -> Option<Vec<Place>> {
    let mut from = Bytes(bytes);
    let mut places: Vec<Place> = Vec::new();
    while !from.0.is_empty() {
        let before = places.last().map_or(Position::START, |place| place.frame);
        places.push(read_place(before, &mut from)?);
    }
    Some(places)
}

/// A place after a frame: segments more, then eights of bytes more, or from the beginning of the segment,
/// then the record.
pub(super) fn write_place(place: Place, before: Position, to: &mut Writer<'_>) {
    let Position { segment, offset } = place.frame;
    to.varint(segment - before.segment);
    // Frames begin at multiples of eight.
    to.varint(if segment == before.segment { (offset - before.offset) / 8 } else { offset / 8 });
    to.varint(place.record.into());
}

pub(super) fn read_place(before: Position, from: &mut Bytes<'_>) -> Option<Place> {
    let segment = before.segment.checked_add(from.varint()?)?;
    let eights = from.varint()?.checked_mul(8)?;
    let offset = if segment == before.segment { before.offset.checked_add(eights)? } else { eights };
    Some(Place { frame: Position { segment, offset }, record: u32::try_from(from.varint()?).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::Tag;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix(second, 0, 0).unwrap()
    }

    fn place(record: u32) -> Place {
        Place { frame: Position::START, record }
    }

    /// Of an event that comes again for ever, two places are kept: its own, and that of the last count.
    #[test]
    fn counts_do_not_pile_up() {
        let (tag, digest) = (Tag::from_bytes([1; 16]), Digest::from_bytes([2; 16]));
        let mut session = Session::default();
        session.take(&Head::Event { tag, digest, received_at: Some(at(0)), due: Due::Same }, place(0));
        let mut arrivals = Arrivals::of(at(0));
        for record in 1..1000 {
            arrivals.take(at(record.into()));
            session.take(&Head::Repeated { tag, digest, arrivals: arrivals.clone() }, place(record));
            assert_eq!(session.places(), [place(0), place(record)]);
        }
        // What a replay finds once more is known.
        let before = Arrivals::of(at(0));
        session.take(&Head::Repeated { tag, digest, arrivals: before }, place(1));
        assert_eq!((session.places().len(), session.arrivals(digest)), (2, Some(&arrivals)));
    }
}
