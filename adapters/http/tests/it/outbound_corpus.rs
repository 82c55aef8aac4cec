//! The bad inputs of `fixtures/bad-inputs/outbound`, one file each, over real sockets where there is one to open.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use finis_http::outbound::{Client, Guard, Limits, Roots, Rules};
use http::HeaderMap;
use serde::Deserialize;

use crate::outbound::{Names, end, guard, post, tls, told};
use crate::posted_to::{Receiver, Reply, status};

/// Bytes of an answer that are read here.
const ANSWER_BYTES_MAX: u64 = 20_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// For people.
    says: String,
    /// URLs, and why each is refused.
    #[serde(default)]
    urls: BTreeMap<String, String>,
    /// What a name resolves to, each time it is asked for.
    #[serde(default)]
    resolves: Vec<Vec<String>>,
    /// What is answered, and what comes after it again and again.
    answer: Option<String>,
    body_base64: Option<String>,
    again: Option<String>,
    #[serde(default)]
    pause_ms: u64,
    /// What becomes of each request; or of the answer's head and its body.
    #[serde(default)]
    told: Vec<String>,
    /// Bytes of the body that are read.
    bytes: Option<usize>,
}

impl Case {
    fn reply(&self, head: &str) -> Reply {
        let mut bytes = head.as_bytes().to_vec();
        if let Some(body) = &self.body_base64 {
            bytes.extend(base64::engine::general_purpose::STANDARD.decode(body).unwrap());
        }
        match &self.again {
            // What comes without a pause comes in large pieces.
            Some(again) if self.pause_ms == 0 => Reply::Endless(bytes, again.repeat(1000).into_bytes(), Duration::ZERO),
            Some(again) => Reply::Endless(bytes, again.as_bytes().to_vec(), Duration::from_millis(self.pause_ms)),
            None => Reply::Raw(bytes),
        }
    }
}

fn cases() -> Vec<(String, Case)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/bad-inputs/outbound");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|file| file.extension().is_some_and(|extension| extension == "json"));
    let mut cases: Vec<(String, Case)> = files
        .map(|file| {
            let text = std::fs::read_to_string(&file).unwrap();
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            (name.clone(), serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")))
        })
        .collect();
    cases.sort_by(|(one, _), (other, _)| one.cmp(other));
    cases
}

#[tokio::test]
async fn each_bad_input_comes_to_what_its_file_says() {
    let cases = cases();
    let numbers: Vec<&str> = cases.iter().map(|(name, _)| &name[..3]).collect();
    for number in ["105", "106", "107", "108", "109", "110", "111", "112", "114"] {
        assert!(numbers.contains(&number), "{number} is not there");
    }
    for (name, case) in &cases {
        assert!(!case.says.is_empty(), "{name}");
        urls(name, case).await;
        if !case.resolves.is_empty() {
            names(name, case).await;
        }
        if let Some(head) = &case.answer {
            answer(name, case, head).await;
        }
    }
}

async fn urls(name: &str, case: &Case) {
    let client = Client::new(Guard::new(&Rules::default()), Limits::default(), &Roots::none()).unwrap();
    for (url, expected) in &case.urls {
        assert_eq!(told(&post(&client, url).await), *expected, "{name}: `{url}`");
    }
}

async fn names(name: &str, case: &Case) {
    let (tls, pem) = tls("hooks.example.com");
    let close = |_: &_, _| Reply::Status(200, vec![("connection", "close".into())]);
    let receiver = Receiver::start_at(Ipv4Addr::LOCALHOST, Some(tls), close).await;
    let port = receiver.address.port();
    let mut roots = Roots::none();
    roots.add_pem(pem.as_bytes()).unwrap();
    let answers: Vec<Vec<&str>> = case.resolves.iter().map(|list| list.iter().map(String::as_str).collect()).collect();
    let answers: Vec<&[&str]> = answers.iter().map(Vec::as_slice).collect();
    let names = Names::new(&answers);
    let client =
        Client::with_lookup(guard(&["127.0.0.1"], port), Limits::default(), &roots, Arc::clone(&names) as _).unwrap();
    for (place, expected) in case.told.iter().enumerate() {
        let outcome = post(&client, &format!("https://hooks.example.com:{port}/in")).await;
        assert_eq!(told(&outcome), *expected, "{name}: {:?}", case.resolves[place]);
        assert_eq!(names.asked(), place + 1, "{name}: one resolution for each connection");
    }
    let reached = case.told.iter().filter(|told| *told == "200").count();
    assert_eq!(receiver.connections(), reached, "{name}");
}

async fn answer(name: &str, case: &Case, head: &str) {
    let elsewhere = Receiver::start(|_, _| status(200)).await;
    let reply = case.reply(head);
    let receiver = Receiver::start(move |_, _| reply.clone()).await;
    let limits = Limits { total: Duration::from_millis(1500), answer_bytes_max: ANSWER_BYTES_MAX, ..Limits::default() };
    let client = Client::new(guard(&["127.0.0.1"], 443), limits, &Roots::none()).unwrap();
    let outcome = client.get(&receiver.url("/audio"), HeaderMap::new()).await;
    let mut became = vec![told(&outcome)];
    if let Ok(answer) = outcome {
        let (ended, bytes) = end(answer).await;
        became.push(ended);
        assert!(bytes as u64 <= ANSWER_BYTES_MAX, "{name}: {bytes} bytes");
        assert!(case.bytes.is_none_or(|expected| expected == bytes), "{name}: {bytes} bytes");
    }
    assert_eq!(became, case.told, "{name}");
    assert_eq!((receiver.connections(), elsewhere.connections()), (1, 0), "{name}");
}
