//! From a payload that was read in full to its outline: where its values stand, and what is between.

use super::form::{Form, FormFact, FormKind, Id};
use super::outline::{At, Leaf, Text};
use crate::contract::{Contract, KindId, Origin, SubjectId};
use crate::json::{DEPTH_MAX, Shape, Slot, Tape, compare_keys, prefix};

/// A line that was read, and what it turned out to be.
pub(super) struct Lesson<'l> {
    pub(super) line: &'l str,
    pub(super) tape: &'l Tape,
    /// Place of the payload on the tape; 0 when the line is the payload.
    pub(super) payload: usize,
    pub(super) contract: &'l Contract,
    pub(super) contract_number: u32,
    pub(super) kind: KindId,
    pub(super) subject: SubjectId,
}

/// What a lesson teaches.
pub(super) struct Learned {
    /// What stands between the values of the line.
    pub(super) texts: Vec<Text>,
    pub(super) leaf: Leaf,
    pub(super) form: Form,
}

/// A value of the line: its node, and how many containers may open in it.
struct Hole {
    node: usize,
    depth: usize,
}

#[derive(Default)]
struct Draft {
    holes: Vec<Hole>,
    /// Values on paths of the contract, by hole.
    slots: Vec<(Slot, usize)>,
    /// Values that make the form what it is: the kind and the source.
    fixed: Vec<usize>,
    /// The canonical form: what stands before each value, and after the last; and which holes these are.
    parts: Vec<Box<[u8]>>,
    part: Vec<u8>,
    order: Vec<usize>,
}

