//! Answers that are none, and places that nothing is sent to: what becomes of a webhook then, and that nothing
//! of it shows which is nobody's business.

use std::io::Write;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use finis_http::outbound::{Client, Found, Guard, Limits, Lookup, Roots, Rules};
use finis_http::send::{Endpoint, EndpointError, Sender};
use finis_providers::signature::Secret;
use tracing_subscriber::fmt::MakeWriter;

use crate::posted_to::{Receiver, Reply, status};
use crate::send::{SECRET, client, endpoint, send, until};
use crate::world::World;

/// A receiver that says yes and breaks off has perhaps not done what it says: it is asked again, under the same id.
#[tokio::test]
async fn a_yes_that_breaks_off_is_none() {
    for reply in [
        Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of it".to_vec()),
        Reply::Raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n".to_vec()),
        Reply::Reset(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n".to_vec()),
        Reply::Reset(b"HTTP/1.1 200".to_vec()),
    ] {
        let world = World::new();
        let receiver = Receiver::start(move |_, before| if before == 0 { reply.clone() } else { status(200) }).await;
        let sending = send(&world, endpoint("crm", &receiver), Limits::default()).await;
        world.end("a", 0).await;
        until(|| sending.tally.sent().again == 1).await;
        world.clock.advance(Duration::from_secs(5));
        let seen = receiver.after(2).await;
        assert_eq!((seen[0].id(), &seen[0].body), (seen[1].id(), &seen[1].body));
        world.stands("webhook:crm", "1 -0 parked 0 waiting 0").await;
    }
}

/// A yes without an end is one: what comes after it is not read.
#[tokio::test]
async fn a_yes_that_never_ends_is_cut() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n".to_vec();
    let world = World::new();
    let receiver = Receiver::start(move |_, _| Reply::Endless(head.clone(), vec![0; 65_536], Duration::ZERO)).await;
    let sending = send(&world, endpoint("crm", &receiver), Limits::default()).await;
    world.end("a", 0).await;
    until(|| sending.tally.sent().taken == 1).await;
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test]
async fn every_other_answer_is_a_failure_that_says_what_it_is() {
    let elsewhere = Receiver::start(|_, _| status(200)).await;
    let to = |code| Reply::Status(code, vec![("location", elsewhere.url("/in"))]);
    let endless = Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'a'], Duration::from_millis(10));
    for (reply, reason) in [
        (to(301), "answered 301 Moved Permanently, and redirects are not followed (try 1, at "),
        (to(308), "answered 308 Permanent Redirect, and redirects are not followed (try 1, at "),
        (status(400), "answered 400 Bad Request (try 1, at "),
        (status(599), "answered 599 <unknown status code> (try 1, at "),
        (endless, "no whole answer within 2 s (try 1, at "),
        (Reply::Silence, "no whole answer within 2 s (try 1, at "),
        (Reply::Reset(Vec::new()), "no whole answer: "),
        (Reply::Raw(b"SSH-2.0-x\r\n".to_vec()), "no whole answer: "),
    ] {
        let world = World::new();
        let receiver = Receiver::start(move |_, _| reply.clone()).await;
        let mut crm = endpoint("crm", &receiver);
        // A dead letter at once: its reason is listed.
        crm.delays = Vec::new();
        let limits = Limits { total: Duration::from_secs(2), ..Limits::default() };
        let _sending = send(&world, crm, limits).await;
        world.end("a", 0).await;
        world.stands("webhook:crm", "1 -0 parked 1 waiting 0").await;
        let reasons = world.reasons("webhook:crm").await;
        assert!(reasons[0].starts_with(reason), "{reasons:?}");
        assert_eq!((receiver.seen().len(), elsewhere.connections()), (1, 0));
    }
}

