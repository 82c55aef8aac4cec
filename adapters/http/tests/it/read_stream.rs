//! Notices as they are said: a stream that resumes, lives, ends, and waits for who is slow.

use std::num::NonZero;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::read_world::{Answer, EVENING, TOKEN, World};
use crate::wait::until;

/// For as long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A reader of a stream.
struct Stream {
    lines: BufReader<TcpStream>,
    head: Answer,
}

impl Stream {
    async fn open(world: &World, query: &str, headers: &str) -> Stream {
        let mut socket = TcpStream::connect(&world.address).await.unwrap();
        // In HTTP/1.0 the body stands as it is, up to the end of the connection.
        let request = format!("GET /v1/stream?{query} HTTP/1.0\r\nauthorization: Bearer {TOKEN}\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(socket);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(timeout(PATIENCE, lines.read_line(&mut head)).await.unwrap().unwrap(), 0, "{head}");
        }
        Stream { lines, head: Answer::parse(&head) }
    }

    /// One that is there.
    async fn fine(world: &World, query: &str, headers: &str) -> Stream {
        let mut stream = Stream::open(world, query, headers).await;
        assert_eq!(stream.head.status, 200);
        assert_eq!(stream.head.header("content-type"), Some("text/event-stream"));
        assert_eq!(stream.line().await.as_deref(), Some("retry: 1000"));
        stream
    }

    /// Why it is not there.
    async fn refused(world: &World, query: &str, headers: &str) -> Answer {
        let mut stream = Stream::open(world, query, headers).await;
        timeout(PATIENCE, stream.lines.read_to_string(&mut stream.head.body)).await.unwrap().unwrap();
        stream.head
    }

    /// The next line that says something; nothing at the end.
    async fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            let read = timeout(PATIENCE, self.lines.read_line(&mut line)).await.unwrap().unwrap();
            let line = line.trim_end_matches(['\r', '\n']);
            match read {
                0 => return None,
                _ if line.is_empty() => {}
                _ => return Some(line.to_owned()),
            }
        }
    }

    /// The next event: its id and what it says.
    async fn next(&mut self) -> Option<(u64, Value)> {
        let (mut id, mut data) = (None, None);
        while id.is_none() || data.is_none() {
            let line = self.line().await?;
            match line.split_once(": ").unwrap_or((&line, "")) {
                ("id", text) => id = Some(text.parse().unwrap()),
                ("data", text) => data = Some(serde_json::from_str(text).unwrap()),
                ("", _) => {}
                other => panic!("{other:?}"),
            }
        }
        id.zip(data)
    }

    async fn ids(&mut self, count: usize) -> Vec<u64> {
        let mut ids = Vec::new();
        while ids.len() < count {
            ids.push(self.next().await.unwrap().0);
        }
        ids
    }
}

