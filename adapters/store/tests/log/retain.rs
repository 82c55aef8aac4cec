//! What is kept for long enough goes, its space comes back, and the rest stays as it was.

use std::path::Path;

use finis_engine::Timestamp;
use finis_engine::live::NoticeKind;
use finis_engine::log::{Batch, EventEntry, Gone, Keep, Log, LogRead, Mark, MemoryLog, Repeat, Retained, Why};
use finis_store::EmbeddedLog;

use crate::model::{at, delivery, digest, everything, key_of, notice, refused, repeat};
use crate::{open_segmented, runtime, small};

/// A session of two events; the second with a notice, when it is over.
fn session(number: u32, second: i64, is_over: bool) -> Batch {
    let key = key_of(&format!("call-{number}"));
    let event = |part: u32| EventEntry {
        key: key.clone(),
        digest: digest(number * 2 + part),
        received_at: Some(at(second)),
        delivery: delivery(number * 2 + part + 1, 300),
    };
    let mut said = notice(0, NoticeKind::Complete, 1);
    said.key = key.clone();
    said.id = finis_engine::live::NoticeId::new(&key, NoticeKind::Complete, 1);
    Batch {
        events: vec![event(0), event(1)],
        notices: if is_over { vec![said] } else { Vec::new() },
        // Some of those that stay, and some that go.
        crowded: if number.is_multiple_of(10) { vec![key.clone()] } else { Vec::new() },
        due: vec![(key, (!is_over).then(|| at(100_000)))],
        ..Batch::default()
    }
}

/// Asks until there is no more to do.
async fn retain(log: &dyn Log, keep: &Keep, now: Timestamp) -> Retained {
    let mut all = Retained::default();
    loop {
        let some = log.retain(keep, now).await.unwrap();
        all.expired += some.expired;
        all.untold += some.untold;
        all.refused += some.refused;
        all.bytes += some.bytes;
        if !some.more {
            return all;
        }
    }
}

fn journal_bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder.join("journal")).unwrap();
    let logs = files.map(|file| file.unwrap()).filter(|file| file.file_name().to_string_lossy().ends_with(".log"));
    logs.map(|file| file.metadata().unwrap().len()).sum()
}

/// 400 sessions, a second each; every 25th waits for more. `told` is how far a consumer is.
async fn fill(log: &dyn Log) {
    for number in 0..400 {
        log.append(session(number, number.into(), number % 25 != 0)).await.unwrap();
        if number.is_multiple_of(5) {
            // One a number: some are said when it has doubled, and some with the last.
            let key = key_of(&format!("call-{number}"));
            let of = |second| Repeat { key: key.clone(), digest: digest(number * 2), ..repeat(0, 0, second) };
            let repeats = (0..=i64::from(number % 7)).map(|more| of(500 + more)).collect();
            log.append(Batch { repeats, ..Batch::default() }).await.unwrap();
        }
        if number % 100 == 7 {
            log.append(Batch { refused: vec![refused(number, number.into())], ..Batch::default() }).await.unwrap();
        }
    }
    log.mark("crm", &[Mark::Begin(300)]).await.unwrap();
}

#[test]
fn what_is_over_goes_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let (log, twin) = (open_segmented(folder.path()), MemoryLog::new());
        fill(&log).await;
        fill(&twin).await;
        let before = journal_bytes(folder.path());
        let keep = Keep { sessions: Some(at(300)), refused: Some(at(300)), told: 300, ..Keep::default() };
        let now = at(1000);
        let retained = retain(&log, &keep, now).await;
        assert!(retained.expired > 250 && retained.untold == 0, "{retained:?}");
        assert!(retained.refused >= 2, "{retained:?}");
        let after = journal_bytes(folder.path());
        assert!(after < before * 6 / 10, "{before} bytes before, {after} after");

        // What a log keeps for longer, it may; nothing else differs.
        let all = everything(&log).await;
        let gone = retain(&twin, &keep, now).await;
        let expected = everything(&twin).await;
        let kept = |key: &finis_engine::live::SessionKey| expected.sessions.contains(key);
        assert!(gone.expired - retained.expired < 40, "{gone:?}");
        assert!(expected.sessions.iter().all(|key| all.sessions.contains(key)));
        for (key, stored) in all.sessions.iter().zip(&all.stored).filter(|(key, _)| kept(key)) {
            let place = expected.sessions.binary_search(key).unwrap();
            assert_eq!(*stored, expected.stored[place]);
        }
        assert_eq!((&all.due, &all.consumers, all.latest), (&expected.due, &expected.consumers, expected.latest));
        assert!(expected.notices.iter().all(|notice| all.notices.contains(notice)));
        // Some were counted in segments that went.
        let early = key_of("call-25");
        assert!(all.counts().iter().any(|(key, _, count)| *key == early && *count == 6), "{:?}", all.counts());

        // A replay of what went is known, and nothing is said of it again.
        let again = log.append(session(3, 2000, true)).await.unwrap();
        assert_eq!((again.new, again.first), (vec![false, false], vec![false]));
        let key = key_of("call-3");
        let stored = log.load(&[key]).await.unwrap().remove(0);
        assert_eq!((stored.gone, stored.events.len()), (Some(Gone { why: Why::Expired, at: now }), 0));

        // All this is so after a restart, with the index and without.
        let all = everything(&log).await;
        drop(log);
        let log = open_segmented(folder.path());
        assert_eq!(everything(&log).await, all);
        log.close().await.unwrap();
        let checkup = finis_store::check(folder.path()).unwrap();
        assert!(checkup.is_sound(), "{checkup:?}");
        std::fs::remove_dir_all(folder.path().join("index")).unwrap();
        let log = open_segmented(folder.path());
        assert_eq!(everything(&log).await, all);
        let again = log.append(session(3, 2000, true)).await.unwrap();
        assert_eq!((again.new, again.first), (vec![false, false], vec![false]));
        // And the outbox goes on where it was.
        log.append(session(900, 900, true)).await.unwrap();
        assert_eq!(log.notices(384, 9).await.unwrap()[0].0, 385);
    });
}

