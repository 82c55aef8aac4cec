//! A world played with the engine itself, in virtual time, while things go wrong with the receiver.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use finis::engine::Contract;
use finis_simulator::faults::Chance;
use finis_simulator::mishaps::{Mishaps, Trouble};
use finis_simulator::oracle::{self, Broken, PROMISES, Promise};
use finis_simulator::run;
use finis_simulator::script::Script;
use finis_simulator::shrink::{self, Bounds};
use finis_simulator::story::{Setup, Story};
use serde_json::{Value, json};

use super::super::Failure;
use super::super::reconcile::Watch;
use super::super::words::{aside, bad, count, heading, number, shown};
use super::dials::{Set, chance};
use super::worlds::Judging;

/// What goes wrong with the receiver.
#[derive(Args)]
#[command(next_help_heading = "Receiver")]
pub(crate) struct PlayArgs {
    /// Play it with the engine itself in virtual time, and let this go wrong with the receiver: none, calm, ordinary,
    /// hostile, or swarm, which is some of hostile by chance
    #[arg(long, value_name = "SET", conflicts_with_all = ["against", "advise"])]
    mishaps: Option<Set>,

    /// The same for one mishap, as kill=5%, in place of what the set says; without a set it is the only one
    #[arg(long, value_name = "NAME=CHANCE", value_parser = chance_of, conflicts_with_all = ["against", "advise"])]
    mishap: Vec<(Trouble, Chance)>,
}

impl PlayArgs {
    /// Whether anybody says what is to go wrong, if only nothing.
    pub(crate) fn is_given(&self) -> bool {
        self.mishaps.is_some() || !self.mishap.is_empty()
    }

    /// What goes wrong with the receiver; nothing when it is not to be played.
    pub(crate) fn mishaps(&self, seed: u64) -> Option<Mishaps> {
        if !self.is_given() {
            return None;
        }
        let set = match self.mishaps {
            None | Some(Set::None) => Mishaps::none(),
            Some(Set::Preset(preset)) => Mishaps::preset(preset),
            Some(Set::Swarm) => Mishaps::swarm(seed),
        };
        Some(self.mishap.iter().fold(set, |set, (trouble, chance)| set.with(*trouble, *chance)))
    }
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

/// A script with mishaps of a seed.
pub(crate) fn story(script: &Script, setup: Setup, mishaps: Mishaps, seed: u64) -> Story {
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
        *mishaps.entry(mishap.trouble().name()).or_default() += 1;
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

/// `kill=5%`.
fn chance_of(text: &str) -> Result<(Trouble, Chance), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` names no mishap: write `kill=1%`"))?;
    Ok((name.parse()?, chance(value)?))
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
            writeln!(out, "\n{}  all are held", heading("Promises "))?;
            return PROMISES.iter().try_for_each(|promise| writeln!(out, "  {}", aside(&promise.to_string())));
        }
        let line = format!("{} broken", number(self.broken.len() as u64));
        writeln!(out, "\n{}  {}", heading("Promises "), bad(&line))?;
        for Broken { promise, session, detail } in &self.broken {
            let of = session.as_ref().map(|session| format!(", of {session}")).unwrap_or_default();
            writeln!(out, "  {}", shown(&format!("{promise}{of}: {detail}")))?;
        }
        out.push_str(&self.smallest(judging).unwrap_or_default());
        Ok(())
    }

    /// How the smallest story goes that breaks a promise, for a person.
    pub(crate) fn smallest(&self, judging: &Judging) -> Option<String> {
        let told = self.smallest.as_ref().map(|smallest| smallest.timeline(judging.contract()));
        told.map(|told| format!("\n{}  that breaks the first of them\n{told}", heading("Smallest ")))
    }

    /// For a machine.
    pub(crate) fn json(&self) -> Value {
        let broken = self.broken.iter();
        let broken: Vec<Value> = broken
            .map(|broken| json!({"promise": broken.promise, "session": broken.session, "detail": broken.detail}))
            .collect();
        json!({"mishaps": self.mishaps, "notices": self.notices, "promised": PROMISES, "broken": broken})
    }
}
