//! The smallest story that a receiver gets wrong, and stories as a person reads them.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use finis::engine::Contract;
use finis_simulator::Arrival;
use finis_simulator::clock::micros;
use finis_simulator::conclusions::{Finding, Wrong};
use finis_simulator::faults::Signing;
use finis_simulator::json::Json;
use finis_simulator::script::Script;

use super::super::super::words::{aside, bad, count, deliveries, heading, number, shown};
use super::super::super::{Failure, warn};
use super::super::report::fault_name;
use super::super::worlds::Judging;
use super::drive::{Attempt, Manner, Pace};
use super::play::{Played, Receiver};

/// A story is played so often at most: each time takes as long as the receiver has to conclude.
const PLAYS_MAX: u64 = 1_000;
/// Deliveries of a story that a person is shown.
const SHOWN: usize = 20;

/// A story that a receiver gets wrong.
pub(super) struct Story<'c> {
    pub(super) script: Script,
    /// The last time that it was played.
    pub(super) played: Played<'c>,
    /// How often anything was played for it.
    pub(super) plays: u64,
}

/// Looks for the smallest part of a script of which the receiver gets something wrong in the same way.
pub(super) fn smallest<'c>(
    receiver: &Receiver,
    script: &Script,
    wrong: Wrong,
    judging: &'c Judging,
    signing: Option<&Signing>,
    manner: Manner,
) -> Result<Story<'c>, Failure> {
    // Whoever waits for a story does not wait for its gaps; one at a time, it is the same each time.
    let manner = Manner { pace: Pace::Free, concurrency: 1, ..manner };
    let mut plays = 0;
    let mut play = |script: &Script| {
        plays += 1;
        receiver.play(script, judging, signing, manner, &AtomicU64::new(0))
    };
    let mut last = None;
    let mut tried = 0;
    let script = script.smallest(|part| {
        tried += 1;
        if tried > PLAYS_MAX {
            return Ok::<_, Failure>(false);
        }
        let played = play(part)?;
        let fails = fails(&played, wrong);
        if fails {
            last = Some((part.arrivals.len(), played));
        }
        Ok(fails)
    })?;
    if tried > PLAYS_MAX {
        warn(&format!("After {} plays it may still not be the smallest story.", number(PLAYS_MAX)));
    }
    // What was said of it last is said again: it must be so at the end.
    let played = match last {
        Some((length, played)) if length == script.arrivals.len() => played,
        _ => play(&script)?,
    };
    if !fails(&played, wrong) {
        let problem = "it goes wrong at one time and not at another, so no smallest story can be found: \
                       play it one at a time (--concurrency 1), or give the receiver longer (--wait)";
        return Err(Failure(format!("--shrink: {problem}")));
    }
    Ok(Story { script, played, plays })
}

fn fails(played: &Played<'_>, wrong: Wrong) -> bool {
    played.verdict.as_ref().is_some_and(|verdict| verdict.findings.iter().any(|finding| finding.wrong == wrong))
}

impl Story<'_> {
    /// What came, what was answered, and what is wrong with what was made of it.
    pub(super) fn write(&self, out: &mut String, contract: &Contract, saved: Option<&Path>) -> std::fmt::Result {
        let sessions = count(self.script.sessions().len() as u64, "session");
        let length = deliveries(self.script.arrivals.len() as u64);
        writeln!(out, "\n{}  the smallest that goes wrong: {length} of {sessions}", heading("Story    "))?;
        write_timeline(out, contract, &self.script, &self.played.attempts)?;
        if let Some(verdict) = &self.played.verdict {
            write_findings(out, &verdict.findings)?;
        }
        writeln!(out, "  {}", aside(&format!("found in {} plays", number(self.plays))))?;
        if let Some(folder) = saved {
            let folder = shown(&folder.display().to_string());
            writeln!(
                out,
                "  {}",
                aside(&format!("again with --replay {folder}, and the same --against, --expect, --reset"))
            )?;
        }
        Ok(())
    }
}

/// Arrivals as they come in the world, with what was answered.
fn write_timeline(out: &mut String, contract: &Contract, script: &Script, attempts: &[Attempt]) -> std::fmt::Result {
    let Some(first) = script.arrivals.first().map(|arrival| micros(arrival.received_at)) else { return Ok(()) };
    let kinds: Vec<String> = script.arrivals.iter().map(|arrival| shown(&kind(contract, arrival))).collect();
    let width = kinds.iter().map(|kind| kind.chars().count()).max().unwrap_or(0);
    for (place, (arrival, kind)) in script.arrivals.iter().zip(&kinds).enumerate().take(SHOWN) {
        let after = format!("+{:.3}s", (micros(arrival.received_at) - first) as f64 / 1e6);
        let id = shown(&id(contract, arrival));
        let answers =
            attempts.iter().filter(|attempt| attempt.place == place).map(|attempt| attempt.answer.to_string());
        let answers: Vec<String> = answers.collect();
        let faults: Vec<String> = arrival.is.faults.iter().map(|fault| fault_name(*fault)).collect();
        let row =
            format!("  {after:>10}  {kind:<width$}  {id}  → {}  {}", answers.join(", "), aside(&faults.join(", ")));
        writeln!(out, "{}", row.trim_end())?;
    }
    if script.arrivals.len() > SHOWN {
        writeln!(out, "  {}", aside(&format!("… and {} more", number((script.arrivals.len() - SHOWN) as u64))))?;
    }
    Ok(())
}

/// What is wrong, the gravest first.
pub(super) fn write_findings(out: &mut String, findings: &[Finding]) -> std::fmt::Result {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| finding.wrong);
    for finding in sorted.into_iter().take(SHOWN) {
        let what = bad(&format!("{:<10}", finding.wrong.to_string()));
        writeln!(out, "  {what} {}  {}", shown(&finding.session), shown(&finding.why))?;
    }
    if findings.len() > SHOWN {
        writeln!(out, "  {}", aside(&format!("… and {} more, with --json", number((findings.len() - SHOWN) as u64))))?;
    }
    Ok(())
}

/// The kind of an arrival, as the contract finds it.
fn kind(contract: &Contract, arrival: &Arrival) -> String {
    let place = &contract.draft().identity.kind;
    let header = || {
        let wanted = place.header.as_ref()?;
        let header = arrival.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        Some(header.1.clone())
    };
    let in_body = || at(arrival, place.path.as_deref()?);
    in_body().or_else(header).unwrap_or_else(|| "unreadable".into())
}

/// The id of whatever it is about.
fn id(contract: &Contract, arrival: &Arrival) -> String {
    let mut subjects = contract.draft().subjects.iter();
    let found = subjects.find_map(|subject| at(arrival, subject.id.path.as_deref()?));
    found.unwrap_or_else(|| format!("session {} of the world", arrival.is.session))
}

fn at(arrival: &Arrival, path: &str) -> Option<String> {
    let body = std::str::from_utf8(&arrival.body).ok()?;
    Json::parse(body).ok()?.at(path)?.as_str().map(str::to_owned)
}
