//! Stores side by side: the same work on each, in one run, one after the other.
//!
//! Every run of a contestant has a process of its own, so that its memory and its processor time are its
//! own; and a second process opens what the first has left, closed or killed. `--help` says the rest.

mod cell; // one contestant at one size of commit, in this process
mod compare; // all of them, in turn, in processes of their own
mod contestant; // what is asked of a store
mod contestants; // the stores, one a file
mod measure; // what the system says of a process and of a folder
mod million; // the embedded log alone, for long
mod process; // a process of its own for each run
mod table; // what a person reads
mod work; // the deliveries

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Any error: whoever runs this reads its text.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What allocates, for every contestant.
#[cfg(feature = "mimalloc")]
const ALLOCATOR: &str = "mimalloc";
#[cfg(not(feature = "mimalloc"))]
const ALLOCATOR: &str = "the system's allocator";

#[cfg(feature = "mimalloc")]
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Compares stores at the work of a receiver of webhooks: events with their digests, states, an outbox.
#[derive(Parser)]
#[command(max_term_width = 100, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    compare: compare::Args,
}

#[derive(Subcommand)]
enum Command {
    /// The embedded log of finis alone, for many sessions: speed over time, memory, disk, opening
    Million(million::Args),
    /// The run of `million`; started by it
    #[command(hide = true)]
    MillionRun(million::Args),
    /// Opens what it has left; started by it
    #[command(hide = true)]
    MillionOpen(million::Args),
    /// One run of one contestant; started by the comparison
    #[command(hide = true)]
    Run(cell::RunArgs),
    /// Opens what a run has left; started by the comparison
    #[command(hide = true)]
    Open(cell::OpenArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => compare::run(&cli.compare),
        Some(Command::Million(args)) => million::run(&args),
        Some(Command::MillionRun(args)) => million::append_all(&args),
        Some(Command::MillionOpen(args)) => million::open(&args),
        Some(Command::Run(args)) => cell::run(&args),
        Some(Command::Open(args)) => cell::open(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
