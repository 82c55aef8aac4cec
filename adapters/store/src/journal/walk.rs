//! Reads a journal from front to back: frames, and what is damaged, in order.
//!
//! A frame that fails is one of three things. With something valid after it, or in a segment that
//! is not the last, or where a witness knows of more, it is damage, and reading goes on after it.
//! Else it is the torn tail of a crash: never acknowledged, and the end of the journal.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::codec::{
    self, Chain, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, Frame, FrameError, FrameHeader, HEADER_BYTES, HeaderError,
    Marker, RetiredRange, SegmentHeader, SlotState,
};
use super::damage::{Damage, Reason};
use super::disk::{Access, Disk, DiskFile};
use super::error::{IoFault, OpenError};
use super::layout::{FRAMES_START, Layout, newer_segment, read_header, segment_file};
use super::place::{Place, Position};
use super::record::{Content, Entry};
use super::window::Window;

/// Frames begin at multiples of this.
const STEP: usize = 8;

/// Looked through at once for a frame.
const SEARCHED_BYTES: usize = 64 << 10;

/// What comes next.
#[derive(Debug)]
pub(super) enum Step {
    Frame(Found),
    Damage(Damage),
}

/// A frame that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) at: Position,
    pub(super) end: u64,
    pub(super) first: u64,
    before: Chain,
    pub(super) next: Expected,
    /// Bytes of bodies that are erased.
    pub(super) erased_bytes: u64,
    /// Records whose bodies are damaged.
    damaged: Vec<u32>,
    /// Empty unless they are wanted.
    pub(super) entries: Vec<Entry>,
}

/// What the next frame must begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) records: u64,
    pub(super) chain: Chain,
}

/// Where a journal ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    pub(super) at: Position,
    /// Nothing when no frame and no witness says it.
    pub(super) expected: Option<Expected>,
    /// Bytes of a frame that a crash cut off.
    pub(super) torn_bytes: u64,
    /// The last segment ends in damage: it must not be written to.
    pub(super) damaged: bool,
}

/// What a walk is to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) from: Position,
    /// Where it ends, if that is known.
    pub(super) until: Option<Position>,
    /// The journal goes this far at least, says somebody else than a witness.
    pub(super) known: Position,
    /// What of records is copied out.
    pub(super) entries: Entries,
}

/// What of records is copied out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entries {
    None,
    /// A body that is there is not unpacked: [`Content::Unread`].
    Heads,
    Whole,
}

pub(super) struct Walk {
    disk: Arc<dyn Disk>,
    layout: Layout,
    route: Route,
    /// Index of the segment to be read next.
    next: usize,
    /// The last segment that is accounted for.
    reached: u64,
    current: Option<Current>,
    expected: Option<Expected>,
    steps: VecDeque<Step>,
    tail: Option<Tail>,
}

struct Current {
    number: u64,
    window: Window,
    file: Arc<dyn DiskFile>,
    offset: u64,
    /// Not the last one: no frame will be added.
    sealed: bool,
    /// Where it ends and with what, by the header of the next.
    close: Option<SegmentHeader>,
    /// Where its frames end, or its file.
    limit: u64,
}

impl Current {
    fn position(&self) -> Position {
        Position { segment: self.number, offset: self.offset }
    }
}

impl Walk {
    pub(super) fn new(disk: Arc<dyn Disk>, layout: Layout, route: Route) -> Walk {
        let next = layout.segments.partition_point(|number| *number < route.from.segment);
        let reached = route.from.segment.saturating_sub(1);
        Walk { disk, layout, route, next, reached, current: None, expected: None, steps: VecDeque::new(), tail: None }
    }

    /// Where the journal ends, once [`Walk::step`] gave nothing.
    pub(super) fn tail(&self) -> Option<Tail> {
        self.tail
    }

    /// The next frame or damage; nothing at the end.
    pub(super) fn step(&mut self) -> Result<Option<Step>, OpenError> {
        loop {
            if let Some(step) = self.steps.pop_front() {
                return Ok(Some(step));
            }
            if self.tail.is_some() {
                return Ok(None);
            }
            match self.current.take() {
                None => self.enter()?,
                Some(current) => self.read(current)?,
            }
        }
    }

    fn damage(&mut self, damage: Damage) {
        self.steps.push_back(Step::Damage(damage));
    }

