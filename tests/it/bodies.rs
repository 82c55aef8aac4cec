//! Payloads as each provider posts them, with the places where they can be made to differ; and the
//! ways to read, fold and print them that the laws are stated in.

use std::cell::RefCell;
use std::fmt;
use std::sync::LazyLock;

use finis::engine::{
    Certifier, Contract, Event, Key, LineReader, Partial, Reader, Record, SubjectId, Terms, Timestamp,
};
use finis::providers::{Catalogue, load};
use serde_json::{Value, json};

/// Something that events are about, under one of the contracts that ship with finis.
pub(crate) struct Subject {
    pub(crate) provider: &'static str,
    pub(crate) name: &'static str,
    pub(crate) id: &'static str,
    /// Where payloads say what kind they are.
    kind_at: &'static str,
    /// The kinds that are about it, by authority, the strongest first.
    pub(crate) kinds: &'static [Kind],
    /// The kinds that end it.
    pub(crate) closes: &'static [&'static str],
    /// Fields whose values may differ without a conflict.
    pub(crate) quiet: &'static [&'static str],
    /// Fields that are a progress, with their steps from first to last.
    pub(crate) progress: &'static [(&'static str, &'static [&'static [&'static str]])],
}

/// A kind of event.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Where its time stands, if it has one.
    time: Option<&'static str>,
    /// Where facts stand that deliveries of it disagree about, the first most often.
    doubtful: &'static [&'static str],
    /// As the provider's pages print it, or as they tell of it; its kind is set later.
    body: &'static str,
}

/// One of the many payloads about a subject.
#[derive(Clone, Debug)]
pub(crate) struct Pick {
    /// Place of its kind; past the last one, a kind that the contract has not.
    pub(crate) kind: usize,
    /// Which of [`TIMES`].
    pub(crate) at: usize,
    /// Which of [`value`] the first doubtful fact has.
    pub(crate) first: usize,
    /// What the others have: 0 as printed, else one of [`value`].
    pub(crate) others: usize,
}

/// Provider's times. The second and third are one instant, which neither is later than.
pub(crate) const TIMES: [&str; 5] = [
    "2026-05-03T08:42:11Z",
    "2026-05-03T08:42:11.5Z",
    "2026-05-03T10:42:11.500+02:00",
    "2026-05-03T08:42:14.022Z",
    "2026-05-03T09:42:14.022Z",
];

/// How many [`value`]s there are before the long ones.
pub(crate) const VALUES: usize = 17;

/// Kinds that no contract has.
const UNKNOWN_KINDS: [&str; 2] = ["session.pondered", "séance.levée"];

/// What stands in a doubtful place: nothing for the last number below [`VALUES`], for every other
/// number another value.
fn value(number: usize) -> Option<Value> {
    let values: [Value; VALUES - 1] = [
        json!("OPEN"),
        json!("CLOSED"),
        json!("EXPIRED"),
        json!("userHangup"),
        json!("voice"),
        json!("PAUSED"),
        json!("é\n\"\u{1F600}"),
        json!(""),
        json!(null),
        json!(78),
        json!(78.5),
        json!(9_007_199_254_740_992_u64),
        json!(9_007_199_254_740_993_u64),
        json!(true),
        json!([{"b": 1, "a": [null]}, {}]),
        json!({"\u{e000}": 1, "\u{10000}": 2}),
    ];
    // Long enough that what is let go is worth moving the rest for.
    let long = || Value::from("long ".repeat(number * 20));
    (number != VALUES - 1).then(|| values.get(number).cloned().unwrap_or_else(long))
}

/// Its name is enough to find it by.
impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.provider, self.name)
    }
}

impl Subject {
    /// How many kinds a pick has to choose from.
    pub(crate) fn kinds_to_pick(&self) -> usize {
        self.kinds.len() + UNKNOWN_KINDS.len()
    }

    /// The payload of a pick.
    pub(crate) fn payload(&self, pick: &Pick) -> String {
        let unknown = pick.kind.checked_sub(self.kinds.len());
        // What is unknown looks like what is weakest: it has the id of the same subject.
        let kind = self.kinds.get(pick.kind).unwrap_or(&self.kinds[self.kinds.len() - 1]);
        let mut payload = self.documented(kind);
        if let Some(time) = kind.time {
            set(&mut payload, time, Some(TIMES[pick.at].into()));
        }
        for (place, doubtful) in kind.doubtful.iter().enumerate() {
            match (place, pick.others) {
                (0, _) => set(&mut payload, doubtful, value(pick.first)),
                (_, 0) => {}
                (_, other) => set(&mut payload, doubtful, value((other + place) % VALUES)),
            }
        }
        if let Some(unknown) = unknown {
            set(&mut payload, self.kind_at, Some(UNKNOWN_KINDS[unknown].into()));
            // Nobody can tell where the time of an unknown kind stands, nor how it is written.
            if let (Some(time), 0) = (kind.time, pick.others) {
                set(&mut payload, time, Some("soon".into()));
            }
        }
        payload.to_string()
    }

