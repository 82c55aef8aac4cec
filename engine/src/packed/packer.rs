//! From lines to packed events.

use super::form::{Form, FormKind, Forms, Id};
use super::lesson::Lesson;
use super::outline::{Leaf, Outlines};
use super::values::Values;
use super::{head_len, write_head};
use crate::contract::Contract;
use crate::event::{self, Event, EventKind, Unreadable, is_fit_id};
use crate::json::{Pointer, Shape};
use crate::line::LineReader;
use crate::timestamp::Timestamp;

/// Packs the events of lines. It owns the room for one at a time, and what it has learned.
#[derive(Debug)]
pub struct Packer<'f, S> {
    reader: LineReader,
    forms: &'f Forms,
    outlines: Outlines,
    /// The source of the lines of each outline.
    sources: Vec<S>,
    values: Values,
    packed: Vec<u8>,
}

/// What a line held.
#[derive(Clone, Copy, Debug)]
pub struct PackedArrival<'a, S> {
    /// Where it came from, as the caller's sources say.
    pub source: S,
    /// The receiver's time, if the line has it.
    pub received_at: Option<Timestamp>,
    /// The provider's time, if the event has one.
    pub at: Option<Timestamp>,
    /// Whether the contract has its kind.
    pub known: bool,
    /// The id of the session, unescaped.
    pub id: &'a [u8],
    values: Written<'a>,
}

