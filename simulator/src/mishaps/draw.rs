//! Dials, and what chance makes of them.

use std::str::FromStr;

use finis_engine::Timestamp;
use serde::{Deserialize, Serialize};

use super::{How, Mishap, Moment, Who};
use crate::arrival::Arrival;
use crate::clock::{self, MILLISECOND, Micros};
use crate::faults::{Chance, Preset};
use crate::random::{Purpose, Random};

/// How often each mishap befalls the receiver, for each arrival. The default is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mishaps {
    /// [`Mishap::Kill`].
    pub kill: Chance,
    /// [`Mishap::Crash`], at each of its moments as often.
    pub crash: Chance,
    /// [`Mishap::Restart`].
    pub restart: Chance,
    /// [`Mishap::Fail`].
    pub fail: Chance,
    /// [`Mishap::Slow`].
    pub slow: Chance,
    /// [`Mishap::Full`].
    pub full: Chance,
    /// [`Mishap::Stumble`], in each way and by each consumer as often.
    pub stumble: Chance,
    /// [`Mishap::Clock`].
    pub clock: Chance,
    /// [`Mishap::Forget`].
    pub forget: Chance,
    /// [`Mishap::Retain`].
    pub retain: Chance,
    /// [`Mishap::Rewind`].
    pub rewind: Chance,
    /// [`Mishap::Unpark`], all of it or the last as often.
    pub unpark: Chance,
    /// [`Mishap::Reread`].
    pub reread: Chance,
    /// [`Mishap::Mend`].
    pub mend: Chance,
}

/// What a mishap is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// [`Mishap::Kill`].
    Kill,
    /// [`Mishap::Crash`].
    Crash,
    /// [`Mishap::Restart`].
    Restart,
    /// [`Mishap::Fail`].
    Fail,
    /// [`Mishap::Slow`].
    Slow,
    /// [`Mishap::Full`].
    Full,
    /// [`Mishap::Stumble`].
    Stumble,
    /// [`Mishap::Clock`].
    Clock,
    /// [`Mishap::Forget`].
    Forget,
    /// [`Mishap::Retain`].
    Retain,
    /// [`Mishap::Rewind`].
    Rewind,
    /// [`Mishap::Unpark`].
    Unpark,
    /// [`Mishap::Reread`].
    Reread,
    /// [`Mishap::Mend`].
    Mend,
}

/// Every mishap there is.
pub const TROUBLES: [Trouble; 14] = [
    Trouble::Kill,
    Trouble::Crash,
    Trouble::Restart,
    Trouble::Fail,
    Trouble::Slow,
    Trouble::Full,
    Trouble::Stumble,
    Trouble::Clock,
    Trouble::Forget,
    Trouble::Retain,
    Trouble::Rewind,
    Trouble::Unpark,
    Trouble::Reread,
    Trouble::Mend,
];

impl Trouble {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Trouble::Kill => "kill",
            Trouble::Crash => "crash",
            Trouble::Restart => "restart",
            Trouble::Fail => "fail",
            Trouble::Slow => "slow",
            Trouble::Full => "full",
            Trouble::Stumble => "stumble",
            Trouble::Clock => "clock",
            Trouble::Forget => "forget",
            Trouble::Retain => "retain",
            Trouble::Rewind => "rewind",
            Trouble::Unpark => "unpark",
            Trouble::Reread => "reread",
            Trouble::Mend => "mend",
        }
    }
}

impl FromStr for Trouble {
    type Err = String;

    fn from_str(text: &str) -> Result<Trouble, String> {
        let trouble = TROUBLES.into_iter().find(|trouble| trouble.name() == text);
        let names = || TROUBLES.map(Trouble::name).join(", ");
        trouble.ok_or_else(|| format!("`{text}` is no mishap: one of {} is", names()))
    }
}

