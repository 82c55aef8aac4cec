//! Which grace and which stall to set: what each would have done in a simulated world.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use finis::engine::{Contract, Terms, parse_span, print_span};
use finis_simulator::faults::{Chance, Faults};
use finis_simulator::grace::{GraceRow, Question, Spread, StallRow, Survey, length, percent, plot};
use finis_simulator::world::World;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::super::inputs::Threads;
use super::super::output::Output;
use super::super::table::Table;
use super::super::words::{aside, doubtful, heading, number};
use super::super::{Failure, words};

/// What the columns of graces say.
const GRACE_NOTES: [&str; 4] = [
    "by evidence, by deadline: of sessions with an end; too early: by deadline, and what was wanting came later",
    "amended, late: amendments of 1,000 of them, and those that a longer grace had waited for",
    "missing: facts of 1,000 of them that were missing at complete",
    "p50 to max: from when the provider sent the end to complete",
];

/// What the columns of stalls say.
const STALL_NOTES: [&str; 2] = [
    "stalled: of all sessions; too early: of sessions with an end, given up before it came",
    "p50 to max: from when the provider sent the end to stalled, where it never came",
];

/// What is asked of a world about waiting.
#[derive(Args)]
#[command(next_help_heading = "Advice")]
pub(crate) struct GraceArgs {
    /// Say which grace and which stall to set, and what others would have done
    #[arg(long, conflicts_with_all = ["against", "runs", "replay", "out", "as_of"])]
    pub(crate) advise: bool,

    /// Graces to compare, as 30s,1m,2m: how long to wait after the end of a session for what is missing; some around that of the contract unless told
    #[arg(long, value_name = "TIMES", value_delimiter = ',', value_parser = parse_span, requires = "advise")]
    graces: Vec<Duration>,

    /// Stalls to compare, as 30m,1h: how long to wait after the last event of a session for its end; some around that of the contract unless told
    #[arg(long, value_name = "TIMES", value_delimiter = ',', value_parser = parse_span, requires = "advise")]
    stalls: Vec<Duration>,

    /// How many sessions may be completed, or given up, too early: what is recommended keeps to it
    #[arg(long, value_name = "SHARE", default_value = "0.1%", value_parser = chance, requires = "advise")]
    too_early_max: Chance,

    /// Draw it, as SVG
    #[arg(long, value_name = "FILE", requires = "advise")]
    plot: Option<PathBuf>,

    #[command(flatten)]
    threads: Threads,
}

/// The world that it is asked of, and what befalls it.
pub(crate) struct Asked<'a> {
    pub(crate) contract: &'a Contract,
    pub(crate) world: &'a World<'a>,
    pub(crate) faults: &'a Faults,
    /// What the source has settled on; its own grace and stall decide which are compared unless told.
    pub(crate) terms: &'a Terms,
}

/// What became of it.
pub(crate) struct Report<'a> {
    asked: Asked<'a>,
    too_early_max: Chance,
    survey: Survey,
}

/// A share as people write it: `1%`, `0.1 %`, or a fraction as `0.01`.
pub(crate) fn chance(text: &str) -> Result<Chance, String> {
    let (digits, scale) = text.trim_end().strip_suffix('%').map_or((text, 1.0), |digits| (digits, 100.0));
    let share = digits.trim().parse::<f64>().ok().map(|number| number / scale);
    let share = share.filter(|share| (0.0..=1.0).contains(share));
    share.map(Chance::fraction).ok_or_else(|| format!("`{text}` is no share: write `1%` or `0.01`, from 0 to 1"))
}

/// Lets the world happen once, draws it if that is asked for, and reports.
pub(crate) fn report<'a>(args: &GraceArgs, asked: Asked<'a>) -> Result<Report<'a>, Failure> {
    let around = Question::around(asked.contract, asked.terms);
    let or = |told: &[Duration], around: Vec<Duration>| if told.is_empty() { around } else { told.to_vec() };
    let question = Question {
        graces: or(&args.graces, around.graces),
        stalls: or(&args.stalls, around.stalls),
        threads: args.threads.count(),
    };
    // Before the work that it would be lost after.
    let plotted = args.plot.as_deref().map(|path| Output::open(path, &[])).transpose()?;
    let settings = asked.world.settings();
    let bar = ProgressBar::new(settings.sessions);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} sessions, {eta} to go") {
        bar.set_style(style);
    }
    let done = |sessions| bar.inc(sessions);
    let Asked { contract, world, faults, terms, .. } = asked;
    let survey = Survey::new(contract, world, faults, settings.seed, terms, &question, &done);
    bar.finish_and_clear();
    let report = Report { asked, too_early_max: args.too_early_max, survey };
    if let (Some(mut output), Some(path)) = (plotted, &args.plot) {
        let picture = plot(&report.survey, &report.title(), report.too_early_max);
        let mut writer = output.take();
        let written = writer.write_all(picture.as_bytes()).and_then(|()| writer.flush());
        written.map_err(|error| Failure(format!("cannot write `{}`: {error}", path.display())))?;
        drop(writer);
        output.finish()?;
    }
    Ok(report)
}

