//! Sessions that are let go while the process ends: some are forgotten, some expire with whole segments of
//! the journal, the rest stays.
//!
//! The child posts sessions, forgets some, and retains nothing of those that are over. After it ended at a point, and again without the index, these hold:
//!
//! 1. Of a session that waits, or of which not everybody was told, all is there that was acknowledged.
//! 2. What expired went whole, and not before somebody asked for it.
//! 3. Of a session that was forgotten no file says anything, as it lies there or unpacked; what comes of it
//!    again is not kept. One that was being forgotten is there whole, or is forgotten.
//! 4. Notices stand at their places under their ids, and the consumer where it was.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use finis::engine::live::{NoticeId, NoticeKind, SessionKey};
use finis::engine::log::{Gone, Keep, Log, LogRead, Mark, Why};
use finis::engine::{Clock, Receipt, Timestamp};
use finis::live::{Finis, StoreSettings, SystemClock};
use finis_store::crash::POINTS;
use finis_store::journal::{Content, Position, Reader, Scanned};
use finis_store::{EmbeddedLog, journal};

use crate::child::{self, FOLDER, FROM};
use crate::deliveries::{HEADERS, SIGNED};
use crate::process::Life;
use crate::store;

const SESSIONS: u64 = 60;

/// The consumer was told of so many notices.
const TOLD: u64 = 24;

/// [`FROM`] says what a life does: posts, forgets and retains, or one of these alone.
const ALL: u64 = 0;
const FORGETS: u64 = 1;
const POSTS: u64 = 2;
const RETAINS: u64 = 3;

/// Segments of a few sessions; the index is written as soon as anything has changed.
fn settings() -> StoreSettings {
    let journal = journal::Settings { segment_bytes: 24 << 10, reserve_bytes: 0, free_bytes_min: 0 };
    StoreSettings { journal, index_behind: 1, ..store::settings() }
}

/// The index is written when the store is closed.
fn lagging() -> StoreSettings {
    StoreSettings { index_behind: 1 << 16, ..settings() }
}

async fn open(folder: &Path) -> Finis {
    store::open_as(folder, settings(), Duration::from_secs(1)).await.unwrap()
}

/// What nothing else says.
fn canary(number: u64) -> String {
    format!("canary{number:03}")
}

fn key(number: u64) -> SessionKey {
    SessionKey::new(SIGNED, "session", canary(number).as_str())
}

/// It waits for more, to the end.
fn waits(number: u64) -> bool {
    number.is_multiple_of(5)
}

/// Some of those that are over are forgotten before anything is retained; the others, and some of those that
/// wait, so that they are copied first, after it.
fn is_forgotten(number: u64) -> bool {
    is_forgotten_first(number) || number % 5 == 2 || number % 15 == 10
}

fn is_forgotten_first(number: u64) -> bool {
    number % 5 == 2 && number <= SESSIONS / 2
}

/// Deliveries of a session: with both, it is complete.
fn bodies(number: u64) -> Vec<String> {
    let body = |event: &str| {
        let session = canary(number);
        format!(r#"{{"event":"session.{event}","sessionId":"{session}","timestamp":"2026-05-03T08:42:11Z"}}"#)
    };
    if waits(number) { vec![body("ended")] } else { vec![body("ended"), body("finalized")] }
}

fn gone(why: Why) -> Gone {
    Gone { why, at: SystemClock.now() }
}

/// The child.
#[test]
fn lets_go() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let does: u64 = std::env::var(FROM).unwrap().parse().unwrap();
    child::ends_with_its_parent();
    store::runtime().block_on(async {
        let settings = if does == RETAINS { lagging() } else { settings() };
        let finis = store::open_as(Path::new(&folder), settings, Duration::from_secs(1)).await.unwrap();
        if matches!(does, ALL | POSTS) {
            for number in 0..SESSIONS {
                for (place, body) in bodies(number).iter().enumerate() {
                    finis.receive(SIGNED, &HEADERS, body.as_bytes()).await.unwrap();
                    child::say(format_args!("kept {number} {place}"));
                }
            }
            finis.log().mark("crm", &[Mark::Begin(0), Mark::UpTo(TOLD)]).await.unwrap();
            child::say("marked");
        }
        let forgets = |number: &u64| match does {
            ALL => is_forgotten_first(*number),
            FORGETS => is_forgotten(*number),
            _ => false,
        };
        for number in (0..SESSIONS).filter(forgets) {
            child::say(format_args!("forgetting {number}"));
            finis.log().let_go(&[key(number)], gone(Why::Forgotten)).await.unwrap();
            child::say(format_args!("forgot {number}"));
        }
        if matches!(does, ALL | RETAINS) {
            child::say("retaining");
            let keep = Keep { sessions: Some(Timestamp::MAX), told: TOLD, ..Keep::default() };
            let mut expired = 0;
            loop {
                let retained = finis.log().retain(&keep, SystemClock.now()).await.unwrap();
                expired += retained.expired;
                if !retained.more {
                    break;
                }
            }
            child::say(format_args!("retained {expired}"));
        }
        finis.close().await.unwrap();
        child::say("closed");
    });
}

