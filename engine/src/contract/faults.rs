//! What is wrong with a contract, collected so that all of it can be said at once.

use std::fmt;
use std::time::Duration;

use crate::span::parse_span;

/// One thing that is wrong with a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where in the draft, outermost first: keys, and places in lists from 0, as
    /// `["event", "2", "due"]`.
    pub key: Vec<String>,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.key.iter().enumerate() {
            match part.parse::<usize>() {
                Ok(index) => write!(f, "[{}]", index + 1)?,
                Err(_) if place == 0 => f.write_str(part)?,
                Err(_) => write!(f, ".{part}")?,
            }
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for Fault {}

/// Parts of a file in their usual order.
const ORDER: [&str; 16] = [
    "language",
    "provider",
    "version",
    "title",
    "documents",
    "authority",
    "delivery",
    "signature",
    "identity",
    "subject",
    "event",
    "field",
    "channel",
    "outcome",
    "rule",
    "asset",
];

/// Faults on their way to whoever wrote the contract.
#[derive(Default)]
pub(super) struct Faults {
    /// Each with the place of its part in a file, so that they come out in reading order.
    faults: Vec<(usize, Fault)>,
}

impl Faults {
    pub(super) fn add(&mut self, key: &[&str], problem: impl Into<String>) {
        let order = key.first().and_then(|first| ORDER.iter().position(|part| part == first)).unwrap_or(ORDER.len());
        let key = key.iter().map(|part| (*part).to_owned()).collect();
        self.faults.push((order, Fault { key, problem: problem.into() }));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// All of them, in the order of the file.
    pub(super) fn into_list(mut self) -> Vec<Fault> {
        self.faults.sort_by_key(|(order, _)| *order);
        // A common place is looked at for each kind that uses it.
        self.faults.dedup();
        self.faults.into_iter().map(|(_, fault)| fault).collect()
    }

    /// Names of ours can stand in a command line, a file name and a record as they are.
    pub(super) fn name(&mut self, key: &[&str], name: &str) {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
        if name.is_empty() || !name.bytes().all(fits) {
            self.add(key, format!("`{name}` is no short name: use lower-case letters, digits, `-` and `_`"));
        }
    }

    pub(super) fn span(&mut self, key: &[&str], text: &str) -> Duration {
        parse_span(text).map_err(|problem| self.add(key, problem)).unwrap_or_default()
    }

    pub(super) fn optional_span(&mut self, key: &[&str], text: Option<&str>) -> Option<Duration> {
        text.map(|text| self.span(key, text))
    }
}

pub(super) fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// `, or use …` when one of the names is nearly this one.
pub(super) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> String {
    let near = names.map(|known| (distance(name, known), known)).min();
    near.filter(|(distance, _)| *distance <= 2)
        .map_or_else(String::new, |(_, known)| format!(", or did you mean `{known}`?"))
}

/// Letters to add, drop or change (Levenshtein), for names that are a few dozen letters long.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in right.iter().enumerate() {
            let change = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[right.len()]
}
