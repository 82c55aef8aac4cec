//! Who is told, how far each is, and what is parked for them.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use finis_engine::log::Cause;
use finis_engine::{Parked, Progress, StartAt};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};

use super::parameters::{Parameters, check_consumer, path};
use super::problem::Problem;
use super::{Shared, body};

/// Consumers that there may be: each is looked at whenever one is.
const CONSUMERS_MAX: usize = 1000;

/// Parked notices that a page has at most, and unless told.
const LIMIT_MAX: u64 = 100;
const LIMIT: u64 = 20;

#[derive(Serialize)]
pub(super) struct Consumers {
    consumers: Vec<Told>,
    /// The last place of the outbox that is taken.
    last_seq: u64,
}

/// A consumer, and how far it is.
#[derive(Serialize)]
pub(super) struct Told {
    consumer: String,
    acknowledged: u64,
    behind: u64,
    parked: usize,
    /// A handler of this server has it, as that of an outbound webhook.
    served: bool,
}

/// A place in the outbox.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct At {
    seq: u64,
}

/// One place, or all.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AtOrAll {
    seq: Option<u64>,
}

type Of = Result<Path<String>, PathRejection>;
type Posted = Result<Bytes, BytesRejection>;

pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Result<Json<Consumers>, Problem> {
    let consumers = shared.engine.consumers().await?.into_iter().map(Told::from).collect();
    Ok(Json(Consumers { consumers, last_seq: shared.engine.last_seq().await? }))
}

/// Makes a consumer, so that what is said is kept for it from then on.
pub(super) async fn begin(State(shared): State<Arc<Shared>>, of: Of, asked: Parameters) -> Result<Response, Problem> {
    let consumer = path(of)?;
    check_consumer(&consumer)?;
    let start = match asked.text("start") {
        None | Some("oldest") => StartAt::Oldest,
        Some("now") => StartAt::Now,
        Some(_) => return Err(Problem::parameter("start", "`start` is `oldest` or `now`")),
    };
    shared.check_room_for(&consumer).await?;
    let is_new = shared.engine.begin_consumer(&consumer, start).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(shared.known(&consumer).await?)).into_response())
}

pub(super) async fn remove(State(shared): State<Arc<Shared>>, of: Of) -> Result<StatusCode, Problem> {
    let consumer = path(of)?;
    if shared.known(&consumer).await?.served {
        return Err(Problem::conflict("served", "this server hands notices to it: take it from its settings first"));
    }
    shared.engine.remove_consumer(&consumer).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn rewind(State(shared): State<Arc<Shared>>, of: Of, posted: Posted) -> Result<Json<Told>, Problem> {
    let consumer = path(of)?;
    let At { seq } = body::read(posted, "`{\"seq\": number}`")?;
    shared.known(&consumer).await?;
    let last = shared.engine.last_seq().await?;
    if seq > last {
        return Err(Problem::conflict("ahead", format!("no notice has that place yet: the last is {last}")));
    }
    shared.engine.rewind(&consumer, seq).await?;
    Ok(Json(shared.known(&consumer).await?))
}

pub(super) async fn parked(State(shared): State<Arc<Shared>>, of: Of, asked: Parameters) -> Result<Response, Problem> {
    let consumer = path(of)?;
    let after = asked.number("after", 0..=u64::MAX, 0)?;
    let limit = asked.number("limit", 1..=LIMIT_MAX, LIMIT)? as usize;
    shared.known(&consumer).await?;
    let engine = shared.engine.clone();
    let page = async move {
        let parked = engine.parked_after(&consumer, after, limit).await?;
        let next = parked.last().filter(|_| parked.len() == limit).map(|last| last.placed.seq);
        let next = next.map_or_else(|| "null".to_owned(), |next| next.to_string());
        let rows: Vec<String> = parked.iter().map(row).collect();
        Ok(format!("{{\"parked\":[{}],\"next\":{next}}}", rows.join(",")))
    };
    let page = shared.apart(page).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], page).into_response())
}

/// Why it is parked, and the notice as consumers get it.
fn row(parked: &Parked) -> String {
    // A text is JSON whatever is in it.
    let reason = parked.cause.reason().map(|reason| serde_json::to_string(reason).unwrap_or_default());
    let reason = reason.unwrap_or_default();
    let cause = match &parked.cause {
        Cause::Failed { .. } => format!("\"cause\":\"failed\",\"reason\":{reason}"),
        Cause::Held { behind } => format!("\"cause\":\"held\",\"behind\":{behind}"),
        Cause::Later { tries, again, .. } => {
            format!("\"cause\":\"later\",\"reason\":{reason},\"tries\":{tries},\"again\":\"{again}\"")
        }
        Cause::Closed { .. } => format!("\"cause\":\"closed\",\"reason\":{reason}"),
    };
    format!("{{\"seq\":{},{cause},\"notice\":{}}}", parked.placed.seq, parked.placed.to_json())
}

/// Lets what is parked be handed over again: one notice with those held behind it, or all.
pub(super) async fn retry(
    State(shared): State<Arc<Shared>>,
    of: Of,
    posted: Posted,
) -> Result<Json<serde_json::Value>, Problem> {
    let consumer = path(of)?;
    let AtOrAll { seq } = body::read_or_default(posted, "`{\"seq\": number}`, nor empty")?;
    shared.known(&consumer).await?;
    let retried = match seq {
        None => shared.engine.retry_parked(&consumer).await?,
        Some(seq) => match shared.engine.retry_one_parked(&consumer, seq).await? {
            0 => return Err(not_parked()),
            retried => retried,
        },
    };
    Ok(Json(serde_json::json!({ "retried": retried })))
}

/// Lets a parked notice be: it counts as dealt with.
pub(super) async fn skip(
    State(shared): State<Arc<Shared>>,
    of: Of,
    posted: Posted,
) -> Result<Json<serde_json::Value>, Problem> {
    let consumer = path(of)?;
    let At { seq } = body::read(posted, "`{\"seq\": number}`")?;
    shared.known(&consumer).await?;
    if !shared.engine.skip_parked(&consumer, seq).await? {
        return Err(not_parked());
    }
    Ok(Json(serde_json::json!({ "skipped": seq })))
}

fn not_parked() -> Problem {
    Problem::not_found("not_parked", "no notice at that place is parked for the consumer")
}

impl Shared {
    /// A consumer that is known. What is done to one that is not known would be remembered of its name.
    async fn known(&self, consumer: &str) -> Result<Told, Problem> {
        check_consumer(consumer)?;
        let consumers = self.engine.consumers().await?;
        let known = consumers.into_iter().find(|known| known.consumer == consumer).map(Told::from);
        known.ok_or_else(|| Problem::not_found("unknown_consumer", "no consumer has that name"))
    }

    /// Refuses a new consumer when there are too many.
    pub(super) async fn check_room_for(&self, consumer: &str) -> Result<(), Problem> {
        let consumers = self.engine.consumers().await?;
        if consumers.len() >= CONSUMERS_MAX && !consumers.iter().any(|known| known.consumer == consumer) {
            let message = format!("there are {CONSUMERS_MAX} consumers: remove those that nobody is any more");
            return Err(Problem::conflict("too_many_consumers", message));
        }
        Ok(())
    }
}

impl From<Progress> for Told {
    fn from(progress: Progress) -> Self {
        let Progress { consumer, acknowledged, behind, parked, is_served: served, .. } = progress;
        Told { consumer, acknowledged, behind, parked, served }
    }
}
