//! What was found, as people read it.

use std::fmt;

use super::Event;

/// Two sequences of deliveries of the same events that end differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// The events, in order of time as far as they were given so.
    pub events: Vec<Event>,
    /// A sequence of deliveries: places among the events, from 0.
    pub one: Vec<usize>,
    /// What the fold says after it, as `Debug` prints it.
    pub one_answer: String,
    /// Another sequence of the same events, some of them twice.
    pub other: Vec<usize>,
    /// What the fold says after that.
    pub other_answer: String,
}

impl Counterexample {
    /// From places among all events that were tried.
    pub(super) fn new(all: &[Event], one: &[usize], other: &[usize], answers: [String; 2]) -> Counterexample {
        let mut here: Vec<usize> = one.to_vec();
        here.sort_unstable();
        here.dedup();
        let renumber = |sequence: &[usize]| {
            let place = |number: &usize| here.binary_search(number).unwrap_or_default();
            sequence.iter().map(place).collect()
        };
        let [one_answer, other_answer] = answers;
        Counterexample {
            events: here.iter().map(|place| all[*place].clone()).collect(),
            one: renumber(one),
            one_answer,
            other: renumber(other),
            other_answer,
        }
    }
}

/// The events with their numbers, then each sequence by these and what it comes to.
impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.one.len() == self.other.len() { "in another order" } else { "when one comes again" };
        match self.events.len() {
            1 => writeln!(f, "the same event ends differently {how}")?,
            count => writeln!(f, "the same {count} events end differently {how}")?,
        }
        for (place, event) in self.events.iter().enumerate() {
            let at = event.at.map_or_else(|| "no time".to_owned(), |at| at.to_string());
            writeln!(f, "  {}  {:<20} {at}", place + 1, event.kind)?;
        }
        let numbers = |sequence: &[usize]| {
            let numbers: Vec<String> = sequence.iter().map(|place| (place + 1).to_string()).collect();
            numbers.join(" ")
        };
        let width = numbers(&self.other).len().max(numbers(&self.one).len());
        writeln!(f, "{:<width$}  comes to  {}", numbers(&self.one), self.one_answer)?;
        write!(f, "{:<width$}  comes to  {}", numbers(&self.other), self.other_answer)
    }
}

impl std::error::Error for Counterexample {}
