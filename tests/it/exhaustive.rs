//! Every order, every subset, every repeat, every join: no generator can miss one.
//!
//! A session here has up to four events, each of another kind where it has as many, and one more of the
//! first kind, at the same time, that says something else. Deliveries of them are walked through as a tree: below
//! each sequence of deliveries stand all those that have one more, as long as no event is there more
//! than twice. Whatever the way to it, the same set must be the same partial and print the same
//! bytes.

use finis::engine::{Event, EventKind, Partial, Timestamp};

use crate::sessions::{self, Name, Subject, instant, payload, session};

/// How often each of the events was delivered, as digits to the base 3.
type Deliveries = usize;

/// What is told of a set of deliveries.
struct Told {
    partial: Partial,
    /// At several times, and certified.
    printed: String,
    /// At the end of time.
    last: Vec<u8>,
}

struct Walk<'w> {
    world: &'w Subject,
    events: &'w [Event<'w>],
    /// When each of the events is received for the first and for the second time.
    arrivals: Vec<[Timestamp; 2]>,
    expected: Vec<Told>,
    /// How many there were.
    sequences: usize,
}

impl<'w> Walk<'w> {
    /// A walk where first arrivals are before second ones, or the other way round.
    fn new(world: &'w Subject, events: &'w [Event<'w>], first_is_earlier: bool) -> Walk<'w> {
        let arrivals = (0..events.len()).map(|place| {
            // The first arrivals of some are after the second ones of others.
            let seconds = [2 * place, 2 * place + 3];
            let [early, late] = seconds.map(|second| instant(&format!("2026-05-03T00:29:{second:02}Z")));
            if first_is_earlier { [early, late] } else { [late, early] }
        });
        let mut walk = Walk { world, events, arrivals: arrivals.collect(), expected: Vec::new(), sequences: 0 };
        for deliveries in 0..power(events.len()) {
            let partial = walk.joined(deliveries);
            let (printed, last) = (world.printed(&partial), world.last(&partial));
            walk.expected.push(Told { partial, printed, last });
        }
        walk
    }

    /// All sequences that begin with those of `partial`.
    fn on(&mut self, partial: &Partial, deliveries: Deliveries) {
        self.sequences += 1;
        let told = &self.expected[deliveries];
        assert_eq!(*partial, told.partial);
        assert_eq!(self.world.last(partial), told.last);
        if (0..self.events.len()).all(|place| count(deliveries, place) < 2) {
            assert_eq!(self.world.printed(partial), told.printed);
        }
        for place in 0..self.events.len() {
            let count = count(deliveries, place);
            if count < 2 {
                let mut longer = partial.clone();
                let received_at = self.arrivals[place][count];
                let new = longer.add(self.world.contract, &self.events[place], Some(received_at));
                assert_eq!(new, count == 0);
                self.on(&longer, deliveries + power(place));
            }
        }
    }

    /// What a set of deliveries says: the join of what each of them says.
    fn joined(&self, deliveries: Deliveries) -> Partial {
        let mut joined = Partial::default();
        for (place, event) in self.events.iter().enumerate() {
            for received_at in &self.arrivals[place][..count(deliveries, place)] {
                let mut one = Partial::default();
                one.add(self.world.contract, event, Some(*received_at));
                joined.merge(&one);
            }
        }
        joined
    }
}

fn count(deliveries: Deliveries, place: usize) -> usize {
    deliveries / power(place) % 3
}

fn power(place: usize) -> Deliveries {
    (0..place).fold(1, |power, _| power * 3)
}

/// So many events of a session, of as many kinds as it has, and a copy of the first under the same kind and
/// time that says something else. Where there are not so many kinds, another copy stands in for one.
fn payloads(name: Name, events: usize) -> Vec<String> {
    let world = Subject::of(name);
    let found = (0..1_000).find_map(|seed| {
        let payloads: Vec<String> = session(name, seed).iter().map(payload).collect();
        world.read(&payloads, |read| {
            let what = |place: &usize| (kind(&read[*place]), read[*place].at);
            let mut places: Vec<usize> = Vec::new();
            for (place, event) in read.iter().enumerate() {
                if places.iter().all(|known| read[*known].digest() != event.digest()) {
                    places.push(place);
                }
            }
            let first = *places.first()?;
            let known = |place: &&usize| matches!(read[**place].kind, EventKind::Known(_));
            let copy = *places[1..]
                .iter()
                .filter(known)
                .find(|place| what(place) == what(&first) && differ(read, first, **place))?;
            // Those of another kind come before those that stand in.
            let mut chosen = vec![first];
            let others: Vec<usize> = places[1..].iter().copied().filter(|place| *place != copy).collect();
            for is_of_a_new_kind in [true, false] {
                for place in &others {
                    let is_new = chosen.iter().all(|known| kind(&read[*known]) != kind(&read[*place]));
                    if chosen.len() < events && !chosen.contains(place) && is_new == is_of_a_new_kind {
                        chosen.push(*place);
                    }
                }
            }
            chosen.push(copy);
            (chosen.len() == events + 1).then(|| chosen.iter().map(|place| payloads[*place].clone()).collect())
        })
    });
    found.expect("one of a thousand sessions has as many")
}

fn kind(event: &Event<'_>) -> String {
    format!("{:?}", event.kind)
}

/// Whether they claim a value each for one field.
fn differ(events: &[Event<'_>], one: usize, other: usize) -> bool {
    let claims = |event: &Event<'_>| event.facts().map(|(field, value)| (field, value.to_vec())).collect::<Vec<_>>();
    let (one, other) = (claims(&events[one]), claims(&events[other]));
    one.iter().any(|(field, value)| other.iter().any(|(same, another)| same == field && another != value))
}

/// Goes through every sequence. They are so many:
///
/// of n events, for a of them once and b of them twice, (a + 2b)! / 2ᵇ orders, summed over all ways
/// to choose these.
#[track_caller]
fn check_sequences(name: Name, kinds: usize, first_is_earlier: bool, sequences: usize) {
    let world = Subject::of(name);
    world.read(&payloads(name, kinds), |events| {
        let mut walk = Walk::new(&world, events, first_is_earlier);
        walk.on(&Partial::default(), 0);
        assert_eq!(walk.sequences, sequences);
    });
}

/// Joins every two subsets, and every two of these with every third. Where the first and the last
/// have an event both, each has another arrival of it.
fn check_joins(name: Name, kinds: usize) {
    let world = Subject::of(name);
    world.read(&payloads(name, kinds), |events| {
        let walk = Walk::new(&world, events, true);
        let sets = 0..1_usize << events.len();
        let subset = |set: usize, time: usize| {
            let mut partial = Partial::default();
            for (place, event) in events.iter().enumerate().filter(|(place, _)| set >> place & 1 == 1) {
                partial.add(world.contract, event, Some(walk.arrivals[place][time]));
            }
            partial
        };
        // Events that are only in the second or the third set have their later arrival alone.
        let (early, late): (Vec<Partial>, Vec<Partial>) =
            sets.clone().map(|set| (subset(set, 0), subset(set, 1))).unzip();
        for first in sets.clone() {
            for second in sets.clone() {
                let mut two = early[first].clone();
                two.merge(&late[second]);
                let mut whole = subset(first, 0);
                add(&world, &walk, &mut whole, second & !first);
                assert_eq!(two, whole);
                assert_eq!(world.printed(&two), world.printed(&whole));
                for third in sets.clone() {
                    let mut three = late[third].clone();
                    three.merge(&two);
                    let mut whole = whole.clone();
                    add(&world, &walk, &mut whole, third & !first & !second);
                    assert_eq!(three, whole);
                }
            }
        }
    });
}

/// Adds the later arrivals of the events of a set.
fn add(world: &Subject, walk: &Walk<'_>, partial: &mut Partial, set: usize) {
    for (place, event) in walk.events.iter().enumerate().filter(|(place, _)| set >> place & 1 == 1) {
        partial.add(world.contract, event, Some(walk.arrivals[place][1]));
    }
}

macro_rules! exhaustively {
    ($($name:ident: $subject:expr, $kinds:expr, $sequences:expr;)*) => {
        $(
            mod $name {
                use super::*;

                #[test]
                fn every_sequence_when_the_first_arrival_is_the_earlier() {
                    check_sequences($subject, $kinds, true, $sequences);
                }

                #[test]
                fn every_sequence_when_the_first_arrival_is_the_later() {
                    check_sequences($subject, $kinds, false, $sequences);
                }

                #[test]
                fn every_join_of_subsets() {
                    check_joins($subject, $kinds);
                }
            }
        )*
    };
}

exhaustively! {
    pathors: sessions::PATHORS, 4, 326_011;
    agntix: sessions::AGNTIX, 3, 7365;
    saaya_session: sessions::SAAYA_SESSION, 3, 7365;
    saaya_campaign: sessions::SAAYA_CAMPAIGN, 3, 7365;
    saaya_agent: sessions::SAAYA_AGENT, 3, 7365;
    saaya_upload: sessions::SAAYA_UPLOAD, 3, 7365;
    smallest: sessions::SMALLEST, 3, 7365;
    smallest_legacy: sessions::SMALLEST_LEGACY, 3, 7365;
}