#[test]
fn who_was_not_told_holds_it_back_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let log = open_segmented(folder.path());
        fill(&log).await;
        let keep = Keep { sessions: Some(at(390)), told: 50, ..Keep::default() };
        retain(&log, &keep, at(1000)).await;
        let notices = log.notices(50, usize::MAX).await.unwrap();
        assert_eq!((notices.len(), notices[0].0), (384 - 50, 51));
        let retained = retain(&log, &Keep { untold: Some(at(200)), ..keep }, at(1000)).await;
        assert!(retained.untold > 100, "{retained:?}");
        // Each is still in its place, and of those that waited too long no more than that they were.
        let notices = log.notices(50, usize::MAX).await.unwrap();
        assert!(notices.iter().map(|(seq, _)| *seq).eq(51..=384));
        let empty = notices.iter().filter(|(_, notice)| notice.kind == NoticeKind::Forgotten).count();
        assert!((100..150).contains(&empty), "{empty}");
        let all = everything(&log).await;
        log.close().await.unwrap();
        let checkup = finis_store::check(folder.path()).unwrap();
        assert!(checkup.is_sound(), "{checkup:?}");
        std::fs::remove_dir_all(folder.path().join("index")).unwrap();
        assert_eq!(everything(&open_segmented(folder.path())).await, all);
    });
}

#[test]
fn the_last_word_can_stay() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let log = open_segmented(folder.path());
        fill(&log).await;
        let keep = Keep { sessions: Some(at(300)), last_word: true, told: 400, ..Keep::default() };
        assert!(retain(&log, &keep, at(1000)).await.expired > 250);
        drop(log);
        std::fs::remove_dir_all(folder.path().join("index")).unwrap();
        let log = open_segmented(folder.path());
        let key = key_of("call-3");
        let stored = log.load(&[key]).await.unwrap().remove(0);
        assert!(stored.gone.is_some() && stored.events.is_empty());
        assert_eq!(stored.notices[0].record, "{\"revision\":1}");
        // Those that need not be known any more go, from the oldest segment on.
        let keep = Keep { sessions: Some(at(900)), gone: Some(at(2000)), told: 400, ..Keep::default() };
        for number in 500..700 {
            log.append(session(number, 3000, true)).await.unwrap();
        }
        let before = journal_bytes(folder.path());
        retain(&log, &Keep { sessions: Some(at(3001)), ..keep }, at(4000)).await;
        assert!(journal_bytes(folder.path()) < before);
    });
}

/// A segment that stays because most of it is wanted keeps its notices in the outbox when a later one goes.
#[test]
fn what_an_older_segment_says_stays_when_a_later_one_goes() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let log = open_segmented(folder.path());
        // These wait for more, and something was said of each; after them come some that are over.
        for number in 0..60 {
            let mut batch = session(number, number.into(), true);
            batch.due[0].1 = Some(at(100_000));
            log.append(batch).await.unwrap();
        }
        for number in 100..400 {
            log.append(session(number, number.into(), true)).await.unwrap();
        }
        // When a session is due is said anew, in a segment that goes.
        let open_one = session(0, 0, true).due[0].0.clone();
        let due = vec![(open_one, Some(at(200_000)))];
        log.append(Batch { due, ..Batch::default() }).await.unwrap();
        for number in 400..600 {
            log.append(session(number, 450, true)).await.unwrap();
        }
        let before = everything(&log).await;
        let keys: Vec<_> = before.due.iter().map(|(_, key)| key.clone()).collect();
        let stored = log.load(&keys).await.unwrap();
        let keep = Keep { sessions: Some(at(460)), told: 600, ..Keep::default() };
        assert!(retain(&log, &keep, at(1000)).await.expired > 300);
        let check = async |log: &EmbeddedLog| {
            let all = everything(log).await;
            assert_eq!(all.notices[..60], before.notices[..60]);
            assert_eq!((&all.due, &log.load(&keys).await.unwrap()), (&before.due, &stored));
        };
        check(&log).await;
        log.close().await.unwrap();
        std::fs::remove_dir_all(folder.path().join("index")).unwrap();
        check(&open_segmented(folder.path())).await;
    });
}

