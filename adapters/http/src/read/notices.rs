//! What was said, and that it is dealt with.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use finis_engine::Unacknowledged;
use http::header;
use serde::{Deserialize, Serialize};

use super::parameters::{Parameters, check_consumer};
use super::problem::Problem;
use super::{Shared, body};

/// Notices that a page has at most, and unless told.
const LIMIT_MAX: u64 = 1000;
const LIMIT: u64 = 100;

/// Bytes of notices after which a page ends, however few they are.
const BYTES_MAX: usize = 4 << 20;

/// Notices that are asked for at once.
const AT_ONCE: usize = 32;

/// What a consumer says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ack {
    consumer: String,
    seq: u64,
}

/// How far a consumer is then.
#[derive(Serialize)]
pub(super) struct Acked {
    consumer: String,
    acknowledged: u64,
}

pub(super) async fn list(State(shared): State<Arc<Shared>>, asked: Parameters) -> Result<Response, Problem> {
    let consumer = asked.consumer()?.map(str::to_owned);
    let after = asked.number("after", 0..=u64::MAX, 0)?;
    let limit = asked.number("limit", 1..=LIMIT_MAX, LIMIT)? as usize;
    let engine = shared.engine.clone();
    let page = async move {
        let (mut after, mut notices, mut bytes, mut looked_at) = (after, Vec::new(), 0, 0);
        loop {
            let asked = AT_ONCE.min(limit - looked_at);
            let page = if let Some(consumer) = &consumer {
                engine.unacknowledged(consumer, after, asked).await?
            } else {
                let notices = engine.outbox(after, asked).await?;
                let after = notices.last().filter(|_| notices.len() == asked).map(|last| last.seq);
                Unacknowledged { notices, after, ..Unacknowledged::default() }
            };
            looked_at += asked;
            for placed in &page.notices {
                let notice = placed.to_json();
                bytes += notice.len();
                notices.push(notice);
            }
            match page.after {
                Some(more) if looked_at < limit && bytes < BYTES_MAX => after = more,
                next => {
                    let known = consumer.map(|name| (name, page.is_known, page.acknowledged));
                    return Ok(print(known, &notices, next));
                }
            }
        }
    };
    let page = shared.apart(page).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], page).into_response())
}

/// Notices stand as consumers get them everywhere, byte for byte.
fn print(consumer: Option<(String, bool, u64)>, notices: &[String], next: Option<u64>) -> String {
    let consumer = consumer.map_or_else(String::new, |(name, is_known, acknowledged)| {
        // A text is JSON whatever is in it.
        let name = serde_json::to_string(&name).unwrap_or_default();
        format!("\"consumer\":{name},\"known\":{is_known},\"acknowledged\":{acknowledged},")
    });
    let next = next.map_or_else(|| "null".to_owned(), |next| next.to_string());
    format!("{{{consumer}\"notices\":[{}],\"next\":{next}}}", notices.join(","))
}

pub(super) async fn acknowledge(
    State(shared): State<Arc<Shared>>,
    posted: Result<Bytes, BytesRejection>,
) -> Result<Json<Acked>, Problem> {
    let Ack { consumer, seq } = body::read(posted, "`{\"consumer\": name, \"seq\": number}`")?;
    check_consumer(&consumer)?;
    shared.check_room_for(&consumer).await?;
    let acknowledged = shared.engine.acknowledge(&consumer, seq).await?;
    Ok(Json(Acked { consumer, acknowledged }))
}
