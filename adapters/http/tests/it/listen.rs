//! Connections: time, numbers, order, and the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::Method;
use axum::routing::{any, get};
use bytes::Bytes;
use finis_http::listen::Limits;
use tokio::net::TcpStream;

use crate::receiver::{HEADER, Mood, Receiver, Wanted, event};
use crate::wait::until;
use crate::wire::{PATIENCE, Wire, post};

const SHORT: Duration = Duration::from_millis(60);

/// Limits of which all but these are far away.
fn limits(change: impl FnOnce(&mut Limits)) -> Wanted {
    let mut wanted = Wanted::default();
    change(&mut wanted.limits);
    wanted
}

fn good(session: &str) -> Vec<u8> {
    post("/hooks/desk", &[HEADER], event("session.ended", session))
}

#[tokio::test]
async fn who_says_nothing_is_left() {
    let receiver = Receiver::open_as(limits(|limits| limits.head = SHORT)).await;
    assert!(receiver.connect().await.ends().await);
}

#[tokio::test]
async fn who_says_nothing_more_is_left() {
    let receiver = Receiver::open_as(limits(|limits| limits.idle = SHORT)).await;
    let mut wire = receiver.connect().await;
    for session in ["s-1", "s-2"] {
        assert_eq!(wire.send(good(session)).await.answer().await.unwrap().status, 200);
    }
    assert!(wire.ends().await);
}

#[tokio::test]
async fn half_a_head_is_not_waited_for() {
    let receiver = Receiver::open_as(limits(|limits| limits.head = SHORT)).await;
    let mut wire = receiver.connect().await;
    let answer = wire.send("POST /hooks/desk HTTP/1.1\r\nhost: a\r\n").await.answer().await.unwrap();
    assert_eq!((answer.status, answer.text("error").as_str()), (408, "head_timeout"));
    assert!(wire.ends().await);
}

#[tokio::test]
async fn what_is_no_request_is_counted_by_its_rule() {
    let receiver = Receiver::open_as(limits(|limits| limits.body = SHORT)).await;
    let mut wire = receiver.connect().await;
    wire.send(good("s-1")).await.answer().await.unwrap();
    let answer = wire.send("GET / HTTP/1.1\nhost: a\n\n").await.answer().await.unwrap();
    assert_eq!(answer.text("error"), "bare_line_feed");
    // Within a body it is the handler that answers, and it is counted all the same.
    let slow = receiver.ask("POST /hooks/desk HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf").await;
    assert_eq!((slow.status, slow.text("error").as_str()), (408, "body_timeout"));
    let expected = |rule: &str| u64::from(["bare_line_feed", "body_timeout"].contains(&rule));
    until(async || receiver.tally.requests().all(|(rule, count)| count == expected(rule))).await;
    assert_eq!(receiver.tally.requests().count(), 13);
}

#[tokio::test]
async fn a_second_head_has_its_own_time() {
    let head = Duration::from_millis(300);
    let receiver = Receiver::open_as(limits(|limits| limits.head = head)).await;
    let began = Instant::now();
    let mut wire = receiver.connect().await;
    while began.elapsed() <= head {
        assert_eq!(wire.send(good("s-1")).await.answer().await.unwrap().status, 200);
    }
    assert_eq!(wire.send(good("s-2")).await.answer().await.unwrap().status, 200);
    assert_eq!(wire.send("POST").await.answer().await.unwrap().status, 408);
}

/// Sends a byte now and then, until it has an answer.
async fn drip(receiver: &Receiver, begin: &str, drop: &str) -> (u16, String) {
    let mut wire = receiver.connect().await;
    wire.send(begin).await;
    loop {
        wire.send(drop).await;
        if let Ok(answer) = tokio::time::timeout(Duration::from_millis(10), wire.answer()).await {
            let answer = answer.expect("an answer before the end");
            return (answer.status, answer.text("error"));
        }
    }
}

#[tokio::test]
async fn drops_do_not_win_time() {
    let wanted = limits(|limits| (limits.head, limits.body) = (SHORT, SHORT));
    let receiver = Receiver::open_as(wanted).await;
    let head = "POST /hooks/desk HTTP/1.1\r\nhost: a\r\n";
    assert_eq!(drip(&receiver, head, "x").await, (408, "head_timeout".to_owned()));
    assert_eq!(drip(&receiver, head, "x: y\r\n").await, (408, "head_timeout".to_owned()));
    assert_eq!(
        drip(&receiver, &format!("{head}content-length: 1000\r\n\r\n"), "x").await,
        (408, "body_timeout".to_owned())
    );
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n");
    assert_eq!(drip(&receiver, &chunked, "1\r\nx\r\n").await, (408, "body_timeout".to_owned()));
}

