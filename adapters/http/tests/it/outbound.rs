//! Where requests go, and where they do not: checked on the address that is really connected to.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use finis_http::outbound::{Answer, Client, Failed, Found, Guard, Limits, Lookup, Refused, Roots, Rules};
use http::HeaderMap;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::receiver::{Receiver, Reply, Seen, status};

fn guard(allow: &[&str], port: u16) -> Guard {
    let allow = allow.iter().map(|text| text.parse().unwrap()).collect();
    Guard::new(&Rules { allow, ports: vec![443, port] })
}

/// Says one list of addresses after the other, and the last again and again.
struct Names(Mutex<VecDeque<Vec<IpAddr>>>, Mutex<Vec<String>>);

impl Names {
    fn new(answers: &[&[&str]]) -> Arc<Names> {
        let parse = |addresses: &&[&str]| addresses.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Names(Mutex::new(answers.iter().map(parse).collect()), Mutex::default()))
    }

    fn asked(&self) -> usize {
        self.1.lock().unwrap().len()
    }
}

impl Lookup for Names {
    fn lookup(&self, host: &str) -> Found {
        self.1.lock().unwrap().push(host.to_owned());
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(async move { Ok(answer.unwrap()) })
    }
}

fn client(allow: &[&str], port: u16, names: Arc<Names>, roots: &Roots) -> Client {
    Client::with_lookup(guard(allow, port), Limits::default(), roots, names).unwrap()
}

async fn post(client: &Client, url: &str) -> Result<Answer, Failed> {
    client.post(url, HeaderMap::new(), Bytes::from_static(b"{}")).await
}

/// Why it was refused, in one word; or the status.
#[track_caller]
fn told(outcome: &Result<Answer, Failed>) -> String {
    match outcome {
        Ok(answer) => answer.status().as_u16().to_string(),
        Err(Failed::Refused(refused)) => format!("{refused:?}").split(' ').next().unwrap().to_owned(),
        Err(other) => format!("{other:?}").split(' ').next().unwrap().to_owned(),
    }
}

/// To loopback, which is not public, under every name and in every form: nobody is ever connected to.
#[tokio::test]
async fn nothing_that_is_not_public_is_connected_to() {
    let receiver = Receiver::start(|_, _| status(200)).await;
    let port = receiver.address.port();
    let names = Names::new(&[&["127.0.0.1"]]);
    let client = client(&[], port, Arc::clone(&names), &Roots::none());
    for host in
        ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "0.0.0.0", "[::ffff:127.0.0.1]", "[::1]", "169.254.169.254"]
    {
        for scheme in ["http", "https"] {
            assert_eq!(told(&post(&client, &format!("{scheme}://{host}:{port}/in")).await), "Address", "{host}");
        }
    }
    assert_eq!(names.asked(), 0);
    assert_eq!(told(&post(&client, &format!("https://localhost:{port}/in")).await), "Name");
    assert_eq!(told(&post(&client, &format!("https://hooks.example.com:{port}/in")).await), "Address");
    assert_eq!(told(&post(&client, &format!("http://hooks.example.com:{port}/in")).await), "Plain");
    assert_eq!(names.asked(), 1);
    // The system's own resolver says the same.
    let system = Client::new(guard(&[], port), Limits::default(), &Roots::none()).unwrap();
    let refused = post(&system, &format!("https://localhost.:{port}/in")).await;
    assert_eq!(told(&refused), "Name");
    assert_eq!(receiver.connections(), 0);
}

/// A name that answers with what is allowed when it is looked at, and with something else later: what is
/// connected to is what was looked at, and the next connection is looked at anew.
#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    let close = |_: &Seen, _| Reply::Status(200, vec![("connection", "close".into())]);
    let (tls, pem) = tls("rebind.example.com");
    let receiver = Receiver::start_at(Ipv4Addr::LOCALHOST, Some(tls), close).await;
    let url = format!("https://rebind.example.com:{}/in", receiver.address.port());
    let answers: &[&[&str]] =
        &[&["127.0.0.1"], &["127.0.0.2"], &["10.0.0.1", "169.254.169.254"], &["127.0.0.2", "::1", "127.0.0.1"], &[]];
    let names = Names::new(answers);
    let mut roots = Roots::none();
    roots.add_pem(pem.as_bytes()).unwrap();
    let client = client(&["127.0.0.1"], receiver.address.port(), Arc::clone(&names), &roots);
    // Of several addresses, only those are tried that passed.
    for (asked, expected, connections) in
        [(1, "200", 1), (2, "Address", 1), (3, "Address", 1), (4, "200", 2), (5, "Unreachable", 2)]
    {
        assert_eq!(told(&post(&client, &url).await), expected, "{:?}", answers[asked - 1]);
        assert_eq!((names.asked(), receiver.connections()), (asked, connections), "{:?}", answers[asked - 1]);
    }
}

