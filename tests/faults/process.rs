//! The child, from the outside.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::child;

/// Nothing that is waited for takes as long, or it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What a child is to do.
pub(crate) struct Life<'l> {
    pub(crate) folder: &'l Path,
    pub(crate) from: u64,
    /// Deliveries before it closes the store; unless set, it goes on until it is ended.
    pub(crate) count: Option<u64>,
    /// Where it ends itself: see `finis_store::crash`.
    pub(crate) crash_at: Option<String>,
    /// What runs it: a program with arguments.
    pub(crate) under: Vec<String>,
}

impl<'l> Life<'l> {
    pub(crate) fn new(folder: &'l Path, from: u64) -> Life<'l> {
        Life { folder, from, count: None, crash_at: None, under: Vec::new() }
    }

    pub(crate) fn start(self) -> Child {
        self.start_as("child::writes")
    }

    /// As [`Life::start`], with another test as the child.
    pub(crate) fn start_as(self, test: &str) -> Child {
        let this = std::env::current_exe().unwrap();
        let mut command = match self.under.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(this);
                command
            }
            None => Command::new(this),
        };
        command
            .args([test, "--exact", "--nocapture", "--test-threads", "1"])
            .env(child::FOLDER, self.folder)
            .env(child::FROM, self.from.to_string())
            .env_remove("RUST_BACKTRACE")
            // Whoever runs it goes with it.
            .process_group(0);
        if let Some(count) = self.count {
            command.env(child::COUNT, count.to_string());
        }
        if let Some(crash_at) = self.crash_at {
            command.env("FINIS_CRASH_AT", crash_at);
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = process.stderr.take().unwrap();
        let (send, said) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                let _ = send.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
        Child { process, said, lines: Vec::new(), reader: Some(reader) }
    }
}

/// A child that runs. Dropped, it is ended.
pub(crate) struct Child {
    process: std::process::Child,
    said: Receiver<String>,
    lines: Vec<String>,
    reader: Option<JoinHandle<()>>,
}

impl Child {
    /// Waits until it says a line that begins so. `false` when it ended without.
    pub(crate) fn says(&mut self, beginning: &str) -> bool {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.said.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.lines.push(line);
                    if self.lines.last().is_some_and(|line| line.starts_with(beginning)) {
                        return true;
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return false,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs: {}", self.last_words()),
            }
        }
    }

    /// How many lines it has said by now.
    pub(crate) fn has_said(&mut self) -> usize {
        self.lines.extend(self.said.try_iter());
        self.lines.len()
    }

    /// Kills it as the kernel does; all that it said.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.rest()
    }

    /// Waits for its end; how it ended, and all that it said.
    pub(crate) fn end(mut self) -> (ExitStatus, Vec<String>) {
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > until {
                self.kill_all();
                panic!("it hangs: {}", self.rest().join("\n"));
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        (status, self.rest())
    }

    /// Kills it, and what it was run under or has started: as long as one of them lives, there is more to be said.
    fn kill_all(&mut self) {
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.process.kill();
    }

    fn rest(&mut self) -> Vec<String> {
        self.reader.take().map(JoinHandle::join);
        self.lines.extend(self.said.try_iter());
        std::mem::take(&mut self.lines)
    }

    fn last_words(&self) -> String {
        self.lines.iter().rev().take(20).rev().cloned().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // The number of one that has ended may be another's by now.
        if matches!(self.process.try_wait(), Ok(None)) {
            self.kill_all();
        }
        let _ = self.process.wait();
    }
}
