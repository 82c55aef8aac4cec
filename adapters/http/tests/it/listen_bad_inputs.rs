//! Bad inputs, one file each in `fixtures/bad-inputs/`, with the answer that is expected: over a real socket, and
//! what is a delivery by the reader alone.
//!
//! `FINIS_SEEDS=DIR cargo test -p finis-http --test it bad_inputs` writes the bodies into a folder, as seeds for
//! the fuzzers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use finis_engine::log::LogRead as _;
use finis_engine::{Receipt, ReceiveError};
use serde::Deserialize;

use crate::receiver::{Receiver, SECRET, Wanted, proof};
use crate::said::said;
use crate::wait::until;
use crate::wire::{Answer, post};

/// One file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    about: String,
    /// A body, posted as its provider would.
    body: Option<Vec<Piece>>,
    /// All that is sent, byte for byte.
    wire: Option<Vec<Piece>>,
    /// A body that was posted before.
    #[serde(default)]
    before: Vec<Piece>,
    /// Whose that was.
    #[serde(default = "desk")]
    before_source: String,
    /// `desk` (a secret in a header), `saaya` (one signature), `agntix` (a list of them).
    #[serde(default = "desk")]
    source: String,
    /// What the proof is like, see [`proof`].
    #[serde(default = "rightly")]
    sign: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// The receiver has little time.
    #[serde(default)]
    impatient: bool,
    /// The sender says that nothing more comes.
    #[serde(default)]
    finish: bool,
    /// The connection ends after the answer.
    #[serde(default)]
    closes: bool,
    answer: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// None when the connection ends without an answer.
    status: Option<u16>,
    /// The `outcome` or the `error`.
    says: Option<String>,
    /// A part of why it is in quarantine.
    reason: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Piece {
    Text(String),
    Hex {
        hex: String,
    },
    /// `${n}` is a number of its own each time.
    Times {
        times: usize,
        text: String,
    },
    Pause {
        pause_ms: u64,
    },
}

fn desk() -> String {
    "desk".to_owned()
}

fn rightly() -> String {
    "rightly".to_owned()
}

impl Piece {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Piece::Text(text) => text.replace("${secret}", SECRET).into_bytes(),
            Piece::Hex { hex } => {
                let digits = |place: usize| u8::from_str_radix(&hex[place..place + 2], 16).unwrap();
                (0..hex.len()).step_by(2).map(digits).collect()
            }
            Piece::Times { times, text } if text.contains("${n}") => {
                (0..*times).flat_map(|n| text.replace("${n}", &n.to_string()).into_bytes()).collect()
            }
            Piece::Times { times, text } => text.repeat(*times).into_bytes(),
            Piece::Pause { .. } => Vec::new(),
        }
    }
}

fn bytes(pieces: &[Piece]) -> Vec<u8> {
    pieces.iter().flat_map(Piece::bytes).collect()
}

fn cases() -> BTreeMap<String, Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/bad-inputs");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let cases = files.map(|path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let case = toml::from_str(&std::fs::read_to_string(&path).unwrap());
        (name.clone(), case.unwrap_or_else(|error| panic!("{name}: {error}")))
    });
    cases.collect()
}

impl Case {
    fn headers(&self, body: &[u8]) -> Vec<(String, String)> {
        [proof(&self.source, &self.sign, body), self.headers.clone()].concat()
    }

    fn receiver(&self) -> Wanted {
        let mut wanted = Wanted::default();
        if self.impatient {
            let short = Duration::from_millis(150);
            (wanted.limits.head, wanted.limits.body, wanted.limits.idle) = (short, short, short);
        }
        wanted
    }

