//! What goes wrong: a set of faults by name, and each dial by itself.

use std::time::Duration;

use clap::Args;
use finis::engine::parse_span;
use finis_simulator::faults::{Chance, Faults, Preset};

use super::super::Failure;

/// Each dial of [`Faults`]. What is not given is as the set says; what belongs to a dial that was off is as in
/// `hostile`.
#[derive(Args)]
#[command(next_help_heading = "Faults")]
pub(crate) struct Dials {
    /// A set of faults: none, calm, ordinary, hostile, or swarm, which is some of hostile by chance
    #[arg(long, value_name = "SET", default_value = "ordinary")]
    faults: Set,

    /// How often an event never arrives, as 1% or 0.01
    #[arg(long, value_name = "CHANCE", value_parser = chance)]
    loss: Option<Chance>,

    /// The same for one kind of event, in place of --loss
    #[arg(long, value_name = "KIND=CHANCE", value_parser = chance_of)]
    loss_of: Vec<(String, Chance)>,

    /// How often there is an outage in each stretch of time
    #[arg(long, value_name = "CHANCE", value_parser = chance)]
    outage: Option<Chance>,
    /// How long such a stretch is, as 1h
    #[arg(long, value_name = "TIME", value_parser = whole_seconds)]
    outage_every: Option<Duration>,
    /// How long an outage lasts
    #[arg(long, value_name = "TIME", value_parser = whole_seconds)]
    outage_lasts: Option<Duration>,

    /// How long a delivery usually takes, as 100ms
    #[arg(long, value_name = "TIME", value_parser = span)]
    delay: Option<Duration>,
    /// How often it takes longer
    #[arg(long, value_name = "CHANCE", value_parser = chance)]
    delay_tail: Option<Chance>,
    /// How long it then takes at least
    #[arg(long, value_name = "TIME", value_parser = span)]
    delay_tail_from: Option<Duration>,
    /// How often that may be doubled, each time as likely as not
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=62))]
    delay_tail_doublings: Option<u32>,

    /// How often an event comes again within seconds
    #[arg(long, value_name = "CHANCE", value_parser = chance)]
    duplicate: Option<Chance>,

    /// How often an event comes again and again, hours later, as retries do
    #[arg(long, value_name = "CHANCE", value_parser = chance)]
    storm: Option<Chance>,
    /// How often it comes then, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    storm_copies: Option<u32>,
    /// How much later
    #[arg(long, value_name = "TIME", value_parser = whole_seconds)]
    storm_after: Option<Duration>,

    /// How often somebody sends a delivery again, headers and all
    #[arg(long, value_name = "CHANCE", value_parser = chance)]
    resent: Option<Chance>,
    /// How much later
    #[arg(long, value_name = "TIME", value_parser = whole_seconds)]
    resent_after: Option<Duration>,

    /// How often something else comes under the same kind and time
    #[arg(long, value_name = "CHANCE", value_parser = chance)]
    conflict: Option<Chance>,

    /// How often something else comes under the same kind, later
    #[arg(long, value_name = "CHANCE", value_parser = chance)]
    correction: Option<Chance>,
    /// How much later
    #[arg(long, value_name = "TIME", value_parser = whole_seconds)]
    correction_after: Option<Duration>,

    /// How far the provider's clock is ahead, as 90s; behind, as -90s
    #[arg(long, value_name = "TIME", value_parser = signed_ms, allow_hyphen_values = true)]
    skew: Option<i64>,
    /// How often it is off by more for one stretch of time
    #[arg(long, value_name = "CHANCE", value_parser = chance)]
    skew_step: Option<Chance>,
    /// How long such a stretch is
    #[arg(long, value_name = "TIME", value_parser = whole_seconds)]
    skew_step_every: Option<Duration>,
    /// How far it is off then at most, either way
    #[arg(long, value_name = "TIME", value_parser = span)]
    skew_step_by: Option<Duration>,

    /// How often a body has the same content in other bytes
    #[arg(long, value_name = "CHANCE", value_parser = chance)]
    dress: Option<Chance>,

    /// How often a body cannot be read
    #[arg(long, value_name = "CHANCE", value_parser = chance)]
    corrupt: Option<Chance>,

    /// How often a kind comes that the contract does not have
    #[arg(long, value_name = "CHANCE", value_parser = chance)]
    unknown: Option<Chance>,

    /// How often a delivery comes once more with a signature that proves nothing
    #[arg(long, value_name = "CHANCE", value_parser = chance)]
    forge: Option<Chance>,

    /// How often copies of an event come that nobody would send: facts that are missing, null, long or deep,
    /// other times, kinds that the contract does not have
    #[arg(long, value_name = "CHANCE", value_parser = chance)]
    odd: Option<Chance>,
    /// How many copies then come, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    odd_copies: Option<u32>,
}

