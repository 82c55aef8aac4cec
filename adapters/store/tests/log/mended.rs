//! What is damaged amid a journal is set aside, and all else stays as it was.

use std::path::Path;

use finis_engine::live::NoticeKind;
use finis_engine::log::{Batch, Log, LogRead, Mark, Refused};
use finis_store::{EmbeddedLog, check, mend};

use crate::model::{Everything, at, event, everything, key, notice, repeat};
use crate::{runtime, small};

/// Fills a log of several segments, closes it, and tells all that it says.
async fn filled(folder: &Path) -> Everything {
    let (log, _report) = EmbeddedLog::open(folder, &small()).unwrap();
    let refused = Refused {
        source: "desk".to_owned(),
        received_at: at(1),
        reason: "no".to_owned(),
        delivery: finis_engine::log::Delivery { headers: Vec::new(), body: [1; 4].into() },
    };
    log.append(Batch { refused: vec![refused.clone()], ..Batch::default() }).await.unwrap();
    log.mark("gone", &[Mark::Begin(0)]).await.unwrap();
    // Payloads that no dictionary makes small, so that there are segments.
    for number in 0..60_u8 {
        let mut event = event(number % 20, number.into(), number.into());
        let noise = (0..2000_u32).flat_map(|n| noise_of(number.into(), n));
        event.delivery.body = noise.collect::<Vec<u8>>().into();
        let due = vec![(key(number % 20), (number < 40).then(|| at(900)))];
        let said = if number < 20 { vec![notice(number, NoticeKind::Complete, 1)] } else { Vec::new() };
        let repeats = vec![repeat(number % 20, number.into(), 100), repeat(number % 20, number.into(), 101)];
        log.append(Batch { events: vec![event], repeats, notices: said, due, ..Batch::default() }).await.unwrap();
        if number == 30 {
            log.append(Batch { released: vec![refused.id()], ..Batch::default() }).await.unwrap();
            log.remove_consumer("gone").await.unwrap();
            log.mark("crm", &[Mark::Begin(0), Mark::UpTo(7)]).await.unwrap();
        }
    }
    let all = everything(&log).await;
    log.close().await.unwrap();
    let count = std::fs::read_dir(folder.join("journal")).unwrap().count();
    assert!(count > 5, "{count} files");
    all
}

#[test]
fn a_segment_amid_others_goes_and_takes_nothing_with_it() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let before = filled(folder.path()).await;
        let journal = folder.path().join("journal");
        for segment in [2, 3, 4] {
            let path = journal.join(format!("{segment:08}.log"));
            let mut bytes = std::fs::read(&path).unwrap();
            let at = bytes.windows(4).position(|part| part == b"body").unwrap();
            bytes[at + 20] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }
        let mended = mend(folder.path(), &small()).await.unwrap();
        assert_eq!((mended.before.damage.len(), mended.segments.len()), (3, 3), "{mended:?}");
        assert!(mended.after.is_sound(), "{:?}", mended.after);

        let (log, report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
        assert!(report.journal.damage.is_empty(), "{report}");
        let after = everything(&log).await;
        assert_eq!((&after.sessions, &after.due), (&before.sessions, &before.due));
        let events = |all: &Everything| all.stored.iter().map(|stored| stored.events.len()).sum::<usize>();
        assert!(events(&after) + 3 >= events(&before));
        // Of those that are there, how often they came is known as before.
        let (counts, known) = (after.counts(), before.counts());
        assert!(counts.len() + 3 >= known.len() && counts.iter().all(|count| known.contains(count)), "{counts:?}");
        assert_eq!(
            (log.consumers().await.unwrap().len(), log.refused(None, 9).await.unwrap().deliveries),
            (1, Vec::new())
        );
        assert_eq!((after.last_seq, after.latest), (before.last_seq, before.latest));
        assert_eq!(after.consumers, before.consumers);
        log.close().await.unwrap();
        assert!(check(folder.path()).unwrap().is_sound());
    });
}

