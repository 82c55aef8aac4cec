//! Whose lines they are, and under what terms they are judged.

use serde_json::{Value, json};

use super::{complete, delivery, records_with, statuses, two_sources};
use crate::door::{Scratch, json_lines, pathors};

// Sources

#[test]
fn lines_that_name_no_source_are_of_the_provider_unless_one_is_given() {
    let scratch = Scratch::with_export(&complete("s-1"));
    assert_eq!(records_with(&scratch, "")[0]["source"], "pathors");
    assert_eq!(records_with(&scratch, "--source front-desk")[0]["source"], "front-desk");
    let ended = scratch.finis("reconcile export.jsonl --source desk=pathors --out -").run();
    assert_eq!(json_lines(&ended.out)[0]["source"], "desk");
}

#[test]
fn sources_may_be_of_several_providers() {
    let scratch = two_sources();
    let complete = |name: &str| (name.to_owned(), "complete".to_owned());
    let open = |name: &str| (name.to_owned(), "open".to_owned());
    let run = |options: &str| {
        let ended = scratch.finis(&format!("reconcile export.jsonl {options} --out - --rejects rejects")).run();
        assert_eq!(ended.code, 0, "{}", ended.err);
        let rejects = json_lines(&scratch.text("rejects"));
        let reason = |reject: &Value| format!("{}: {}", reject["line"], reject["reason"].as_str().unwrap());
        (statuses(&ended.out), rejects.iter().map(reason).collect::<Vec<_>>())
    };
    let attic = "4: the source `attic` is not known: say what it is with --source attic=PROVIDER".to_owned();
    let none = "5: the line names no source, and several are given: name one with --source NAME".to_owned();

    let (records, rejects) = run("--source desk=pathors --source lab=saaya");
    assert_eq!(records, [complete("desk"), complete("lab")]);
    assert_eq!(rejects, [attic.clone(), none]);

    let (records, rejects) = run("--source desk=pathors --source lab=saaya --source desk");
    assert_eq!(records, [complete("desk"), complete("lab")]);
    assert_eq!(rejects, [attic]);

    // What is not named is of the provider.
    let (records, rejects) = run("--source lab=saaya --provider pathors");
    assert_eq!(records, [open("attic"), complete("desk"), complete("lab"), open("pathors")]);
    assert_eq!(rejects, Vec::<String>::new());
}

#[test]
fn a_source_that_makes_no_sense_is_refused() {
    let scratch = two_sources();
    for (sources, problem) in [
        ("--source a=pathors --source a=saaya", "--source a: it is given twice; give each source once"),
        (
            "--provider pathors --source a --source b",
            "--source b: lines that name no source have one; give several as NAME=PROVIDER",
        ),
        ("--source =pathors", "--source `=pathors`: a source has a name"),
        ("--source a=pathors --source b", "--source b: say of which provider it is, with --provider or as b=PROVIDER"),
        (
            "--source a=acme",
            "no contract is called `acme`: there are agntix, pathors, saaya, smallest, smallest-legacy; bring your \
             own with --contracts DIR",
        ),
    ] {
        scratch.finis(&format!("reconcile export.jsonl {sources}")).fails_with(&format!("finis: {problem}"));
    }
}

// Terms

#[test]
fn what_is_not_subscribed_is_not_waited_for() {
    let [ended, _] = complete("s-1");
    let scratch = Scratch::with_export(&[ended]);
    let all = &records_with(&scratch, "")[0];
    assert_eq!((&all["status"], &all["missing"]), (&json!("open"), &json!(["session.finalized"])));
    let narrow = &records_with(&scratch, "--subscribe session.ended")[0];
    assert_eq!((&narrow["status"], &narrow["by"]), (&json!("complete"), &json!("evidence")));
    // Blanks do no harm, and neither does saying everything.
    let every = ["session.ended", " call.ended", "session.finalized", "recording.ready "].join(",");
    let run = scratch.finis("reconcile export.jsonl --out - --provider pathors --subscribe").and([every]).run();
    assert_eq!(json_lines(&run.out)[0], *all);
}

#[test]
fn a_subscription_to_what_there_is_not_is_refused() {
    let scratch = Scratch::with_export(&complete("s-1"));
    scratch.finis("reconcile export.jsonl --subscribe session.ended,session.over").fails_with(
        "finis: --subscribe session.ended,session.over: pathors: no kind of event is called `session.over`; there are \
         session.ended, call.ended, session.finalized, recording.ready",
    );
}

#[test]
fn a_subscription_to_nothing_is_refused() {
    let scratch = Scratch::with_export(&complete("s-1"));
    for nothing in ["", ",", " "] {
        let ended = scratch.finis("reconcile export.jsonl --subscribe").and([nothing]).run();
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "`{nothing}`");
    }
}