/// Copies that nobody would send, at most, of an event that has some: no set has any.
const ODD_COPIES: u32 = 12;

/// Faults by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    None,
    Preset(Preset),
    Swarm,
}

impl std::str::FromStr for Set {
    type Err = String;

    fn from_str(text: &str) -> Result<Set, String> {
        match text {
            "none" => Ok(Set::None),
            "swarm" => Ok(Set::Swarm),
            _ => text
                .parse()
                .map(Set::Preset)
                .map_err(|_| format!("`{text}` is no set: one of none, calm, ordinary, hostile, swarm is")),
        }
    }
}

impl Dials {
    /// The faults of a run; `kinds` are those of the contract.
    pub(crate) fn faults(&self, seed: u64, kinds: &[String]) -> Result<Faults, Failure> {
        let mut faults = match self.faults {
            Set::None => Faults::none(),
            Set::Preset(preset) => preset.faults(),
            Set::Swarm => Faults::swarm(seed),
        };
        if let Some((kind, _)) = self.loss_of.iter().find(|(kind, _)| !kinds.contains(kind)) {
            let known = kinds.join(", ");
            return Err(Failure(format!("--loss-of {kind}: no kind of event is called so; there are {known}")));
        }
        faults.loss_of.extend(self.loss_of.iter().cloned());
        for (given, dial) in [
            (self.loss, &mut faults.loss),
            (self.outage, &mut faults.outage.chance),
            (self.delay_tail, &mut faults.delay.tail),
            (self.duplicate, &mut faults.duplicate),
            (self.storm, &mut faults.storm.chance),
            (self.resent, &mut faults.replay.chance),
            (self.conflict, &mut faults.conflict),
            (self.correction, &mut faults.correction.chance),
            (self.skew_step, &mut faults.skew.step),
            (self.dress, &mut faults.dress),
            (self.corrupt, &mut faults.corrupt),
            (self.unknown, &mut faults.unknown),
            (self.forge, &mut faults.forge),
            (self.odd, &mut faults.odd.chance),
        ] {
            *dial = given.unwrap_or(*dial);
        }
        self.set_spans(&mut faults);
        faults.skew.ahead_ms = self.skew.unwrap_or(faults.skew.ahead_ms);
        Ok(faults)
    }

    /// Lengths and numbers: as given; else as the set has them; else, of a dial that is on, as in `hostile`.
    fn set_spans(&self, faults: &mut Faults) {
        let usual = Preset::Hostile.faults();
        let seconds = |span: Option<Duration>| span.map(|span| span.as_secs());
        let millis = |span: Option<Duration>| span.map(|span| span.as_millis() as u64);
        let is_on = |chance: Chance| chance != Chance::NEVER;
        let (outage, tail, step) = (is_on(faults.outage.chance), is_on(faults.delay.tail), is_on(faults.skew.step));
        let (storm, replay) = (is_on(faults.storm.chance), is_on(faults.replay.chance));
        let correction = is_on(faults.correction.chance);
        for (given, is_on, usual, dial) in [
            (seconds(self.outage_every), outage, usual.outage.every_s, &mut faults.outage.every_s),
            (seconds(self.outage_lasts), outage, usual.outage.lasts_s, &mut faults.outage.lasts_s),
            (millis(self.delay), false, 0, &mut faults.delay.usual_ms),
            (millis(self.delay_tail_from), tail, usual.delay.tail_ms, &mut faults.delay.tail_ms),
            (seconds(self.storm_after), storm, usual.storm.after_s, &mut faults.storm.after_s),
            (seconds(self.resent_after), replay, usual.replay.after_s, &mut faults.replay.after_s),
            (seconds(self.correction_after), correction, usual.correction.after_s, &mut faults.correction.after_s),
            (seconds(self.skew_step_every), step, usual.skew.every_s, &mut faults.skew.every_s),
            (millis(self.skew_step_by), step, usual.skew.step_ms, &mut faults.skew.step_ms),
        ] {
            *dial = given.unwrap_or(if is_on && *dial == 0 { usual } else { *dial });
        }
        let odd = is_on(faults.odd.chance);
        for (given, is_on, usual, dial) in [
            (self.odd_copies, odd, ODD_COPIES, &mut faults.odd.copies_max),
            (self.delay_tail_doublings, false, 0, &mut faults.delay.doublings_max),
            (self.storm_copies, storm, usual.storm.copies_max, &mut faults.storm.copies_max),
        ] {
            *dial = given.unwrap_or(if is_on && *dial == 0 { usual } else { *dial });
        }
    }
}

