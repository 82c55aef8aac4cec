//! A world played with the engine itself, in virtual time, while things go wrong with the receiver.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use finis::engine::Contract;
use finis_simulator::mishaps::{Mishap, Mishaps};
use finis_simulator::oracle::{self, Broken, Promise};
use finis_simulator::run;
use finis_simulator::script::Script;
use finis_simulator::shrink::{self, Bounds};
use finis_simulator::story::{Setup, Story};
use serde_json::{Value, json};

use super::super::Failure;
use super::super::reconcile::Watch;
use super::super::words::{bad, count, heading, number, shown};
use super::dials::Set;
use super::worlds::Judging;

/// What goes wrong with the receiver.
#[derive(Args)]
#[command(next_help_heading = "Receiver")]
pub(crate) struct PlayArgs {
    /// Play it with the engine itself in virtual time, and let this go wrong with the receiver: none, calm, ordinary,
    /// hostile, or swarm, which is some of hostile by chance
    #[arg(long, value_name = "SET", conflicts_with_all = ["against", "advise"])]
    pub(crate) mishaps: Option<Set>,
}

/// What came of it.
pub(crate) struct Play {
    /// How often each mishap befell the receiver.
    pub(crate) mishaps: BTreeMap<&'static str, u64>,
    /// Notices that were said.
    notices: u64,
    /// Promises that were broken.
    pub(crate) broken: Vec<Broken>,
    /// The smallest story that breaks the first of them.
    pub(crate) smallest: Option<Story>,
}

/// A receiver of these terms.
pub(crate) fn setup(judging: &Judging) -> Setup {
    let terms = &judging.terms;
    Setup { subscribed: terms.subscribed.clone(), grace: terms.grace, stall: terms.stall, ..Setup::default() }
}

/// A script with mishaps of a set.
pub(crate) fn story(script: &Script, setup: Setup, set: Set, seed: u64) -> Story {
    let mishaps = match set {
        Set::None => Mishaps::none(),
        Set::Preset(preset) => Mishaps::preset(preset),
        Set::Swarm => Mishaps::swarm(seed),
    };
    let drawn = mishaps.draw(&script.arrivals, seed);
    Story::of(script.clone(), setup, drawn)
}

/// Plays a story, and holds what happened against what is promised.
pub(crate) fn play(story: &Story, judging: &Judging) -> Result<Play, Failure> {
    let contract = judging.contract();
    let played = run::play(story, contract, &mut |_| {})?;
    let broken = oracle::judge(story, contract, &played);
    let smallest = broken.first().map(|first| smallest(story, contract, first.promise));
    let mut mishaps = BTreeMap::new();
    for (_, mishap) in story.mishaps() {
        *mishaps.entry(name(mishap)).or_default() += 1;
    }
    Ok(Play { mishaps, notices: played.kept.last_seq, broken, smallest })
}

/// The smallest story that breaks a promise; how far the search is shows on a terminal.
fn smallest(story: &Story, contract: &Contract, promise: Promise) -> Story {
    let (bounds, progress) = (Bounds::default(), Arc::new(AtomicU64::new(0)));
    let _watch = Watch::counted(bounds.plays_max, "stories", &progress);
    shrink::smallest(story, contract, promise, bounds, &mut |search| {
        progress.store(search.played, Ordering::Relaxed);
    })
}

fn name(mishap: &Mishap) -> &'static str {
    match mishap {
        Mishap::Kill { .. } => "kill",
        Mishap::Crash { .. } => "crash",
        Mishap::Restart { .. } => "restart",
        Mishap::Fail { .. } => "fail",
        Mishap::Slow { .. } => "slow",
        Mishap::Full { .. } => "full",
        Mishap::Stumble { .. } => "stumble",
        Mishap::Clock { .. } => "clock",
        Mishap::Forget { .. } => "forget",
        Mishap::Retain { .. } => "retain",
        Mishap::Rewind { .. } => "rewind",
        Mishap::Unpark { .. } => "unpark",
        Mishap::Reread { .. } => "reread",
    }
}

impl Play {
    /// For a person.
    pub(crate) fn write(&self, out: &mut String, judging: &Judging) -> std::fmt::Result {
        let mishaps = self.mishaps.values().sum::<u64>();
        let of = count(mishaps, "mishap");
        writeln!(out, "\n{}  with the engine in virtual time, and {of} of the receiver", heading("Played   "))?;
        for (name, times) in &self.mishaps {
            writeln!(out, "  {name:<10} {:>8}", number(*times))?;
        }
        writeln!(out, "  notices    {} said", number(self.notices))?;
        if self.broken.is_empty() {
            return writeln!(out, "\n{}  all are held", heading("Promises "));
        }
        let line = format!("{} broken", number(self.broken.len() as u64));
        writeln!(out, "\n{}  {}", heading("Promises "), bad(&line))?;
        for Broken { promise, session, detail } in &self.broken {
            let of = session.as_ref().map(|session| format!(", of {session}")).unwrap_or_default();
            writeln!(out, "  {}", shown(&format!("{promise}{of}: {detail}")))?;
        }
        if let Some(smallest) = &self.smallest {
            writeln!(out, "\n{}  that breaks the first of them", heading("Smallest "))?;
            out.push_str(&smallest.timeline(judging.contract()));
        }
        Ok(())
    }

    /// For a machine.
    pub(crate) fn json(&self) -> Value {
        let broken = self.broken.iter();
        let broken: Vec<Value> = broken
            .map(|broken| json!({"promise": broken.promise, "session": broken.session, "detail": broken.detail}))
            .collect();
        json!({"mishaps": self.mishaps, "notices": self.notices, "broken": broken})
    }
}
