//! How often events of a session came, as records of the journal say it.
//!
//! Each record says all that was known when it was written, so of one event the last is enough: the index keeps
//! no place of those before it. What records say is joined, so one that is taken twice, or late, changes nothing.

use finis_engine::Digest;
use finis_engine::log::Arrivals;

use crate::journal::Place;

/// What records say of a session's events that came again, sorted by digest.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts(Vec<Count>);

#[derive(Clone, Debug)]
struct Count {
    digest: Digest,
    /// What all of them say together.
    arrivals: Arrivals,
    /// Where those lie without which it would be less: one, unless it was copied, or records were lost.
    places: Vec<Place>,
}

/// What a record adds.
pub(super) enum Taken {
    /// Nothing: another says it, and more.
    Known,
    /// It is to be kept, and these say nothing beside it.
    Keep { superseded: Vec<Place> },
}

impl Counts {
    /// Takes what a record says that lies at `place`.
    pub(super) fn take(&mut self, digest: Digest, said: &Arrivals, place: Place) -> Taken {
        let known = match self.0.binary_search_by_key(&digest, |count| count.digest) {
            Ok(known) => &mut self.0[known],
            Err(free) => {
                self.0.insert(free, Count { digest, arrivals: said.clone(), places: vec![place] });
                return Taken::Keep { superseded: Vec::new() };
            }
        };
        let before = known.arrivals.clone();
        known.arrivals.merge(said);
        let (adds_nothing, says_all) = (known.arrivals == before, known.arrivals == *said);
        if adds_nothing && !says_all {
            return Taken::Known;
        }
        let superseded = if says_all && !adds_nothing { std::mem::take(&mut known.places) } else { Vec::new() };
        if !known.places.contains(&place) {
            known.places.push(place);
        }
        Taken::Keep { superseded }
    }

    /// When an event came, as far as records say.
    pub(super) fn get(&self, digest: Digest) -> Option<&Arrivals> {
        let known = self.0.binary_search_by_key(&digest, |count| count.digest).ok()?;
        self.0.get(known).map(|count| &count.arrivals)
    }

    /// All of them, with nothing of where it is said.
    pub(super) fn said(&self) -> impl Iterator<Item = (Digest, &Arrivals)> {
        self.0.iter().map(|count| (count.digest, &count.arrivals))
    }

    /// A record that lay in one place lies in these now, or nowhere.
    pub(super) fn relocate(&mut self, from: Place, to: &[Place]) {
        for count in self.0.iter_mut().filter(|count| count.places.contains(&from)) {
            count.places.retain(|place| *place != from && !to.contains(place));
            count.places.extend(to);
        }
    }

    /// How much memory they take beside their places, in entries of a session.
    pub(super) fn weight(&self) -> usize {
        3 * self.0.len()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use finis_engine::Timestamp;

    use super::*;
    use crate::journal::Position;

    fn came(seconds: std::ops::Range<i64>) -> Arrivals {
        let at = |second| Timestamp::from_unix(second, 0, 0).unwrap();
        let mut arrivals = Arrivals::of(at(seconds.start));
        for second in seconds {
            arrivals.take(at(second));
        }
        arrivals
    }

    fn digest() -> Digest {
        Digest::from_bytes([7; 16])
    }

    fn place(segment: u64) -> Place {
        Place { frame: Position { segment, offset: 0 }, record: 0 }
    }

    /// What the record at a place adds: whether it is kept, and what is not beside it.
    fn taken(counts: &mut Counts, said: std::ops::Range<i64>, at: u64) -> Option<Vec<Place>> {
        match counts.take(digest(), &came(said), place(at)) {
            Taken::Known => None,
            Taken::Keep { superseded } => Some(superseded),
        }
    }

    #[test]
    fn of_one_event_the_last_record_is_enough() {
        let mut counts = Counts::default();
        assert_eq!(taken(&mut counts, 0..2, 1), Some(vec![]));
        assert_eq!(taken(&mut counts, 0..4, 2), Some(vec![place(1)]));
        // A replay takes them once more, in whatever order.
        assert_eq!(taken(&mut counts, 0..2, 1), None);
        assert_eq!(taken(&mut counts, 0..4, 2), Some(vec![]));
        assert_eq!(taken(&mut counts, 0..30, 3), Some(vec![place(2)]));
        assert_eq!(counts.get(digest()), Some(&came(0..30)));
    }

    #[test]
    fn a_copy_counts_with_what_it_was_copied_from() {
        let mut counts = Counts::default();
        taken(&mut counts, 0..2, 1);
        counts.relocate(place(1), &[place(1), place(5)]);
        assert_eq!(taken(&mut counts, 0..2, 5), Some(vec![]));
        assert_eq!(taken(&mut counts, 0..3, 6), Some(vec![place(1), place(5)]));
        counts.relocate(place(6), &[]);
        assert_eq!(taken(&mut counts, 0..9, 7), Some(vec![]));
    }

    /// After a record was lost, the next ones may know less than it did: then both are wanted.
    #[test]
    fn records_that_know_different_things_are_both_kept() {
        let mut counts = Counts::default();
        taken(&mut counts, 0..3, 1);
        assert_eq!(taken(&mut counts, 2..5, 2), Some(vec![]));
        assert_eq!(counts.get(digest()), Some(&came(0..5)));
        assert_eq!(taken(&mut counts, 0..6, 3), Some(vec![place(1), place(2)]));
    }
}
