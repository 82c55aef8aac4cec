//! A store tended: erased from, checked and mended, copied and put back, refolded.

use std::path::Path;

use finis::engine::Receipt;
use finis::providers::Catalogue;

use crate::door::Scratch;
use crate::store_commands::{came, close, live};

/// The id of a session, and a number that its payload, its record and its quarantine have; short, so that
/// nothing of it is compressed.
const ID: &str = "call-4711";
const PHONE: &str = "+15550100";

/// Every file beneath a folder that says it.
fn who_says(folder: &Path, canary: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(who_says(&path, canary));
        } else if std::fs::read(&path).unwrap().windows(canary.len()).any(|part| part == canary.as_bytes()) {
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
