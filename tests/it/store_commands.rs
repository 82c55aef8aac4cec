//! A store looked into: what is listed and shown, beside whoever has the store, and what comes out of quarantine.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use finis::engine::{Receipt, Settings};
use finis::live::{EmbeddedLog, Finis, SourceSetup, StoreSettings};
use finis::providers::Catalogue;
use finis::store::Holder;
use finis_store::IndexState;
use serde_json::Value;

use crate::door::{Scratch, check_snapshot, fixtures, json_lines, pathors};

/// A delivery of an event of a session, that came a second after it happened.
pub(crate) fn came(kind: &str, session: &str, second: u32, more: &str) -> String {
    format!(
        r#"{{"received_at":"2026-05-03T08:42:{:02}.250Z","body":{{"event":"{kind}","sessionId":"{session}","timestamp":"2026-05-03T08:42:{second:02}Z"{more}}}}}"#,
        second + 1
    )
}

/// A call with everything in it, a text that misses its end, one that has a conflict, and one that is open.
pub(crate) fn deliveries() -> Vec<String> {
    vec![
        came("session.ended", "call", 11, r#","messagesCount":8,"extractedVariables":{"name":"Nancy"}"#),
        came("call.ended", "call", 14, r#","callStatus":"userHangup","callDuration":78"#),
        came("session.finalized", "call", 15, r#","messagesCount":8,"callStatus":"userHangup","callDuration":78"#),
        came("session.finalized", "call", 16, r#","messagesCount":9,"callStatus":"transferred","callDuration":80"#),
        came("recording.ready", "call", 30, r#","success":true,"recordingUrl":"https://r.example/call""#),
        came("session.finalized", "late", 20, r#","messagesCount":3"#),
        came("session.ended", "lost", 12, ""),
        format!(
            r#"{{"received_at":"2026-05-03T09:30:00Z","body":{}}}"#,
            pathors("session.ended", "open", "2026-05-03T09:30:00Z")
        ),
        format!(
            r#"{{"received_at":"2026-05-03T09:50:00Z","body":{}}}"#,
            pathors("session.finalized", "settling", "2026-05-03T09:50:00Z")
        ),
    ]
}

/// A store with these in it, of the source `desk`.
pub(crate) fn store() -> Scratch {
    let scratch = Scratch::with_export(&deliveries());
    scratch.finis("import export.jsonl --source desk --provider pathors --as-of 2026-05-03T09:50:30Z").fine();
    scratch
}

fn snapshot(name: &str, text: &str) {
    check_snapshot(&fixtures().join("store-commands").join(name), text);
}

#[test]
fn a_store_is_listed() {
    let scratch = store();
    snapshot("sessions.txt", &scratch.finis("sessions").fine().out);
    snapshot("notices.txt", &scratch.finis("notices").fine().out);
    let listed = |arguments: &str| {
        let records = json_lines(&scratch.finis(&format!("sessions --json {arguments}")).fine().out);
        records.iter().map(|record| record["session"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed("--status stalled"), ["lost"]);
    assert_eq!(listed("--status open"), ["open"]);
    assert_eq!(listed("--missing session.finalized"), ["lost", "open"]);
    assert_eq!(listed("--since 2026-05-03T09:30:00Z"), ["open", "settling"]);
    assert_eq!(listed("--until 2026-05-03T08:42:21Z"), ["lost"]);
    assert_eq!(listed("--source desk --limit 2"), ["call", "late"]);
    let after = json_lines(&scratch.finis("notices --json --after 3").fine().out);
    assert_eq!(after[0]["seq"], 4);
}

#[test]
fn a_timeline_says_what_each_entry_changed() {
    let scratch = store();
    let mut told = String::new();
    for session in ["call", "late", "lost", "open", "settling"] {
        told.push_str(&scratch.finis(&format!("show {session}")).fine().out);
        told.push('\n');
    }
    snapshot("show.txt", &told);
    let lines = json_lines(&scratch.finis("show settling --json").fine().out);
    let entries: Vec<&str> = lines.iter().map(|line| line["entry"].as_str().unwrap()).collect();
    assert_eq!(entries, ["event", "record"]);
    assert_eq!(lines[1]["awaits_until"], "2026-05-03T09:52:00Z");
    assert_eq!(lines[1]["record"]["status"], "settling");
}

#[test]
fn a_session_of_two_sources_is_asked_for_by_name() {
    let scratch = store();
    scratch.finis("import export.jsonl --source lab --provider pathors").fine();
    scratch
        .finis("show call")
        .fails_with("finis: several sources have a session `call`: say which with --source: desk, lab");
    assert!(scratch.finis("show call --source lab").fine().out.starts_with("Session  call of lab\n"));
    scratch
        .finis("show nobody")
        .fails_with("finis: no session of the store has the id `nobody`: `finis sessions` lists them");
}

#[test]
fn what_is_not_there_is_said_with_what_to_do() {
    let scratch = Scratch::new();
    for command in
        ["sessions", "show x", "notices", "export", "quarantine list", "quarantine show x", "quarantine retry"]
    {
        scratch
            .finis(command)
            .fails_with("finis: there is no store at `finis.db`: name it with --store DIR, or with FINIS_STORE");
    }
    assert_eq!(scratch.names(), Vec::<String>::new(), "who only looks makes nothing");
    let scratch = store();
    scratch
        .finis("sessions --source crm")
        .fails_with("finis: --source crm: no source of the store is called so: there are desk");
    scratch
        .finis("notices --consumer crm")
        .fails_with("finis: --consumer crm: no consumer of the store is called so: there are none");
    scratch
        .finis("quarantine show 00")
        .fails_with("finis: nothing in quarantine has the id `00`: `finis quarantine list` has them");
    let told = scratch.finis("sessions --status done").run();
    assert_eq!(told.code, 2);
    assert!(told.err.contains("a session is open, settling, complete, stalled"), "{}", told.err);
}

/// A live store in a folder, held by this process.
pub(crate) async fn live(folder: &Path, catalogue: &Catalogue) -> Finis {
    let source = SourceSetup::new("desk", "pathors").unsigned();
    Finis::open_with(folder.join("finis.db"), [source], catalogue, Settings::default()).await.unwrap()
}

/// Closes it, and waits until nobody has the folder.
pub(crate) async fn close(finis: Finis, scratch: &Scratch) {
    finis.close().await.unwrap();
    drop(finis);
    for _ in 0..1000 {
        if Holder::of(&scratch.path().join("finis.db")).is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("somebody still has the store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_somebody_has_is_read_beside_him_and_not_written() {
    let scratch = Scratch::new();
    let finis = live(scratch.path(), &Catalogue::shipped()).await;
    let at = "2026-05-03T08:42:11Z";
    for (kind, session) in [("ended", "s-1"), ("finalized", "s-1"), ("finalized", "s-2")] {
        finis.receive("desk", &[], pathors(&format!("session.{kind}"), session, at).as_bytes()).await.unwrap();
    }
    finis.receive("desk", &[], b"oops").await.unwrap();
    let mut crm = finis.notices("crm").await.unwrap();
    let seq = crm.next().await.unwrap().unwrap().seq;
    crm.ack(seq).await.unwrap();

    let pid = std::process::id();
    let beside = format!("process {pid} has the store `finis.db`: it is read from its journal alone, as it is now\n");
    let look = |command: &str| {
        let ended = scratch.finis(command).run();
        assert_eq!((ended.code, ended.err.as_str()), (0, beside.as_str()), "{command}");
        ended.out
    };
    // What is read from beside is what the engine itself says.
    let sessions = look("sessions --json");
    for (session, record) in ["s-1", "s-2"].into_iter().zip(sessions.lines()) {
        assert_eq!(finis.session("desk", session).await.unwrap().unwrap(), record);
    }
    assert!(look("show s-1").contains("said complete, revision 1"));
    assert!(look("notices").ends_with("1 notice, acknowledged by crm up to 1\n"));
    assert!(look("notices --consumer crm").starts_with("0 notices"));
    assert!(look("quarantine list").contains("not JSON"));
    // And so is what is made offline of what is exported from beside.
    look("export --out export.jsonl");
    scratch.finis("reconcile export.jsonl --certify --out records.ndjson").fine();
    assert_eq!(scratch.text("records.ndjson"), sessions);

    let held =
        format!("finis: cannot open the store at `finis.db`: held by process {pid}; stop it, or give another --store");
    scratch.finis("import export.jsonl").fails_with(&held);
    scratch.finis("quarantine retry").fails_with(&held);
    // Whoever is told has a hand on the store, too.
    drop(crm);
    close(finis, &scratch).await;
    scratch.finis("sessions").fine();
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notices_are_followed_beside_the_writer_until_interrupted() {
    let scratch = Scratch::new();
    let finis = live(scratch.path(), &Catalogue::shipped()).await;
    let receive = async |session: &str| {
        for kind in ["session.ended", "session.finalized"] {
            finis.receive("desk", &[], pathors(kind, session, "2026-05-03T08:42:11Z").as_bytes()).await.unwrap();
        }
    };
    receive("s-1").await;
    let mut child = scratch.finis("notices --follow --json").start();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || {
        let notice: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        (notice["seq"].as_u64().unwrap(), notice["record"]["session"].as_str().unwrap().to_owned())
    };
    assert_eq!(next(), (1, "s-1".into()));
    for (seq, session) in [(2, "s-2"), (3, "s-3")] {
        receive(session).await;
        assert_eq!(next(), (seq, session.into()));
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(told.lines().count(), 1, "{told}");
    close(finis, &scratch).await;
}

/// The contract of pathors with its session id elsewhere, as of a version of long ago.
pub(crate) fn old_contract() -> String {
    let today = include_str!("../../adapters/providers/contracts/pathors.toml");
    let old = today.replace("/sessionId", "/session");
    assert_ne!(today, old);
    old
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_refused_is_read_again_under_a_changed_contract() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path().join("contracts")).unwrap();
    scratch.write("contracts/pathors.toml", old_contract());
    let mut catalogue = Catalogue::shipped();
    catalogue.add_folder(&scratch.path().join("contracts")).unwrap();
    let finis = live(scratch.path(), &catalogue).await;
    let bodies = ["session.ended", "session.finalized"].map(|kind| pathors(kind, "s-1", "2026-05-03T08:42:11Z"));
    for body in bodies.iter().map(String::as_str).chain(["{\"event\":\u{1}"]) {
        let receipt = finis.receive("desk", &[], body.as_bytes()).await.unwrap();
        assert!(matches!(receipt, Receipt::Quarantined { .. }), "{receipt:?}");
    }
    close(finis, &scratch).await;

    let listed = json_lines(&scratch.finis("quarantine list --json").fine().out);
    let reasons: Vec<&str> = listed.iter().map(|line| line["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons[0], "no session id: nothing at `/session`");
    assert_eq!(reasons.len(), 3);
    let id = listed[0]["id"].as_str().unwrap();
    let shown = scratch.finis(&format!("quarantine show {}", &id[..8])).fine().out;
    assert!(shown.contains(&bodies[0]) && shown.contains(reasons[0]), "{shown}");
    let whole = scratch.finis(&format!("quarantine show {id} --json")).fine().json();
    assert_eq!(whole["body"], bodies[0].as_str());

    // Under the same contract nothing has changed.
    let told = scratch.finis("quarantine retry --contracts contracts --json").fine().json();
    assert_eq!((told["read"].as_array().unwrap().len(), told["left"].as_array().unwrap().len()), (0, 3));
    let told = scratch.finis("quarantine retry").fine();
    assert_eq!(told.line("Read"), "Read  2 deliveries");
    assert_eq!(told.line("said"), "said  complete 1");
    assert_eq!(told.line("Left"), "Left  1 delivery");
    assert_eq!(json_lines(&scratch.finis("quarantine list --json").fine().out).len(), 1);
    let record = &json_lines(&scratch.finis("sessions --json").fine().out)[0];
    assert_eq!((&record["session"], &record["status"]), (&Value::from("s-1"), &Value::from("complete")));
    // It counts as having come when it came.
    let came = listed[0]["received_at"].as_str().unwrap();
    assert!(scratch.finis("export").run().err.contains("1 delivery in quarantine not among them"));
    assert!(scratch.finis("show s-1 --json").fine().out.contains(came));
}

/// A delivery that came so many seconds after it happened.
fn came_late(line: &str, seconds: u32) -> String {
    let (before, after) = line.split_once(r#""received_at":"2026-05-03T08:42:"#).unwrap();
    let (_, after) = after.split_once(".250Z").unwrap();
    format!(r#"{before}"received_at":"2026-05-03T08:{:02}:{:02}.250Z{after}"#, 43 + seconds / 60, seconds % 60)
}

/// Doubles stand in the timeline, and in no record, certificate or notice.
#[test]
fn doubles_are_told_and_change_nothing() {
    let (plain, doubled) = (store(), Scratch::with_export(&deliveries()));
    let import = "import export.jsonl --source desk --provider pathors --as-of 2026-05-03T09:50:30Z";
    doubled.finis(import).fine();
    // The end of the call came twice more, the recording twenty times more; one line stands there twice.
    let ended = &deliveries()[1];
    let recordings = (0..20).map(|number| came_late(&deliveries()[4], 60 + number));
    let again: Vec<String> =
        [came_late(ended, 0), came_late(ended, 7), came_late(ended, 0)].into_iter().chain(recordings).collect();
    doubled.write("again.jsonl", format!("{}\n", again.join("\n")));
    doubled.finis("import again.jsonl --source desk --as-of 2026-05-03T09:50:30Z").fine();

    let (without, with) = (plain.finis("show call").fine().out, doubled.finis("show call").fine().out);
    let told: Vec<&str> = with.lines().filter(|line| !without.lines().any(|known| known == *line)).collect();
    assert_eq!(
        told,
        [
            "                                    came 3 times: again 2026-05-03T08:43:00.250Z, 2026-05-03T08:43:07.250Z",
            "                                    came 21 times: again 2026-05-03T08:44:00.250Z, \
             2026-05-03T08:44:01.250Z, 2026-05-03T08:44:02.250Z, 17 more, the last 2026-05-03T08:44:19.250Z",
            "5 events, 22 doubles, 2 notices said",
        ]
    );
    let lines = json_lines(&doubled.finis("show call --json").fine().out);
    let came: Vec<u64> = lines.iter().filter_map(|line| line["came"].as_u64()).collect();
    assert_eq!(came, [1, 3, 1, 1, 21]);
    let arrivals = |line: &Value| (line["arrivals"].as_array().map(Vec::len), line["last_arrival"].clone());
    assert_eq!(arrivals(&lines[0]), (None, Value::Null));
    assert_eq!(arrivals(&lines[1]), (Some(3), "2026-05-03T08:43:07.250Z".into()));
    assert_eq!(arrivals(&lines[4]), (Some(16), "2026-05-03T08:44:19.250Z".into()));

    for command in ["sessions --json", "notices --json", "export"] {
        assert_eq!(plain.finis(command).fine().out, doubled.finis(command).fine().out, "{command}");
    }
    // To import it again pretends no more doubles, and an export has every event once.
    doubled.finis("import again.jsonl export.jsonl --source desk --as-of 2026-05-03T09:50:30Z").fine();
    assert_eq!(doubled.finis("show call").fine().out, with);
    doubled.finis("export --out once.jsonl").fine();
    doubled.finis("import once.jsonl --store other").fine();
    assert!(!doubled.finis("show call --store other").fine().out.contains("came"));
    // What is forgotten is counted no more.
    doubled.finis("forget call --yes").fine();
    doubled.finis("import again.jsonl --source desk").fine();
    doubled
        .finis("show call")
        .fails_with("finis: no session of the store has the id `call`: `finis sessions` lists them");
    assert!(doubled.finis("doctor").fine().out.contains("All that was checked is as it was written."));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_live_store_is_sent_again_is_counted() {
    let scratch = Scratch::new();
    let finis = live(scratch.path(), &Catalogue::shipped()).await;
    let ended = pathors("session.ended", "s-1", "2026-05-03T08:42:11Z");
    let finalized = pathors("session.finalized", "s-1", "2026-05-03T08:42:11Z");
    let receive = async |body: &str| finis.receive("desk", &[], body.as_bytes()).await.unwrap();
    receive(&ended).await;
    receive(&finalized).await;
    let record = finis.session("desk", "s-1").await.unwrap();
    for _ in 0..40 {
        assert!(matches!(receive(&ended).await, Receipt::Duplicate { .. }));
    }
    // White space is no other event.
    assert!(matches!(receive(&format!(" {finalized} ")).await, Receipt::Duplicate { .. }));
    assert_eq!(finis.session("desk", "s-1").await.unwrap(), record);
    assert_eq!((finis.stats().deliveries.duplicate, finis.stats().notices.complete), (41, 1));
    close(finis, &scratch).await;

    let told = scratch.finis("show s-1").fine().out;
    assert!(told.contains("came 41 times: again 20"), "{told}");
    assert!(told.contains("came 2 times: again 20"), "{told}");
    assert!(told.ends_with("2 events, 41 doubles, 1 notice said\n"), "{told}");
    assert!(scratch.finis("show s-1 --json").fine().out.contains(&record.unwrap()));

    // Opened again, it goes on counting.
    let finis = live(scratch.path(), &Catalogue::shipped()).await;
    let told = finis.receive("desk", &[], ended.as_bytes()).await.unwrap();
    assert!(matches!(told, Receipt::Duplicate { .. }));
    close(finis, &scratch).await;
    assert!(scratch.finis("show s-1").fine().out.contains("came 42 times: again 20"));
}

/// A store that was written before repeats were counted: its index is of another format and made again, and it
/// counts from then on.
#[test]
fn a_store_of_before_opens_and_goes_on() {
    let scratch = Scratch::new();
    for file in ["journal/00000001.log", "journal/witness", "index/conf", "index/db"] {
        let (from, to) = (fixtures().join("store-of-before").join(file), scratch.path().join("finis.db").join(file));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    }
    let (log, report) = EmbeddedLog::open(&scratch.path().join("finis.db"), &StoreSettings::default()).unwrap();
    assert!(report.journal.damage.is_empty() && report.journal.closed && report.replayed > 0, "{report}");
    assert_eq!(report.index, IndexState::Rebuilt { reason: "it is of another format".to_owned() }, "{report}");
    drop(log);
    // A log that is dropped is closed on a thread of its own.
    let is_held = || Holder::of(&scratch.path().join("finis.db")).is_some();
    let held = (0..1000).take_while(|_| is_held()).inspect(|_| std::thread::sleep(Duration::from_millis(10))).count();
    assert!(held < 1000, "somebody still has the store");
    let told = scratch.finis("show s-1").fine().out;
    assert!(told.ends_with("2 events, 1 notice said\n"), "{told}");
    // The same events, one at its time of before and one a minute later.
    let body = |kind: &str, second: u32| pathors(kind, "s-1", &format!("2026-05-03T08:42:{second}Z"));
    let lines = [
        format!(r#"{{"received_at":"2026-05-03T08:42:12.250Z","body":{}}}"#, body("session.ended", 11)),
        format!(r#"{{"received_at":"2026-05-03T08:43:13.250Z","body":{}}}"#, body("session.finalized", 12)),
    ];
    scratch.write("again.jsonl", format!("{}\n", lines.join("\n")));
    assert_eq!(scratch.finis("import again.jsonl").fine().line("events"), "events    0 new, 2 here before");
    let told = scratch.finis("show s-1").fine().out;
    assert!(told.contains("came 2 times: again 2026-05-03T08:43:13.250Z\n"), "{told}");
    assert!(told.ends_with("2 events, 1 double, 1 notice said\n"), "{told}");
    assert!(scratch.finis("doctor").fine().out.contains("All that was checked is as it was written."));
}
