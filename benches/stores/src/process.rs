//! A process of its own for each run, which says what it measured, a line of JSON each time.

use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Failure;

/// How a process is meant to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// When it has done all.
    Regular,
    /// With `kill -9`, by its own hand.
    Killed,
}

/// A subcommand of this program, to be given its arguments.
pub(crate) fn subcommand(name: &str) -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(name);
    Ok(command)
}

/// Runs a subcommand, and gives what it said last.
pub(crate) fn child<T: DeserializeOwned>(command: Command, end: End) -> Result<T, Failure> {
    let mut last = None;
    child_saying(command, end, |said| last = Some(said))?;
    last.ok_or_else(|| "a run said nothing".into())
}

/// Runs a subcommand, and hands on whatever it says, as it says it.
pub(crate) fn child_saying<T: DeserializeOwned>(
    mut command: Command,
    end: End,
    mut hear: impl FnMut(T),
) -> Result<(), Failure> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
        hear(serde_json::from_str(&line?)?);
    }
    let status = child.wait()?;
    let is_as_meant = match end {
        End::Regular => status.success(),
        End::Killed => status.signal() == Some(Signal::SIGKILL as i32),
    };
    if is_as_meant { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}

/// Says what was measured, to whoever started this process.
pub(crate) fn say(measured: &impl Serialize) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(measured)?)?;
    Ok(out.flush()?)
}

/// Ends this process at once: nothing is closed, flushed or dropped.
pub(crate) fn end_at_once() -> Result<(), Failure> {
    kill(Pid::this(), Signal::SIGKILL)?;
    // The signal is there when `kill` returns, or very soon.
    std::thread::park();
    Ok(())
}
