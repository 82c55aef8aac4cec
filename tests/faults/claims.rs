//! What children said, held against what the store has.
//!
//! After every fault these hold, or the test fails:
//!
//! 1. Each delivery that was kept is there, byte for byte, and so is each that an earlier look found.
//! 2. Nothing is there that was not posted, and nothing twice.
//! 3. Notices have the places 1, 2, 3, … without a gap; no session, kind and revision has two; each id
//!    is the one that its session, kind and revision make; what an earlier look found is as it was.
//! 4. What a consumer was handed is in the outbox, under the place and the id that it was handed with,
//!    and came right after what it had acknowledged, none left out.
//! 5. A consumer's cursor is not behind what it was told is acknowledged, nor ahead of what it sent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use finis::engine::live::{Notice, NoticeId, NoticeKind, SessionKey};
use finis::engine::log::Log;
use finis::engine::{Placed, Timestamp};
use finis_store::{EmbeddedLog, Report};

use crate::deliveries::{BRIEF, number_of, original, posted};
use crate::process::PATIENCE;
use crate::store;

/// All that was said about one store, in all lives.
#[derive(Clone, Default)]
pub(crate) struct Claims {
    kept: BTreeSet<u64>,
    handed: BTreeMap<u64, (String, String)>,
    consumers: BTreeMap<String, Cursor>,
    /// What the last look found.
    found: BTreeSet<u64>,
    outbox: Vec<Notice>,
    /// Since the last life.
    looked: bool,
    next: u64,
}

#[derive(Clone, Copy, Default)]
struct Cursor {
    /// In this life; nothing before the first.
    handed: Option<u64>,
    acking: u64,
    acked: u64,
    /// What the last look found.
    found: u64,
}

/// What there was to check.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) kept: usize,
    pub(crate) notices: usize,
    pub(crate) handed: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, more: Counts) {
        self.kept += more.kept;
        self.notices += more.notices;
        self.handed += more.handed;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { kept, notices, handed } = self;
        write!(f, "{kept} deliveries acknowledged, {notices} notices made, {handed} handed over")
    }
}

impl Claims {
    /// Of these lines, deliveries that were said to be kept, and are not there.
    pub(crate) fn not_there(&self, lines: &[String]) -> usize {
        let kept = lines.iter().filter_map(|line| line.strip_prefix("kept ")?.parse().ok());
        kept.filter(|number| !self.found.contains(&original(*number))).count()
    }

