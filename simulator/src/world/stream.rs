//! A whole world in order of time, with no more in memory than the sessions that are open.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

use super::{Session, World};
use crate::clock::Micros;

/// Something that is sent in a world.
#[derive(Clone, Debug)]
pub struct Emission {
    /// When, in truth.
    pub sent: Micros,
    /// Of which session.
    pub session: Rc<Session>,
    /// Which of its events.
    pub event: usize,
}

/// All that is sent in a world, in order of time; of two at one instant the session that began first.
#[derive(Debug)]
pub struct Emissions<'w> {
    world: &'w World<'w>,
    /// The next session that has not begun.
    next: u64,
    /// The next of each session that is open, the earliest first.
    open: BinaryHeap<Reverse<Next>>,
}

#[derive(Debug)]
struct Next {
    /// When, of which session, which of its events: what they are ordered by.
    place: (Micros, u64, usize),
    session: Rc<Session>,
}

impl PartialEq for Next {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for Next {}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Next {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place.cmp(&other.place)
    }
}

impl World<'_> {
    /// All that is sent, in order of time.
    #[must_use]
    pub fn emissions(&self) -> Emissions<'_> {
        Emissions { world: self, next: 0, open: BinaryHeap::new() }
    }
}

impl Emissions<'_> {
    /// Sessions that are open: what is in memory.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// An instant before which nothing more is sent.
    pub(crate) fn not_before(&self) -> Option<Micros> {
        let open = self.open.peek().map(|Reverse(next)| next.place.0);
        let unborn = (self.next < self.world.settings.sessions).then(|| self.world.dawn(self.next));
        open.into_iter().chain(unborn).min()
    }

    fn push(&mut self, session: Rc<Session>, event: usize) {
        if let Some(sent) = session.events.get(event).map(|event| event.sent) {
            self.open.push(Reverse(Next { place: (sent, session.index, event), session }));
        }
    }
}

impl Iterator for Emissions<'_> {
    type Item = Emission;

    fn next(&mut self) -> Option<Emission> {
        loop {
            // Whoever may send before the first that is known must be born first.
            let first = self.open.peek().map(|Reverse(next)| next.place.0);
            let is_born = self.next >= self.world.settings.sessions;
            if is_born || first.is_some_and(|first| first < self.world.dawn(self.next)) {
                let Reverse(Next { place: (sent, _, event), session }) = self.open.pop()?;
                self.push(Rc::clone(&session), event + 1);
                return Some(Emission { sent, session, event });
            }
            let session = Rc::new(self.world.session(self.next));
            self.next += 1;
            self.push(session, 0);
        }
    }
}
