//! Recordings: what comes of them, whatever their host does, and what is in the folder then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use finis_engine::live::{Asset, Notice, NoticeKind};
use finis_engine::log::MemoryLog;
use finis_engine::{Clock, Handler as _, Placed, Then, Timestamp};
use finis_http::outbound::Rules;
use finis_http::recordings::{
    self, Archive, ArchiveError, Body, Came, Download, Head, Obstacle, Outcome, Places, Recorder, Swept, sweep,
};
use finis_http::{read, watch};
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use crate::recordings_world::{
    Act, BYTES_MAX, Host, NOW, Wanted, World, answer, files, key, not_found, notice, recording,
};
use crate::wait::until;

const BODY: &[u8] = b"OggS, and the call";
/// As `sha256sum` has it.
const BODY_SHA256: &str = "ddf269e5f2ef261054c19a8e694fbc82d48cd9e16a047871004acd7aff8e1057";

#[tokio::test]
async fn a_recording_is_archived_once() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new([recording(BODY)]).await;
    let world = World::new(folder.path()).await;
    world.ready("desk", "s-1", &host.url()).await;
    let id = notice("s-1", 1);
    let expected = json!({
        "notice": id.to_string(), "source": "desk", "session": "s-1", "field": "recording_url",
        "outcome": "archived", "at": NOW, "until": "2026-05-03T08:57:30Z",
        "file": format!("{id}.ogg"), "bytes": BODY.len(), "sha256": BODY_SHA256, "content_type": "audio/ogg",
    });
    assert_eq!(world.outcome("s-1").await, expected);
    let session = world.archive.of_session(&key("s-1"));
    assert_eq!(std::fs::read(session.join(format!("{id}.ogg"))).unwrap(), BODY);
    // Nobody else can read it, and the address with its signature stands nowhere.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&session), 0o700);
        for file in files(folder.path()) {
            let path = folder.path().join(file);
            assert_eq!(mode(&path), 0o600, "{path:?}");
            assert!(!String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains("canary"));
        }
    }
    // The notice comes again, and the file does not.
    world.dealt_with().await;
    world.engine.rewind("recordings", 0).await.unwrap();
    world.dealt_with().await;
    assert_eq!((host.asked(), files(folder.path()).len()), (1, 2));
    let counts = world.tally.counts()["desk"];
    assert_eq!((counts.archived, counts.retries, counts.bytes), (1, 0, BODY.len() as u64));
}

#[tokio::test]
async fn it_is_asked_for_again_until_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let cut = Act::Say(b"HTTP/1.1 200 OK\r\ncontent-type: audio/ogg\r\ncontent-length: 100\r\n\r\nOggS".to_vec());
    let busy = Act::Say(b"HTTP/1.1 503 Busy\r\nretry-after: 20\r\ncontent-length: 0\r\n\r\n".to_vec());
    let host = Host::new([not_found(), cut, busy, recording(BODY)]).await;
    let world = World::new(folder.path()).await;
    world.ready("desk", "s-1", &host.url()).await;
    let outcome = world.outcome("s-1").await;
    assert_eq!((&outcome["outcome"], &outcome["sha256"]), (&json!("archived"), &json!(BODY_SHA256)));
    // After 1, 2 and, since that was asked for, 20 seconds.
    assert_eq!(outcome["at"], "2026-05-03T08:42:53Z");
    assert_eq!((host.asked(), world.tally.counts()["desk"].retries), (4, 3));
    assert_eq!(files(folder.path()).len(), 2);
}

/// A recording of which it is known what comes of it in the end, and after how many requests.
async fn check(acts: impl IntoIterator<Item = Act>, asked: usize, outcome: &str, reason: &str) {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new(acts).await;
    let world = World::new(folder.path()).await;
    world.ready("desk", "s-1", &host.url()).await;
    let told = world.outcome("s-1").await;
    assert_eq!((told["outcome"].as_str(), told["reason"].as_str()), (Some(outcome), Some(reason)));
    assert_eq!(host.asked(), asked);
    // Nothing but that is left.
    assert_eq!(files(folder.path()).len(), 1);
    world.dealt_with().await;
    let counts: BTreeMap<_, _> = world.tally.counts()["desk"].by_outcome().into_iter().collect();
    assert_eq!(counts[outcome], 1);
}

