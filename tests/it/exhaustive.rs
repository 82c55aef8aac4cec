//! Every order, every subset, every repeat, every join: no generator can miss one.
//!
//! A session here has up to four events, each of another kind, and one more of the first kind, at
//! the same time, that says something else. Deliveries of them are walked through as a tree: below
//! each sequence of deliveries stand all those that have one more, as long as no event is there more
//! than twice. Whatever the way to it, the same set must be the same partial and print the same
//! bytes.

use finis::engine::{Event, Partial, Timestamp};

use crate::bodies::{self, Pick, Subject, VALUES, World, instant};

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
    world: &'w World,
    events: &'w [Event<'w>],
    /// When each of the events is received for the first and for the second time.
    arrivals: Vec<[Timestamp; 2]>,
    expected: Vec<Told>,
    /// How many there were.
    sequences: usize,
}

impl<'w> Walk<'w> {
    /// A walk where first arrivals are before second ones, or the other way round.
    fn new(world: &'w World, events: &'w [Event<'w>], first_is_earlier: bool) -> Walk<'w> {
        let arrivals = (0..events.len()).map(|place| {
            // The first arrivals of some are after the second ones of others.
            let seconds = [2 * place, 2 * place + 3];
            let [early, late] = seconds.map(|second| instant(&format!("2026-05-03T08:44:{second:02}Z")));
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

/// So many kinds, at times of which two are equal, and the copy of the first: one of its facts has
/// another value, one is not there at all.
fn payloads(subject: &'static Subject, kinds: usize) -> Vec<String> {
    let kinds = kinds.min(subject.kinds_to_pick());
    let pick = |kind: usize, first, others| Pick { kind, at: [3, 2, 1, 4][kind], first, others };
    let picks = (0..kinds).map(|kind| pick(kind, 1, 0)).chain([pick(0, VALUES - 1, 8)]);
    picks.map(|pick| subject.payload(&pick)).collect()
}

/// Goes through every sequence. They are so many:
///
/// of n events, for a of them once and b of them twice, (a + 2b)! / 2ᵇ orders, summed over all ways
/// to choose these.
#[track_caller]
fn check_sequences(subject: &'static Subject, kinds: usize, first_is_earlier: bool, sequences: usize) {
    let world = World::of(subject);
    world.read(&payloads(subject, kinds), |events| {
        let mut walk = Walk::new(&world, events, first_is_earlier);
        walk.on(&Partial::default(), 0);
        assert_eq!(walk.sequences, sequences);
    });
}

/// Joins every two subsets, and every two of these with every third. Where the first and the last
/// have an event both, each has another arrival of it.
fn check_joins(subject: &'static Subject, kinds: usize) {
    let world = World::of(subject);
    world.read(&payloads(subject, kinds), |events| {
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
fn add(world: &World, walk: &Walk<'_>, partial: &mut Partial, set: usize) {
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
    pathors: &bodies::PATHORS, 4, 326_011;
    agntix: &bodies::AGNTIX, 3, 7365;
    saaya_session: &bodies::SAAYA_SESSION, 3, 7365;
    saaya_campaign: &bodies::SAAYA_CAMPAIGN, 3, 7365;
    saaya_agent: &bodies::SAAYA_AGENT, 3, 7365;
    saaya_upload: &bodies::SAAYA_UPLOAD, 3, 7365;
    smallest: &bodies::SMALLEST, 3, 7365;
    smallest_legacy: &bodies::SMALLEST_LEGACY, 3, 7365;
}
