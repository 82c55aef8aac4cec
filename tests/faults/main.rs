//! Faults against the whole live engine: a process that is killed, a power cut, a disk that is full or
//! fails, bytes that change at rest.
//!
//! Most of it is one loop. A child, this binary run again, receives deliveries of the simulator's worlds and
//! hands notices to consumers, and says what was acknowledged only *after* it was. The parent breaks
//! something, opens the store, and lets the simulator's oracle judge what the child said and what the store
//! has: see [`claims`].
//! `docs/durability.md` has the promises, the long runs and what they said. `FINIS_SEED` gives other
//! moments and other damage.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed, and says where")]

use std::io::Write;

mod child; // the process that writes, and is broken
mod claims; // what it said, against what the store has
mod deliveries; // what is posted: a function of a number
mod look; // what the store has
mod process; // the child, from the outside
mod store; // how the store is opened here

mod damage; // bytes that change at rest, files that go
mod errors; // calls that err
mod full; // a disk without room
mod kill; // processes that end without a word
mod letting_go; // sessions that go, and segments with them
mod maintenance; // the same steps of the journal by themselves
mod mounted; // file systems of our own, and their power
mod power; // power cuts
mod steps; // processes that end at each step of a commit
mod trace; // what was synced when it was acknowledged

/// The figure of a variable, for long runs.
fn figure(variable: &str, unless_set: u64) -> u64 {
    std::env::var(variable).map_or(unless_set, |text| text.parse().expect("a number"))
}

/// Why a test did nothing.
fn skipped(what: &str, why: &str) {
    // The harness keeps what a test prints when it passes, and whoever reads its output should know.
    let _ = std::io::stderr().write_all(format!("skipped: {what}: {}\n", why.replace('\n', " ")).as_bytes());
}

/// Numbers that look like chance, from a seed: `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Of so many words, hard to compress.
    fn text(&mut self, words: u64) -> String {
        (0..words).fold(String::new(), |text, _| text + &format!("{:016x}", self.next()))
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