    /// Numbers from what is expected to what was found.
    fn lost(&self, next: u64) -> Range<u64> {
        let from = self.expected.map_or(next, |expected| expected.records);
        from.min(next)..next
    }

    /// Goes into the next segment, or ends.
    fn enter(&mut self) -> Result<(), OpenError> {
        let Some(number) = self.layout.segments.get(self.next).copied() else {
            self.end_without_segment();
            return Ok(());
        };
        self.next += 1;
        let name = segment_file(number);
        let file: Arc<dyn DiskFile> = match self.disk.open(&name, Access::Read) {
            Ok(file) => file.into(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Beside a writer, it may just have been retired. Else it is found missing at the next.
                if let Some(layout) = Layout::read(&*self.disk)? {
                    self.layout.retired = layout.retired;
                }
                return Ok(());
            }
            Err(error) => return Err(IoFault::to("open", &name)(error).into()),
        };
        let header = read_header(&*file).unwrap_or(Err(HeaderError::Short));
        if let Err(HeaderError::Newer { version }) = header {
            return Err(newer_segment(number, version));
        }
        self.pass_missing(number, header.ok());
        self.reached = number;
        self.check_header(number, header);

        let following = self.layout.segments.get(self.next).copied();
        let close = following.filter(|next| number.checked_add(1) == Some(*next)).and_then(|next| self.header_of(next));
        let length = file.length().map_err(IoFault::to("read", &name))?;
        let mut offset = FRAMES_START;
        if number == self.route.from.segment && self.route.from.offset > FRAMES_START {
            offset = self.route.from.offset.next_multiple_of(STEP as u64);
            // What a witness says of the place is as good as a frame before it.
            let here = Position { segment: number, offset };
            self.expected = self
                .layout
                .claim
                .filter(|claim| claim.end == here)
                .map(|claim| Expected { records: claim.records, chain: claim.chain });
        }
        if length < FRAMES_START {
            // No crash leaves less: with it a slot went, so how much is lost nobody can say.
            let at = Position { segment: number, offset: length };
            self.damage(Damage { at, bytes: 0, records: 0..0, reason: Reason::Short });
        }
        let known = self.known_of(number).is_some_and(|known| known == u64::MAX);
        self.current = Some(Current {
            number,
            window: Window::new(Arc::clone(&file)),
            file,
            offset,
            sealed: following.is_some() || known,
            limit: close.map_or(length, |close| close.previous_end),
            close,
        });
        Ok(())
    }

    fn header_of(&self, number: u64) -> Option<SegmentHeader> {
        let file = self.disk.open(&segment_file(number), Access::Read).ok()?;
        let header = read_header(&*file).ok()?.ok()?;
        (header.salt == self.layout.salt && header.number == number).then_some(header)
    }

    /// Says which segments before `number` should be there. After a gap, nothing is expected.
    fn pass_missing(&mut self, number: u64, header: Option<SegmentHeader>) {
        let gap = self.reached.saturating_add(1) < number;
        let absent = gaps(self.layout.retired.ranges(), self.reached.saturating_add(1), number);
        for (first, last) in absent {
            self.missing(first, last, header.filter(|_| last.checked_add(1) == Some(number)));
        }
        if gap {
            // The list of retired segments says what the next begins with.
            let ranges = self.layout.retired.ranges().iter();
            let retired = ranges.rev().find(|range| range.last.checked_add(1) == Some(number) && range.records > 0);
            self.expected = retired.map(|range| Expected { records: range.records, chain: range.chain });
        }
    }

    fn missing(&mut self, first: u64, last: u64, header: Option<SegmentHeader>) {
        let records = header.map_or(0..0, |header| self.lost(header.first));
        let at = Position { segment: first, offset: 0 };
        self.damage(Damage { at, bytes: 0, records, reason: Reason::Missing { last } });
    }

    /// Says what is wrong with a header. Without one, the frames must follow what was before.
    fn check_header(&mut self, number: u64, header: Result<SegmentHeader, HeaderError>) {
        let at = Position { segment: number, offset: 0 };
        let bytes = HEADER_BYTES as u64;
        match header {
            Err(error) => self.damage(Damage { at, bytes, records: 0..0, reason: Reason::Header(error) }),
            Ok(header) if header.salt != self.layout.salt || header.number != number => {
                self.damage(Damage { at, bytes, records: 0..0, reason: Reason::Misplaced });
            }
            Ok(header) => {
                let begins = Expected { records: header.first, chain: header.chain };
                if self.expected.is_some_and(|expected| expected != begins) {
                    let records = self.lost(header.first);
                    self.damage(Damage { at, bytes, records, reason: Reason::Chain });
                }
                self.expected = Some(begins);
            }
        }
    }