    /// The payload of a kind as the provider's pages have it.
    pub(crate) fn documented(&self, kind: &Kind) -> Value {
        let mut payload: Value = serde_json::from_str(kind.body).expect("a documented body is JSON");
        set(&mut payload, self.kind_at, Some(kind.name.into()));
        payload
    }
}

/// Puts a value where a pointer says, or takes away what is there. What it stands in is an object.
pub(crate) fn set(payload: &mut Value, pointer: &str, value: Option<Value>) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer has a slash");
    let parent = payload.pointer_mut(parent).and_then(Value::as_object_mut);
    let parent = parent.unwrap_or_else(|| panic!("nothing leads to `{pointer}`"));
    match value {
        Some(value) => drop(parent.insert(key.to_owned(), value)),
        None => drop(parent.remove(key)),
    }
}

/// An instant, for tests.
pub(crate) fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A subject under the terms of its contract.
pub(crate) struct World {
    pub(crate) subject: &'static Subject,
    pub(crate) contract: &'static Contract,
    pub(crate) terms: Terms,
    pub(crate) id: SubjectId,
    certifier: RefCell<Certifier<'static>>,
}

impl World {
    pub(crate) fn of(subject: &'static Subject) -> World {
        static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::shipped);
        let contract = CATALOGUE.get(subject.provider).expect("it ships with finis");
        let (id, _) = contract.subjects().find(|(_, name)| *name == subject.name).expect("the contract has it");
        let terms = Terms::new(contract);
        let certifier = RefCell::new(Certifier::new(contract, &terms));
        World { subject, contract, terms, id, certifier }
    }

    /// Reads payloads that are about the subject.
    pub(crate) fn read<T>(&self, payloads: &[String], then: impl FnOnce(&[Event<'_>]) -> T) -> T {
        let mut readers: Vec<Reader> = payloads.iter().map(|_| Reader::new()).collect();
        let events = readers.iter_mut().zip(payloads).map(|(reader, payload)| {
            let event = reader.read(self.contract, payload).unwrap_or_else(|error| panic!("{error}: {payload}"));
            assert_eq!((event.subject, event.id), (self.id, self.subject.id), "{payload}");
            event
        });
        then(&events.collect::<Vec<_>>())
    }

    /// The record at some time.
    pub(crate) fn record<'p>(&'p self, partial: &'p Partial, now: Timestamp) -> Record<'p> {
        let key = Key { source: "a source", subject: self.id, id: self.subject.id };
        Record::new(key, partial, self.contract, &self.terms, now)
    }

    /// All that anybody is told of a partial: the record before, between and after the deadlines,
    /// and its certified form, a line each.
    pub(crate) fn printed(&self, partial: &Partial) -> String {
        static NOWS: LazyLock<[Timestamp; 2]> =
            LazyLock::new(|| ["2026-05-03T08:45:00Z", "2026-05-03T10:00:00Z"].map(instant));
        let mut out = Vec::new();
        for now in *NOWS {
            self.record(partial, now).write_json(&mut out);
            out.push(b'\n');
        }
        let mut printed = String::from_utf8(out).expect("records are UTF-8");
        printed.push_str(&self.certified(partial));
        printed
    }

    /// The record after all deadlines.
    pub(crate) fn last(&self, partial: &Partial) -> Vec<u8> {
        let mut out = Vec::new();
        self.record(partial, Timestamp::MAX).write_json(&mut out);
        out
    }

    /// The certified record after all deadlines.
    pub(crate) fn certified(&self, partial: &Partial) -> String {
        let mut out = Vec::new();
        self.record(partial, Timestamp::MAX).write_certified(&mut out, &mut self.certifier.borrow_mut());
        let printed = String::from_utf8(out).expect("records are UTF-8");
        assert!(printed.contains(r#","certificate":""#), "not certified: {printed}");
        printed
    }
}

/// A contract with nothing but what a test is about: where the kind, the id and the one fact stand.
/// Its one field is a progress of two steps.
pub(crate) fn small_contract(identity: &str, id: &str, facts: &str) -> Contract {
    let text = format!(
        r#"
        language = 1
        provider = "small"
        version = "1"
        title = "Small"
        [delivery]
        guarantee = "none"
        [identity]
        {identity}
        [[subject]]
        name = "session"
        id = {id}
        closes = ["end"]
        grace = "1m"
        stall = "1h"
        [[event]]
        kind = "end"
        role = "lifecycle"
        due = "always"
        about = "It is over."
        [event.facts]
        {facts}
        [[field]]
        name = "value"
        about = "what is looked at"
        progress = ["a", ["b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8"]]
        "#
    );
    load("small.toml", &text).unwrap_or_else(|error| panic!("{error}"))
}

/// The record of these lines, in this order.
pub(crate) fn record_of(contract: &Contract, lines: &[&str]) -> String {
    let mut partial = Partial::default();
    let mut reader = LineReader::new(None);
    for line in lines {
        let arrival = reader.read(line.as_bytes(), |_| Ok(((), contract)));
        let event = arrival.unwrap_or_else(|error| panic!("{error}: {line}")).event;
        partial.add(contract, &event, None);
    }
    let (subject, _) = contract.subjects().next().expect("it has one");
    let key = Key { source: "small", subject, id: "s" };
    let mut out = Vec::new();
    Record::new(key, &partial, contract, &Terms::new(contract), Timestamp::MAX).write_json(&mut out);
    String::from_utf8(out).expect("records are UTF-8")
}

/// All subjects of all contracts that ship with finis.
pub(crate) const SUBJECTS: [&Subject; 8] =
    [&PATHORS, &AGNTIX, &SAAYA_SESSION, &SAAYA_CAMPAIGN, &SAAYA_AGENT, &SAAYA_UPLOAD, &SMALLEST, &SMALLEST_LEGACY];

pub(crate) static PATHORS: Subject = Subject {
    provider: "pathors",
    name: "session",
    id: "2c4f9a13-7e6b-4d8a-9f25-c81e3a7b6d04",
    kind_at: "/event",
    kinds: &[
        Kind {
            name: "session.finalized",
            time: Some("/timestamp"),
            doubtful: &["/callStatus", "/messagesCount", "/extractedVariables"],
            body: r#"{"sessionId":"2c4f9a13-7e6b-4d8a-9f25-c81e3a7b6d04","projectId":"8f3e2c91",
                "timestamp":"2026-05-03T08:42:14.300Z","currentNodeId":"ask_intention","messagesCount":8,
                "extractedVariables":{"name":"Nancy","intention":"book a demo"},"callStatus":"userHangup","callDuration":78}"#,
        },
        Kind {
            name: "call.ended",
            time: Some("/timestamp"),
            doubtful: &["/callStatus", "/callDuration"],
            body: r#"{"sessionId":"2c4f9a13-7e6b-4d8a-9f25-c81e3a7b6d04","projectId":"8f3e2c91",
                "timestamp":"2026-05-03T08:42:14.022Z","callStatus":"userHangup","callDuration":78}"#,
        },
        Kind {
            name: "session.ended",
            time: Some("/timestamp"),
            doubtful: &["/messagesCount", "/currentNodeId"],
            body: r#"{"sessionId":"2c4f9a13-7e6b-4d8a-9f25-c81e3a7b6d04","timestamp":"2026-05-03T08:42:11.512Z",
                "currentNodeId":"ask_intention","messagesCount":8,
                "extractedVariables":{"name":"Nancy","intention":"book a demo"},"reason":"session_ended"}"#,
        },
        Kind {
            name: "recording.ready",
            time: Some("/timestamp"),
            doubtful: &["/recordingUrl", "/success"],
            body: r#"{"sessionId":"2c4f9a13-7e6b-4d8a-9f25-c81e3a7b6d04","projectId":"8f3e2c91",
                "timestamp":"2026-05-03T08:42:30.114Z","success":true,"recordingUrl":"https://r.example/a.ogg?x=1"}"#,
        },
    ],
    closes: &["session.finalized"],
    quiet: &["ended_at", "call_ended_at", "finalized_at", "recording_at"],
    progress: &[],
};

