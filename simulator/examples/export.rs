//! Writes a log export of Pathors' webhooks, of any size, from a seed: what the benches and the comparison
//! with `DuckDB` read.
//!
//! ```text
//! cargo run --release -p finis-simulator --example export -- FILE [SESSIONS [SEED]]
//! ```
//!
//! Bare payloads, a line each, in the order in which they came: some late, some twice, some lost, corrected
//! or damaged. The same numbers give the same bytes on every machine. What is in memory are the sessions that
//! are open and the deliveries that are underway, however many there are. `-` is standard output.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Instant;

use finis_providers::Catalogue;
use finis_simulator::faults::{Chance, Delay, Faults, Later, Origin, Road};
use finis_simulator::world::{Settings, World};

/// Written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// A provider that retries, on a day that is a little worse than usual. No body is written otherwise than it
/// was sent, and no two events have one kind and one time: there the comparison would have no answer to give.
fn faults() -> Faults {
    Faults {
        loss: Chance::percent(1),
        delay: Delay { usual_ms: 500, tail: Chance::percent(15), tail_ms: 2_000, doublings_max: 8 },
        duplicate: Chance::percent(2),
        correction: Later { chance: Chance::in_a_million(1_200), after_s: 1 },
        corrupt: Chance::in_a_million(375),
        unknown: Chance::in_a_million(125),
        ..Faults::none()
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("export: {problem}");
            ExitCode::from(2)
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "whoever waits wants to know how long it took")]
fn run() -> Result<(), String> {
    let mut words = std::env::args().skip(1);
    let name = words.next().ok_or("which file? `-` is standard output")?;
    let mut number = |what: &str, usual: u64| match words.next() {
        Some(word) => word.parse().map_err(|error| format!("{what}, not `{word}`: {error}")),
        None => Ok(usual),
    };
    let (sessions, seed) = (number("a number of sessions", 1_000_000)?, number("a seed", 1)?);
    let unwritten = |error: io::Error| format!("cannot write `{name}`: {error}");
    let out: Box<dyn Write> = match name.as_str() {
        "-" => Box::new(io::stdout().lock()),
        name => Box::new(File::create(name).map_err(unwritten)?),
    };

    let started = Instant::now();
    let catalogue = Catalogue::shipped();
    let pathors = catalogue.get("pathors").ok_or("the contract of Pathors does not ship with this finis")?;
    let settings = Settings { seed, sessions, ..Settings::default() };
    let world = World::new(pathors, settings).map_err(|error| error.to_string())?;
    let mut road = Road::new(&world, faults(), seed, Origin { source: "pathors".into(), signing: None });
    let bytes = write(&mut road, BufWriter::with_capacity(BUFFER_BYTES, out)).map_err(unwritten)?;

    // Standard output may be the export.
    let (tally, seconds) = (road.tally(), started.elapsed().as_secs_f64());
    eprintln!("{sessions} sessions, {} lines, {bytes} bytes in {seconds:.1} s", tally.arrived);
    for (fault, times) in &tally.faults {
        eprintln!("  {:<12}{times}", format!("{fault:?}").to_lowercase());
    }
    Ok(())
}

/// Writes every arrival as a line, and says how many bytes that were.
fn write(road: &mut Road<'_>, mut out: impl Write) -> io::Result<u64> {
    let mut bytes = 0;
    for arrival in road {
        let mut line = arrival.body;
        // A body has none but where it may have any white space.
        line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        line.push(b'\n');
        out.write_all(&line)?;
        bytes += line.len() as u64;
    }
    out.flush()?;
    Ok(bytes)
}