    /// The number to go on from.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts { kept: self.kept.len(), notices: self.outbox.len(), handed: self.handed.len() }
    }

    /// Takes note of what one life said.
    #[track_caller]
    pub(crate) fn hear(&mut self, lines: &[String], what: &str) {
        self.hear_until(lines, lines.len(), what);
    }

    /// As [`Claims::hear`]; what was said from line `end` on, nobody outside has heard, so it binds
    /// nobody. It says what was under way.
    #[track_caller]
    pub(crate) fn hear_until(&mut self, lines: &[String], end: usize, what: &str) {
        let looked = std::mem::take(&mut self.looked);
        for consumer in self.consumers.values_mut() {
            consumer.handed = None;
        }
        for (place, line) in lines.iter().enumerate() {
            let is_heard = place < end;
            // What sled does with a thread of its own is its own affair.
            let panicked = line.contains("panicked at") && !line.contains("/sled-");
            assert!(!panicked, "{what}: {}", lines.join("\n"));
            let words: Vec<&str> = line.split(' ').collect();
            let number = |place: usize| words[place].parse::<u64>().unwrap();
            match words[0] {
                "kept" => {
                    if is_heard {
                        self.kept.insert(original(number(1)));
                    }
                    self.next = self.next.max(number(1) + 1);
                }
                "handed" => {
                    let consumer = self.consumer(words[1]);
                    // Who did not look cannot know whether what was being acknowledged is.
                    let least = consumer.handed.unwrap_or(consumer.acked.max(consumer.found)) + 1;
                    let most = consumer.handed.unwrap_or(if looked { consumer.found } else { consumer.acking }) + 1;
                    assert!((least..=most).contains(&number(2)), "{what}: one left out, or twice: {line}");
                    consumer.handed = Some(number(2));
                    if !is_heard {
                        continue;
                    }
                    let said = (words[3].to_owned(), words[4].to_owned());
                    let before = self.handed.entry(number(2)).or_insert_with(|| said.clone());
                    assert_eq!(*before, said, "{what}: another under the same place: {line}");
                }
                "acking" => self.consumer(words[1]).acking = number(2),
                "acked" if is_heard => self.consumer(words[1]).acked = number(2),
                _ => {}
            }
        }
    }

    fn consumer(&mut self, name: &str) -> &mut Cursor {
        self.consumers.entry(name.to_owned()).or_default()
    }

    /// Opens the store and looks; what opening found. Damage is none.
    #[track_caller]
    pub(crate) fn check(&mut self, folder: &Path, what: &str) -> Report {
        let (log, report) = match EmbeddedLog::open(folder, &store::settings()) {
            Ok(opened) => opened,
            Err(error) => panic!("{what}: {}", crate::child::chain(&error)),
        };
        assert!(report.journal.damage.is_empty() && report.unreadable == 0, "{what}: {report}");
        store::runtime().block_on(self.hold_against(&log, what));
        report
    }

    /// Holds what was said against a log that nobody writes.
    pub(crate) async fn hold_against(&mut self, log: &dyn Log, what: &str) {
        let there = events(log, what).await;
        for (before, there) in [(&self.kept, &there), (&self.found, &there)] {
            let lost: Vec<_> = before.difference(there).collect();
            assert!(lost.is_empty(), "{what}: acknowledged and not there: {lost:?}");
        }
        self.next = self.next.max(there.last().map_or(0, |last| last + 1));
        self.found = there;

        let outbox = outbox(log, what).await;
        let before = self.outbox.len();
        assert!(outbox.len() >= before && outbox[..before] == self.outbox, "{what}: what was said has changed");
        for (seq, (id, session)) in &self.handed {
            let notice = outbox.get(*seq as usize - 1);
            let there = notice.map(|notice| (notice.id.to_string(), notice.key.id.clone()));
            assert_eq!(there.as_ref(), Some(&(id.clone(), session.clone())), "{what}: handed over, place {seq}");
        }
        self.outbox = outbox;

        self.looked = true;
        let cursors = log.consumers().await.unwrap();
        for (name, consumer) in &mut self.consumers {
            let cursor = cursors.iter().find(|cursor| cursor.name == *name).map_or(0, |cursor| cursor.acknowledged);
            let Cursor { acking, acked, found, .. } = *consumer;
            assert!(acked <= cursor && found <= cursor, "{what}: `{name}` is at {cursor}, and acknowledged {acked}");
            assert!(cursor <= acking, "{what}: `{name}` is at {cursor}, and sent no more than {acking}");
            consumer.found = cursor;
        }
    }

    /// Faults are over: every deadline passes, every consumer gets what is left, once and in order, and
    /// who was said to be complete is, and the other way round.
    #[track_caller]
    pub(crate) fn comes_to_rest(&mut self, folder: &Path, what: &str) {
        store::runtime().block_on(async {
            let finis = store::open(folder).await.unwrap();
            let until = Instant::now() + PATIENCE;
            while is_due(finis.log()).await {
                assert!(Instant::now() < until, "{what}: deadlines do not pass");
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            let outbox = outbox(finis.log(), what).await;
            for key in finis.sessions(None, usize::MAX).await.unwrap() {
                let record = finis.session(&key.source, &key.id).await.unwrap().unwrap();
                let said = |kind| outbox.iter().any(|notice| notice.key == key && notice.kind == kind);
                let is = |status: &str| record.contains(&format!(r#""status":"{status}""#));
                assert!(!is("complete") || said(NoticeKind::Complete), "{what}: not said: {record}");
                assert!(!is("stalled") || said(NoticeKind::Stalled), "{what}: not said: {record}");
                assert!(key.source != BRIEF || is("complete") || is("stalled"), "{what}: it waits: {record}");
            }
            for (name, consumer) in &mut self.consumers {
                let mut notices = finis.notices(name).await.unwrap();
                for place in consumer.found + 1..=outbox.len() as u64 {
                    let Placed { seq, notice } = notices.next().await.unwrap().unwrap();
                    assert_eq!((seq, &notice), (place, &outbox[place as usize - 1]), "{what}: `{name}`");
                    consumer.acking = seq;
                }
                notices.ack(consumer.acking).await.unwrap();
                consumer.acked = consumer.acking;
            }
            finis.close().await.unwrap();
        });
        let report = self.check(folder, what);
        assert!(report.journal.closed && report.replayed == 0, "{what}: {report}");
    }
}

/// Whether a session with brief deadlines waits for one.
async fn is_due(log: &dyn Log) -> bool {
    log.due(None, Timestamp::MAX, usize::MAX).await.unwrap().iter().any(|(_, key)| key.source == BRIEF)
}

/// Numbers of the deliveries that a log has, each once and as it was posted.
pub(crate) async fn events(log: &dyn Log, what: &str) -> BTreeSet<u64> {
    let sessions = log.sessions(None, usize::MAX).await.unwrap();
    let all = log.load(&sessions).await.unwrap();
    let mut there = BTreeSet::new();
    for (key, stored) in sessions.iter().zip(&all) {
        for event in &stored.events {
            let number = known(&event.delivery.body, what);
            assert!(is_of(key, number), "{what}: {number} is with {key:?}");
            assert!(there.insert(number), "{what}: {number} is there twice");
        }
    }
    for refused in log.refused(usize::MAX).await.unwrap() {
        let number = known(&refused.delivery.body, what);
        assert!(there.insert(number) && !posted(number).readable, "{what}: {number} is in quarantine, and elsewhere");
    }
    there
}

fn known(body: &[u8], what: &str) -> u64 {
    number_of(body).unwrap_or_else(|| panic!("{what}: nobody posted {}", String::from_utf8_lossy(body)))
}

fn is_of(key: &SessionKey, number: u64) -> bool {
    let posted = posted(number);
    (posted.source, posted.session.as_str(), posted.readable) == (&*key.source, &*key.id, true)
}

/// Notices in their order: without a gap, each said once, each with its own id.
async fn outbox(log: &dyn Log, what: &str) -> Vec<Notice> {
    let notices = log.notices(0, usize::MAX).await.unwrap();
    let mut said = BTreeSet::new();
    for (place, (seq, notice)) in (1..).zip(&notices) {
        let Notice { id, key, kind, revision, .. } = notice;
        assert_eq!(*seq, place, "{what}: a gap, or two at one place");
        assert_eq!(*id, NoticeId::new(key, *kind, *revision), "{what}: an id of something else");
        assert!((*kind == NoticeKind::Complete) <= (*revision == 1), "{what}: complete twice: {notice:?}");
        // `complete` and `amended` count together.
        let series = if *kind == NoticeKind::Amended { NoticeKind::Complete } else { *kind };
        assert!(said.insert((key.clone(), series, *revision)), "{what}: said twice: {notice:?}");
        // Revisions count up.
        assert!(*revision == 1 || said.contains(&(key.clone(), series, revision - 1)), "{what}: {notice:?}");
    }
    notices.into_iter().map(|(_, notice)| notice).collect()
}
