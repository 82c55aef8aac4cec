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

use crate::posted_to::{Receiver, Reply, Seen, status};

pub(crate) fn guard(allow: &[&str], port: u16) -> Guard {
    let allow = allow.iter().map(|text| text.parse().unwrap()).collect();
    Guard::new(&Rules { allow, ports: vec![443, port] })
}

/// Says one list of addresses after the other, and the last again and again.
pub(crate) struct Names(Mutex<VecDeque<Vec<IpAddr>>>, Mutex<Vec<String>>);

impl Names {
    pub(crate) fn new(answers: &[&[&str]]) -> Arc<Names> {
        let parse = |addresses: &&[&str]| addresses.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Names(Mutex::new(answers.iter().map(parse).collect()), Mutex::default()))
    }

    pub(crate) fn asked(&self) -> usize {
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

pub(crate) async fn post(client: &Client, url: &str) -> Result<Answer, Failed> {
    client.post(url, HeaderMap::new(), Bytes::from_static(b"{}")).await
}

/// Why it was refused, in one word; or the status.
#[track_caller]
pub(crate) fn told(outcome: &Result<Answer, Failed>) -> String {
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
pub(crate) fn tls(name: &str) -> (TlsAcceptor, String) {
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

/// Reads an answer to its end: how that is, and how many bytes there were.
pub(crate) async fn end(mut answer: Answer) -> (String, usize) {
    let mut bytes = 0;
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => bytes += chunk.len(),
            Ok(None) => return ("whole".to_owned(), bytes),
            Err(failed) => return (told(&Err(failed)), bytes),
        }
    }
}

/// What is no HTTP, and what is nothing: said in time. Answers that are HTTP of a bad kind are in the corpus.
#[tokio::test]
async fn who_does_not_answer_is_given_up() {
    for (reply, expected) in [
        (Reply::Raw(b"220 mail.example.com ESMTP\r\n".to_vec()), "Broken"),
        (Reply::Silence, "TimedOut"),
        (Reply::Reset(Vec::new()), "Broken"),
    ] {
        let shown = format!("{reply:?}");
        let receiver = Receiver::start(move |_, _| reply.clone()).await;
        let limits = Limits { total: Duration::from_millis(300), ..Limits::default() };
        let client = Client::new(guard(&["127.0.0.1"], 443), limits, &Roots::none()).unwrap();
        assert_eq!(told(&post(&client, &receiver.url("/in")).await), expected, "{shown}");
        // Once, and not again by itself.
        assert_eq!(receiver.connections(), 1, "{shown}");
    }
    // Nobody is there.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = Client::new(guard(&["127.0.0.1"], 443), Limits::default(), &Roots::none()).unwrap();
    assert_eq!(told(&post(&client, &format!("http://{free}/in")).await), "Unreachable");
}

/// Who takes a connection and never speaks TLS is given up in the time that there is to connect.
#[tokio::test]
async fn a_handshake_is_bounded() {
    let receiver = Receiver::start(|_, _| Reply::Silence).await;
    let limits = Limits { connect: Duration::from_millis(200), ..Limits::default() };
    let client = Client::new(guard(&["127.0.0.1"], 443), limits, &Roots::none()).unwrap();
    let outcome = post(&client, &format!("https://{}/in", receiver.address)).await;
    assert_eq!(outcome.map(drop), Err(Failed::TimedOut { limit: limits.connect }));
}
