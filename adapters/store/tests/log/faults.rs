//! A disk that fails under the journal: the power goes, or a call errs.
//!
//! What was acknowledged is there after opening again, the batch under way is there whole or not at
//! all, and after an error nothing is answered until then. The index lies on a real disk, as far as it
//! had come. `FINIS_CUTS` sets how many times the power goes.

use std::path::Path;
use std::sync::Arc;

use finis_engine::live::{NoticeId, NoticeKind};
use finis_engine::log::{Batch, Log, LogError, LogRead, Mark, MemoryLog};
use finis_store::{EmbeddedLog, OpenError};

use crate::index::copy;
use crate::model::{Everything, at, event, everything, key, notice, refused};
use crate::sim::{Fault, Sim};
use crate::{runtime, small};

const BATCHES: u32 = 12;

fn batch(number: u32) -> Batch {
    Batch {
        events: (0..6).map(|event_number| event((event_number % 3) as u8, number * 6 + event_number, 2)).collect(),
        deadlines: vec![(key(1), at(number.into()))],
        notices: vec![notice(2, NoticeKind::Stalled, number + 1)],
        due: vec![(key(0), Some(at(50 + i64::from(number))))],
        refused: vec![refused(number, 5)],
        ..Batch::default()
    }
}

/// What a log says after so many batches.
async fn expected(batches: u32) -> Everything {
    let twin = MemoryLog::new();
    for number in 0..batches {
        twin.append(batch(number)).await.unwrap();
    }
    everything(&twin).await
}

fn open(folder: &Path, sim: &Sim) -> Result<EmbeddedLog, OpenError> {
    let mut settings = small();
    // So that segments begin, too.
    settings.journal.segment_bytes = 20_000;
    let (log, report) = EmbeddedLog::open_on(folder, Arc::new(sim.clone()), &settings)?;
    assert!(report.journal.damage.is_empty(), "{report}");
    Ok(log)
}

/// Appends until something fails; how many were acknowledged, and the failure.
async fn act(log: &EmbeddedLog) -> (u32, Option<LogError>) {
    for number in 0..BATCHES {
        match log.append(batch(number)).await {
            Ok(appended) => assert!(appended.new.iter().chain(&appended.first).all(|new| *new)),
            Err(error) => return (number, Some(error)),
        }
    }
    (BATCHES, None)
}

/// All that was acknowledged, and the batch under way whole or not at all.
#[track_caller]
fn check(found: &Everything, acknowledged: u32, what: &str) {
    let [without, with] = [acknowledged, acknowledged + 1].map(|batches| runtime().block_on(expected(batches)));
    assert!(*found == without || *found == with, "{what}: after {acknowledged} batches, {found:#?}");
}

#[test]
fn the_power_goes() {
    let cuts = std::env::var("FINIS_CUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(16_u64);
    for cut in 0..cuts {
        let (sim, folder) = (Sim::new(), tempfile::tempdir().unwrap());
        // A prime, so that every sort of call has its turn.
        sim.fail_at((cut * 7) % 71, Fault::PowerCut);
        let acknowledged = open(folder.path(), &sim).map_or(0, |log| runtime().block_on(act(&log)).0);
        assert!(sim.has_failed(), "the power stayed at cut {cut}");
        for (state, crashed) in sim.crashed(2, cut + 1).into_iter().enumerate() {
            let copied = tempfile::tempdir().unwrap();
            let index = folder.path().join("index");
            if index.exists() {
                copy(&index, &copied.path().join("index"));
            }
            let log = open(copied.path(), &crashed).unwrap();
            check(&runtime().block_on(everything(&log)), acknowledged, &format!("cut {cut}, state {state}"));
            // It goes on where it was.
            assert!(runtime().block_on(log.append(batch(90))).unwrap().new.iter().all(|new| *new));
        }
    }
}

/// Changes a byte of every file of the journal behind the place where it has these.
fn spoil(folder: &Path, bytes: &[u8], behind: usize) {
    let mut times = 0;
    for entry in std::fs::read_dir(folder.join("journal")).unwrap() {
        let path = entry.unwrap().path();
        let mut file = std::fs::read(&path).unwrap();
        if let Some(at) = file.windows(bytes.len()).position(|part| part == bytes) {
            file[at + behind] ^= 1;
            std::fs::write(&path, file).unwrap();
            times += 1;
        }
    }
    assert_eq!(times, 1);
}

#[test]
fn a_damaged_notice_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let open = || EmbeddedLog::open(folder.path(), &small()).unwrap().0;
    let said = |number: u8| notice(number, NoticeKind::Complete, u32::from(number) + 1);
    runtime().block_on(async {
        let log = open();
        for number in 0..5 {
            log.append(Batch { notices: vec![said(number)], ..Batch::default() }).await.unwrap();
        }
        log.close().await.unwrap();
        // The index knows all of them, so opening reads none.
        spoil(folder.path(), said(1).record.as_bytes(), 3);
        spoil(folder.path(), &said(3).id.to_bytes(), 3);
        let log = open();
        let notices = log.notices(0, 9).await.unwrap();
        let all: Vec<(u64, NoticeId, NoticeKind)> =
            notices.iter().map(|(seq, said)| (*seq, said.id, said.kind)).collect();
        let whole = |number: u8| (u64::from(number) + 1, said(number).id, NoticeKind::Complete);
        // Of one its place and its id are left, of the other nothing.
        assert_eq!(all, [whole(0), (2, said(1).id, NoticeKind::Forgotten), whole(2), whole(4)]);
        assert_eq!(log.notices(3, 1).await.unwrap().first().map(|(seq, _)| *seq), Some(5));
        let stored = log.load(&[key(1)]).await.unwrap().remove(0);
        assert_eq!((stored.notices.len(), stored.damaged.len()), (0, 1));
    });
}

#[test]
fn a_call_errs() {
    for nth in 0..14 {
        let (sim, folder) = (Sim::new(), tempfile::tempdir().unwrap());
        let log = open(folder.path(), &sim).unwrap();
        sim.fail_at(nth, Fault::Eio);
        let (acknowledged, error) = runtime().block_on(act(&log));
        assert!(matches!(error, Some(LogError::Stopped { .. })), "call {nth}: {error:?}");
        sim.no_faults();
        runtime().block_on(async {
            // The disk works again, and nobody knows what it has.
            let is_refused = |error: Option<LogError>| matches!(error, Some(LogError::Stopped { .. }));
            assert!(is_refused(log.append(batch(0)).await.err()));
            assert!(is_refused(log.mark("a", &[Mark::Begin(1)]).await.err()));
            assert!(is_refused(log.load(&[key(0)]).await.err()));
            assert!(is_refused(log.latest().await.err()));
        });
        drop(log);
        let log = open(folder.path(), &sim).unwrap();
        check(&runtime().block_on(everything(&log)), acknowledged, &format!("call {nth}"));
        let rest = batch(acknowledged);
        runtime().block_on(log.append(rest)).unwrap();
        assert_eq!(runtime().block_on(everything(&log)), runtime().block_on(expected(acknowledged + 1)));
    }
}
