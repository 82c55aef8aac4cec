//! Exports into a store, and out again: twice changes nothing, and the records of the store are those that
//! `reconcile` makes of what it exports, byte for byte.

use std::fmt::Write as _;
use std::sync::Mutex;

use serde_json::Value;

use crate::door::{Ended, Finis, Scratch, joined, json_lines, pathors};
use crate::stories::Story;

/// How many stories are told at once.
const THREADS: usize = 4;

/// Runs `finis`, which must succeed; what it said.
fn fine(command: Finis) -> Result<Ended, String> {
    let ended = command.run();
    match (ended.code, ended.err.as_str()) {
        (0, "") => Ok(ended),
        (code, err) => Err(format!("exit {code}: {err}")),
    }
}

/// The lines of a text in an order of their own.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// What is and is not the same, when it should be.
fn same(what: &str, one: &[&str], other: &[&str]) -> Result<(), String> {
    if one == other {
        return Ok(());
    }
    let place = (0..one.len().max(other.len())).find(|place| one.get(*place) != other.get(*place)).unwrap_or_default();
    Err(format!("{what}, line {}:\n  {:?}\n  {:?}", place + 1, one.get(place), other.get(place)))
}

/// Into a store, out of it, and into another one.
fn round_trip(story: &Story) -> Result<(), String> {
    let scratch = Scratch::new();
    scratch.write("deliveries", &story.deliveries);
    let of = ["--provider", &story.provider];
    // Where a story is judged long after everything, that may be later than today.
    let past = |argument: &String| {
        if argument.starts_with("2026-12") { "2026-11-01T00:00:00Z".into() } else { argument.clone() }
    };
    let arguments = || of.into_iter().map(str::to_owned).chain(story.arguments.iter().map(past));
    fine(
        scratch.finis("reconcile deliveries --certify --out offline.ndjson --rejects offline.rejects").and(arguments()),
    )?;
    let import = || fine(scratch.finis("import deliveries --store one --rejects one.rejects --json").and(arguments()));
    import()?;
    let again: Value = serde_json::from_str(&import()?.out).map_err(|error| error.to_string())?;
    if again["changed"] != false {
        return Err(format!("twice changes something: {again}"));
    }
    // Of one id with several subjects, a store has them one after the other.
    let (offline, store) = (scratch.text("offline.ndjson"), fine(scratch.finis("sessions --json --store one"))?.out);
    same("offline and store", &sorted(&offline), &sorted(&store))?;
    same("rejects", &sorted(&scratch.text("offline.rejects")), &sorted(&scratch.text("one.rejects")))?;

    fine(scratch.finis("export --store one --out export.jsonl"))?;
    fine(scratch.finis("reconcile export.jsonl --certify --out again.ndjson"))?;
    same("export and store", &sorted(&scratch.text("again.ndjson")), &sorted(&store))?;
    fine(scratch.finis("import export.jsonl --store two"))?;
    let two = fine(scratch.finis("sessions --json --store two"))?.out;
    same("one store and another", &two.lines().collect::<Vec<_>>(), &store.lines().collect::<Vec<_>>())?;
    // The time of the first store may be that of an event that came again, which the second never heard of.
    let events = |export: &str| export.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let exported =
        [scratch.text("export.jsonl"), fine(scratch.finis("export --store two"))?.out].map(|text| events(&text));
    if exported[0] == exported[1] { Ok(()) } else { Err("the exports of either store differ".to_owned()) }
}

