//! Certified records held against exports: the same events say the same, wherever and however they
//! are read; anything else names the session, and why.

use serde_json::Value;

use crate::door::{Ended, Scratch, gzip, joined, json_lines, pathors, zstd};

const CONFIRMED: &str = "3 records confirmed: the exports say the same\n";

/// Three sessions: a text that is complete, one that is not, and a call with facts.
fn lines() -> Vec<String> {
    let with = |line: String, facts: &str| line.replace('}', &format!(",{facts}}}"));
    vec![
        pathors("session.ended", "s-1", "2026-05-03T08:42:11Z"),
        pathors("session.finalized", "s-1", "2026-05-03T08:42:12Z"),
        pathors("session.ended", "s-2", "2026-05-03T08:42:13Z"),
        with(pathors("call.ended", "s-3", "2026-05-03T08:42:14Z"), r#""callStatus":"busy","callDuration":7"#),
        with(pathors("session.finalized", "s-3", "2026-05-03T08:42:15Z"), r#""callStatus":"busy""#),
    ]
}

/// The export, and the records that were made of it, certified.
fn certified() -> Scratch {
    let scratch = Scratch::with_export(&lines());
    scratch.finis("reconcile export.jsonl --certify --out records.ndjson").fine();
    scratch
}

/// Verifies the records against the export.
fn verify(scratch: &Scratch) -> Ended {
    scratch.finis("verify records.ndjson export.jsonl").run()
}

/// The findings, as `session: why`; the run must have ended with exit 1 if there are any.
#[track_caller]
fn findings(scratch: &Scratch, options: &str) -> Vec<String> {
    let ended = scratch.finis(&format!("verify records.ndjson export.jsonl --json {options}")).run();
    let found = ended.json();
    let found = found["findings"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    assert_eq!((ended.code, ended.err.as_str()), (i32::from(!found.is_empty()), ""));
    found.iter().map(|finding| format!("{}: {}", text(&finding["session"]), text(&finding["why"]))).collect()
}

/// Replaces a text that stands in a file exactly once.
#[track_caller]
fn change(scratch: &Scratch, file: &str, from: &str, to: &str) {
    let text = scratch.text(file);
    assert_eq!(text.matches(from).count(), 1, "`{from}` in {text}");
    scratch.write(file, text.replace(from, to));
}

#[test]
fn the_export_that_records_were_made_of_confirms_them() {
    let scratch = certified();
    let ended = verify(&scratch);
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (0, CONFIRMED, ""));
    let ended = scratch.finis("verify records.ndjson export.jsonl --json").fine();
    assert_eq!(ended.json(), serde_json::json!({"records": 3, "findings": []}));
}

#[test]
fn how_and_when_the_export_is_read_does_not_matter() {
    let scratch = certified();
    let mut lines = lines();
    lines.reverse();
    lines.extend_from_slice(&lines.clone()[..2]);
    let deliveries: Vec<String> = lines
        .iter()
        .map(|line| {
            format!(r#"{{"received_at":"2026-05-03T09:00:00Z","body":{}}}"#, serde_json::to_string(line).unwrap())
        })
        .collect();
    for export in [joined(&lines), gzip(&joined(&lines)), zstd(&joined(&lines)), joined(&deliveries)] {
        scratch.write("export.jsonl", export);
        for options in ["--threads 1", "--threads 3", "--grace 1s --stall 7d", "--provider pathors"] {
            assert_eq!(findings(&scratch, options), Vec::<String>::new(), "{options}");
        }
    }
    scratch.write("rest.jsonl", joined(&lines[2..]));
    scratch.write("export.jsonl", joined(&lines[..2]));
    assert_eq!(scratch.finis("verify records.ndjson export.jsonl rest.jsonl").fine().out, CONFIRMED);
    let export = gzip(&joined(&lines));
    assert_eq!(scratch.finis("verify records.ndjson -").input(export).fine().out, CONFIRMED);
}

#[test]
fn when_records_were_judged_does_not_matter() {
    let scratch = Scratch::with_export(&lines());
    let mut seen = Vec::new();
    for as_of in ["2026-05-03T08:42:11Z", "2026-05-03T08:43:00Z", "2030-01-01T00:00:00Z"] {
        scratch.finis(&format!("reconcile export.jsonl --certify --as-of {as_of} --out records.ndjson")).fine();
        assert_eq!(verify(&scratch).out, CONFIRMED, "{as_of}");
        let records = json_lines(&scratch.text("records.ndjson"));
        seen.push(records.iter().map(|record| record["certificate"].as_str().unwrap().to_owned()).collect::<Vec<_>>());
    }
    assert!(seen.iter().all(|certificates| *certificates == seen[0]), "{seen:?}");
}

#[test]
fn records_may_be_compressed_or_come_from_standard_input() {
    let scratch = certified();
    let records = scratch.bytes("records.ndjson").unwrap();
    assert_eq!(scratch.finis("verify - export.jsonl").input(&records).fine().out, CONFIRMED);
    scratch.write("records.ndjson", gzip(&records));
    assert_eq!(verify(&scratch).out, CONFIRMED);
}

#[test]
fn standard_input_is_either_records_or_an_export() {
    let scratch = certified();
    let records = scratch.bytes("records.ndjson").unwrap();
    for provider in ["", "--provider pathors"] {
        scratch
            .finis(&format!("verify - - {provider}"))
            .input(&records)
            .fails_with("finis: standard input can be read only once: name `-` once");
    }
}

#[test]
fn a_changed_record_is_named_with_what_differs() {
    let changed =
        "the record does not match its own certificate: it was changed after it was made, or made on other terms";
    for (from, to, differs) in [
        (r#""call_duration_s":7"#, r#""call_duration_s":8"#, "field `call_duration_s` differs; "),
        (r#""call_ended_at":"2026-05-03T08:42:14Z","#, "", "field `call_ended_at` differs; "),
        (r#""channel":"call""#, r#""channel":"text""#, "`channel` differs; "),
        (r#""kind":"call.ended""#, r#""kind":"call.endet""#, ""),
    ] {
        let scratch = certified();
        change(&scratch, "records.ndjson", from, to);
        assert_eq!(findings(&scratch, ""), [format!("s-3: {differs}{changed}")]);
        let ended = verify(&scratch);
        assert_eq!(ended.code, 1);
        assert_eq!(ended.out.lines().next(), Some("s-3 of pathors (line 3)"));
    }
}

#[test]
fn a_flipped_digit_of_a_digest_or_certificate_is_found() {
    for key in [r#""digest":""#, r#""certificate":""#] {
        let scratch = certified();
        let records = scratch.text("records.ndjson");
        let place = records.find(key).unwrap() + key.len();
        let flipped = if records.as_bytes()[place] == b'0' { "1" } else { "0" };
        scratch.write("records.ndjson", format!("{}{flipped}{}", &records[..place], &records[place + 1..]));
        let findings = findings(&scratch, "");
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("s-1: "), "{findings:?}");
    }
}

#[test]
fn a_changed_payload_in_the_export_is_named_with_what_differs() {
    let scratch = certified();
    change(&scratch, "export.jsonl", r#""callDuration":7"#, r#""callDuration":8"#);
    assert_eq!(
        findings(&scratch, ""),
        ["s-3: 1 event of the record is in no export; 1 event of the exports is not in the record; field \
         `call_duration_s` differs"]
    );
}

#[test]
fn a_line_that_is_missing_in_the_export_is_found() {
    let scratch = certified();
    scratch.write("export.jsonl", joined(&lines()[1..]));
    assert_eq!(
        findings(&scratch, ""),
        ["s-1: 1 event of the record is in no export; `inferred`, field `ended_at` differ"]
    );
    scratch.write("export.jsonl", joined(&lines()[3..]));
    assert_eq!(findings(&scratch, ""), ["s-1: no export has an event of it", "s-2: no export has an event of it"]);
}

#[test]
fn an_event_too_many_in_the_export_is_found() {
    let scratch = certified();
    let mut more = lines();
    more.push(pathors("session.archived", "s-2", "2026-05-03T08:42:13Z"));
    more.push(pathors("session.ended", "s-4", "2026-05-03T08:42:13Z"));
    scratch.write("export.jsonl", joined(&more));
    assert_eq!(
        findings(&scratch, ""),
        [
            "s-2: 1 event of the exports is not in the record",
            "s-4: the exports have events of it, but there is no record",
        ]
    );
}

#[test]
fn a_record_that_was_removed_or_stands_twice_is_found() {
    let scratch = certified();
    let records = scratch.text("records.ndjson");
    let lines: Vec<&str> = records.lines().collect();
    scratch.write("records.ndjson", joined(&lines[1..]));
    assert_eq!(findings(&scratch, ""), ["s-1: the exports have events of it, but there is no record"]);
    scratch.write("records.ndjson", joined(&[lines[0], lines[1], lines[2], lines[1]]));
    assert_eq!(findings(&scratch, ""), ["s-2: there are two records of it"]);
}

#[test]
fn a_record_without_certificate_cannot_be_checked() {
    let scratch = Scratch::with_export(&lines());
    scratch.finis("reconcile export.jsonl --out records.ndjson").fine();
    let cannot = |session| format!("{session}: cannot check: the record has no certificate; make it with --certify");
    assert_eq!(findings(&scratch, ""), ["s-1", "s-2", "s-3"].map(cannot));
}

#[test]
fn records_of_another_subscription_are_not_confirmed() {
    let scratch = Scratch::with_export(&lines());
    scratch.finis("reconcile export.jsonl --certify --subscribe session.ended --out records.ndjson").fine();
    assert_eq!(findings(&scratch, "--subscribe session.ended"), Vec::<String>::new());
    let findings = findings(&scratch, "");
    assert_eq!(findings.len(), 3);
    assert!(findings.iter().all(|finding| finding.ends_with("or made on other terms")), "{findings:?}");
}

#[test]
fn what_cannot_be_read_is_exit_2() {
    let scratch = certified();
    let cannot_open = |arguments: &str, name: &str| {
        let ended = scratch.finis(arguments).run();
        assert_eq!((ended.code, ended.out.as_str()), (2, ""));
        assert!(ended.err.starts_with(&format!("finis: cannot open `{name}`: ")), "{}", ended.err);
    };
    cannot_open("verify absent.ndjson export.jsonl", "absent.ndjson");
    cannot_open("verify records.ndjson absent.jsonl", "absent.jsonl");
    scratch
        .finis("verify export.jsonl export.jsonl")
        .fails_with("finis: `export.jsonl` is no file of records: no line has a `source` and a `session`; make one with `finis reconcile --certify`");

    let export = gzip(&scratch.bytes("export.jsonl").unwrap());
    scratch.write("export.jsonl", &export[..export.len() - 4]);
    let ended = verify(&scratch);
    assert_eq!(ended.code, 2);
    assert!(
        ended.err.starts_with("Broken: `export.jsonl` is truncated: its gzip data ends in the middle"),
        "{}",
        ended.err
    );
}
