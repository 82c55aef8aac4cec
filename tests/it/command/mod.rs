//! What can be asked of the command, what it answers, and how it ends: 0 when all is well, 1 when
//! it was asked to check and found something, 2 when it could not do its work, and then with what
//! to do about it.

mod contracts; // ours, and ones of your own
mod inputs; // what is read
mod output; // what comes out
mod summary; // what is said of it
mod terms; // whose lines they are, and how they are judged

use serde_json::Value;

use crate::door::{Scratch, fixtures, json_lines, pathors};

const PROVIDERS: [&str; 5] = ["agntix", "pathors", "saaya", "smallest", "smallest-legacy"];

/// The deliveries of a story.
fn story(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join(name).join("deliveries.jsonl")).unwrap()
}

/// A text session that is complete by evidence: both its events.
fn complete(session: &str) -> [String; 2] {
    let event = |kind, at| pathors(kind, session, at);
    [event("session.ended", "2026-05-03T08:42:11Z"), event("session.finalized", "2026-05-03T08:42:12Z")]
}

/// A delivery of an event, perhaps with the name of its source.
fn delivery(source: Option<&str>, body: &str) -> String {
    let source = source.map(|name| format!(r#""source":"{name}","#)).unwrap_or_default();
    format!(r#"{{{source}"body":{body}}}"#)
}

/// An export of a pathors and a saaya source, of one that nobody knows, and of none.
fn two_sources() -> Scratch {
    let [ended, finalized] = complete("s-1");
    let saaya = String::from_utf8(story("saaya/0001-documented-bodies")).unwrap();
    Scratch::with_export(&[
        delivery(Some("desk"), &ended),
        delivery(Some("desk"), &finalized),
        delivery(Some("lab"), saaya.trim()),
        delivery(Some("attic"), &ended),
        delivery(None, &ended),
    ])
}

/// Source and status of each record on standard output.
#[track_caller]
fn statuses(records: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    json_lines(records).iter().map(|record| (text(&record["source"]), text(&record["status"]))).collect()
}

/// Runs `reconcile export.jsonl --provider pathors --out -` and these options; the records.
#[track_caller]
fn records_with(scratch: &Scratch, options: &str) -> Vec<Value> {
    let ended = scratch.finis(&format!("reconcile export.jsonl --provider pathors --out - {options}")).run();
    assert_eq!(ended.code, 0, "{}", ended.err);
    json_lines(&ended.out)
}