#[test]
fn an_endpoint_that_cannot_be_sent_to_is_refused_when_it_is_made() {
    let client = client(Limits::default());
    let make =
        |name: &str, url: &str, secret: &str| Endpoint::new(name, url, &[Secret::new(secret)], &client).map(drop);
    assert_eq!(make("crm", "https://hooks.example.com/in", SECRET), Ok(()));
    for url in
        ["https://10.0.0.1/in", "http://hooks.example.com/in", "https://a:b@hooks.example.com/", "file:///in", "in"]
    {
        assert!(matches!(make("crm", url, SECRET), Err(EndpointError::Url(_))), "{url}");
    }
    for name in ["", "a b", "a/b", "\u{e4}", "a\n", &"a".repeat(65)] {
        assert!(
            matches!(make(name, "https://hooks.example.com/in", SECRET), Err(EndpointError::Name { .. })),
            "{name}"
        );
    }
    let error = make("crm", "https://hooks.example.com/in", "canary!").unwrap_err();
    assert!(matches!(error, EndpointError::Secrets(_)) && !format!("{error:?}{error}").contains("canary"));
    let none = Endpoint::new("crm", "https://hooks.example.com/in", &[], &client).unwrap_err();
    assert!(matches!(none, EndpointError::Secrets(_)));
}

/// Every name is at a private address.
struct Inside;

impl Lookup for Inside {
    fn lookup(&self, _: &str) -> Found {
        Box::pin(async { Ok(vec![IpAddr::from([10, 0, 0, 1])]) })
    }
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Lines {
    type Writer = Lines;

    fn make_writer(&'w self) -> Lines {
        self.clone()
    }
}

/// Secrets, paths of URLs, whom a session is about, and what a receiver answers: nothing of it is logged, or kept
/// as the reason of a failure.
#[tokio::test]
async fn a_failure_tells_no_secret() {
    let lines = Lines::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(lines.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let canary = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktMTIz";
    let world = World::new();
    let receiver = Receiver::start(|_, _| {
        Reply::Raw(
            b"HTTP/1.1 500 canary-status\r\nx-canary: canary-header\r\ncontent-length: 11\r\n\r\ncanary-body".to_vec(),
        )
    })
    .await;
    let mut answers =
        Endpoint::new("answers", &receiver.url("/canary-path"), &[Secret::new(canary)], &client(Limits::default()))
            .unwrap();
    answers.delays = vec![Duration::from_secs(1)];
    let inside =
        Client::with_lookup(Guard::new(&Rules::default()), Limits::default(), &Roots::none(), Arc::new(Inside))
            .unwrap();
    let url = "https://hooks.example.com/canary-path?key=canary-key";
    let mut refused = Endpoint::new("refused", url, &[Secret::new(canary)], &inside).unwrap();
    refused.delays = Vec::new();
    let policy = refused.policy();
    let sender = Sender::new(refused, inside, world.clock.clone(), Arc::new(|| 0.5));
    assert!(!format!("{sender:?}").contains("canary"));
    let (_handover, worker) = world.engine.deliver("webhook:refused", policy, sender).await.unwrap();
    tokio::spawn(worker.run());
    let sending = send(&world, answers, Limits::default()).await;

    world.end("+886912345678-canary", 0).await;
    until(|| sending.tally.sent().again == 1).await;
    world.clock.advance(Duration::from_secs(1));
    for consumer in ["webhook:answers", "webhook:refused"] {
        world.stands(consumer, "1 -0 parked 1 waiting 0").await;
        let reasons = world.reasons(consumer).await;
        assert!(!reasons[0].contains("canary"), "{reasons:?}");
    }
    assert!(
        world.reasons("webhook:refused").await[0]
            .starts_with("`hooks.example.com` is at 10.0.0.1, which is not public")
    );
    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let ours: Vec<&str> = logged.lines().filter(|line| line.contains("finis")).collect();
    assert_eq!(ours.iter().filter(|line| line.contains("dead letter")).count(), 2, "{logged}");
    for secret in
        ["Y2FuYXJ5", "canary-status", "canary-header", "canary-body", "canary-path", "canary-key", "886912345678"]
    {
        assert!(!ours.iter().any(|line| line.contains(secret)), "{secret} is in {ours:?}");
    }
}
