//! Plays stories by chance, one for each seed, and holds the engine to what it promises.
//!
//! ```text
//! cargo run --release -p finis-simulator --example seeds -- [SEEDS [FROM [bare|all]]]
//! ```
//!
//! Each story has a random subset of faults and mishaps; with `all`, every one of them.
//! Ends with 1 when a promise was broken, after the first of its seeds, and shows the smallest story that still
//! breaks it; not when it is to be `bare`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use finis_engine::{Contract, Receipt};
use finis_providers::Catalogue;
use finis_simulator::faults::Fault;
use finis_simulator::mishaps::Trouble;
use finis_simulator::oracle;
use finis_simulator::run::{self, Answer, Did};
use finis_simulator::shrink::{self, Bounds};
use finis_simulator::story::Story;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(problem) => {
            eprintln!("seeds: {problem}");
            ExitCode::from(2)
        }
    }
}

/// What there was in all stories.
#[derive(Default)]
struct Tally {
    sessions: usize,
    deliveries: usize,
    acknowledged: usize,
    lives: usize,
    notices: u64,
    handed: usize,
    faults: BTreeMap<Fault, u64>,
    mishaps: BTreeMap<Trouble, u64>,
}

#[allow(clippy::disallowed_methods, reason = "what is measured is how long it takes")]
fn run() -> Result<bool, String> {
    let mut words = std::env::args().skip(1);
    let mut number = |usual: u64| {
        words
            .next()
            .map_or(Ok(usual), |count| count.parse().map_err(|error| format!("`{count}` is no number: {error}")))
    };
    let (seeds, from) = (number(10_000)?, number(0)?);
    let mode = words.next().unwrap_or_default();
    let (is_bare, is_all) = (mode == "bare", mode == "all");
    let catalogue = Catalogue::shipped();
    let contracts: Vec<&Contract> = catalogue.iter().collect();
    let (started, mut tally) = (Instant::now(), Tally::default());
    for seed in from..from + seeds {
        let contract = contracts[(seed % contracts.len() as u64) as usize];
        let made =
            if is_all { Story::everything_tallied(contract, seed) } else { Story::swarm_tallied(contract, seed) };
        let (story, befell) = made.map_err(|error| format!("seed {seed}: {error}"))?;
        let played = run::play(&story, contract, &mut |_| {}).map_err(|error| error.to_string())?;
        let broken = oracle::judge(&story, contract, &played);
        if !broken.is_empty() {
            println!("seed {seed} ({}), after {} seeds:", contract.provider(), seed - from + 1);
            for broken in &broken {
                println!("  {broken}");
            }
            if is_bare {
                return Ok(false);
            }
            let promise = broken[0].promise;
            let smallest = shrink::smallest(&story, contract, promise, Bounds::default(), &mut |_| {});
            println!("the smallest story that still fails so, with {:?}:", smallest.setup);
            print!("{}", smallest.timeline(contract));
            return Ok(false);
        }
        tally.sessions += story.sessions().len();
        tally.deliveries += story.arrivals().count();
        for (fault, times) in befell.faults {
            *tally.faults.entry(fault).or_default() += times;
        }
        for (_, mishap) in story.mishaps() {
            *tally.mishaps.entry(mishap.trouble()).or_default() += 1;
        }
        for step in &played.steps {
            match &step.what {
                Did::Started { .. } => tally.lives += 1,
                Did::Handed { .. } => tally.handed += 1,
                Did::Answered {
                    answer: Answer::Told(Ok(Receipt::Stored { .. } | Receipt::Duplicate { .. })), ..
                } => tally.acknowledged += 1,
                _ => {}
            }
        }
        tally.notices += played.kept.last_seq;
    }
    let Tally { sessions, deliveries, acknowledged, lives, notices, handed, faults, mishaps } = tally;
    println!("{seeds} seeds from {from} on in {:.1} s: nothing was broken", started.elapsed().as_secs_f64());
    println!("{sessions} sessions, {deliveries} deliveries, {acknowledged} acknowledged as events");
    println!("{notices} notices, handed over {handed} times, in {lives} lives of a process");
    for (fault, times) in faults {
        println!("  {:<12}{times}", format!("{fault:?}").to_lowercase());
    }
    for (trouble, times) in mishaps {
        println!("  {:<12}{times}", format!("{trouble:?}").to_lowercase());
    }
    Ok(true)
}
