//! All contestants, in turn, in processes of their own; several rounds, medians.

use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, ValueEnum as _};
use serde::Serialize;

use crate::cell::{Opened, Run};
use crate::contestant::Name;
use crate::process::End;
use crate::{ALLOCATOR, Failure, measure, process, table};

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Events of a run
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(1..))]
    events: u64,
    /// Seconds after which a run ends, however many events are left
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Times that each is run; medians are shown
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Contestants, separated by commas [default: all]
    #[arg(long, value_delimiter = ',')]
    only: Vec<Name>,
    /// Events a sync, separated by commas
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 256, 4096], value_parser = batch)]
    batch: Vec<usize>,
    /// Bytes of a payload
    #[arg(long, default_value_t = 600)]
    payload: usize,
    /// Names the work: the same seed, the same events
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the stores are made, and removed again [default: the system's folder for such things]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Writes all that was measured to this file, as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

fn batch(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|batch| *batch > 0).ok_or_else(|| "should be a number from 1 on".to_owned())
}

/// A contestant at a size of commit, in one round.
#[derive(Serialize)]
pub(crate) struct Cell {
    pub(crate) contestant: Name,
    pub(crate) batch: usize,
    pub(crate) round: u32,
    /// The run that times are of.
    pub(crate) closed: Run,
    pub(crate) closed_opened: Opened,
    /// The run that memory is of: nothing is made ready for it, so what the process has is the store's.
    pub(crate) killed: Run,
    pub(crate) killed_opened: Opened,
}

/// Runs all, and shows a table for each size of commit.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let contestants = if args.only.is_empty() { Name::value_variants() } else { &args.only };
    let scratch = measure::scratch(args.dir.as_deref())?;
    println!(
        "{} events of {} bytes or {} s a run, {} rounds, seed {}, {ALLOCATOR}",
        args.events, args.payload, args.seconds, args.rounds, args.seed
    );
    let mut cells = Vec::new();
    for round in 1..=args.rounds {
        for &batch in &args.batch {
            for &contestant in contestants {
                eprintln!("round {round}: {} at {batch}", contestant.as_str());
                cells.push(cell(args, contestant, batch, round, scratch.path())?);
            }
        }
    }
    for &batch in &args.batch {
        let cells: Vec<&Cell> = cells.iter().filter(|cell| cell.batch == batch).collect();
        println!("\n{}", table::of(batch, contestants, &cells));
    }
    println!("{}", table::LEGEND);
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_string_pretty(&cells)?)?;
    }
    Ok(())
}

fn cell(args: &Args, contestant: Name, batch: usize, round: u32, scratch: &Path) -> Result<Cell, Failure> {
    let (closed, closed_opened) = run_and_open(args, contestant, batch, scratch, End::Regular)?;
    let (killed, killed_opened) = run_and_open(args, contestant, batch, scratch, End::Killed)?;
    Ok(Cell { contestant, batch, round, closed, closed_opened, killed, killed_opened })
}

/// One run in a new folder, and the opening of what it leaves.
fn run_and_open(
    args: &Args,
    contestant: Name,
    batch: usize,
    scratch: &Path,
    end: End,
) -> Result<(Run, Opened), Failure> {
    let folder = tempfile::tempdir_in(scratch)?;
    let subcommand = |name| {
        let mut command = process::subcommand(name)?;
        command.args(["--contestant", contestant.as_str()]).arg("--folder").arg(folder.path());
        command.args(["--payload", &args.payload.to_string(), "--seed", &args.seed.to_string()]);
        Ok::<_, Failure>(command)
    };
    // What was written for one contestant is not to be written back at the expense of the next.
    nix::unistd::sync();
    let mut command = subcommand("run")?;
    command.args(["--batch", &batch.to_string(), "--events", &args.events.to_string()]);
    command.args(["--seconds", &args.seconds.to_string()]);
    command.args((end == End::Killed).then_some("--killed"));
    let run: Run = process::child(command, end)?;
    let opened: Opened = process::child(subcommand("open")?, End::Regular)?;
    if opened.events != run.distinct {
        let name = contestant.as_str();
        return Err(format!("{name} acknowledged {} events, and has {}", run.distinct, opened.events).into());
    }
    Ok((run, opened))
}