#[test]
fn every_story_goes_through_a_store_and_comes_out_as_it_was() {
    let (stories, wrong) = (Mutex::new(Story::all()), Mutex::new(String::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let Some(story) = stories.lock().unwrap().pop() else { break };
                    if let Err(problem) = round_trip(&story) {
                        write!(wrong.lock().unwrap(), "\n{}\n{problem}\n", story.name).unwrap();
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong}");
}

const AT: &str = "2026-05-03T08:42:11Z";

/// A text session that is complete by evidence.
fn complete(session: &str) -> [String; 2] {
    [pathors("session.ended", session, AT), pathors("session.finalized", session, AT)]
}

/// Kinds of the notices in a store.
fn said(scratch: &Scratch) -> Vec<(String, u64)> {
    let notices = json_lines(&scratch.finis("notices --json").fine().out);
    notices
        .iter()
        .map(|notice| (notice["kind"].as_str().unwrap().to_owned(), notice["revision"].as_u64().unwrap()))
        .collect()
}

#[test]
fn an_import_says_what_it_did_and_that_it_did_nothing() {
    let lines = [complete("s-1").to_vec(), vec!["oops".into()], complete("s-1").to_vec()].concat();
    let scratch = Scratch::with_export(&lines);
    let first = scratch.finis("import export.jsonl --source desk --provider pathors").fine();
    assert_eq!(first.line("events"), "events    2 new, 2 here before");
    assert_eq!(first.line("sessions"), "sessions  1");
    assert_eq!(first.line("settings"), "settings  remembered of desk");
    assert_eq!(first.line("Said"), "Said       complete 1");
    assert_eq!(first.line("Rejected"), "Rejected   1 line");
    // The store knows its only source by now.
    let second = scratch.finis("import export.jsonl").fine();
    assert_eq!(second.line("events"), "events    0 new, 4 here before");
    assert_eq!(second.line("Changed"), "Changed    nothing: all of it was here");
    assert_eq!(said(&scratch), [("complete".into(), 1)]);
}

#[test]
fn what_comes_later_is_amended_and_nothing_is_complete_twice() {
    let scratch = Scratch::with_export(&complete("s-1"));
    scratch.finis("import export.jsonl --provider pathors").fine();
    scratch.write("later.jsonl", joined(&[pathors("call.ended", "s-1", "2026-05-03T08:42:12Z")]));
    scratch.finis("import later.jsonl").fine();
    assert_eq!(said(&scratch), [("complete".into(), 1), ("amended".into(), 2)]);
}

#[test]
fn nothing_is_said_of_a_session_that_is_half_read() {
    // The end stands at the other end of the export, after a thousand sessions, and another file has it.
    let ended = |number: u32| pathors("session.ended", &format!("s-{number}"), AT);
    let lines: Vec<String> = (0..5000).map(ended).collect();
    let scratch = Scratch::with_export(&lines);
    let closes: Vec<String> =
        (0..5000).map(|number| pathors("session.finalized", &format!("s-{number}"), AT)).collect();
    scratch.write("closes.jsonl", joined(&closes));
    let summary = scratch
        .finis("import export.jsonl closes.jsonl --provider pathors --as-of 2026-05-03T12:00:00Z --json")
        .fine()
        .json();
    assert_eq!(summary["notices"], serde_json::json!({"complete": 5000}));
}

#[test]
fn quiet_notices_are_said_to_nobody_and_never_again() {
    let scratch = Scratch::with_export(&complete("s-1"));
    let told = scratch.finis("import export.jsonl --provider pathors --quiet-notices").fine();
    assert_eq!(told.line("Said"), "Said       nothing");
    assert_eq!(told.line("Quietly"), "Quietly    complete 1, and nobody is told");
    assert_eq!(said(&scratch), []);
    assert_eq!(scratch.finis("import export.jsonl").fine().line("Changed"), "Changed    nothing: all of it was here");
    assert_eq!(said(&scratch), []);
    assert!(scratch.finis("show s-1").fine().out.contains("said complete, revision 1"));
    // What changes afterwards is the first that anybody hears, at the first place of the outbox.
    scratch.write("later.jsonl", joined(&[pathors("call.ended", "s-1", "2026-05-03T08:42:12Z")]));
    scratch.finis("import later.jsonl").fine();
    assert_eq!(said(&scratch), [("amended".into(), 2)]);
    assert_eq!(json_lines(&scratch.finis("notices --json").fine().out)[0]["seq"], 1);
}

#[test]
fn a_quiet_import_does_not_silence_what_the_store_had_to_say() {
    let scratch =
        Scratch::with_export(&[pathors("session.ended", "lost", AT), pathors("session.finalized", "late", AT)]);
    scratch.finis("import export.jsonl --provider pathors").fine();
    assert_eq!(said(&scratch), []);
    // Both are over by then, and the one of them comes again with the export.
    let lines = [&[pathors("session.ended", "lost", AT)], &complete("s-1")[..]].concat();
    scratch.write("more.jsonl", joined(&lines));
    scratch.finis("import more.jsonl --quiet-notices --as-of 2026-05-03T12:00:00Z").fine();
    assert_eq!(said(&scratch), [("stalled".into(), 1), ("complete".into(), 1)]);
}

#[test]
fn an_earlier_arrival_counts_and_is_told_from_no_change() {
    let line = |at: &str| format!(r#"{{"received_at":"{at}","body":{}}}"#, pathors("session.finalized", "s-1", AT));
    let scratch = Scratch::with_export(&[line("2026-05-03T09:00:00Z")]);
    scratch.finis("import export.jsonl --provider pathors").fine();
    scratch.write("earlier.jsonl", joined(&[line("2026-05-03T08:59:00Z")]));
    let told = scratch.finis("import earlier.jsonl").fine();
    assert_eq!(told.line("events"), "events    0 new, 0 here before, 1 here before with a later arrival");
    assert!(
        scratch.finis("export").fine().out.contains(r#"{"received_at":"2026-05-03T08:59:00Z","source":"pathors","#)
    );
}

#[test]
fn a_body_comes_out_as_it_was_posted() {
    let pretty = "{\"event\":\"session.ended\",\r\n \"sessionId\" : \"s-1\",\"timestamp\":\"2026-05-03T08:42:11Z\"}\n";
    let plain = r#"{"event": "session.finalized","sessionId":"s-1", "timestamp":"2026-05-03T08:42:11Z" }"#;
    let quoted = serde_json::to_string(pretty).unwrap();
    let scratch = Scratch::with_export(&[format!(r#"{{"body":{quoted}}}"#), format!(" {plain} ")]);
    scratch.finis("import export.jsonl --provider pathors").fine();
    let exported = scratch.finis("export").fine().out;
    assert!(
        exported.contains(&format!(r#""body":{plain}}}"#)) && exported.contains(&format!(r#""body":{quoted}}}"#)),
        "{exported}"
    );
}

#[test]
fn settings_are_those_of_the_command_line_then_of_the_store_then_of_the_export() {
    let scratch = Scratch::with_export(&[pathors("session.finalized", "s-1", AT)]);
    let settings = |store: &str| {
        let export = scratch.finis(&format!("export --store {store}")).fine().out;
        let header: Value = serde_json::from_str(export.lines().next().unwrap()).unwrap();
        let source = &header["sources"][0];
        format!(
            "{} {} {}",
            source["grace"].as_str().unwrap(),
            source["stall"].as_str().unwrap(),
            source["subscription"]
        )
    };
    let import = |arguments: &str| scratch.finis(&format!("import {arguments}")).fine();
    import("export.jsonl --source desk --provider pathors --store one --grace 5m --subscribe session.ended");
    assert_eq!(settings("one"), r#"5m 1h ["session.ended"]"#);
    import("export.jsonl --store one --stall 2h");
    assert_eq!(settings("one"), r#"5m 2h ["session.ended"]"#);
    scratch.finis("export --store one --out one.jsonl").fine();
    import("one.jsonl --store two --grace 90s");
    assert_eq!(settings("two"), r#"1m30s 2h ["session.ended"]"#);
    import("one.jsonl --store two");
    assert_eq!(settings("two"), r#"1m30s 2h ["session.ended"]"#);
}

#[test]
fn as_of_is_what_the_export_says_unless_told() {
    let scratch = Scratch::with_export(&[pathors("session.finalized", "s-1", AT)]);
    scratch.finis("import export.jsonl --provider pathors").fine();
    scratch.finis("export --out out.jsonl --as-of 2026-05-03T08:44:11Z").fine();
    let told = scratch.finis("reconcile out.jsonl").fine();
    assert_eq!(told.line("as of"), "as of     2026-05-03T08:44:11Z, as the export says");
    assert_eq!(told.line("complete"), "complete      1  100.0 %  0 by evidence, 1 by deadline");
    let told = scratch.finis("reconcile out.jsonl --as-of 2026-05-03T08:43:00Z").fine();
    assert_eq!(told.line("settling"), "settling      1  100.0 %");
    // Beside another export, the latest of both counts.
    scratch.write("more.jsonl", joined(&[pathors("session.ended", "s-2", "2026-05-03T09:00:00Z")]));
    let told = scratch.finis("reconcile out.jsonl more.jsonl").fine();
    assert_eq!(told.line("as of"), "as of     2026-05-03T09:00:00Z, the latest time in the exports");
    assert_eq!(told.line("Sessions"), "Sessions   2");
}

#[test]
fn what_cannot_be_imported_is_refused_with_what_to_do() {
    let scratch = Scratch::with_export(&complete("s-1"));
    scratch.finis("import export.jsonl --provider pathors --as-of 2999-01-01T00:00:00Z").fails_with(
        "finis: --as-of 2999-01-01T00:00:00Z: it has not come yet, and a store never judges ahead of its time; give an earlier one, or leave it out",
    );
    assert_eq!(scratch.finis("import export.jsonl --provider pathor").run().code, 2);
    assert_eq!(scratch.names(), ["export.jsonl"], "what is refused makes no store");
    scratch.finis("import export.jsonl --source desk --provider pathors").fine();
    scratch
        .finis("import export.jsonl --source desk --provider saaya")
        .fails_with("finis: --source desk: in the store it is of pathors, not of saaya: name another source");
    scratch
        .finis("import export.jsonl --source desk=saaya")
        .fails_with("finis: --source desk: in the store it is of pathors, not of saaya: name another source");
    scratch.write("newer.jsonl", "{\"finis_export\":2}\n");
    scratch
        .finis("import newer.jsonl")
        .fails_with("finis: `newer.jsonl`: the export is of format 2; this finis reads up to 1: upgrade finis");
    let late = format!(r#"{{"received_at":"2999-01-01T00:00:00Z","body":{}}}"#, complete("s-2")[0]);
    scratch.write("late.jsonl", joined(&[late]));
    let told = scratch.finis("import late.jsonl").fine();
    assert!(
        told.out.contains("`received_at` is 2999-01-01T00:00:00Z, which has not come yet: is the clock right?"),
        "{}",
        told.out
    );
}
