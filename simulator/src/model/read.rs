//! What a delivery says, by the contract's data.

use std::collections::BTreeMap;

use finis_engine::contract::Draft;
use finis_engine::contract::draft::{Event, Locator, TimeFormat, Unit};

use super::time::Instant;
use crate::json::{Json, canonical_double, canonical_number, write_string};

/// Bytes of the longest id, unescaped.
const ID_BYTES_MAX: usize = 512;

/// What makes an event itself: 16 bytes of BLAKE3 over its identity.
pub type Digest = [u8; 16];

/// An event as the contract reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Place of the subject among the contract's.
    pub subject: usize,
    /// The id of the session, campaign, ….
    pub id: String,
    /// The name of its kind.
    pub kind: String,
    /// The provider's time, if it has one.
    pub at: Option<Instant>,
    /// What makes it itself.
    pub digest: Digest,
    /// What it claims: values in canonical form, by field. None of an unknown kind.
    pub facts: BTreeMap<String, String>,
}

/// Reads a payload with the headers that it came with.
///
/// # Errors
/// When it is no event; the text says why, not in the engine's words.
pub fn read(contract: &Draft, headers: &[(String, String)], payload: &str) -> Result<Told, String> {
    let tree = Json::parse(payload).map_err(|unfit| unfit.to_string())?;
    read_tree(contract, headers, &tree)
}

/// Reads a payload that is parsed already.
fn read_tree<'c>(contract: &'c Draft, headers: &[(String, String)], tree: &Json) -> Result<Told, String> {
    if !matches!(tree, Json::Object(_)) {
        return Err("not an object".into());
    }
    let kind = text(&contract.identity.kind, headers, tree)?;
    let known = contract.events.iter().find(|event| event.kind == kind);
    let (subject, id) = if let Some(event) = known {
        let subject = subject_of(contract, event);
        (subject, id(contract, subject, headers, tree)?)
    } else {
        // An unknown kind is about the first subject whose id it has.
        let mut subjects = 0..contract.subjects.len();
        let first = subjects.find_map(|subject| Some((subject, id(contract, subject, headers, tree).ok()?)));
        first.ok_or("no subject's id is there")?
    };
    let format = time_format(contract);
    let own_time = |event: &'c Event| event.time.as_ref().or(contract.identity.time.as_ref());
    let at = if let Some(event) = known {
        own_time(event).map(|place| time(place, tree, format)).transpose()?.flatten()
    } else {
        // Where the first of the kinds that have a time has it; what is no time there counts as none.
        let place = contract.events.iter().find_map(own_time);
        place.and_then(|place| time(place, tree, format).ok().flatten())
    };
    let facts = known.map(|event| {
        let facts = event.facts.iter().filter_map(|(field, place)| {
            let value = tree.at(place.path.as_deref()?)?;
            Some((field.clone(), in_unit(value, place.unit, format)))
        });
        facts.collect()
    });
    let digest = digest(contract, headers, tree, (subject, &id), &kind);
    Ok(Told { subject, id, kind, at, digest, facts: facts.unwrap_or_default() })
}

/// Place of the subject that a kind is about.
pub(super) fn subject_of(contract: &Draft, event: &Event) -> usize {
    let named = event.subject.as_ref();
    named.and_then(|name| contract.subjects.iter().position(|subject| subject.name == *name)).unwrap_or(0)
}

pub(super) fn time_format(contract: &Draft) -> TimeFormat {
    contract.identity.time_format.unwrap_or(TimeFormat::Rfc3339)
}

fn text(place: &Locator, headers: &[(String, String)], tree: &Json) -> Result<String, String> {
    let found = match (&place.path, &place.header) {
        (Some(path), _) => tree.at(path).map(|value| value.as_str().map(str::to_owned).ok_or("not a string")),
        (None, Some(name)) => {
            // Of names that differ in case alone the least value counts.
            let values = headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value);
            values.min().map(|value| Ok(value.clone()))
        }
        (None, None) => None,
    };
    let text = found.ok_or("nothing is there")??;
    if text.is_empty() { Err("it is empty".into()) } else { Ok(text) }
}

fn id(contract: &Draft, subject: usize, headers: &[(String, String)], tree: &Json) -> Result<String, String> {
    let id = text(&contract.subjects[subject].id, headers, tree)?;
    // U+0000 to U+001F and U+007F to U+009F.
    if id.len() > ID_BYTES_MAX || id.chars().any(|c| matches!(u32::from(c), 0..=0x1F | 0x7F..=0x9F)) {
        return Err("an unfit id".into());
    }
    Ok(id)
}

fn time(place: &Locator, tree: &Json, format: TimeFormat) -> Result<Option<Instant>, String> {
    match place.path.as_deref().and_then(|path| tree.at(path)) {
        None if place.optional => Ok(None),
        None => Err("no time".into()),
        Some(value) => instant(value, format).map(Some).ok_or_else(|| "not a time".into()),
    }
}

fn instant(value: &Json, format: TimeFormat) -> Option<Instant> {
    match value {
        Json::String(text) => Instant::read(text, false, format),
        Json::Number(text) => Instant::read(&canonical_number(text)?, true, format),
        _ => None,
    }
}

/// A fact as the record prints it.
fn in_unit(value: &Json, unit: Option<Unit>, format: TimeFormat) -> String {
    let plain = value.canonical();
    match (unit, value) {
        (Some(Unit::Time), value) => instant(value, format).map_or(plain, |at| format!("\"{at}\"")),
        (Some(Unit::Ms), Json::Number(_)) => scaled(&plain, |ms| ms / 1000.0).unwrap_or(plain),
        (Some(Unit::Min), Json::Number(_)) => scaled(&plain, |minutes| minutes * 60.0).unwrap_or(plain),
        _ => plain,
    }
}

fn scaled(number: &str, scale: impl Fn(f64) -> f64) -> Option<String> {
    canonical_double(scale(number.parse().ok()?))
}

/// BLAKE3 over the canonical payload without what is volatile, and after it, a line each, what is read
/// from headers.
fn digest(
    contract: &Draft,
    headers: &[(String, String)],
    tree: &Json,
    (subject, id): (usize, &str),
    kind: &str,
) -> Digest {
    let mut rest = tree.clone();
    contract.identity.volatile.iter().for_each(|path| rest.remove(path));
    let mut identity = rest.canonical();
    for (place, value) in [(&contract.identity.kind, kind), (&contract.subjects[subject].id, id)] {
        if let Some(name) = place.header.as_ref().filter(|_| !headers.is_empty()) {
            identity.push('\n');
            identity.push_str(&name.to_ascii_lowercase());
            identity.push_str(": ");
            write_string(value, &mut identity);
        }
    }
    let mut digest = [0; 16];
    digest.copy_from_slice(&blake3::hash(identity.as_bytes()).as_bytes()[..16]);
    digest
}
