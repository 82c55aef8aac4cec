//! The command line, read by hand: the generator needs nothing but the standard library.

use std::env;
use std::str::FromStr;

use crate::clock::{Micros, SECOND};
use crate::random::Probability;

/// One line on how to run it.
pub(crate) const USAGE: &str = "usage: cargo bench --bench generate -- --out FILE|- \
    [--sessions N] [--seed N] [--loss P] [--duplicates P] [--disorder SECONDS] [--conflicts P] \
    [--broken P] [--deliveries]   (P: a fraction, 0 to 1)";

/// What to generate.
pub(crate) struct Options {
    /// The file to write, or `-` for standard output.
    pub(crate) out: String,
    /// How many sessions.
    pub(crate) sessions: u64,
    /// Names the world: the same seed and sessions, the same world.
    pub(crate) seed: u64,
    /// What happens to the events on their way.
    pub(crate) faults: Faults,
    /// Lines are deliveries with `received_at`, not bare payloads.
    pub(crate) deliveries: bool,
}

/// How hostile the road is.
pub(crate) struct Faults {
    /// That an event never arrives.
    pub(crate) loss: Probability,
    /// That an event arrives a second time.
    pub(crate) duplicates: Probability,
    /// That a call ends a second time, and otherwise.
    pub(crate) conflicts: Probability,
    /// That what arrives is unfit.
    pub(crate) broken: Probability,
    /// The measure of delays: half of them are under a tenth of it, one in a hundred is
    /// over four times it, none over 128 times.
    pub(crate) disorder: Micros,
}

impl Options {
    /// Reads the command line; `None` when it names no `--out`.
    ///
    /// Cargo starts every benchmark, with arguments of its own, when somebody runs them all. So
    /// without `--out` nothing is looked at, and `--bench` is passed over.
    ///
    /// # Errors
    /// Says which option is at fault and what it should be.
    pub(crate) fn from_command_line() -> Result<Option<Self>, String> {
        let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
        if words.iter().any(|word| word == "--out") { Self::read(words).map(Some) } else { Ok(None) }
    }

    fn read(words: Vec<String>) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = words.into_iter();
        while let Some(name) = words.next() {
            if name == "--deliveries" {
                options.deliveries = true;
            } else {
                let value = words.next().ok_or_else(|| format!("`{name}` needs a value\n{USAGE}"))?;
                options.set(&name, value)?;
            }
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), String> {
        match name {
            "--out" => self.out = value,
            "--sessions" => self.sessions = parse(name, &value, "a number")?,
            "--seed" => self.seed = parse(name, &value, "a number")?,
            "--loss" => self.faults.loss = probability(name, &value)?,
            "--duplicates" => self.faults.duplicates = probability(name, &value)?,
            "--conflicts" => self.faults.conflicts = probability(name, &value)?,
            "--broken" => self.faults.broken = probability(name, &value)?,
            "--disorder" => self.faults.disorder = seconds(name, &value)?,
            _ => return Err(format!("no such option: `{name}`\n{USAGE}")),
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            out: String::new(),
            sessions: 10_000,
            seed: 1,
            faults: Faults {
                loss: Probability::new(0.01),
                duplicates: Probability::new(0.02),
                conflicts: Probability::new(0.005),
                broken: Probability::new(0.000_5),
                disorder: 5 * SECOND,
            },
            deliveries: false,
        }
    }
}

fn probability(name: &str, value: &str) -> Result<Probability, String> {
    number_up_to(1.0, name, value).map(Probability::new)
}

/// A day at most: delays are stretched, and what is on its way is held in memory.
fn seconds(name: &str, value: &str) -> Result<Micros, String> {
    let seconds = number_up_to(86_400.0, name, value)?;
    Ok((seconds * SECOND as f64) as Micros)
}

fn number_up_to(max: f64, name: &str, value: &str) -> Result<f64, String> {
    let wanted = format!("a number from 0 to {max}");
    let number = parse(name, value, &wanted)?;
    if (0.0..=max).contains(&number) { Ok(number) } else { Err(unfit(name, value, &wanted)) }
}

fn parse<T: FromStr>(name: &str, value: &str, wanted: &str) -> Result<T, String> {
    value.parse().map_err(|_| unfit(name, value, wanted))
}

fn unfit(name: &str, value: &str, wanted: &str) -> String {
    format!("`{name}` should be {wanted}, not `{value}`")
}