/// What was said of one store.
#[derive(Clone, Default)]
struct Said {
    /// How many deliveries of each session.
    kept: BTreeMap<u64, usize>,
    /// `true` when that was answered.
    forgotten: BTreeMap<u64, bool>,
    retaining: bool,
    marked: bool,
}

impl Said {
    fn hear(&mut self, lines: &[String]) {
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let number = || words[1].parse::<u64>().unwrap();
            match words[0] {
                "kept" => drop(self.kept.insert(number(), words[2].parse::<usize>().unwrap() + 1)),
                "forgetting" => drop(self.forgotten.entry(number()).or_insert(false)),
                "forgot" => drop(self.forgotten.insert(number(), true)),
                "retaining" => self.retaining = true,
                "marked" => self.marked = true,
                _ => assert!(!line.contains("panicked at"), "{}", lines.join("\n")),
            }
        }
    }

    /// Opens the store as it was left, then once more without its index.
    fn check(&self, folder: &Path, what: &str) {
        for round in ["as it was left", "without its index"] {
            let what = format!("{what}, {round}");
            let (log, report) =
                EmbeddedLog::open(folder, &settings()).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(report.journal.damage.is_empty() && report.unreadable == 0, "{what}: {report}");
            store::runtime().block_on(async {
                self.holds(&log, folder, &what).await;
                log.close().await.unwrap();
            });
            std::fs::remove_dir_all(folder.join("index")).unwrap();
        }
    }

    async fn holds(&self, log: &EmbeddedLog, folder: &Path, what: &str) {
        let unpacked = unpacked(folder);
        let notices = log.notices(0, usize::MAX).await.unwrap();
        let listed = log.sessions(None, usize::MAX).await.unwrap();
        for (number, kept) in &self.kept {
            let what = format!("{what}: {}", canary(*number));
            let stored = log.load(&[key(*number)]).await.unwrap().remove(0);
            assert!(stored.damaged.is_empty(), "{what}: {:?}", stored.damaged);
            let id = NoticeId::new(&key(*number), NoticeKind::Complete, 1);
            let said = notices.iter().find(|(_, notice)| notice.id == id);
            let Some(gone) = stored.gone else {
                // One more can have come that was not acknowledged.
                let there: Vec<_> = stored.events.iter().map(|event| event.delivery.body.to_vec()).collect();
                assert!(there.len() == *kept || there.len() == kept + 1, "{what}: {} of {kept}", there.len());
                let all = bodies(*number);
                assert!(all[..*kept].iter().all(|body| there.contains(&body.clone().into_bytes())), "{what}");
                assert!(self.forgotten.get(number) != Some(&true), "{what} is not forgotten");
                assert!(listed.contains(&key(*number)), "{what} is not listed");
                assert!(*kept < 2 || said.is_some_and(|(_, said)| said.key == key(*number)), "{what}: {said:?}");
                continue;
            };
            assert!(stored.events.is_empty() && !listed.contains(&key(*number)), "{what}: {gone:?}");
            match gone.why {
                Why::Expired => assert!(self.retaining && !waits(*number), "{what} expired"),
                Why::Forgotten => {
                    assert!(self.forgotten.contains_key(number), "{what} is forgotten");
                    assert!(said.is_none_or(|(_, said)| said.kind == NoticeKind::Forgotten), "{what}: {said:?}");
                    let canary = canary(*number);
                    let found = who_says(folder, canary.as_bytes());
                    assert!(found.is_empty(), "{what} is forgotten, and in {found:?}");
                    let found =
                        unpacked.iter().any(|body| body.windows(canary.len()).any(|at| at == canary.as_bytes()));
                    assert!(!found, "{what} is forgotten, and in the journal");
                }
            }
        }
        // Those that everybody was told may go; after them there is no gap.
        let untold = notices.iter().map(|(seq, _)| *seq).filter(|seq| *seq > TOLD);
        assert!((TOLD + 1..).zip(untold).all(|(place, seq)| place == seq), "{what}: a gap");
        let consumers = log.consumers().await.unwrap();
        let acknowledged = consumers.iter().find(|known| known.name == "crm").map(|known| known.acknowledged);
        assert!(acknowledged == Some(TOLD) || (!self.marked && acknowledged.is_none()), "{what}: {acknowledged:?}");
    }
}

