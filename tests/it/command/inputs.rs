//! What is read: the provider, the exports, where the payload stands, pipes.

use serde_json::{Value, json};

use super::{PROVIDERS, complete, delivery, statuses, story};
use crate::door::{Scratch, fixtures, gzip, joined, json_lines, pathors, zstd};

// The provider

#[test]
fn a_provider_is_known_by_the_look_of_its_lines() {
    for provider in PROVIDERS {
        let deliveries = story(&format!("{provider}/0001-documented-bodies"));
        let lines = deliveries.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
        for export in [deliveries.clone(), gzip(&deliveries), zstd(&deliveries)] {
            let scratch = Scratch::new();
            scratch.write("export", export);
            let ended = scratch.finis("reconcile export").fine();
            let look = format!("provider  {provider}, by its look: {lines} of the first {lines} lines are its events");
            assert_eq!(ended.line("provider"), look);
            let summary = scratch.finis("reconcile export --json").fine().json();
            assert_eq!(summary["provider_taken_by_look"], true);
            assert_eq!(summary["contracts"][0]["provider"], provider);
        }
    }
}

#[test]
fn a_look_sees_deliveries_and_passes_over_what_is_no_event() {
    let [ended, finalized] = complete("s-1");
    let quoted = serde_json::to_string(&finalized).unwrap();
    let unknown = pathors("session.summarized", "s-1", "2026-05-03T08:42:11Z");
    let lines = ["\u{FEFF}oops".into(), delivery(None, &ended), delivery(Some("x"), &quoted), unknown, String::new()];
    let ended = Scratch::with_export(&lines).finis("reconcile export.jsonl").fine();
    assert_eq!(ended.line("provider"), "provider  pathors, by its look: 2 of the first 4 lines are its events");
}