#[test]
fn grace_and_stall_are_set_in_seconds_or_with_a_unit() {
    let [ended, _] = complete("s-2");
    let scratch = Scratch::with_export(&[ended, pathors("session.finalized", "s-1", "2026-05-03T08:42:11Z")]);
    let status = |options: &str| {
        let records = records_with(&scratch, &format!("--as-of 2026-05-03T08:44:00Z {options}"));
        records.iter().map(|record| record["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(status(""), ["settling", "open"]);
    for span in ["109", "109s", "1m49s", "0"] {
        assert_eq!(status(&format!("--grace {span}")), ["complete", "open"], "--grace {span}");
        assert_eq!(status(&format!("--stall {span}")), ["settling", "stalled"], "--stall {span}");
    }
    assert_eq!(status("--grace 110 --stall 1m50s"), ["settling", "open"]);

    for (option, value) in [("--grace", "2 minutes"), ("--stall", "-1"), ("--stall", "soon"), ("--grace", "1w")] {
        let problem = format!(
            "finis: {option} {value}: `{value}` is not a length of time: write a number and a unit, as `90s`, `2m`, \
             `1h30m` or `7d`"
        );
        let given = format!("{option}={value}");
        scratch.finis("reconcile export.jsonl --provider pathors").and([given]).fails_with(&problem);
    }
}

#[test]
fn terms_may_be_those_of_one_source() {
    let [ended, _] = complete("s-1");
    let export = [delivery(Some("desk"), &ended), delivery(Some("lab"), &ended)];
    let scratch = Scratch::with_export(&export);
    let run = |options: &str| {
        let sources = "--source desk=pathors --source lab=pathors --as-of 2026-05-03T09:00:00Z";
        let ended = scratch.finis(&format!("reconcile export.jsonl {sources} {options} --out -")).run();
        assert_eq!(ended.code, 0, "{}", ended.err);
        statuses(&ended.out).into_iter().map(|(_, status)| status).collect::<Vec<_>>()
    };
    assert_eq!(run(""), ["open", "open"]);
    assert_eq!(run("--stall lab=5m"), ["open", "stalled"]);
    assert_eq!(run("--stall 5m --stall lab=1h"), ["stalled", "open"]);
    assert_eq!(run("--subscribe desk=session.ended"), ["complete", "open"]);

    scratch
        .finis("reconcile export.jsonl --source desk=pathors --source lab=pathors --grace attic=1m")
        .fails_with("finis: --grace attic=1m: there is no source `attic`; name it with --source attic=PROVIDER");
}

#[test]
fn terms_of_a_source_go_by_the_name_that_its_records_have() {
    let [ended, _] = complete("s-1");
    let scratch = Scratch::with_export(&[ended]);
    for (sources, name) in [
        ("", "pathors"),
        ("--provider pathors", "pathors"),
        ("--provider pathors --source desk", "desk"),
        ("--source desk=pathors", "desk"),
    ] {
        let stall = format!("--stall {name}=5m --as-of 2026-05-03T09:00:00Z");
        let ended = scratch.finis(&format!("reconcile export.jsonl {sources} {stall} --out -")).run();
        assert_eq!((ended.code, ended.err.lines().next()), (0, Some("Read       export.jsonl")), "{sources}");
        assert_eq!(statuses(&ended.out), [(name.to_owned(), "stalled".to_owned())], "{sources}");
    }
}

#[test]
fn deadlines_are_judged_at_the_time_that_is_given_or_else_the_latest() {
    let [ended, _] = complete("s-1");
    let scratch = Scratch::with_export(&[ended]);
    let as_of =
        |options: &str| scratch.finis(&format!("reconcile export.jsonl {options}")).fine().line("as of").to_owned();
    assert_eq!(as_of(""), "as of     2026-05-03T08:42:11Z, the latest time in the exports");
    assert_eq!(as_of("--as-of 2026-05-03T11:42:11+02:00"), "as of     2026-05-03T09:42:11Z, as given");
    assert_eq!(records_with(&scratch, "--as-of 2026-05-03T09:42:11Z")[0]["status"], "stalled");
    for none in ["yesterday", "2026-05-03", "2026-05-03T09:42:11"] {
        let ended = scratch.finis(&format!("reconcile export.jsonl --as-of {none}")).run();
        assert_eq!(ended.code, 2);
        assert!(ended.err.contains(&format!("invalid value '{none}' for '--as-of <TIME>'")), "{}", ended.err);
    }
}

#[test]
fn a_latest_time_far_from_all_others_is_warned_of() {
    let far = pathors("session.ended", "s-9", "2099-01-01T00:00:00Z");
    let scratch = Scratch::with_export(&[complete("s-1").as_slice(), &[far]].concat());
    let ended = scratch.finis("reconcile export.jsonl").fine();
    assert_eq!(
        ended.line("Warning:"),
        "Warning: one event stands at 2099-01-01T00:00:00Z, far from all others: the next is at \
         2026-05-03T08:42:12Z. Deadlines are judged at its time; give another with --as-of.",
    );
    let summary = scratch.finis("reconcile export.jsonl --json").fine().json();
    assert_eq!(summary["as_of_is_far_from_all_others"], true);
    let ended = scratch.finis("reconcile export.jsonl --as-of 2026-05-03T10:00:00Z").fine();
    assert!(!ended.out.contains("Warning"), "{}", ended.out);
}
