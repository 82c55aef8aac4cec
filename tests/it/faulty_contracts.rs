//! Mistakes in contracts: every file of `fixtures/contracts-faulty/` has one, or some, and beside it
//! stands what `finis contract check` says of it.

use std::path::PathBuf;

use crate::door::{Ended, Finis, Scratch, check_snapshot, fixtures};

fn folder() -> PathBuf {
    fixtures().join("contracts-faulty")
}

/// The names of all faulty contracts, without `.toml`.
fn names() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        files.filter_map(|file| file.strip_suffix(".toml").map(str::to_owned)).filter(|name| name != "fine").collect();
    names.sort();
    assert!(names.len() >= 70, "only {} faulty contracts were found", names.len());
    names
}

/// Checks a contract, standing in the folder, so that no message depends on where that is.
fn check(files: &[&str]) -> Ended {
    Finis::in_folder(&folder()).and(["contract", "check"]).and(files).run()
}

/// What is said of a faulty contract: the line of each fault, and the text after it.
#[track_caller]
fn faults(name: &str) -> Vec<(usize, String)> {
    let ended = check(&[&format!("{name}.toml")]);
    let fault = |said: &str| {
        let (line, text) = said.strip_prefix(&format!("{name}.toml:"))?.split_once(": ")?;
        Some((line.parse().ok()?, text.to_owned()))
    };
    ended.err.lines().map(|said| fault(said).unwrap_or_else(|| panic!("no file and line: {said}"))).collect()
}

#[test]
fn every_faulty_contract_is_refused_with_what_stands_beside_it() {
    for name in names() {
        let ended = check(&[&format!("{name}.toml")]);
        assert_eq!((ended.code, ended.out.as_str()), (1, ""), "{name}");
        check_snapshot(&folder().join(format!("{name}.txt")), &ended.err);
    }
}

#[test]
fn every_fault_has_a_line_of_the_file_and_no_fault_is_told_twice() {
    for name in names() {
        let text = std::fs::read_to_string(folder().join(format!("{name}.toml"))).unwrap();
        let faults = faults(&name);
        assert!(!faults.is_empty(), "{name}");
        for (place, (line, fault)) in faults.iter().enumerate() {
            assert!((1..=text.lines().count()).contains(line), "{name}: line {line}");
            assert!(!faults[..place].iter().any(|(_, other)| other == fault), "{name}: {fault}");
        }
    }
}

#[test]
fn faults_come_in_the_order_of_the_file() {
    for name in names() {
        let lines: Vec<usize> = faults(&name).into_iter().map(|(line, _)| line).collect();
        assert!(lines.is_sorted(), "{name}: lines {lines:?}");
    }
}

#[test]
fn a_fault_has_no_false_fault_after_it() {
    // The field of a fact that is read wrongly is filled all the same, and so is one declared twice.
    for name in ["54-fact-in-a-header", "55-field-twice"] {
        assert_eq!(faults(name).len(), 1, "{name}: {:?}", faults(name));
    }
}

#[test]
fn a_contract_without_fault_is_fine() {
    let ended = Finis::in_folder(&folder()).and(["contract", "check", "fine.toml"]).fine();
    assert_eq!(ended.out, "fine.toml: fine: acme 2026-01, 3 kinds of event, 6 fields\n");
}

#[test]
fn the_contracts_that_ship_with_finis_are_fine() {
    let contracts = fixtures().join("../adapters/providers/contracts");
    let names = ["agntix", "pathors", "saaya", "smallest", "smallest-legacy"];
    let ended =
        Finis::in_folder(&contracts).and(["contract", "check"]).and(names.map(|name| format!("{name}.toml"))).fine();
    let said: Vec<&str> = ended.out.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(said, names.map(|name| format!("{name}.toml")));
}

#[test]
fn each_of_several_contracts_is_checked() {
    let ended = check(&["20-provider-name.toml", "fine.toml", "21-empty-version.toml"]);
    assert_eq!(ended.code, 1);
    assert_eq!(ended.out, "fine.toml: fine: acme 2026-01, 3 kinds of event, 6 fields\n");
    let said: Vec<&str> = ended.err.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(said, ["20-provider-name.toml", "21-empty-version.toml"]);
}

#[test]
fn line_ends_of_windows_and_a_byte_order_mark_change_no_line_number() {
    let name = "41-grace-unreadable";
    let text = std::fs::read_to_string(folder().join(format!("{name}.toml"))).unwrap();
    let scratch = Scratch::new();
    scratch.write(&format!("{name}.toml"), format!("\u{FEFF}{}", text.replace('\n', "\r\n")));
    let ended = scratch.finis(&format!("contract check {name}.toml")).run();
    assert_eq!(ended.err, check(&[&format!("{name}.toml")]).err);
}

#[test]
fn a_file_that_cannot_be_read_is_exit_2() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path().join("folder.toml")).unwrap();
    for file in ["absent.toml", "folder.toml"] {
        let ended = scratch.finis(&format!("contract check {file}")).run();
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{file}");
        assert!(ended.err.starts_with(&format!("finis: cannot read `{file}`: ")), "{}", ended.err);
    }
    let ended = scratch.finis("contract check").run();
    assert_eq!(ended.code, 2, "there is nothing to check");
}

#[test]
fn a_file_in_another_encoding_is_faulty_and_the_others_are_checked_all_the_same() {
    let scratch = Scratch::new();
    scratch.write("latin-1.toml", b"title = \"Acm\xE9\"");
    scratch.write("fine.toml", std::fs::read(folder().join("fine.toml")).unwrap());
    let ended = scratch.finis("contract check latin-1.toml fine.toml").run();
    assert_eq!((ended.code, ended.err.as_str()), (1, "`latin-1.toml` is not UTF-8: save it as UTF-8\n"));
    assert!(ended.out.starts_with("fine.toml: fine: "), "{}", ended.out);
}
