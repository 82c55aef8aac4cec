//! What others make of our webhooks: the published packages of Standard Webhooks, and a receiver in Node.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use finis_http::outbound::Limits;
use finis_http::send::Endpoint;
use finis_providers::signature::Secret;
use serde_json::{Value, json};

use crate::posted_to::{Receiver, Seen, status};
use crate::send::{SECRET, client, send};
use crate::world::World;

/// The one that comes after it.
const NEW_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Runs to its end; nothing, with a printed reason, where it cannot.
fn run(what: &str, command: &mut Command) -> Option<Output> {
    match command.output() {
        Ok(output) if output.status.success() => Some(output),
        Ok(output) => {
            let error = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned();
            println!("skipped: {what} failed ({error})");
            None
        }
        Err(error) => {
            println!("skipped: {what} cannot be started ({error})");
            None
        }
    }
}

/// Requests as they were posted, with two secrets, as during a rotation; and what of them must not be believed.
async fn requests() -> Value {
    let world = World::new();
    let receiver = Receiver::start(|_, _| status(200)).await;
    let secrets = [Secret::new(SECRET), Secret::new(NEW_SECRET)];
    let crm = Endpoint::new("crm", &receiver.url("/in"), &secrets, &client(Limits::default())).unwrap();
    let _sending = send(&world, crm, Limits::default()).await;
    world.end("a", 1).await;
    world.end("\u{fc}\u{1f600}", 0).await;
    let case = |seen: &Seen, secret: &str, body: &str, id: &str, believed: bool| {
        let header = |name: &str| seen.headers[name].to_str().unwrap().to_owned();
        json!({"secret": secret, "body": body, "believed": believed, "headers": {
            "webhook-id": id,
            "webhook-timestamp": header("webhook-timestamp"),
            "webhook-signature": header("webhook-signature"),
        }})
    };
    let mut cases = Vec::new();
    for seen in receiver.after(3).await {
        let body = String::from_utf8(seen.body.clone()).unwrap();
        cases.push(case(&seen, SECRET, &body, seen.id(), true));
        cases.push(case(&seen, NEW_SECRET, &body, seen.id(), true));
        cases.push(case(&seen, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &body, seen.id(), false));
        cases.push(case(&seen, SECRET, &format!("{body} "), seen.id(), false));
        cases.push(case(&seen, SECRET, &body, "ntc_0", false));
    }
    Value::Array(cases)
}

/// Lets a script say of each request whether it is believed.
fn check(what: &str, command: &mut Command, cases: &Value) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(cases.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let expected: Value = cases.as_array().unwrap().iter().map(|case| case["believed"].clone()).collect();
    assert_eq!(said, expected, "{what}");
}

#[tokio::test]
async fn the_package_from_npm_believes_what_we_sign_and_nothing_else() {
    const SCRIPT: &str = r#"
        const { Webhook } = require("standardwebhooks");
        const cases = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
        console.log(JSON.stringify(cases.map(({ secret, body, headers }) => {
            try { return new Webhook(secret).verify(body, headers).id === headers["webhook-id"]; } catch { return false; }
        })));
    "#;
    let folder = tempfile::tempdir().unwrap();
    let mut install = Command::new("npm");
    install.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1", "--prefix"]);
    install.arg(folder.path()).arg("standardwebhooks@1").current_dir(folder.path());
    if run("npm install standardwebhooks", &mut install).is_none() {
        return;
    }
    let cases = requests().await;
    check("npm", Command::new("node").args(["-e", SCRIPT]).current_dir(folder.path()), &cases);
}

#[tokio::test]
async fn the_package_from_pypi_believes_what_we_sign_and_nothing_else() {
    const SCRIPT: &str = r#"
import json, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
def believed(case):
    try:
        return Webhook(case["secret"]).verify(case["body"], case["headers"])["id"] == case["headers"]["webhook-id"]
    except WebhookVerificationError:
        return False
print(json.dumps([believed(case) for case in json.load(sys.stdin)]))
"#;
    let folder = tempfile::tempdir().unwrap();
    if run("python3 -m venv", Command::new("python3").args(["-m", "venv"]).arg(folder.path())).is_none() {
        return;
    }
    let python = folder.path().join("bin/python");
    let mut install = Command::new(&python);
    install.args([
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "--retries",
        "1",
        "standardwebhooks>=1,<2",
    ]);
    if run("pip install standardwebhooks", &mut install).is_none() {
        return;
    }
    let cases = requests().await;
    check("PyPI", Command::new(python).args(["-c", SCRIPT]), &cases);
}

/// The consumer of the examples. It ends with the test.
struct Consumer {
    child: Child,
    url: String,
}

