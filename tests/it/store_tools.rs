//! A store tended: erased from, checked and mended, copied and put back.

use std::path::Path;

use finis::engine::Receipt;
use finis::providers::Catalogue;

use crate::door::{Scratch, pathors};
use crate::store_commands::{came, close, live};

/// The id of a session, and a number that its payload, its record and its quarantine have; short, so that
/// nothing of it is compressed.
const ID: &str = "call-4711";
const PHONE: &str = "+15550100";

/// When all that is missing by then is missing for good.
const LATER: &str = "--as-of 2026-05-03T09:50:30Z";

/// Every file beneath a folder that says it. The socket of a server is none.
pub(crate) fn who_says(folder: &Path, canary: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(who_says(&path, canary));
        } else if path.is_file()
            && std::fs::read(&path).unwrap().windows(canary.len()).any(|part| part == canary.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_forgotten_is_in_no_file_and_does_not_come_back() {
    let more = format!(r#","extractedVariables":{{"phone":"{PHONE}"}}"#);
    let events = [came("session.ended", ID, 11, &more), came("session.finalized", ID, 12, &more)];
    let other = came("session.finalized", "call-47110", 20, "");
    let scratch = Scratch::with_export(&[events.as_slice(), &[other]].concat());
    let finis = live(scratch.path(), &Catalogue::shipped()).await;
    // Neither is an event, and the latter is of another session.
    for body in [format!(r#"{{"sessionId":"{ID}","to":"{PHONE}""#), r#"{"sessionId":"call-47110""#.to_owned()] {
        let receipt = finis.receive("desk", &[], body.as_bytes()).await.unwrap();
        assert!(matches!(receipt, Receipt::Quarantined { .. }), "{receipt:?}");
    }
    close(finis, &scratch).await;
    scratch.finis("import export.jsonl --source desk").fine();
    let store = scratch.path().join("finis.db");
    let says = |canary| who_says(&store, canary);
    assert!(!says(PHONE).is_empty());

    scratch
        .finis(&format!("forget {ID}"))
        .fails_with("finis: nobody is there to be asked: say --yes if it is to be erased for good");
    assert!(!says(PHONE).is_empty());
    let told = scratch.finis(&format!("forget {ID} --yes")).fine().out;
    let lines: Vec<&str> = told.lines().take(5).collect();
    assert_eq!(
        lines,
        [
            "Erased  call-4711 of desk",
            "  sessions    1 (session)",
            "  events      2",
            "  notices     1; their ids and places in the outbox stay",
            "  quarantine  1 delivery",
        ]
    );
    assert_eq!(says(PHONE), Vec::<String>::new());
    assert_eq!(says("\"call-4711\""), Vec::<String>::new());

    // Nor when the index is made anew.
    std::fs::remove_dir_all(store.join("index")).unwrap();
    let again = scratch.finis("import export.jsonl").fine();
    assert_eq!(again.line("events"), "events    0 new, 1 here before, 2 of forgotten sessions");
    assert_eq!(says(PHONE), Vec::<String>::new());
    assert_eq!(scratch.finis(&format!("forget {ID}")).fine().out, "call-4711 was forgotten before\n");
    assert!(scratch.finis("sessions").fine().out.contains("call-47110"));
    assert!(scratch.finis("quarantine list").fine().out.contains("1 delivery in quarantine"));
    assert!(scratch.finis("notices").fine().out.contains("forgotten"));
    scratch
        .finis("forget nobody --yes")
        .fails_with("finis: nothing in the store has the id `nobody`: `finis sessions` lists what is there");
}

/// A store with two calls in it, and a flipped byte in the payload of one of them.
pub(crate) fn damaged() -> Scratch {
    let more = format!(r#","extractedVariables":{{"phone":"{PHONE}"}}"#);
    let scratch =
        Scratch::with_export(&[came("session.finalized", ID, 12, &more), came("session.finalized", "call-2", 20, "")]);
    scratch.finis(&format!("import export.jsonl --source desk --provider pathors {LATER}")).fine();
    let path = scratch.path().join("finis.db/journal/00000001.log");
    let mut bytes = std::fs::read(&path).unwrap();
    // What stands before the first body.
    let at = bytes.windows(4).position(|part| part == b"body").unwrap();
    bytes[at + 6] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    scratch
}

#[test]
fn a_sound_store_is_said_to_be_so() {
    let scratch = Scratch::with_export(&[came("session.finalized", ID, 12, "")]);
    scratch.finis(&format!("import export.jsonl --source desk --provider pathors {LATER}")).fine();
    let told = scratch.finis("doctor").fine().out;
    let lines: Vec<&str> = told.lines().skip(2).collect();
    assert_eq!(
        lines,
        [
            "  holds     1 session, 1 notice, 0 deliveries in quarantine",
            "  index     every entry is what the journal says",
            "All that was checked is as it was written.",
        ]
    );
    assert!(scratch.finis("doctor --repair").fine().out.ends_with("Nothing was to be mended.\n"));
}

#[test]
fn damage_is_named_and_set_aside() {
    let scratch = damaged();
    let told = scratch.finis("doctor").run();
    assert_eq!((told.code, told.err.as_str()), (1, ""));
    assert!(told.line("Damaged:").contains("is not what was written"), "{}", told.out);
    assert_eq!(told.line("Lost:"), "Lost: the session call-4711 of desk has lost what a record of it says");
    let found = scratch.finis("doctor --json").run().json();
    assert_eq!((&found["sound"], &found["hurt"][0]["session"]), (&false.into(), &ID.into()));

    let mended = scratch.finis("doctor --repair").run();
    assert_eq!((mended.code, mended.err.as_str()), (0, ""), "{}", mended.out);
    assert_eq!(std::fs::read_dir(scratch.path().join("finis.db/aside")).unwrap().count(), 2);
    // It is clean, and what is sound is there.
    assert_eq!(scratch.finis("doctor --json").fine().json()["sound"], true);
    let notices = scratch.finis("notices").fine().out;
    assert!(notices.contains("call-2"), "{notices}");
    // What was lost comes back from elsewhere.
    scratch.finis("import export.jsonl --quiet-notices").fine();
    let sessions = scratch.finis("sessions --json").fine().out;
    assert!(sessions.contains(PHONE), "{sessions}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_delivery_in_quarantine_holds_nothing_else_back() {
    let scratch = Scratch::new();
    let finis = live(scratch.path(), &Catalogue::shipped()).await;
    for body in [r#"{"unfit":"first-of-these""#, r#"{"unfit":"second-of-these""#] {
        finis.receive("desk", &[], body.as_bytes()).await.unwrap();
    }
    finis.receive("desk", &[], pathors("session.finalized", ID, "2026-05-03T08:42:11Z").as_bytes()).await.unwrap();
    close(finis, &scratch).await;
    let path = scratch.path().join("finis.db/journal/00000001.log");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|part| part == b"first").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();

    let named = |ended: &crate::door::Ended| assert!(ended.err.contains("is not what was written"), "{}", ended.err);
    let listed = scratch.finis("quarantine list --json").run();
    named(&listed);
    let left = crate::door::json_lines(&listed.out);
    assert_eq!((listed.code, left.len()), (0, 1), "{}", listed.out);
    let shown = scratch.finis(&format!("quarantine show {}", left[0]["id"].as_str().unwrap())).run();
    assert!(shown.out.contains("second-of-these"), "{}", shown.out);
    let retried = scratch.finis("quarantine retry --json").run();
    named(&retried);
    let told = retried.json();
    assert_eq!(retried.code, 2);
    assert_eq!((told["left"].as_array().unwrap().len(), told["damaged"].as_array().unwrap().len()), (1, 1), "{told}");
    // Whether it names the session, nobody can say.
    let forgotten = scratch.finis(&format!("forget {ID} --yes")).run();
    named(&forgotten);
    assert_eq!(forgotten.code, 2);
    assert_eq!(forgotten.line("events"), "events      1");
    // What was lost is not in an export, and that is said.
    let exported = scratch.finis("export --out again.jsonl").run();
    named(&exported);
    assert_eq!(exported.code, 2);
}

#[test]
fn an_index_that_is_wrong_is_made_again() {
    let scratch = Scratch::with_export(&[came("session.finalized", ID, 12, "")]);
    scratch.finis("import export.jsonl --source desk --provider pathors").fine();
    let index = scratch.path().join("finis.db/index");
    let other = Scratch::with_export(&[came("session.finalized", "other", 12, "")]);
    other.finis("import export.jsonl --source desk --provider pathors").fine();
    std::fs::remove_dir_all(&index).unwrap();
    std::fs::rename(other.path().join("finis.db/index"), &index).unwrap();
    let told = scratch.finis("doctor").run();
    assert_eq!(told.code, 1);
    assert_eq!(told.line("Index:"), "Index: it is of another journal");
    scratch.finis("doctor --repair").fine();
    scratch.finis("doctor").fine();
    assert!(scratch.finis("sessions").fine().out.contains(ID));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_is_checked_beside_its_writer() {
    let scratch = Scratch::new();
    let finis = live(scratch.path(), &Catalogue::shipped()).await;
    let told = scratch.finis("doctor").fine();
    let pid = std::process::id();
    assert_eq!(told.line("index"), format!("index     not checked: process {pid} has it"));
    let held =
        format!("finis: cannot open the store at `finis.db`: held by process {pid}; stop it, or give another --store");
    scratch.finis("doctor --repair").fails_with(&held);
    close(finis, &scratch).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_store_in_use_is_that_store() {
    let scratch = Scratch::new();
    let finis = live(scratch.path(), &Catalogue::shipped()).await;
    for kind in ["session.ended", "session.finalized"] {
        finis.receive("desk", &[], pathors(kind, ID, "2026-05-03T08:42:11Z").as_bytes()).await.unwrap();
    }
    let told = scratch.finis("backup --to copy").fine();
    assert_eq!(told.line("holds"), "holds     1 session, 1 notice, 0 deliveries in quarantine");
    scratch.finis("backup --to copy").fails_with("finis: `copy` is not empty: name a folder that is not there yet");
    finis.receive("desk", &[], pathors("session.finalized", "later", "2026-05-03T08:42:11Z").as_bytes()).await.unwrap();
    let pid = std::process::id();
    scratch.finis("restore --from copy").fails_with(&format!(
        "finis: cannot open the store at `finis.db`: held by process {pid}; stop it, or give another --store"
    ));
    close(finis, &scratch).await;

    // A backup is a store, and so is what is made of it.
    scratch.finis("restore --from copy --store again.db").fine();
    for store in ["copy", "again.db"] {
        let listed = scratch.finis(&format!("sessions --store {store}")).fine().out;
        assert!(listed.contains(ID) && !listed.contains("later"), "{listed}");
        scratch.finis(&format!("doctor --store {store}")).fine();
    }
    // It goes on where it was.
    scratch.finis("export --out export.jsonl").fine();
    scratch.finis("import export.jsonl --store again.db").fine();
    assert_eq!(
        scratch.finis("sessions --json --store again.db").fine().out,
        scratch.finis("sessions --json").fine().out
    );
    scratch.finis("doctor --store again.db").fine();
    scratch
        .finis("restore --from nowhere --store other.db")
        .fails_with("finis: there is no backup at `nowhere`: name its folder with --from DIR");
}
