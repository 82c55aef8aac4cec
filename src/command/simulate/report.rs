//! What was made, what befell it and what came of it, for a person and for a machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use finis::engine::Timestamp;
use finis_simulator::faults::Fault;
use serde_json::{Value, json};

use super::super::summary::{write_counts, write_findings, write_sessions};
use super::super::words::{aside, bad, count, deliveries, heading, number, shown};
use super::offline::Outcome;
use super::play::Play;
use super::worlds::{Judging, Made};

/// Runs that disagree and are listed.
const LISTED: usize = 10;

/// A world that was made and folded.
pub(super) struct Run<'r> {
    pub(super) made: &'r Made,
    pub(super) judging: &'r Judging,
    pub(super) as_of: Timestamp,
    pub(super) outcome: &'r Outcome,
    /// What came of it when the engine played it, if it did.
    pub(super) play: Option<&'r Play>,
}

/// What a delivery may be called by its fault.
pub(super) fn fault_name(fault: Fault) -> String {
    // A word, which has no way to fail.
    serde_json::to_value(fault).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// How often each fault befell something, by name.
pub(super) fn injected(made: &Made) -> BTreeMap<String, u64> {
    made.faults.iter().map(|(fault, times)| (fault_name(*fault), *times)).collect()
}

/// What world it is.
pub(super) fn write_world(out: &mut String, made: &Made, judging: &Judging) -> std::fmt::Result {
    let script = &made.script;
    let head = &script.head;
    let contract = judging.contract();
    writeln!(out, "{}  {} {}, seed {}", heading("World    "), contract.provider(), contract.version(), head.seed)?;
    writeln!(
        out,
        "  sessions   {}, something comes of {}",
        number(head.sessions),
        number(script.sessions().len() as u64)
    )?;
    if let Some(sent) = made.sent {
        writeln!(out, "  sent       {}", count(sent, "event"))?;
    }
    writeln!(out, "  arrived    {}", deliveries(script.arrivals.len() as u64))?;
    if let (Some(first), Some(last)) = (script.arrivals.first(), script.arrivals.last()) {
        writeln!(out, "  times      {} to {}", first.received_at, last.received_at)?;
    }
    write_injected(out, &injected(made))
}

/// Every fault that befell anything: there are few.
fn write_injected(out: &mut String, injected: &BTreeMap<String, u64>) -> std::fmt::Result {
    if injected.is_empty() {
        return writeln!(out, "\n{}  nothing", heading("Injected "));
    }
    writeln!(out, "\n{}{}", heading("Injected"), aside("   what befell events and deliveries"))?;
    for (fault, times) in injected {
        writeln!(out, "  {fault:<10} {:>8}", number(*times))?;
    }
    Ok(())
}

impl Run<'_> {
    /// For a person.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        // Writing into a String does not fail.
        let _ = write_world(&mut out, self.made, self.judging);
        let _ = self.write_outcome(&mut out);
        if let Some(play) = self.play {
            let _ = play.write(&mut out, self.judging);
        }
        out
    }

    /// Whether fold and model say the same, and everything promised was held.
    pub(super) fn agrees(&self) -> bool {
        self.outcome.agrees() && self.play.is_none_or(|play| play.broken.is_empty())
    }

    fn write_outcome(&self, out: &mut String) -> std::fmt::Result {
        let outcome = self.outcome;
        writeln!(out, "\n{}  as of {}", heading("Folded   "), self.as_of)?;
        writeln!(out, "  distinct   {}", count(outcome.tally.events, "event"))?;
        writeln!(out, "  again      {}", deliveries(outcome.duplicates))?;
        writeln!(out, "  unreadable {}", deliveries(outcome.rejected))?;
        if outcome.unproved > 0 {
            writeln!(out, "  unproved   {}", deliveries(outcome.unproved))?;
        }
        write_sessions(out, &outcome.tally)?;
        write_findings(out, &outcome.tally)?;
        let records = count(outcome.tally.sessions, "record");
        if outcome.agrees() {
            return writeln!(out, "\n{}  the model has the same {records}, byte for byte", heading("Agreement"));
        }
        let line = format!("the model has {} otherwise", count(outcome.differing, "record"));
        writeln!(out, "\n{}  {}", heading("Agreement"), bad(&line))?;
        if outcome.rejected != outcome.unreadable {
            let (fold, model) = (number(outcome.rejected), number(outcome.unreadable));
            writeln!(out, "  {}", bad(&format!("{fold} lines were refused, and {model} cannot be read")))?;
        }
        for difference in &outcome.differences {
            let side = |record: &Option<String>| record.as_deref().map_or_else(|| "nothing".to_owned(), shown);
            writeln!(out, "  fold   {}\n  model  {}", side(&difference.fold), side(&difference.model))?;
        }
        Ok(())
    }

    /// For a machine.
    pub(super) fn json(&self) -> Value {
        let outcome = self.outcome;
        let differences = outcome.differences.iter();
        let differences: Vec<Value> =
            differences.map(|difference| json!({"fold": difference.fold, "model": difference.model})).collect();
        json!({
            "head": self.made.script.head,
            "arrivals": self.made.script.arrivals.len(),
            "injected": injected(self.made),
            "as_of": self.as_of.to_string(),
            "duplicates": outcome.duplicates,
            "unreadable": outcome.rejected,
            "unproved": outcome.unproved,
            "tally": outcome.tally,
            "agrees": outcome.agrees(),
            "differing": outcome.differing,
            "differences": differences,
            "played": self.play.map(Play::json),
        })
    }
}