impl Consumer {
    /// Nothing, with a printed reason, where there is no Node.
    fn start(journal: &Path) -> Option<Consumer> {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/node-consumer/consumer.mjs");
        let mut command = Command::new("node");
        command.arg(script).env("FINIS_SECRET", SECRET).env("JOURNAL", journal).env("PORT", "0");
        let mut child = match command.stdout(Stdio::piped()).spawn() {
            Ok(child) => child,
            Err(error) => {
                println!("skipped: node cannot be started ({error}); install Node 18 or later");
                return None;
            }
        };
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Some(Consumer { child, url })
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint::new("crm", &self.url, &[Secret::new(SECRET)], &client(Limits::default())).unwrap()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn rows(journal: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(journal).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What Pathors' page has as examples, in an order in which it may come.
const DELIVERIES: [&str; 6] = [
    r#"{"event":"recording.ready","sessionId":"2c4f9a13","projectId":"8f3e2c91","timestamp":"2026-05-03T08:42:30.114Z","success":true,"recordingUrl":"https://recordings.pathors.com/audio.ogg"}"#,
    r#"{"event":"session.finalized","sessionId":"2c4f9a13","projectId":"8f3e2c91","timestamp":"2026-05-03T08:42:14.300Z","currentNodeId":"ask_intention","messagesCount":8,"extractedVariables":{"name":"Nancy","intention":"book a demo"},"callStatus":"userHangup","callDuration":78}"#,
    r#"{"event":"call.ended","sessionId":"2c4f9a13","projectId":"8f3e2c91","timestamp":"2026-05-03T08:42:14.022Z","callStatus":"userHangup","callDuration":78}"#,
    r#"{"event":"session.ended","sessionId":"2c4f9a13","timestamp":"2026-05-03T08:42:11.512Z","currentNodeId":"ask_intention","messagesCount":8,"extractedVariables":{"name":"Nancy","intention":"book a demo"},"reason":"session_ended"}"#,
    r#"{"event":"session.ended","sessionId":"5d8e1f2a","timestamp":"2026-05-03T08:48:15.100Z","currentNodeId":"start","messagesCount":10,"extractedVariables":{"name":"Nancy"}}"#,
    r#"{"event":"session.finalized","sessionId":"5d8e1f2a","projectId":"8f3e2c91","timestamp":"2026-05-03T08:48:15.288Z","currentNodeId":"start","messagesCount":10,"extractedVariables":{"name":"Nancy"}}"#,
];

#[tokio::test]
async fn a_consumer_in_node_has_each_effect_once() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("effects.ndjson");
    let Some(consumer) = Consumer::start(&journal) else { return };
    let world = World::new();
    let sending = send(&world, consumer.endpoint(), Limits::default()).await;
    for delivery in DELIVERIES {
        world.receive(delivery).await;
        // Again, as it may be.
        world.receive(delivery).await;
    }
    world.stands("webhook:crm", "3 -0 parked 0 waiting 0").await;
    let effects: Vec<Value> = rows(&journal).into_iter().map(|row| row["effect"].clone()).collect();
    // Of different sessions, and an asset and the end of one: those two come in order.
    assert_eq!(effects.len(), 3, "{effects:?}");
    for effect in [
        json!({"table": "downloads", "session": "2c4f9a13", "from": "https://recordings.pathors.com/audio.ogg"}),
        json!({"table": "calls", "call": "2c4f9a13", "outcome": "completed", "seconds": 78}),
        json!({"table": "chats", "chat": "5d8e1f2a", "messages": 10}),
    ] {
        assert!(effects.contains(&effect), "{effect} is not among {effects:?}");
    }
    sending.handover.stop().await.unwrap();
    drop(consumer);

    // It ended in the middle of a row, and all of it is told again: the ids are known, and nothing happens twice.
    let before = rows(&journal);
    std::fs::OpenOptions::new().append(true).open(&journal).unwrap().write_all(br#"{"id":"ntc_00","eff"#).unwrap();
    let Some(consumer) = Consumer::start(&journal) else { panic!("it started before") };
    world.engine.rewind("webhook:crm", 0).await.unwrap();
    let sending = send(&world, consumer.endpoint(), Limits::default()).await;
    world.stands("webhook:crm", "3 -0 parked 0 waiting 0").await;
    assert_eq!(sending.tally.sent().taken, 3);
    world.receive(&DELIVERIES[2].replace("78", "80")).await;
    world.stands("webhook:crm", "4 -0 parked 0 waiting 0").await;
    let after = rows(&journal);
    assert_eq!(after[..3], before);
    assert_eq!(after.len(), 4);
    assert_eq!(after[3]["effect"]["table"], "corrections");

    // Who has not the secret is told nothing and changes nothing.
    let forged = Endpoint::new("forged", &consumer.url, &[Secret::new(NEW_SECRET)], &client(Limits::default()));
    let mut forged = forged.unwrap();
    forged.delays = Vec::new();
    let _forging = send(&world, forged, Limits::default()).await;
    world.stands("webhook:forged", "4 -0 parked 4 waiting 0").await;
    assert!(world.reasons("webhook:forged").await[0].starts_with("answered 401 Unauthorized"));
    assert_eq!(rows(&journal), after);
}