pub(crate) static AGNTIX: Subject = Subject {
    provider: "agntix",
    name: "session",
    id: "4981804c-2658-4893-84ff-9c2fa90fb3c2",
    kind_at: "/eventType",
    kinds: &[
        Kind {
            name: "session.ended",
            time: Some("/endedAt"),
            doubtful: &["/state", "/analysis/summary", "/metadata/sessionVariables"],
            body: r#"{"id":"4981804c-2658-4893-84ff-9c2fa90fb3c2","type":"VOICE","platform":"PHONE",
                "direction":"OUTBOUND","state":"CLOSED","agentId":"40235145","createdAt":"2026-04-08T05:00:01.130Z",
                "lastActivityAt":"2026-04-08T05:00:01.130Z","endedAt":"2026-04-08T05:00:10.546Z",
                "updatedAt":"2026-04-08T05:00:01.130Z","metadata":{"customerPhoneNumber":"+971501234567",
                "roomName":"outbound_sip_4023^__^7y","sessionVariables":{"crmContactId":"CRM-7728"}},
                "analysis":{"summary":"Confirmed.","intent":{"message":{"intent":null,"confidence":0}}},
                "recordingUrl":"https://app.example/logs?opened=4981804c"}"#,
        },
        Kind {
            name: "session.created",
            time: Some("/createdAt"),
            doubtful: &["/state", "/agentId"],
            body: r#"{"id":"4981804c-2658-4893-84ff-9c2fa90fb3c2","type":"VOICE","platform":"PHONE",
                "direction":"OUTBOUND","state":"OPEN","agentId":"40235145","createdAt":"2026-04-08T05:00:01.130Z",
                "metadata":{"customerPhoneNumber":"+971501234567","roomName":"outbound_sip_4023^__^7y",
                "sessionVariables":{"crmContactId":"CRM-7728"}}}"#,
        },
    ],
    closes: &["session.ended"],
    quiet: &["analysis"],
    progress: &[("state", &[&["OPEN"], &["CLOSED", "EXPIRED"]])],
};