    /// All segments are read, and the last was left, or there was none to enter.
    fn end_without_segment(&mut self) {
        let claim = self.layout.claim.map_or(Position::START, |claim| claim.end);
        let known = claim.max(self.route.known);
        if known.segment > self.reached {
            let first = self.reached + 1;
            let records = self.layout.claim.map_or(0..0, |claim| self.lost(claim.records));
            let at = Position { segment: first, offset: 0 };
            self.damage(Damage { at, bytes: 0, records, reason: Reason::Missing { last: known.segment } });
        }
        self.end(known, 0, true);
    }

    fn end(&mut self, at: Position, torn_bytes: u64, damaged: bool) {
        let claim = self.layout.claim.map(|claim| Expected { records: claim.records, chain: claim.chain });
        let behind = self.expected.is_none_or(|expected| claim.is_some_and(|claim| claim.records > expected.records));
        let expected = if behind { claim.or(self.expected) } else { self.expected };
        self.tail = Some(Tail { at, expected, torn_bytes, damaged });
    }

    /// Reads one frame, or what is in its place.
    fn read(&mut self, mut current: Current) -> Result<(), OpenError> {
        if self.route.until.is_some_and(|until| current.position() >= until) {
            self.end(current.position(), 0, false);
            return Ok(());
        }
        if current.sealed && current.offset >= current.limit {
            return Ok(());
        }
        match self.frame(&mut current) {
            Ok(Ok(mut found)) => {
                if !found.damaged.is_empty() {
                    if self.is_torn(&mut current, found.end)? {
                        self.end(current.position(), found.end - current.offset, false);
                        return Ok(());
                    }
                    // Beside a writer, bodies may have been complete only after they were read.
                    current.window.forget();
                    if let Ok(Ok(again)) = self.frame(&mut current) {
                        found = again;
                    }
                }
                current.offset = found.end;
                self.accept(found);
                self.current = Some(current);
                Ok(())
            }
            Ok(Err(error)) => self.pass(current, error),
            Err(error) => self.unreadable(&current, error),
        }
    }

    /// A frame whose bodies fail may be the last one, cut off by a crash.
    fn is_torn(&self, current: &mut Current, end: u64) -> Result<bool, OpenError> {
        let claimed = self.known_of(current.number).is_some_and(|known| known >= end);
        if current.sealed || claimed || self.layout.closed {
            return Ok(false);
        }
        let after = self.search(current, end).map_err(IoFault::to("read", &segment_file(current.number)))?;
        Ok(after.is_none())
    }

    /// How far a segment goes at least, by all that anybody knows; no end when there are others after it.
    fn known_of(&self, number: u64) -> Option<u64> {
        let claim = self.layout.claim.map(|claim| claim.end);
        let known = claim.unwrap_or(Position::START).max(self.route.known);
        match known.segment.cmp(&number) {
            std::cmp::Ordering::Less => None,
            std::cmp::Ordering::Equal => Some(known.offset),
            std::cmp::Ordering::Greater => Some(u64::MAX),
        }
    }

    fn accept(&mut self, mut found: Found) {
        let begins = Expected { records: found.first, chain: found.before };
        if self.expected.is_some_and(|expected| expected != begins) {
            let records = self.lost(found.first);
            self.damage(Damage { at: found.at, bytes: 0, records, reason: Reason::Chain });
        }
        self.expected = Some(found.next);
        for record in std::mem::take(&mut found.damaged) {
            let bytes = found.end - found.at.offset;
            self.damage(Damage { at: found.at, bytes, records: 0..0, reason: Reason::Body { record } });
        }
        self.steps.push_back(Step::Frame(found));
    }