impl Mishap {
    /// What it is one of.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        match self {
            Mishap::Kill { .. } => Trouble::Kill,
            Mishap::Crash { .. } => Trouble::Crash,
            Mishap::Restart { .. } => Trouble::Restart,
            Mishap::Fail { .. } => Trouble::Fail,
            Mishap::Slow { .. } => Trouble::Slow,
            Mishap::Full { .. } => Trouble::Full,
            Mishap::Stumble { .. } => Trouble::Stumble,
            Mishap::Clock { .. } => Trouble::Clock,
            Mishap::Forget { .. } => Trouble::Forget,
            Mishap::Retain { .. } => Trouble::Retain,
            Mishap::Rewind { .. } => Trouble::Rewind,
            Mishap::Unpark { .. } => Trouble::Unpark,
            Mishap::Reread { .. } => Trouble::Reread,
            Mishap::Mend { .. } => Trouble::Mend,
        }
    }
}

impl Mishaps {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Mishaps {
        Mishaps::default()
    }

    /// The dials of a preset: nothing on a calm day, a restart now and then on an ordinary one.
    #[must_use]
    pub fn preset(preset: Preset) -> Mishaps {
        match preset {
            Preset::Calm => Mishaps::none(),
            Preset::Ordinary => Mishaps {
                restart: Chance::in_a_million(1_000),
                slow: Chance::in_a_million(2_000),
                stumble: Chance::in_a_million(5_000),
                ..Mishaps::none()
            },
            Preset::Hostile => Mishaps {
                kill: Chance::percent(2),
                crash: Chance::percent(4),
                restart: Chance::percent(1),
                fail: Chance::percent(1),
                slow: Chance::percent(3),
                full: Chance::percent(2),
                stumble: Chance::percent(6),
                clock: Chance::percent(2),
                forget: Chance::percent(1),
                retain: Chance::percent(1),
                rewind: Chance::percent(1),
                unpark: Chance::percent(2),
                reread: Chance::percent(1),
                mend: Chance::percent(1),
            },
        }
    }

    /// A subset of all mishaps, by chance, each as often as on a hostile day, or up to three times.
    #[must_use]
    pub fn swarm(seed: u64) -> Mishaps {
        let random = &mut Random::new(seed, Purpose::Swarm, 1, 0);
        let mut mishaps = Mishaps::preset(Preset::Hostile);
        for trouble in TROUBLES {
            let strength = random.below(6).saturating_sub(2) as u32;
            let dial = mishaps.dial(trouble);
            *dial = Chance::in_a_million(dial.per_million() * strength);
        }
        mishaps
    }

    /// Turns the dial of one mishap. All others do as they did.
    #[must_use]
    pub fn with(mut self, trouble: Trouble, chance: Chance) -> Mishaps {
        *self.dial(trouble) = chance;
        self
    }

    /// Turns the dial of one mishap to zero. All others do as they did.
    #[must_use]
    pub fn without(self, trouble: Trouble) -> Mishaps {
        self.with(trouble, Chance::NEVER)
    }

    fn dial(&mut self, trouble: Trouble) -> &mut Chance {
        match trouble {
            Trouble::Kill => &mut self.kill,
            Trouble::Crash => &mut self.crash,
            Trouble::Restart => &mut self.restart,
            Trouble::Fail => &mut self.fail,
            Trouble::Slow => &mut self.slow,
            Trouble::Full => &mut self.full,
            Trouble::Stumble => &mut self.stumble,
            Trouble::Clock => &mut self.clock,
            Trouble::Forget => &mut self.forget,
            Trouble::Retain => &mut self.retain,
            Trouble::Rewind => &mut self.rewind,
            Trouble::Unpark => &mut self.unpark,
            Trouble::Reread => &mut self.reread,
            Trouble::Mend => &mut self.mend,
        }
    }