/// Nobody waits for a session of which nothing is left.
#[test]
fn what_is_lost_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let (log, _report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
        let due = vec![(key(0), Some(at(900)))];
        log.append(Batch { events: vec![event(0, 0, 0)], due, ..Batch::default() }).await.unwrap();
        for number in 1..40 {
            let mut event = event(1, number, number.into());
            event.delivery.body = (0..2000).flat_map(|n| noise_of(number, n)).collect::<Vec<u8>>().into();
            let due = vec![(key(1), Some(at(901)))];
            log.append(Batch { events: vec![event], due, ..Batch::default() }).await.unwrap();
        }
        assert_eq!(log.waiting().await.unwrap(), Some(2));
        log.close().await.unwrap();
        let path = folder.path().join("journal").join("00000001.log");
        let mut bytes = std::fs::read(&path).unwrap();
        let body = bytes.windows(4).position(|part| part == b"body").unwrap();
        bytes[body + 20] ^= 1;
        std::fs::write(path, bytes).unwrap();
        assert!(mend(folder.path(), &small()).await.unwrap().after.is_sound());

        let (log, _report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
        assert_eq!(log.sessions(None, 9).await.unwrap(), [key(1)]);
        assert_eq!((log.next_due().await.unwrap(), log.waiting().await.unwrap()), (Some(at(901)), Some(1)));
    });
}

/// What is gone altogether is named, taken as gone, and what is there goes on: the outbox counts from where it was,
/// and whoever acknowledged stays where he was.
#[test]
fn files_of_the_journal_that_are_gone() {
    runtime().block_on(async {
        for gone in [&["00000001.log"][..], &["00000003.log"], &["00000003.log", "witness"], &["witness"], &["LAST"]] {
            let folder = tempfile::tempdir().unwrap();
            let before = filled(folder.path()).await;
            let journal = folder.path().join("journal");
            let names =
                std::fs::read_dir(&journal).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
            let last = names.filter(|name| name.contains(".log")).max().unwrap();
            for name in gone {
                std::fs::remove_file(journal.join(if *name == "LAST" { &last } else { *name })).unwrap();
            }
            assert!(!check(folder.path()).unwrap().is_sound(), "{gone:?}");
            let mended = mend(folder.path(), &small()).await.unwrap();
            assert!(mended.after.is_sound(), "{gone:?}: {:?}", mended.after);

            let (log, report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
            assert!(report.journal.damage.is_empty(), "{gone:?}: {report}");
            let after = everything(&log).await;
            assert!(after.last_seq == before.last_seq && after.latest == before.latest, "{gone:?}");
            assert!(after.notices.iter().all(|notice| before.notices.contains(notice)), "{gone:?}");
            for (key, stored) in after.sessions.iter().zip(&after.stored) {
                let place = before.sessions.iter().position(|known| known == key).unwrap();
                assert!(stored.events.iter().all(|event| before.stored[place].events.contains(event)), "{gone:?}");
            }
            if *gone == ["witness"] {
                assert_eq!(after, before);
            }
            // It goes on.
            let said = notice(3, NoticeKind::Complete, 2);
            let appended = log.append(Batch { notices: vec![said], ..Batch::default() }).await.unwrap();
            assert_eq!((appended.first, log.last_seq().await.unwrap()), (vec![true], before.last_seq + 1), "{gone:?}");
            log.close().await.unwrap();
            assert!(check(folder.path()).unwrap().is_sound(), "{gone:?}");
        }
    });
}

/// Bytes that look like nothing.
fn noise_of(seed: u32, number: u32) -> [u8; 4] {
    let mixed = (seed.wrapping_mul(0x9E37_79B9) ^ number).wrapping_mul(0x85EB_CA6B);
    (mixed ^ (mixed >> 13)).wrapping_mul(0xC2B2_AE35).to_le_bytes()
}