#[test]
fn a_look_takes_in_a_whole_line_however_long() {
    let [ended, _] = complete("s-1");
    let transcript = "a".repeat(300 << 10);
    let long = ended.replace('}', &format!(r#","extractedVariables":{{"transcript":"{transcript}"}}}}"#));
    let run = Scratch::with_export(&[long.as_str(), &ended]).finis("reconcile export.jsonl").run();
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert!(run.line("provider").starts_with("provider  pathors, by its look"), "{}", run.out);
}

#[test]
fn a_look_that_fits_no_provider_or_several_is_refused() {
    let scratch = Scratch::with_export(&[r#"{"a":1}"#]);
    scratch.finis("reconcile export.jsonl").fails_with(
        "finis: none of the first 1 lines is an event of a known provider: say of which it is with --provider \
         (agntix, pathors, saaya, smallest, smallest-legacy), or where the payload stands with --body-at",
    );
    scratch.write("pathors.jsonl", joined(&complete("s-1")));
    scratch.write("saaya.jsonl", story("saaya/0002-whole-catalogue"));
    scratch.finis("reconcile pathors.jsonl saaya.jsonl").fails_with(
        "finis: the first lines fit several providers: pathors (2 lines), saaya (17 lines): say which with \
         --provider, or give each source with --source NAME=PROVIDER",
    );
}

#[test]
fn a_provider_that_there_is_not_is_refused() {
    let scratch = Scratch::with_export(&complete("s-1"));
    let known = "agntix, pathors, saaya, smallest, smallest-legacy";
    scratch.finis("reconcile export.jsonl --provider acme").fails_with(&format!(
        "finis: no contract is called `acme`: there are {known}; bring your own with --contracts DIR"
    ));
    scratch.finis("contract show acme").fails_with(&format!("finis: no contract is called `acme`: there are {known}"));
}

// The exports

#[test]
fn standard_input_is_an_export_like_any_other() {
    let scratch = Scratch::with_export(&complete("s-1"));
    scratch.write("other.jsonl", joined(&complete("s-0")));
    let export = scratch.bytes("export.jsonl").unwrap();
    let of_file = scratch.finis("reconcile export.jsonl --out -").run();
    for input in [export.clone(), gzip(&export), zstd(&export)] {
        for options in ["", "--provider pathors", "--threads 1"] {
            let ended = scratch.finis(&format!("reconcile - --out - {options}")).input(&input).run();
            assert_eq!((ended.code, &ended.out), (0, &of_file.out), "{}", ended.err);
        }
    }
    for exports in ["- other.jsonl", "other.jsonl -"] {
        let ended = scratch.finis(&format!("reconcile {exports} --json")).input(&export).fine();
        assert_eq!(ended.json()["sessions"], 2, "{exports}");
    }
}

#[test]
fn standard_input_can_be_read_once_only() {
    let scratch = Scratch::with_export(&complete("s-1"));
    scratch
        .finis("reconcile - export.jsonl -")
        .fails_with("finis: standard input can be read only once: name `-` once");
}

#[test]
fn several_exports_are_one_and_their_rejects_carry_the_file() {
    let scratch = Scratch::new();
    let [ended, finalized] = complete("s-1");
    scratch.write("a.jsonl", joined(&[ended.as_str(), "oops", &finalized]));
    scratch.write("b.jsonl", joined(&["[]", ended.as_str()]));
    let run = scratch.finis("reconcile a.jsonl b.jsonl --rejects rejects --out records --json").fine();
    let summary = run.json();
    assert_eq!((&summary["events"], &summary["duplicates"]), (&json!(2), &json!(1)));
    assert_eq!(summary["exports"], json!(["a.jsonl", "b.jsonl"]));
    let rejects = json_lines(&scratch.text("rejects"));
    let places: Vec<_> = rejects.iter().map(|reject| (&reject["file"], &reject["line"], &reject["offset"])).collect();
    assert_eq!(
        places,
        [(&json!("a.jsonl"), &json!(2), &json!(ended.len() + 1)), (&json!("b.jsonl"), &json!(1), &json!(0)),]
    );
    let text = scratch.finis("reconcile a.jsonl b.jsonl").fine();
    assert_eq!(text.line("Read"), "Read       2 exports");
    assert_eq!(text.line("b.jsonl, line 1,"), "b.jsonl, line 1, byte 0: not an object: an array");

    // Of a single export everyone knows which it is.
    scratch.finis("reconcile a.jsonl --rejects rejects").fine();
    assert_eq!(json_lines(&scratch.text("rejects"))[0].get("file"), None);
}

#[test]
fn an_export_that_cannot_be_opened_is_named() {
    let scratch = Scratch::with_export(&complete("s-1"));
    std::fs::create_dir(scratch.path().join("folder")).unwrap();
    for options in ["", "--provider pathors"] {
        let ended = scratch.finis(&format!("reconcile export.jsonl absent.jsonl {options}")).run();
        assert_eq!((ended.code, ended.out.as_str()), (2, ""));
        assert!(ended.err.starts_with("finis: cannot open `absent.jsonl`: "), "{}", ended.err);
        scratch
            .finis(&format!("reconcile folder {options}"))
            .fails_with("finis: cannot open `folder`: it is a folder: name the files in it, as `folder/*`");
    }
}

// Where the payload stands

#[test]
fn a_payload_may_stand_anywhere_in_a_line() {
    let [ended, finalized] = complete("s-1");
    let quoted = serde_json::to_string(&finalized).unwrap();
    let scratch = Scratch::with_export(&[
        format!(r#"{{"level":"info","request":{{"id":7,"body":{ended}}}}}"#),
        format!(r#"{{"level":"info","request":{{"id":8,"body":{quoted}}}}}"#),
        r#"{"level":"info","request":{"id":9}}"#.to_owned(),
        format!(r#"{{"request":{{"body":{ended},"id":1,"id":2}}}}"#),
    ]);
    let run = scratch.finis("reconcile export.jsonl --body-at /request/body --out - --rejects rejects").run();
    assert_eq!((run.code, statuses(&run.out)), (0, vec![("pathors".into(), "complete".into())]), "{}", run.err);
    let rejects = json_lines(&scratch.text("rejects"));
    let reasons: Vec<_> = rejects.iter().map(|reject| reject["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["no payload: nothing at `/request/body`", "the key `id` stands twice in one object"]);
}

#[test]
fn a_payload_may_stand_in_a_list() {
    let [ended, finalized] = complete("s-1");
    let line = |body: &str| format!(r#"{{"records":[{{"body":{body}}}]}}"#);
    let scratch = Scratch::with_export(&[line(&ended), line(&finalized)]);
    let run = scratch.finis("reconcile export.jsonl --provider pathors --body-at /records/0/body --json").fine();
    assert_eq!(run.json()["events"], 2, "{}", run.out);
}

#[test]
fn what_stands_beside_the_payload_is_read_as_in_a_delivery() {
    let [ended, _] = complete("s-1");
    let line = format!(r#"{{"source":"desk","received_at":"2026-05-03T09:00:00Z","raw":{{"body":{ended}}}}}"#);
    let run = Scratch::with_export(&[line]).finis("reconcile export.jsonl --body-at /raw/body --json --out -").run();
    assert_eq!(statuses(&run.out), [("desk".to_owned(), "open".to_owned())]);
    let summary: Value = serde_json::from_str(&run.err).unwrap();
    assert_eq!(summary["as_of"], "2026-05-03T09:00:00Z");
}

#[test]
fn a_path_that_is_none_is_refused() {
    let ended = Scratch::with_export(&complete("s-1")).finis("reconcile export.jsonl --body-at body").run();
    assert_eq!(ended.code, 2);
    assert!(
        ended.err.contains("`body` is not a JSON Pointer: write it with a leading `/`, as `/body`"),
        "{}",
        ended.err
    );
}

// What comes through a pipe

/// A pipe has no second reading: what was looked at to know the provider must not be gone.
#[cfg(unix)]
#[test]
fn an_export_in_a_pipe_is_read_whole_without_a_provider() {
    let export = fixtures().join("pathors/export.jsonl");
    let output = std::process::Command::new("sh")
        .args(["-c", "cat \"$1\" | \"$0\" reconcile /dev/stdin --json"])
        .args([env!("CARGO_BIN_EXE_finis").as_ref(), export.as_os_str()])
        .output()
        .unwrap();
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let lines = std::fs::read_to_string(export).unwrap().lines().count();
    assert_eq!((summary["lines"].as_u64(), output.status.code()), (Some(lines as u64), Some(0)));
}

#[cfg(unix)]
#[test]
fn a_reader_of_the_records_may_stop_early() {
    let export = fixtures().join("pathors/export.jsonl");
    let output = std::process::Command::new("sh")
        .args(["-c", "{ \"$0\" reconcile \"$1\" --out - ; echo \"exit $?\" >&2; } | head -n 1"])
        .args([env!("CARGO_BIN_EXE_finis").as_ref(), export.as_os_str()])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.ends_with("exit 0\n") && !err.contains("finis:"), "{err}");
}

#[test]
fn an_export_without_lines_is_no_mistake() {
    let ended = Scratch::with_export::<&str>(&[]).finis("reconcile export.jsonl --out records").fine();
    assert_eq!(ended.line("provider"), "provider  there are no lines to tell it by");
}
