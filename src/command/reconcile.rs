//! `finis reconcile`: exports into records.

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use finis::engine::Timestamp;
use finis::reconcile::{Events, Ndjson, PrintError, Reconciliation, Tally};
use indicatif::{ProgressBar, ProgressStyle};

use super::csv::Csv;
use super::inputs::{Inputs, Prepared, Threads};
use super::output::{Output, is_same};
use super::summary::{AsOf, Summary};
use super::{Failure, Outcome, say, warn, words};

/// How often progress is shown.
const TICK: Duration = Duration::from_millis(100);

#[derive(clap::Args)]
#[command(after_help = "\
An export has a line for each delivery: the payload as it was posted, or an object with the payload \
in `body` and, if known, `received_at`, `source` and `headers`. Plain, gzip and zstd are told by \
their first bytes. One that `finis export` made says in its first line as of when and under what \
settings it is to be judged, and is unless told otherwise.

Exits 0; 1 when --check finds something missing, stalled, in conflict or rejected; 2 when something \
could not be read or written.")]
pub(crate) struct Args {
    /// Log exports; `-` is standard input
    #[arg(required = true, value_name = "EXPORT")]
    exports: Vec<PathBuf>,

    #[command(flatten)]
    inputs: Inputs,

    #[command(flatten)]
    threads: Threads,

    /// Time to judge deadlines at; unless told, the latest that the exports know
    #[arg(long, value_name = "TIME", value_parser = as_of)]
    as_of: Option<Timestamp>,

    /// Where records go: a line of JSON each, or a table if the name ends in .csv; `-` is standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Where lines go that are no events, a line of JSON each; of several exports each row names its file
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,

    /// Exit 1 when anything is missing, stalled, in conflict or rejected
    #[arg(long)]
    check: bool,

    /// Add the digest of each event and a certificate to each record, for `finis verify`
    #[arg(long)]
    certify: bool,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// How records are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Ndjson,
    Csv,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let stdout = |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| path.as_os_str() == "-");
    if stdout(&args.out) && stdout(&args.rejects) {
        return Err(Failure("records and rejects cannot both go to standard output: give one of them a file".into()));
    }
    if let (Some(out), Some(rejects)) = (&args.out, &args.rejects)
        && is_same(out, rejects)
        && out.as_os_str() != "/dev/null"
    {
        let out = out.display();
        return Err(Failure(format!("records and rejects cannot both go to `{out}`: give each a file of its own")));
    }
    let format = args.out.as_deref().map(format_of).transpose()?;
    if format == Some(Format::Csv) && args.certify {
        return Err(Failure("--certify needs records as JSON: name the output .ndjson".into()));
    }
    let Prepared { reconciliation, mut sinks, taken, exported, .. } =
        args.inputs.prepare(args.exports, &args.threads)?;
    let open =
        |path: &Option<PathBuf>| path.as_deref().map(|path| Output::open(path, &reconciliation.exports)).transpose();
    let mut rejects = open(&args.rejects)?;
    let mut records = open(&args.out)?;
    sinks.rejects = rejects.as_mut().map(Output::take);

    let events = {
        let _watch = Watch::start(&reconciliation);
        reconciliation.read(sinks)?
    };
    let as_of = AsOf::new(args.as_of, exported, events.as_of());
    let writer = records.as_mut().map(|output| (output.take(), format.unwrap_or(Format::Ndjson)));
    let tally = match print(&events, as_of.instant(), &reconciliation, writer, args.certify) {
        Ok(tally) => tally,
        // Whoever reads the records has seen enough of them.
        Err(PrintError(error)) if stdout(&args.out) && error.kind() == ErrorKind::BrokenPipe => {
            return Ok(Outcome::Fine);
        }
        Err(error) => return Err(error.into()),
    };
    rejects.map_or(Ok(()), Output::finish)?;
    records.map_or(Ok(()), Output::finish)?;

    let summary = Summary {
        reconciliation: &reconciliation,
        events: &events,
        tally: &tally,
        as_of,
        taken: taken.as_ref(),
        elapsed: started.elapsed(),
    };
    let text = if args.json { summary.json() } else { summary.text() };
    if stdout(&args.out) || stdout(&args.rejects) {
        warn(text.trim_end());
    } else {
        say(&text)?;
    }
    for broken in &events.reading.broken {
        warn(&format!("{} {}", words::bad("Broken:"), words::shown(&broken.to_string())));
    }
    let outcome = if !events.reading.broken.is_empty() {
        Outcome::Incomplete
    } else if args.check && objection(&events, &tally) {
        Outcome::Objection
    } else {
        Outcome::Fine
    };
    // Millions of small values need not be given back one by one before the process ends.
    std::mem::forget(events);
    Ok(outcome)
}

