//! The command line: what can be asked, and how it ends.

mod contract; // check a contract, or say it in words
mod csv; // records as a table
mod inputs; // which exports, of which provider, on which terms
mod output; // files that are whole or not there
mod reconcile; // exports into records
mod summary; // what a person reads at the end
mod verify; // records against exports
mod words; // numbers, times and colours as people like them

use std::error::Error;
use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Each voice-agent session's last word, exactly once.
///
/// finis folds the lifecycle webhooks of voice-agent platforms, as they really come, into one
/// converged record for each session.
#[derive(Parser)]
#[command(name = "finis", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fold log exports into records, and say what was lost, doubled or in conflict
    Reconcile(reconcile::Args),
    /// Check certified records against exports
    Verify(verify::Args),
    /// Look at what a provider promises
    #[command(subcommand)]
    Contract(contract::Command),
}

/// How a command ended that did its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Nothing to object to.
    Fine,
    /// It was asked to check, and found something: exit 1.
    Objection,
    /// What it was given could not be read whole: exit 2.
    Incomplete,
}

/// Why a command could not do its work: exit 2. Says what to do.
#[derive(Debug)]
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: Error> From<E> for Failure {
    /// The error with its causes.
    fn from(error: E) -> Failure {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Failure(text)
    }
}

/// Says something on standard output. Whoever stopped listening has heard enough; anything else that
/// goes wrong with it is a failure.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Says something on standard error, if anybody listens there.
fn warn(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Runs what the command line asks for.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Reconcile(args) => reconcile::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Contract(command) => contract::run(&command),
    };
    match outcome {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Objection) => ExitCode::from(1),
        Ok(Outcome::Incomplete) => ExitCode::from(2),
        Err(failure) => {
            warn(&format!("{} {failure}", words::bad("finis:")));
            ExitCode::from(2)
        }
    }
}
