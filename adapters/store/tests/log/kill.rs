//! Processes that end without a word: a child appends and says what was acknowledged, and is killed.
//!
//! `FINIS_KILLS` sets how many are killed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use finis_engine::live::NoticeKind;
use finis_engine::log::{Batch, Log, LogRead};
use finis_store::{EmbeddedLog, IndexState, OpenError};

use crate::model::{event, everything, key, notice, repeat};
use crate::{runtime, small};

const FOLDER: &str = "FINIS_KILL_FOLDER";
const FROM: &str = "FINIS_KILL_FROM";

/// The child: this test, run by the other one alone.
#[test]
fn appends_until_it_is_killed() {
    let Some((log, from)) = child() else { return };
    let log = Arc::new(log);
    runtime().block_on(async {
        let tasks: Vec<_> = (0..4_u32)
            .map(|task| {
                let log = Arc::clone(&log);
                tokio::spawn(async move {
                    for number in (from + task..).step_by(4) {
                        log.append(batch(number)).await.unwrap();
                        say(format_args!("ack {number}"));
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// The other child: one event again and again, and another one each time.
#[test]
fn repeats_until_it_is_killed() {
    let Some((log, from)) = child() else { return };
    runtime().block_on(async {
        log.append(Batch { events: vec![event(0, 0, 1)], ..Batch::default() }).await.unwrap();
        for number in from.. {
            say(format_args!("told {number}"));
            let repeats = vec![repeat(0, 0, 10 + i64::from(number))];
            log.append(Batch { repeats, ..Batch::default() }).await.unwrap();
            log.append(Batch { events: vec![event(1, number, 1)], ..Batch::default() }).await.unwrap();
            say(format_args!("ack {number}"));
        }
    });
}

/// What a child works on, and where it begins; nothing in a process that is none.
fn child() -> Option<(EmbeddedLog, u32)> {
    let folder = std::env::var(FOLDER).ok()?;
    let from: u32 = std::env::var(FROM).unwrap().parse().unwrap();
    let (log, report) = loop {
        match EmbeddedLog::open(Path::new(&folder), &small()) {
            // The one who looked before is about to let go.
            Err(OpenError::Held { .. }) => std::thread::sleep(Duration::from_millis(2)),
            opened => break opened.unwrap(),
        }
    };
    assert!(report.journal.damage.is_empty(), "{report}");
    Some((log, from))
}

/// A line is written at once or not at all.
fn say(line: std::fmt::Arguments<'_>) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Starts a child and ends it without a word, the sooner the less `kill` is. What it said.
fn killed(test: &str, folder: &Path, from: u32, kill: u64) -> Vec<(String, u32)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads", "1"])
        .env(FOLDER, folder)
        .env(FROM, from.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = child.stderr.take().unwrap();
    let (send, works) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(stderr).lines().map_while(Result::ok);
        let mut said = Vec::new();
        for (word, number) in lines.filter_map(|line| Some((line.split_once(' ')?.0.to_owned(), number(&line)?))) {
            if word == "ack" {
                let _ = send.send(());
            }
            said.push((word, number));
        }
        said
    });
    // Some while they open, most while they work.
    if !kill.is_multiple_of(4) {
        works.recv_timeout(Duration::from_secs(60)).unwrap();
    }
    std::thread::sleep(Duration::from_millis((kill * 37) % 70));
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

fn number(line: &str) -> Option<u32> {
    line.split_once(' ')?.1.parse().ok()
}

/// Of how often an event came, a kill takes less than half, and never adds.
#[test]
fn nothing_is_counted_that_did_not_come() {
    let kills = std::env::var("FINIS_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(8_u64);
    let folder = tempfile::tempdir().unwrap();
    let (mut next, mut counted) = (0, 1);
    for kill in 0..kills {
        let said = killed("kill::repeats_until_it_is_killed", folder.path(), next, kill);
        let (told, acknowledged): (Vec<_>, Vec<_>) = said.into_iter().partition(|(word, _)| word == "told");
        let (most, least) = (counted + told.len() as u64, counted + acknowledged.len() as u64);
        next += told.len() as u32;

        let (log, report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
        assert!(report.journal.damage.is_empty(), "{report}");
        let stored = runtime().block_on(log.load(&[key(0)])).unwrap().remove(0);
        counted = stored.repeated.first().map_or(1, |(_, arrivals)| arrivals.count());
        assert!(counted <= most && counted * 2 > least, "after kill {kill}: {counted} of {least} to {most}");
    }
    println!("{kills} kills, {next} times told, {counted} counted");
    assert!(counted > 1);
}

/// Two events and a notice: all of them, or none.
fn batch(number: u32) -> Batch {
    Batch {
        events: vec![event((number % 3) as u8, 2 * number, 1), event(4, 2 * number + 1, 1)],
        notices: vec![notice(5, NoticeKind::Asset, number)],
        ..Batch::default()
    }
}

#[test]
fn nothing_acknowledged_is_lost() {
    let kills = std::env::var("FINIS_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(12_u64);
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    let (mut rebuilt, mut next) = (0, 0);
    for kill in 0..kills {
        let said = killed("kill::appends_until_it_is_killed", folder.path(), next, kill);
        acknowledged.extend(said.into_iter().map(|(_, number)| number));

        let (log, report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
        assert!(report.journal.damage.is_empty(), "{report}");
        if let IndexState::Rebuilt { reason } = &report.index {
            println!("made again: {reason}");
            rebuilt += 1;
        }
        let all = runtime().block_on(everything(&log));
        let position = all.sessions.binary_search(&key(5)).ok();
        let said = position.map_or(&[][..], |place| &all.stored[place].notices);
        let digests: BTreeSet<_> = all
            .stored
            .iter()
            .flat_map(|stored| &stored.events)
            .map(|event| (event.key.clone(), event.digest))
            .collect();
        let there: BTreeSet<u32> = said.iter().map(|notice| notice.revision).collect();
        assert!(acknowledged.is_subset(&there), "acknowledged and not there, after kill {kill}");
        // Each batch is wholly there, or wholly not.
        let expected = there.iter().flat_map(|number| batch(*number).events);
        assert_eq!(digests, expected.map(|event| (event.key, event.digest)).collect());
        assert!(all.notices.iter().map(|(seq, _)| *seq).eq(1..=all.notices.len() as u64), "a gap in the outbox");
        assert_eq!(all.notices.len(), there.len());
        next = there.last().map_or(0, |last| last + 1);
    }
    println!("{kills} kills, {} acknowledged, {rebuilt} times the index was made again", acknowledged.len());
    assert!(!acknowledged.is_empty());
}
