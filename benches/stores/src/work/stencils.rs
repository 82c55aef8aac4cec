//! Events that cost next to nothing to make, for a run that is too long to be made before.

use super::{Arrival, EVENTS_OF_A_SESSION, Event, Id, uuid};

/// Sessions that others are made like.
const SESSIONS: u64 = 1024;

/// Events whose texts are of a few sessions, each with the ids that are its own.
///
/// Bodies are compressed one by one, so it gives a store nothing that others are alike.
pub(crate) struct Stencils {
    seed: u64,
    events: Vec<Event>,
}

impl Stencils {
    /// Makes them, with bodies of so many bytes.
    pub(crate) fn new(seed: u64, body_bytes: usize) -> Stencils {
        let arrivals = (0..SESSIONS * EVENTS_OF_A_SESSION).map(|number| Arrival {
            session: number / EVENTS_OF_A_SESSION,
            step: (number % EVENTS_OF_A_SESSION) as u8,
            place: number,
            again: false,
        });
        Stencils { seed, events: arrivals.map(|arrival| Event::new(seed, arrival, body_bytes)).collect() }
    }

    /// The event of an arrival.
    pub(crate) fn event(&self, arrival: Arrival) -> Event {
        let Arrival { session, step, place, again } = arrival;
        let like = &self.events[(session % SESSIONS * EVENTS_OF_A_SESSION) as usize + usize::from(step)];
        let (own, digest) = Event::ids(self.seed, session, step);
        let mut body = like.body.to_vec();
        write_over(&mut body, &like.session, &own);
        let record = like.record.as_ref().map(|record| record.replacen(&uuid(&like.session), &uuid(&own), 1).into());
        let received_at = Event::received_at(place);
        Event { session: own, digest, received_at, body: body.into(), state: "".into(), record, again }
    }
}

/// Writes one id over another where it stands as text.
fn write_over(body: &mut [u8], like: &Id, own: &Id) {
    let like = uuid(like);
    if let Some(place) = body.windows(like.len()).position(|window| window == like.as_bytes()) {
        body[place..place + like.len()].copy_from_slice(uuid(own).as_bytes());
    }
}
