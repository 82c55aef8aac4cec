//! A contract with nothing but what a test is about, and what comes of a few lines.

use finis::engine::{Contract, Key, LineReader, Partial, Record, Terms, Timestamp};
use finis::providers::load;
use serde_json::Value;

/// Puts a value where a pointer says, or takes away what is there. What it stands in is an object.
pub(crate) fn set(payload: &mut Value, pointer: &str, value: Option<Value>) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer has a slash");
    let parent = payload.pointer_mut(parent).and_then(Value::as_object_mut);
    let parent = parent.unwrap_or_else(|| panic!("nothing leads to `{pointer}`"));
    match value {
        Some(value) => drop(parent.insert(key.to_owned(), value)),
        None => drop(parent.remove(key)),
    }
}

/// A contract with nothing but what a test is about: where the kind, the id and the one fact stand.
/// Its one field is a progress of two steps.
pub(crate) fn small_contract(identity: &str, id: &str, facts: &str) -> Contract {
    let text = format!(
        r#"
        language = 1
        provider = "small"
        version = "1"
        title = "Small"
        [delivery]
        guarantee = "none"
        [identity]
        {identity}
        [[subject]]
        name = "session"
        id = {id}
        closes = ["end"]
        grace = "1m"
        stall = "1h"
        [[event]]
        kind = "end"
        role = "lifecycle"
        due = "always"
        about = "It is over."
        [event.facts]
        {facts}
        [[field]]
        name = "value"
        about = "what is looked at"
        progress = ["a", ["b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8"]]
        "#
    );
    load("small.toml", &text).unwrap_or_else(|error| panic!("{error}"))
}

/// The record of these lines, in this order.
pub(crate) fn record_of(contract: &Contract, lines: &[&str]) -> String {
    let mut partial = Partial::default();
    let mut reader = LineReader::new(None);
    for line in lines {
        let arrival = reader.read(line.as_bytes(), |_| Ok(((), contract)));
        let event = arrival.unwrap_or_else(|error| panic!("{error}: {line}")).event;
        partial.add(contract, &event, None);
    }
    let (subject, _) = contract.subjects().next().expect("it has one");
    let key = Key { source: "small", subject, id: "s" };
    let mut out = Vec::new();
    Record::new(key, &partial, contract, &Terms::new(contract), Timestamp::MAX).write_json(&mut out);
    String::from_utf8(out).expect("records are UTF-8")
}
