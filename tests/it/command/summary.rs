//! What is said of it.

use serde_json::{Value, json};

use super::complete;
use crate::door::{Scratch, fixtures, json_lines, pathors};

#[test]
fn the_numbers_of_the_summary_balance() {
    let scratch = Scratch::new();
    let export = std::fs::read(fixtures().join("pathors/export.jsonl")).unwrap();
    // Blank lines are lines, and nothing else.
    scratch.write("export.jsonl", [b"\n \r\n".as_slice(), &export].concat());
    let ended = scratch.finis("reconcile export.jsonl --json --out records --rejects rejects").fine();
    let summary = ended.json();
    let number = |value: &Value| value.as_u64().unwrap();
    let sum = |counts: &Value| counts.as_object().unwrap().values().map(number).sum::<u64>();
    let of = |key: &str| number(&summary[key]);
    let rejects = &summary["rejects"];
    let blank = 2;
    assert_eq!(of("lines"), of("deliveries") + number(&rejects["lines"]) + blank);
    assert_eq!(of("deliveries"), of("events") + of("duplicates"));
    assert_eq!(of("bytes"), export.len() as u64 + 4);
    assert_eq!(number(&rejects["lines"]), sum(&rejects["by_sort"]));
    assert_eq!(number(&rejects["lines"]), json_lines(&scratch.text("rejects")).len() as u64);

    let records = json_lines(&scratch.text("records"));
    let count = |holds: &dyn Fn(&Value) -> bool| records.iter().filter(|record| holds(record)).count() as u64;
    let listed = |key: &str| records.iter().map(|record| record[key].as_array().unwrap().len() as u64).sum::<u64>();
    assert_eq!(of("sessions"), records.len() as u64);
    assert_eq!(of("sessions"), sum(&summary["by_status"]));
    assert_eq!(of("sessions"), sum(&summary["by_channel"]));
    assert_eq!(of("events"), listed("events"));
    let complete = number(&summary["by_status"]["complete"]);
    assert_eq!(complete, of("complete_by_evidence") + of("complete_by_deadline"));
    for list in ["missing", "inferred", "violations", "conflicts"] {
        assert_eq!(sum(&summary[list]), listed(list), "{list}");
    }
    for (status, sessions) in summary["by_status"].as_object().unwrap() {
        assert_eq!(number(sessions), count(&|record| record["status"] == **status), "{status}");
    }
    for (outcome, sessions) in summary["by_outcome"].as_object().unwrap() {
        assert_eq!(number(sessions), count(&|record| record["fields"]["outcome"] == **outcome), "{outcome}");
    }
    assert_eq!(of("sessions_missing"), count(&|record| record["missing"] != json!([])));
    assert_eq!(of("sessions_in_conflict"), count(&|record| record["conflicts"] != json!([])));
    for (kind, loss) in summary["loss"].as_object().unwrap() {
        let is_lost = |record: &Value| {
            let over = record["status"] == "complete" || record["status"] == "stalled";
            let names = |list: &str| record[list].as_array().unwrap().iter().any(|name| name == kind);
            over && (names("missing") || names("inferred"))
        };
        assert_eq!(number(&loss["lost"]), count(&is_lost), "{kind}");
    }
}

#[test]
fn the_summary_says_the_same_to_people_as_to_machines() {
    let scratch = Scratch::new();
    scratch.write("export.jsonl", std::fs::read(fixtures().join("pathors/export.jsonl")).unwrap());
    let json = scratch.finis("reconcile export.jsonl --json").fine().json();
    let text = scratch.finis("reconcile export.jsonl").fine();
    let lines = text.line("lines").split_once(' ').unwrap().1.trim().split(' ').next().unwrap().replace(',', "");
    assert_eq!(lines, json["lines"].to_string());
    let row = |word: &str| text.line(word).split_whitespace().nth(1).unwrap().replace(',', "");
    for status in ["complete", "open"] {
        assert_eq!(row(status), json["by_status"][status].to_string(), "{status}");
    }
    assert_eq!(row("Sessions"), json["sessions"].to_string());
    assert_eq!(row("events"), json["events"].to_string());
    for list in ["missing", "violations", "conflicts", "unknown_kinds"] {
        for (name, count) in json[list].as_object().unwrap() {
            let rows = text.out.lines().filter(|line| line.split_whitespace().next() == Some(name.as_str()));
            assert!(rows.filter(|row| row.split_whitespace().nth(1) == Some(&count.to_string())).count() > 0, "{name}");
        }
    }
}