/// Fields of Saaya that are the last of several, or an event's own.
const SAAYA_QUIET: &[&str] = &[
    "event_id",
    "version",
    "draft_version_id",
    "published_version_id",
    "rolledback_version_id",
    "created_at",
    "started_at",
    "updated_at",
    "published_at",
    "rolledback_at",
    "paused_at",
    "escalated_at",
    "errored_at",
    "ended_at",
    "tool_name",
    "tool_input",
    "tool_output",
    "tool_duration_s",
    "failed_tool_name",
    "tool_error",
    "row_id",
];

/// A kind of Saaya: the page prints only the body of `session.ended`, the rest is said in words.
const fn saaya(name: &'static str, doubtful: &'static [&'static str], body: &'static str) -> Kind {
    Kind { name, time: Some("/createdAt"), doubtful, body }
}

pub(crate) static SAAYA_SESSION: Subject = Subject {
    provider: "saaya",
    name: "session",
    id: "ses_…",
    kind_at: "/type",
    kinds: &[
        saaya(
            "session.ended",
            &["/data/channel", "/data/durationMs", "/data/sentiment"],
            r#"{"id":"evt_2N3rH","version":"2026-04-01","data":{"sessionId":"ses_…","agentId":"agt_…",
                "versionId":"v_2026_04_27_a","channel":"voice","durationMs":184320,
                "transcriptUrl":"https://api.saaya.example/ses_…","sentiment":{"avg":0.32,"min":-0.18,"max":0.74},
                "cost":{"totalUsd":0.0184}},"createdAt":"2026-04-27T10:14:31Z"}"#,
        ),
        saaya(
            "session.errored",
            &["/data/error/code", "/data/lastTurn"],
            r#"{"id":"evt_4","version":"2026-04-01","data":{"sessionId":"ses_…","agentId":"agt_…","error":{"code":"E1"},
                "lastTurn":{"role":"user"}},"createdAt":"2026-04-27T10:14:30Z"}"#,
        ),
        saaya(
            "session.escalated",
            &["/data/reason", "/data/channel"],
            r#"{"id":"evt_3","version":"2026-04-01","data":{"sessionId":"ses_…","agentId":"agt_…","reason":"asked"},
                "createdAt":"2026-04-27T10:13:31Z"}"#,
        ),
        saaya(
            "session.started",
            &["/data/channel", "/data/agentId"],
            r#"{"id":"evt_1","version":"2026-04-01","data":{"sessionId":"ses_…","agentId":"agt_…",
                "versionId":"v_2026_04_27_a","channel":"voice","metadata":{"a":1}},"createdAt":"2026-04-27T10:11:27Z"}"#,
        ),
        saaya(
            "tool.called",
            &["/data/output", "/data/durationMs"],
            r#"{"id":"evt_2","version":"2026-04-01","data":{"sessionId":"ses_…","tool":"find","input":{"q":"x"},
                "output":[1],"durationMs":250},"createdAt":"2026-04-27T10:12:27Z"}"#,
        ),
        saaya(
            "tool.errored",
            &["/data/error", "/version"],
            r#"{"id":"evt_5","version":"2026-04-01","data":{"sessionId":"ses_…","tool":"find","error":"no"},
                "createdAt":"2026-04-27T10:12:28Z"}"#,
        ),
    ],
    closes: &["session.ended", "session.errored"],
    quiet: SAAYA_QUIET,
    progress: &[],
};

