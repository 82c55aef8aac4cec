//! A partial: what part of a session's log is known to say.
//!
//! The log of a session is a set of events, and a partial stands for any subset of it: each event
//! with its kind, time, digest, earliest arrival and which facts it had, and for each field a
//! *register* of the distinct values that were claimed. [`Partial::add`] puts one event in,
//! [`Partial::merge`] joins two subsets. The join is commutative, associative and idempotent, so
//! neither the order nor the number of deliveries can show in anything that is read off a partial.
//!
//! Claims are ordered by what the contract says of them and by the events themselves; arrival is
//! no part of that order, so it cannot take part.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::bytes::is_same;
use crate::contract::{Contract, FieldId, KindId, KindSet};
use crate::digest::Digest;
use crate::event::{Event, EventKind};
use crate::timestamp::Timestamp;

/// Distinct values kept for one field. A faulty provider can send any number; a record stays small.
pub const VALUES_MAX: usize = 8;

/// Sessions with more events than this look them up in a tree instead of one after another.
const SCANNED_MAX: usize = 32;

/// Bytes of values let go that are worth moving the rest for.
const DEAD_BYTES_MAX: u32 = 4096;

/// What part of a session's log says.
#[derive(Clone, Debug, Default)]
pub struct Partial {
    events: Vec<Seen>,
    /// In the order of fields; those for one field in no particular order.
    claims: Vec<Claim>,
    /// Values, one after another.
    bytes: Vec<u8>,
    /// Names of unknown kinds; rarely any.
    names: Vec<Box<str>>,
    /// Bytes that nothing refers to any more: some of the 4 GiB that there are at most.
    dead: u32,
    /// More events came than may be kept.
    crowded: bool,
    /// Fields with more than [`VALUES_MAX`] distinct values, in order, each with the furthest step of
    /// a value that was let go.
    more: Vec<(FieldId, u16)>,
    /// Events by digest, once there are more than [`SCANNED_MAX`]; boxed, for few sessions have it.
    #[allow(clippy::box_collection, reason = "a pointer in each of millions of sessions, not three words")]
    places: Option<Box<BTreeMap<Digest, u32>>>,
}

/// An event of the log, without its values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Option<Timestamp>,
    /// The earliest over its deliveries.
    pub(crate) received_at: Option<Timestamp>,
    /// [`Digest::NONE`] where no other event of the session has its time: it then decides nothing.
    pub(crate) digest: Digest,
    pub(crate) kind: SeenKind,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum SeenKind {
    Known {
        kind: KindId,
        rank: u16,
        facts: u64,
    },
    /// By place of its name.
    Unknown {
        name: u32,
    },
}

/// When something began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Since {
    /// Before every deadline: nothing says when.
    Ever,
    At(Timestamp),
}

/// A value that was claimed for a field, with the best claim to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) field: FieldId,
    /// Place of the value in the field's progress, 0 the furthest.
    step: u16,
    /// Place of the event that claims it.
    event: u32,
    value: Slice,
}

#[derive(Clone, Copy, Debug)]
struct Slice {
    start: u32,
    end: u32,
}

impl Partial {
    /// Puts an event in. `false` if it was there already; its arrival counts all the same.
    pub fn add(&mut self, contract: &Contract, event: &Event<'_>, received_at: Option<Timestamp>) -> bool {
        let digest = event.digest();
        if let Some(place) = self.place(digest) {
            self.see_again(place, received_at);
            return false;
        }
        let kind = match event.kind {
            EventKind::Known(kind) => {
                let facts = event.placed_facts().fold(0, |bits, (fact, _)| bits | 1 << fact.place);
                SeenKind::Known { kind, rank: contract.kind(kind).rank, facts }
            }
            EventKind::Unknown(name) => SeenKind::Unknown { name: self.intern(name) },
        };
        let seen = Seen { at: event.at, received_at, digest, kind };
        self.put(contract, seen, event.placed_facts().map(|(fact, value)| (fact.field, value)));
        true
    }

    /// Lets an event that is here have arrived once more.
    pub(crate) fn see_again(&mut self, place: usize, received_at: Option<Timestamp>) {
        let seen = &mut self.events[place];
        seen.received_at = earliest(seen.received_at, received_at);
    }

    /// Puts an event in that is not here yet.
    pub(crate) fn put<'v>(
        &mut self,
        contract: &Contract,
        seen: Seen,
        facts: impl Iterator<Item = (FieldId, &'v [u8])>,
    ) {
        if self.events.is_empty() {
            // What a session usually comes to, so that it grows in place.
            self.events.reserve(4);
            self.claims.reserve(12);
            self.bytes.reserve(384);
        }
        let place = self.push(seen);
        // Facts mostly come in the order of fields, as claims stand: the search goes on from the last.
        let mut from = 0;
        for (field, value) in facts {
            let step = contract.field(field).step(value);
            if from > 0 && self.claims[from - 1].field >= field {
                from = 0;
            }
            from = self.claim(from, field, step, place, value);
        }
    }