/// `1%`, `0.5 %` or `0.01`.
pub(crate) fn chance(text: &str) -> Result<Chance, String> {
    let (number, whole) = match text.strip_suffix('%') {
        Some(percent) => (percent.trim_end(), 100.0),
        None => (text, 1.0),
    };
    let is_plain = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.');
    let parts: Option<f64> = number.parse().ok().filter(|_| is_plain);
    let parts = parts.ok_or_else(|| format!("`{text}` is no chance: write `1%` or `0.01`"))?;
    if parts > whole {
        return Err(format!("`{text}` is more than always: `{number}%` is {number} of a hundred, and 1 is always"));
    }
    let chance = Chance::fraction(parts / whole);
    if chance == Chance::NEVER && parts > 0.0 {
        return Err(format!("`{text}` is less than once in a million, which is the least there is"));
    }
    Ok(chance)
}

fn chance_of(text: &str) -> Result<(String, Chance), String> {
    let parts = text.split_once('=').filter(|(kind, _)| !kind.is_empty());
    let (kind, value) = parts.ok_or_else(|| format!("`{text}` names no kind: write `session.ended=1%`"))?;
    Ok((kind.to_owned(), chance(value)?))
}

/// Whole seconds, or with a unit; up to a century, as all times in a world.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);
    let span = text.parse().map(Duration::from_secs).or_else(|_| parse_span(text))?;
    if span > LONGEST { Err(format!("`{text}` is longer than a century")) } else { Ok(span) }
}

/// As [`span`], where nothing is finer than a second.
fn whole_seconds(text: &str) -> Result<Duration, String> {
    let span = span(text)?;
    let is_whole = span.subsec_nanos() == 0;
    if is_whole {
        Ok(span)
    } else {
        Err(format!("`{text}` is not a number of whole seconds, and nothing finer is kept"))
    }
}

fn signed_ms(text: &str) -> Result<i64, String> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    // At most a century.
    span(text).map(|span| sign * span.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_read() {
        for (text, per_million) in [("1%", 10_000), ("0.5 %", 5_000), ("0.01", 10_000), ("1", 1_000_000), ("0", 0)] {
            assert_eq!(chance(text).unwrap().per_million(), per_million, "{text}");
        }
        for text in ["", "%", "5", "101%", "-1%", "1e-3", "inf", "NaN", "0.0000001", "a"] {
            assert!(chance(text).is_err(), "{text}");
        }
    }

    #[test]
    fn clocks_run_ahead_and_behind() {
        assert_eq!(signed_ms("-90s"), Ok(-90_000));
        assert_eq!(signed_ms("1500ms"), Ok(1_500));
        assert!(signed_ms("--1s").is_err());
    }

    #[test]
    fn a_dial_of_whole_seconds_takes_nothing_finer() {
        assert_eq!(whole_seconds("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(whole_seconds("2000ms"), Ok(Duration::from_secs(2)));
        assert!(whole_seconds("1500ms").unwrap_err().contains("whole seconds"));
    }
}