    /// Sends it, and looks at what comes back.
    async fn over_a_socket(&self, name: &str) -> Option<Answer> {
        let receiver = Receiver::open_as(self.receiver()).await;
        if !self.before.is_empty() {
            let before = bytes(&self.before);
            let headers = proof(&self.before_source, "rightly", &before);
            let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let answer = receiver.ask(post(&format!("/hooks/{}", self.before_source), &headers, before)).await;
            assert_eq!((answer.status, answer.text("outcome").as_str()), (200, "stored"), "{name}, before");
        }
        let mut wire = receiver.connect().await;
        if let Some(pieces) = &self.wire {
            for piece in pieces {
                match piece {
                    Piece::Pause { pause_ms } => tokio::time::sleep(Duration::from_millis(*pause_ms)).await,
                    piece => drop(wire.send(piece.bytes()).await),
                }
            }
        } else if let Some(body) = &self.body {
            let body = bytes(body);
            let headers = self.headers(&body);
            let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            wire.send(post(&format!("/hooks/{}", self.source), &headers, body)).await;
        }
        if self.finish {
            wire.finish().await;
        }
        let answer = wire.answer().await;
        if self.closes || answer.is_none() {
            assert!(wire.ends().await, "{name}: the connection goes on");
        }
        let stats = receiver.engine.stats().deliveries;
        let kept = receiver.log.refused(None, 10).await.unwrap().deliveries.len();
        let is_kept = answer.as_ref().is_some_and(|answer| answer.status == 202);
        assert_eq!((stats.quarantined, kept), (u64::from(is_kept), usize::from(is_kept)), "{name}");
        // Whatever it was, others are served as before.
        assert_eq!(
            receiver
                .deliver(r#"{"event":"session.ended","sessionId":"s-after","timestamp":"2026-05-03T08:42:11Z"}"#)
                .await
                .status,
            200,
            "{name}, after"
        );
        answer
    }

    /// The same delivery, without HTTP.
    async fn in_process(&self, body: &[u8]) -> String {
        let receiver = Receiver::open_as(self.receiver()).await;
        if !self.before.is_empty() {
            let before = bytes(&self.before);
            let headers = proof(&self.before_source, "rightly", &before);
            let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            receiver.engine.receive(&self.before_source, &headers, &before).await.unwrap();
        }
        let headers = self.headers(body);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let said = match receiver.engine.try_receive(&self.source, &headers, body).await {
            Ok(Receipt::Stored { .. }) => "stored",
            Ok(Receipt::Duplicate { .. }) => "duplicate",
            Ok(Receipt::Quarantined { .. }) => "quarantined",
            Err(ReceiveError::Denied { .. } | ReceiveError::UnknownSource { .. }) => "not_verified",
            Err(ReceiveError::TooLarge { .. }) => "too_large",
            other => panic!("{other:?}"),
        };
        said.to_owned()
    }
}

#[test]
fn bad_inputs_are_answered_as_they_should_be() {
    // On one thread, so that all that is said by tracing is heard.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cases = cases();
    assert!(cases.len() > 140, "the corpus is not here");
    let mut wrong = Vec::new();
    runtime.block_on(async {
        for (name, case) in &cases {
            said();
            let answer = case.over_a_socket(name).await;
            let (status, body) = answer.map(|answer| (answer.status, answer.body)).unzip();
            let body = body.unwrap_or_default();
            let expected = &case.answer;
            let has = |part: &Option<String>| part.as_ref().is_none_or(|part| body.contains(part.as_str()));
            let quoted = expected.says.as_ref().map(|says| format!("\"{says}\""));
            if status != expected.status || !has(&quoted) || !has(&expected.reason) {
                wrong.push(format!("{name} ({}): {status:?} {body}", case.about));
            }
            // A refusal is one line, and neither it nor its answer says anything of what was sent.
            let lines = said();
            let is_refused = expected.status.is_none_or(|status| status >= 400) && expected.says.is_some();
            if is_refused && lines.iter().filter(|line| line.starts_with("WARN")).count() != 1 {
                wrong.push(format!("{name}: these lines: {lines:#?}"));
            }
            for text in lines.iter().chain(is_refused.then_some(&body)) {
                for canary in ["canary", "491701234567", "s-1", "finis.test"] {
                    if text.contains(canary) {
                        wrong.push(format!("{name}: `{canary}` is said: {text}"));
                    }
                }
            }
            if let (Some(body), Some(says)) = (&case.body, &expected.says)
                && expected.status != Some(431)
            {
                let outcome = case.in_process(&bytes(body)).await;
                if outcome != *says {
                    wrong.push(format!("{name}, in process: {outcome}"));
                }
            }
        }
    });
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn bad_inputs_seed_the_fuzzers() {
    // Only when it is asked for.
    let Some(folder) = std::env::var_os("FINIS_SEEDS").map(PathBuf::from) else { return };
    for (name, case) in cases() {
        if let Some(body) = case.body.as_deref().map(bytes).filter(|body| body.len() <= 16 << 10) {
            std::fs::write(folder.join(format!("bad-input-{name}")), body).unwrap();
        }
    }
}

#[tokio::test]
async fn a_signature_that_is_right_is_taken_in_every_source() {
    let receiver = Receiver::open().await;
    for source in ["desk", "saaya", "agntix"] {
        let headers = proof(source, "rightly", b"not JSON");
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = receiver.ask(post(&format!("/hooks/{source}"), &headers, "not JSON")).await;
        assert_eq!(answer.status, 202, "{source}");
    }
    until(async || receiver.log.refused(None, 10).await.unwrap().deliveries.len() == 3).await;
}
