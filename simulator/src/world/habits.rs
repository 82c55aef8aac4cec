//! What usually happens at a provider, as data.
//!
//! A contract says what is promised; habits say what sessions are like: which kinds come of a call and
//! which of a text, how long after one another, and what values stand in them. Those of the providers that
//! ship with finis are in `habits/`, written by their pages; for any other contract they are derived from
//! the contract alone ([`super::derive`]). Either way no Rust knows a provider.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use finis_engine::parse_span;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// What usually happens at one provider.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Habits {
    /// The provider of the contract.
    pub provider: String,
    /// How ids look, by the name of the subject; a UUID unless told. See [`Values::Text`] for what may stand
    /// in it. It must hold enough chance that no two are alike.
    #[serde(default)]
    pub ids: BTreeMap<String, String>,
    /// How ids of events look.
    pub event_id: Option<String>,
    /// What fields say, by name, in every life that does not say otherwise.
    #[serde(default)]
    pub values: BTreeMap<String, Values>,
    /// Bodies as the provider prints them, by kind, as JSON. What the contract reads is put into them; the
    /// rest stays as it is.
    #[serde(default)]
    pub bodies: BTreeMap<String, String>,
    /// What sessions are like.
    #[serde(rename = "life")]
    pub lives: Vec<Life>,
}

/// One way that a session can go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Life {
    /// What people call it: `call`, `text`, `failed dial`.
    pub name: String,
    /// How often it is so, beside the others.
    pub weight: u64,
    /// What it is a life of; the contract's first subject unless told.
    pub subject: Option<String>,
    /// From its start to its end.
    pub lasts: Gap,
    /// What fields say in it.
    #[serde(default)]
    pub values: BTreeMap<String, Values>,
    /// What is sent of it, in the order in which it usually is.
    pub steps: Vec<Step>,
}

/// One event of a life.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its kind.
    pub kind: String,
    /// How long after what it follows.
    pub after: Gap,
    /// What it follows: `start`, `end`, or the kind of a step before it. The step before unless told, and
    /// `end` for the first.
    pub since: Option<String>,
    /// In how many of a hundred such lives it comes; in all of them unless told.
    pub percent: Option<u32>,
    /// How many times it comes at most, each as long after the one before; once unless told.
    pub times: Option<u32>,
}

/// A length of time as it usually is: evenly from half of it to one and a half, and now and then longer.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    /// What it is around.
    pub usual: Duration,
    /// How often it may be doubled, each time as likely as not.
    pub doublings_max: u32,
}

/// What a field says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Values {
    /// Nothing: it is not in the body.
    Absent,
    /// One of these, each as likely.
    OneOf(Vec<serde_json::Value>),
    /// One of these, by their weights.
    Weighted(Vec<(u64, serde_json::Value)>),
    /// A string in which `{uuid}`, `{hex:16}`, `{digits:7}` stand for chance, and `{id}` for the session's id.
    Text(String),
    /// One of so many texts of such a form, the same in all sessions of a world: agents, projects.
    Pool {
        /// As [`Values::Text`].
        of: String,
        /// How many there are.
        size: u64,
    },
    /// JSON, with the same in its strings.
    Json(String),
    /// A whole number, both ends included.
    Integer {
        /// The least.
        from: i64,
        /// The greatest.
        to: i64,
    },
    /// A number with a fraction, both ends included.
    Decimal {
        /// The least, in units of its last digit.
        from: i64,
        /// The greatest, in units of its last digit.
        to: i64,
        /// Digits behind the point, 9 at most.
        places: u32,
    },
    /// An object with so many members at most, as people's variables are.
    Members(u64),
    /// A time, as the contract writes times.
    Time(Moment),
    /// How long the session lasted, in the unit that the contract says of the field.
    Lasted,
    /// The next step of the field's progress; the last event that fills it says the last.
    Progress,
}

/// A time in a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// When the session began.
    Start,
    /// When it was over.
    End,
    /// When the event was sent.
    Now,
}

/// Why habits cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HabitsError {
    /// What is wrong, and where.
    pub problem: String,
}

impl fmt::Display for HabitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for HabitsError {}

/// `"90s"`, or `"90s, doubled 3"`.
impl<'de> Deserialize<'de> for Gap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (usual, doubled) = text.split_once(", doubled ").unwrap_or((&text, "0"));
        let doublings_max = doubled.parse().map_err(|_| {
            D::Error::custom(format!("`{doubled}` is no number of doublings: write as `90s, doubled 3`"))
        })?;
        Ok(Gap { usual: parse_span(usual).map_err(D::Error::custom)?, doublings_max })
    }
}

/// The habits that ship with finis.
const SHIPPED: [&str; 5] = [
    include_str!("../../habits/agntix.toml"),
    include_str!("../../habits/pathors.toml"),
    include_str!("../../habits/saaya.toml"),
    include_str!("../../habits/smallest-legacy.toml"),
    include_str!("../../habits/smallest.toml"),
];

impl Habits {
    /// Reads habits in TOML.
    ///
    /// # Errors
    /// When the text is not TOML, or not of this form.
    pub fn parse(text: &str) -> Result<Habits, HabitsError> {
        toml::from_str(text).map_err(|error| HabitsError { problem: error.to_string() })
    }

    /// Those of a provider that ships with finis.
    #[must_use]
    pub fn shipped(provider: &str) -> Option<Habits> {
        // A test reads every one of them.
        SHIPPED.iter().filter_map(|text| Habits::parse(text).ok()).find(|habits| habits.provider == provider)
    }
}
