//! A session in the index: where its entries lie in the journal.
//!
//! Items stand in pages, in the order in which they came. A page that is full is written once more and
//! then left alone, the last one is written with the session: what a commit costs does not depend on
//! how old a session is.

use std::collections::{BTreeMap, BTreeSet};

use finis_engine::{Digest, Timestamp};

use crate::bytes::{Bytes, Writer};
use crate::journal::{Place, Position};

/// Bytes of a page. sled wants values of 4 KiB at most.
const PAGE_BYTES: usize = 2048;

/// Stands for the frame that an item is about to be written in.
pub(crate) const PENDING: Position = Position::START;

/// An entry of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// An event, by its earliest arrival.
    Event { digest: Digest, received_at: Option<Timestamp>, place: Place },
    /// A deadline that passed.
    Passed { due: Timestamp },
    /// A notice: its series and revision.
    Notice { series: u8, revision: u32, seq: u64, place: Place },
}

/// Where an item stands: page, and place in it.
type At = (usize, usize);

/// What the index knows of a session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    pub(crate) due: Option<Timestamp>,
    pages: Vec<Page>,
    events: BTreeMap<Digest, At>,
    passed: BTreeSet<Timestamp>,
    notices: BTreeSet<(u8, u32)>,
    changed: BTreeSet<usize>,
    pending: Vec<At>,
}

#[derive(Clone, Debug, Default)]
struct Page {
    items: Vec<Item>,
    bytes: usize,
}

/// The value of a session's key: how many pages there are beside the one in it, and that one.
pub(crate) struct Head {
    pub(crate) pages: u32,
    due: Option<Timestamp>,
    items: Vec<Item>,
}

impl Session {
    /// Whether an event is there, and its earliest arrival, of which there may be none.
    #[allow(clippy::option_option, reason = "whether it is there, and when it came")]
    pub(crate) fn event(&self, digest: Digest) -> Option<Option<Timestamp>> {
        match self.item(*self.events.get(&digest)?)? {
            Item::Event { received_at, .. } => Some(*received_at),
            _ => None,
        }
    }

    pub(crate) fn has_passed(&self, due: Timestamp) -> bool {
        self.passed.contains(&due)
    }

    pub(crate) fn has_said(&self, series: u8, revision: u32) -> bool {
        self.notices.contains(&(series, revision))
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        self.pages.iter().flat_map(|page| &page.items)
    }

    /// How many items it has.
    pub(crate) fn len(&self) -> usize {
        self.pages.iter().map(|page| page.items.len()).sum()
    }

    /// Takes an item that is not there yet.
    pub(crate) fn add(&mut self, item: Item) {
        let bytes = item.bytes();
        if self.pages.last().is_none_or(|page| page.bytes + bytes > PAGE_BYTES) {
            // The one before stood with the session until now.
            self.changed.extend(self.pages.len().checked_sub(1));
            self.pages.push(Page::default());
        }
        let number = self.pages.len() - 1;
        if let Some(page) = self.pages.last_mut() {
            let at = (number, page.items.len());
            match &item {
                Item::Event { digest, .. } => drop(self.events.insert(*digest, at)),
                Item::Passed { due } => drop(self.passed.insert(*due)),
                Item::Notice { series, revision, .. } => drop(self.notices.insert((*series, *revision))),
            }
            if item.place().is_some_and(|place| place.frame == PENDING) {
                self.pending.push(at);
            }
            page.bytes += bytes;
            page.items.push(item);
        }
        self.changed.insert(number);
    }

    /// Notes an arrival of an event that is there.
    pub(crate) fn arrive(&mut self, digest: Digest, at: Timestamp) {
        let Some(&place) = self.events.get(&digest) else { return };
        if let Some(Item::Event { received_at, .. }) = self.item_mut(place) {
            *received_at = Some(received_at.map_or(at, |known| known.earliest(at)));
        }
        self.changed.insert(place.0);
    }

