//! What is sent: webhooks of some 600 bytes, four to a session, one in a hundred twice.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// The header with the secret, and the secret.
pub(crate) const HEADER: &str = "x-webhook-secret";
pub(crate) const SECRET: &str = "a secret of load tests";

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
        let (kind, more) = match self.next.step {
            0 => ("session.ended", r#""messagesCount":8,"currentNodeId":"ask_intention""#),
            1 => ("call.ended", r#""callStatus":"userHangup","callDuration":78"#),
            2 => ("recording.ready", r#""success":true,"recordingUrl":"https://example.com/recordings/4711.ogg""#),
            _ => ("session.finalized", r#""messagesCount":8,"callStatus":"userHangup","callDuration":78"#),
        };
        let (id, second) = (self.next.id(), 10 + self.next.step);
        self.body.clear();
        let written = write!(
            self.body,
            r#"{{"event":"{kind}","sessionId":"{id}","projectId":"8f3e2c91-4a7b-4d6e-a23c-9b1f5e8d4c20","timestamp":"2026-05-03T08:42:{second}.512Z",{more},"extractedVariables":{{"note":""#
        );
        written.expect("a string takes what is written to it");
        while self.body.len() < 590 {
            // A word and another: no two bodies are alike, and none is noise.
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.body.push_str(WORDS[(self.random >> 33) as usize % WORDS.len()]);
            self.body.push(' ');
        }
        self.body.push_str("\"}}");
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
}
