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
use finis_engine::log::{Batch, Log};
use finis_store::{EmbeddedLog, IndexState, OpenError};

use crate::model::{event, everything, key, notice};
use crate::{runtime, small};

const FOLDER: &str = "FINIS_KILL_FOLDER";
const FROM: &str = "FINIS_KILL_FROM";

/// The child: this test, run by the other one alone.
#[test]
fn appends_until_it_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let from: u32 = std::env::var(FROM).unwrap().parse().unwrap();
    let (log, report) = loop {
        match EmbeddedLog::open(Path::new(&folder), &small()) {
            // The one who looked before is about to let go.
            Err(OpenError::Held { .. }) => std::thread::sleep(Duration::from_millis(2)),
            opened => break opened.unwrap(),
        }
    };
    assert!(report.journal.damage.is_empty(), "{report}");
    let log = Arc::new(log);
    runtime().block_on(async {
        let tasks: Vec<_> = (0..4_u32)
            .map(|task| {
                let log = Arc::clone(&log);
                tokio::spawn(async move {
                    for number in (from + task..).step_by(4) {
                        log.append(batch(number)).await.unwrap();
                        // A line is written at once or not at all.
                        std::io::stderr().write_all(format!("ack {number}\n").as_bytes()).unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
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
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kill::appends_until_it_is_killed", "--exact", "--nocapture", "--test-threads", "1"])
            .env(FOLDER, folder.path())
            .env(FROM, next.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (send, works) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            let lines = BufReader::new(stderr).lines().map_while(Result::ok);
            let numbers = lines.filter_map(|line| line.strip_prefix("ack ")?.parse::<u32>().ok());
            let mut acknowledged = Vec::new();
            for number in numbers {
                acknowledged.push(number);
                let _ = send.send(());
            }
            acknowledged
        });
        // Some while they open, most while they work.
        if kill % 4 > 0 {
            works.recv_timeout(Duration::from_secs(60)).unwrap();
        }
        std::thread::sleep(Duration::from_millis((kill * 37) % 70));
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(reader.join().unwrap());

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
