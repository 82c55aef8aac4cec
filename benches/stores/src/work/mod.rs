//! The work: the same deliveries, in the same order, for every contestant.
//!
//! All of it is a function of the seed. A body of an event is made of what a webhook has: ids, numbers
//! and times that no two events share, names that many do, and a piece of a transcript. So it compresses
//! as deliveries do: a little.

mod arrivals; // which event comes when
mod random; // numbers, the same for ever
mod stencils; // events that cost next to nothing to make
mod text; // bodies, states and records as JSON

use std::sync::Arc;

pub(crate) use arrivals::{Arrival, Arrivals, EVENTS_OF_A_SESSION};
use random::Random;
pub(crate) use stencils::Stencils;

/// The id of a session, or the digest of an event.
pub(crate) type Id = [u8; 16];

/// A delivery that is to be kept, with all that any contestant keeps of it made ready.
pub(crate) struct Event {
    /// Of which session.
    pub(crate) session: Id,
    /// What makes it itself. Two deliveries of one event have it in common.
    pub(crate) digest: Id,
    /// The receiver's time, in microseconds since 1970. It never steps back.
    pub(crate) received_at: i64,
    /// The payload.
    pub(crate) body: Arc<[u8]>,
    /// What the session is after this event.
    pub(crate) state: Box<str>,
    /// What is to be announced: with the last event of the session only.
    pub(crate) record: Option<Box<str>>,
    /// That it is delivered again. Stores find that out by themselves: this checks their answers.
    pub(crate) again: bool,
}

impl Event {
    /// The event of an arrival, with a body of so many bytes.
    pub(crate) fn new(seed: u64, arrival: Arrival, body_bytes: usize) -> Event {
        let Arrival { session, step, place, again } = arrival;
        let (session_id, digest) = Event::ids(seed, session, step);
        let received_at = Event::received_at(place);
        let mut random = Random::new(u64::from_be_bytes(*digest.last_chunk().expect("it has 16 bytes")), seed);
        let is_last = u64::from(step) + 1 == EVENTS_OF_A_SESSION;
        Event {
            session: session_id,
            digest,
            received_at,
            body: text::body(&mut random, session_id, step, received_at, body_bytes).into_bytes().into(),
            state: text::state(&mut random, session_id, step, digest).into(),
            record: is_last.then(|| text::record(&mut random, session_id, digest, received_at).into()),
            again,
        }
    }

    /// The id of a session, and the digest of one of its events.
    fn ids(seed: u64, session: u64, step: u8) -> (Id, Id) {
        let id = session_id(seed, session);
        let mut random = Random::new(!seed, session);
        (id, (0..=step).map(|_| random.id()).last().unwrap_or(id))
    }

    /// Twenty thousand come in a second.
    fn received_at(place: u64) -> i64 {
        text::BEGIN_MICROS + place as i64 * 50
    }

    /// Session and digest: the key of an event where a store has rows.
    pub(crate) fn key(&self) -> [u8; 32] {
        let mut key = [0; 32];
        key[..16].copy_from_slice(&self.session);
        key[16..].copy_from_slice(&self.digest);
        key
    }
}

/// The first deliveries of a run that has no end.
pub(crate) fn events(seed: u64, count: usize, body_bytes: usize) -> Vec<Event> {
    Arrivals::new(seed, None).take(count).map(|arrival| Event::new(seed, arrival, body_bytes)).collect()
}

/// The id of the session with this number.
pub(crate) fn session_id(seed: u64, session: u64) -> Id {
    Random::new(seed, session).id()
}

const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

/// An id as text, as providers write theirs.
pub(crate) fn uuid(id: &Id) -> String {
    let digits: String =
        id.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| HEX[usize::from(digit)]).collect();
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn sizes_are_as_they_are_said_to_be() {
        let events = events(1, 20_000, 600);
        assert!(events.iter().all(|event| event.body.len() == 600));
        let mean = |total: usize, count: usize| total / count;
        let states = events.iter().map(|event| event.state.len()).sum();
        assert!((280..300).contains(&mean(states, events.len())), "{}", mean(states, events.len()));
        let records: Vec<_> = events.iter().filter_map(|event| event.record.as_ref()).map(|text| text.len()).collect();
        let record = mean(records.iter().sum(), records.len());
        assert!((980..1060).contains(&record), "{record}");
    }

    #[test]
    fn one_in_a_hundred_is_there_already() {
        let events = events(1, 100_000, 600);
        let mut known = BTreeSet::new();
        for event in &events {
            assert_eq!(known.insert(event.key()), !event.again);
        }
        let again = events.len() - known.len();
        assert!((900..1100).contains(&again), "{again}");
    }

    #[test]
    fn everything_is_json() {
        for event in events(1, 1000, 600) {
            let texts = [std::str::from_utf8(&event.body).ok(), Some(&event.state), event.record.as_deref()];
            for text in texts.into_iter().flatten() {
                serde_json::from_str::<serde_json::Value>(text).unwrap();
            }
        }
    }

    #[test]
    fn sessions_come_to_their_end() {
        let arrivals: Vec<_> = Arrivals::new(1, Some(5000)).filter(|arrival| !arrival.again).collect();
        assert_eq!(arrivals.len(), 20_000);
        assert_eq!(arrivals.iter().filter(|arrival| arrival.step == 3).count(), 5000);
    }
}
