//! What is sent: the four webhooks of a call as Pathors documents them, one in a hundred twice.
//!
//! What was said in the call is in the first and the last of them, the same in both. They have some 680, 210, 390 and
//! 780 bytes.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// The header with the secret, and the secret.
pub(crate) const HEADER: &str = "x-webhook-secret";
pub(crate) const SECRET: &str = "a secret of load tests";

/// The project that the calls are of.
const PROJECT: &str = "8f3e2c91-4a7b-4d6e-a23c-9b1f5e8d4c20";

/// The name of the source.
pub(crate) const SOURCE: &str = "load";

const WORDS: [&str; 24] = [
    "account", "again", "booking", "call", "card", "change", "confirm", "customer", "delivery", "evening", "invoice",
    "Monday", "morning", "number", "order", "payment", "phone", "problem", "question", "sorry", "thank", "tomorrow",
    "voucher", "week",
];

/// An event of a session: who, and which of the four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Which run, connection and session of it.
    pub(crate) session: (u32, u32, u32),
    /// Which event of it, from 0 to 3.
    pub(crate) step: u8,
}

impl Sent {
    pub(crate) fn id(self) -> String {
        let (run, connection, session) = self.session;
        format!("{run:08x}-7e6b-4d8a-9f25-{connection:04x}{session:08x}")
    }
}

/// The deliveries of one connection, one after another.
pub(crate) struct Deliveries {
    address: SocketAddr,
    next: Sent,
    count: u64,
    random: u64,
    /// What was said in the session.
    said: String,
    body: String,
    request: Vec<u8>,
}

impl Deliveries {
    pub(crate) fn new(address: SocketAddr, run: u32, connection: u32) -> Deliveries {
        Deliveries {
            address,
            next: Sent { session: (run, connection, 0), step: 0 },
            count: 0,
            random: u64::from(run) << 32 | u64::from(connection) | 1 << 63,
            said: String::new(),
            body: String::new(),
            request: Vec::new(),
        }
    }

    /// The next request, as it goes over the wire, and the event in it.
    pub(crate) fn next(&mut self) -> (&[u8], Sent) {
        self.count += 1;
        // Now and then the same once more.
        if self.count % 100 != 99 || self.request.is_empty() {
            self.make();
        }
        (&self.request, self.next)
    }

    fn make(&mut self) {
        let Sent { session: (run, connection, session), step } = self.next;
        self.next = match step {
            _ if self.request.is_empty() => self.next,
            3 => Sent { session: (run, connection, session + 1), step: 0 },
            _ => Sent { step: step + 1, ..self.next },
        };
        let (id, step) = (self.next.id(), self.next.step);
        if step == 0 {
            self.say();
        }
        let (kind, second, said) = match step {
            0 => ("session.ended", 11, &self.said[..]),
            1 => ("call.ended", 14, r#""callStatus":"userHangup","callDuration":78"#),
            2 => ("recording.ready", 30, r#""success":true"#),
            _ => ("session.finalized", 14, &self.said[..]),
        };
        self.body.clear();
        let written = write!(
            self.body,
            r#"{{"event":"{kind}","sessionId":"{id}","timestamp":"2026-05-03T08:42:{second}.512Z",{said}"#
        );
        written.expect("a string takes what is written to it");
        if step > 0 {
            write!(self.body, r#","projectId":"{PROJECT}""#).expect("a string takes what is written to it");
        }
        if step == 2 {
            let (high, low) = (self.random(), self.random());
            let written = write!(
                self.body,
                r#","recordingUrl":"https://recordings.example.com/projects/{PROJECT}/sessions/{id}/audio.ogg?expires=900&signature={high:016x}{low:016x}""#
            );
            written.expect("a string takes what is written to it");
        }
        if step == 3 {
            self.body.push_str(r#","callStatus":"userHangup","callDuration":78"#);
        }
        self.body.push('}');
        self.request.clear();
        let head = format!(
            "POST /hooks/{SOURCE} HTTP/1.1\r\nhost: {}\r\nuser-agent: load\r\naccept: */*\r\n\
             content-type: application/json\r\n{HEADER}: {SECRET}\r\ncontent-length: {}\r\n\r\n",
            self.address,
            self.body.len(),
        );
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(self.body.as_bytes());
    }

    /// What was said in the next session: words and more words, so that no two sessions are alike, and none is noise.
    fn say(&mut self) {
        self.said.clear();
        self.said.push_str(
            r#""currentNodeId":"ask_intention","messagesCount":8,"extractedVariables":{"name":"Nancy","intention":"book a demo","summary":""#,
        );
        while self.said.len() < 560 {
            let word = WORDS[(self.random() >> 33) as usize % WORDS.len()];
            self.said.push_str(word);
            self.said.push(' ');
        }
        self.said.push_str("\"}");
    }

    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random
    }
}