    /// Says in which frame everything that is pending was written.
    pub(crate) fn settle(&mut self, frame: Position) {
        for at in std::mem::take(&mut self.pending) {
            if let Some(Item::Event { place, .. } | Item::Notice { place, .. }) = self.item_mut(at) {
                place.frame = frame;
            }
        }
    }

    /// Older pages that have changed, and the value of the session's key.
    pub(crate) fn encode_changes(&mut self) -> (Vec<(u32, Vec<u8>)>, Vec<u8>) {
        let last = self.pages.len().saturating_sub(1);
        let changed = std::mem::take(&mut self.changed);
        let older = changed.into_iter().filter(|number| *number < last).map(|number| {
            let mut bytes = Vec::with_capacity(PAGE_BYTES);
            self.pages[number].items.iter().for_each(|item| item.encode(&mut Writer(&mut bytes)));
            // A page has some dozen items, so there are far fewer pages than 2³².
            (number as u32, bytes)
        });
        let older = older.collect();
        let mut bytes = Vec::new();
        let mut to = Writer(&mut bytes);
        to.u32(last as u32);
        to.option(self.due, Writer::timestamp);
        self.pages.last().into_iter().flat_map(|page| &page.items).for_each(|item| item.encode(&mut to));
        (older, bytes)
    }

    /// The session of the value of its key and of its older pages, in order.
    pub(crate) fn decode(head: Head, older: impl Iterator<Item = Option<Vec<Item>>>) -> Option<Session> {
        let mut session = Session { due: head.due, ..Session::default() };
        for page in older.chain([Some(head.items)]) {
            // A page ends where it was full then, so that every item stays in its page.
            session.pages.push(Page { items: Vec::new(), bytes: 0 });
            let number = session.pages.len() - 1;
            for item in page? {
                session.add(item);
            }
            if session.pages.len() != number + 1 {
                return None;
            }
        }
        session.changed.clear();
        Some(session)
    }

    fn item(&self, (page, place): At) -> Option<&Item> {
        self.pages.get(page)?.items.get(place)
    }

    fn item_mut(&mut self, (page, place): At) -> Option<&mut Item> {
        self.pages.get_mut(page)?.items.get_mut(place)
    }
}

impl Head {
    pub(crate) fn decode(bytes: &[u8]) -> Option<Head> {
        let mut from = Bytes(bytes);
        let (pages, due) = (from.u32()?, from.option(Bytes::timestamp)?);
        Some(Head { pages, due, items: decode_page(from.0)? })
    }
}

/// The items of a page.
pub(crate) fn decode_page(bytes: &[u8]) -> Option<Vec<Item>> {
    let mut from = Bytes(bytes);
    let mut items = Vec::new();
    while !from.0.is_empty() {
        items.push(Item::decode(&mut from)?);
    }
    Some(items)
}

impl Item {
    fn place(&self) -> Option<Place> {
        match self {
            Item::Event { place, .. } | Item::Notice { place, .. } => Some(*place),
            Item::Passed { .. } => None,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Item::Event { .. } => 51,
            Item::Passed { .. } => 14,
            Item::Notice { .. } => 34,
        }
    }

    fn encode(&self, to: &mut Writer<'_>) {
        match self {
            Item::Event { digest, received_at, place } => {
                to.u8(1);
                to.digest(*digest);
                to.option(*received_at, Writer::timestamp);
                to.place(*place);
            }
            Item::Passed { due } => {
                to.u8(2);
                to.timestamp(*due);
            }
            Item::Notice { series, revision, seq, place } => {
                to.u8(3);
                to.u8(*series);
                to.u32(*revision);
                to.u64(*seq);
                to.place(*place);
            }
        }
    }

    fn decode(from: &mut Bytes<'_>) -> Option<Item> {
        match from.u8()? {
            1 => Some(Item::Event {
                digest: from.digest()?,
                received_at: from.option(Bytes::timestamp)?,
                place: from.place()?,
            }),
            2 => Some(Item::Passed { due: from.timestamp()? }),
            3 => {
                Some(Item::Notice { series: from.u8()?, revision: from.u32()?, seq: from.u64()?, place: from.place()? })
            }
            _ => None,
        }
    }
}
