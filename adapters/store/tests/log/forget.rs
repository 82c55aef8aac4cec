//! What is forgotten is nowhere: not in the journal, not in the index, not in what was said.

use std::path::Path;

use finis_engine::live::{NoticeId, NoticeKind, SessionKey};
use finis_engine::log::{Batch, Delivery, EventEntry, Gone, Log, LogRead, Refused, Why};
use finis_store::EmbeddedLog;

use crate::model::{at, digest, event, everything, key, key_of, notice};
use crate::{runtime, small};

/// In the id, a header, the payload and the record; short, so that nothing is compressed.
const CANARY: &str = "+15550100";

/// Every file that says it.
fn who_says(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(who_says(&path));
        } else if std::fs::read(&path).unwrap().windows(CANARY.len()).any(|part| part == CANARY.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn named() -> SessionKey {
    key_of(&format!("call-{CANARY}"))
}

fn batch(number: u32) -> Batch {
    let delivery = Delivery {
        headers: vec![("x-from".to_owned(), CANARY.to_owned())],
        body: format!("{{\"n\":{number}}}").into_bytes().into(),
    };
    let event = EventEntry { key: named(), digest: digest(number), received_at: Some(at(number.into())), delivery };
    let mut said = notice(0, NoticeKind::Complete, 1);
    said.record = format!("{{\"from\":\"{CANARY}\"}}");
    (said.key, said.id) = (named(), NoticeId::new(&named(), NoticeKind::Complete, 1));
    Batch { events: vec![event], notices: vec![said], due: vec![(named(), Some(at(90)))], ..Batch::default() }
}

#[test]
fn no_file_says_it_any_more() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let (log, _report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
        for number in 0..30 {
            log.append(batch(number)).await.unwrap();
            log.append(Batch { events: vec![event(1, number, 4)], ..Batch::default() }).await.unwrap();
        }
        assert!(!who_says(folder.path()).is_empty());
        let id = log.notices(0, 9).await.unwrap()[0].1.id;
        log.let_go(&[named()], Gone { why: Why::Forgotten, at: at(100) }).await.unwrap();
        // At once, not when it is closed.
        assert_eq!(who_says(folder.path()), Vec::<String>::new());

        let check = async |log: &EmbeddedLog| {
            let all = everything(log).await;
            assert_eq!((all.sessions, all.due), (vec![key(1)], Vec::new()));
            assert_eq!(all.stored[0].events.len(), 30);
            // The same place, the same id, and no more.
            let (seq, said) = &all.notices[0];
            assert_eq!((*seq, said.id, said.kind, said.revision), (1, id, NoticeKind::Forgotten, 1));
            assert_eq!((said.key.id(), said.record.as_str()), ("", ""));
            let stored = log.load(&[named()]).await.unwrap().remove(0);
            assert_eq!(stored.gone.map(|gone| gone.why), Some(Why::Forgotten));
            // It does not come back.
            let again = log.append(batch(77)).await.unwrap();
            assert_eq!((again.new, again.first), (vec![false], vec![false]));
        };
        check(&log).await;
        drop(log);
        let (log, _report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
        check(&log).await;
        log.close().await.unwrap();
        std::fs::remove_dir_all(folder.path().join("index")).unwrap();
        let (log, report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
        assert!(report.journal.damage.is_empty(), "{report}");
        check(&log).await;
        log.close().await.unwrap();
        assert_eq!(who_says(folder.path()), Vec::<String>::new());
    });
}

/// What it said is in a session by then, or is to be nowhere.
#[test]
fn what_is_out_of_quarantine_is_erased_there() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let (log, _report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
        let refused = |reason: &str, number: u8| Refused {
            source: "desk".to_owned(),
            received_at: at(number.into()),
            reason: reason.to_owned(),
            delivery: Delivery { headers: Vec::new(), body: [number; 4].into() },
        };
        let (named, other) = (refused(CANARY, 1), refused("other", 2));
        log.append(Batch { refused: vec![named.clone(), other.clone()], ..Batch::default() }).await.unwrap();
        assert_eq!(who_says(folder.path()).len(), 1);
        log.append(Batch { released: vec![named.id()], ..Batch::default() }).await.unwrap();
        assert_eq!(who_says(folder.path()), Vec::<String>::new());
        log.close().await.unwrap();
        // Nor does it come back when the index is made anew.
        std::fs::remove_dir_all(folder.path().join("index")).unwrap();
        let (log, report) = EmbeddedLog::open(folder.path(), &small()).unwrap();
        assert!(report.journal.damage.is_empty(), "{report}");
        assert_eq!(log.refused(None, 9).await.unwrap().deliveries, [other]);
        log.close().await.unwrap();
    });
}
