//! A server without a file: it makes a source, and what it prints to post with works as it stands.

use std::process::Command;

use serde_json::Value;

use crate::door::Scratch;
use crate::serving::{Serving, post, until};

/// Words of a command line, as a shell takes them apart.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => quoted = !quoted,
            '\\' if !quoted => word.extend(characters.next()),
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            character => word.push(character),
        }
    }
    words.push(word);
    words
}

/// Posts what a line of `curl` says.
fn carry_out(line: &str) -> (u16, String) {
    let words = words(line);
    assert_eq!(words[..2], ["curl", "-sS"]);
    let after = |option: &'static str| {
        words.iter().zip(&words[1..]).filter(move |(word, _)| *word == option).map(|(_, value)| value.as_str())
    };
    let headers: Vec<(&str, &str)> = after("-H").map(|header| header.split_once(": ").unwrap()).collect();
    post(&words[2], &headers, after("--data-binary").next().unwrap()).unwrap()
}

/// What is answered to a line that a shell runs, for which this command says what time it is.
fn shell(scratch: &Scratch, line: &str, date: &str) -> Value {
    let path = std::env::var("PATH").unwrap();
    let folder = scratch.path().join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    // The system's own, wherever it is.
    std::fs::write(folder.join("date"), format!("#!/bin/sh\nPATH='{path}' exec {date} \"$@\"\n")).unwrap();
    assert!(Command::new("chmod").arg("+x").arg(folder.join("date")).status().unwrap().success());
    let path = format!("{}:{path}", folder.display());
    let output = Command::new("sh").args(["-c", line]).env("PATH", path).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}\n{line}"))
}

#[test]
fn what_it_prints_to_post_with_is_taken_and_its_notice_is_seen() {
    for provider in ["pathors", "agntix", "saaya", "smallest", "smallest-legacy"] {
        let scratch = Scratch::new();
        let serving = Serving::start(scratch.finis(&format!("serve --dev --provider {provider} --listen 127.0.0.1:0")));
        let line = serving.out.wait_for("curl -sS");
        let answer = shell(&scratch, &line, "date");
        assert_eq!(answer["outcome"], "stored", "{provider}: {line}");
        // It is the same whenever it is run, unless the provider signs the time.
        let signs_time = ["agntix", "saaya"].contains(&provider);
        assert_eq!(line.contains("$(date +%s)"), signs_time, "{provider}: {line}");
        assert_eq!(shell(&scratch, &line, "date -d '-4 min'")["outcome"], "duplicate", "{provider}");
        let old = shell(&scratch, &line, "date -d '-6 min'");
        assert_eq!(old["outcome"] == "duplicate", !signs_time, "{provider}: {old}");
        // Without its proof nobody takes it.
        let url = line.split("curl -sS '").nth(1).unwrap().split('\'').next().unwrap();
        assert_eq!(post(url, &[("content-type", "application/json")], "{}").unwrap().0, 401);

        let notice: Value = serde_json::from_str(&serving.out.wait_for("{\"id\":\"ntc_")).unwrap();
        assert_eq!(notice["record"]["session"], answer["session"], "{provider}");
        assert_eq!(notice["kind"], "complete", "{provider}");
        serving.stop();
    }
}

#[test]
fn a_shell_takes_it_as_it_stands_and_its_folder_is_used_again() {
    let scratch = Scratch::new();
    let dev = || Serving::start(scratch.finis("serve --dev --listen 127.0.0.1:0"));
    let serving = dev();
    let line = serving.out.wait_for("curl -sS");
    if Command::new("curl").arg("--version").output().is_ok() {
        let output = Command::new("sh").args(["-c", &line]).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("\"stored\""), "{output:?}");
    }
    let secret = scratch.text("finis-dev/secret");
    assert!(serving.out.all().iter().any(|line| line.contains(secret.trim_end())));
    // Whoever changes the file has it taken.
    let ended = scratch.finis("reload --config finis-dev/finis.toml").fine();
    assert_eq!(ended.out, "Reloaded   1 source, as before\n");
    serving.stop();

    let serving = dev();
    assert_eq!(carry_out(&serving.out.wait_for("curl -sS")).0, 200);
    assert_eq!(scratch.text("finis-dev/secret"), secret);
    until("notices of both", || {
        let seen = serving.out.all().iter().filter(|line| line.starts_with("{\"id\"")).count();
        (seen >= 1).then_some(())
    });
    serving.stop();
    let ended = scratch.finis("serve --dev --provider agntix").run();
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("is there already, and has no source of it"), "{}", ended.err);
    let ended = scratch.finis("config check --config finis-dev/finis.toml").fine();
    assert!(ended.out.contains("pathors"), "{}", ended.out);
}