/// Bodies of all records that the journal has, kept or not.
fn unpacked(folder: &Path) -> Vec<Vec<u8>> {
    let reader = Reader::open(&folder.join("journal")).unwrap();
    let items = reader.scan(Position::START).unwrap();
    let body = |item| match item {
        Ok(Scanned::Record(journal::Entry { body: Content::Here(body), .. })) => Some(body),
        _ => None,
    };
    items.filter_map(body).collect()
}

/// Every file that says it.
fn who_says(folder: &Path, token: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(who_says(&path, token));
        } else if std::fs::read(&path).unwrap().windows(token.len()).any(|part| part == token) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn start(folder: &Path, does: u64, crash_at: Option<String>) -> crate::process::Child {
    let mut life = Life::new(folder, does);
    life.crash_at = crash_at;
    life.start_as("letting_go::lets_go")
}

/// What was forgotten does not come back.
fn stays_forgotten(folder: &Path, what: &str) {
    store::runtime().block_on(async {
        let finis = open(folder).await;
        for number in (0..SESSIONS).filter(|number| is_forgotten(*number)) {
            let told = finis.receive(SIGNED, &HEADERS, bodies(number)[0].as_bytes()).await.unwrap();
            assert_eq!(told, Receipt::Forgotten { key: key(number) }, "{what}");
        }
        finis.close().await.unwrap();
    });
}

#[test]
fn a_process_ends_at_each_step_of_letting_go() {
    for point in POINTS.iter().filter(|point| crate::maintenance::is_its(point)) {
        let folder = tempfile::tempdir().unwrap();
        let mut said = Said::default();
        let (status, lines) = start(folder.path(), ALL, Some(format!("{point}:1"))).end();
        assert!(status.signal().is_some(), "`{point}` is never reached: {status}: {}", lines.join("\n"));
        said.hear(&lines);
        said.check(folder.path(), point);
        // The rest is forgotten, and then the segments that were being let go are.
        for does in [FORGETS, ALL] {
            let (status, lines) = start(folder.path(), does, None).end();
            assert!(status.success(), "{point}: then {}", lines.join("\n"));
            said.hear(&lines);
            said.check(folder.path(), &format!("{point}, then {does}"));
        }
        stays_forgotten(folder.path(), point);
    }
}

/// The index knows where a record was copied to, and the segment that it was copied from is still there.
#[test]
fn what_is_copied_and_not_yet_let_go_can_be_forgotten() {
    for point in ["retain.carried", "retain.restated"] {
        let folder = tempfile::tempdir().unwrap();
        let mut said = Said::default();
        let mut child = start(folder.path(), ALL, Some(format!("{point}:1:hold")));
        assert!(child.says(&format!("held {point}")), "`{point}` is never reached");
        // The index goes on meanwhile.
        std::thread::sleep(Duration::from_millis(500));
        said.hear(&child.kill());
        let (status, lines) = start(folder.path(), FORGETS, None).end();
        assert!(status.success(), "{point}: then {}", lines.join("\n"));
        said.hear(&lines);
        said.check(folder.path(), point);
        stays_forgotten(folder.path(), point);
    }
}

/// Segments have gone, and what was copied from them; the index knows of neither.
#[test]
fn what_was_copied_is_found_by_an_index_that_was_not_told() {
    for point in ["retain.carried", "retain.restated", "retire.listed", "retain.retired"] {
        for nth in [1, 2] {
            let folder = tempfile::tempdir().unwrap();
            let what = format!("{point}:{nth}");
            let mut said = Said::default();
            for (does, crash_at) in [(POSTS, None), (RETAINS, Some(what.clone()))] {
                let ends = crash_at.is_some();
                let (status, lines) = start(folder.path(), does, crash_at).end();
                assert!(status.success() != ends, "{what}: {status}: {}", lines.join("\n"));
                said.hear(&lines);
            }
            said.check(folder.path(), &what);
        }
    }
}
