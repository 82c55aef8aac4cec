//! How fast a world is made, and how much of it is in memory.
//!
//! ```text
//! cargo run --release -p finis-simulator --example speed -- [SESSIONS [PROVIDER [calm|ordinary|hostile]]]
//! ```

use std::process::ExitCode;
use std::time::Instant;

use finis_providers::Catalogue;
use finis_simulator::faults::{Origin, Preset, Road};
use finis_simulator::world::{Settings, World};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("speed: {problem}");
            ExitCode::from(2)
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "what is measured is how long it takes")]
fn run() -> Result<(), String> {
    let mut words = std::env::args().skip(1);
    let sessions = words.next().map_or(Ok(1_000_000), |count| count.parse());
    let sessions = sessions.map_err(|error| format!("a number of sessions: {error}"))?;
    let provider = words.next().unwrap_or_else(|| "pathors".into());
    let preset: Preset = words.next().map_or(Ok(Preset::Ordinary), |name| name.parse())?;
    let catalogue = Catalogue::shipped();
    let contract =
        catalogue.get(&provider).ok_or_else(|| format!("no provider `{provider}`: there are {}", catalogue.names()))?;

    let world =
        World::new(contract, Settings { sessions, ..Settings::default() }).map_err(|error| error.to_string())?;
    let origin = Origin { source: provider, signing: None };
    let started = Instant::now();
    let mut road = Road::new(&world, preset.faults(), 1, origin);
    let (mut bytes, mut underway_most, mut open_most) = (0, 0, 0);
    while let Some(arrival) = road.next() {
        bytes += arrival.body.len();
        let (underway, open) = road.held();
        (underway_most, open_most) = (underway_most.max(underway), open_most.max(open));
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{sessions} sessions, {} events, {} arrivals in {seconds:.1} s", road.tally().sent, road.tally().arrived);
    println!("{:.0} sessions/s, {:.1} MB of bodies", sessions as f64 / seconds, bytes as f64 / 1e6);
    println!("in memory at most: {open_most} open sessions, {underway_most} deliveries underway");
    for (fault, times) in &road.tally().faults {
        println!("  {:<12}{times}", format!("{fault:?}").to_lowercase());
    }
    Ok(())
}