impl Report<'_> {
    fn title(&self) -> String {
        let settings = self.asked.world.settings();
        let (sessions, seed) = (words::count(settings.sessions, "session"), settings.seed);
        format!("{}: {sessions} from seed {seed}", self.asked.contract.title())
    }

    /// For a person.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a text does not fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let survey = &self.survey;
        writeln!(out, "{}  {}", heading("Simulated"), self.title())?;
        let tally = &survey.tally;
        writeln!(out, "  sent      {} events", number(tally.sent))?;
        let faults: Vec<String> = tally
            .faults
            .iter()
            .map(|(fault, times)| format!("{} {}", format!("{fault:?}").to_lowercase(), number(*times)))
            .collect();
        let faults = if faults.is_empty() { "nothing".to_owned() } else { faults.join(", ") };
        writeln!(out, "  befell    {faults}")?;
        let never = survey.sessions - survey.closed;
        writeln!(
            out,
            "  sessions  {} seen, {} with an end; {never} without ({}), {} of which nothing came",
            number(survey.sessions),
            number(survey.closed),
            share(never, survey.sessions, 2),
            number(survey.unseen),
            never = number(never),
        )?;
        if survey.others > 0 {
            writeln!(out, "  others    {}, of which the contract says how long they wait", number(survey.others))?;
        }
        self.write_graces(out)?;
        self.write_stalls(out)?;
        self.write_advice(out)
    }

    fn write_graces(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\n{}", heading("Grace"))?;
        let mut table = Table::new([
            "",
            ">grace",
            ">by evidence",
            ">by deadline",
            ">too early",
            ">amended",
            ">late",
            ">missing",
            ">p50",
            ">p90",
            ">p99",
            ">max",
        ]);
        let best = self.survey.grace(self.too_early_max);
        for row in &self.survey.graces {
            let whole = row.completed();
            let [half, most, nearly, all] = times(&row.time);
            table.add([
                mark(best == Some(row.grace)),
                print_span(row.grace),
                share(row.by_evidence, whole, 2),
                share(row.by_deadline, whole, 2),
                share(row.too_early, whole, 3),
                per_thousand(row.amendments(), whole),
                per_thousand(row.amendments_late, whole),
                per_thousand(row.facts_missing, whole),
                half,
                most,
                nearly,
                all,
            ]);
        }
        out.push_str(&table.take());
        write_notes(out, &GRACE_NOTES)
    }

    fn write_stalls(&self, out: &mut String) -> std::fmt::Result {
        if self.survey.stalls.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n{}", heading("Stall"))?;
        let mut table = Table::new(["", ">stall", ">stalled", ">too early", ">p50", ">p90", ">p99", ">max"]);
        let best = self.survey.stall(self.too_early_max);
        for row in &self.survey.stalls {
            let [half, most, nearly, all] = times(&row.time);
            table.add([
                mark(best == Some(row.stall)),
                print_span(row.stall),
                share(row.stalled, self.survey.sessions, 2),
                share(row.too_early, self.survey.closed, 3),
                half,
                most,
                nearly,
                all,
            ]);
        }
        out.push_str(&table.take());
        write_notes(out, &STALL_NOTES)
    }

    /// What is recommended, and by which rule.
    fn write_advice(&self, out: &mut String) -> std::fmt::Result {
        let max = percent(self.too_early_max);
        writeln!(out, "\n{}", heading("Recommended"))?;
        let mut advise = |name: &str, best: Option<Duration>, any: Duration, done: &str| {
            // Rounded up to what people write.
            let any = rounded_up(any);
            let rule = format!("at most {max} of sessions with an end are {done} too early");
            let any = print_span(any);
            if let Some(best) = best {
                let best = print_span(best);
                writeln!(out, "  {name}  {best}: the shortest of these from which on {rule}; {any} would do")
            } else {
                let none = doubtful("none of these");
                writeln!(out, "  {name}  {none}: with the longest it is not yet so that {rule}; {any} would do")
            }
        };
        if !self.survey.graces.is_empty() {
            let (best, any) = (self.survey.grace(self.too_early_max), self.survey.shortest_grace(self.too_early_max));
            advise("grace", best, any, "completed")?;
        }
        if !self.survey.stalls.is_empty() {
            let (best, any) = (self.survey.stall(self.too_early_max), self.survey.shortest_stall(self.too_early_max));
            advise("stall", best, any, "given up")?;
        }
        Ok(())
    }

    /// For a machine. Lengths of time are in seconds.
    pub(crate) fn json(&self) -> String {
        let (survey, settings) = (&self.survey, self.asked.world.settings());
        let seconds = |wait: Option<Duration>| wait.map(|wait| wait.as_secs_f64());
        let faults: serde_json::Map<String, Value> = survey
            .tally
            .faults
            .iter()
            .map(|(fault, times)| (format!("{fault:?}").to_lowercase(), json!(times)))
            .collect();
        let report = json!({
            "contract": {"provider": self.asked.contract.provider(), "version": self.asked.contract.version()},
            "seed": settings.seed,
            "dials": self.asked.faults,
            "sent": survey.tally.sent,
            "arrived": survey.tally.arrived,
            "faults": faults,
            "sessions": survey.sessions,
            "closed": survey.closed,
            "unseen": survey.unseen,
            "others": survey.others,
            "graces": survey.graces.iter().map(grace_json).collect::<Vec<_>>(),
            "stalls": survey.stalls.iter().map(stall_json).collect::<Vec<_>>(),
            "too_early_max": f64::from(self.too_early_max.per_million()) / 1e6,
            "recommended": {
                "grace_s": seconds(survey.grace(self.too_early_max)),
                "stall_s": seconds(survey.stall(self.too_early_max)),
                "shortest_grace_s": survey.shortest_grace(self.too_early_max).as_secs_f64(),
                "shortest_stall_s": survey.shortest_stall(self.too_early_max).as_secs_f64(),
            },
        });
        format!("{report:#}\n")
    }
}

