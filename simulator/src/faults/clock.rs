//! The provider's clock: what it shows at an instant.

use super::Skew;
use crate::clock::{MILLISECOND, Micros, SECOND};
use crate::random::{Chance, Purpose, Random};

impl Skew {
    /// How far the clock is ahead at an instant.
    pub(super) fn ahead(&self, seed: u64, at: Micros) -> Micros {
        let steady = self.ahead_ms.saturating_mul(MILLISECOND);
        if self.every_s == 0 || self.step == Chance::NEVER {
            return steady;
        }
        let stretch = at.div_euclid(self.every_s as i64 * SECOND);
        let random = &mut Random::new(seed, Purpose::Step, stretch as u64, 0);
        let most = self.step_ms as i64;
        let off = random.within(-most, most).saturating_mul(MILLISECOND);
        if random.happens(self.step) { steady + off } else { steady }
    }
}
