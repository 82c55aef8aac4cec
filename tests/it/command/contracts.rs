//! Contracts, ours and ones of your own.

use std::path::Path;

use serde_json::json;

use super::{PROVIDERS, records_with};
use crate::door::{Finis, Scratch, check_snapshot, fixtures, joined, json_lines, pathors};

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
