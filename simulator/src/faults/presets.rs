//! Dials by name, and dials by chance.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::{Chance, Delay, FAULTS, Fault, Faults, Later, Odd, Outage, Skew, Storm};
use crate::random::{Purpose, Random};

/// Faults by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// A good day: a short way, and nothing else.
    Calm,
    /// A day as it usually is at a provider that retries: some loss, some doubles, a tail of half a minute.
    Ordinary,
    /// Everything at once that a receiver meets.
    Hostile,
}

/// Every preset there is.
const PRESETS: [(Preset, &str); 3] =
    [(Preset::Calm, "calm"), (Preset::Ordinary, "ordinary"), (Preset::Hostile, "hostile")];

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = PRESETS.iter().find(|(preset, _)| preset == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Preset, String> {
        let preset = PRESETS.iter().find(|(_, name)| *name == text).map(|(preset, _)| *preset);
        preset.ok_or_else(|| format!("`{text}` is no set of faults: one of calm, ordinary, hostile is"))
    }
}

impl Preset {
    /// Its dials.
    #[must_use]
    pub fn faults(self) -> Faults {
        match self {
            Preset::Calm => Faults { delay: Delay { usual_ms: 70, ..Delay::default() }, ..Faults::default() },
            Preset::Ordinary => Faults {
                loss: Chance::in_a_million(5_000),
                delay: Delay { usual_ms: 100, tail: Chance::percent(2), tail_ms: 1_000, doublings_max: 5 },
                duplicate: Chance::percent(1),
                storm: Storm { chance: Chance::in_a_million(2_000), copies_max: 3, after_s: 600 },
                conflict: Chance::in_a_million(500),
                correction: Later { chance: Chance::in_a_million(500), after_s: 300 },
                dress: Chance::percent(1),
                corrupt: Chance::in_a_million(500),
                unknown: Chance::in_a_million(1_000),
                forge: Chance::in_a_million(500),
                ..Faults::default()
            },
            Preset::Hostile => Faults {
                loss: Chance::percent(5),
                loss_of: BTreeMap::new(),
                outage: Outage { chance: Chance::percent(30), every_s: 3_600, lasts_s: 300 },
                delay: Delay { usual_ms: 300, tail: Chance::percent(15), tail_ms: 2_000, doublings_max: 12 },
                duplicate: Chance::percent(15),
                storm: Storm { chance: Chance::percent(5), copies_max: 8, after_s: 4 * 3_600 },
                replay: Later { chance: Chance::percent(3), after_s: 900 },
                conflict: Chance::percent(5),
                correction: Later { chance: Chance::percent(5), after_s: 600 },
                skew: Skew { ahead_ms: 90_000, step: Chance::percent(30), every_s: 600, step_ms: 3_600_000 },
                dress: Chance::percent(20),
                corrupt: Chance::percent(3),
                unknown: Chance::percent(3),
                forge: Chance::percent(3),
                odd: Odd::default(),
            },
        }
    }
}

impl Faults {
    /// A subset of all faults, by chance, each as strong as in [`Preset::Hostile`] or weaker. Runs in which
    /// some faults are off reach what all of them together keep one another from.
    #[must_use]
    pub fn swarm(seed: u64) -> Faults {
        let random = &mut Random::new(seed, Purpose::Swarm, 0, 0);
        let mut faults = Preset::Hostile.faults();
        for fault in FAULTS.into_iter().filter(|fault| *fault != Fault::Odd) {
            if random.below(2) == 0 {
                faults = faults.without(fault);
            }
        }
        let mut weaken = |chance: &mut Chance| *chance = Chance::in_a_million(chance.per_million() >> random.below(4));
        let dials = [
            &mut faults.loss,
            &mut faults.outage.chance,
            &mut faults.delay.tail,
            &mut faults.duplicate,
            &mut faults.storm.chance,
            &mut faults.replay.chance,
            &mut faults.conflict,
            &mut faults.correction.chance,
            &mut faults.skew.step,
            &mut faults.dress,
            &mut faults.corrupt,
            &mut faults.unknown,
            &mut faults.forge,
        ];
        dials.into_iter().for_each(&mut weaken);
        // A clock that is off is off by anything.
        faults.skew.ahead_ms >>= random.below(8);
        faults
    }
}