#[test]
fn no_colour_goes_into_a_pipe() {
    let scratch = Scratch::with_export(&[complete("s-1").as_slice(), &["oops".to_owned()]].concat());
    for arguments in [
        "reconcile export.jsonl",
        "reconcile export.jsonl --as-of 2026-05-03T10:00:00Z --stall 0 --out -",
        "reconcile export.jsonl --provider acme",
        "verify export.jsonl export.jsonl",
        "contract show saaya",
        "contract list",
        "--help",
    ] {
        let ended = scratch.finis(arguments).run();
        assert!(!ended.out.contains('\u{1B}') && !ended.err.contains('\u{1B}'), "finis {arguments}: {ended:?}");
    }
}

#[test]
fn no_name_of_the_outside_world_reaches_the_terminal_as_it_is() {
    let kind = r"\u001b[31mred\u0007";
    let scratch = Scratch::with_export(&[pathors(kind, "s-1", "2026-05-03T08:42:11Z")]);
    let ended = scratch.finis("reconcile export.jsonl --provider pathors").fine();
    assert!(!ended.out.contains(|c: char| c.is_control() && c != '\n'), "{:?}", ended.out);
    let shown: Vec<&str> = ended.line(r"\u{1b}[31mred").split_whitespace().collect();
    assert_eq!(shown, [r"\u{1b}[31mred\u{7}", "1"]);
}

#[test]
fn check_objects_to_what_is_missing_stalled_in_conflict_or_rejected() {
    let [ended, finalized] = complete("s-1");
    let with = |line: &String, fact: &str| line.replace('}', &format!(",{fact}}}"));
    for (lines, code) in [
        (vec![ended.clone(), finalized.clone()], 0),
        (vec![ended.clone(), finalized.clone(), ended.clone()], 0), // a duplicate is nobody's fault
        (vec![ended.clone()], 1),                                   // missing
        (vec![with(&ended, r#""messagesCount":8"#), with(&finalized, r#""messagesCount":9"#)], 1), // in conflict
        (vec![ended.clone(), finalized.clone(), "oops".to_owned()], 1), // rejected
        (vec![], 0),
    ] {
        let scratch = Scratch::with_export(&lines);
        let run =
            |options: &str| scratch.finis(&format!("reconcile export.jsonl --provider pathors {options}")).run().code;
        assert_eq!(run("--check"), code, "{lines:?}");
        assert_eq!(run("--check --json"), code, "{lines:?}");
        assert_eq!(run(""), 0, "{lines:?}");
    }
    // Stalled, and nothing missing: what closes it is not among what is subscribed.
    let scratch = Scratch::with_export(&[pathors("recording.ready", "s-1", "2026-05-03T08:42:11Z")]);
    let run = scratch
        .finis("reconcile export.jsonl --provider pathors --subscribe recording.ready --as-of 2026-05-04T00:00:00Z --check")
        .run();
    assert_eq!((run.code, run.line("stalled").split_whitespace().nth(1)), (1, Some("1")), "{}", run.out);
}

#[test]
fn the_number_of_threads_shows_in_no_byte_of_any_output() {
    let export = fixtures().join("pathors/export.jsonl");
    let outputs = |threads: &str| {
        let scratch = Scratch::new();
        let run = |options: &str| {
            let arguments = format!("--threads {threads} --rejects rejects {options}");
            let ended = scratch.finis("reconcile").and([&export]).and(arguments.split_whitespace()).run();
            assert_eq!(ended.code, 0, "{}", ended.err);
        };
        run("--out records --certify");
        run("--out records.csv");
        (scratch.text("records"), scratch.text("rejects"), scratch.text("records.csv"))
    };
    let one = outputs("1");
    assert!(outputs("4") == one, "--threads 4 writes something else than --threads 1");
    assert!(outputs("7") == one, "--threads 7 writes something else than --threads 1");
}

#[test]
fn what_is_no_command_is_exit_2() {
    let scratch = Scratch::with_export(&complete("s-1"));
    for arguments in [
        "",
        "reconcile",
        "reconcile export.jsonl --threads 0",
        "reconcile export.jsonl --loud",
        "verify",
        "contract",
        "acme",
    ] {
        let ended = scratch.finis(arguments).run();
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "finis {arguments}");
        assert!(!ended.err.is_empty(), "finis {arguments}");
    }
    assert_eq!(scratch.finis("--version").fine().out, concat!("finis ", env!("CARGO_PKG_VERSION"), "\n"));
}
