//! Records as a table: a row each, a column for every field of the contracts.

use finis::engine::Record;
use finis::reconcile::{Plan, Print, Sources};

/// Columns before the fields.
const COLUMNS: [&str; 11] = [
    "source",
    "subject",
    "session",
    "channel",
    "status",
    "by",
    "missing",
    "inferred",
    "violations",
    "conflicts",
    "events",
];

/// Prints records as rows.
///
/// Lists are separated by spaces; `conflicts` names the fields. A text stands as it is, any other
/// value as JSON. A field never seen is an empty cell, null is `null`, and an empty text, or one
/// that would read as something else, keeps its quotes.
pub(crate) struct Csv {
    fields: Vec<String>,
    row: Vec<String>,
}

impl Csv {
    pub(crate) fn new(fields: Vec<String>) -> Csv {
        Csv { fields, row: Vec::new() }
    }

    /// The fields of all contracts, each once.
    pub(crate) fn fields(sources: &Sources) -> Vec<String> {
        let mut fields: Vec<String> = Vec::new();
        for (_, name) in sources.plans().iter().flat_map(|plan| plan.contract.fields()) {
            if !fields.iter().any(|known| known == name) {
                fields.push(name.to_owned());
            }
        }
        fields
    }

    /// The first row.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let fields = self.fields.iter().map(String::as_str);
        write(&mut out, COLUMNS.into_iter().chain(fields));
        out
    }
}

impl Print for Csv {
    fn has_digests(&self) -> bool {
        false
    }

    fn print(&mut self, record: &Record<'_>, _plan: &Plan, _place: usize, out: &mut Vec<u8>) {
        let verdict = &record.verdict;
        let conflicts: Vec<&str> = record.conflicts.iter().map(|conflict| conflict.field).collect();
        self.row.clear();
        self.row.extend([
            record.source.to_owned(),
            record.subject.unwrap_or("session").to_owned(),
            record.session.to_owned(),
            verdict.channel.as_str().to_owned(),
            verdict.status.as_str().to_owned(),
            verdict.by.map_or("", |by| by.as_str()).to_owned(),
            record.missing.join(" "),
            record.inferred.join(" "),
            record.violations.join(" "),
            conflicts.join(" "),
            record.events.len().to_string(),
        ]);
        for name in &self.fields {
            let value = record.fields.iter().find(|(field, _)| field == name);
            self.row.push(value.map_or_else(String::new, |(_, value)| cell(value)));
        }
        write(out, self.row.iter().map(String::as_str));
    }
}

/// A value as a cell.
fn cell(value: &[u8]) -> String {
    let json = String::from_utf8_lossy(value);
    match serde_json::from_str::<serde_json::Value>(&json) {
        Ok(serde_json::Value::String(text)) if !reads_as_another(&text) => text,
        _ => json.into_owned(),
    }
}

/// Whether a text would be taken for nothing, for null, or for a value that is no text.
fn reads_as_another(text: &str) -> bool {
    text.is_empty() || text.starts_with('"') || serde_json::from_str::<serde_json::Value>(text).is_ok()
}

fn write<'c>(out: &mut Vec<u8>, row: impl Iterator<Item = &'c str>) {
    let mut writer = csv::Writer::from_writer(out);
    // A row is written into memory, which does not fail, and rows may differ in nothing.
    let _ = writer.write_record(row);
    let _ = writer.flush();
}
