//! The provider's clock: what it shows at an instant.

use super::Skew;
use crate::clock::{self, MILLISECOND, Micros};
use crate::random::{Chance, Purpose, Random};

impl Skew {
    /// How far the clock is ahead at an instant.
    pub(super) fn ahead(&self, seed: u64, at: Micros) -> Micros {
        let milliseconds = |off: u64| clock::length(off.saturating_mul(MILLISECOND as u64));
        let steady = milliseconds(self.ahead_ms.unsigned_abs()) * self.ahead_ms.signum();
        if self.every_s == 0 || self.step == Chance::NEVER {
            return steady;
        }
        let stretch = at.div_euclid(clock::seconds(self.every_s));
        let random = &mut Random::new(seed, Purpose::Step, stretch as u64, 0);
        let most = milliseconds(self.step_ms) / MILLISECOND;
        let off = random.within(-most, most) * MILLISECOND;
        if random.happens(self.step) { steady + off } else { steady }
    }
}
