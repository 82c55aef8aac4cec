//! What a receiver answered: counted, timed, and a line for each.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use finis_simulator::script::Script;
use serde_json::{Value, json};

use super::super::super::words::{deliveries, doubtful, heading, number};
use super::drive::Attempt;
use super::post::Answer;

/// Answers, counted.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Attempts, by class: `2xx`, `timeout`, ….
    by_class: BTreeMap<&'static str, u64>,
    by_status: BTreeMap<u16, u64>,
    attempts: u64,
    retries: u64,
    /// Deliveries that a receiver has to take, and did not, whatever was sent again.
    refused: u64,
    /// Deliveries that prove nothing, and were taken.
    believed: u64,
    /// How long each answer took, the shortest first.
    took: Vec<Duration>,
    /// From the first that was sent to the last answer.
    spanned: Duration,
}

impl Answers {
    pub(super) fn new(script: &Script, attempts: &[Attempt], spanned: Duration) -> Answers {
        let mut answers = Answers { attempts: attempts.len() as u64, spanned, ..Answers::default() };
        let mut taken: BTreeMap<usize, bool> = BTreeMap::new();
        for attempt in attempts {
            *answers.by_class.entry(class(&attempt.answer)).or_default() += 1;
            if let Answer::Status(status) = attempt.answer {
                *answers.by_status.entry(status).or_default() += 1;
                answers.took.push(attempt.took);
            }
            answers.retries += u64::from(attempt.number > 1);
            *taken.entry(attempt.place).or_default() |= attempt.answer.is_taken();
        }
        for (place, taken) in taken {
            let is = &script.arrivals[place].is;
            answers.refused += u64::from(is.counts() && !taken);
            answers.believed += u64::from(!is.proved && taken);
        }
        answers.took.sort_unstable();
        answers
    }

    /// The time within which so many of a hundred answers came.
    fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.took.len() * percent).div_ceil(100);
        self.took.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    pub(super) fn write(&self, out: &mut String) -> std::fmt::Result {
        let rate = self.attempts as f64 / self.spanned.as_secs_f64().max(1e-6);
        let sent = deliveries(self.attempts - self.retries);
        writeln!(out, "\n{}  {sent}, {} a second", heading("Answers  "), number(rate as u64))?;
        for (class, times) in &self.by_class {
            let statuses = self.by_status.iter().filter(|(status, _)| class_of(**status) == *class);
            let statuses: Vec<String> =
                statuses.map(|(status, times)| format!("{status}: {}", number(*times))).collect();
            let row = format!("  {class:<10} {:>5}  {}", number(*times), statuses.join(", "));
            writeln!(out, "{}", row.trim_end())?;
        }
        if self.retries > 0 {
            writeln!(out, "  sent again {:>5}", number(self.retries))?;
        }
        if !self.took.is_empty() {
            let at = |percent| millis(self.percentile(percent));
            writeln!(out, "  time       p50 {}, p90 {}, p99 {}, at most {}", at(50), at(90), at(99), at(100))?;
        }
        if self.refused > 0 {
            let line = format!("  refused    {} that had to be taken", deliveries(self.refused));
            writeln!(out, "{}", doubtful(&line))?;
        }
        if self.believed > 0 {
            let line = format!("  believed   {} that prove nothing", deliveries(self.believed));
            writeln!(out, "{}", doubtful(&line))?;
        }
        Ok(())
    }

    pub(super) fn json(&self) -> Value {
        let ms = |span: Duration| span.as_secs_f64() * 1e3;
        let by_status: BTreeMap<String, u64> =
            self.by_status.iter().map(|(status, times)| (status.to_string(), *times)).collect();
        json!({
            "attempts": self.attempts,
            "retries": self.retries,
            "by_class": self.by_class,
            "by_status": by_status,
            "refused": self.refused,
            "believed": self.believed,
            "p50_ms": ms(self.percentile(50)),
            "p90_ms": ms(self.percentile(90)),
            "p99_ms": ms(self.percentile(99)),
            "max_ms": ms(self.percentile(100)),
            "seconds": self.spanned.as_secs_f64(),
        })
    }
}

/// A line for each attempt, in the order in which they were begun.
pub(super) fn lines(script: &Script, attempts: &[Attempt]) -> String {
    let mut out = String::new();
    for attempt in attempts {
        let arrival = &script.arrivals[attempt.place];
        let (status, problem) = match &attempt.answer {
            Answer::Status(status) => (Some(*status), None),
            other => (None, Some(other.to_string())),
        };
        let line = json!({
            "place": attempt.place,
            "attempt": attempt.number,
            "received_at": arrival.received_at.to_string(),
            "sent_at": attempt.sent_at.to_string(),
            "status": status,
            "problem": problem,
            "ms": attempt.took.as_secs_f64() * 1e3,
            "is": arrival.is,
        });
        // Writing into a String does not fail.
        let _ = writeln!(out, "{line}");
    }
    out
}

/// What kind of answer it is.
fn class(answer: &Answer) -> &'static str {
    match answer {
        Answer::Status(status) => class_of(*status),
        Answer::Timeout => "timeout",
        Answer::Broken(_) => "no answer",
    }
}

fn class_of(status: u16) -> &'static str {
    match status {
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500..600 => "5xx",
        _ => "other",
    }
}

fn millis(span: Duration) -> String {
    format!("{:.1} ms", span.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_answers_that_were_given() {
        let took =
            |count: u64| Answers { took: (1..=count).map(Duration::from_millis).collect(), ..Answers::default() };
        let of = |count, percent| took(count).percentile(percent).as_millis();
        assert_eq!([of(100, 50), of(100, 99), of(100, 100)], [50, 99, 100]);
        assert_eq!([of(1, 50), of(1, 99), of(3, 50), of(3, 90)], [1, 1, 2, 3]);
        assert_eq!(of(0, 50), 0);
    }
}