/// Whether `--check` objects.
fn objection(events: &Events, tally: &Tally) -> bool {
    let stalled = tally.by_status.get("stalled").is_some_and(|sessions| *sessions > 0);
    stalled || tally.sessions_missing > 0 || tally.sessions_in_conflict > 0 || events.reading.rejects.lines > 0
}

fn print(
    events: &Events,
    as_of: Timestamp,
    reconciliation: &Reconciliation,
    writer: Option<(Box<dyn Write + Send>, Format)>,
    certify: bool,
) -> Result<Tally, PrintError> {
    let threads = reconciliation.threads;
    match writer {
        None => events.print(as_of, threads, || NoPrint, &mut std::io::sink()),
        Some((mut out, Format::Ndjson)) => events.print(as_of, threads, || Ndjson::new(events, certify), &mut out),
        Some((mut out, Format::Csv)) => {
            let fields = Csv::fields(&reconciliation.sources);
            out.write_all(&Csv::new(fields.clone()).head()).map_err(PrintError)?;
            events.print(as_of, threads, || Csv::new(fields.clone()), &mut out)
        }
    }
}

/// Prints nothing: records are made to be counted alone.
struct NoPrint;

impl finis::reconcile::Print for NoPrint {
    fn has_digests(&self) -> bool {
        false
    }

    fn print(&mut self, _: &finis::engine::Record<'_>, _: &finis::reconcile::Plan, _: usize, _: &mut Vec<u8>) {}
}

fn format_of(path: &Path) -> Result<Format, Failure> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "csv" => Ok(Format::Csv),
        "gz" | "zst" => {
            let path = path.display();
            Err(Failure(format!(
                "--out {path}: records are written plain; write them to `-` and pipe them through a compressor"
            )))
        }
        "" | "ndjson" | "jsonl" | "json" => Ok(Format::Ndjson),
        // A device or a pipe may be called anything.
        _ if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) => Ok(Format::Ndjson),
        _ => Err(Failure(format!("--out {}: records are written as .ndjson or .csv", path.display()))),
    }
}

pub(crate) fn as_of(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|error| error.to_string())
}

/// Shows on a terminal how far the work is.
pub(crate) struct Watch {
    done: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watch {
    /// How far the reading is.
    pub(crate) fn start(reconciliation: &Reconciliation) -> Watch {
        let sizes =
            reconciliation.exports.iter().map(|path| std::fs::metadata(path).ok().map(|metadata| metadata.len()));
        let size = sizes.sum::<Option<u64>>();
        let template = if size.is_some() { "{wide_bar} {bytes}/{total_bytes} {eta}" } else { "{spinner} {bytes} read" };
        Watch::of(size, &reconciliation.progress, template)
    }

    /// How many sessions were gone through.
    pub(crate) fn sessions(of: Option<u64>, progress: &Arc<AtomicU64>) -> Watch {
        let template = if of.is_some() {
            "{wide_bar} {human_pos}/{human_len} sessions {eta}"
        } else {
            "{spinner} {human_pos} sessions"
        };
        Watch::of(of, progress, template)
    }

    /// How many of something there are was done.
    pub(crate) fn counted(of: u64, noun: &'static str, progress: &Arc<AtomicU64>) -> Watch {
        let template = match noun {
            "runs" => "{wide_bar} {human_pos}/{human_len} runs {eta}",
            // It ends when there is nothing left to be tried, which is sooner.
            "stories" => "{spinner} the smallest story that breaks it: {human_pos} of at most {human_len} tried",
            _ => "{wide_bar} {human_pos}/{human_len} deliveries {eta}",
        };
        Watch::of(Some(of), progress, template)
    }

    fn of(size: Option<u64>, progress: &Arc<AtomicU64>, template: &'static str) -> Watch {
        let done = Arc::new(AtomicBool::new(false));
        if !std::io::stderr().is_terminal() {
            return Watch { done, thread: None };
        }
        let (progress, over) = (Arc::clone(progress), Arc::clone(&done));
        let thread = std::thread::spawn(move || {
            let bar = size.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            while !over.load(Ordering::Acquire) {
                bar.set_position(progress.load(Ordering::Relaxed));
                std::thread::park_timeout(TICK);
            }
            bar.finish_and_clear();
        });
        Watch { done, thread: Some(thread) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It draws a bar; nothing hangs on how it ended.
            let _ = thread.join();
        }
    }
}

/// A name as a message may show it.
pub(crate) fn shown(path: &Path) -> String {
    words::shown(&path.display().to_string())
}