    /// Takes everything out, and keeps the room.
    pub(crate) fn clear(&mut self) {
        let Partial { events, claims, bytes, names, dead, crowded, more, places } = self;
        events.clear();
        claims.clear();
        bytes.clear();
        names.clear();
        more.clear();
        (*dead, *crowded, *places) = (0, false, None);
    }

    /// The same as [`Partial::merge`], of a part that is not needed any more: where there are no events yet, it is
    /// taken over as it is.
    pub fn absorb(&mut self, other: Partial) {
        if self.is_empty() {
            let crowded = self.crowded;
            *self = other;
            self.crowded |= crowded;
        } else {
            self.merge(&other);
        }
    }

    /// Joins what two parts of the log say of the same session.
    ///
    /// Registers are cut to [`VALUES_MAX`] values, and that keeps the laws: a value among the best
    /// of all is among the best of every part that holds its best claim, since whatever outranks it
    /// there outranks it everywhere. The furthest step of what was let go is that of the ninth value
    /// of all: a value that is let go on the way has eight before it, none of a lesser step, so one of
    /// these nine at least is let go in the end, too.
    pub fn merge(&mut self, other: &Partial) {
        // Mostly it is one event that comes.
        if let [seen] = &*other.events {
            let place = self.take(seen, other);
            self.take_claims(other, |_| place);
        } else {
            let places: Vec<u32> = other.events.iter().map(|seen| self.take(seen, other)).collect();
            self.take_claims(other, |event| places[event as usize]);
        }
        for (field, step) in &other.more {
            self.set_more(*field, *step);
        }
        self.crowded |= other.crowded;
    }

    /// Takes note that more events came than may be kept, by whoever bounds a log: what is not here is no
    /// evidence that it did not come.
    pub fn crowd(&mut self) {
        self.crowded = true;
    }

