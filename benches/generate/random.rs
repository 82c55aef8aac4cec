//! Random numbers that are the same for ever.
//!
//! An export is named by its seed alone, so its bytes may not change with the version of a library
//! or with the mathematics of a platform. Hence a generator of our own (splitmix64), and
//! distributions made of integers: logarithms differ in their last bit from machine to machine.

/// What a sequence of numbers is for. Each use has its own: other faults meet the same world.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// The projects of the world.
    Projects = 1,
    /// A session: what was said, for how long, and when.
    Session = 2,
    /// What befalls a session's events on their way.
    Road = 3,
}

/// A sequence of numbers (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    /// The sequence of one session, or of the whole world when `index` is 0, for one purpose.
    pub(crate) fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        Self(mix(mix(seed ^ mix(purpose as u64)) ^ mix(index)))
    }

    /// The next number, all 64 bits of it even.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// Evenly from 0 up to, not including, `bound`; 0 when there is nothing below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        (product >> 64) as u64 // less than `bound`
    }

    /// Evenly from `low` up to, not including, `high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low)
    }

    /// Evenly from half of `mean` to one and a half of it.
    pub(crate) fn around(&mut self, mean: u64) -> u64 {
        mean / 2 + self.below(mean + 1)
    }

    /// `value` doubled as long as a coin shows heads, `doublings_max` times at most: a long tail.
    pub(crate) fn stretch(&mut self, value: u64, doublings_max: u32) -> u64 {
        value << self.next().trailing_zeros().min(doublings_max)
    }

    /// Whether something of this probability happens now.
    pub(crate) fn happens(&mut self, probability: Probability) -> bool {
        self.next() < probability.0
    }

    /// One of `choices`, each as likely as the others.
    ///
    /// # Panics
    /// When there are none.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// One of `choices`, by their weights.
    ///
    /// # Panics
    /// When there are none.
    pub(crate) fn weigh<T: Copy>(&mut self, choices: &[(u64, T)]) -> T {
        let sum = choices.iter().map(|(weight, _)| weight).sum();
        let mut left = self.below(sum);
        for (weight, choice) in choices {
            if left < *weight {
                return *choice;
            }
            left -= weight;
        }
        choices[0].1 // unreachable: `left` began below the sum of all weights
    }
}

/// How often something happens: so many of 2^64 cases.
#[derive(Clone, Copy)]
pub(crate) struct Probability(u64);

impl Probability {
    /// From a fraction; what is below 0 counts as 0, what is above 1 as 1.
    pub(crate) fn new(fraction: f64) -> Self {
        // Exact, but that 1 becomes the greatest u64: one case of 2^64 is lost.
        Self((fraction * 18_446_744_073_709_551_616.0) as u64)
    }
}

/// The golden ratio's fraction, of 2^64: by what splitmix64 walks.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The last step of splitmix64: every bit of the input changes half of the output.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}
