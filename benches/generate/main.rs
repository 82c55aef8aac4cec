//! Writes a log export of Pathors' webhooks, of any size, from a seed.
//!
//! ```text
//! cargo bench --bench generate -- --sessions 1000000 --seed 1 --out export.jsonl
//! ```
//!
//! The same options give the same bytes on every machine and for ever, so an export need not be
//! kept to be measured again. A million sessions are a day of a busy customer, and about 3.6
//! million lines. Lines stand in order of arrival, and so are out of order, twice, late, in
//! conflict, damaged or missing, as the options say.
//!
//! Read [`world`] for what is emitted, [`road`] for what becomes of it. What is in memory are the
//! events underway, however many sessions there are.

mod clock;
mod json;
mod options;
mod payload;
mod random;
mod road;
mod words;
mod world;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Instant;

use options::{Options, USAGE};
use road::{Road, Tally};
use world::World;

/// Written to the disk at once.
const BUFFER_BYTES: usize = 1 << 20;

fn main() -> ExitCode {
    match Options::from_command_line().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("generate: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(options: Option<Options>) -> Result<(), String> {
    let Some(options) = options else {
        eprintln!("{USAGE}");
        return Ok(());
    };
    let started = Instant::now();
    let (name, sessions) = (options.out.clone(), options.sessions);
    let tally = open(&name)
        .and_then(|out| generate(options, BufWriter::with_capacity(BUFFER_BYTES, out)))
        .map_err(|error| format!("cannot write `{name}`: {error}"))?;
    report(sessions, &tally, started);
    Ok(())
}

fn open(name: &str) -> io::Result<Box<dyn Write>> {
    if name == "-" { Ok(Box::new(io::stdout().lock())) } else { Ok(Box::new(File::create(name)?)) }
}

fn generate(options: Options, mut out: impl Write) -> io::Result<Tally> {
    let world = World::new(options.seed);
    let mut road = Road::new(options.seed, options.faults, options.deliveries);
    for index in 0..options.sessions {
        road.take(&world.session(index), index);
        road.deliver_before(World::dawn(index + 1), &mut out)?;
    }
    road.deliver_before(u64::MAX, &mut out)?;
    out.flush()?;
    Ok(road.tally)
}

/// On standard error: standard output may be the export.
fn report(sessions: u64, tally: &Tally, started: Instant) {
    let Tally { lines, bytes, lost, duplicates, conflicts, broken } = tally;
    let seconds = started.elapsed().as_secs_f64();
    eprintln!(
        "{sessions} sessions, {lines} lines, {bytes} bytes in {seconds:.1} s: \
         {lost} events lost, {duplicates} delivered twice, {broken} broken; \
         {conflicts} calls in conflict"
    );
}