    /// Whether more events came than may be kept.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.crowded
    }

    /// How many distinct events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The events, in no particular order.
    pub(crate) fn events(&self) -> &[Seen] {
        &self.events
    }

    /// Known kinds of which an event is here.
    pub(crate) fn kinds(&self) -> KindSet {
        let mut kinds = KindSet::default();
        self.events.iter().filter_map(Seen::known_kind).for_each(|kind| kinds.insert(kind));
        kinds
    }

    /// The event of a kind that wins: the latest, then the greatest digest.
    pub(crate) fn winning(&self, kind: KindId) -> Option<&Seen> {
        let of_kind = self.events.iter().filter(|seen| seen.known_kind() == Some(kind));
        of_kind.max_by(|left, right| left.at.cmp(&right.at).then(left.digest.cmp(&right.digest)))
    }

    /// What a field goes by.
    pub(crate) fn winner(&self, field: FieldId) -> Option<&[u8]> {
        let claims = &self.claims[self.claims_for(0, field)];
        claims.iter().min_by(|left, right| self.compare(left, right)).map(|claim| self.slice(claim.value))
    }

    /// The time of the event that a field goes by: the receiver's where there is one, else the provider's.
    pub(crate) fn claimed_at(&self, field: FieldId) -> Option<Timestamp> {
        let claims = &self.claims[self.claims_for(0, field)];
        let winner = claims.iter().min_by(|left, right| self.compare(left, right))?;
        let seen = self.claimant(winner);
        seen.received_at.or(seen.at)
    }

    /// Claims by field, in the order of fields; those for one field in no particular order.
    pub(crate) fn claims(&self) -> impl Iterator<Item = &[Claim]> {
        self.claims.chunk_by(|left, right| left.field == right.field)
    }

    /// Claims for one field, the strongest first.
    pub(crate) fn ranked<'s>(&'s self, claims: &'s [Claim]) -> Vec<&'s Claim> {
        let mut ranked: Vec<&Claim> = claims.iter().collect();
        ranked.sort_unstable_by(|left, right| self.compare(left, right));
        ranked
    }

    /// Whether there were more values for the field, of the step of this claim, than are kept.
    pub(crate) fn has_more(&self, claim: &Claim) -> bool {
        self.more.iter().any(|(field, step)| *field == claim.field && *step <= claim.step)
    }

    pub(crate) fn value(&self, claim: &Claim) -> &[u8] {
        self.slice(claim.value)
    }

    pub(crate) fn claimant(&self, claim: &Claim) -> &Seen {
        &self.events[claim.event as usize]
    }

    /// Whether two claims are of the same step of their field's progress.
    pub(crate) fn same_step(left: &Claim, right: &Claim) -> bool {
        left.step == right.step
    }

    /// The name of an event's kind.
    pub(crate) fn kind_name<'s>(&'s self, contract: &'s Contract, seen: &Seen) -> &'s str {
        match seen.kind {
            SeenKind::Known { kind, .. } => contract.kind_name(kind),
            SeenKind::Unknown { name } => &self.names[name as usize],
        }
    }

    /// The place of the event with this digest.
    pub(crate) fn place(&self, digest: Digest) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(&digest).map(|place| *place as usize),
            None => self.events.iter().position(|seen| seen.digest == digest),
        }
    }

    /// Takes an event of another part, or lets it have arrived once more. Its place here.
    fn take(&mut self, seen: &Seen, of: &Partial) -> u32 {
        if let Some(place) = self.place(seen.digest) {
            self.see_again(place, seen.received_at);
            return place as u32;
        }
        let kind = match seen.kind {
            SeenKind::Unknown { name } => SeenKind::Unknown { name: self.intern(&of.names[name as usize]) },
            known @ SeenKind::Known { .. } => known,
        };
        self.push(Seen { kind, ..*seen })
    }

    /// Takes the claims of another part, whose events have these places here.
    fn take_claims(&mut self, of: &Partial, place: impl Fn(u32) -> u32) {
        for claim in &of.claims {
            self.claim(0, claim.field, claim.step, place(claim.event), of.slice(claim.value));
        }
    }

    fn push(&mut self, seen: Seen) -> u32 {
        // A session of four thousand million events does not fit in memory.
        let place = self.events.len() as u32;
        self.events.push(seen);
        if let Some(places) = &mut self.places {
            places.insert(seen.digest, place);
        } else if self.events.len() > SCANNED_MAX {
            let events = self.events.iter().zip(0..);
            self.places = Some(Box::new(events.map(|(seen, place)| (seen.digest, place)).collect()));
        }
        place
    }

    /// Lets the event at `place` claim a value. No claim for the field stands before `from`; given back is
    /// where none does for any later field.
    fn claim(&mut self, from: usize, field: FieldId, step: u16, place: u32, value: &[u8]) -> usize {
        let of_field = self.claims_for(from, field);
        let known = self.claims[of_field.clone()].iter().position(|claim| is_same(self.slice(claim.value), value));
        if let Some(known) = known.map(|known| of_field.start + known) {
            let better = Claim { event: place, ..self.claims[known] };
            if self.compare(&better, &self.claims[known]) == Ordering::Less {
                self.claims[known] = better;
            }
            return of_field.end;
        }
        let Some(value) = self.store(value) else {
            self.set_more(field, step);
            return of_field.end;
        };
        let claim = Claim { field, step, event: place, value };
        self.claims.insert(of_field.end, claim);
        if of_field.len() == VALUES_MAX {
            self.drop_weakest(of_field.start..of_field.end + 1);
            return of_field.end;
        }
        of_field.end + 1
    }

    /// Claims for a field, none of which stands before `from`.
    fn claims_for(&self, from: usize, field: FieldId) -> Range<usize> {
        // A session has a dozen claims or so: one after another is faster than halving.
        let later = self.claims[from..].iter().position(|claim| claim.field >= field);
        let start = later.map_or(self.claims.len(), |later| from + later);
        let length = self.claims[start..].iter().take_while(|claim| claim.field == field).count();
        start..start + length
    }

    fn drop_weakest(&mut self, of_field: Range<usize>) {
        let weakest = of_field.max_by(|left, right| self.compare(&self.claims[*left], &self.claims[*right]));
        if let Some(weakest) = weakest {
            let Claim { field, step, value, .. } = self.claims.remove(weakest);
            self.set_more(field, step);
            self.dead += value.end - value.start;
        }
        if self.dead > DEAD_BYTES_MAX && self.dead as usize > self.bytes.len() / 2 {
            self.compact();
        }
    }

    fn set_more(&mut self, field: FieldId, step: u16) {
        match self.more.binary_search_by_key(&field, |(field, _)| *field) {
            Ok(place) => self.more[place].1 = self.more[place].1.min(step),
            Err(place) => self.more.insert(place, (field, step)),
        }
    }

    /// Which of two claims for one field is stronger: `Less` if the first is. The furthest step,
    /// then the kind with more authority, then the later time, then the greater digest. Claims for
    /// different values by one event (never for one field) are told apart by nothing else.
    fn compare(&self, left: &Claim, right: &Claim) -> Ordering {
        let (first, second) = (self.claimant(left), self.claimant(right));
        let by_step = left.step.cmp(&right.step);
        let by_rank = || first.rank().cmp(&second.rank());
        by_step.then_with(by_rank).then_with(|| second.at.cmp(&first.at)).then_with(|| second.digest.cmp(&first.digest))
    }

    /// The place of a name. Mostly it is that of the last one.
    pub(crate) fn intern(&mut self, name: &str) -> u32 {
        if self.names.last().is_none_or(|last| **last != *name) {
            self.names.push(name.into());
        }
        // There are no more of them than events.
        self.names.len() as u32 - 1
    }

    /// Nothing when it does not fit: a session keeps 4 GiB of values, which is eight values of the
    /// longest line for each of thirty fields.
    fn store(&mut self, bytes: &[u8]) -> Option<Slice> {
        let start = u32::try_from(self.bytes.len()).ok()?;
        let end = u32::try_from(self.bytes.len() + bytes.len()).ok()?;
        self.bytes.extend_from_slice(bytes);
        Some(Slice { start, end })
    }

    fn slice(&self, slice: Slice) -> &[u8] {
        &self.bytes[slice.start as usize..slice.end as usize]
    }

    /// Moves what is still referred to into fresh room.
    fn compact(&mut self) {
        let old = std::mem::take(&mut self.bytes);
        self.dead = 0;
        let moved = |bytes: &mut Vec<u8>, slice: Slice| {
            let start = bytes.len() as u32;
            bytes.extend_from_slice(&old[slice.start as usize..slice.end as usize]);
            Slice { start, end: bytes.len() as u32 }
        };
        for claim in &mut self.claims {
            claim.value = moved(&mut self.bytes, claim.value);
        }
    }
}