pub(crate) static SAAYA_CAMPAIGN: Subject = Subject {
    provider: "saaya",
    name: "campaign",
    id: "cmp_1",
    kind_at: "/type",
    kinds: &[
        saaya(
            "campaign.completed",
            &["/id", "/version"],
            r#"{"id":"evt_5","version":"2026-04-01","data":{"campaignId":"cmp_1"},"createdAt":"2026-04-27T10:15:27Z"}"#,
        ),
        saaya(
            "campaign.paused",
            &["/version", "/id"],
            r#"{"id":"evt_3","version":"2026-04-01","data":{"campaignId":"cmp_1"},"createdAt":"2026-04-27T10:13:27Z"}"#,
        ),
        saaya(
            "campaign.started",
            &["/version", "/id"],
            r#"{"id":"evt_2","version":"2026-04-01","data":{"campaignId":"cmp_1"},"createdAt":"2026-04-27T10:12:27Z"}"#,
        ),
        saaya(
            "campaign.created",
            &["/version", "/id"],
            r#"{"id":"evt_1","version":"2026-04-01","data":{"campaignId":"cmp_1"},"createdAt":"2026-04-27T10:11:27Z"}"#,
        ),
        saaya(
            "campaign.row.completed",
            &["/data/row", "/version"],
            r#"{"id":"evt_4","version":"2026-04-01","data":{"campaignId":"cmp_1","row":"row_1"},
                "createdAt":"2026-04-27T10:14:27Z"}"#,
        ),
    ],
    closes: &["campaign.completed"],
    quiet: SAAYA_QUIET,
    progress: &[],
};

pub(crate) static SAAYA_AGENT: Subject = Subject {
    provider: "saaya",
    name: "agent",
    id: "agt_1",
    kind_at: "/type",
    kinds: &[
        saaya(
            "agent.rolledback",
            &["/data/versionId", "/version"],
            r#"{"id":"evt_4","version":"2026-04-01","data":{"agentId":"agt_1","versionId":"v1"},
                "createdAt":"2026-04-27T10:14:27Z"}"#,
        ),
        saaya(
            "agent.published",
            &["/data/versionId", "/version"],
            r#"{"id":"evt_3","version":"2026-04-01","data":{"agentId":"agt_1","versionId":"v2"},
                "createdAt":"2026-04-27T10:13:27Z"}"#,
        ),
        saaya(
            "agent.updated",
            &["/data/versionId", "/version"],
            r#"{"id":"evt_2","version":"2026-04-01","data":{"agentId":"agt_1","versionId":"v2"},
                "createdAt":"2026-04-27T10:12:27Z"}"#,
        ),
        saaya(
            "agent.created",
            &["/data/versionId", "/version"],
            r#"{"id":"evt_1","version":"2026-04-01","data":{"agentId":"agt_1","versionId":"v1"},
                "createdAt":"2026-04-27T10:11:27Z"}"#,
        ),
    ],
    closes: &[],
    quiet: SAAYA_QUIET,
    progress: &[],
};

pub(crate) static SAAYA_UPLOAD: Subject = Subject {
    provider: "saaya",
    name: "upload",
    id: "upl_1",
    kind_at: "/type",
    kinds: &[
        saaya(
            "kb.upload.completed",
            &["/id", "/version"],
            r#"{"id":"evt_1","version":"2026-04-01","data":{"uploadId":"upl_1"},"createdAt":"2026-04-27T10:11:27Z"}"#,
        ),
        saaya(
            "kb.upload.failed",
            &["/data/error", "/version"],
            r#"{"id":"evt_2","version":"2026-04-01","data":{"uploadId":"upl_1","error":"too large"},
                "createdAt":"2026-04-27T10:12:27Z"}"#,
        ),
    ],
    closes: &["kb.upload.completed", "kb.upload.failed"],
    quiet: SAAYA_QUIET,
    progress: &[],
};

