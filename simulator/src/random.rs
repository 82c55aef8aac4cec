//! Random numbers that are the same for ever, and chances.
//!
//! PCG-64 DXSM is fixed by its name and its paper, so the bytes of a world do not change with the version
//! of a crate; and everything is drawn in integers, since logarithms differ in their last bit from machine
//! to machine. Each use of each thing has a sequence of its own, found by its name alone: a fault that is
//! turned on changes nothing else, and a session is the same whichever were made before it.

use rand_pcg::Pcg64Dxsm;
use rand_pcg::rand_core::Rng;
use serde::{Deserialize, Serialize};

/// What a sequence of numbers is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// What is drawn once for a world.
    World = 1,
    /// A session: its life, its values, its gaps.
    Session,
    /// Values that each event draws anew.
    Event,
    /// Which faults are on in a swarm, and how strong.
    Swarm,
    Loss,
    Outage,
    Message,
    Delay,
    Tail,
    Duplicate,
    Storm,
    Replay,
    Conflict,
    Correction,
    Step,
    Dress,
    Corrupt,
    Unknown,
    Forge,
    /// Orders of events that a law is tried with.
    Check,
    /// What goes wrong on the receiver's side.
    Mishap,
    /// How a receiver is set up.
    Setup,
    /// What nobody would send.
    Odd,
}

/// A sequence of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random(Pcg64Dxsm);

impl Random {
    /// The sequence for one purpose, and one thing named by two numbers.
    pub(crate) fn new(seed: u64, purpose: Purpose, of: u64, part: u64) -> Random {
        // Sequences of PCG that differ in little are alike in the beginning: the names are mixed first.
        let name = mix(mix(mix(seed) ^ purpose as u64) ^ of) ^ part.wrapping_mul(GOLDEN);
        Random(Pcg64Dxsm::new(u128::from(mix(name)) << 64 | u128::from(mix(!name)), u128::from(name)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Evenly from 0 up to, not including, `bound`; 0 when nothing is below it.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // Less than `bound`.
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Evenly from `from` to `to`, both included.
    pub(crate) fn within(&mut self, from: i64, to: i64) -> i64 {
        from.wrapping_add(self.below(from.abs_diff(to.max(from)).saturating_add(1)) as i64)
    }

    /// Evenly from half of a value to one and a half of it.
    pub(crate) fn around(&mut self, value: u64) -> u64 {
        value / 2 + self.below(value + 1)
    }

    /// A value doubled as long as a coin shows heads, so many times at most: a heavy tail.
    pub(crate) fn stretch(&mut self, value: u64, doublings_max: u32) -> u64 {
        value.saturating_mul(1 << self.next().trailing_zeros().min(doublings_max).min(62))
    }

    pub(crate) fn happens(&mut self, chance: Chance) -> bool {
        // Drawn in any case, so that what follows does not depend on the dial.
        self.below(MILLION.into()) < u64::from(chance.0)
    }

    /// One of these, each as likely; nothing when there are none.
    pub(crate) fn pick<'c, T>(&mut self, choices: &'c [T]) -> Option<&'c T> {
        choices.get(self.below(choices.len() as u64) as usize)
    }

    /// One of these by their weights; nothing when there is no weight at all.
    pub(crate) fn weigh(&mut self, weights: impl Iterator<Item = u64> + Clone) -> Option<usize> {
        let mut left = self.below(weights.clone().fold(0, u64::saturating_add));
        for (place, weight) in weights.enumerate() {
            if left < weight {
                return Some(place);
            }
            left -= weight;
        }
        None
    }
}

/// How often something happens: so many times in a million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Chance(u32);

const MILLION: u32 = 1_000_000;

impl Chance {
    /// It never happens.
    pub const NEVER: Chance = Chance(0);
    /// It always happens.
    pub const ALWAYS: Chance = Chance(MILLION);

    /// So many times in a million; more is always.
    #[must_use]
    pub const fn in_a_million(times: u32) -> Chance {
        Chance(if times < MILLION { times } else { MILLION })
    }

    /// So many times in a hundred.
    #[must_use]
    pub const fn percent(times: u32) -> Chance {
        Chance::in_a_million(times.saturating_mul(10_000))
    }

    /// From a fraction, as people give it; what is not from 0 to 1 is the nearer of both.
    #[must_use]
    pub fn fraction(fraction: f64) -> Chance {
        // Casting cuts what is out of range, and makes what is no number 0.
        Chance::in_a_million((fraction * f64::from(MILLION)).round() as u32)
    }

    /// How many times in a million.
    #[must_use]
    pub const fn per_million(self) -> u32 {
        self.0
    }
}

/// The golden ratio's fraction, of 2^64.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Every bit of the input changes half of the output (the last step of splitmix64).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(GOLDEN);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_sequence_for_ever() {
        let first = |seed, of, part| Random::new(seed, Purpose::Session, of, part).next();
        assert_eq!(first(1, 2, 3), 1_156_006_474_294_165_768);
        assert_ne!(first(1, 2, 3), first(1, 3, 2));
        assert_ne!(first(1, 2, 3), first(2, 2, 3));
    }

    #[test]
    fn a_chance_is_met() {
        let mut random = Random::new(7, Purpose::World, 0, 0);
        let mut happened = |chance| (0..100_000).filter(|_| random.happens(chance)).count();
        assert_eq!(happened(Chance::NEVER), 0);
        assert_eq!(happened(Chance::ALWAYS), 100_000);
        assert!((4_700..5_300).contains(&happened(Chance::percent(5))));
    }
}
