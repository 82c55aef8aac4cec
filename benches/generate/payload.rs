//! Bodies as documented: which members, in which order.

use crate::clock;
use crate::json::{Hand, Member, Value, write_object};
use crate::world::{CallEnd, Event, Kind, Session};

/// Something the matter with a body that is still JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The session is not named.
    NoSession,
    /// The event is of a kind that nobody has heard of.
    UnknownKind,
}

/// Appends the body of an event of a session.
pub(crate) fn write_body(out: &mut Vec<u8>, session: &Session<'_>, event: &Event, flaw: Option<Flaw>, hand: Hand) {
    let at = clock::to_millisecond(event.at);
    let mut members =
        vec![("event", Value::Text(kind_name(&event.kind, flaw))), ("sessionId", Value::Text(&session.id))];
    if flaw == Some(Flaw::NoSession) {
        members.pop();
    }
    if !matches!(event.kind, Kind::SessionEnded) {
        members.push(("projectId", Value::Text(session.project)));
    }
    members.push(("timestamp", Value::Text(&at)));
    push_facts(&mut members, session, &event.kind);
    write_object(out, &members, hand);
}

fn kind_name(kind: &Kind, flaw: Option<Flaw>) -> &'static str {
    match kind {
        _ if flaw == Some(Flaw::UnknownKind) => "session.archived",
        Kind::SessionEnded => "session.ended",
        Kind::CallEnded(_) => "call.ended",
        Kind::SessionFinalized => "session.finalized",
        Kind::RecordingReady(_) => "recording.ready",
    }
}

fn push_facts<'a>(members: &mut Vec<Member<'a>>, session: &'a Session<'_>, kind: &'a Kind) {
    match kind {
        Kind::SessionEnded => {
            push_conversation(members, session);
            members.push(("reason", Value::Text("session_ended")));
        }
        Kind::CallEnded(end) => push_call(members, *end),
        Kind::SessionFinalized => {
            push_conversation(members, session);
            if let Some(end) = session.call {
                push_call(members, end);
            }
        }
        Kind::RecordingReady(url) => {
            members.push(("success", Value::Flag(url.is_some())));
            if let Some(url) = url {
                members.push(("recordingUrl", Value::Text(url)));
            }
        }
    }
}

fn push_conversation<'a>(members: &mut Vec<Member<'a>>, session: &'a Session<'_>) {
    members.push(("currentNodeId", Value::Text(session.node)));
    members.push(("messagesCount", Value::Number(session.messages)));
    members.push(("extractedVariables", Value::Object(&session.variables)));
}

fn push_call(members: &mut Vec<Member<'_>>, end: CallEnd) {
    members.push(("callStatus", Value::Text(end.status)));
    members.push(("callDuration", Value::Number(end.duration)));
}
