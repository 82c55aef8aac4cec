//! The embedded log alone, for many sessions: whether it stays as quick, as small and as soon open.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use finis_engine::log::Log as _;
use finis_store::{EmbeddedLog, Settings};
use serde::{Deserialize, Serialize};

use crate::contestants::finis;
use crate::process::End;
use crate::work::{Arrivals, EVENTS_OF_A_SESSION, Stencils};
use crate::{ALLOCATOR, Failure, measure, process, table, work};

/// Sessions that are read after opening, from the first to the last.
const READ: u64 = 1000;

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Sessions, of four events each
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(10..))]
    sessions: u64,
    /// Bytes of a payload
    #[arg(long, default_value_t = 600)]
    payload: usize,
    /// Events of a commit
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..))]
    batch: u64,
    /// Names the work: the same seed, the same events
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the log is made, and removed again [default: the system's folder for such things]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Where the log is; of a process that was started for it.
    #[arg(long, hide = true)]
    folder: Option<PathBuf>,
}

/// A tenth of the run.
#[derive(Serialize, Deserialize)]
struct Tenth {
    /// Events in it, and in all so far.
    events: u64,
    events_so_far: u64,
    seconds: f64,
    p50_seconds: f64,
    p99_seconds: f64,
    max_seconds: f64,
    processor_seconds: f64,
    /// Memory of the process at its end.
    memory_bytes: u64,
    /// Blocks of both at its end; the journal's without its reserve.
    journal_bytes: u64,
    index_bytes: u64,
}

/// What opening has measured.
#[derive(Serialize, Deserialize)]
struct Opened {
    report: String,
    seconds: f64,
    memory_bytes: u64,
    /// Reading [`READ`] sessions, all in one.
    read_seconds: f64,
    close_seconds: f64,
}

/// Runs and kills it, then opens it twice: as it was killed, and as it was closed after that.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let scratch = measure::scratch(args.dir.as_deref())?;
    let Args { sessions, payload, batch, seed, .. } = args;
    println!("{sessions} sessions of 4 events of {payload} bytes, {batch} a sync, seed {seed}, {ALLOCATOR}\n");
    let heads = ["events", "events/s", "p50 ms", "p99 ms", "max ms", "cpu µs", "memory", "journal", "index"];
    println!("{}", line(&heads.map(str::to_owned)));
    process::child_saying(subcommand("million-run", args, scratch.path())?, End::Killed, |tenth: Tenth| {
        println!("{}", line(&tenth.columns()));
    })?;
    println!("\nmemory, journal without its reserve, and index in MiB, at the end of each tenth");
    for after in ["kill -9", "closing"] {
        let opened: Opened = process::child(subcommand("million-open", args, scratch.path())?, End::Regular)?;
        let memory = mebibytes(opened.memory_bytes);
        println!("\nopened after {after} in {:.2} s, {memory} MiB: {}", opened.seconds, opened.report);
        let read = opened.read_seconds * 1e3;
        println!("{READ} sessions read in {read:.1} ms; closed in {:.2} s", opened.close_seconds);
    }
    Ok(())
}

