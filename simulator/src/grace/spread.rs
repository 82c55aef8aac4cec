//! How lengths of time are spread: millions of them in a few kilobytes, to less than one part in a hundred.

use crate::clock::Micros;

/// Binary digits that are kept of each length; what is below is dropped.
const DIGITS: u32 = 7;

/// How many lengths of time lie where, in microseconds.
///
/// Lengths are counted in classes of equal width within each power of two, less than 1/128 of themselves
/// wide. Adding two spreads is adding counts, so neither order nor threads show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// By class; as long as the longest asks for.
    counts: Vec<u64>,
    total: u64,
    longest: u64,
}

/// The class of a length.
fn class(length: u64) -> usize {
    let exponent = (u64::BITS - length.leading_zeros()).saturating_sub(DIGITS + 1);
    // The leading digits are below 2^8, and the exponent below 57.
    (u64::from(exponent << DIGITS) + (length >> exponent)) as usize
}

/// The longest length of a class.
fn edge(class: usize) -> u64 {
    let class = class as u64;
    let exponent = (class >> DIGITS).saturating_sub(1);
    let leading = class - (exponent << DIGITS);
    // Of the last class this is one more than fits, and then one less.
    ((u128::from(leading) + 1) << exponent).wrapping_sub(1) as u64
}

impl Spread {
    /// Counts a length; what is below zero is zero.
    pub fn count(&mut self, length: Micros) {
        let length = u64::try_from(length).unwrap_or(0);
        let class = class(length);
        if self.counts.len() <= class {
            self.counts.resize(class + 1, 0);
        }
        self.counts[class] += 1;
        self.total += 1;
        self.longest = self.longest.max(length);
    }

    /// Adds what another one counted.
    pub fn add(&mut self, other: &Spread) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// How many lengths there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The longest of all, exactly; nothing when there is none.
    #[must_use]
    pub fn longest(&self) -> Option<Micros> {
        (self.total > 0).then(|| Micros::try_from(self.longest).unwrap_or(Micros::MAX))
    }

    /// A length that so many of a thousand do not exceed: the longest of its class, and never more than the
    /// longest of all. Nothing when there is none.
    #[must_use]
    pub fn quantile(&self, per_mille: u64) -> Option<Micros> {
        // Below or equal to the total.
        let rank = (u128::from(self.total) * u128::from(per_mille.min(1000))).div_ceil(1000) as u64;
        self.exceeded_by(self.total - rank)
    }

    /// A length that at most so many exceed, as short as classes can tell. Nothing when there is no length
    /// at all.
    #[must_use]
    pub fn exceeded_by(&self, most: u64) -> Option<Micros> {
        let mut within = 0;
        let class = self.counts.iter().position(|count| {
            within += count;
            within > 0 && within >= self.total.saturating_sub(most)
        })?;
        Some(Micros::try_from(edge(class).min(self.longest)).unwrap_or(Micros::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_ends_where_the_next_begins() {
        assert_eq!(class(u64::MAX), class(1 << 63) + 127);
        for of in 0..class(u64::MAX) {
            assert_eq!((class(edge(of)), class(edge(of) + 1)), (of, of + 1));
            assert!(of < 256 || (edge(of) - edge(of - 1)) * 128 <= edge(of), "{of}");
        }
        assert_eq!(edge(class(u64::MAX)), u64::MAX);
    }

    #[test]
    fn small_lengths_are_exact_and_large_ones_near() {
        let mut spread = Spread::default();
        assert_eq!((spread.quantile(500), spread.longest(), spread.exceeded_by(0)), (None, None, None));
        (1..=100).for_each(|length| spread.count(length));
        assert_eq!([0, 500, 990, 1000].map(|part| spread.quantile(part)), [1, 50, 99, 100].map(Some));
        assert_eq!([0, 10, 99, 100].map(|most| spread.exceeded_by(most)), [100, 90, 1, 1].map(Some));
        spread.count(1_000_000);
        spread.count(-5);
        assert_eq!((spread.total(), spread.longest()), (102, Some(1_000_000)));
        let mut twice = spread.clone();
        twice.add(&spread);
        assert_eq!((twice.total(), twice.quantile(500)), (204, spread.quantile(500)));
        let mut other = Spread::default();
        other.count(999_000);
        other.count(2_000_000);
        let half = other.quantile(500).unwrap();
        assert!((999_000..999_000 * 129 / 128).contains(&half), "{half}");
    }
}
