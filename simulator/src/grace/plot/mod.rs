//! A survey as a picture: one SVG file, by itself, for light and dark.
//!
//! It is written out by hand: what takes room here are axes whose ticks are lengths of time as people say
//! them, and colours that follow the reader's screen, and both are what libraries of charts leave to their
//! users.

mod axis; // where values stand
mod panel; // one picture of lines

use std::fmt::Write as _;
use std::time::Duration;

use axis::Axis;
use panel::{Line, Panel};

use super::{Spread, Survey};
use crate::clock::{Micros, SECOND};
use crate::random::Chance;
use finis_engine::print_span;

const WIDTH: f64 = 900.0;
/// Above the first panel.
const TOP: f64 = 56.0;

/// Colours by Okabe and Ito, which most people can tell apart; a line has its own dashes besides.
const STYLE: &str = "\
text{font:13px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#24292f}
.ground{fill:#ffffff}.name{font-size:17px;font-weight:600}.title{font-size:14px;font-weight:600}
.aside{fill:#57606a}.grid{stroke:#d8dee4;stroke-width:1}.frame{stroke:#8c959f;stroke-width:1;fill:none}
.mark{stroke:#57606a;stroke-width:1.5;stroke-dasharray:2 4}
.line{fill:none;stroke-width:2.25;stroke-linejoin:round}
.s0{stroke:#0072b2}.s1{stroke:#d55e00;stroke-dasharray:8 3}.s2{stroke:#009e73;stroke-dasharray:3 3}
.s3{stroke:#b0428a;stroke-dasharray:11 3 2 3}
.p0{fill:#0072b2;stroke:#0072b2}.p1{fill:#d55e00;stroke:#d55e00}.p2{fill:#009e73;stroke:#009e73}
.p3{fill:#b0428a;stroke:#b0428a}.none{fill:#ffffff;stroke-width:1.75}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}.aside{fill:#9da7b3}
.grid{stroke:#2a313c}.frame{stroke:#6e7681}.mark{stroke:#9da7b3}
.s0{stroke:#58a6ff}.s1{stroke:#ff9b50}.s2{stroke:#3fd0a2}.s3{stroke:#e58ac6}
.p0{fill:#58a6ff;stroke:#58a6ff}.p1{fill:#ff9b50;stroke:#ff9b50}.p2{fill:#3fd0a2;stroke:#3fd0a2}
.p3{fill:#e58ac6;stroke:#e58ac6}.none{fill:#0d1117}}
";

/// The survey as an SVG document, with what is recommended when at most this share may be too early.
#[must_use]
pub fn plot(survey: &Survey, title: &str, too_early_max: Chance) -> String {
    let panels: Vec<Panel> =
        [shares(survey, too_early_max), times(survey, too_early_max), stalls(survey, too_early_max)]
            .into_iter()
            .flatten()
            .collect();
    let height = TOP + panels.len() as f64 * panel::HEIGHT;
    let mut out = String::new();
    // Writing to a text does not fail, here and below.
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\">\n<title>{0}</title>\n<style>\n{STYLE}</style>\n\
         <rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n<text class=\"name\" x=\"24\" y=\"34\">{0}</text>",
        escape(title)
    );
    for (place, panel) in panels.iter().enumerate() {
        panel.write(TOP + place as f64 * panel::HEIGHT, &mut out);
    }
    out.push_str("</svg>\n");
    out
}

/// How many sessions, by grace.
fn shares(survey: &Survey, too_early_max: Chance) -> Option<Panel> {
    let rows = &survey.graces;
    let line = |name, count: &dyn Fn(&super::GraceRow) -> u64| Line {
        name,
        points: rows.iter().map(|row| (row.grace.as_secs_f64(), share(count(row), survey.closed))).collect(),
    };
    let lines = vec![
        line("completed by deadline", &|row| row.by_deadline),
        line("completed too early", &|row| row.too_early),
        line("amended", &|row| row.amended),
    ];
    Some(Panel {
        title: "Sessions, by grace",
        x: waits("grace", rows.iter().map(|row| row.grace))?,
        y: Axis::shares("of sessions with an end", too_early_max, &lines),
        across: Some((fraction(too_early_max), format!("at most {} too early", percent(too_early_max)))),
        up: survey.grace(too_early_max).map(recommended),
        lines,
    })
}

/// How long it takes until they are complete, by grace.
fn times(survey: &Survey, too_early_max: Chance) -> Option<Panel> {
    let rows = &survey.graces;
    let line = |name, time: &dyn Fn(&Spread) -> Option<Micros>| Line {
        name,
        points: rows.iter().filter_map(|row| Some((row.grace.as_secs_f64(), seconds(time(&row.time)?)))).collect(),
    };
    let lines = vec![
        line("half of them", &|time| time.quantile(500)),
        line("90 %", &|time| time.quantile(900)),
        line("99 %", &|time| time.quantile(990)),
        line("all", &Spread::longest),
    ];
    Some(Panel {
        title: "Time from when the end was sent to complete, by grace",
        x: waits("grace", rows.iter().map(|row| row.grace))?,
        y: Axis::times("within", lines.iter().flat_map(|line| line.points.iter().map(|point| point.1)))?,
        across: None,
        up: survey.grace(too_early_max).map(recommended),
        lines,
    })
}

/// How many sessions, by stall.
fn stalls(survey: &Survey, too_early_max: Chance) -> Option<Panel> {
    let rows = &survey.stalls;
    let line = |name, count: &dyn Fn(&super::StallRow) -> u64, of: u64| Line {
        name,
        points: rows.iter().map(|row| (row.stall.as_secs_f64(), share(count(row), of))).collect(),
    };
    let lines = vec![
        line("said to be stalled, of all", &|row| row.stalled, survey.sessions),
        line("given up too early", &|row| row.too_early, survey.closed),
    ];
    Some(Panel {
        title: "Sessions, by stall",
        x: waits("stall", rows.iter().map(|row| row.stall))?,
        y: Axis::shares("of sessions", too_early_max, &lines),
        across: Some((fraction(too_early_max), format!("at most {} too early", percent(too_early_max)))),
        up: survey.stall(too_early_max).map(recommended),
        lines,
    })
}

fn waits(title: &'static str, waits: impl Iterator<Item = Duration>) -> Option<Axis> {
    // A wait of nothing has no place on a logarithmic axis.
    Axis::times(title, waits.map(|wait| wait.as_secs_f64()).filter(|wait| *wait > 0.0))
}

fn recommended(wait: Duration) -> (f64, String) {
    (wait.as_secs_f64(), print_span(wait))
}

fn seconds(micros: Micros) -> f64 {
    micros as f64 / SECOND as f64
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn fraction(chance: Chance) -> f64 {
    f64::from(chance.per_million()) / 1e6
}

/// A share as people write it.
#[must_use]
pub fn percent(share: Chance) -> String {
    format!("{} %", f64::from(share.per_million()) / 1e4)
}

/// A length of time in three digits or so: `640 ms`, `3.42 s`, `2m5s`, `1h4m`.
#[must_use]
pub fn length(micros: Micros) -> String {
    let nearest = |unit: Micros| (micros + unit / 2) / unit;
    let whole = |unit: Micros| {
        let rounded = nearest(unit).saturating_mul(unit);
        print_span(Duration::from_micros(u64::try_from(rounded).unwrap_or(0)))
    };
    match micros.div_euclid(SECOND) {
        ..1 => format!("{} ms", nearest(1000)),
        1..10 => format!("{:.2} s", seconds(micros)),
        10..60 => format!("{:.1} s", seconds(micros)),
        60..3_600 => whole(SECOND),
        3_600..86_400 => whole(60 * SECOND),
        _ => whole(3_600 * SECOND),
    }
}

fn escape(text: &str) -> String {
    // What XML has no place for at all is left out.
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_short() {
        let lengths = [0, 499, 640_000, 3_420_000, 33_123_456, 125_000_000, 3_840_000_000, 97_200_000_000];
        let texts = ["0 ms", "0 ms", "640 ms", "3.42 s", "33.1 s", "2m5s", "1h4m", "1d3h"];
        assert_eq!(lengths.map(length), texts);
    }
}
