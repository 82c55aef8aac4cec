//! `finis simulate`, without a receiver: worlds folded, written out and read again.

use std::collections::BTreeSet;

use finis_simulator::mishaps::TROUBLES;
use finis_simulator::oracle::PROMISES;
use serde_json::{Value, json};

use crate::door::Scratch;

/// Every file of a folder, by name.
fn files(scratch: &Scratch, folder: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(scratch.path().join(folder)).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_seed_gives_the_same_bytes_and_another_seed_others() {
    let scratch = Scratch::new();
    for (seed, folder) in [(7, "one"), (7, "two"), (8, "three")] {
        scratch.finis(&format!("simulate --faults hostile --sessions 30 --seed {seed} --out {folder}")).fine();
    }
    let one = files(&scratch, "one");
    let names: Vec<&str> = one.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["args", "deliveries.jsonl", "records.ndjson", "script.jsonl"]);
    assert_eq!(one, files(&scratch, "two"));
    assert_ne!(one, files(&scratch, "three"));
}

#[test]
fn what_is_kept_is_what_reconcile_reads() {
    let scratch = Scratch::new();
    for (provider, terms) in [
        ("pathors", ""),
        ("pathors", "--grace 5 --stall 90s"),
        ("pathors", "--subscribe session.ended,session.finalized"),
        ("smallest", ""),
    ] {
        let options = format!("simulate --faults hostile --provider {provider} {terms} --out kept");
        let said = scratch.finis(&options).fine();
        assert!(said.line("Agreement").contains("the model has the same"), "{}", said.out);
        let arguments = scratch.text("kept/args");
        let told = scratch.finis("reconcile kept/deliveries.jsonl --out told.ndjson").and(["--provider", provider]);
        told.and(arguments.lines()).fine();
        assert_eq!(scratch.text("told.ndjson"), scratch.text("kept/records.ndjson"));
    }
    scratch.finis("simulate --sessions 9 --out only.jsonl").fine();
    scratch.finis("simulate --sessions 9 --out whole").fine();
    assert_eq!(scratch.bytes("only.jsonl"), scratch.bytes("whole/deliveries.jsonl"));
}

#[test]
fn a_story_is_replayed() {
    let scratch = Scratch::new();
    let first = scratch.finis("simulate --faults hostile --seed 5 --sessions 20 --out kept --json").fine().json();
    let again = scratch.finis("simulate --replay kept --json").fine().json();
    for part in ["head", "arrivals", "as_of", "tally", "agrees", "duplicates"] {
        assert_eq!(first[part], again[part], "{part}");
    }
    let ended = scratch.finis("simulate --replay nothing").run();
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("cannot read `nothing/script.jsonl`"), "{}", ended.err);
}

#[test]
fn each_dial_turns_its_fault_and_no_other() {
    let scratch = Scratch::new();
    for (dial, fault) in [
        ("--loss 20%", "loss"),
        ("--loss-of session.ended=0.5", "loss"),
        ("--outage 50% --outage-every 2m --outage-lasts 1m", "outage"),
        ("--delay-tail 0.2 --delay-tail-from 5s --delay-tail-doublings 3", "delay"),
        ("--duplicate 20%", "duplicate"),
        ("--storm 20% --storm-copies 2 --storm-after 5m", "storm"),
        ("--resent 20% --resent-after 1m", "replay"),
        ("--conflict 20%", "conflict"),
        ("--correction 20% --correction-after 30s", "correction"),
        ("--skew -90s", "skew"),
        ("--skew-step 50% --skew-step-every 1m --skew-step-by 10m", "skew"),
        ("--dress 20%", "dress"),
        ("--corrupt 20%", "corrupt"),
        ("--unknown 20%", "unknown"),
        ("--forge 20% --secret s3cret --header x-secret", "forge"),
    ] {
        let report = scratch.finis(&format!("simulate --faults none --json {dial}")).fine().json();
        let turned: Vec<&String> = report["injected"].as_object().unwrap().keys().collect();
        assert_eq!(turned, [fault], "{dial}");
    }
    let report = scratch.finis("simulate --faults none --delay 2s --json").fine().json();
    assert_eq!(report["head"]["faults"]["delay"]["usual_ms"], 2000);
    assert_eq!(report["injected"], json!({}));
}

