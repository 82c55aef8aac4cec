//! Events in packed form: small, comparable, and with nothing lost.
//!
//! Millions of payloads of one provider differ in their values and hardly in anything else: keys,
//! their order, what stands between them come again and again. So these are learned once
//! ([`Outlines`](outline::Outlines)), later payloads are read by comparing instead of parsing, and
//! an event is kept as the number of its [`Form`] and its values, in the order of the canonical form.
//!
//! ```text
//! line ──▶ packed event ──▶ partial
//!     pack     (bytes)      fold
//! ```
//!
//! Form and values together give the canonical payload back, byte for byte. So two packed events are
//! the same event exactly when they say the same bytes, and a digest has to be made only where it
//! decides: between different events of one session at one time ([`Folder`]).

mod fold; // the packed events of a session into a partial
mod form; // what they have in common
mod lesson; // from a payload that was read to its outline
mod outline; // reading by comparing
mod packer; // from lines to packed events
mod values; // what is between

use std::sync::Arc;

pub use fold::Folder;
pub use form::{Form, Forms};
pub use packer::{PackedArrival, Packer};

use crate::bytes::is_same;
use crate::contract::{Contract, SubjectId};
use crate::digest::Digest;
use crate::timestamp::{BYTES as TIME_BYTES, Timestamp};
use form::{FormKind, Id};

/// The event has a time.
const HAS_TIME: u8 = 1;
/// It has an arrival.
const HAS_ARRIVAL: u8 = 2;
/// Ends of values are four bytes each instead of two.
const IS_WIDE: u8 = 4;

/// A packed event: a view of the bytes that a [`Packer`] made.
///
/// ```text
/// form u32 │ flags u8 │ time 13? │ arrival 13? │ end of each value u16 or u32 │ values
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Packed<'p> {
    form: &'p Form,
    number: u32,
    /// The provider's time.
    at: Option<Timestamp>,
    received_at: Option<Timestamp>,
    wide: bool,
    ends: &'p [u8],
    values: &'p [u8],
}

/// Bytes of a packed event before its values, of which there are so many, of so many bytes.
fn head_len(values: usize, at: Option<Timestamp>, received_at: Option<Timestamp>, length: usize) -> usize {
    let times = usize::from(at.is_some()) + usize::from(received_at.is_some());
    5 + times * TIME_BYTES + values * end_len(length)
}

/// Bytes of the end of each value, when all together have so many.
fn end_len(length: usize) -> usize {
    if length > usize::from(u16::MAX) { 4 } else { 2 }
}

/// Writes a packed event, all but its values, of which there are `length` bytes: the room for these.
fn write_head(
    out: &mut [u8],
    form: u32,
    at: Option<Timestamp>,
    received_at: Option<Timestamp>,
    ends: impl Iterator<Item = usize>,
    length: usize,
) -> &mut [u8] {
    let wide = end_len(length) == 4;
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    let (head, mut rest) = out.split_at_mut(5);
    head[..4].copy_from_slice(&form.to_le_bytes());
    head[4] = flag(at.is_some(), HAS_TIME) | flag(received_at.is_some(), HAS_ARRIVAL) | flag(wide, IS_WIDE);
    for at in at.iter().chain(&received_at) {
        let (time, after) = rest.split_at_mut(TIME_BYTES);
        time.copy_from_slice(&at.to_bytes());
        rest = after;
    }
    // A line is far below 4 GiB, and values are not much longer than what they are made of.
    let mut written = 0;
    if wide {
        for (room, end) in rest.as_chunks_mut::<4>().0.iter_mut().zip(ends) {
            *room = (end as u32).to_le_bytes();
            written += 4;
        }
    } else {
        for (room, end) in rest.as_chunks_mut::<2>().0.iter_mut().zip(ends) {
            *room = (end as u16).to_le_bytes();
            written += 2;
        }
    }
    &mut rest[written..]
}

impl<'p> Packed<'p> {
    /// Reads what a [`Packer`] wrote, which is taken at its word.
    ///
    /// # Panics
    /// When it is not that, or `forms` are not those of that packer.
    #[must_use]
    pub fn read(bytes: &'p [u8], forms: &'p [Arc<Form>]) -> Packed<'p> {
        let (number, rest) = bytes.split_first_chunk().expect("a packed event begins with its form");
        let (flags, mut rest) = rest.split_first().expect("after the form come the flags");
        let mut time = |flag: u8| {
            let (time, after) = rest.split_first_chunk::<TIME_BYTES>().filter(|_| flags & flag != 0)?;
            rest = after;
            Some(Timestamp::from_bytes(time))
        };
        let (at, received_at) = (time(HAS_TIME), time(HAS_ARRIVAL));
        let number = u32::from_le_bytes(*number);
        let form = &*forms[number as usize];
        let wide = flags & IS_WIDE != 0;
        let (ends, values) = rest.split_at(usize::from(form.values) * if wide { 4 } else { 2 });
        Packed { form, number, at, received_at, wide, ends, values }
    }

    /// The number by which the caller of the packer tells contracts apart.
    #[must_use]
    pub fn contract(&self) -> u32 {
        self.form.contract
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> SubjectId {
        self.form.subject
    }

    /// Whether they are of one session, if they are of one source.
    #[inline]
    #[must_use]
    pub fn is_of_same_session(&self, other: &Packed<'_>) -> bool {
        self.form.subject == other.form.subject && is_same(self.id(), other.id())
    }

    /// The id of the session, unescaped.
    #[must_use]
    pub fn id(&self) -> &'p [u8] {
        match self.form.id {
            Id::Bare(value) => self.value(value),
            Id::Quoted(value) => {
                let quoted = self.value(value);
                &quoted[1..quoted.len() - 1]
            }
        }
    }

    fn end(&self, value: usize) -> usize {
        if self.wide {
            let end = self.ends.as_chunks::<4>().0[value];
            u32::from_le_bytes(end) as usize
        } else {
            let end = self.ends.as_chunks::<2>().0[value];
            usize::from(u16::from_le_bytes(end))
        }
    }

    fn value(&self, value: u16) -> &'p [u8] {
        let value = usize::from(value);
        let start = if value == 0 { 0 } else { self.end(value - 1) };
        &self.values[start..self.end(value)]
    }

    /// Whether they are one event, delivered twice.
    fn is_same(&self, other: &Packed<'_>, room: &mut [Vec<u8>; 2]) -> bool {
        if self.number == other.number {
            return self.ends == other.ends && self.values == other.values;
        }
        if self.form.contract != other.form.contract {
            return false;
        }
        let [ours, theirs] = room;
        self.write_identity(ours);
        other.write_identity(theirs);
        ours == theirs
    }

    fn digest(&self, room: &mut Vec<u8>) -> Digest {
        self.write_identity(room);
        Digest::of(room)
    }

    fn write_identity(&self, out: &mut Vec<u8>) {
        out.clear();
        for (part, value) in self.form.parts.iter().zip(0..) {
            out.extend_from_slice(part);
            if usize::from(value) + 1 < self.form.parts.len() {
                out.extend_from_slice(self.value(value));
            }
        }
    }

    fn kind_name<'s>(&'s self, contract: &'s Contract) -> &'s str {
        match self.form.kind {
            FormKind::Known { kind, .. } => contract.kind_name(kind),
            // It was a str when it was packed.
            FormKind::Unknown { name } => std::str::from_utf8(self.value(name)).unwrap_or_default(),
        }
    }
}
