//! From the text of a contract to the contract, with errors that say where, what and what to do.

use std::fmt;

use finis_engine::Contract;
use finis_engine::contract::{Draft, Fault};
use toml::de::{DeTable, DeValue};

/// Why a contract cannot be used: every fault that was found, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// The file as the user knows it.
    pub file: String,
    /// At least one.
    pub faults: Vec<LocatedFault>,
}

/// A fault and the line it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatedFault {
    /// From 1; 0 when it is about the file as a whole.
    pub line: usize,
    /// Key, problem and remedy.
    pub message: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, fault) in self.faults.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            match fault.line {
                0 => write!(f, "{}: {}", self.file, fault.message)?,
                line => write!(f, "{}:{line}: {}", self.file, fault.message)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

/// Reads a contract. `file` is only for messages.
///
/// # Errors
/// When the text is not TOML, is not of the contract language, or says something that cannot be.
pub fn load(file: &str, text: &str) -> Result<Contract, LoadError> {
    let error = |faults| LoadError { file: file.to_owned(), faults };
    let draft: Draft = toml::from_str(text).map_err(|toml| error(vec![located(text, &toml)]))?;
    Contract::new(draft).map_err(|faults| {
        // It parsed a moment ago.
        let table = DeTable::parse(text).map(toml::Spanned::into_inner).unwrap_or_default();
        error(faults.iter().map(|fault| locate(text, &table, fault)).collect())
    })
}

/// What the TOML parser or the shape of the language found.
fn located(text: &str, error: &toml::de::Error) -> LocatedFault {
    let line = error.span().map_or(0, |span| line_of(text, span.start));
    // The first line says what; what follows are hints of the same parser.
    let message = error.message().lines().collect::<Vec<_>>().join("; ");
    let remedy = if message.contains("unknown field")
        || message.contains("missing field")
        || message.contains("unknown variant")
    {
        ": see docs/contracts.md"
    } else {
        ""
    };
    LocatedFault { line, message: format!("{message}{remedy}") }
}

/// Finds the line of the longest part of the fault's key that stands in the text.
fn locate(text: &str, table: &DeTable<'_>, fault: &Fault) -> LocatedFault {
    let mut offset = None;
    let mut keys = fault.key.iter();
    let mut next = keys.next().and_then(|key| table.get_key_value(key.as_str()));
    while let Some((key, value)) = next {
        offset = Some(key.span().start);
        let mut value = value;
        let mut key = keys.next();
        // A place in a list has no key of its own: its value says where it is.
        while let (Some(name), DeValue::Array(list)) = (key, value.get_ref()) {
            let Some(element) = name.parse::<usize>().ok().and_then(|place| list.get(place)) else { break };
            offset = Some(element.span().start);
            value = element;
            key = keys.next();
        }
        next = match (key, value.get_ref()) {
            (Some(name), DeValue::Table(table)) => table.get_key_value(name.as_str()),
            _ => None,
        };
    }
    LocatedFault { line: offset.map_or(0, |offset| line_of(text, offset)), message: fault.to_string() }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.get(..offset).map_or(0, |before| before.matches('\n').count()) + 1
}
