//! The packed events of a session, folded into a partial.

use super::Packed;
use super::form::{FormFact, FormKind};
use crate::contract::Contract;
use crate::contract::draft::Unit;
use crate::digest::Digest;
use crate::event;
use crate::json::Shape;
use crate::partial::{Partial, Seen, SeenKind};

/// Sessions with more events than this are told apart by digest: each against each would take long.
const COMPARED_MAX: usize = 16;

/// Folds packed events. It owns the room, so one folder serves any number of sessions.
#[derive(Debug, Default)]
pub struct Folder {
    partial: Partial,
    /// Identities that are compared, or made a digest of.
    room: [Vec<u8>; 2],
    /// Values brought to another unit, and where each fact's value stands: among these or not at all.
    converted: Vec<u8>,
    places: Vec<Option<(usize, usize)>>,
}

impl Folder {
    /// The partial of the events of one session, in whatever order and however often they come.
    ///
    /// Digests cost more than all the rest of a fold, and decide only between different events of
    /// one time: that is the last thing by which claims, winners and the events of a record are
    /// ordered. So they are made for such events alone, unless `digests` asks for all.
    pub fn fold(&mut self, contract: &Contract, events: &mut [Packed<'_>], digests: bool) -> &Partial {
        self.partial.clear();
        if events.len() > COMPARED_MAX {
            for event in &*events {
                let digest = event.digest(&mut self.room[0]);
                match self.partial.place(digest) {
                    Some(place) => self.partial.see_again(place, event.received_at),
                    None => self.put(contract, event, digest),
                }
            }
            return &self.partial;
        }
        events.sort_unstable_by_key(|event| event.at);
        for of_one_time in events.chunk_by(|left, right| left.at == right.at) {
            self.fold_time(contract, of_one_time, digests);
        }
        &self.partial
    }

    /// Folds events of one time, a few of them.
    fn fold_time(&mut self, contract: &Contract, events: &[Packed<'_>], digests: bool) {
        let first = self.partial.len();
        let mut different = [0; COMPARED_MAX];
        let mut count = 0;
        // Which of the different ones each event is.
        let mut is = [0; COMPARED_MAX];
        for (place, event) in events.iter().enumerate() {
            let known =
                different[..count].iter().position(|known: &usize| events[*known].is_same(event, &mut self.room));
            is[place] = known.unwrap_or_else(|| {
                different[count] = place;
                count += 1;
                count - 1
            });
        }
        for place in &different[..count] {
            let event = &events[*place];
            let digest = if digests || count > 1 { event.digest(&mut self.room[0]) } else { Digest::NONE };
            self.put(contract, event, digest);
        }
        if count < events.len() {
            for (event, is) in events.iter().zip(is) {
                self.partial.see_again(first + is, event.received_at);
            }
        }
    }

    fn put(&mut self, contract: &Contract, event: &Packed<'_>, digest: Digest) {
        let kind = match event.form.kind {
            FormKind::Known { kind, rank, facts } => SeenKind::Known { kind, rank, facts },
            FormKind::Unknown { .. } => SeenKind::Unknown { name: self.partial.intern(event.kind_name(contract)) },
        };
        self.converted.clear();
        self.places.clear();
        for fact in event.form.facts.iter().filter(|fact| fact.unit.is_some()) {
            let start = self.converted.len();
            let place = convert(event, *fact, &mut self.converted).then_some((start, self.converted.len()));
            self.places.push(place);
        }
        let seen = Seen { at: event.at, received_at: event.received_at, digest, kind };
        let mut places = self.places.iter();
        let converted = &self.converted;
        let facts = event.form.facts.iter().map(|fact| {
            let place = fact.unit.and_then(|_| places.next().copied().flatten());
            (fact.field, place.map_or_else(|| event.value(fact.value), |(start, end)| &converted[start..end]))
        });
        self.partial.put(contract, seen, facts);
    }
}

/// Whether the event's own time, which was read before, is written as records write it.
fn is_utc(value: &[u8]) -> bool {
    value.ends_with(b"Z\"") && value.get(11) == Some(&b'T')
}

/// Appends a fact's value in the unit of the record; `false` when it stays as it is.
fn convert(event: &Packed<'_>, fact: FormFact, out: &mut Vec<u8>) -> bool {
    let Some(unit) = fact.unit else { return false };
    if fact.is_time && unit == Unit::Time && is_utc(event.value(fact.value)) {
        return false;
    }
    // It was a str when it was packed.
    let value = std::str::from_utf8(event.value(fact.value)).unwrap_or_default();
    let known = event.at.filter(|_| fact.is_time);
    event::convert(unit, event.form.time_format, Shape::of_canonical(value), value, known, out)
}