#[test]
fn a_dial_that_is_turned_alone_is_as_strong_as_in_hostile() {
    let scratch = Scratch::new();
    let faults = |options: &str| -> Value {
        scratch.finis(&format!("simulate --sessions 1 --json {options}")).fine().json()["head"]["faults"].clone()
    };
    let (hostile, alone) = (faults("--faults hostile"), faults("--faults none --storm 5% --outage 30%"));
    assert_eq!((&alone["storm"], &alone["outage"]), (&hostile["storm"], &hostile["outage"]));
    assert_eq!(faults("--faults hostile --storm-after 1m")["storm"]["after_s"], 60);
    assert_eq!(faults("--faults hostile --loss 0")["loss"], 0);
}

#[test]
fn many_runs_are_counted_together() {
    let scratch = Scratch::new();
    let report =
        scratch.finis("simulate --runs 4 --seed 3 --sessions 20 --faults swarm --json --out kept").fine().json();
    assert_eq!((&report["runs"], &report["agrees"]), (&json!(4), &json!(true)));
    let one =
        |seed: u64| scratch.finis(&format!("simulate --sessions 20 --faults swarm --json --seed {seed}")).fine().json();
    let arrivals: u64 = (3..7).map(|seed| one(seed)["arrivals"].as_u64().unwrap()).sum();
    assert_eq!(report["arrivals"], json!(arrivals));
    let folders: BTreeSet<String> = files_of(&scratch, "kept");
    assert_eq!(folders, (3..7).map(|seed| format!("seed-{seed}")).collect());
}

