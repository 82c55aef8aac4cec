//! What each contract that ships with finis has events about.

use super::{Kind, Subject};

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
