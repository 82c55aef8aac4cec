//! The live engine with its default parts: a store in a folder that is closed, dropped and opened again.

use std::process::Command;

use finis::engine::live::NoticeKind;
use finis::engine::{Placed, Receipt, ReceiveError};
use finis::live::{Finis, OpenError, Secret, SourceError, SourceSetup};

const HEADERS: [(&str, &str); 1] = [("X-Webhook-Secret", "s3cret")];

fn source() -> SourceSetup {
    SourceSetup::new("pathors", "pathors").header("x-webhook-secret").secret(Secret::new("s3cret"))
}

fn payload(kind: &str, id: &str) -> String {
    format!(r#"{{"event":"session.{kind}","sessionId":"{id}","timestamp":"2026-05-03T08:42:11.512Z"}}"#)
}

#[test]
fn the_example_tells_each_session_once() {
    // Examples are built beside the tests.
    let tests = std::env::current_exe().unwrap();
    let example = tests.parent().unwrap().parent().unwrap().join("examples/embed");
    let folder = tempfile::tempdir().unwrap();
    let run = || {
        let output = Command::new(&example).arg(folder.path().join("store")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let (first, second) = (run(), run());
    assert_eq!(first.matches("Stored").count(), 2, "{first}");
    assert_eq!(first.matches("\"kind\":\"complete\",\"revision\":1").count(), 1, "{first}");
    assert_eq!((second.matches("Duplicate").count(), second.matches("ntc_").count()), (3, 0), "{second}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_a_store_was_dropped_in_the_middle() {
    let folder = tempfile::tempdir().unwrap();
    let finis = Finis::open(folder.path(), [source()]).await.unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let finis = finis.clone();
            tokio::spawn(async move {
                for kind in ["finalized", "ended", "ended"] {
                    let body = payload(kind, &format!("s-{}", number % 16));
                    finis.receive("pathors", &HEADERS, body.as_bytes()).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    // As a crash would: nobody closes it. Its writer ends when the last handle is gone.
    drop(finis);

    let finis = Finis::open(folder.path(), [source()]).await.unwrap();
    for number in 0..16 {
        let body = payload("ended", &format!("s-{number}"));
        let told = finis.receive("pathors", &HEADERS, body.as_bytes()).await.unwrap();
        assert!(matches!(told, Receipt::Duplicate { .. }), "{told:?}");
    }
    let mut notices = finis.notices("crm").await.unwrap();
    let mut ids = std::collections::BTreeSet::new();
    for place in 1..=16 {
        let Placed { seq, notice } = notices.next().await.unwrap().unwrap();
        assert_eq!((seq, notice.kind, notice.revision), (place, NoticeKind::Complete, 1));
        assert!(ids.insert(notice.id), "twice: {notice:?}");
    }
    assert_eq!(notices.try_next().await.unwrap(), None);
    assert_eq!(finis.sessions(None, 99).await.unwrap().len(), 16);
    let record = finis.session("pathors", "s-3").await.unwrap().unwrap();
    assert!(record.contains(r#""status":"complete","by":"evidence""#), "{record}");

    let other = finis.clone();
    finis.close().await.unwrap();
    let told = other.receive("pathors", &HEADERS, payload("ended", "s-99").as_bytes()).await;
    assert!(matches!(&told, Err(ReceiveError::Stopped { reason }) if reason == "it was closed"), "{told:?}");
    other.close().await.unwrap();
}

#[tokio::test]
async fn who_has_not_the_secret_is_denied_and_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let finis = Finis::open(folder.path(), [source()]).await.unwrap();
    for headers in [&[][..], &[("X-Webhook-Secret", "guess")]] {
        let told = finis.receive("pathors", headers, payload("ended", "s-1").as_bytes()).await;
        assert!(matches!(told, Err(ReceiveError::Denied { .. })), "{told:?}");
    }
    assert_eq!(finis.session("pathors", "s-1").await.unwrap(), None);
    finis.close().await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_open_and_a_source_that_cannot_be_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let finis = Finis::open(folder.path(), [source()]).await.unwrap();
    let error = Finis::open(folder.path(), [source()]).await.unwrap_err();
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    finis.close().await.unwrap();

    let other = folder.path().join("other");
    let error = Finis::open(&other, [SourceSetup::new("crm", "pathor").unsigned()]).await.unwrap_err();
    assert!(matches!(error, OpenError::Source(SourceError::UnknownProvider { .. })), "{error}");
    let error = Finis::open(&other, [SourceSetup::new("crm", "agntix")]).await.unwrap_err();
    assert!(matches!(error, OpenError::Source(SourceError::Signature { .. })), "{error}");
    let error = Finis::open(&other, [source().subscribe(["session.pondered"])]).await.unwrap_err();
    assert!(error.to_string().contains("session.pondered"), "{error}");
}
