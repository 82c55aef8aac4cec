//! What becomes of a delivery, in status and words.

use std::time::Duration;

use finis_engine::Settings;
use finis_engine::Timestamp;
use finis_engine::live::SessionKey;
use finis_engine::log::{Gone, Log as _, LogRead as _, Why};
use finis_http::receive;

use crate::receiver::{HEADER, Mood, NOW, Receiver, SECRET, Wanted, event, signed};
use crate::wait::until;
use crate::wire::{Answer, post};

/// Status, and what of `outcome` or `error` it says.
fn said(answer: &Answer) -> (u16, String) {
    (answer.status, answer.text("outcome") + &answer.text("error"))
}

fn key(session: &str) -> SessionKey {
    SessionKey::new("desk", "session", session)
}

#[tokio::test]
async fn stored_and_then_a_duplicate() {
    let receiver = Receiver::open().await;
    let first = receiver.deliver(event("session.ended", "s-1")).await;
    assert_eq!((first.status, first.body.as_str()), (200, r#"{"outcome":"stored","session":"s-1"}"#));
    assert_eq!(first.header("content-type"), Some("application/json"));
    // White space is no difference.
    let again = receiver.deliver(event("session.ended", "s-1").replace(',', " , ")).await;
    assert_eq!((again.status, again.body.as_str()), (200, r#"{"outcome":"duplicate","session":"s-1"}"#));
    let stored = receiver.log.load(&[key("s-1")]).await.unwrap();
    assert_eq!(stored[0].events.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_read_is_kept() {
    let receiver = Receiver::open().await;
    let answer = receiver.deliver("not JSON at all").await;
    assert_eq!(said(&answer), (202, "quarantined".to_owned()));
    assert!(answer.text("reason").contains("not JSON"), "{answer:?}");
    let refused = receiver.log.refused(None, 10).await.unwrap().deliveries;
    assert_eq!(refused.len(), 1);
    assert_eq!(&*refused[0].delivery.body, b"not JSON at all");
}

#[tokio::test]
async fn what_a_body_is_called_decides_nothing() {
    let receiver = Receiver::open().await;
    for (number, (name, value)) in
        [("content-type", "multipart/form-data"), ("content-type", "text/plain"), ("content-encoding", "gzip")]
            .into_iter()
            .enumerate()
    {
        let body = event("session.ended", &format!("s-{number}"));
        let answer = receiver.ask(post("/hooks/desk", &[HEADER, (name, value)], body)).await;
        assert_eq!(said(&answer), (200, "stored".to_owned()), "{name}: {value}");
    }
}

#[tokio::test]
async fn a_session_that_is_gone_is_said_to_be() {
    let receiver = Receiver::open().await;
    assert_eq!(receiver.deliver(event("session.ended", "s-1")).await.status, 200);
    assert!(receiver.engine.forget(&key("s-1")).await.unwrap());
    let answer = receiver.deliver(event("session.ended", "s-1")).await;
    assert_eq!(said(&answer), (200, "forgotten".to_owned()));

    // A session that is over is not in memory: the log says of it that it was let go.
    let whole = r#"{"event":"session.finalized","sessionId":"s-2","timestamp":"2026-05-03T08:42:12Z"}"#;
    for body in [event("session.ended", "s-2"), whole.to_owned()] {
        assert_eq!(said(&receiver.deliver(body).await).1, "stored");
    }
    let gone = Gone { why: Why::Expired, at: Timestamp::parse(NOW).unwrap() };
    receiver.log.let_go(&[key("s-2")], gone).await.unwrap();
    let answer = receiver.deliver(event("session.ended", "s-2")).await;
    assert_eq!(said(&answer), (200, "expired".to_owned()));
}

#[tokio::test]
async fn a_stranger_does_not_learn_which_sources_there_are() {
    let receiver = Receiver::open().await;
    let body = event("session.ended", "s-1");
    let refused = receiver.ask(post("/hooks/desk", &[("x-webhook-secret", "wrong")], &body)).await;
    assert_eq!(said(&refused), (401, "not_verified".to_owned()));
    for request in [
        post("/hooks/nobody", &[HEADER], &body),
        post("/hooks/nobody", &[], &body),
        post("/hooks/desk", &[], &body),
        post("/hooks/desk", &[HEADER, HEADER], &body),
        post("/hooks/saaya", &[HEADER], &body),
        post("/hooks/DESK", &[HEADER], &body),
        post("/hooks/desk%00", &[HEADER], &body),
        post("/hooks/%2e%2e", &[HEADER], &body),
    ] {
        let answer = receiver.ask(&request).await;
        assert_eq!(answer, refused, "{}", String::from_utf8_lossy(&request));
    }
    assert!(receiver.log.sessions(None, 10).await.unwrap().is_empty());
    assert!(receiver.log.refused(None, 10).await.unwrap().deliveries.is_empty());
}

#[tokio::test]
async fn a_signature_is_over_the_bytes_as_they_came() {
    let receiver = Receiver::open().await;
    let body = r#"{"type":"session.ended","id":"e-1","createdAt":"2026-05-03T08:42:11Z","sessionId":"s-1","data":{"session":{"id":"s-1"}}}"#;
    let send = async |body: &str, headers: &[(String, String)]| {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        receiver.ask(post("/hooks/saaya", &headers, body)).await.status
    };
    let headers = signed(body.as_bytes(), 0, SECRET);
    assert!(matches!(send(body, &headers).await, 200 | 202));
    assert_eq!(send(&body.replace(':', ": "), &headers).await, 401);
    assert_eq!(send(body, &signed(body.as_bytes(), -301, SECRET)).await, 401);
    assert_eq!(send(body, &signed(body.as_bytes(), 301, SECRET)).await, 401);
    assert_eq!(send(body, &signed(body.as_bytes(), 0, "another")).await, 401);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_before_it_is_there() {
    let engine = Settings { body_bytes_max: 1000, ..Settings::default() };
    let receiver = Receiver::open_as(Wanted { engine, ..Wanted::default() }).await;
    let exactly = |bytes: usize| format!("{:<bytes$}", event("session.ended", "s-1"));
    assert_eq!(said(&receiver.deliver(exactly(1000)).await), (200, "stored".to_owned()));
    // Not one byte of it comes.
    let head = "POST /hooks/desk HTTP/1.1\r\nhost: a\r\ncontent-length: 1001\r\n\r\n";
    assert_eq!(said(&receiver.ask(head).await), (413, "too_large".to_owned()));
    // Without a length it is known when it is longer, and what comes then is not waited for.
    let head = "POST /hooks/desk HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("1f4\r\n{}\r\n", "a".repeat(500));
    let answer = receiver.ask(format!("{head}{chunk}{chunk}1\r\na")).await;
    assert_eq!(said(&answer), (413, "too_large".to_owned()));
}

#[tokio::test]
async fn without_room_it_says_so_before_the_body() {
    let engine = Settings { queue_max: 2, batch_max: 1, ..Settings::default() };
    let receiver = Receiver::open_as(Wanted { engine, ..Wanted::default() }).await;
    receiver.log.be(Mood::Slow);
    // One that is appended, one that was judged meanwhile, and two that wait for the writer.
    let mut waiting = Vec::new();
    for number in 0..4_usize {
        let mut wire = receiver.connect().await;
        wire.send(post("/hooks/desk", &[HEADER], event("session.ended", &format!("s-{number}")))).await;
        waiting.push(wire);
        until(async || receiver.log.appends() == 2 && receiver.engine.stats().queue_depth == number.saturating_sub(1))
            .await;
    }
    let head = "POST /hooks/desk HTTP/1.1\r\nhost: a\r\ncontent-length: 500\r\n\r\n";
    let answer = receiver.ask(head).await;
    assert_eq!((said(&answer), answer.header("retry-after")), ((503, "busy".to_owned()), Some("1")));

    receiver.log.be(Mood::Well);
    for mut wire in waiting {
        assert_eq!(said(&wire.answer().await.unwrap()), (200, "stored".to_owned()));
    }
    assert_eq!(said(&receiver.deliver(event("session.ended", "s-4")).await), (200, "stored".to_owned()));
    assert_eq!(receiver.log.sessions(None, 10).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_full_log_is_not_asked_again_at_once() {
    let receive = receive::Settings { retry_after: Duration::from_secs(3600), ..receive::Settings::default() };
    let receiver = Receiver::open_as(Wanted { receive, ..Wanted::default() }).await;
    receiver.log.be(Mood::Full);
    let answer = receiver.deliver(event("session.ended", "s-1")).await;
    assert_eq!((said(&answer), answer.header("retry-after")), ((503, "full".to_owned()), Some("3600")));
    let appends = receiver.log.appends();
    let head = "POST /hooks/desk HTTP/1.1\r\nhost: a\r\ncontent-length: 500\r\n\r\n";
    assert_eq!(said(&receiver.ask(head).await), (503, "full".to_owned()));
    assert_eq!(receiver.log.appends(), appends);
}

#[tokio::test]
async fn a_log_that_has_room_again_is_used_again() {
    let receive = receive::Settings { retry_after: Duration::from_millis(1), ..receive::Settings::default() };
    let receiver = Receiver::open_as(Wanted { receive, ..Wanted::default() }).await;
    receiver.log.be(Mood::Full);
    let answer = receiver.deliver(event("session.ended", "s-1")).await;
    // Rounded up: never "at once".
    assert_eq!((said(&answer), answer.header("retry-after")), ((503, "full".to_owned()), Some("1")));
    receiver.log.be(Mood::Well);
    until(async || receiver.deliver(event("session.ended", "s-1")).await.status == 200).await;
}

#[tokio::test]
async fn a_log_that_has_stopped_takes_nothing_more() {
    let receiver = Receiver::open().await;
    receiver.log.be(Mood::Stopped);
    let answer = receiver.deliver(event("session.ended", "s-1")).await;
    assert_eq!((said(&answer), answer.header("retry-after")), ((503, "stopped".to_owned()), Some("1")));
    let writing = receiver.writing;
    assert!(writing.await.unwrap().is_err());
    let head = b"POST /hooks/desk HTTP/1.1\r\nhost: a\r\ncontent-length: 500\r\n\r\n";
    let answer = crate::wire::Wire::open(receiver.address).await.send(head).await.answer().await.unwrap();
    assert_eq!(said(&answer), (503, "stopped".to_owned()));
    assert_eq!(receiver.engine.stopped().as_deref(), Some("the log has stopped, open it again: this test stopped it"));
}

#[tokio::test]
async fn an_engine_that_was_closed_says_so() {
    let receiver = Receiver::open().await;
    receiver.engine.close().await;
    receiver.writing.await.unwrap().unwrap();
    assert_eq!(receiver.engine.stopped().as_deref(), Some("it was closed"));
    let request = post("/hooks/desk", &[HEADER], event("session.ended", "s-1"));
    let answer = crate::wire::Wire::open(receiver.address).await.send(request).await.answer().await.unwrap();
    assert_eq!(said(&answer), (503, "stopped".to_owned()));
}

#[tokio::test]
async fn bodies_in_memory_are_bounded() {
    let receive = receive::Settings { bodies_bytes_max: 8 << 10, ..receive::Settings::default() };
    let receiver = Receiver::open_as(Wanted { receive, ..Wanted::default() }).await;
    let long = format!("{:<5000}", event("session.ended", "s-1"));
    let mut slow = receiver.connect().await;
    let request = post("/hooks/desk", &[HEADER], &long);
    slow.send(&request[..request.len() - 1]).await;
    // When what it sent is here, there is no room for as much again: and that is said before it comes.
    let head = "POST /hooks/desk HTTP/1.1\r\nhost: a\r\ncontent-length: 5000\r\n\r\n";
    until(async || {
        let mut wire = receiver.connect().await;
        wire.send(head).await;
        let look = tokio::time::timeout(Duration::from_millis(50), wire.answer()).await;
        matches!(look, Ok(Some(answer)) if said(&answer) == (503, "busy".to_owned()))
    })
    .await;
    // What is short still fits.
    assert_eq!(receiver.deliver(event("session.ended", "s-2")).await.status, 200);
    slow.send(&request[request.len() - 1..]).await;
    assert_eq!(said(&slow.answer().await.unwrap()), (200, "stored".to_owned()));
    let again = format!("{:<5000}", event("session.ended", "s-3"));
    assert_eq!(said(&receiver.deliver(again).await), (200, "stored".to_owned()));
}

#[tokio::test]
async fn only_what_is_posted_to_a_hook_is_a_delivery() {
    let receiver = Receiver::open().await;
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let request = format!("{method} /hooks/desk HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let mut wire = receiver.connect().await;
        wire.send(request).await;
        let answer = if method == "HEAD" { wire.answer_to_head().await } else { wire.answer().await };
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}");
        if method != "HEAD" {
            assert_eq!(answer.text("error"), "method_not_allowed", "{method}");
        }
        assert!(wire.ends().await);
    }
    for path in
        ["/", "/hooks", "/hooks/", "/hooks/desk/", "/hooks/desk/..", "/hooks/a/b", "//hooks/desk", "/Hooks/desk"]
    {
        let answer = receiver.ask(post(path, &[HEADER], event("session.ended", "s-1"))).await;
        assert_eq!(said(&answer), (404, "not_found".to_owned()), "{path}");
    }
    // Two ways to write one path.
    for path in ["/hooks/desk?a=b", "/hooks/%64esk"] {
        let answer = receiver.ask(post(path, &[HEADER], event("session.ended", path))).await;
        assert_eq!(said(&answer), (200, "stored".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_hundred_at_once_are_one() {
    let receiver = Receiver::open().await;
    let request = post("/hooks/desk", &[HEADER], event("session.ended", "s-1"));
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (address, request) = (receiver.address, request.clone());
            tokio::spawn(async move { crate::wire::Wire::open(address).await.send(request).await.answer().await })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap().unwrap().text("outcome"));
    }
    outcomes.sort();
    assert_eq!(
        (outcomes[0].as_str(), outcomes[98].as_str(), outcomes[99].as_str()),
        ("duplicate", "duplicate", "stored")
    );
}

#[tokio::test]
async fn who_is_turned_away_before_the_engine_is_counted_at_its_source() {
    let engine = Settings { body_bytes_max: 300, ..Settings::default() };
    let receiver = Receiver::open_as(Wanted { engine, ..Wanted::default() }).await;
    let long = "a".repeat(301);
    assert_eq!(receiver.deliver(&long).await.status, 413);
    // In chunks nothing is promised: it is noticed on the way.
    let chunks =
        format!("POST /hooks/desk HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n12d\r\n{long}\r\n0\r\n\r\n");
    assert_eq!(receiver.ask(chunks).await.status, 413);
    assert_eq!(receiver.ask(post("/hooks/nobody", &[HEADER], &long)).await.status, 413);
    let stats = receiver.engine.stats();
    assert_eq!(stats.sources["desk"].deliveries.too_large, 2);
    assert_eq!(stats.stray.too_large, 1);

    receiver.log.be(Mood::Full);
    for _ in 0..2 {
        // The first finds it out, and the second is told before its body is read.
        assert_eq!(said(&receiver.deliver(event("session.ended", "s-1")).await), (503, "full".to_owned()));
    }
    assert_eq!(receiver.engine.stats().sources["desk"].deliveries.failed, 2);
}

/// `FINIS_SESSIONS=100000 cargo test -p finis-http --test it distinct_sessions` takes that many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_number_of_distinct_sessions_takes_bounded_memory() {
    let all: usize = std::env::var("FINIS_SESSIONS").map_or(2_000, |all| all.parse().expect("a number"));
    let engine = Settings { sessions_max: 500, ..Settings::default() };
    let receiver = Receiver::open_as(Wanted { engine, ..Wanted::default() }).await;
    let mut wires = Vec::new();
    for _ in 0..50 {
        wires.push(receiver.connect().await);
    }
    for first in (0..all).step_by(wires.len()) {
        for (more, wire) in wires.iter_mut().enumerate() {
            wire.send(post("/hooks/desk", &[HEADER], event("session.ended", &format!("s-{}", first + more)))).await;
        }
        for wire in &mut wires {
            assert_eq!(said(&wire.answer().await.unwrap()), (200, "stored".to_owned()));
        }
        let held = receiver.engine.stats().sessions;
        assert!(held <= 500 + wires.len(), "{held} sessions are in memory");
    }
    let began = receiver.engine.stats().sources["desk"].sessions.began;
    assert_eq!(began, all.next_multiple_of(wires.len()) as u64);
}
