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
        let mut faults: Vec<LocatedFault> = faults.iter().map(|fault| locate(text, &table, fault)).collect();
        faults.sort_by_key(|fault| fault.line);
        error(faults)
    })
}

/// What the TOML parser or the shape of the language found.
fn located(text: &str, error: &toml::de::Error) -> LocatedFault {
    let start = error.span().map(|span| span.start);
    // The first line says what; what follows are hints of the same parser.
    let mut message = error.message().lines().collect::<Vec<_>>().join("; ");
    for (theirs, ours) in WORDS {
        message = message.replace(theirs, ours);
    }
    if let Some(key) = start.and_then(|start| key_before(text, start)).filter(|key| !message.contains(*key)) {
        message = format!("{key}: {message}");
    }
    if ["key `", "word `", "expected"].iter().any(|about| message.contains(about)) {
        message.push_str("; see docs/contracts.md");
    }
    LocatedFault { line: start.map_or(0, |start| line_of(text, start)), message }
}

/// What a parser says of types and shapes, and what a person who writes TOML says.
const WORDS: [(&str, &str); 9] = [
    ("unknown field", "unknown key"),
    ("missing field", "missing key"),
    ("duplicate key", "a key stands twice in one table: remove one"),
    ("unknown variant", "unknown word"),
    ("invalid type:", "wrong type:"),
    ("a sequence", "a list"),
    ("expected u32", "expected a whole number"),
    ("expected a map", "expected a table"),
    ("sequence, expected", "a list, expected"),
];

/// The key whose value starts at `start`, if it stands on the same line.
fn key_before(text: &str, start: usize) -> Option<&str> {
    let before = text.get(..start)?;
    let line = &before[before.rfind('\n').map_or(0, |end| end + 1)..];
    let key = line.strip_suffix(' ').unwrap_or(line).strip_suffix('=')?.trim();
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
    let key = key.rsplit(['{', ',']).next()?.trim();
    (!key.is_empty() && key.chars().all(bare)).then_some(key)
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