#[tokio::test]
async fn what_is_never_there_is_missed() {
    check([not_found()], 21, "missed", "answered 404 Not Found").await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Host::new([recording(BODY)]).await;
    let head = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", elsewhere.url());
    let reason = "answered 302 Found, and redirects are not followed";
    check([Act::Say(head.into_bytes())], 21, "missed", reason).await;
    assert_eq!(elsewhere.asked(), 0);
}

#[tokio::test]
async fn what_is_too_large_is_not_asked_for_again() {
    let promised = format!("HTTP/1.1 200 OK\r\ncontent-type: audio/ogg\r\ncontent-length: {}\r\n\r\n", BYTES_MAX + 1);
    check([Act::Say(promised.into_bytes())], 1, "failed", "it has more than 1048576 bytes").await;
    check([Act::Endless], 1, "failed", "the answer has more than 1048576 bytes").await;
}

#[tokio::test]
async fn a_page_is_no_recording() {
    let page = answer("200 OK", "text/html; charset=utf-8", b"<html>sign in</html>");
    check([page], 21, "failed", "what came is `text/html`, not a recording").await;
    let lie = answer("200 OK", "audio/ogg", b"<!DOCTYPE html>");
    check([lie], 21, "failed", "what came says it is a recording, and is a page of HTML").await;
    let packed = Act::Say(
        b"HTTP/1.1 200 OK\r\ncontent-type: audio/ogg\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\x8b"
            .to_vec(),
    );
    let reason = "what came is packed (`Content-Encoding`), and nothing is unpacked here";
    check([packed], 21, "failed", reason).await;
    // Perhaps it stood in for a recording that was still made.
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new([answer("200 OK", "application/json", b"{}"), recording(BODY)]).await;
    let world = World::new(folder.path()).await;
    world.ready("desk", "s-1", &host.url()).await;
    assert_eq!(world.outcome("s-1").await["outcome"], "archived");
}

#[tokio::test]
async fn a_host_that_hangs_is_given_up_and_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let half = Act::Halves(b"HTTP/1.1 200 OK\r\ncontent-type: audio/ogg\r\n\r\nOggS".to_vec(), Vec::new());
    let host = Host::new([Act::Hang, half, recording(BODY)]).await;
    let wanted = Wanted { total: Duration::from_millis(500), ..Wanted::default() };
    let world = World::with(folder.path(), wanted).await;
    world.ready("desk", "s-1", &host.url()).await;
    assert_eq!(world.outcome("s-1").await["sha256"], BODY_SHA256);
    assert!(host.asked() >= 3);
}

#[tokio::test]
async fn where_it_may_not_be_gone_to_nobody_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new([recording(BODY)]).await;
    let world = World::with(folder.path(), Wanted { rules: Rules::default(), ..Wanted::default() }).await;
    for (number, url) in [
        &*host.url(),
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/x.ogg",
        "https://user:canary@example.com/x.ogg",
        "file:///etc/passwd",
        "gopher://example.com/",
        "not a url",
    ]
    .into_iter()
    .enumerate()
    {
        let session = format!("s-{number}");
        world.ready("desk", &session, url).await;
        let outcome = world.outcome(&session).await;
        assert_eq!(outcome["outcome"], "failed", "{url}");
        assert!(!outcome["reason"].as_str().unwrap().contains("canary"), "{outcome}");
    }
    assert_eq!(host.asked(), 0);
}

#[tokio::test]
async fn whoever_slept_through_its_time_asks_once() {
    let folder = tempfile::tempdir().unwrap();
    let gone = Host::new([Act::Hang, not_found()]).await;
    let here = Host::new([Act::Hang, recording(BODY)]).await;
    let log: Arc<MemoryLog> = Arc::default();
    let world = World::with(folder.path(), Wanted { log: Arc::clone(&log), ..Wanted::default() }).await;
    world.ready("desk", "s-gone", &gone.url()).await;
    world.ready("desk", "s-here", &here.url()).await;
    until(async || (gone.asked(), here.asked()) == (1, 1)).await;
    world.kill().await;
    until(async || Archive::open(folder.path()).is_ok()).await;
    // A quarter of an hour, to the second.
    let world = World::with(folder.path(), Wanted { log, now: "2026-05-03T08:57:30Z", ..Wanted::default() }).await;
    assert_eq!(world.outcome("s-gone").await["outcome"], "missed");
    assert_eq!(world.outcome("s-here").await["outcome"], "archived");
    assert_eq!((gone.asked(), here.asked()), (2, 2));
}

