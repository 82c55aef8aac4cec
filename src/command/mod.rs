//! The command line: what can be asked, and how it ends.

mod backup; // a store elsewhere, and back
#[cfg(feature = "serve")]
mod config; // what a server is told, checked
mod contract; // check a contract, or say it in words
mod csv; // records as a table
mod doctor; // whether a store is as it was written
mod export; // a store into an export
mod forget; // a session, for good
mod import; // exports into a store
mod inputs; // which exports, of which provider, on which terms
mod notices; // what was said
mod output; // files that are whole or not there
mod quarantine; // what was refused
mod rebuild; // a store judged anew
mod reconcile; // exports into records
mod recordings; // those of a store, wherever they are
#[cfg(all(feature = "serve", unix))]
mod reload; // a server that reads its file again
mod running; // a server that has the store
#[cfg(feature = "serve")]
mod serve; // deliveries in over HTTP
mod sessions; // what is in a store
mod show; // a session, entry by entry
mod simulate; // hostile worlds from a seed
mod store; // which store, looked into or filled
mod summary; // what a person reads at the end
mod table; // rows that stand under each other
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
    /// Receive webhooks: keep what comes, and say of each session how it ended
    #[cfg(feature = "serve")]
    Serve(serve::Args),
    /// Look at what a server is told
    #[cfg(feature = "serve")]
    #[command(subcommand)]
    Config(config::Command),
    /// Tell a running server to read its file again: sources and contracts change, and no delivery is lost
    #[cfg(all(feature = "serve", unix))]
    Reload(reload::Args),
    /// Put exports into a store, as often as you like
    Import(import::Args),
    /// Write all events of a store, for `reconcile` and `import`
    Export(export::Args),
    /// List the sessions of a store
    Sessions(sessions::Args),
    /// Show how a session came to be what it is
    Show(show::Args),
    /// List what was said of sessions, and follow it
    Notices(notices::Args),
    /// Look at deliveries that could not be read, and read them again
    #[command(subcommand)]
    Quarantine(quarantine::Command),
    /// Judge all of a store anew under the contracts of today: say what would change, and do it
    Rebuild(rebuild::Args),
    /// Erase all that a store says of a session, for good
    Forget(forget::Args),
    /// Check all of a store, and mend it
    Doctor(doctor::Args),
    /// Copy a store, in use or not
    Backup(backup::BackupArgs),
    /// Put a backup in place of a store that is lost
    Restore(backup::RestoreArgs),
    /// Make hostile deliveries from a seed: fold them, play them, post them to a receiver, or say how long to wait
    Simulate(Box<simulate::Args>),
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
    say_more(text).map(drop)
}

/// Says something on standard output that more may follow: whether anybody still listens.
fn say_more(text: &str) -> Result<bool, Failure> {
    tell(&mut anstream::stdout(), text)
}

/// Says something to a machine, byte for byte: what is left out for people may be part of a value. Whether
/// anybody still listens.
fn say_lines(lines: &str) -> Result<bool, Failure> {
    tell(&mut std::io::stdout(), lines)
}

fn tell(out: &mut impl std::io::Write, text: &str) -> Result<bool, Failure> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure(format!("cannot write to standard output: {error}"))),
    }
}

/// Says something on standard error, if anybody listens there.
fn warn(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Whether there is a file that a server is told by; and what to do, when there is none.
#[cfg(feature = "serve")]
fn find_config(path: &std::path::Path) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    let file = path.display();
    Err(Failure(format!(
        "there is no `{file}`: write one, as docs/serve.md has it, or name it with --config; \
         to try finis without one, `finis serve --dev`"
    )))
}

/// Runs what the command line asks for.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Reconcile(args) => reconcile::run(args),
        Command::Verify(args) => verify::run(args),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(&args),
        #[cfg(feature = "serve")]
        Command::Config(command) => config::run(&command),
        #[cfg(all(feature = "serve", unix))]
        Command::Reload(args) => reload::run(&args),
        Command::Import(args) => import::run(args),
        Command::Export(args) => export::run(&args),
        Command::Sessions(args) => sessions::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Notices(args) => notices::run(&args),
        Command::Quarantine(command) => quarantine::run(command),
        Command::Rebuild(args) => rebuild::run(&args),
        Command::Backup(args) => backup::backup(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Forget(args) => forget::run(&args),
        Command::Simulate(args) => simulate::run(&args),
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