#[tokio::test]
async fn a_stream_has_what_is_said_from_now_on_and_resumes_where_it_broke_off() {
    let world = World::new().await;
    world.receive("ECF", "a").await;
    let mut stream = Stream::fine(&world, "", "").await;
    world.receive("ECF", "b").await;
    let (id, notice) = stream.next().await.unwrap();
    assert_eq!((id, &notice["seq"], &notice["record"]["session"]), (2, &json!(2), &json!("b")));
    assert_eq!(notice, world.read("/v1/notices?after=1").await["notices"][0]);
    drop(stream);
    world.receive("ECF", "c").await;
    world.receive("ECF", "d").await;
    let mut stream = Stream::fine(&world, "", "last-event-id: 2\r\n").await;
    assert_eq!(stream.ids(2).await, [3, 4]);
    world.receive("ECF", "e").await;
    assert_eq!(stream.ids(1).await, [5]);
    // What the browser says goes before what it was told at first.
    assert_eq!(Stream::fine(&world, "after=1", "last-event-id: 3\r\n").await.ids(2).await, [4, 5]);
    assert_eq!(Stream::fine(&world, "after=1", "last-event-id: \r\n").await.ids(4).await, [2, 3, 4, 5]);
    assert_eq!(Stream::fine(&world, "after=0", "").await.ids(5).await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_place_that_is_none_is_refused() {
    let world = World::new().await;
    world.receive("ECF", "a").await;
    for headers in ["last-event-id: canary\r\n", "last-event-id: -1\r\n", "last-event-id: 1e3\r\n"] {
        let answer = Stream::refused(&world, "", headers).await;
        assert_eq!(answer.refused(400, "bad_parameter")["parameter"], "Last-Event-ID");
        assert!(!answer.body.contains("canary"));
    }
    // A store that was set back would pass over what is said until then.
    Stream::refused(&world, "", "last-event-id: 2\r\n").await.refused(409, "ahead");
    Stream::refused(&world, "after=2", "").await.refused(409, "ahead");
    Stream::refused(&world, "after=x", "").await.refused(400, "bad_parameter");
    Stream::refused(&world, "consumer=", "").await.refused(400, "bad_parameter");
}

#[tokio::test]
async fn a_consumer_streams_from_where_it_is_and_acknowledges_by_itself() {
    let world = World::new().await;
    for id in ["a", "b", "c"] {
        world.receive("ECF", id).await;
    }
    world.post("/v1/notices/ack", &json!({"consumer": "crm", "seq": 1})).await.fine();
    let mut stream = Stream::fine(&world, "consumer=crm", "").await;
    assert_eq!(stream.ids(2).await, [2, 3]);
    // To be told is not to have dealt with it.
    assert_eq!(Stream::fine(&world, "consumer=crm", "").await.ids(2).await, [2, 3]);
    world.post("/v1/notices/ack", &json!({"consumer": "crm", "seq": 2})).await.fine();
    assert_eq!(Stream::fine(&world, "consumer=crm", "").await.ids(1).await, [3]);
    // Who follows it is told again at once when it is set back.
    world.post("/v1/consumers/crm/rewind", &json!({"seq": 0})).await.fine();
    assert_eq!(stream.ids(3).await, [1, 2, 3]);
    assert_eq!(Stream::fine(&world, "consumer=new", "").await.ids(3).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_stream_shows_that_it_lives_and_ends_when_it_is_told_to() {
    let world = World::with(|settings| settings.heartbeat = Duration::from_millis(5)).await;
    let mut stream = Stream::fine(&world, "", "").await;
    for _ in 0..3 {
        assert_eq!(stream.line().await.as_deref(), Some(":"));
    }
    world.ending.send_replace(true);
    assert_eq!(stream.next().await, None);
    // Everything else is answered as before.
    world.read("/v1/sessions").await;
}

#[tokio::test]
async fn a_stream_ends_with_the_engine_when_all_is_told() {
    let world = World::with(|settings| settings.ending = None).await;
    let mut stream = Stream::fine(&world, "", "").await;
    world.receive("ECF", "a").await;
    world.engine.close().await;
    assert_eq!(stream.ids(1).await, [1]);
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn so_many_streams_are_open_and_no_more() {
    let world = World::with(|settings| settings.streams_max = 2).await;
    let first = Stream::fine(&world, "", "").await;
    let _second = Stream::fine(&world, "", "").await;
    let answer = Stream::refused(&world, "", "").await;
    answer.refused(503, "busy");
    assert_eq!(answer.header("retry-after"), Some("1"));
    drop(first);
    // The place is free as soon as the server knows that somebody went: at the next notice at the latest.
    world.receive("ECF", "a").await;
    until(async || Stream::open(&world, "", "").await.head.status == 200).await;
}

#[tokio::test]
async fn who_reads_slowly_waits_for_himself_and_misses_nothing() {
    const SESSIONS: usize = 1500;
    let world = World::with(|settings| settings.reads_max = NonZero::new(1).unwrap()).await;
    let long = "x".repeat(16 << 10);
    for number in 0..SESSIONS {
        world.receive("EC", &format!("s-{number}")).await;
        let body = format!(
            r#"{{"event":"session.finalized","sessionId":"s-{number}","timestamp":"{EVENING}","messagesCount":8,"callStatus":"userHangup","callDuration":78,"extractedVariables":{{"text":"{long}"}}}}"#
        );
        world.engine.receive("desk", &[], body.as_bytes()).await.unwrap();
    }
    let before = world.log.notices.load(Ordering::SeqCst);
    let mut slow = Stream::fine(&world, "after=0", "").await;
    // It goes as far as the sockets have room: that is so when many others were answered and it went no further.
    let fetched = || world.log.notices.load(Ordering::SeqCst) - before;
    let (mut known, mut stood) = (fetched(), 0);
    while stood < 200 {
        world.read("/v1/consumers").await;
        stood = if fetched() == known { stood + 1 } else { 0 };
        known = fetched();
    }
    assert!((1..SESSIONS).contains(&known), "{known} notices were fetched for who reads none");
    // Others are told meanwhile.
    let mut quick = Stream::fine(&world, "after=0", "").await;
    let all: Vec<u64> = (1..=SESSIONS as u64).collect();
    assert_eq!(quick.ids(SESSIONS).await, all);
    assert_eq!(slow.ids(SESSIONS).await, all);
}