#[tokio::test]
async fn one_that_does_not_come_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (stuck, host) = (Host::new([Act::Hang]).await, Host::new([recording(BODY)]).await);
    let world = World::new(folder.path()).await;
    world.ready("elsewhere", "s-1", &stuck.url()).await;
    world.ready("desk", "s-1", &stuck.url()).await;
    until(async || stuck.asked() == 1).await;
    // Of the same session, and of another.
    world.clock.advance(Duration::from_secs(1));
    world.ready("desk", "s-1", &host.url()).await;
    world.ready("desk", "s-2", &host.url()).await;
    assert_eq!(world.outcomes("s-1", 1).await[0].notice, notice("s-1", 2).to_string());
    assert_eq!(world.outcome("s-2").await["outcome"], "archived");
    // The other source has nothing fetched.
    assert_eq!((stuck.asked(), files(folder.path()).len()), (1, 4));
}

#[tokio::test]
async fn two_recordings_of_one_session_are_two_files() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new([recording(b"OggS one"), recording(b"OggS two")]).await;
    let world = World::new(folder.path()).await;
    world.ready("desk", "s-1", &host.url()).await;
    world.outcomes("s-1", 1).await;
    world.clock.advance(Duration::from_secs(1));
    world.ready("desk", "s-1", &format!("{}&second", host.url())).await;
    let outcomes = world.outcomes("s-1", 2).await;
    let session = world.archive.of_session(&key("s-1"));
    let contents = outcomes.iter().map(|outcome| match &outcome.came {
        Came::Archived { file, .. } => std::fs::read(session.join(file)).unwrap(),
        other => panic!("{other:?}"),
    });
    assert_eq!(contents.collect::<Vec<_>>(), [b"OggS one", b"OggS two"]);
}

#[tokio::test]
async fn no_id_of_a_session_is_part_of_a_name() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("recordings");
    let host = Host::new([recording(BODY)]).await;
    let world = World::new(&folder).await;
    let long = "x".repeat(512);
    let ids = ["../../x", "/", "/etc/passwd", ".", "..", "a/b\\c", "%2e%2e%2f", "con", "\u{202e}gpj", " ", &long];
    for id in ids {
        world.ready("desk", id, &host.url()).await;
        assert_eq!(world.outcome(id).await["session"], id);
    }
    let all = files(scratch.path());
    assert_eq!(all.len(), 2 * ids.len());
    let is_hex = |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    for path in all {
        let parts: Vec<&str> = path.to_str().unwrap().split('/').collect();
        let name = parts[2].strip_prefix("ntc_").and_then(|name| name.split_once('.'));
        assert!(parts.len() == 3 && parts[0] == "recordings" && is_hex(parts[1]), "{path:?}");
        assert!(name.is_some_and(|(id, end)| is_hex(id) && ["ogg", "json"].contains(&end)), "{path:?}");
    }
    // Even what no delivery can have.
    assert!(is_hex(world.archive.of_session(&key("a\0b")).file_name().unwrap().to_str().unwrap()));
}

#[tokio::test]
async fn a_restart_in_the_middle_begins_anew_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log: Arc<MemoryLog> = Arc::default();
    let half = Act::Halves(b"HTTP/1.1 200 OK\r\ncontent-type: audio/ogg\r\n\r\nOggS".to_vec(), Vec::new());
    let host = Host::new([half, recording(BODY)]).await;
    let world = World::with(folder.path(), Wanted { log: Arc::clone(&log), ..Wanted::default() }).await;
    world.ready("desk", "s-1", &host.url()).await;
    until(async || files(folder.path()).len() == 1).await;
    world.kill().await;
    // As a power cut leaves it, which removes nothing.
    let session = Archive::at(folder.path()).of_session(&key("s-1"));
    std::fs::create_dir_all(&session).unwrap();
    std::fs::write(session.join(format!(".{}.part", notice("s-1", 1))), "OggS").unwrap();
    std::fs::write(session.join(format!(".{}.json.part", notice("s-1", 1))), "{").unwrap();
    until(async || Archive::open(folder.path()).is_ok()).await;
    assert_eq!(files(folder.path()).len(), 0);
    let world = World::with(folder.path(), Wanted { log, ..Wanted::default() }).await;
    assert_eq!(world.outcome("s-1").await["sha256"], BODY_SHA256);
    assert_eq!((host.asked(), files(folder.path()).len()), (2, 2));
}

