//! One contestant at one size of commit, in this process; and what opening it again costs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::contestant::{Course, Name};
use crate::contestants::finis;
use crate::measure::{self, Disk};
use crate::{process, work};

#[derive(Args)]
pub(crate) struct RunArgs {
    #[arg(long)]
    contestant: Name,
    /// Events a sync.
    #[arg(long)]
    batch: usize,
    #[arg(long)]
    events: usize,
    #[arg(long)]
    seconds: f64,
    #[arg(long)]
    payload: usize,
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    folder: PathBuf,
    /// Ends with `kill -9` instead of closing, and makes nothing ready: for memory, not for times.
    #[arg(long)]
    killed: bool,
}

#[derive(Args)]
pub(crate) struct OpenArgs {
    #[arg(long)]
    contestant: Name,
    #[arg(long)]
    payload: usize,
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    folder: PathBuf,
}

/// What a run has measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Events acknowledged, those that were there already included.
    pub(crate) events: usize,
    /// How many of them were not.
    pub(crate) distinct: u64,
    /// Bytes of their payloads.
    pub(crate) payload_bytes: u64,
    /// From the first commit to the last.
    pub(crate) seconds: f64,
    pub(crate) p50_seconds: f64,
    pub(crate) p99_seconds: f64,
    pub(crate) max_seconds: f64,
    /// Processor time between the same.
    pub(crate) processor_seconds: f64,
    /// What closing takes, and its processor time: work that was put off.
    pub(crate) close_seconds: f64,
    pub(crate) close_processor_seconds: f64,
    /// When closed.
    pub(crate) disk: Disk,
    /// The same, without the reserve of finis.
    pub(crate) disk_less_reserve: Disk,
    /// The most memory that the process had beyond what it had before the store was opened.
    pub(crate) peak_bytes: u64,
}

/// What opening has measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Opened {
    /// Until the first event was read.
    pub(crate) seconds: f64,
    /// Memory of the process then.
    pub(crate) memory_bytes: u64,
    /// Events that are there.
    pub(crate) events: u64,
}

/// Runs, and says a [`Run`].
pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    let events = work::events(args.seed, args.events, args.payload);
    let before = measure::memory()?.now;
    measure::forget_peak()?;

    let mut store = args.contestant.open(&args.folder, args.batch)?;
    let at_once = args.contestant.events_at_once(args.batch);
    let mut course = Course::new(events, at_once);
    if !args.killed {
        store.prepare(&course);
    }
    course.end_after(Duration::from_secs_f64(args.seconds));
    let course = Arc::new(course);

    let (begin, begin_processor) = (Instant::now(), measure::processor_time()?);
    let mut tally = store.run(&course)?;
    let (ran, ran_processor) = (begin.elapsed(), measure::processor_time()?);
    let peak = measure::memory()?.peak;

    let acknowledged = course.first(tally.events);
    let new = || acknowledged.iter().filter(|event| !event.again);
    let distinct = if args.contestant.knows_duplicates() { new().count() } else { tally.events } as u64;
    if tally.new != distinct {
        let name = args.contestant.as_str();
        return Err(format!("{name} took {} events for new, and {distinct} were", tally.new).into());
    }
    tally.times.sort_unstable();
    let mut run = Run {
        events: tally.events,
        distinct,
        payload_bytes: new().map(|event| event.body.len() as u64).sum(),
        seconds: ran.as_secs_f64(),
        p50_seconds: measure::percentile(&tally.times, 50).as_secs_f64(),
        p99_seconds: measure::percentile(&tally.times, 99).as_secs_f64(),
        max_seconds: tally.times.last().copied().unwrap_or_default().as_secs_f64(),
        processor_seconds: ran_processor.saturating_sub(begin_processor).as_secs_f64(),
        close_seconds: 0.0,
        close_processor_seconds: 0.0,
        disk: Disk::default(),
        disk_less_reserve: Disk::default(),
        peak_bytes: peak.saturating_sub(before),
    };
    if args.killed {
        process::say(&run)?;
        return process::end_at_once();
    }
    let begin = Instant::now();
    store.close()?;
    run.close_seconds = begin.elapsed().as_secs_f64();
    run.close_processor_seconds = measure::processor_time()?.saturating_sub(ran_processor).as_secs_f64();
    run.disk = measure::disk(&args.folder, "")?;
    run.disk_less_reserve = measure::disk(&args.folder, finis::RESERVE)?;
    process::say(&run)
}

/// Opens, reads one event, and says an [`Opened`]; counts afterwards.
pub(crate) fn open(args: &OpenArgs) -> Result<(), Failure> {
    let first = work::events(args.seed, 1, args.payload).pop().ok_or("no event")?;
    let begin = Instant::now();
    let mut store = args.contestant.open(&args.folder, 1)?;
    if !store.read(&first)? {
        return Err(format!("{}: the first event is not there", args.contestant.as_str()).into());
    }
    let seconds = begin.elapsed().as_secs_f64();
    let memory_bytes = measure::memory()?.now;
    process::say(&Opened { seconds, memory_bytes, events: store.count()? })
}
