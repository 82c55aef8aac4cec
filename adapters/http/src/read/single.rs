//! One session: its record, its timeline, and the deliveries that its events were read from.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use finis_engine::live::SessionKey;
use finis_engine::log::{EventEntry, Gone, Why};
use finis_engine::{Seen, Viewed};
use http::header;
use serde::Serialize;

use super::Shared;
use super::parameters::{Parameters, path};
use super::problem::Problem;

/// What the subject of a session is called: there are others, as campaigns.
const SESSION: &str = "session";

/// A delivery as it came: a line of an export.
#[derive(Serialize)]
struct Delivered<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    received_at: Option<String>,
    source: &'e str,
    headers: BTreeMap<&'e str, &'e str>,
    /// Byte for byte. What is an event is UTF-8.
    body: &'e str,
}

pub(super) async fn record(
    State(shared): State<Arc<Shared>>,
    of: Result<Path<(String, String)>, PathRejection>,
    asked: Parameters,
) -> Result<Response, Problem> {
    let (source, id) = path(of)?;
    shared.look(key(&source, &asked, &id), |viewed| whole(viewed).map(|()| viewed.record())).await
}

pub(super) async fn timeline(
    State(shared): State<Arc<Shared>>,
    of: Result<Path<(String, String)>, PathRejection>,
    asked: Parameters,
) -> Result<Response, Problem> {
    let (source, id) = path(of)?;
    let timeline = |viewed: &Viewed<'_>| {
        // Texts are JSON whatever is in them.
        let damaged = serde_json::to_string(&viewed.stored.damaged).unwrap_or_default();
        Ok(format!("{{\"damaged\":{damaged},\"entries\":[{}]}}", viewed.timeline_json().join(",")))
    };
    shared.look(key(&source, &asked, &id), timeline).await
}

pub(super) async fn delivery(
    State(shared): State<Arc<Shared>>,
    of: Result<Path<(String, String, String)>, PathRejection>,
    asked: Parameters,
) -> Result<Response, Problem> {
    let (source, id, digest) = path(of)?;
    let delivery = move |viewed: &Viewed<'_>| {
        let entry = viewed.stored.events.iter().find(|entry| entry.digest.to_string() == digest);
        let entry =
            entry.ok_or_else(|| Problem::not_found("unknown_event", "the session has no event of that digest"))?;
        delivered(entry).ok_or_else(Problem::internal)
    };
    shared.look(key(&source, &asked, &id), delivery).await
}

pub(super) fn key(source: &str, asked: &Parameters, id: &str) -> SessionKey {
    SessionKey::new(source, asked.text("subject").unwrap_or(SESSION), id)
}

/// A record of a part of what came would say what is not so.
fn whole(viewed: &Viewed<'_>) -> Result<(), Problem> {
    if viewed.stored.damaged.is_empty() { Ok(()) } else { Err(Problem::damaged()) }
}

fn delivered(entry: &EventEntry) -> Option<String> {
    let delivered = Delivered {
        received_at: entry.received_at.map(|at| at.to_string()),
        source: entry.key.source(),
        headers: entry.delivery.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        body: std::str::from_utf8(&entry.delivery.body).ok()?,
    };
    serde_json::to_string(&delivered).ok()
}

impl Shared {
    /// Answers with the JSON that somebody makes of a session.
    pub(super) async fn look(
        &self,
        key: SessionKey,
        look: impl FnOnce(&Viewed<'_>) -> Result<String, Problem> + Send + 'static,
    ) -> Result<Response, Problem> {
        let engine = self.engine.clone();
        let looked = self.apart(async move { Ok(engine.view(&key, look).await?) }).await?;
        let json = match looked {
            Seen::Here(json) => json?,
            Seen::Gone(Gone { why: Why::Expired, .. }) => {
                return Err(Problem::not_found("expired", "the session was over for so long that it is kept no more"));
            }
            Seen::Gone(Gone { why: Why::Forgotten, .. }) => {
                return Err(Problem::not_found("forgotten", "the session was to be forgotten"));
            }
            Seen::Nothing | Seen::Foreign => {
                return Err(Problem::not_found("unknown_session", "nothing of such a session has come"));
            }
        };
        Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
    }
}