    /// Goes past what is no frame: to the next one, or to the end of the segment.
    fn pass(&mut self, mut current: Current, error: FrameError) -> Result<(), OpenError> {
        let at = current.position();
        let fault = |error| IoFault::to("read", &segment_file(at.segment))(error);
        if let Some((offset, header)) = self.search(&mut current, at.offset + STEP as u64).map_err(fault)? {
            // Beside a writer, the frame may have been complete only after it was read.
            current.window.forget();
            if let Ok(Err(_)) = self.frame(&mut current) {
                let records = self.lost(header.first);
                let bytes = offset - at.offset;
                self.damage(Damage { at, bytes, records, reason: Reason::Frame(error) });
                self.expected = None;
                current.offset = offset;
            }
            self.current = Some(current);
            return Ok(());
        }

        let rest = used_after(&mut current.window, at.offset, current.limit).map_err(fault)?;
        if current.sealed {
            if current.close.is_some() || rest > 0 {
                let next = current.close.map(|close| close.first);
                let records = next.map_or(0..0, |next| self.lost(next));
                let bytes = current.limit - at.offset;
                self.damage(Damage { at, bytes, records, reason: Reason::Frame(error) });
                self.expected = None;
            }
            return Ok(());
        }
        match self.known_of(at.segment) {
            Some(known) if known > at.offset => {
                let claim = self.layout.claim.map(|claim| claim.records);
                let records = claim.map_or(0..0, |claim| self.lost(claim));
                let reason = if rest == 0 { Reason::Short } else { Reason::Frame(error) };
                self.damage(Damage { at, bytes: rest, records, reason });
                let end = current.file.length().map_err(fault)?.max(known);
                self.end(Position { offset: end, ..at }, 0, true);
            }
            _ => self.end(at, rest, false),
        }
        Ok(())
    }

    /// The rest of a segment that the disk does not give is damage. Of the last segment, nobody
    /// could tell what was torn from what was not read: that ends it.
    fn unreadable(&mut self, current: &Current, error: io::Error) -> Result<(), OpenError> {
        if !current.sealed {
            return Err(IoFault::to("read", &segment_file(current.number))(error).into());
        }
        let records = current.close.map_or(0..0, |close| self.lost(close.first));
        let bytes = current.limit.saturating_sub(current.offset);
        self.damage(Damage { at: current.position(), bytes, records, reason: Reason::Unreadable(error.kind()) });
        self.expected = None;
        Ok(())
    }

    /// The frame at the current place.
    fn frame(&self, current: &mut Current) -> io::Result<Result<Found, FrameError>> {
        let at = current.position();
        let room = usize::try_from(current.limit.saturating_sub(at.offset)).unwrap_or(usize::MAX);
        let marker = Marker::new(self.layout.salt, at);
        let bytes = current.window.get(at.offset, FRAME_HEADER_BYTES.min(room))?;
        let header = match FrameHeader::decode(bytes, marker) {
            Ok(header) => header,
            Err(error) => return Ok(Err(error)),
        };
        let bytes = current.window.get(at.offset, header.frame_bytes().min(FRAME_BYTES_MAX).min(room))?;
        Ok(codec::decode(bytes, marker).map(|frame| self.found(at, &frame)))
    }