/// Where little comes, all of it lies in the segment that is written to: what is over goes there, too.
#[test]
fn a_store_of_one_segment_lets_go_as_well() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let (log, twin) = (EmbeddedLog::open(folder.path(), &small()).unwrap().0, MemoryLog::new());
        for log in [&log as &dyn Log, &twin] {
            for number in 0..40 {
                log.append(session(number, number.into(), number % 10 != 0)).await.unwrap();
            }
        }
        let keep = Keep { sessions: Some(at(20)), told: 99, ..Keep::default() };
        assert_eq!(retain(&log, &keep, at(1000)).await.expired, retain(&twin, &keep, at(1000)).await.expired);
        assert_eq!(everything(&log).await, everything(&twin).await);
        drop(log);
        let (log, report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
        assert!(report.journal.damage.is_empty(), "{report}");
        assert_eq!(everything(&log).await, everything(&twin).await);
    });
}

/// What need not be known any more is as if it had never been, and not before all that it said is gone.
#[test]
fn known_for_as_long_as_anything_of_it_lies_there() {
    let folder = tempfile::tempdir().unwrap();
    let call = |number: u32| key_of(&format!("call-{number}"));
    runtime().block_on(async {
        let log = open_segmented(folder.path());
        // The oldest segment stays: most of it waits for more, and every tenth session in it is over.
        for number in 0..60 {
            let mut batch = session(number, number.into(), true);
            batch.due[0].1 = (number % 10 != 0).then(|| at(100_000));
            log.append(batch).await.unwrap();
        }
        for number in 100..300 {
            log.append(session(number, number.into(), true)).await.unwrap();
        }
        let keep = Keep { sessions: Some(at(400)), told: 9_999, ..Keep::default() };
        assert!(retain(&log, &keep, at(500)).await.expired > 150);
        for number in 300..500 {
            log.append(session(number, 600, true)).await.unwrap();
        }
        // What says that those are gone lies in segments that go now.
        let keep = Keep { sessions: Some(at(700)), gone: Some(at(5_000)), ..keep };
        retain(&log, &keep, at(800)).await;
        let check = async |log: &EmbeddedLog| {
            let stored = log.load(&[call(10), call(150), call(11)]).await.unwrap();
            assert!(stored[0].gone.is_some() && stored[0].events.is_empty(), "{:?}", stored[0]);
            assert!(stored[1].gone.is_some() && stored[1].events.is_empty(), "{:?}", stored[1]);
            assert_eq!((stored[2].gone, stored[2].events.len()), (None, 2));
        };
        check(&log).await;
        log.close().await.unwrap();
        std::fs::remove_dir_all(folder.path().join("index")).unwrap();
        let log = open_segmented(folder.path());
        check(&log).await;

        // Now those that waited are over, too, and the oldest segment goes with them.
        for number in (0..60).filter(|number| number % 10 != 0) {
            log.append(Batch { due: vec![(call(number), None)], ..Batch::default() }).await.unwrap();
        }
        for number in 500..700 {
            log.append(session(number, 900, true)).await.unwrap();
        }
        retain(&log, &Keep { sessions: Some(at(1_000)), ..keep }, at(1_100)).await;
        for number in 700..900 {
            log.append(session(number, 1_200, true)).await.unwrap();
        }
        retain(&log, &Keep { sessions: Some(at(1_300)), ..keep }, at(1_400)).await;
        let check = async |log: &EmbeddedLog| {
            for number in [10, 11, 150, 350] {
                assert_eq!(
                    log.load(&[call(number)]).await.unwrap(),
                    [finis_engine::log::Stored::default()],
                    "{number}"
                );
            }
        };
        check(&log).await;
        let all = everything(&log).await;
        log.close().await.unwrap();
        let checkup = finis_store::check(folder.path()).unwrap();
        assert!(checkup.is_sound(), "{checkup:?}");
        let log = open_segmented(folder.path());
        check(&log).await;
        assert_eq!(everything(&log).await, all);
        let again = log.append(session(10, 2_000, true)).await.unwrap();
        assert_eq!((again.new, again.first), (vec![true, true], vec![true]));
    });
}