fn files_of(scratch: &Scratch, folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(scratch.path().join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_nobody_subscribed_to_is_not_sent() {
    let scratch = Scratch::new();
    scratch.finis("simulate --subscribe session.finalized --faults hostile --out kept").fine();
    // Bodies that nobody can read need not be text.
    let deliveries = scratch.bytes("kept/deliveries.jsonl").unwrap();
    let deliveries = String::from_utf8_lossy(&deliveries);
    assert!(deliveries.contains("session.finalized"));
    assert!(!deliveries.contains("call.ended") && !deliveries.contains("recording.ready"));
}

#[test]
fn the_engine_plays_worlds_in_which_the_receiver_has_mishaps() {
    let scratch = Scratch::new();
    let told = scratch.finis("simulate --sessions 40 --faults hostile --mishaps hostile").fine().out;
    assert!(told.contains("Promises   all are held"), "{told}");
    let report = scratch.finis("simulate --sessions 40 --faults hostile --mishaps hostile --json").fine().json();
    let played = &report["played"];
    assert!(played["mishaps"].as_object().unwrap().len() > 5, "{played}");
    assert!(played["notices"].as_u64().unwrap() > 10 && played["broken"] == serde_json::json!([]), "{played}");
    let report = scratch.finis("simulate --sessions 8 --runs 25 --faults swarm --mishaps swarm --json").fine().json();
    assert_eq!((&report["played"], &report["broken_seeds"]), (&25.into(), &serde_json::json!([])));
    // Without mishaps it is played, too; and not unless it is asked for.
    let report = scratch.finis("simulate --sessions 8 --mishaps none --json").fine().json();
    assert_eq!(report["played"]["mishaps"], serde_json::json!({}));
    assert!(scratch.finis("simulate --sessions 8 --json").fine().json()["played"].is_null());
}

#[test]
fn each_mishap_has_a_dial_of_its_own() {
    let scratch = Scratch::new();
    let mishaps = |options: &str| -> BTreeSet<String> {
        let report = scratch.finis(&format!("simulate --sessions 60 --json {options}")).fine().json();
        report["played"]["mishaps"].as_object().unwrap().keys().cloned().collect()
    };
    for mishap in TROUBLES {
        let name = mishap.name();
        assert_eq!(mishaps(&format!("--mishap {name}=20%")), [name.to_owned()].into());
    }
    assert_eq!(mishaps("--mishap kill=20% --mishap slow=10%"), ["kill".to_owned(), "slow".to_owned()].into());
    let all = mishaps("--mishaps hostile");
    let without = mishaps("--mishaps hostile --mishap stumble=0");
    assert!(all.contains("stumble") && all.difference(&without).eq(["stumble"]), "{all:?} {without:?}");
}

#[test]
fn what_is_promised_is_told_with_what_was_held() {
    let scratch = Scratch::new();
    let told = scratch.finis("simulate --sessions 5 --mishaps none").fine().out;
    let held = told.split("Promises   all are held\n").nth(1).unwrap();
    assert!(held.contains("  what is acknowledged is kept\n"), "{told}");
    assert_eq!(held.lines().count(), PROMISES.len());
    let report = scratch.finis("simulate --sessions 5 --mishaps none --json").fine().json();
    assert_eq!(report["played"]["promised"].as_array().unwrap().len(), PROMISES.len());
}

#[test]
fn a_story_with_mishaps_is_played_again_with_them() {
    let scratch = Scratch::new();
    scratch.finis("simulate --sessions 6 --faults hostile --out kept").fine();
    let path = scratch.path().join("kept/script.jsonl");
    let script = std::fs::read_to_string(&path).unwrap();
    let at = script.lines().nth(2).and_then(|line| line.split('"').nth(3)).unwrap().to_owned();
    let mut lines: Vec<String> = script.lines().map(str::to_owned).collect();
    lines.insert(2, format!(r#"{{"at":"{at}","mishap":{{"kill":{{"down_ms":1000}}}}}}"#));
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let told = scratch.finis("simulate --replay kept").fine().out;
    assert!(told.contains("1 mishap of the receiver") && told.contains("Promises   all are held"), "{told}");
    // Others cannot befall it: nobody is to believe that they did.
    for others in ["--mishaps hostile", "--mishaps none", "--mishap kill=5%"] {
        let ended = scratch.finis(&format!("simulate --replay kept {others} --out none")).run();
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{others}");
        assert!(
            ended.err.contains("has mishaps of its own") && ended.err.contains("leave out --mishaps"),
            "{}",
            ended.err
        );
        assert!(!scratch.path().join("none").exists());
    }
}

#[test]
fn a_story_is_judged_under_its_own_terms_unless_others_are_told() {
    let scratch = Scratch::new();
    scratch.finis("simulate --sessions 12 --faults ordinary --loss 40% --out kept").fine();
    let path = scratch.path().join("kept/script.jsonl");
    let script = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = script.split_once('\n').unwrap();
    let plain = scratch.finis("simulate --replay kept --json --as-of 2026-05-03T00:00:20Z").fine().json();
    // A time of which no number of whole seconds says it.
    let setup = r#"{"setup":{"grace":"1ms","stall":"1s500ms"}}"#;
    std::fs::write(&path, format!("{head}\n{setup}\n{rest}")).unwrap();
    let of_setup = scratch.finis("simulate --replay kept --json --as-of 2026-05-03T00:00:20Z").fine().json();
    let statuses = |report: &Value| report["tally"]["by_status"].clone();
    assert_ne!(statuses(&plain), statuses(&of_setup), "{of_setup}");
    // It says how its receiver is set up, so it is played, and both say the same.
    assert_eq!((&of_setup["agrees"], &of_setup["played"]["broken"]), (&json!(true), &json!([])), "{of_setup}");
    let same = "simulate --replay kept --json --as-of 2026-05-03T00:00:20Z --grace 2m --stall 1h";
    assert_eq!(statuses(&scratch.finis(same).fine().json()), statuses(&plain));
    let told = scratch.finis("simulate --sessions 5 --mishaps calm --grace 1500ms --out told").fine().out;
    assert!(told.contains("Promises   all are held"), "{told}");
}

/// A story that says of a delivery that nothing proves it, to a receiver that asks for no proof: a promise that
/// cannot be held.
#[test]
fn a_promise_that_is_broken_is_told_with_the_smallest_story_that_breaks_it() {
    let scratch = Scratch::new();
    scratch.finis("simulate --sessions 12 --faults ordinary --out kept").fine();
    let path = scratch.path().join("kept/script.jsonl");
    let script = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = script.lines().map(str::to_owned).collect();
    let before = lines[9].clone();
    lines[9] = before.replace(r#""proved":true"#, r#""proved":false"#);
    assert_ne!(lines[9], before);
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();

    let ended = scratch.finis("simulate --replay kept --mishaps none --out smallest").run();
    assert_eq!((ended.code, ended.err.as_str()), (1, ""), "{}", ended.out);
    assert!(ended.line("Promises").ends_with(" broken"), "{}", ended.out);
    assert!(ended.out.contains("what does not prove where it comes from is denied"), "{}", ended.out);
    let told = ended.out.split("Smallest   that breaks the first of them\n").nth(1).unwrap();
    assert!(told.lines().count() < 8, "{told}");
    let report = scratch.finis("simulate --replay smallest --mishaps none --json").run();
    assert_eq!((report.code, &report.json()["arrivals"]), (1, &1.into()), "{}", report.out);
    assert_eq!(report.json()["played"]["broken"][0]["promise"], "proof");
}

#[test]
fn worlds_are_of_any_contract() {
    let scratch = Scratch::new();
    for provider in ["agntix", "pathors", "saaya", "smallest", "smallest-legacy"] {
        let report = scratch.finis(&format!("simulate --faults ordinary --json --provider {provider}")).fine().json();
        assert_eq!((&report["agrees"], &report["head"]["provider"]), (&json!(true), &json!(provider)));
    }
}

#[test]
fn what_cannot_be_is_refused_with_what_can() {
    let played =
        Scratch::new().finis("simulate --sessions 5 --mishaps calm --secret s --header x-webhook-secret").run();
    assert_eq!((played.code, played.err.contains("has no secret")), (2, true), "{}", played.err);
    let scratch = Scratch::new();
    for (options, said) in [
        ("--loss 5", "`5` is more than always"),
        ("--loss many", "`many` is no chance: write `1%` or `0.01`"),
        ("--faults bad", "`bad` is no set: one of none, calm, ordinary, hostile, swarm is"),
        ("--loss-of 1%", "`1%` names no kind: write `session.ended=1%`"),
        ("--loss-of nothing=1%", "no kind of event is called so; there are session.ended, call.ended"),
        ("--provider acme", "no contract is called `acme`: there are"),
        ("--rate 0", "`0` is no rate"),
        ("--sessions 0", "0 is not in 1..="),
        ("--shrink", "--expect"),
        ("--mishaps bad", "`bad` is no set: one of none, calm, ordinary, hostile, swarm is"),
        ("--mishap kill", "`kill` names no mishap: write `kill=1%`"),
        ("--mishap flood=1%", "`flood` is no mishap: one of kill, crash, restart"),
        ("--mishap kill=2", "`2` is more than always"),
        ("--storm-after 1500ms", "`1500ms` is not a number of whole seconds"),
        ("--secret s3cret", "--secret: "),
    ] {
        let ended = scratch.finis(&format!("simulate {options}")).run();
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{options}");
        assert!(ended.err.contains(said), "{options}: {}", ended.err);
    }
}