impl Seen {
    pub(crate) fn known_digest(&self) -> Option<Digest> {
        (self.digest != Digest::NONE).then_some(self.digest)
    }

    pub(crate) fn known_kind(&self) -> Option<KindId> {
        match self.kind {
            SeenKind::Known { kind, .. } => Some(kind),
            SeenKind::Unknown { .. } => None,
        }
    }

    /// Whether the event had the fact at this place of its kind's facts.
    pub(crate) fn has_fact(&self, place: u8) -> bool {
        matches!(self.kind, SeenKind::Known { facts, .. } if facts >> place & 1 == 1)
    }

    /// What its age counts from: the receiver's time where there is one, else the provider's.
    pub(crate) fn since(&self) -> Since {
        self.received_at.or(self.at).map_or(Since::Ever, Since::At)
    }

    fn rank(&self) -> u16 {
        match self.kind {
            SeenKind::Known { rank, .. } => rank,
            SeenKind::Unknown { .. } => u16::MAX,
        }
    }
}

/// Two partials are equal when they stand for the same subset: whatever order it came in.
impl PartialEq for Partial {
    fn eq(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }
}

impl Eq for Partial {}

/// An event of [`Canonical`]: digest, times, and what it was.
type CanonicalEvent<'p> = (Digest, Option<Timestamp>, Option<Timestamp>, Option<(KindId, u64)>, &'p [u8]);

/// What a partial says, in an order of its own.
#[derive(PartialEq)]
struct Canonical<'p> {
    events: Vec<CanonicalEvent<'p>>,
    claims: Vec<(FieldId, u16, Digest, &'p [u8])>,
    more: &'p [(FieldId, u16)],
    crowded: bool,
}

impl Partial {
    fn canonical(&self) -> Canonical<'_> {
        let mut events: Vec<CanonicalEvent<'_>> = self
            .events
            .iter()
            .map(|seen| {
                let (known, name) = match seen.kind {
                    SeenKind::Known { kind, facts, .. } => (Some((kind, facts)), &[][..]),
                    SeenKind::Unknown { name } => (None, self.names[name as usize].as_bytes()),
                };
                (seen.digest, seen.at, seen.received_at, known, name)
            })
            .collect();
        events.sort_unstable_by_key(|event| event.0);
        let claims = self.claims.iter();
        let mut claims: Vec<_> = claims
            .map(|claim| (claim.field, claim.step, self.claimant(claim).digest, self.slice(claim.value)))
            .collect();
        claims.sort_unstable();
        Canonical { events, claims, more: &self.more, crowded: self.crowded }
    }
}

fn earliest(left: Option<Timestamp>, right: Option<Timestamp>) -> Option<Timestamp> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.earliest(right)),
        (known, None) | (None, known) => known,
    }
}