    fn found(&self, at: Position, frame: &Frame<'_>) -> Found {
        let damaged = |(index, (_, state)): (usize, &(_, Option<SlotState<'_>>))| {
            (*state == Some(SlotState::Damaged)).then_some(index as u32)
        };
        let erased = frame.records.iter().filter(|(_, state)| *state == Some(SlotState::Erased));
        let erased = erased.filter_map(|(record, _)| record.slot).map(|slot| slot.stored_bytes as u64);
        Found {
            erased_bytes: erased.sum(),
            at,
            end: at.offset + frame.header.frame_bytes() as u64,
            first: frame.header.first,
            before: frame.header.before,
            next: Expected { records: frame.next(), chain: frame.after },
            damaged: frame.records.iter().enumerate().filter_map(damaged).collect(),
            entries: entries(at, frame, self.route.entries),
        }
    }

    /// The next place, from `from` on, where a frame is, header and heads; no further than the
    /// segment goes.
    fn search(&self, current: &mut Current, from: u64) -> io::Result<Option<(u64, FrameHeader)>> {
        let mut base = from;
        while base < current.limit {
            let room = usize::try_from(current.limit - base).unwrap_or(usize::MAX);
            let bytes = current.window.get(base, room.min(SEARCHED_BYTES + FRAME_HEADER_BYTES))?;
            let mut candidates = Vec::new();
            if last_used(bytes).is_some() {
                let last = bytes.len().saturating_sub(FRAME_HEADER_BYTES - 1).min(SEARCHED_BYTES);
                let plausible = |at: &usize| FrameHeader::plausible(&bytes[*at..]);
                candidates.extend((0..last).step_by(STEP).filter(plausible));
            }
            let read = bytes.len();
            for at in candidates {
                let offset = base + at as u64;
                if let Some(header) = self.sound(current, offset)? {
                    return Ok(Some((offset, header)));
                }
            }
            if read < SEARCHED_BYTES {
                break;
            }
            base += SEARCHED_BYTES as u64;
        }
        Ok(None)
    }

    fn sound(&self, current: &mut Current, offset: u64) -> io::Result<Option<FrameHeader>> {
        let room = usize::try_from(current.limit - offset).unwrap_or(usize::MAX);
        let marker = Marker::new(self.layout.salt, Position { segment: current.number, offset });
        let bytes = current.window.get(offset, FRAME_HEADER_BYTES)?;
        let Ok(header) = FrameHeader::decode(bytes, marker) else { return Ok(None) };
        let bytes = current.window.get(offset, header.frame_bytes().min(room))?;
        Ok(codec::decode(bytes, marker).is_ok().then_some(header))
    }
}

/// Stretches of segments from `first` to before `end` that are not retired.
pub(super) fn gaps(retired: &[RetiredRange], first: u64, end: u64) -> Vec<(u64, u64)> {
    let mut absent = Vec::new();
    let mut next = first;
    for range in retired.iter().filter(|range| range.last >= first && range.first < end) {
        if next < range.first {
            absent.push((next, range.first - 1));
        }
        next = range.last.saturating_add(1);
    }
    if next < end {
        absent.push((next, end - 1));
    }
    absent
}

/// How many bytes there are up to the last that is not zero.
fn used_after(window: &mut Window, from: u64, limit: u64) -> io::Result<u64> {
    let (mut used, mut base) = (0, from);
    while base < limit {
        let room = usize::try_from(limit - base).unwrap_or(usize::MAX);
        let bytes = window.get(base, room.min(SEARCHED_BYTES))?;
        if bytes.is_empty() {
            break;
        }
        if let Some(last) = last_used(bytes) {
            used = base + last as u64 + 1 - from;
        }
        base += bytes.len() as u64;
    }
    Ok(used)
}

/// Where the last byte is that is not zero.
///
/// Behind the last frame of a process that was killed lies a segment of zeros, so whole pieces are compared before any
/// byte is looked at.
fn last_used(bytes: &[u8]) -> Option<usize> {
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut end = bytes.len();
    for piece in bytes.rchunks(ZEROS.len()) {
        let start = end - piece.len();
        if *piece != ZEROS[..piece.len()] {
            return piece.iter().rposition(|byte| *byte != 0).map(|at| start + at);
        }
        end = start;
    }
    None
}

fn entries(at: Position, frame: &Frame<'_>, which: Entries) -> Vec<Entry> {
    if which == Entries::None {
        return Vec::new();
    }
    let entry = |(index, (record, state)): (usize, &(codec::Decoded<'_>, Option<SlotState<'_>>))| {
        let body = match (record.slot, state) {
            (Some(_), Some(SlotState::Here(_))) if which == Entries::Heads => Content::Unread,
            (Some(slot), Some(SlotState::Here(stored))) => slot.content(stored).map_or(Content::Damaged, Content::Here),
            (_, Some(SlotState::Erased)) => Content::Erased,
            (_, Some(_)) => Content::Damaged,
            (_, None) => Content::None,
        };
        Entry {
            place: Place { frame: at, record: index as u32 },
            number: frame.header.first + index as u64,
            head: record.head.to_vec(),
            body,
        }
    };
    frame.records.iter().enumerate().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::last_used;

    #[test]
    fn the_last_byte_that_is_used_is_found_wherever_it_lies() {
        for length in [0, 1, 4095, 4096, 4097, 3 * 4096 + 5] {
            assert_eq!(last_used(&vec![0; length]), None);
            for at in [0, 1, 4, 5, 6, 4095, 4096, 4100, 4101, 3 * 4096 + 4].into_iter().filter(|at| *at < length) {
                let mut bytes = vec![0; length];
                bytes[0] = 1;
                bytes[at] = 1;
                assert_eq!(last_used(&bytes), Some(at), "of {length}");
            }
        }
    }
}
