//! What a receiver says of one session, held against the model.

use std::collections::BTreeSet;

use finis_engine::Timestamp;

use super::value::{is_same, parse};
use super::{Conclusion, Expected, Finding, Standing, Wrong};
use crate::clock::{Micros, micros, timestamp};
use crate::json::Json;
use crate::model::{Instant, Key, Model};

/// Fields that are derived from others.
const OUTCOME: &str = "outcome";

impl Expected<'_> {
    /// Appends what is wrong with a session.
    pub(super) fn judge(&self, key: &Key, said: &[&Conclusion], now: Timestamp, findings: &mut Vec<Finding>) {
        let mut find = |wrong, why: String| {
            findings.push(Finding { wrong, subject: key.subject.clone(), session: key.id.clone(), why });
        };
        let status = self.model.status(key, now.into()).unwrap_or("open");
        let says_over = |said: &&Conclusion| said.status == Standing::Complete && said.announced != Some(0);
        if status == "complete" && !said.iter().any(says_over) {
            let why = match said {
                [] => "it is complete, and the receiver knows nothing of it".to_owned(),
                [one, ..] if one.status == Standing::Complete => "it is complete, and nobody was told".to_owned(),
                [one, ..] => format!("it is complete, and the receiver says that it is {}", one.status.word()),
            };
            find(Wrong::Lost, why);
        }
        if said.len() > 1 {
            find(Wrong::Doubled, format!("the receiver has it {} times", said.len()));
        }
        for said in said {
            if let Some(times) = said.announced.filter(|times| *times > 1) {
                find(Wrong::Doubled, format!("its end was told {times} times"));
            }
            // Somebody whose parser forgives more may know more than the model.
            if self.is_doubtful(key) {
                continue;
            }
            if let Some(why) = self.is_early(key, said, status) {
                find(Wrong::Early, why);
            }
            let wrong = self.wrong_facts(key, said, now);
            if !wrong.is_empty() {
                find(Wrong::Wrong, wrong.join("; "));
            }
        }
    }

    /// Whether something was posted of a session that others may read, and finis does not.
    fn is_doubtful(&self, key: &Key) -> bool {
        let numbers: BTreeSet<u64> = self.sessions[key].iter().map(|posted| posted.arrival.is.session).collect();
        self.unreadable.iter().any(|arrival| numbers.contains(&arrival.is.session))
    }

    /// Why an end was told before it was here.
    fn is_early(&self, key: &Key, said: &Conclusion, status: &str) -> Option<String> {
        let is_told = said.status == Standing::Complete || said.announced.is_some_and(|times| times > 0);
        if !is_told {
            return None;
        }
        let has_no_end = |status: &str| matches!(status, "open" | "stalled");
        if has_no_end(status) {
            return Some("the receiver says that it is over, and its end never came".into());
        }
        let told = said.announced_at.as_deref()?;
        // What is no time is wrong, and said there. Clocks are written cut off: it was within the last digit.
        let at = Timestamp::parse(told).ok()?;
        let at = timestamp(micros(at).saturating_add(last_digit(told)));
        let before = self.model_at(key, at);
        let then = before.status(key, at.into()).unwrap_or("open");
        has_no_end(then).then(|| format!("it was told at {told}, before its end was posted"))
    }

    /// The model as it was at an instant, of one session.
    fn model_at(&self, key: &Key, at: Timestamp) -> Model<'_> {
        let mut model = Model::new(self.contract, self.terms.clone());
        for posted in self.sessions[key].iter().filter(|posted| posted.at <= at) {
            let arrival = &posted.arrival;
            model.take(&arrival.source, &arrival.headers, &arrival.body, Some(posted.at));
        }
        model
    }

    /// What is said otherwise than the record has it, in words.
    fn wrong_facts(&self, key: &Key, said: &Conclusion, now: Timestamp) -> Vec<String> {
        let record = self.model.record(key, Instant::from(now)).unwrap_or_default();
        // A record that the model printed.
        let Some(record) = parse(&record) else { return Vec::new() };
        let ties = Ties::of(&record);
        let mut wrong = Vec::new();
        if let Some(told) = said.announced_at.as_ref().filter(|told| Timestamp::parse(told).is_err()) {
            wrong.push(format!("`announced_at` is `{told}`, which is no time of RFC 3339"));
        }
        if let Some(channel) = said.channel.as_deref().filter(|_| ties.0.is_empty()) {
            let right = record.at("/channel").and_then(Json::as_str).unwrap_or("unknown");
            if channel != right {
                wrong.push(format!("channel is `{channel}` and must be `{right}`"));
            }
        }
        let Some(Json::Object(fields)) = record.at("/fields") else { return wrong };
        for (name, raw) in &said.fields {
            let right = fields.iter().find(|(field, _)| field == name).map(|(_, value)| value);
            let Some(value) = parse(raw.get()) else {
                wrong.push(format!("{name} is no value that everyone reads alike"));
                continue;
            };
            // Nothing is what a receiver says of what it has no word of.
            let is_right = match right {
                None => value == Json::Null,
                Some(right) => is_same(&value, right),
            };
            if !is_right && !ties.allow(name, &value) {
                let right = right.map_or_else(|| "absent".to_owned(), short);
                wrong.push(format!("{name} is {} and must be {right}", short(&value)));
            }
        }
        wrong
    }
}

impl Standing {
    fn word(self) -> &'static str {
        match self {
            Standing::Open => "open",
            Standing::Settling => "settling",
            Standing::Complete => "complete",
            Standing::Stalled => "stalled",
        }
    }
}

/// How long the last digit of a time stands for, in microseconds.
fn last_digit(time: &str) -> Micros {
    let fraction = time.split_once('.').map_or("", |(_, rest)| rest);
    let digits = fraction.chars().take_while(char::is_ascii_digit).count();
    // At most a second.
    1_000_000 / 10_i64.pow(digits.min(6) as u32)
}

/// A value as a line has room for it.
fn short(value: &Json) -> String {
    const ROOM: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= ROOM { text } else { text.chars().take(ROOM).chain(['…']).collect() }
}

/// Fields for which events of one kind and time claim different values: only the design's last resort, the
/// greater digest, decides then. Nobody can ask that of a receiver, so any of the values is right.
struct Ties(Vec<(String, Vec<Json>, bool)>);

impl Ties {
    fn of(record: &Json) -> Ties {
        let Some(Json::Array(conflicts)) = record.at("/conflicts") else { return Ties(Vec::new()) };
        let tied = conflicts.iter().filter_map(|conflict| {
            let field = conflict.at("/field")?.as_str()?.to_owned();
            let Json::Array(values) = conflict.at("/values")? else { return None };
            let by = |value: &Json| (value.at("/kind").cloned(), value.at("/at").cloned());
            let winner = by(values.first()?);
            let equals = values.iter().filter(|value| by(value) == winner);
            let equals: Vec<Json> = equals.filter_map(|value| value.at("/value").cloned()).collect();
            // A record does not say all of very many.
            let has_more = conflict.at("/more").is_some();
            (equals.len() > 1 || has_more).then_some((field, equals, has_more))
        });
        Ties(tied.collect())
    }

    fn allow(&self, field: &str, value: &Json) -> bool {
        let is_derived = field == OUTCOME && !self.0.is_empty();
        let tie = self.0.iter().find(|(known, ..)| known == field);
        is_derived || tie.is_some_and(|(_, values, has_more)| *has_more || values.iter().any(|one| is_same(one, value)))
    }
}
