//! Random numbers that are the same for ever: splitmix64.

use super::Id;

/// A sequence of numbers.
pub(super) struct Random(u64);

impl Random {
    /// The sequence with this number, of those with one seed.
    pub(super) fn new(seed: u64, number: u64) -> Random {
        Random(mix(seed ^ mix(number)))
    }

    /// The next number, all 64 bits of it even.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Evenly from 0 up to, not including, `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        (product >> 64) as u64 // less than `bound`
    }

    /// One of several.
    pub(super) fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// Sixteen bytes.
    pub(super) fn id(&mut self) -> Id {
        (u128::from(self.next()) << 64 | u128::from(self.next())).to_be_bytes()
    }
}

/// Every bit of the input changes half of the output.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}
