//! Conditions over a record: `channel = "call"`, `outcome != "failed" and direction = "inbound"`.

use std::fmt;

use super::faults::{list, nearest};
use super::{CHANNELS, Channel, Contract, FieldId, OUTCOMES, Outcome};
use crate::json;

/// A condition: every part of it holds.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    parts: Vec<Part>,
    written: String,
}

#[derive(Clone, Debug)]
struct Part {
    of: Of,
    equal: bool,
    /// Of a field, in canonical form.
    value: String,
}

#[derive(Clone, Copy, Debug)]
enum Of {
    Channel(Channel),
    Outcome(Outcome),
    Field(FieldId),
}

/// What a condition can ask of a record.
pub(crate) trait Facts {
    fn channel(&self) -> Channel;
    fn outcome(&self) -> Option<Outcome>;
    /// The winning value, in canonical form.
    fn field(&self, field: FieldId) -> Option<&[u8]>;
}

impl Condition {
    /// Reads a condition; names in it are looked up in `contract`.
    pub(super) fn parse(text: &str, contract: &Contract) -> Result<Condition, String> {
        let parts = text.split(" and ").map(|part| parse_part(part, contract)).collect::<Result<_, _>>()?;
        Ok(Condition { parts, written: text.to_owned() })
    }

    pub(crate) fn holds(&self, facts: &impl Facts) -> bool {
        self.parts.iter().all(|part| {
            let same = match part.of {
                Of::Channel(channel) => facts.channel() == channel,
                Of::Outcome(outcome) => facts.outcome() == Some(outcome),
                Of::Field(field) => facts.field(field) == Some(part.value.as_bytes()),
            };
            same == part.equal
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

fn parse_part(text: &str, contract: &Contract) -> Result<Part, String> {
    let form = || {
        format!(
            "`{}` is not a condition: write `always`, `never`, or one as `channel = \"call\"`; several are joined by ` and `",
            text.trim()
        )
    };
    let (name, equal, value) = if let Some((name, value)) = text.split_once("!=") {
        (name, false, value)
    } else {
        let (name, value) = text.split_once('=').ok_or_else(form)?;
        (name, true, value)
    };
    let value = value.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(form)?;
    if value.contains(['"', '\\']) {
        return Err(form());
    }
    let name = name.trim();
    let (of, value) = match name {
        "channel" => (Of::Channel(word(name, value, &CHANNELS, Channel::as_str)?), value.to_owned()),
        super::OUTCOME => (Of::Outcome(word(name, value, &OUTCOMES, Outcome::as_str)?), value.to_owned()),
        _ => {
            let field = contract.field_named(name).ok_or_else(|| {
                let near = nearest(name, contract.fields().map(|(_, field)| field));
                format!("`{name}` is neither `channel`, `outcome` nor a field: declare it with [[field]]{near}")
            })?;
            let mut canonical = Vec::new();
            json::write_string(value, &mut canonical);
            // Written from a str.
            (Of::Field(field), String::from_utf8(canonical).unwrap_or_default())
        }
    };
    Ok(Part { of, equal, value })
}

/// The one of `words` that is called so.
fn word<T: Copy>(name: &str, value: &str, words: &[T], as_str: impl Fn(T) -> &'static str) -> Result<T, String> {
    let known = words.iter().copied().find(|word| as_str(*word) == value);
    known.ok_or_else(|| format!("`{value}` is no {name}: one of {} is", list(words.iter().copied().map(as_str))))
}
