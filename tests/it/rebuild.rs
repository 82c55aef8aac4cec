//! A store judged anew under a changed contract: what is said beforehand, what is done then, and who is told.

use std::collections::BTreeMap;
use std::path::Path;

use finis::engine::Settings;
use finis::engine::log::{LogRead, Stored};
use finis::live::{Finis, SourceSetup};
use finis::providers::Catalogue;
use finis::store::{Look, Snapshot};
use serde_json::{Value, json};

use crate::door::{Scratch, check_snapshot, fixtures, joined, json_lines, pathors};
use crate::store_commands::{came, close, live, old_contract, store};
use crate::store_tools::damaged;

/// The contract of pathors as it could be next year: a field has another name, a kind is added, and sessions
/// wait for longer. So much of it is replaced, and there is nothing else.
fn new_contract() -> String {
    let renamed = [("version = \"2026-05\"", "version = \"2027-01\""), ("call_status", "call_state")];
    let longer = [("grace = \"2m\"", "grace = \"10m\"")];
    let kind = r#"
        [[event]]
        kind = "session.rated"
        role = "independent"
        due = "never"
        about = "Somebody said how good it was."
        [event.facts]
        rating = "/rating"

        [[field]]
        name = "rating"
        about = "how good it was"
    "#;
    let last = "\"session.ended\", \"recording.ready\"";
    let with_rated = format!("{last}, \"session.rated\"");
    let authority = [(last, with_rated.as_str())];
    changed(&[&renamed[..], &longer, &authority].concat()) + kind
}

/// The shipped contract of pathors with these texts in place of others.
fn changed(texts: &[(&str, &str)]) -> String {
    let shipped = include_str!("../../adapters/providers/contracts/pathors.toml");
    texts.iter().fold(shipped.to_owned(), |contract, (old, new)| {
        assert!(contract.contains(old), "{old}");
        contract.replace(old, new)
    })
}

/// Puts a contract of pathors into the folder `contracts`.
fn with_contract(scratch: &Scratch, contract: &str) -> Catalogue {
    let _ = std::fs::create_dir(scratch.path().join("contracts"));
    scratch.write("contracts/pathors.toml", contract);
    let mut catalogue = Catalogue::shipped();
    catalogue.add_folder(&scratch.path().join("contracts")).unwrap();
    catalogue
}

