//! Calls that err under the whole engine: `strace` makes the n-th of a thread fail with `EIO`.
//!
//! Whoever posts is told; from then on the engine refuses until it is opened again, though every later
//! call would work; and then all that was acknowledged is there.

use std::process::{Command, Stdio};

use crate::claims::Claims;
use crate::process::Life;
use crate::skipped;

/// Calls, and which of a thread fail. The first are those of opening, later ones those of commits and of
/// the index.
const FAULTS: [(&str, &[u32]); 4] =
    [("fdatasync", &[1, 2, 3, 9, 40]), ("pwrite64", &[1, 4, 9, 60]), ("fsync", &[1, 2]), ("fallocate", &[1, 2, 3])];

const DELIVERIES: u64 = 300;

#[test]
fn a_call_that_errs_is_told_and_nothing_is_taken_until_the_store_is_opened_again() {
    if let Err(error) = Command::new("strace").arg("--version").stdout(Stdio::null()).status() {
        return skipped("calls that err", &format!("`strace` does not run: {error}"));
    }
    let (mut told, mut unopened, mut unharmed) = (0, 0, 0);
    for (call, nths) in FAULTS {
        // One store through all of them; on a second one, each fault meets an empty folder.
        let old = tempfile::tempdir().unwrap();
        let mut old_claims = Claims::default();
        for nth in nths {
            let new = tempfile::tempdir().unwrap();
            for (folder, claims) in [(new.path(), &mut Claims::default()), (old.path(), &mut old_claims)] {
                let what = format!("{call} {nth}");
                let inject = format!("inject={call}:error=EIO:when={nth}");
                let mut life = Life::new(folder, claims.next());
                life.count = Some(DELIVERIES);
                let under = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", &inject];
                life.under = under.iter().map(|word| (*word).to_owned()).collect();
                let (status, lines) = life.start().end();
                if let Some(line) = lines.iter().find(|line| line.contains("ptrace")) {
                    return skipped("calls that err", line);
                }
                assert!(status.success(), "{what}: {status}: {}", lines.join("\n"));
                let says = |word: &str| lines.iter().any(|line| line.starts_with(word));
                if says("unopened") {
                    unopened += 1;
                } else if says("refused") {
                    told += 1;
                    stays_refused(&lines, &what);
                } else {
                    // It hit what nobody waits for, or nothing.
                    unharmed += 1;
                }
                claims.hear(&lines, &what);
                let _ = claims.check(folder, &what);
            }
        }
        old_claims.comes_to_rest(old.path(), call);
    }
    println!("EIO: {told} times whoever posted was told, {unopened} times the store did not open, {unharmed} unharmed");
    assert!(told > 0 && unopened > 0);
}

/// Each task of the child gave up, and none was taken again after a refusal.
#[track_caller]
fn stays_refused(lines: &[String], what: &str) {
    for task in 0..4 {
        let answers = lines.iter().filter_map(|line| {
            let (word, rest) = line.split_once(' ')?;
            let number: u64 = rest.split(' ').next()?.parse().ok()?;
            (number % 4 == task && matches!(word, "kept" | "refused")).then_some(word)
        });
        let mut after = answers.skip_while(|word| *word == "kept");
        assert!(after.all(|word| word == "refused"), "{what}: taken after a refusal: {}", lines.join("\n"));
    }
    assert!(!lines.iter().any(|line| line == "closed"), "{what}: closed as if nothing had been");
}

/// sled wakes nobody when the write errs that begins a batch, and a flush waits by then. Which write is hit differs
/// from run to run, so there are several.
#[test]
fn an_index_whose_write_errs_late_is_told_when_it_is_closed() {
    if let Err(error) = Command::new("strace").arg("--version").stdout(Stdio::null()).status() {
        return skipped("writes that err late", &format!("`strace` does not run: {error}"));
    }
    let mut told = 0;
    for number in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().canonicalize().unwrap().join("index/db").display().to_string();
        let mut life = Life::new(folder.path(), 0);
        life.count = Some(40);
        let late = "inject=pwrite64:error=EIO:delay_enter=300000:when=2";
        let under = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", &file, "-e", "trace=pwrite64", "-e", late];
        life.under = under.iter().map(|word| (*word).to_owned()).collect();
        let (status, lines) = life.start().end();
        if let Some(line) = lines.iter().find(|line| line.contains("ptrace")) {
            return skipped("writes that err late", line);
        }
        assert!(status.success(), "{number}: {status}: {}", lines.join("\n"));
        let unclosed = lines.iter().find(|line| line.starts_with("unclosed"));
        let Some(unclosed) = unclosed else { continue };
        assert!(unclosed.contains("the index failed"), "{number}: {unclosed}");
        told += 1;
    }
    println!("{told} of 8 times the index failed");
    assert!(told > 0, "no write of the index was hit");
}
