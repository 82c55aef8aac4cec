//! Which grace and which stall to set: what the command says of simulated worlds.

use std::fs;

use serde_json::Value;

use crate::door::{Scratch, check_snapshot, fixtures, updating};

/// A world that takes no time, with a loss of one in a hundred and a tail of half a minute.
const ASK: &str = "simulate --seed 3 --sessions 3000 --faults calm --loss 1% --advise --delay-tail 1% \
                   --delay-tail-from 30s --delay-tail-doublings 2";

/// The report as JSON, with these options more.
#[track_caller]
fn report(options: &str) -> Value {
    let ended = Scratch::new().finis(&format!("{ASK} --json {options}")).fine();
    serde_json::from_str(&ended.out).unwrap()
}

#[test]
fn the_table_says_what_each_grace_does_and_which_to_set() {
    let ended = Scratch::new().finis(&format!("{ASK} --graces 5m,10s,1m,10s --stalls 1h,5m")).fine();
    let rows =
        |text: &str| ended.out.lines().filter(|line| line.trim_start_matches(['→', ' ']).starts_with(text)).count();
    assert_eq!([rows("10s "), rows("1m "), rows("5m "), rows("1h ")], [1, 1, 2, 1], "{}", ended.out);
    for part in ["3,000 sessions from seed 3", "grace  5m: the shortest", "stall  1h: the shortest", "at most 0.1 %"] {
        assert!(ended.out.contains(part), "no `{part}` in\n{}", ended.out);
    }
    // Columns of numbers stand under their heads.
    let table: Vec<&str> = ended.out.lines().skip_while(|line| !line.contains("by evidence")).take(4).collect();
    let end_of_column = |line: &str| line.chars().take_while(|c| *c != '%').count();
    assert!(table[1..].iter().all(|line| end_of_column(line) == end_of_column(table[1])), "{table:?}");
}

#[test]
fn a_machine_reads_the_same_numbers_whatever_the_threads() {
    let one = report("--graces 10s,1m,5m --threads 1");
    assert_eq!(report("--graces 5m,1m,10s --threads 2"), one);
    let of = |row: usize, part: &str| one["graces"][row][part].as_u64().unwrap();
    for row in 0..3 {
        assert_eq!(of(row, "by_evidence") + of(row, "by_deadline"), one["closed"].as_u64().unwrap());
        let parts = ["amendments_late", "amendments_independent", "amendments_other"];
        assert_eq!(parts.iter().map(|part| of(row, part)).sum::<u64>(), of(row, "amendments"));
    }
    assert!(of(0, "too_early") > of(1, "too_early") && of(2, "too_early") == 0);
    assert_eq!(one["recommended"]["grace_s"], 300.0);
    let shortest = one["recommended"]["shortest_grace_s"].as_f64().unwrap();
    assert!(shortest > 60.0 && shortest < 300.0, "{shortest}");
    // Around the contract's own, unless told.
    let graces = report("")["graces"].as_array().unwrap().len();
    assert!(graces > 6, "{graces}");
    let strict = report("--graces 1s --too-early-max 0");
    assert!(strict["recommended"]["grace_s"].is_null());
}

#[test]
fn a_plot_is_a_file_of_its_own() {
    let scratch = Scratch::new();
    scratch.finis(&format!("{ASK} --plot grace.svg")).fine();
    let picture = fs::read_to_string(scratch.path().join("grace.svg")).unwrap();
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
    assert!(picture.contains("recommended: 3m") && picture.contains("prefers-color-scheme:dark"));
    scratch.finis(&format!("{ASK} --plot again.svg --threads 2")).fine();
    assert_eq!(fs::read_to_string(scratch.path().join("again.svg")).unwrap(), picture);
}

#[test]
fn what_cannot_be_is_refused_with_what_can() {
    for (options, says) in [
        ("--graces soon", "write a number and a unit"),
        ("--too-early-max 200%", "write `1%` or `0.01`"),
        ("--loss much", "write `1%` or `0.01`"),
        ("--plot no/such/folder.svg", "cannot write `no/such/folder.svg`"),
        ("--provider acme", "no contract is called `acme`"),
    ] {
        let ended = Scratch::new().finis(&format!("simulate --advise --sessions 10 {options}")).run();
        assert_eq!(ended.code, 2, "{options}");
        assert!(ended.err.contains(says), "{}", ended.err);
    }
}

#[test]
fn the_document_shows_what_is_said() {
    let docs = fixtures().join("../docs");
    let text = fs::read_to_string(docs.join("grace.md")).unwrap();
    let start = text.find("$ finis simulate").unwrap();
    let output = start + text[start..].find('\n').unwrap() + 1;
    let end = output + text[output..].find("```").unwrap();
    let (command, shown) = (text[start..output].trim_end(), &text[output..end]);
    let scratch = Scratch::new();
    fs::create_dir(scratch.path().join("docs")).unwrap();
    let ended = scratch.finis(command.trim_start_matches("$ finis ")).fine();
    check_snapshot(&docs.join("grace.svg"), &scratch.text("docs/grace.svg"));
    if updating() {
        fs::write(docs.join("grace.md"), [&text[..output], &ended.out, &text[end..]].concat()).unwrap();
    } else {
        assert_eq!(ended.out, shown, "`UPDATE_FIXTURES=1 cargo test --test it grace` writes it anew");
    }
}