    /// What befalls a receiver of these arrivals, each with its instant, in no order. Each mishap draws from a
    /// sequence of its own at each arrival, so turning one off leaves the others as they were.
    #[must_use]
    pub fn draw(&self, arrivals: &[Arrival], seed: u64) -> Vec<(Timestamp, Mishap)> {
        let mut mishaps = *self;
        let mut drawn = Vec::new();
        for trouble in TROUBLES {
            let chance = *mishaps.dial(trouble);
            if chance == Chance::NEVER {
                continue;
            }
            for (place, arrival) in arrivals.iter().enumerate() {
                let mut random = Random::new(seed, Purpose::Mishap, place as u64, trouble as u64);
                if random.happens(chance) {
                    let at = clock::micros(arrival.received_at) + beside(&mut random);
                    drawn.push((clock::timestamp(at), make(trouble, &mut random, arrival)));
                }
            }
        }
        drawn
    }
}

/// How long after an arrival: at once or shortly before while it is busy, or later, when only deadlines and
/// consumers are at work.
fn beside(random: &mut Random) -> Micros {
    match random.below(4) {
        0 => 0,
        1 => -(random.below(2_000_000) as Micros),
        2 => random.below(5_000_000) as Micros,
        _ => {
            let later = 1_000_000 + random.below(60_000_000);
            random.stretch(later, 7) as Micros
        }
    }
}

/// A length of time in milliseconds that is mostly short, and now and then much longer.
fn long(random: &mut Random, usual_ms: u64, doublings_max: u32) -> u64 {
    let around = random.around(usual_ms);
    random.stretch(around, doublings_max)
}

fn make(trouble: Trouble, random: &mut Random, arrival: &Arrival) -> Mishap {
    let down_ms = long(random, 2_000, 12);
    let who = if random.below(2) == 0 { Who::Puller } else { Who::Handler };
    match trouble {
        Trouble::Kill => Mishap::Kill { down_ms },
        Trouble::Crash => {
            let at = match random.below(3) {
                0 => Moment::Before,
                1 => Moment::Inside,
                _ => Moment::After,
            };
            Mishap::Crash { at, down_ms }
        }
        Trouble::Restart => Mishap::Restart { down_ms },
        Trouble::Fail => Mishap::Fail { kept: random.below(2) == 0, down_ms },
        Trouble::Slow => Mishap::Slow { call_ms: long(random, 400, 7), lasts_ms: long(random, 20_000, 4) },
        Trouble::Full => {
            let lasts_ms = long(random, 10_000, 8);
            // Often only for whoever writes at that instant: what comes behind has room again.
            Mishap::Full { lasts_ms: if random.below(2) == 0 { 1 } else { lasts_ms } }
        }
        Trouble::Stumble => {
            let how = match random.below(6) {
                0..3 => How::Fails,
                3 => How::Hangs { ms: long(random, 3_000, 8) },
                4 => How::DiesBefore,
                _ => How::DiesAfter,
            };
            Mishap::Stumble { who, how, times: 1 + random.below(5) as u32 }
        }
        Trouble::Clock => {
            let by = long(random, 5_000, 10) as i64;
            Mishap::Clock { by_ms: if random.below(2) == 0 { by } else { -by } }
        }
        Trouble::Forget => Mishap::Forget { session: arrival.is.session },
        Trouble::Retain => Mishap::Retain { after_s: long(random, 60, 6) },
        Trouble::Rewind => Mishap::Rewind { who, by: random.below(6) },
        // Nothing is ever parked for the one that pulls.
        Trouble::Unpark => Mishap::Unpark { who: Who::Handler, all: random.below(2) == 0 },
        Trouble::Reread => Mishap::Reread { down_ms },
        // Two commands, one after the other.
        Trouble::Mend => Mishap::Mend { after_ms: long(random, 2_000, 6) },
    }
}

/// A length of time in milliseconds, as the world counts.
pub(crate) fn milliseconds(ms: u64) -> Micros {
    clock::length(ms.saturating_mul(MILLISECOND as u64))
}