#[tokio::test]
async fn a_body_that_was_promised_is_not_waited_for() {
    let receiver = Receiver::open_as(limits(|limits| limits.body = SHORT)).await;
    for header in ["", "expect: 100-continue\r\n"] {
        let head = format!("POST /hooks/desk HTTP/1.1\r\nhost: a\r\n{header}content-length: 10\r\n\r\n");
        let mut wire = receiver.connect().await;
        assert_eq!(wire.send(head).await.answer().await.unwrap().status, 408, "{header}");
        assert!(wire.ends().await);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_told() {
    let receiver = Receiver::open().await;
    let request = good("s-1");
    let mut wire = receiver.connect().await;
    let answer = wire.send(&request[..request.len() - 1]).await.finish().await.answer().await.unwrap();
    assert_eq!((answer.status, answer.text("error").as_str()), (400, "body_broken"));
    assert!(wire.ends().await);
}

#[tokio::test]
async fn who_has_no_more_to_say_still_hears() {
    let receiver = Receiver::open().await;
    receiver.log.be(Mood::Slow);
    let mut wire = receiver.connect().await;
    wire.send(good("s-1")).await.finish().await;
    let appends = receiver.log.appends();
    until(async || receiver.log.appends() > appends || receiver.engine.stats().queue_depth > 0).await;
    receiver.log.be(Mood::Well);
    assert_eq!(wire.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_their_order() {
    let receiver = Receiver::open().await;
    let event = event("session.ended", "s-3");
    let (begin, end) = event.split_at(60);
    let chunked = format!(
        "POST /hooks/desk HTTP/1.1\r\nhost: a\r\n{}: {}\r\ntransfer-encoding: chunked\r\n\r\n\
         3c;x=y\r\n{begin}\r\n{:X}\r\n{end}\r\n0\r\na: b\r\n\r\n",
        HEADER.0,
        HEADER.1,
        end.len(),
    );
    let bad = b"POST /hooks/desk HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello";
    let all = [good("s-1"), good("s-2"), chunked.into_bytes(), bad.to_vec(), good("s-4")].concat();
    for size in [all.len(), 97, 1] {
        let receiver = &receiver;
        let mut wire = receiver.connect().await;
        for piece in all.chunks(size) {
            wire.send(piece).await;
        }
        for session in ["s-1", "s-2", "s-3"] {
            let answer = wire.answer().await.unwrap();
            assert_eq!((answer.status, answer.text("session").as_str()), (200, session), "{answer:?}");
        }
        let answer = wire.answer().await.unwrap();
        assert_eq!((answer.status, answer.text("error").as_str()), (400, "one_content_length"));
        assert!(wire.ends().await, "nothing comes after what was refused");
    }
}

#[tokio::test]
async fn an_answer_gets_through_to_who_still_sends() {
    let receiver = Receiver::open().await;
    let headers = format!("POST /hooks/desk HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "a".repeat(1 << 20));
    assert_eq!(receiver.ask(headers).await.status, 431);
    assert_eq!(receiver.deliver("a".repeat(4 << 20)).await.status, 413);
}

#[tokio::test]
async fn one_too_many_is_told() {
    for (all, of_one) in [(2, 100), (100, 2)] {
        let few = limits(|limits| (limits.connections_max, limits.connections_per_peer_max) = (all, of_one));
        let receiver = Receiver::open_as(few).await;
        let mut served = Vec::new();
        for session in ["s-1", "s-2"] {
            let mut wire = receiver.connect().await;
            assert_eq!(wire.send(good(session)).await.answer().await.unwrap().status, 200);
            served.push(wire);
        }
        let mut third = receiver.connect().await;
        let answer = third.send(good("s-3")).await.answer().await.unwrap();
        assert_eq!(receiver.tally.connections(), 1);
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
        assert!(third.ends().await);
        assert_eq!(served[0].send(good("s-3")).await.answer().await.unwrap().status, 200);
        served.pop();
        until(async || {
            let mut wire = receiver.connect().await;
            wire.send(good("s-4")).await.answer().await.is_some_and(|answer| answer.status == 200)
        })
        .await;
    }
}

/// `FINIS_CONNECTIONS=10000 cargo test -p finis-http --test it silent_ones` opens that many; each is an open file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_silent_ones_do_no_harm() {
    let all: usize = std::env::var("FINIS_CONNECTIONS").map_or(1_000, |all| all.parse().expect("a number"));
    let wanted = limits(|limits| (limits.connections_max, limits.head) = (400, Duration::from_millis(500)));
    let receiver = Receiver::open_as(wanted).await;
    let mut silent = Vec::new();
    for _ in 0..all {
        silent.push(receiver.connect().await);
    }
    // While these last, others are turned away; and then they are gone.
    until(async || {
        let mut wire = receiver.connect().await;
        wire.send(good("s-1")).await.answer().await.is_some_and(|answer| answer.status == 200)
    })
    .await;
    for mut wire in silent {
        let answer = wire.answer().await;
        assert!(answer.is_none_or(|answer| answer.status == 503));
    }
}

#[tokio::test]
async fn a_stop_answers_what_is_in_flight() {
    let mut receiver = Receiver::open().await;
    let mut idle = receiver.connect().await;
    assert_eq!(idle.send(good("s-0")).await.answer().await.unwrap().status, 200);
    receiver.log.be(Mood::Slow);
    let appends = receiver.log.appends();
    let mut busy = receiver.connect().await;
    busy.send(good("s-1")).await;
    until(async || receiver.log.appends() > appends).await;

    receiver.stop();
    assert!(idle.ends().await);
    // The socket is closed: nobody more gets in.
    until(async || TcpStream::connect(receiver.address).await.is_err()).await;
    assert!(!receiver.serving.is_finished());
    receiver.log.be(Mood::Well);
    let answer = busy.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(busy.ends().await);
    tokio::time::timeout(PATIENCE, receiver.serving).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_takes_what_was_sent_before_it() {
    for is_new in [true, false] {
        let mut receiver = Receiver::open().await;
        let mut wire = receiver.connect().await;
        if !is_new {
            assert_eq!(wire.send(good("s-0")).await.answer().await.unwrap().status, 200);
        }
        // Nobody else runs between these: it is in the socket, and nobody has looked.
        wire.send(good("s-1")).await;
        receiver.stop();
        let answer = wire.answer().await.unwrap();
        assert_eq!((answer.status, answer.text("session").as_str()), (200, "s-1"));
        assert!(wire.ends().await);
        tokio::time::timeout(PATIENCE, receiver.serving).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let mut receiver = Receiver::open_as(limits(|limits| limits.stop = SHORT)).await;
    receiver.log.be(Mood::Slow);
    let appends = receiver.log.appends();
    let mut busy = receiver.connect().await;
    busy.send(good("s-1")).await;
    until(async || receiver.log.appends() > appends).await;
    receiver.stop();
    let error = tokio::time::timeout(PATIENCE, receiver.serving).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "1 connections were still busy, and were closed");
    assert!(busy.ends().await);
}

/// A body without an end, which knows how often it was dropped.
struct Endless(Arc<AtomicUsize>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(&[b'x'; 1 << 12])))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_left() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&dropped);
    let endless = get(move || async move { Body::new(Endless(told)) });
    let mut wanted = limits(|limits| limits.write = SHORT);
    wanted.beside = Some(Router::new().route("/endless", endless));
    let receiver = Receiver::open_as(wanted).await;
    let mut wire = receiver.connect().await;
    wire.send("GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until(async || dropped.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn a_handler_that_panics_takes_its_connection_alone() {
    let mut wanted = Wanted::default();
    let panics = |method: Method| async move { assert_eq!(method, Method::PUT, "on purpose, in a test") };
    wanted.beside = Some(Router::new().route("/panics", any(panics)));
    let receiver = Receiver::open_as(wanted).await;
    let mut wire = receiver.connect().await;
    assert!(wire.send("GET /panics HTTP/1.1\r\nhost: a\r\n\r\n").await.answer().await.is_none());
    assert_eq!(receiver.ask(good("s-1")).await.status, 200);
}

#[tokio::test]
async fn another_protocol_is_told_at_once() {
    let receiver = Receiver::open().await;
    for (bytes, status) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"\x00\x00", 400),
    ] {
        let mut wire = Wire::open(receiver.address).await;
        assert_eq!(wire.send(bytes).await.answer().await.unwrap().status, status);
        assert!(wire.ends().await);
    }
}