#[tokio::test]
async fn one_that_is_whole_and_of_which_nothing_is_said_is_not_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new([not_found()]).await;
    let world = World::new(folder.path()).await;
    let id = notice("s-1", 1);
    // The process ended between the two.
    let mut draft = world.archive.draft(&key("s-1"), id).unwrap();
    draft.write(BODY).unwrap();
    let came = draft.keep("ogg", "audio/ogg").unwrap();
    world.ready("desk", "s-1", &host.url()).await;
    assert_eq!(world.outcome("s-1").await["sha256"], BODY_SHA256);
    assert_eq!(host.asked(), 0);
    // Said to be here, and not: it is fetched again.
    let Came::Archived { file, .. } = came else { panic!("{came:?}") };
    world.dealt_with().await;
    std::fs::remove_file(world.archive.of_session(&key("s-1")).join(file)).unwrap();
    world.engine.rewind("recordings", 0).await.unwrap();
    until(async || world.outcome("s-1").await["outcome"] == "missed").await;
}

#[tokio::test]
async fn what_a_disk_does_not_take_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new([recording(BODY), Act::Halves(Vec::new(), spoken(recording(BODY)))]).await;
    let world = World::new(folder.path()).await;
    // Something stands in its place: no folder, and no link to one.
    let session = world.archive.of_session(&key("s-1"));
    let elsewhere = tempfile::tempdir().unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(elsewhere.path(), &session).unwrap();
    #[cfg(not(unix))]
    std::fs::write(&session, "").unwrap();
    world.ready("desk", "s-1", &host.url()).await;
    until(async || host.asked() == 2).await;
    std::fs::remove_file(&session).unwrap();
    host.go_on.notify_one();
    assert_eq!(world.outcome("s-1").await["outcome"], "archived");
    assert_eq!(files(elsewhere.path()).len(), 0);
}

#[tokio::test]
async fn recordings_go_with_their_session() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new([recording(BODY)]).await;
    let world = World::new(folder.path()).await;
    for session in ["s-1", "s-2"] {
        world.ready("desk", session, &host.url()).await;
        world.outcomes(session, 1).await;
    }
    let sweep_now = |keep: &[(&str, u64)]| {
        let keep = keep.iter().map(|(name, seconds)| ((*name).to_owned(), Duration::from_secs(*seconds))).collect();
        let (engine, archive, now) = (world.engine.clone(), world.archive.clone(), now(&world));
        async move { sweep(&engine, &archive, &keep, now).await.unwrap() }
    };
    assert_eq!(sweep_now(&[]).await, Swept::default());
    assert!(world.engine.forget(&key("s-1")).await.unwrap());
    let swept = sweep_now(&[]).await;
    assert_eq!((swept.gone, swept.old), (1, 0));
    assert_eq!(world.archive.outcomes(&key("s-1")).unwrap(), []);
    assert_eq!(files(folder.path()).len(), 2);
    // By age, when their source has one.
    world.clock.advance(Duration::from_secs(100));
    assert_eq!(sweep_now(&[("elsewhere", 10), ("desk", 100)]).await, Swept::default());
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(sweep_now(&[("desk", 100)]).await.old, 1);
    assert_eq!(files(folder.path()).len(), 0);
}

fn spoken(act: Act) -> Vec<u8> {
    let Act::Say(bytes) = act else { panic!("{act:?}") };
    bytes
}

fn now(world: &World) -> Timestamp {
    world.clock.now()
}

#[tokio::test]
async fn what_is_forgotten_while_it_comes_does_not_stay() {
    let folder = tempfile::tempdir().unwrap();
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: audio/ogg\r\ncontent-length: 8\r\n\r\nOggS".to_vec();
    let host = Host::new([Act::Halves(head, b" two".to_vec())]).await;
    let world = World::new(folder.path()).await;
    world.ready("desk", "s-1", &host.url()).await;
    until(async || files(folder.path()).len() == 1).await;
    assert!(world.engine.forget(&key("s-1")).await.unwrap());
    host.go_on.notify_one();
    world.dealt_with().await;
    assert_eq!(files(folder.path()).len(), 0);
    assert_eq!(world.tally.counts()["desk"].archived, 1);
}