fn grace_json(row: &GraceRow) -> Value {
    json!({
        "grace_s": row.grace.as_secs_f64(),
        "completed": row.completed(),
        "by_evidence": row.by_evidence,
        "by_deadline": row.by_deadline,
        "too_early": row.too_early,
        "sessions_amended": row.amended,
        "amendments": row.amendments(),
        "amendments_late": row.amendments_late,
        "amendments_independent": row.amendments_independent,
        "amendments_other": row.amendments_other,
        "missing": row.missing,
        "inferred": row.inferred,
        "facts_missing": row.facts_missing,
        "time_to_complete_s": times_json(&row.time),
    })
}

fn stall_json(row: &StallRow) -> Value {
    json!({
        "stall_s": row.stall.as_secs_f64(),
        "stalled": row.stalled,
        "too_early": row.too_early,
        "notices": row.notices,
        "time_to_stalled_s": times_json(&row.time),
    })
}

fn times_json(times: &Spread) -> Value {
    let part = |per_mille| times.quantile(per_mille).map(|micros| micros as f64 / 1e6);
    json!({"p50": part(500), "p90": part(900), "p99": part(990), "max": part(1000)})
}

/// Half, 90 %, 99 % and all of them are within these.
fn times(times: &Spread) -> [String; 4] {
    [500, 900, 990, 1000].map(|part| times.quantile(part).map_or_else(|| "–".to_owned(), length))
}

fn write_notes(out: &mut String, notes: &[&str]) -> std::fmt::Result {
    notes.iter().try_for_each(|note| writeln!(out, "  {}", aside(note)))
}

fn mark(best: bool) -> String {
    if best { "→" } else { "" }.to_owned()
}

fn share(part: u64, whole: u64, digits: usize) -> String {
    let share = if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    format!("{share:.digits$} %")
}

fn per_thousand(part: u64, whole: u64) -> String {
    format!("{:.1}", if whole == 0 { 0.0 } else { part as f64 * 1000.0 / whole as f64 })
}

/// To whole milliseconds below a second, to seconds below an hour, else to minutes.
fn rounded_up(wait: Duration) -> Duration {
    let unit = match wait.as_secs() {
        0 => 1,
        1..3_600 => 1_000,
        _ => 60_000,
    };
    // A wait in a world is below a century.
    Duration::from_millis(wait.as_micros().div_ceil(1_000 * unit) as u64 * unit as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_as_people_write_them() {
        for (text, per_million) in [("1%", 10_000), ("0.1 %", 1_000), ("0.01", 10_000), ("100%", 1_000_000), ("0", 0)] {
            assert_eq!(chance(text).unwrap().per_million(), per_million, "{text}");
        }
        for text in ["", "%", "1.5", "-1%", "101%", "NaN", "one"] {
            assert!(chance(text).unwrap_err().contains("write `1%`"), "{text}");
        }
    }

    #[test]
    fn waits_are_rounded_up() {
        let rounded = |micros| print_span(rounded_up(Duration::from_micros(micros)));
        let texts = ["0s", "1ms", "2s", "2m1s", "1h1m"];
        assert_eq!([0, 1, 1_000_001, 120_000_001, 3_600_000_001].map(rounded), texts);
    }
}
