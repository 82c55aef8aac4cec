//! A day of a provider with a million sessions, played in virtual time.
//!
//! ```text
//! cargo run --release -p finis-simulator --example day -- [SESSIONS [PROVIDER [calm|ordinary|hostile]]]
//! ```
//!
//! The day is played in parts, each with an engine and a log of its own: the log of a run is in memory, and
//! so is all that happened, to be held against the promises. Every part is. Several threads each take the next.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use finis_engine::Contract;
use finis_providers::Catalogue;
use finis_simulator::faults::Preset;
use finis_simulator::mishaps::Mishaps;
use finis_simulator::oracle::{self, Broken};
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

/// What was played of the day so far.
#[derive(Default)]
struct Day {
    deliveries: usize,
    notices: u64,
    playing: Duration,
    judging: Duration,
    /// What was broken, by the number of its part.
    broken: BTreeMap<u64, Vec<Broken>>,
}

/// A day that is to be played, in parts by number.
struct Plan<'c> {
    contract: &'c Contract,
    preset: Preset,
    sessions: u64,
    next: AtomicU64,
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

    let plan = Plan { contract, preset, sessions, next: AtomicU64::new(0) };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let started = Instant::now();
    let parts: Vec<Result<Day, String>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| plan.work())).collect();
        let ended = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| Err("a part panicked".into())));
        ended.collect()
    });
    let seconds = started.elapsed().as_secs_f64();
    let mut day = Day::default();
    for part in parts {
        day.add(part?);
    }
    for (number, broken) in &day.broken {
        println!("in the part from session {} on:", number * PART);
        for broken in broken {
            println!("  {broken}");
        }
    }
    if !day.broken.is_empty() {
        return Ok(false);
    }
    println!("{sessions} sessions, {} deliveries, {} notices: nothing was broken", day.deliveries, day.notices);
    println!(
        "{seconds:.1} s on {threads} threads: of all their time {:.1} s to play, {:.1} s to judge",
        day.playing.as_secs_f64(),
        day.judging.as_secs_f64()
    );
    Ok(true)
}

impl Plan<'_> {
    /// Plays what is left, part by part, until something is broken.
    fn work(&self) -> Result<Day, String> {
        let mut day = Day::default();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number * PART >= self.sessions {
                return Ok(day);
            }
            self.part(number, &mut day)?;
            if !day.broken.is_empty() {
                self.next.store(self.sessions, Ordering::Relaxed);
            }
        }
    }

    /// Plays one part: another hour of the day, by a seed of its own.
    #[allow(clippy::disallowed_methods, reason = "what is measured is how long it takes")]
    fn part(&self, number: u64, day: &mut Day) -> Result<(), String> {
        let every = Duration::from_secs(86_400) / u32::try_from(self.sessions.max(1)).unwrap_or(u32::MAX);
        let first = number * PART;
        let sessions = PART.min(self.sessions - first);
        let start = Settings::default().start + i64::try_from(every.as_micros()).unwrap_or(0) * first as i64;
        let world = World::new(self.contract, Settings { seed: number, sessions, start, every });
        let world = world.map_err(|error| error.to_string())?;
        let (faults, mishaps) = (self.preset.faults(), Mishaps::preset(self.preset));
        let story = Story::new(&world, self.contract, &faults, &mishaps, number, Setup::default());
        let story = story.map_err(|error| error.to_string())?;
        let began = Instant::now();
        let played = run::play(&story, self.contract, &mut |_| {}).map_err(|error| error.to_string())?;
        day.playing += began.elapsed();
        let began = Instant::now();
        let broken = oracle::judge(&story, self.contract, &played);
        day.judging += began.elapsed();
        if !broken.is_empty() {
            day.broken.insert(number, broken);
        }
        day.deliveries += story.arrivals().count();
        day.notices += played.kept.last_seq;
        Ok(())
    }
}

impl Day {
    fn add(&mut self, other: Day) {
        self.deliveries += other.deliveries;
        self.notices += other.notices;
        self.playing += other.playing;
        self.judging += other.judging;
        self.broken.extend(other.broken);
    }
}