impl Lesson<'_> {
    /// The outline and the form of the line; nothing when it has none that could be followed, as when
    /// a path leads into a list.
    pub(super) fn learn(&self) -> Option<Learned> {
        let kind = self.contract.kind(self.kind);
        let id = &self.contract.subject(self.subject).id;
        let kind_slot = self.contract.reading.kind.slot()?;
        let id_slot = id.slot()?;
        let mut draft = Draft::default();
        let (mut received_at, mut objects) = (None, Vec::new());
        if self.payload == 0 {
            self.object(0, 0, DEPTH_MAX, kind_slot, &mut draft)?;
        } else {
            for (key, value) in self.tape.members(0) {
                let shape = self.tape.node(value).shape;
                match self.key(key)? {
                    "body" if value == self.payload => self.object(value, 0, DEPTH_MAX, kind_slot, &mut draft)?,
                    "source" if shape == Shape::Plain => draft.fixed.push(value),
                    "received_at" if shape == Shape::Plain => {
                        received_at = Some(draft.holes.len());
                        draft.holes.push(Hole { node: value, depth: 0 });
                    }
                    "headers" if shape == Shape::Object => {
                        objects.push(draft.holes.len());
                        draft.holes.push(Hole { node: value, depth: DEPTH_MAX });
                    }
                    _ => return None,
                }
            }
        }
        self.canonical(self.payload, Some(0), &mut draft);
        let last = std::mem::take(&mut draft.part);
        draft.parts.push(last.into());

        // Places of values in the canonical form: they are kept in that order.
        let hole = |slot: Slot| Some(draft.slots.iter().find(|(known, _)| *known == slot)?.1);
        let place = |slot: Slot| {
            let hole = hole(slot)?;
            draft.order.iter().position(|ordered| *ordered == hole)
        };
        let at = match &kind.time {
            None => None,
            Some(time) => match (&time.place.origin, time.place.slot().and_then(&hole)) {
                (Origin::Payload(_), Some(hole)) => Some(hole),
                (Origin::Payload(_), None) if !time.optional => return None,
                _ => None,
            },
        };
        let own_time = kind.time.as_ref().and_then(|time| time.place.slot());
        let (mut facts, mut bits) = (Vec::new(), 0);
        for (bit, fact) in kind.facts.iter().enumerate() {
            if fact.slot == kind_slot {
                return None;
            }
            let Some(place) = place(fact.slot) else { continue };
            let (field, value, unit) = (fact.field, place as u16, fact.unit);
            facts.push(FormFact { field, value, unit, is_time: Some(fact.slot) == own_time });
            bits |= 1 << bit;
        }
        // As claims are kept, which saves the fold a search.
        facts.sort_by_key(|fact| fact.field);
        let form = Form {
            contract: self.contract_number,
            subject: self.subject,
            kind: FormKind::Known { kind: self.kind, rank: kind.rank, facts: bits },
            values: u16::try_from(draft.order.len()).ok()?,
            id: Id::Quoted(place(id_slot)? as u16),
            facts,
            time_format: self.contract.reading.time_format,
            parts: draft.parts,
        };
        let id = hole(id_slot)?;
        let leaf = Leaf { form: 0, order: draft.order, id, at, received_at, objects, format: form.time_format };
        Some(Learned { texts: self.texts(&draft.holes), leaf, form })
    }

    /// Finds the values of an object, and of those inside it that paths lead through.
    fn object(&self, place: usize, branch: u16, depth: usize, kind: Slot, draft: &mut Draft) -> Option<()> {
        let paths = &self.contract.reading.paths;
        for (key, value) in self.tape.members(place) {
            let name = self.key(key)?.as_bytes();
            let below = paths.child(branch, prefix(name), name);
            let slot = below.and_then(|below| paths.slot_at(below));
            let shape = self.tape.node(value).shape;
            let container = matches!(shape, Shape::Object | Shape::Array);
            match below.filter(|below| container && paths.has_children(*below)) {
                Some(below) if shape == Shape::Object && slot.is_none() && !paths.is_volatile(below) => {
                    self.object(value, below, depth - 1, kind, draft)?;
                }
                Some(_) => return None,
                None if slot == Some(kind) => {
                    if shape != Shape::Plain {
                        return None;
                    }
                    draft.fixed.push(value);
                }
                None => {
                    // Where paths lead on, an object in its place would have more to say than a value.
                    let leads_on = below.is_some_and(|below| paths.has_children(below));
                    draft.slots.extend(slot.map(|slot| (slot, draft.holes.len())));
                    draft.holes.push(Hole { node: value, depth: if leads_on { 0 } else { depth - 1 } });
                }
            }
        }
        Some(())
    }

    /// Writes the canonical form of an object around its values.
    fn canonical(&self, place: usize, branch: Option<u16>, draft: &mut Draft) {
        let paths = &self.contract.reading.paths;
        let mut members: Vec<_> =
            self.tape.members(place).filter_map(|(key, value)| Some((self.key(key)?, value))).collect();
        members.sort_by(|left, right| compare_keys(left.0.as_bytes(), right.0.as_bytes()));
        draft.part.push(b'{');
        let mut written = false;
        for (name, value) in members {
            let below = branch.and_then(|branch| paths.child(branch, prefix(name.as_bytes()), name.as_bytes()));
            if below.is_some_and(|below| paths.is_volatile(below)) {
                continue;
            }
            if written {
                draft.part.push(b',');
            }
            written = true;
            // A key without escapes is written as it stands.
            for text in ["\"", name, "\":"] {
                draft.part.extend_from_slice(text.as_bytes());
            }
            if let Some(hole) = draft.holes.iter().position(|hole| hole.node == value) {
                let part = std::mem::take(&mut draft.part);
                draft.parts.push(part.into());
                draft.order.push(hole);
            } else if draft.fixed.contains(&value) {
                let node = self.tape.node(value);
                draft.part.extend_from_slice(&self.line.as_bytes()[node.start as usize..node.end as usize]);
            } else {
                self.canonical(value, below, draft);
            }
        }
        draft.part.push(b'}');
    }

    /// What stands between the values.
    fn texts(&self, holes: &[Hole]) -> Vec<Text> {
        let mut from = 0;
        let mut texts = Vec::with_capacity(holes.len() + 1);
        for hole in holes {
            let node = self.tape.node(hole.node);
            let bytes = self.line.as_bytes()[from..node.start as usize].into();
            texts.push(Text { bytes, then: At::Value { depth: hole.depth } });
            from = node.end as usize;
        }
        texts.push(Text { bytes: self.line.as_bytes()[from..].into(), then: At::End });
        texts
    }

    /// A key without escapes.
    fn key(&self, place: usize) -> Option<&str> {
        let node = self.tape.node(place);
        (node.shape == Shape::Plain).then(|| &self.line[node.start as usize + 1..node.end as usize - 1])
    }
}
