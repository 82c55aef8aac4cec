//! What comes out: records, tables, rejects, and files that are whole or not there.

use serde_json::Value;

use super::{complete, delivery, two_sources};
use crate::door::{Scratch, joined, json_lines, pathors};

#[test]
fn a_table_tells_absent_null_and_empty_apart() {
    let event = |session: &str, facts: &str| {
        let event = pathors("session.ended", session, "2026-05-03T08:42:11Z");
        event.replace('}', &format!(",{facts}}}"))
    };
    let scratch = Scratch::with_export(&[
        event("absent", r#""messagesCount":8"#),
        event("empty", r#""currentNodeId":"","messagesCount":"8","extractedVariables":"true""#),
        event("null", r#""currentNodeId":null,"messagesCount":1.50,"extractedVariables":"null""#),
        event("text", r#""currentNodeId":"a, \"b\"","extractedVariables":{"b":1,"a":[]}"#),
    ]);
    scratch.finis("reconcile export.jsonl --out records.csv").fine();
    let expected = r#"source,subject,session,channel,status,by,missing,inferred,violations,conflicts,events,project_id,current_node_id,messages_count,variables,call_status,call_duration_s,ended_at,call_ended_at,finalized_at,outcome,recording_at,recording_success,recording_url
pathors,session,absent,unknown,open,,session.finalized,,,,1,,,8,,,,2026-05-03T08:42:11Z,,,,,,
pathors,session,empty,unknown,open,,session.finalized,,,,1,,"""""","""8""","""true""",,,2026-05-03T08:42:11Z,,,,,,
pathors,session,null,unknown,open,,session.finalized,,,,1,,null,1.5,"""null""",,,2026-05-03T08:42:11Z,,,,,,
pathors,session,text,unknown,open,,session.finalized,,,,1,,"a, ""b""",,"{""a"":[],""b"":1}",,,2026-05-03T08:42:11Z,,,,,,
"#;
    assert_eq!(scratch.text("records.csv"), expected);
}

#[test]
fn a_table_has_each_field_of_all_contracts_once_and_lists_with_blanks() {
    let scratch = two_sources();
    let violation = pathors("call.ended", "s-1", "2026-05-03T08:42:13Z").replace('}', r#","callStatus":"busy"}"#);
    let other = violation.replace("busy", "voicemail");
    let lines = scratch.bytes("export.jsonl").unwrap();
    let more = joined(&[delivery(Some("desk"), &violation), delivery(Some("desk"), &other)]);
    scratch.write("export.jsonl", [lines, more].concat());
    scratch.finis("reconcile export.jsonl --source desk=pathors --source lab=saaya --out records.CSV").fine();
    let text = scratch.text("records.CSV");
    let mut rows = text.lines();
    let head: Vec<&str> = rows.next().unwrap().split(',').collect();
    let mut distinct = head.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), head.len());
    assert!(head.contains(&"messages_count") && head.contains(&"cost_usd"), "{head:?}");
    let desk = rows.next().unwrap();
    assert!(desk.starts_with("desk,session,s-1,text,"), "{desk}");
    assert!(desk.contains(",call_event_in_text_session finalized_last,call_status,4,"), "{desk}");
    assert_eq!(rows.count(), 1);
}

#[test]
fn records_or_rejects_go_to_standard_output_and_the_summary_then_beside_it() {
    let scratch = Scratch::with_export(&[complete("s-1").as_slice(), &["oops".to_owned()]].concat());
    scratch.finis("reconcile export.jsonl --out records --rejects rejects").fine();
    let records = scratch.finis("reconcile export.jsonl --out -").run();
    assert_eq!((records.code, records.out), (0, scratch.text("records")));
    assert!(records.err.starts_with("Read       export.jsonl\n"), "{}", records.err);
    let rejects = scratch.finis("reconcile export.jsonl --rejects - --json").run();
    assert_eq!((rejects.code, rejects.out), (0, scratch.text("rejects")));
    assert_eq!(serde_json::from_str::<Value>(&rejects.err).unwrap()["sessions"], 1);

    scratch
        .finis("reconcile export.jsonl --out - --rejects -")
        .fails_with("finis: records and rejects cannot both go to standard output: give one of them a file");
}

#[test]
fn records_and_rejects_do_not_share_a_file() {
    let scratch = Scratch::with_export(&[complete("s-1").as_slice(), &["oops".to_owned()]].concat());
    for rejects in ["both.ndjson", "./both.ndjson"] {
        let ended = scratch.finis(&format!("reconcile export.jsonl --out both.ndjson --rejects {rejects}")).run();
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{}", ended.err);
        assert!(ended.err.contains("both.ndjson"), "{}", ended.err);
        assert_eq!(scratch.names(), ["export.jsonl"], "nothing was begun");
    }
}

#[test]
fn an_export_is_never_written_over() {
    let scratch = Scratch::with_export(&complete("s-1"));
    let before = scratch.bytes("export.jsonl");
    std::fs::create_dir(scratch.path().join("folder")).unwrap();
    for name in ["export.jsonl", "./export.jsonl", "folder/../export.jsonl"] {
        let problem = format!("finis: `{name}` is the export `export.jsonl` itself: write to another file");
        scratch.finis(&format!("reconcile export.jsonl --out {name}")).fails_with(&problem);
        scratch.finis(&format!("reconcile export.jsonl --rejects {name}")).fails_with(&problem);
    }
    assert_eq!(scratch.bytes("export.jsonl"), before);
}

#[test]
fn no_export_is_taken_for_a_file_that_is_being_written() {
    // Records are written beside their place, and moved in when done.
    let scratch = Scratch::new();
    let export = joined(&complete("s-1"));
    scratch.write("records.partial", &export);
    for output in ["--out records", "--rejects records"] {
        scratch.finis(&format!("reconcile records.partial --provider pathors {output}")).run();
        assert_eq!(scratch.bytes("records.partial").as_deref(), Some(export.as_slice()), "{output}");
    }
}

#[test]
fn a_form_that_records_are_not_written_in_is_refused() {
    let scratch = Scratch::with_export(&complete("s-1"));
    for (out, problem) in [
        (
            "--out r.ndjson.gz",
            "--out r.ndjson.gz: records are written plain; write them to `-` and pipe them through a compressor",
        ),
        ("--out r.ZST", "--out r.ZST: records are written plain; write them to `-` and pipe them through a compressor"),
        ("--out r.parquet", "--out r.parquet: records are written as .ndjson or .csv"),
        ("--out r.xlsx", "--out r.xlsx: records are written as .ndjson or .csv"),
        ("--out r.csv --certify", "--certify needs records as JSON: name the output .ndjson"),
    ] {
        scratch.finis(&format!("reconcile export.jsonl {out}")).fails_with(&format!("finis: {problem}"));
    }
    assert_eq!(scratch.names(), ["export.jsonl"]);
}

#[test]
fn a_run_that_fails_leaves_neither_half_a_file_nor_touches_the_old_one() {
    let scratch = Scratch::with_export(&complete("s-1"));
    scratch.write("old", "what was here before");
    for failing in [
        "reconcile export.jsonl absent.jsonl --provider pathors --out new --rejects old",
        "reconcile export.jsonl absent.jsonl --provider pathors --out old --rejects new",
        "reconcile export.jsonl --out old --rejects absent/rejects",
        "reconcile export.jsonl --out absent/records --rejects old",
        "reconcile export.jsonl --provider acme --out old --rejects new",
        "reconcile export.jsonl --subscribe acme --out old --rejects new",
    ] {
        let ended = scratch.finis(failing).run();
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{failing}");
        assert_eq!(scratch.names(), ["export.jsonl", "old"], "{failing}");
        assert_eq!(scratch.text("old"), "what was here before", "{failing}");
    }
}

#[test]
fn what_was_written_before_is_replaced_as_a_whole() {
    let scratch = Scratch::with_export(&complete("s-1"));
    scratch.write("records", "x".repeat(100_000));
    scratch.finis("reconcile export.jsonl --out records").fine();
    assert_eq!(json_lines(&scratch.text("records")).len(), 1);
    assert_eq!(scratch.names(), ["export.jsonl", "records"]);
}

/// `/dev/full` is a device that is always full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_and_is_no_panic() {
    let scratch = Scratch::with_export(&[complete("s-1").as_slice(), &["oops".to_owned()]].concat());
    for (option, problem) in [("--out", "cannot write the records"), ("--rejects", "cannot write the rejects")] {
        let ended = scratch.finis(&format!("reconcile export.jsonl {option} /dev/full")).run();
        assert_eq!((ended.code, ended.out.as_str()), (2, ""));
        assert!(ended.err.starts_with(&format!("finis: {problem}: ")), "{}", ended.err);
    }
    scratch.finis("reconcile export.jsonl --certify --out certified").fine();
    for arguments in [
        "reconcile export.jsonl",
        "reconcile export.jsonl --json",
        "verify certified export.jsonl",
        "contract list",
        "contract show pathors",
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_finis"))
            .current_dir(scratch.path())
            .args(arguments.split_whitespace())
            .stdout(full)
            .output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "finis {arguments}: {err}");
        assert!(!err.contains("panicked"), "finis {arguments}: {err}");
    }
}
