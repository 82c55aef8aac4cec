//! Which event comes when: many sessions at once, each in its order, and some events again.

use super::Random;

/// Events of a session.
pub(crate) const EVENTS_OF_A_SESSION: u64 = 4;
/// Sessions that are open at once.
const OPEN: u64 = 2000;
/// One delivery in so many is of an event that came before.
const AGAIN_ONE_IN: u64 = 100;
/// How many deliveries ago it came, at most: some of these sessions are open still, others are over.
const AGAIN_WITHIN: usize = 8192;

/// A delivery: which event of which session it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// The number of the session.
    pub(crate) session: u64,
    /// The number of the event within it, from 0.
    pub(crate) step: u8,
    /// How many deliveries came before.
    pub(crate) place: u64,
    /// It was delivered before.
    pub(crate) again: bool,
}

/// Deliveries, in order. Whenever a session ends the next begins, as long as there are any.
pub(crate) struct Arrivals {
    random: Random,
    /// Of each open session its number, and the event that comes next.
    open: Vec<(u64, u8)>,
    sessions: u64,
    sessions_max: u64,
    /// The latest events, in no order.
    latest: Vec<(u64, u8)>,
    place: u64,
}

impl Arrivals {
    /// All deliveries of so many sessions, or of sessions without an end.
    pub(crate) fn new(seed: u64, sessions_max: Option<u64>) -> Arrivals {
        let sessions_max = sessions_max.unwrap_or(u64::MAX);
        let sessions = OPEN.min(sessions_max);
        let open = (0..sessions).map(|session| (session, 0)).collect();
        Arrivals { random: Random::new(seed, u64::MAX), open, sessions, sessions_max, latest: Vec::new(), place: 0 }
    }

    fn next_new(&mut self) -> (u64, u8) {
        let slot = self.random.below(self.open.len() as u64) as usize;
        let (session, step) = self.open[slot];
        if u64::from(step) + 1 < EVENTS_OF_A_SESSION {
            self.open[slot].1 += 1;
        } else if self.sessions < self.sessions_max {
            self.open[slot] = (self.sessions, 0);
            self.sessions += 1;
        } else {
            self.open.swap_remove(slot);
        }
        if self.latest.len() < AGAIN_WITHIN {
            self.latest.push((session, step));
        } else {
            self.latest[self.place as usize % AGAIN_WITHIN] = (session, step);
        }
        (session, step)
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        if self.open.is_empty() {
            return None;
        }
        let again = !self.latest.is_empty() && self.random.below(AGAIN_ONE_IN) == 0;
        let (session, step) =
            if again { self.latest[self.random.below(self.latest.len() as u64) as usize] } else { self.next_new() };
        let place = self.place;
        self.place += 1;
        Some(Arrival { session, step, place, again })
    }
}
