//! What can be asked of the command, what it answers, and how it ends: 0 when all is well, 1 when
//! it was asked to check and found something, 2 when it could not do its work, and then with what
//! to do about it.

use std::path::Path;

use serde_json::{Value, json};

use crate::door::{Finis, Scratch, check_snapshot, fixtures, gzip, joined, json_lines, pathors, zstd};

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

// What comes out

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

// The summary

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

// Contracts

/// A folder `own` with these contracts, each a file name and a text.
fn with_contracts(contracts: &[(&str, String)]) -> Scratch {
    let scratch = Scratch::with_export(&[
        r#"{"type":"call.started","call":{"id":"c-1","direction":"inbound"},"created_at":"2026-05-03T08:42:11Z"}"#,
        r#"{"type":"call.ended","call":{"id":"c-1","status":"done","seconds":61},"created_at":"2026-05-03T08:43:12Z"}"#,
    ]);
    std::fs::create_dir(scratch.path().join("own")).unwrap();
    for (name, text) in contracts {
        scratch.write(&format!("own/{name}"), text);
    }
    scratch
}

fn acme() -> String {
    std::fs::read_to_string(fixtures().join("contracts-faulty/fine.toml")).unwrap()
}

#[test]
fn a_contract_of_ones_own_is_used_like_any_other() {
    let scratch = with_contracts(&[("acme.toml", acme()), ("notes.txt", "not a contract".to_owned())]);
    let ended = scratch.finis("reconcile export.jsonl --contracts own --out records").fine();
    assert_eq!(ended.line("provider"), "provider  acme, by its look: 2 of the first 2 lines are its events");
    let record = &json_lines(&scratch.text("records"))[0];
    assert_eq!((&record["source"], &record["status"]), (&json!("acme"), &json!("complete")));
    assert_eq!(
        record["fields"],
        json!({
            "direction": "inbound", "started_at": "2026-05-03T08:42:11Z", "call_status": "done", "call_duration_s": 61,
            "outcome": "completed",
        })
    );
    let list = scratch.finis("contract list --contracts own").fine().out;
    assert_eq!(list.lines().next(), Some("acme             2026-01  Acme"));
    assert_eq!(list.lines().count(), PROVIDERS.len() + 1);
    assert!(
        scratch.finis("contract show acme --contracts own").fine().out.starts_with("Acme (acme), contract 2026-01\n")
    );
}

#[test]
fn a_contract_of_ones_own_comes_before_ours() {
    let file = fixtures().join("../adapters/providers/contracts/pathors.toml");
    let own = std::fs::read_to_string(file).unwrap().replace(r#"stall = "1h""#, r#"stall = "1m""#);
    let scratch = with_contracts(&[("mine.toml", own)]);
    scratch.write("export.jsonl", joined(&[pathors("session.ended", "s-1", "2026-05-03T08:42:11Z")]));
    let as_of = "--as-of 2026-05-03T08:44:00Z";
    assert_eq!(records_with(&scratch, as_of)[0]["status"], "open");
    assert_eq!(records_with(&scratch, &format!("{as_of} --contracts own"))[0]["status"], "stalled");
    assert_eq!(scratch.finis("contract list --contracts own").fine().out.lines().count(), PROVIDERS.len());
}

#[test]
fn a_folder_of_contracts_that_cannot_be_used_is_refused() {
    let faulty = acme().replace(r#"grace = "2m""#, r#"grace = "2""#);
    let line = faulty.lines().position(|line| line.starts_with("grace")).unwrap() + 1;
    let faulty = with_contracts(&[("acme.toml", faulty)]);
    let twice = with_contracts(&[("acme.toml", acme()), ("copy.toml", acme())]);
    let (acme, copy) = (Path::new("own").join("acme.toml"), Path::new("own").join("copy.toml"));
    for command in ["reconcile export.jsonl", "contract list", "contract show acme"] {
        faulty.finis(&format!("{command} --contracts own")).fails_with(&format!(
            "finis: {}:{line}: subject[1].grace: `2` is not a length of time: write a number and a unit, as `90s`, \
             `2m`, `1h30m` or `7d`",
            acme.display()
        ));
        twice.finis(&format!("{command} --contracts own")).fails_with(&format!(
            "finis: {}: another file of the folder is about `acme` already; remove one",
            copy.display()
        ));
        let absent = twice.finis(&format!("{command} --contracts absent")).run();
        assert_eq!((absent.code, absent.out.as_str()), (2, ""));
        assert!(absent.err.contains("`absent`"), "{}", absent.err);
    }
}

#[test]
fn each_contract_is_shown_in_words() {
    for provider in PROVIDERS {
        let ended = Finis::in_folder(&fixtures()).and(["contract", "show", provider]).fine();
        check_snapshot(&fixtures().join(format!("contract-show/{provider}.txt")), &ended.out);
    }
}

#[test]
fn every_contract_is_listed() {
    let list = Finis::in_folder(&fixtures()).and(["contract", "list"]).fine().out;
    let names: Vec<&str> = list.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(names, PROVIDERS);
    assert!(list.lines().all(|line| line.split_whitespace().count() >= 3), "{list}");
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
