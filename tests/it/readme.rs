//! What the README shows is what comes out.

use std::process::Command;

const README: &str = include_str!("../../README.md");

/// The first console block: its commands, and what the first of them prints.
fn console() -> (Vec<&'static str>, Vec<&'static str>) {
    let block = README.split("```console\n").nth(1).and_then(|rest| rest.split("\n```").next()).unwrap();
    block.lines().partition(|line| line.starts_with("$ "))
}

/// All but what a clock decides.
fn timeless(line: &str) -> &str {
    line.split(" in ").next().filter(|_| line.starts_with("  lines ")).unwrap_or(line).trim_end()
}

#[test]
fn the_first_command_prints_what_the_readme_shows() {
    let (commands, shown) = console();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("records.ndjson");
    let arguments = commands[0].strip_prefix("$ cargo run --release --locked -- ").unwrap();
    let arguments = arguments.replace("records.ndjson", out.to_str().unwrap());
    let output = Command::new(env!("CARGO_BIN_EXE_finis"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    let printed: Vec<&str> = printed.trim_end().lines().map(timeless).collect();
    let shown: Vec<&str> = shown.into_iter().map(timeless).collect();
    let shown = shown.strip_suffix(&[""]).unwrap_or(&shown);
    assert_eq!(printed, shown);

    let record = README.split("```json\n").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    let records = std::fs::read_to_string(out).unwrap();
    assert!(records.lines().any(|line| line == record), "the record in the README is one of the export's");
}

#[test]
fn the_second_command_is_the_test_command() {
    let (commands, _) = console();
    assert_eq!(commands[1..], ["$ cargo test --workspace --locked"]);
}

#[test]
fn what_a_receiver_says_in_the_documentation_is_read() {
    let page = include_str!("../../docs/simulate.md");
    let example = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let said: finis_simulator::conclusions::Conclusions = serde_json::from_str(example).unwrap();
    assert_eq!(said.sessions.len(), 2);
}

#[test]
fn every_option_that_the_documentation_names_is_there() {
    let page = include_str!("../../docs/simulate.md");
    let help = Command::new(env!("CARGO_BIN_EXE_finis")).args(["simulate", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let options = |text: &str| -> std::collections::BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
        let is_option = |word: &&str| word.strip_prefix("--").is_some_and(|name| name.starts_with(char::is_alphabetic));
        words.filter(is_option).map(str::to_owned).collect()
    };
    let (told, there) = (options(page), options(&help));
    assert_eq!(told.difference(&there).collect::<Vec<_>>(), Vec::<&String>::new());
    let missing: Vec<&String> = there.difference(&told).collect();
    assert_eq!(missing, ["--help", "--version"], "options that the page leaves out");
}