#[tokio::test]
async fn the_reason_says_what_is_refused_and_how_it_is_allowed() {
    let names = Names::new(&[&["10.1.2.3"]]);
    let client = client(&[], 443, names, &Roots::none());
    let Err(Failed::Refused(refused)) = post(&client, "https://hooks.example.com/canary?key=canary").await else {
        panic!("it was sent")
    };
    assert!(
        matches!(&refused, Refused::Address { address: IpAddr::V4(address), .. } if *address == Ipv4Addr::new(10, 1, 2, 3))
    );
    assert_eq!(
        refused.to_string(),
        "`hooks.example.com` is at 10.1.2.3, which is not public (private): allow the host or the address by name if that is meant"
    );
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let secret = Receiver::start(|_, _| status(200)).await;
    let to = secret.url("/secret");
    let receiver = Receiver::start(move |_, _| Reply::Status(307, vec![("location", to.clone())])).await;
    let client = client(&["127.0.0.1"], 443, Names::new(&[&[]]), &Roots::none());
    let answer = post(&client, &receiver.url("/in")).await.unwrap();
    assert_eq!(answer.status(), 307);
    assert_eq!((receiver.connections(), secret.connections()), (1, 0));
}

/// Whoever answers under this name, and how that is known.
fn tls(name: &str) -> (TlsAcceptor, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), cert.pem())
}

#[tokio::test]
async fn who_cannot_prove_who_it_is_gets_nothing() {
    let (tls, pem) = tls("hooks.example.com");
    let receiver = Receiver::start_at(Ipv4Addr::LOCALHOST, Some(tls), |_, _| status(200)).await;
    let (port, names) = (receiver.address.port(), Names::new(&[&["127.0.0.1"]]));
    let mut roots = Roots::none();
    roots.add_pem(b"-----BEGIN NONSENSE-----").unwrap_err();
    let stranger = client(&["127.0.0.1"], port, Arc::clone(&names), &roots);
    let Err(Failed::Unreachable { reason }) = post(&stranger, &format!("https://hooks.example.com:{port}/in")).await
    else {
        panic!("a stranger was believed")
    };
    assert!(reason.contains("certificate"), "{reason}");

    assert_eq!(roots.add_pem(pem.as_bytes()), Ok(1));
    let friend = client(&["127.0.0.1"], port, Arc::clone(&names), &roots);
    let answer = post(&friend, &format!("https://hooks.example.com:{port}/in?a=b")).await.unwrap();
    assert_eq!(answer.status(), 200);
    let other = post(&friend, &format!("https://other.example.com:{port}/in")).await;
    assert_eq!(told(&other), "Unreachable");
    let seen = receiver.seen();
    assert_eq!(seen.len(), 1, "nobody else got as far as a request");
    assert_eq!(seen[0].line, "POST /in?a=b HTTP/1.1");
    assert_eq!(seen[0].headers["host"], format!("hooks.example.com:{port}"));
    // Nothing asks for what would have to be unpacked.
    assert!(!seen[0].headers.contains_key("accept-encoding"), "{:?}", seen[0].headers);
}

/// Answers that never end, that are too large, that pretend: what is read of them is bounded in time and bytes.
#[tokio::test]
async fn answers_are_bounded() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: audio/ogg\r\ncontent-encoding: gzip\r\n\r\n".to_vec();
    let zeroes = Reply::Endless(head.clone(), vec![0; 4096], Duration::ZERO);
    let drip = Reply::Endless(head, vec![b'a'], Duration::from_millis(5));
    let line_drip = Reply::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"a: b\r\n".to_vec(), Duration::from_millis(20));
    let long_head = Reply::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"a: b\r\n".repeat(1000), Duration::ZERO);
    let promised = Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\nbut it is short".to_vec());
    let no_http = Reply::Raw(b"220 mail.example.com ESMTP\r\n".to_vec());
    for (reply, at_head, at_end) in [
        (zeroes, "200", "TooLarge"),
        (drip, "200", "TimedOut"),
        (line_drip, "TimedOut", ""),
        (long_head, "Broken", ""),
        (promised, "200", "Broken"),
        (no_http, "Broken", ""),
        (Reply::Silence, "TimedOut", ""),
        (Reply::Reset(Vec::new()), "Broken", ""),
    ] {
        let shown = format!("{reply:?}").chars().take(60).collect::<String>();
        let receiver = Receiver::start(move |_, _| reply.clone()).await;
        let limits = Limits { total: Duration::from_millis(400), answer_bytes_max: 10_000, ..Limits::default() };
        let client = Client::new(guard(&["127.0.0.1"], 443), limits, &Roots::none()).unwrap();
        let outcome = client.get(&receiver.url("/audio"), HeaderMap::new()).await;
        assert_eq!(told(&outcome), at_head, "{shown}");
        if let Ok(mut answer) = outcome {
            let mut bytes = 0;
            let end = loop {
                match answer.chunk().await {
                    Ok(Some(chunk)) => bytes += chunk.len(),
                    Ok(None) => break "whole".to_owned(),
                    Err(failed) => break told(&Err(failed)),
                }
            };
            assert_eq!(end, at_end, "{shown}");
            assert!(bytes <= 10_000, "{bytes} bytes of {shown}");
        }
    }
}
