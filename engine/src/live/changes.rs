//! What differs between two records.

use crate::json::{Shape, Tape, write_string};

/// Containers inside each other that a record may have: those of a payload, and those around a value.
const DEPTH_MAX: usize = crate::json::DEPTH_MAX + 8;

/// Parts of a record that no notice is made for: what came, and what vouches for the rest.
const BESIDE: [&str; 2] = ["events", "certificate"];

/// A part of a record that was one thing and is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name; that of a field has `fields.` before it.
    pub part: String,
    /// What it was, as JSON; nothing when it was not there.
    pub old: Option<String>,
    /// What it is now, as JSON; nothing when it is no longer there.
    pub new: Option<String>,
}

impl Change {
    /// Appends it as JSON; what was not there is absent.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"part\":");
        write_string(&self.part, out);
        for (name, value) in [("old", &self.old), ("new", &self.new)] {
            if let Some(value) = value {
                out.extend_from_slice(format!(",\"{name}\":{value}").as_bytes());
            }
        }
        out.push(b'}');
    }
}

/// Everything but events and certificate that differs between two records, given as JSON, in the order
/// of the newer one; what it has lost comes last.
///
/// Records print equal values alike, so texts that differ are values that differ.
#[must_use]
pub fn changes(old: &str, new: &str) -> Vec<Change> {
    let (old, new) = (parts(old), parts(new));
    let find = |parts: &[(String, &str)], part: &str| {
        parts.iter().find(|(known, _)| known == part).map(|(_, value)| (*value).to_owned())
    };
    let mut changes = Vec::new();
    for (part, value) in &new {
        let was = find(&old, part);
        if was.as_deref() != Some(*value) {
            changes.push(Change { part: part.clone(), old: was, new: Some((*value).to_owned()) });
        }
    }
    for (part, value) in &old {
        if find(&new, part).is_none() {
            changes.push(Change { part: part.clone(), old: Some((*value).to_owned()), new: None });
        }
    }
    changes
}

/// The parts of a record with their values, fields each by itself. A text that is no record has none.
fn parts(record: &str) -> Vec<(String, &str)> {
    let mut tape = Tape::default();
    if tape.scan(record, DEPTH_MAX).is_err() {
        return Vec::new();
    }
    let text = |place: usize| {
        let node = tape.node(place);
        &record[node.start as usize..node.end as usize]
    };
    // Names in records are written without escapes.
    let name = |place: usize| text(place).trim_matches('"');
    let mut parts = Vec::new();
    for (key, value) in tape.members(0) {
        if name(key) == "fields" && tape.node(value).shape == Shape::Object {
            let fields = tape.members(value);
            parts.extend(fields.map(|(field, value)| (format!("fields.{}", name(field)), text(value))));
        } else if !BESIDE.contains(&name(key)) {
            parts.push((name(key).to_owned(), text(value)));
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_new_what_differs_and_what_is_gone() {
        let old = r#"{"source":"s","status":"complete","by":"evidence","fields":{"a":1,"b":{"c":[2]},"c":null},"events":[],"certificate":"x"}"#;
        let new = r#"{"source":"s","status":"settling","fields":{"a":1,"b":{"c":[3]},"d":"é"},"events":[1],"certificate":"y"}"#;
        let change = |part: &str, old: Option<&str>, new: Option<&str>| Change {
            part: part.to_owned(),
            old: old.map(str::to_owned),
            new: new.map(str::to_owned),
        };
        let expected = [
            change("status", Some("\"complete\""), Some("\"settling\"")),
            change("fields.b", Some(r#"{"c":[2]}"#), Some(r#"{"c":[3]}"#)),
            change("fields.d", None, Some("\"é\"")),
            change("by", Some("\"evidence\""), None),
            change("fields.c", Some("null"), None),
        ];
        assert_eq!(changes(old, new), expected);
        assert_eq!(changes(new, new), []);
    }
}