/// Where the values of an event are, before they are packed.
#[derive(Clone, Copy, Debug)]
enum Written<'a> {
    /// In a line that was followed to this leaf.
    Line { line: &'a str, leaf: &'a Leaf, values: &'a Values },
    /// Packed already.
    Packed(&'a [u8]),
}

/// What is known of an event beside its values.
struct Facts<S> {
    source: S,
    received_at: Option<Timestamp>,
    at: Option<Timestamp>,
    /// The outline that was followed; or whether the kind is known, and where the id is among what is packed.
    values: Result<u32, (bool, std::ops::Range<usize>)>,
}

impl<'f, S: Copy> Packer<'f, S> {
    /// A packer of payloads and deliveries; or, with `body_at`, of lines that have the payload there.
    #[must_use]
    pub fn new(forms: &'f Forms, body_at: Option<Pointer>) -> Packer<'f, S> {
        let (reader, outlines, values) = (LineReader::new(body_at), Outlines::default(), Values::default());
        Packer { reader, forms, outlines, sources: Vec::new(), values, packed: Vec::new() }
    }

    /// Packs the event of one line, its end left off. White space around it is ignored.
    ///
    /// `source_of` gives, for the source that the line names or for none, what the caller knows it by,
    /// and its contract with the number that tells it from other contracts. It gives the same for the
    /// same name.
    ///
    /// # Errors
    /// As [`LineReader::read`].
    pub fn pack<'r, 'c>(
        &'r mut self,
        line: &'r str,
        source_of: impl Fn(Option<&str>) -> Result<(S, u32, &'c Contract), String>,
    ) -> Result<PackedArrival<'r, S>, Unreadable> {
        let (whole, line) = (line, line.trim_end_matches([' ', '\t', '\r']));
        let facts = match self.follow(line) {
            Some(facts) => facts,
            None => self.read(whole, line, source_of)?,
        };
        let Facts { source, received_at, at, values } = facts;
        let (known, id, values) = match values {
            Ok(number) => {
                let (leaf, values) = (self.outlines.leaf(number), &self.values);
                let id = values.bytes(line, leaf.id);
                (true, &id[1..id.len() - 1], Written::Line { line, leaf, values })
            }
            Err((known, id)) => (known, &self.packed[id], Written::Packed(&self.packed)),
        };
        Ok(PackedArrival { source, received_at, at, known, id, values })
    }

    /// Packs a line of a known outline.
    fn follow(&mut self, line: &str) -> Option<Facts<S>> {
        // Longer ones are refused by whoever reads them in full.
        u32::try_from(line.len()).ok()?;
        let number = self.outlines.follow(line, &mut self.values)?;
        let leaf = self.outlines.leaf(number);
        let values = &self.values;
        let time = |value: usize| -> Option<Timestamp> {
            let (shape, text) = values.get(line, value);
            event::read_time(leaf.format, shape, text).ok()
        };
        let at = match leaf.at {
            Some(value) => Some(time(value)?),
            None => None,
        };
        let received_at = match leaf.received_at {
            Some(value) => Some(arrival(values.get(line, value))?),
            None => None,
        };
        let (shape, id) = values.get(line, leaf.id);
        let objects = leaf.objects.iter().all(|value| values.get(line, *value).0 == Shape::Object);
        if !objects || shape != Shape::Plain || !is_fit_id(&id[1..id.len() - 1]) {
            return None;
        }
        Some(Facts { source: self.sources[number as usize], received_at, at, values: Ok(number) })
    }

    /// Packs a line by reading all of it, with the white space at its end, which may be within a string that does
    /// not end; and learns its outline.
    fn read<'c>(
        &mut self,
        whole: &str,
        line: &str,
        source_of: impl Fn(Option<&str>) -> Result<(S, u32, &'c Contract), String>,
    ) -> Result<Facts<S>, Unreadable> {
        let source_of = |name: Option<&str>| {
            let (source, number, contract) = source_of(name)?;
            Ok(((source, number, contract), contract))
        };
        let arrival = self.reader.read(whole.as_bytes(), source_of)?;
        let ((source, number, contract), event, received_at) = (arrival.source, arrival.event, arrival.received_at);
        let (subject, at) = (event.subject, event.at);
        let kind = match event.kind {
            EventKind::Known(kind) => Some(kind),
            EventKind::Unknown(_) => None,
        };
        let id = write_loose(&mut self.packed, self.forms, number, contract, &event, received_at);
        let facts = Facts { source, received_at, at, values: Err((kind.is_some(), id)) };
        let Some((kind, payload)) = kind.zip(self.reader.plain_payload()) else { return Ok(facts) };
        let tape = self.reader.tape();
        let lesson = Lesson { line, tape, payload, contract, contract_number: number, kind, subject };
        let Some(learned) = lesson.learn() else { return Ok(facts) };
        let leaf = || Leaf { form: self.forms.number(learned.form), ..learned.leaf };
        if self.outlines.learn(learned.texts, leaf) {
            self.sources.push(source);
        }
        Ok(facts)
    }
}

fn arrival((shape, text): (Shape, &str)) -> Option<Timestamp> {
    let inside = text.get(1..text.len() - 1).filter(|_| shape == Shape::Plain)?;
    Timestamp::parse(inside).ok()
}

impl<S> PackedArrival<'_, S> {
    /// How many bytes the packed event has.
    #[must_use]
    pub fn packed_len(&self) -> usize {
        match self.values {
            Written::Packed(packed) => packed.len(),
            Written::Line { leaf, values, .. } => {
                let length = leaf.order.iter().map(|value| values.length(*value)).sum();
                head_len(leaf.order.len(), self.at, self.received_at, length) + length
            }
        }
    }

    /// Writes the packed event, to be read as [`Packed`](super::Packed), into as many bytes.
    ///
    /// # Panics
    /// When they are not as many.
    pub fn write(&self, out: &mut [u8]) {
        match self.values {
            Written::Packed(packed) => out.copy_from_slice(packed),
            Written::Line { line, leaf, values } => {
                let ends = leaf.order.iter().scan(0, |end, value| {
                    *end += values.length(*value);
                    Some(*end)
                });
                let length = leaf.order.iter().map(|value| values.length(*value)).sum();
                let mut rest = write_head(out, leaf.form, self.at, self.received_at, ends, length);
                for value in &leaf.order {
                    let bytes = values.bytes(line, *value);
                    let (room, after) = rest.split_at_mut(bytes.len());
                    room.copy_from_slice(bytes);
                    rest = after;
                }
            }
        }
    }
}

/// Writes an event whose form is not known: its whole identity, and beside it what is read of it.
fn write_loose(
    packed: &mut Vec<u8>,
    forms: &Forms,
    number: u32,
    contract: &Contract,
    event: &Event<'_>,
    received_at: Option<Timestamp>,
) -> std::ops::Range<usize> {
    let mut beside = vec![event.identity, event.id.as_bytes()];
    let (mut facts, mut bits) = (Vec::new(), 0_u64);
    let kind = match event.kind {
        EventKind::Known(kind) => {
            for (fact, value) in event.placed_facts() {
                let place = beside.len() as u16;
                facts.push(super::form::FormFact { field: fact.field, value: place, unit: None, is_time: false });
                bits |= 1 << fact.place;
                beside.push(value);
            }
            FormKind::Known { kind, rank: contract.kind(kind).rank, facts: bits }
        }
        EventKind::Unknown(name) => {
            beside.push(name.as_bytes());
            FormKind::Unknown { name: 2 }
        }
    };
    let form = forms.number(Form {
        contract: number,
        subject: event.subject,
        kind,
        parts: vec![Box::default(), Box::default()],
        values: beside.len() as u16,
        id: Id::Bare(1),
        facts,
        time_format: contract.reading.time_format,
    });
    let ends = beside.iter().scan(0, |end, value| {
        *end += value.len();
        Some(*end)
    });
    let length = beside.iter().map(|value| value.len()).sum();
    let head = head_len(beside.len(), event.at, received_at, length);
    packed.clear();
    packed.resize(head, 0);
    write_head(packed, form, event.at, received_at, ends, length);
    packed.extend(beside.iter().copied().flatten());
    let start = head + beside[0].len();
    start..start + beside[1].len()
}