/// Appends all, says each [`Tenth`], and ends with `kill -9`.
pub(crate) fn append_all(args: &Args) -> Result<(), Failure> {
    let folder = args.folder.as_deref().ok_or("no folder")?;
    let stencils = Stencils::new(args.seed, args.payload);
    let mut arrivals = Arrivals::new(args.seed, Some(args.sessions));
    // The next batch is made while the last is appended.
    let mut next = || {
        let events: Vec<_> = arrivals.by_ref().take(args.batch as usize).map(|it| stencils.event(it)).collect();
        (!events.is_empty()).then(|| (events.len() as u64, finis::batch(&events)))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let (log, _report) = EmbeddedLog::open(folder, &Settings::default())?;
    let log = Arc::new(log);

    // One delivery in a hundred is of an event that is there already.
    let tenth_events = args.sessions * EVENTS_OF_A_SESSION * 10 / 99;
    let mut tenths = 0;
    let mut tenth = Meter::begin(0)?;
    let mut batch = next();
    while let Some((count, appending)) = batch {
        let append = {
            let log = Arc::clone(&log);
            async move {
                let begin = Instant::now();
                log.append(appending).await.map(|_appended| begin.elapsed())
            }
        };
        let appended = runtime.spawn(append);
        batch = next();
        tenth.add(runtime.block_on(appended)??, count);
        // The last ends with all.
        if (tenths < 9 && tenth.events >= tenth_events) || batch.is_none() {
            tenths += 1;
            process::say(&tenth.end(folder)?)?;
            tenth = Meter::begin(tenth.events_before + tenth.events)?;
        }
    }
    process::end_at_once()
}

/// Opens the log, reads some sessions, and says an [`Opened`].
pub(crate) fn open(args: &Args) -> Result<(), Failure> {
    let folder = args.folder.as_deref().ok_or("no folder")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let begin = Instant::now();
    let (log, report) = EmbeddedLog::open(folder, &Settings::default())?;
    let (seconds, memory_bytes) = (begin.elapsed().as_secs_f64(), measure::memory()?.now);

    let begin = Instant::now();
    let read = READ.min(args.sessions);
    let sessions = (0..read).map(|place| work::session_id(args.seed, place * args.sessions / read));
    let keys: Vec<_> = sessions.map(|id| finis::key(&id)).collect();
    let stored = runtime.block_on(log.load(&keys))?;
    let read_seconds = begin.elapsed().as_secs_f64();
    if let Some(stored) = stored.iter().find(|stored| stored.events.len() as u64 != EVENTS_OF_A_SESSION) {
        return Err(format!("a session has {} events after opening", stored.events.len()).into());
    }
    // Places in the outbox have no gap, so the last says how many there are.
    let last = runtime.block_on(log.notices(args.sessions - 1, 2))?;
    if last.len() != 1 {
        return Err(format!("the outbox does not end at {}", args.sessions).into());
    }
    let begin = Instant::now();
    runtime.block_on(log.close())?;
    let close_seconds = begin.elapsed().as_secs_f64();
    process::say(&Opened { report: report.to_string(), seconds, memory_bytes, read_seconds, close_seconds })
}

/// Measures a tenth.
struct Meter {
    events_before: u64,
    events: u64,
    begin: Instant,
    begin_processor: Duration,
    times: Vec<Duration>,
}

impl Meter {
    fn begin(events_before: u64) -> Result<Meter, Failure> {
        let (begin, begin_processor) = (Instant::now(), measure::processor_time()?);
        Ok(Meter { events_before, events: 0, begin, begin_processor, times: Vec::new() })
    }

    fn add(&mut self, time: Duration, events: u64) {
        self.times.push(time);
        self.events += events;
    }

    fn end(&mut self, folder: &Path) -> Result<Tenth, Failure> {
        let seconds = self.begin.elapsed().as_secs_f64();
        self.times.sort_unstable();
        Ok(Tenth {
            events: self.events,
            events_so_far: self.events_before + self.events,
            seconds,
            p50_seconds: measure::percentile(&self.times, 50).as_secs_f64(),
            p99_seconds: measure::percentile(&self.times, 99).as_secs_f64(),
            max_seconds: self.times.last().copied().unwrap_or_default().as_secs_f64(),
            processor_seconds: measure::processor_time()?.saturating_sub(self.begin_processor).as_secs_f64(),
            memory_bytes: measure::memory()?.now,
            journal_bytes: measure::disk(&folder.join("journal"), finis::RESERVE)?.blocks,
            index_bytes: measure::disk(&folder.join("index"), "")?.blocks,
        })
    }
}

impl Tenth {
    fn columns(&self) -> [String; 9] {
        let number = table::number;
        [
            number(self.events_so_far as f64, 0),
            number(self.events as f64 / self.seconds, 0),
            number(self.p50_seconds * 1e3, 2),
            number(self.p99_seconds * 1e3, 2),
            number(self.max_seconds * 1e3, 2),
            number(self.processor_seconds * 1e6 / self.events as f64, 2),
            mebibytes(self.memory_bytes),
            mebibytes(self.journal_bytes),
            mebibytes(self.index_bytes),
        ]
    }
}

/// Columns of a width that is known before all rows are.
fn line(columns: &[String]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| format!("{column:>10}")).collect();
    columns.join(" ")
}

fn mebibytes(bytes: u64) -> String {
    table::number((bytes >> 20) as f64, 0)
}

fn subcommand(name: &str, args: &Args, folder: &Path) -> Result<Command, Failure> {
    let mut command = process::subcommand(name)?;
    command.args(["--sessions", &args.sessions.to_string(), "--payload", &args.payload.to_string()]);
    command.args(["--batch", &args.batch.to_string(), "--seed", &args.seed.to_string()]);
    command.arg("--folder").arg(folder);
    Ok(command)
}
