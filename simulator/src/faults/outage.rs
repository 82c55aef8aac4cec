//! Times in which nothing gets through.

use super::Outage;
use crate::clock::{self, Micros};
use crate::random::{Chance, Purpose, Random};

impl Outage {
    /// Whether what is sent at an instant is lost. In each stretch of time there is one outage or none.
    pub(super) fn covers(&self, seed: u64, at: Micros) -> bool {
        if self.every_s == 0 || self.chance == Chance::NEVER {
            return false;
        }
        let length = clock::seconds(self.every_s);
        let lasts = clock::seconds(self.lasts_s).min(length);
        let (stretch, within) = (at.div_euclid(length), at.rem_euclid(length));
        let random = &mut Random::new(seed, Purpose::Outage, stretch as u64, 0);
        let begins = random.within(0, length - lasts);
        random.happens(self.chance) && (begins..begins + lasts).contains(&within)
    }
}