pub(crate) static SMALLEST: Subject = Subject {
    provider: "smallest",
    name: "session",
    id: "CALL-1778226705739-7e4c17",
    kind_at: "/metadata/eventType",
    kinds: &[
        Kind {
            name: "post-conversation",
            time: None,
            doubtful: &["/metadata/callData/callStatus", "/metadata/callData/endTime", "/metadata/variables"],
            body: r#"{"url":"https://example.com/webhook","description":"An endpoint","event":"69fc.post-conversation",
                "metadata":{"agentId":"69fc","conversationType":"telephonyOutbound","callId":"CALL-1778226705739-7e4c17",
                "recordingUrl":"https://r.example/composite.wav","callData":{"answerTime":"2026-05-08T07:51:58.813Z",
                "callDirection":"telephony_outbound","callDuration":49.350622,"callStatus":"completed",
                "endTime":"2026-05-08T07:52:48.164Z","fromNumber":"+15550100002","toNumber":"+15550100001"},
                "transcript":[{"role":"agent","content":"नमस्ते"}],"variables":{"due_amount":"29000"}},"id":"69fd9657"}"#,
        },
        Kind {
            name: "analytics-completed",
            time: None,
            doubtful: &[
                "/metadata/callData/callStatus",
                "/metadata/analytics/summary",
                "/metadata/callData/callDuration",
            ],
            body: r#"{"url":"https://example.com/webhook","description":"An endpoint","event":"69fc.analytics-completed",
                "metadata":{"agentId":"69fc","conversationType":"telephonyOutbound","callId":"CALL-1778226705739-7e4c17",
                "analytics":{"summary":"An overdue payment.","dispositionMetrics":[{"identifier":"a","value":2}],
                "successMetrics":[]},"callData":{"fromNumber":"+15550100002","toNumber":"+15550100001",
                "callDuration":49.350622,"callStatus":"completed","answerTime":"2026-05-08T07:51:58.813Z",
                "endTime":"2026-05-08T07:52:48.164Z"}},"id":"69fd9663"}"#,
        },
        Kind {
            name: "pre-conversation",
            time: None,
            doubtful: &["/metadata/conversationType", "/metadata/toPhone"],
            body: r#"{"url":"https://example.com/webhook","description":"An endpoint","event":"69fc.pre-conversation",
                "metadata":{"agentId":"69fc","conversationType":"telephonyOutbound","toPhone":"+15550100001",
                "fromPhone":"+15550100002","callId":"CALL-1778226705739-7e4c17"},"id":"69fd9611"}"#,
        },
    ],
    closes: &["analytics-completed"],
    quiet: &["delivery_id", "event_name", "analysis"],
    progress: &[],
};

pub(crate) static SMALLEST_LEGACY: Subject = Subject {
    provider: "smallest-legacy",
    name: "session",
    id: "call_xyz789",
    kind_at: "/event",
    kinds: &[
        Kind {
            name: "call.end",
            time: Some("/timestamp"),
            doubtful: &["/disposition", "/duration_seconds", "/variables"],
            body: r#"{"timestamp":"2024-07-15T14:35:00Z","agent_id":"agent_abc123","call_id":"call_xyz789",
                "duration_seconds":300,"disposition":"successful","transcript":[{"role":"agent","content":"Hello!"}],
                "variables":{"customer_name":"Jane Smith","issue_type":"billing"}}"#,
        },
        Kind {
            name: "analytics.completed",
            time: Some("/timestamp"),
            doubtful: &["/agent_id", "/metrics"],
            body: r#"{"timestamp":"2024-07-15T14:36:00Z","agent_id":"agent_abc123","call_id":"call_xyz789",
                "metrics":{"satisfaction_score":4,"issue_resolved":true}}"#,
        },
        Kind {
            name: "call.start",
            time: Some("/timestamp"),
            doubtful: &["/agent_id", "/call_direction"],
            body: r#"{"timestamp":"2024-07-15T14:30:00Z","agent_id":"agent_abc123","call_id":"call_xyz789",
                "call_direction":"inbound","caller_phone":"+15551234567","agent_phone":"+15559876543"}"#,
        },
    ],
    closes: &["analytics.completed"],
    quiet: &["started_at", "ended_at", "analyzed_at"],
    progress: &[],
};