#[test]
fn a_folder_has_one_who_keeps_recordings_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = Archive::open(folder.path()).unwrap();
    assert!(matches!(Archive::open(folder.path()), Err(ArchiveError::Held { .. })));
    drop(first);
    Archive::open(folder.path()).unwrap();
}

#[test]
fn a_store_remembers_where_its_recordings_are() {
    let scratch = tempfile::tempdir().unwrap();
    let (store, far) = (scratch.path().join("store"), scratch.path().join("far"));
    std::fs::create_dir(&store).unwrap();
    let folders = || Places::of(&store).map(|all| all.iter().map(|one| one.folder().to_owned()).collect::<Vec<_>>());
    assert_eq!(folders().unwrap(), [] as [std::path::PathBuf; 0]);
    let usual = Places::usual(&store);
    for folder in [&usual, &far] {
        Archive::open(folder).unwrap();
        Places::remember(&store, [folder.as_path()]).unwrap();
        Places::remember(&store, [folder.as_path()]).unwrap();
    }
    assert_eq!(folders().unwrap(), [usual, far.clone()]);
    // What cannot be looked into is said, and not taken for empty.
    std::fs::remove_dir_all(&far).unwrap();
    assert!(folders().unwrap_err().to_string().contains("is not there"));
}

#[tokio::test]
async fn what_came_of_them_can_be_read_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new([recording(BODY)]).await;
    let world = World::new(folder.path()).await;
    for (session, url) in [("a/b", host.url()), ("refused", "http://10.0.0.1/".to_owned())] {
        world.ready("desk", session, &url).await;
        world.outcomes(session, 1).await;
    }
    world.ready("elsewhere", "s-1", &host.url()).await;

    let mut settings = read::Settings::new(read::Token::new("a-token-for-tests-only").unwrap());
    settings.recordings = vec![world.archive.clone()];
    let router = read::router(world.engine.clone(), settings);
    let (status, archived) = ask(&router, "/v1/sessions/desk/a%2Fb/recordings").await;
    assert_eq!((status, &archived["recordings"][0]["sha256"]), (200, &json!(BODY_SHA256)));
    let (status, failed) = ask(&router, "/v1/sessions/desk/refused/recordings").await;
    assert_eq!((status, &failed["recordings"][0]["outcome"]), (200, &json!("failed")));
    let none = ask(&router, "/v1/sessions/elsewhere/s-1/recordings").await;
    assert_eq!(none, (200, json!({"recordings": []})));
    assert_eq!(ask(&router, "/v1/sessions/desk/s-1/recordings").await.0, 404);
    // As the document has it.
    let document: serde_json::Value = serde_json::from_str(read::DOCUMENT).unwrap();
    let schema = json!({"$ref": "#/components/schemas/Recordings", "components": document["components"]});
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    for answer in [&archived, &failed, &none.1] {
        let errors: Vec<String> = validator.iter_errors(answer).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{answer}: {errors:?}");
    }
    assert!(!validator.is_valid(&json!({"recordings": [{"outcome": "archived"}]})));

    // It is counted once it is said.
    world.dealt_with().await;
    let watched = watch::Settings { recordings: Some(Arc::clone(&world.tally)), ..watch::Settings::default() };
    let router = watch::router(world.engine.clone(), watched);
    let answer = router.oneshot(Request::get("/metrics").body(axum::body::Body::empty()).unwrap()).await.unwrap();
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(text.to_vec()).unwrap();
    for line in [
        "finis_recordings_total{source=\"desk\",outcome=\"archived\"} 1",
        "finis_recordings_total{source=\"desk\",outcome=\"failed\"} 1",
        "finis_recordings_total{source=\"desk\",outcome=\"missed\"} 0",
        "finis_recording_retries_total{source=\"desk\"} 0",
        "finis_recording_bytes_total{source=\"desk\"} 18",
    ] {
        assert!(text.lines().any(|known| known == line), "no {line} in {text}");
    }
}

