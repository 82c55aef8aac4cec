//! What a small story turns around.
//!
//! Some things go wrong only where several come together: a session that has to be read again, from a slow disk,
//! while its time runs out. Dials that are drawn one by one hardly ever stand so. A theme sets those that belong
//! together, and leaves all others as they were drawn.

use std::time::Duration;

use super::Setup;
use crate::faults::Chance;
use crate::mishaps::Mishaps;
use crate::random::{Purpose, Random};

/// Dials that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Theme {
    /// Whatever chance says.
    Any,
    /// Memory for one session, short deadlines and a slow disk: they pass while sessions are read.
    SlowReads,
    /// A handler that fails, and somebody who lets it go on: what is parked holds what comes after it.
    Parking,
    /// A contract that misreads everything until it is mended: sessions come out of quarantine.
    Misread,
    /// A slow disk that refuses a write now and then: what was judged meanwhile stands on what is not kept.
    Overlap,
}

impl Theme {
    /// The theme of a seed: none of half of them.
    pub(super) fn swarm(seed: u64) -> Theme {
        match Random::new(seed, Purpose::Setup, 2, 0).below(10) {
            0..5 => Theme::Any,
            5 | 6 => Theme::SlowReads,
            7 => Theme::Parking,
            8 => Theme::Misread,
            _ => Theme::Overlap,
        }
    }

    /// Sets what belongs to it.
    pub(super) fn set(self, seed: u64, setup: &mut Setup, mishaps: &mut Mishaps) {
        let random = &mut Random::new(seed, Purpose::Setup, 2, 1);
        match self {
            Theme::Any => {}
            Theme::SlowReads => {
                setup.sessions_max = 1;
                let mut short = || random.pick(&[250, 1_000, 2_000, 5_000, 10_000]).copied().map(Duration::from_millis);
                (setup.grace, setup.stall) = (short(), short());
                mishaps.slow = Chance::percent(40);
            }
            Theme::Parking => {
                setup.tries_max = random.pick(&[1, 1, 2]).copied().unwrap_or(1);
                setup.window_max = random.pick(&[1, 2, 3, setup.window_max]).copied().unwrap_or(setup.window_max);
                mishaps.stumble = Chance::percent(30);
                mishaps.unpark = Chance::percent(10);
            }
            Theme::Misread => {
                setup.misreads = true;
                // By a process of its own, or by the one that goes on.
                let (often, never) = (Chance::percent(15), Chance::NEVER);
                let is_alone = random.below(5) < 3;
                (mishaps.reread, mishaps.mend) = if is_alone { (often, never) } else { (never, often) };
                // So that it is cut off, too.
                mishaps.crash = Chance::percent(15);
                mishaps.slow = Chance::percent(15);
            }
            Theme::Overlap => {
                mishaps.slow = Chance::percent(40);
                mishaps.full = Chance::percent(30);
            }
        }
    }
}
