//! `finis simulate`: hostile worlds from a seed.

mod grace; // which grace and which stall to set

use std::path::PathBuf;
use std::time::Duration;

use finis::engine::{Terms, parse_span};
use finis::providers::Catalogue;
use finis_simulator::faults::{Chance, Delay, Preset};
use finis_simulator::world::{Settings, World};

use super::inputs::Threads;
use super::{Failure, Outcome, say};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What everything comes from: the same seed gives the same world on every machine
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// How many sessions
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    sessions: u64,

    /// The provider, as `pathors`
    #[arg(long, value_name = "NAME", default_value = "pathors")]
    provider: String,

    /// Folder of contracts of your own; they come before those of finis
    #[arg(long, value_name = "DIR")]
    contracts: Option<PathBuf>,

    /// How much goes wrong: calm, ordinary or hostile
    #[arg(long, value_name = "PRESET", default_value = "ordinary")]
    faults: Preset,

    /// How many events never come, in place of what the preset says
    #[arg(long, value_name = "SHARE", value_parser = grace::chance)]
    loss: Option<Chance>,

    /// How long deliveries are held up that are, and now and then twice or four times as long
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    tail: Option<Duration>,

    /// How many are held up
    #[arg(long, value_name = "SHARE", value_parser = grace::chance)]
    tail_share: Option<Chance>,

    #[command(flatten)]
    grace: grace::GraceArgs,

    #[command(flatten)]
    threads: Threads,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    let mut catalogue = Catalogue::shipped();
    if let Some(folder) = &args.contracts {
        catalogue.add_folder(folder)?;
    }
    let contract = catalogue.get(&args.provider);
    let contract = contract.ok_or_else(|| {
        Failure(format!("no contract is called `{}`: there are {}", args.provider, catalogue.names()))
    })?;
    let mut faults = args.faults.faults();
    faults.loss = args.loss.unwrap_or(faults.loss);
    if let Some(tail) = args.tail {
        let tail_ms = u64::try_from(tail.as_millis()).unwrap_or(u64::MAX);
        faults.delay = Delay { tail_ms, doublings_max: 2, ..faults.delay };
    }
    faults.delay.tail = args.tail_share.unwrap_or(faults.delay.tail);
    let settings = Settings { seed: args.seed, sessions: args.sessions, ..Settings::default() };
    let world = World::new(contract, settings)?;
    let terms = Terms::new(contract);
    let threads = args.threads.count();
    let asked = grace::Asked { contract, world: &world, faults: &faults, terms: &terms, threads };
    let report = grace::report(&args.grace, asked)?;
    say(&if args.json { report.json() } else { report.text() })?;
    Ok(Outcome::Fine)
}