async fn ask(router: &Router, path: &str) -> (u16, serde_json::Value) {
    let request = Request::get(path).header("authorization", "Bearer a-token-for-tests-only");
    let answer = router.clone().oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

/// The process ends after so many steps: what the next one finds.
#[test]
fn whenever_a_process_ends_there_is_all_of_it_or_nothing() {
    let whole = Came::Archived {
        file: format!("{}.ogg", notice("s-1", 1)),
        bytes: BODY.len() as u64,
        sha256: BODY_SHA256.to_owned(),
        content_type: "audio/ogg".to_owned(),
    };
    for steps in 0..=4 {
        let folder = tempfile::tempdir().unwrap();
        let (key, id) = (key("s-1"), notice("s-1", 1));
        let archive = Archive::open(folder.path()).unwrap();
        let mut draft = (steps >= 1).then(|| archive.draft(&key, id).unwrap());
        if steps >= 2 {
            draft.as_mut().unwrap().write(BODY).unwrap();
        }
        if steps >= 3 {
            let came = draft.take().unwrap().keep("ogg", "audio/ogg").unwrap();
            assert_eq!(came, whole);
            if steps == 4 {
                archive.say(&key, id, &outcome(came)).unwrap();
            }
        }
        // Nothing of it is cleaned up.
        std::mem::forget(draft);
        drop(archive);
        let archive = Archive::open(folder.path()).unwrap();
        assert_eq!(files(folder.path()).len(), [0, 0, 0, 1, 2][steps], "after {steps} steps");
        let (said, unsaid) = (archive.outcome(&key, id).unwrap(), archive.unsaid(&key, id).unwrap());
        assert_eq!(said, (steps == 4).then(|| outcome(whole.clone())), "after {steps} steps");
        assert_eq!(unsaid, (steps >= 3).then(|| whole.clone()), "after {steps} steps");
        // It can be written whatever was left.
        let mut draft = archive.draft(&key, id).unwrap();
        draft.write(BODY).unwrap();
        drop(archive.draft(&key, id).unwrap());
        assert_eq!(archive.erase(&key).unwrap(), u64::from(steps >= 3), "after {steps} steps");
    }
}

fn outcome(came: Came) -> Outcome {
    Outcome {
        notice: notice("s-1", 1).to_string(),
        source: "desk".to_owned(),
        subject: "session".to_owned(),
        session: "s-1".to_owned(),
        field: "recording_url".to_owned(),
        came,
        at: Timestamp::parse(NOW).unwrap(),
        until: None,
    }
}

/// Promises ten bytes, and gives four.
struct Short;

struct Four(bool);

impl Download for Short {
    type Body = Four;

    async fn open(&self, _: &str, _: Timestamp) -> Result<(Head, Four), Obstacle> {
        let headers = [("content-type", "audio/ogg"), ("content-length", "10")];
        let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Ok((Head { headers: headers.into_iter().collect() }, Four(false)))
    }
}

impl Body for Four {
    async fn next(&mut self) -> Result<Option<Bytes>, Obstacle> {
        let is_over = std::mem::replace(&mut self.0, true);
        Ok((!is_over).then(|| Bytes::from_static(b"OggS")))
    }
}

#[tokio::test]
async fn where_nobody_says_until_when_it_is_tried_for_a_day() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::new(other.path()).await;
    let archive = Archive::open(folder.path()).unwrap();
    let source = recordings::Source { archive: archive.clone(), download: Short, bytes_max: BYTES_MAX };
    let sources = BTreeMap::from([("desk".to_owned(), source)]);
    let recorder = Recorder::new(world.engine.clone(), sources, Arc::clone(&world.clock) as Arc<dyn Clock>);
    let asset = Asset { field: "recording_url".to_owned(), value: "\"https://example.com/a\"".to_owned(), until: None };
    let placed = Placed {
        seq: 7,
        notice: Notice {
            id: notice("s-1", 1),
            key: key("s-1"),
            kind: NoticeKind::Asset,
            revision: 1,
            record: String::new(),
            events: 1,
            changes: Vec::new(),
            asset: Some(asset),
        },
    };
    let now = now(&world);
    for (tries, again) in [(1, 1), (6, 60), (12, 12 * 3600), (13, 0)] {
        let wanting = recorder.handle(placed.clone()).await.unwrap_err();
        let failure = recorder.failed(wanting, tries, now);
        assert!(failure.reason.contains("it ended in the middle"), "{failure:?}");
        assert_eq!(failure.then, Then::At(now.plus(Duration::from_secs(again))));
        assert_eq!(files(folder.path()).len(), 0);
    }
    // The thirteenth was the last: what came of it is said.
    recorder.handle(placed).await.unwrap();
    let outcomes = archive.outcomes(&key("s-1")).unwrap();
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0].came, Came::Failed { reason: "it ended in the middle".to_owned() });
}
