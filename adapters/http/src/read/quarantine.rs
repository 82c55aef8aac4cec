//! What could not be read, a page of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use finis_engine::Engine;
use finis_engine::log::{Delivery, LogError, Refused, RefusedCursor};
use serde::Serialize;

use super::parameters::Parameters;
use super::problem::Problem;
use super::{Shared, cursor};

/// Deliveries that a page has at most, and unless told.
const LIMIT_MAX: u64 = 500;
const LIMIT: u64 = 50;

/// Deliveries that are looked at for one page, wanted or not.
const LOOKED_AT_MAX: usize = 500;

/// Bytes of payload after which a page ends, however few deliveries they are of.
const BYTES_MAX: usize = 4 << 20;

/// Deliveries that are asked for at once.
const AT_ONCE: usize = 8;

/// A page of the quarantine.
#[derive(Debug, Default, Serialize)]
pub(super) struct Page {
    deliveries: Vec<Row>,
    /// Where the next page begins; nothing when this is the last.
    next: Option<String>,
    /// Deliveries that were looked at.
    looked_at: usize,
    /// What among them is damaged, and therefore not here: what and where. Nobody knows of which source it is.
    damaged: Vec<String>,
}

/// A delivery that could not be read, whole.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    source: String,
    received_at: String,
    reason: String,
    headers: BTreeMap<String, String>,
    #[serde(flatten)]
    body: Body,
}

/// A payload, byte for byte.
#[derive(Debug, Serialize)]
enum Body {
    #[serde(rename = "body")]
    Text(String),
    /// It is not UTF-8.
    #[serde(rename = "body_base64")]
    Bytes(String),
}

pub(super) async fn list(State(shared): State<Arc<Shared>>, asked: Parameters) -> Result<Json<Page>, Problem> {
    let source = asked.text("source").map(str::to_owned);
    let limit = asked.number("limit", 1..=LIMIT_MAX, LIMIT)? as usize;
    let after = asked.cursor(cursor::read_refused)?;
    let engine = shared.engine.clone();
    shared.apart(async move { Ok(Json(page(&engine, source.as_deref(), limit, after).await?)) }).await
}

async fn page(
    engine: &Engine,
    source: Option<&str>,
    limit: usize,
    mut after: Option<RefusedCursor>,
) -> Result<Page, LogError> {
    let (mut page, mut bytes) = (Page::default(), 0);
    loop {
        let asked = AT_ONCE.min(LOOKED_AT_MAX - page.looked_at).min(limit - page.deliveries.len());
        let some = engine.refused(after, asked).await?;
        page.looked_at += some.deliveries.len() + some.damaged.len();
        page.damaged.extend(some.damaged);
        for refused in some.deliveries {
            bytes += refused.delivery.body.len();
            if source.is_none_or(|source| refused.source == source) {
                page.deliveries.push(Row::from(refused));
            }
        }
        let Some(next) = some.next else { return Ok(page) };
        after = Some(next);
        if bytes >= BYTES_MAX || page.deliveries.len() == limit || page.looked_at >= LOOKED_AT_MAX {
            page.next = Some(cursor::write_refused(next));
            return Ok(page);
        }
    }
}

impl From<Refused> for Row {
    fn from(refused: Refused) -> Row {
        let id = refused.id().to_string();
        let Refused { source, received_at, reason, delivery: Delivery { headers, body } } = refused;
        let body = match std::str::from_utf8(&body) {
            Ok(text) => Body::Text(text.to_owned()),
            Err(_) => Body::Bytes(STANDARD.encode(&body)),
        };
        Row { id, source, received_at: received_at.to_string(), reason, headers: headers.into_iter().collect(), body }
    }
}
