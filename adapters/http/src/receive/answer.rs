//! What the sender is told, and what the log of the receiver is told.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use finis_engine::live::SessionKey;
use finis_engine::log::LogError;
use finis_engine::{Receipt, ReceiveError};
use finis_providers::signature::Refused;
use serde::Serialize;

use crate::problem::{Answer, json, problem};

/// Why a delivery was not taken.
pub(super) enum Refusal {
    /// The engine says so, or would.
    Receive(ReceiveError),
    /// The body did not come in time.
    BodyTimeout,
    /// The body broke off, or was not as HTTP has it.
    BodyBroken,
}

/// What became of a delivery.
#[derive(Serialize)]
struct Taken<'a> {
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// The answer to a delivery that was taken. `headers` is an empty map, for those that it has.
pub(super) fn receipt(receipt: &Receipt, headers: HeaderMap) -> Answer {
    let (outcome, key, reason) = match receipt {
        Receipt::Stored { key } => ("stored", Some(key), None),
        Receipt::Duplicate { key } => ("duplicate", Some(key), None),
        Receipt::Expired { key } => ("expired", Some(key), None),
        Receipt::Forgotten { key } => ("forgotten", Some(key), None),
        Receipt::Quarantined { reason } => ("quarantined", None, Some(reason.as_str())),
    };
    // A 4xx would make a provider send it again, or give up on the address: it is safe, or never wanted again.
    let status = if reason.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
    let session = key.map(SessionKey::id);
    // To the byte when it is a session whose id needs no escapes, as nearly every time: one piece of memory then.
    let around = r#"{"outcome":"","session":""}"#.len();
    let bytes = around + outcome.len() + session.or(reason).map_or(0, str::len);
    json(status, headers, &Taken { outcome, session, reason }, bytes)
}

impl Refusal {
    /// Status, name and words of the rule. Of an unknown source and a wrong signature the same is said.
    fn rule(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Refusal::Receive(ReceiveError::UnknownSource { .. } | ReceiveError::Denied { .. }) => {
                (StatusCode::UNAUTHORIZED, "not_verified", Refused::PUBLIC)
            }
            Refusal::Receive(ReceiveError::TooLarge { .. } | ReceiveError::Log(LogError::TooLarge { .. })) => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is longer than is taken here")
            }
            Refusal::Receive(ReceiveError::Busy) => {
                (StatusCode::SERVICE_UNAVAILABLE, "busy", "more waits than can be taken: send it again later")
            }
            Refusal::Receive(ReceiveError::Log(LogError::Full { .. })) => {
                (StatusCode::SERVICE_UNAVAILABLE, "full", "there is no room for more: send it again later")
            }
            Refusal::Receive(ReceiveError::Stopped { .. } | ReceiveError::Log(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "stopped", "nothing is taken at the moment: send it again later")
            }
            Refusal::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body did not come in time"),
            Refusal::BodyBroken => {
                (StatusCode::BAD_REQUEST, "body_broken", "the body broke off, or is not as HTTP has it")
            }
        }
    }

    pub(super) fn answer(&self, retry_after: Duration) -> Answer {
        let (status, error, message) = self.rule();
        let mut response = problem(status, error, message);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            // Whole seconds: rounded up, and never "at once".
            let seconds = retry_after.as_millis().div_ceil(1000).max(1);
            if let Ok(value) = HeaderValue::try_from(seconds.to_string()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
        }
        response
    }

    /// One line for the operator. It names no source that is not configured: that is a stranger's text.
    pub(super) fn log(&self, unsaid: Option<u64>) {
        let (_, rule, _) = self.rule();
        match self {
            Refusal::Receive(ReceiveError::UnknownSource { .. }) => {
                tracing::warn!(rule, unsaid, "a delivery was refused: no source is called so");
            }
            Refusal::Receive(error) => tracing::warn!(rule, unsaid, "a delivery was refused: {error}"),
            Refusal::BodyTimeout | Refusal::BodyBroken => tracing::warn!(rule, unsaid, "a delivery was refused"),
        }
    }
}
