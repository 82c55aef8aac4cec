//! A day of a provider with a million sessions, played in virtual time.
//!
//! ```text
//! cargo run --release -p finis-simulator --example day -- [SESSIONS [PROVIDER [calm|ordinary|hostile]]]
//! ```
//!
//! The day is played in parts, each with an engine and a log of its own: the log of a run is in memory, and
//! so is all that happened, to be held against the promises. Every part is.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use finis_providers::Catalogue;
use finis_simulator::faults::Preset;
use finis_simulator::mishaps::Mishaps;
use finis_simulator::oracle;
use finis_simulator::run;
use finis_simulator::story::{Setup, Story};
use finis_simulator::world::{Settings, World};

/// Sessions of one part: some hundred megabytes.
const PART: u64 = 10_000;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(problem) => {
            eprintln!("day: {problem}");
            ExitCode::from(2)
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "what is measured is how long it takes")]
fn run() -> Result<bool, String> {
    let mut words = std::env::args().skip(1);
    let sessions: u64 =
        words.next().map_or(Ok(1_000_000), |count| count.parse()).map_err(|error| format!("{error}"))?;
    let provider = words.next().unwrap_or_else(|| "pathors".into());
    let preset: Preset = words.next().map_or(Ok(Preset::Ordinary), |name| name.parse())?;
    let catalogue = Catalogue::shipped();
    let contract =
        catalogue.get(&provider).ok_or_else(|| format!("no provider `{provider}`: there are {}", catalogue.names()))?;

    let every = Duration::from_secs(86_400) / u32::try_from(sessions.max(1)).unwrap_or(u32::MAX);
    let (started, mut played_in, mut judged_in) = (Instant::now(), Duration::ZERO, Duration::ZERO);
    let (mut deliveries, mut notices, mut done) = (0, 0, 0);
    while done < sessions {
        let part = PART.min(sessions - done);
        let usual = Settings::default();
        let start = usual.start + i64::try_from(every.as_micros()).unwrap_or(0) * done as i64;
        // Each part is another part of the day, by a seed of its own.
        let seed = done / PART;
        let world = World::new(contract, Settings { seed, sessions: part, start, every });
        let world = world.map_err(|error| error.to_string())?;
        let mishaps = Mishaps::preset(preset);
        let story = Story::new(&world, contract, &preset.faults(), &mishaps, seed, Setup::default());
        let story = story.map_err(|error| error.to_string())?;
        let began = Instant::now();
        let played = run::play(&story, contract, &mut |_| {}).map_err(|error| error.to_string())?;
        played_in += began.elapsed();
        let began = Instant::now();
        let broken = oracle::judge(&story, contract, &played);
        judged_in += began.elapsed();
        if !broken.is_empty() {
            println!("in the part from session {done} on:");
            for broken in broken {
                println!("  {broken}");
            }
            return Ok(false);
        }
        deliveries += story.arrivals().count();
        notices += played.kept.last_seq;
        done += part;
    }
    let seconds = |span: Duration| span.as_secs_f64();
    println!("{sessions} sessions, {deliveries} deliveries, {notices} notices: nothing was broken");
    println!(
        "{:.1} s: {:.1} s to play, {:.1} s to judge",
        seconds(started.elapsed()),
        seconds(played_in),
        seconds(judged_in)
    );
    Ok(true)
}