/// A store of four sessions in four states, one of which was rated, and the new contract beside it.
fn rated() -> Scratch {
    let scratch = store();
    scratch.write("rated.jsonl", joined(&[came("session.rated", "late", 40, r#","rating":5"#)]));
    scratch.finis("import rated.jsonl").fine();
    with_contract(&scratch, &new_contract());
    scratch
}

/// Every file beneath a folder, byte for byte.
fn bytes_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(bytes_of(&path));
        } else {
            files.insert(path.display().to_string(), std::fs::read(&path).unwrap());
        }
    }
    files
}

/// All that a store has of its sessions, and its outbox.
async fn everything(folder: &Path) -> (Vec<Stored>, Vec<String>) {
    let snapshot = Snapshot::open(folder).unwrap();
    let keys = snapshot.sessions(None, usize::MAX).await.unwrap();
    let notices = snapshot.notices(0, usize::MAX).await.unwrap();
    let notices = notices.into_iter().map(|(seq, notice)| notice.to_json(seq)).collect();
    (snapshot.load(&keys).await.unwrap(), notices)
}

/// A report without what it takes its time for, and whether it was done.
fn without_time(mut report: Value) -> Value {
    for part in ["seconds", "applied"] {
        report.as_object_mut().unwrap().remove(part).unwrap();
    }
    report
}

const NEW: &str = "--contracts contracts --contract-deadlines";

#[test]
fn what_would_change_is_said_and_nothing_is_written() {
    let scratch = rated();
    let folder = scratch.path().join("finis.db");
    let before = bytes_of(&folder);
    let told = scratch.finis(&format!("rebuild {NEW}")).fine().out;
    check_snapshot(&fixtures().join("store-commands").join("rebuild.txt"), &told);
    scratch.finis(&format!("rebuild {NEW} --json --announce")).fine();
    assert_eq!(bytes_of(&folder), before);
    assert_eq!(scratch.finis("rebuild").fine().line("Sessions"), "Sessions   5, 0 would change");
}

#[test]
fn what_is_applied_is_what_was_said_and_twice_changes_nothing() {
    let scratch = rated();
    let preview = scratch.finis(&format!("rebuild {NEW} --json")).fine().json();
    assert_eq!(preview["sessions_changed"], 3);
    assert_eq!((&preview["quiet_notices"], &preview["notices"]), (&json!({"amended": 2}), &json!({})));
    assert_eq!(preview["due"], 1, "one that settles waits for longer");
    let applied = scratch.finis(&format!("rebuild {NEW} --apply --json")).fine().json();
    assert_eq!((&preview["applied"], &applied["applied"]), (&json!(false), &json!(true)));
    assert_eq!(without_time(applied), without_time(preview));

    // The store remembers the terms by now, and the contract is the same.
    let folder = scratch.path().join("finis.db");
    let journal = bytes_of(&folder.join("journal"));
    for command in ["rebuild --contracts contracts --json", "rebuild --contracts contracts --apply --announce --json"] {
        let again = scratch.finis(command).fine().json();
        assert_eq!((&again["changed"], &again["sessions_changed"]), (&json!(false), &json!(0)), "{again}");
    }
    assert_eq!(bytes_of(&folder.join("journal")).keys().count(), journal.keys().count());
    scratch.finis("doctor").fine();
}

#[test]
fn it_ends_as_a_store_that_was_filled_under_the_new_contract() {
    let scratch = rated();
    scratch.finis(&format!("rebuild {NEW} --apply")).fine();
    let rebuilt = scratch.finis("sessions --json --contracts contracts").fine().out;
    assert!(rebuilt.contains(r#""call_state":"transferred""#) && rebuilt.contains(r#""rating":5"#), "{rebuilt}");
    let fresh = "export.jsonl rated.jsonl --source desk --provider pathors --contracts contracts --store fresh.db";
    scratch.finis(&format!("import {fresh} --as-of 2026-05-03T09:50:30Z")).fine();
    assert_eq!(scratch.finis("sessions --json --contracts contracts --store fresh.db").fine().out, rebuilt);
    // And so it is exported.
    scratch.finis("export --out out.jsonl").run();
    scratch.finis("reconcile out.jsonl --contracts contracts --certify --out records.ndjson").fine();
    assert_eq!(scratch.text("records.ndjson"), rebuilt);
    let told = scratch.finis("show late --contracts contracts").fine().out;
    assert!(told.contains("said amended, revision 2"), "{told}");
}

#[test]
fn corrections_are_announced_only_when_that_is_wanted_and_never_again() {
    let quiet = rated();
    let said = |scratch: &Scratch| json_lines(&scratch.finis("notices --json").fine().out);
    let before = said(&quiet);
    quiet.finis(&format!("rebuild {NEW} --apply")).fine();
    assert_eq!(said(&quiet), before);
    quiet.finis(&format!("rebuild {NEW} --apply --announce")).fine();
    assert_eq!(said(&quiet), before, "what was remembered as said is not said again");

    let loud = rated();
    loud.finis(&format!("rebuild {NEW} --apply --announce")).fine();
    let all = said(&loud);
    assert_eq!(all[..before.len()], before);
    // Sessions stand in an order of the store's own.
    let of = |session: &str| all[before.len()..].iter().find(|notice| notice["record"]["session"] == session).unwrap();
    assert_eq!(all.len(), before.len() + 2);
    assert_eq!(of("call")["kind"], "amended");
    let late = of("late");
    assert_eq!((&late["kind"], &late["revision"]), (&json!("amended"), &json!(2)));
    assert_eq!(late["changes"], json!([{"part": "fields.rating", "new": 5}]));
}

#[test]
fn who_was_told_nothing_yet_is_told_though_it_is_quiet() {
    // A session is over with what was only its first end so far.
    let scratch = store();
    with_contract(&scratch, &changed(&[("closes = [\"session.finalized\"]", "closes = [\"session.ended\"]")]));
    let told = scratch.finis("rebuild --contracts contracts --apply --json").fine().json();
    // What had stalled is complete now, and that is a correction.
    assert_eq!((&told["notices"], &told["quiet_notices"]["complete"]), (&json!({"complete": 1}), &json!(1)));
    let last = json_lines(&scratch.finis("notices --json").fine().out).pop().unwrap();
    assert_eq!((&last["kind"], &last["record"]["session"]), (&json!("complete"), &json!("open")));
    assert!(scratch.finis("show lost --contracts contracts").fine().out.contains("said complete, revision 1"));
}

#[test]
fn terms_stay_as_the_store_remembers_them_unless_told() {
    let scratch = store();
    scratch.finis("import export.jsonl --grace 90s --subscribe session.ended,session.finalized").fine();
    with_contract(&scratch, &new_contract());
    let terms = |arguments: &str| {
        let told = scratch.finis(&format!("rebuild --contracts contracts --json {arguments}")).fine().json();
        let new = &told["sources"][0]["new"];
        format!("{} {} {}", new["grace"].as_str().unwrap(), new["stall"].as_str().unwrap(), new["subscription"])
    };
    assert_eq!(terms(""), r#"1m30s 1h ["session.ended","session.finalized"]"#);
    assert_eq!(terms("--contract-deadlines"), r#"10m 1h ["session.ended","session.finalized"]"#);
    assert_eq!(terms("--contract-deadlines --grace desk=1m"), r#"1m 1h ["session.ended","session.finalized"]"#);
    assert_eq!(terms("--stall 2h --subscribe session.finalized"), r#"1m30s 2h ["session.finalized"]"#);
    let told = scratch.finis("rebuild --contracts contracts").fine().out;
    assert!(
        told.contains("grace 1m30s, as the store remembers; the contract says 10m (--contract-deadlines)"),
        "{told}"
    );

    // It is subscribed to a kind that is called otherwise by now.
    let gone = new_contract().replace("session.ended", "session.over");
    with_contract(&scratch, &gone);
    let told = scratch.finis("rebuild --contracts contracts").run();
    assert_eq!(told.code, 2);
    assert!(told.err.contains("no kind of event is called `session.ended`"), "{}", told.err);
    assert_eq!(terms("--subscribe session.over"), r#"1m30s 1h ["session.over"]"#);
}

#[test]
fn what_cannot_be_done_is_refused_with_what_to_do() {
    Scratch::new()
        .finis("rebuild --apply")
        .fails_with("finis: there is no store at `finis.db`: name it with --store DIR, or with FINIS_STORE");
    let scratch = store();
    let no_source = "no source of the store is called so: there are desk";
    scratch.finis("rebuild --source crm").fails_with(&format!("finis: --source crm: {no_source}"));
    scratch.finis("rebuild --grace crm=1m").fails_with(&format!("finis: --grace crm=1m: {no_source}"));
    scratch.finis("rebuild --as-of 2999-01-01T00:00:00Z").fails_with(
        "finis: --as-of 2999-01-01T00:00:00Z: it has not come yet, and a store never judges ahead of its time; give an earlier one, or leave it out",
    );
    // A time that the store is past does not take it back.
    let told = scratch.finis("rebuild --as-of 2026-05-03T08:00:00Z --json").fine().json();
    assert_eq!((&told["as_of"], &told["changed"]), (&json!("2026-05-03T09:50:00Z"), &json!(false)));
}

#[test]
fn deadlines_that_are_over_at_a_later_time_pass_and_are_told() {
    let scratch = store();
    let told = scratch.finis("rebuild --as-of 2026-05-03T12:00:00Z --apply --json").fine().json();
    assert_eq!((&told["deadlines"], &told["notices"]), (&json!(2), &json!({"complete": 1, "stalled": 1})));
    assert_eq!(scratch.finis("rebuild --as-of 2026-05-03T12:00:00Z --json").fine().json()["changed"], false);
}

#[test]
fn one_source_is_rebuilt_and_the_others_are_left() {
    let scratch = rated();
    scratch.finis("import export.jsonl --source lab --provider pathors --as-of 2026-05-03T09:50:30Z").fine();
    let told = scratch.finis(&format!("rebuild {NEW} --source lab --apply --json")).fine().json();
    assert_eq!((&told["sessions"], &told["sources"].as_array().unwrap().len()), (&json!(5), &1));
    let left = scratch.finis(&format!("rebuild {NEW} --json")).fine().json();
    let changed: Vec<_> = left["sources"].as_array().unwrap().iter().map(|source| &source["changed"]).collect();
    assert_eq!((changed, &left["sessions_changed"]), (vec![&json!(true), &json!(false)], &json!(3)));
}

#[test]
fn what_is_gone_damaged_or_cannot_be_read_stays_as_it_is() {
    let scratch = rated();
    scratch.finis("forget call --yes").fine();
    let told = scratch.finis(&format!("rebuild {NEW} --apply --announce --json")).fine().json();
    assert_eq!(told["sessions"], 4);
    // It was forgotten today, and by today the others are over.
    assert_eq!(told["notices"], json!({"amended": 1, "complete": 1, "stalled": 1}));
    assert!(!scratch.finis("sessions --contracts contracts").fine().out.contains("call"));

    let scratch = damaged();
    with_contract(&scratch, &new_contract());
    let report = |arguments: &str| {
        let ended = scratch.finis(&format!("rebuild {arguments} --json")).run();
        assert_eq!(ended.code, 0, "{}", ended.err);
        ended.json()
    };
    let (preview, applied) = (report(NEW), report(&format!("{NEW} --apply")));
    assert_eq!((&preview["sessions"], &preview["sessions_damaged"]), (&json!(2), &json!(1)));
    assert_eq!(without_time(applied), without_time(preview));

    // Where the id stands somewhere else, nothing can be judged, and nothing is taken back.
    let scratch = store();
    with_contract(&scratch, &old_contract());
    let before = scratch.finis("notices").fine().out;
    let told = scratch.finis("rebuild --contracts contracts --apply --announce --json").fine().json();
    assert_eq!((&told["sessions_unreadable"], &told["sessions_changed"]), (&json!(5), &json!(0)));
    assert_eq!(scratch.finis("notices").fine().out, before);
}

#[test]
fn events_that_are_not_read_as_they_were_are_counted() {
    let other = r#","callId":"other""#;
    let own = r#","callId":"s-1""#;
    let scratch = Scratch::with_export(&[
        came("session.ended", "s-1", 11, own),
        came("call.ended", "s-1", 12, other),
        came("session.finalized", "s-1", 13, ""),
    ]);
    scratch.finis("import export.jsonl --source desk --provider pathors").fine();
    with_contract(&scratch, &changed(&[("id = \"/sessionId\"", "id = \"/callId\"")]));
    let told = scratch.finis("rebuild --contracts contracts --json").fine().json();
    assert_eq!((&told["events_elsewhere"], &told["events_unreadable"]), (&json!(1), &json!(1)), "{told}");
    assert_eq!((&told["sessions"], &told["sessions_unreadable"]), (&json!(1), &json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_in_use_is_looked_at_and_not_written() {
    let scratch = Scratch::new();
    let old = with_contract(&scratch, &old_contract());
    let finis = live(scratch.path(), &old).await;
    let body = pathors("session.finalized", "s-1", "2026-05-03T08:42:11Z");
    finis.receive("desk", &[], body.replace("sessionId", "session").as_bytes()).await.unwrap();
    // Two deliveries of a form that its contract does not know.
    for kind in ["session.ended", "session.finalized"] {
        finis.receive("desk", &[], pathors(kind, "s-2", "2026-05-03T08:42:11Z").as_bytes()).await.unwrap();
    }
    let pid = std::process::id();
    let looked = scratch.finis("rebuild").run();
    let beside = format!("process {pid} has the store `finis.db`: it is read from its journal alone, as it is now\n");
    assert_eq!((looked.code, looked.err), (0, beside));
    assert!(looked.out.contains("2 deliveries can be read now: `finis quarantine retry` takes them"), "{}", looked.out);
    scratch.finis("rebuild --apply").fails_with(&format!(
        "finis: cannot open the store at `finis.db`: held by process {pid}; stop it, or give another --store"
    ));
    close(finis, &scratch).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_opened_then_has_the_same_records_and_goes_on() {
    let scratch = rated();
    scratch.finis(&format!("rebuild {NEW} --apply")).fine();
    let catalogue = with_contract(&scratch, &new_contract());
    let records = scratch.finis("sessions --json --contracts contracts").fine().out;
    let source = SourceSetup::new("desk", "pathors").unsigned();
    let folder = scratch.path().join("finis.db");
    let finis = Finis::open_with(&folder, [source], &catalogue, Settings::default()).await.unwrap();
    for record in json_lines(&records).iter().filter(|record| record["status"] == "complete") {
        let session = record["session"].as_str().unwrap();
        let told: Value = serde_json::from_str(&finis.session("desk", session).await.unwrap().unwrap()).unwrap();
        assert_eq!(told, *record);
    }
    // What comes now is the next revision, with this change alone.
    let rating = r#"{"event":"session.rated","sessionId":"late","timestamp":"2026-05-04T08:00:00Z","rating":4}"#;
    finis.receive("desk", &[], rating.as_bytes()).await.unwrap();
    close(finis, &scratch).await;
    let last = json_lines(&scratch.finis("notices --json").fine().out).pop().unwrap();
    assert_eq!((&last["revision"], &last["record"]["session"]), (&json!(3), &json!("late")));
    let parts: Vec<&str> =
        last["changes"].as_array().unwrap().iter().map(|change| change["part"].as_str().unwrap()).collect();
    assert!(parts.contains(&"fields.rating") && !parts.contains(&"fields.call_state"), "{last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_killed_is_done_by_the_next() {
    const SESSIONS: usize = 600;
    let at = "2026-05-03T08:42:11Z";
    let finalized = |session| pathors("session.finalized", &format!("s-{session}"), at);
    let call = |body: String| body.replace('}', r#","callStatus":"busy"}"#);
    let scratch = Scratch::with_export(&(0..SESSIONS).map(finalized).map(call).collect::<Vec<_>>());
    scratch.finis("import export.jsonl --provider pathors --as-of 2026-05-03T12:00:00Z").fine();
    with_contract(&scratch, &new_contract());
    let folder = scratch.path().join("finis.db");
    let before = everything(&folder).await;
    assert_eq!(before.1.len(), SESSIONS);
    let whole = Scratch::new();
    with_contract(&whole, &new_contract());
    scratch.finis("backup").and(["--to".as_ref(), whole.path().join("finis.db").as_os_str()]).fine();
    whole.finis(&format!("rebuild {NEW} --apply --announce")).fine();

    let mut child = scratch.finis(&format!("rebuild {NEW} --apply --announce")).start();
    // As soon as some of it is there, and most of it is not.
    let mut look = Look::open(&folder, &Catalogue::shipped()).await.unwrap();
    while look.log().notice_count() == SESSIONS as u64 && child.try_wait().unwrap().is_none() {
        look.refresh().unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let killed = everything(&folder).await;
    assert!(killed.1.len() > SESSIONS, "it was not killed before it began");
    scratch.finis("rebuild --contracts contracts --apply --announce").fine();
    let (sessions, notices) = everything(&folder).await;
    assert_eq!(notices.len(), 2 * SESSIONS);
    assert_eq!((sessions, notices), everything(&whole.path().join("finis.db")).await);
}