/// What is wrong in some runs, and which these are.
fn write_seeds(out: &mut String, head: &str, line: &str, seeds: &[u64]) -> std::fmt::Result {
    writeln!(out, "\n{}  {}", heading(head), bad(line))?;
    for seed in seeds.iter().take(LISTED) {
        writeln!(out, "  {}", aside(&format!("again with --seed {seed}")))?;
    }
    Ok(())
}

/// Many runs, counted together.
#[derive(Default)]
pub(super) struct Runs {
    count: u64,
    arrivals: u64,
    sessions: u64,
    injected: BTreeMap<String, u64>,
    by_status: BTreeMap<String, u64>,
    /// Seeds of runs in which fold and model do not say the same.
    disagreeing: Vec<u64>,
    /// Runs that the engine played, and how often each mishap befell the receiver in them.
    played: u64,
    mishaps: BTreeMap<String, u64>,
    /// Seeds of runs in which a promise was broken.
    broken: Vec<u64>,
    /// Of the first of them, how the smallest story goes that breaks it.
    smallest: Option<String>,
}

impl Runs {
    pub(super) fn add(&mut self, run: &Run<'_>) {
        self.count += 1;
        self.arrivals += run.made.script.arrivals.len() as u64;
        self.sessions += run.outcome.tally.sessions;
        for (fault, times) in injected(run.made) {
            *self.injected.entry(fault).or_default() += times;
        }
        for (status, sessions) in &run.outcome.tally.by_status {
            *self.by_status.entry((*status).to_owned()).or_default() += sessions;
        }
        if !run.outcome.agrees() {
            self.disagreeing.push(run.made.script.head.seed);
        }
        if let Some(play) = run.play {
            self.played += 1;
            for (name, times) in &play.mishaps {
                *self.mishaps.entry((*name).to_owned()).or_default() += times;
            }
            if !play.broken.is_empty() {
                self.broken.push(run.made.script.head.seed);
                self.smallest = self.smallest.take().or_else(|| play.smallest(run.judging));
            }
        }
    }

    pub(super) fn agrees(&self) -> bool {
        self.disagreeing.is_empty() && self.broken.is_empty()
    }

    /// For a person.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        // Writing into a String does not fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "{}  {}", heading("Runs     "), number(self.count))?;
        writeln!(out, "  arrivals   {}", deliveries(self.arrivals))?;
        writeln!(out, "  sessions   {}", number(self.sessions))?;
        write_injected(out, &self.injected)?;
        write_counts(out, "Status     of every session, when all deadlines are over", &self.by_status)?;
        if self.disagreeing.is_empty() {
            writeln!(out, "\n{}  the model has the same records of every run", heading("Agreement"))?;
        } else {
            let line = format!("the model has records otherwise in {}", count(self.disagreeing.len() as u64, "run"));
            write_seeds(out, "Agreement", &line, &self.disagreeing)?;
        }
        if self.played == 0 {
            return Ok(());
        }
        // All of them, as of faults: there are few.
        writeln!(out, "\n{}{}", heading("Mishaps"), aside("    of the receiver, while the engine played"))?;
        for (name, times) in &self.mishaps {
            writeln!(out, "  {name:<10} {:>8}", number(*times))?;
        }
        if self.broken.is_empty() {
            return writeln!(out, "\n{}  all are held in {}", heading("Promises "), count(self.played, "run"));
        }
        let line = format!("broken in {} of {}", number(self.broken.len() as u64), count(self.played, "run"));
        write_seeds(out, "Promises ", &line, &self.broken)?;
        out.push_str(self.smallest.as_deref().unwrap_or_default());
        Ok(())
    }

    /// For a machine.
    pub(super) fn json(&self) -> Value {
        json!({
            "runs": self.count,
            "arrivals": self.arrivals,
            "sessions": self.sessions,
            "injected": self.injected,
            "by_status": self.by_status,
            "agrees": self.agrees(),
            "disagreeing_seeds": self.disagreeing,
            "played": self.played,
            "mishaps": self.mishaps,
            "broken_seeds": self.broken,
        })
    }
}
