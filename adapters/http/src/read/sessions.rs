//! Sessions, a page of them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use finis_engine::live::SessionKey;
use finis_engine::log::LogError;
use finis_engine::{By, Engine, Outcome, STATUSES, Seen, Status, Timestamp, Viewed};
use serde::Serialize;

use super::parameters::Parameters;
use super::problem::Problem;
use super::{Shared, cursor};

/// Sessions that a page has at most, and unless told.
const LIMIT_MAX: u64 = 500;
const LIMIT: u64 = 50;

/// Sessions that are looked at for one page, wanted or not.
const LOOKED_AT_MAX: usize = 500;

/// Events that are read for one page: when there are more, the session they are of is the last.
const EVENTS_MAX: usize = 20_000;

/// Sessions that are asked for at once.
const KEYS: usize = 64;

/// A page of sessions.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    sessions: Vec<Row>,
    /// Where the next page begins; nothing when this is the last.
    next: Option<String>,
    /// Sessions that were looked at.
    looked_at: usize,
    /// Those among them that nobody here can judge: their source is not set up any more, or something of them
    /// is damaged.
    unreadable: usize,
}

/// A session as it is listed.
#[derive(Debug, Serialize)]
struct Row {
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    session: String,
    channel: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    missing: Vec<String>,
    inferred: Vec<String>,
    violations: Vec<String>,
    /// Fields for which different values were claimed.
    conflicts: Vec<String>,
    /// How many events it has.
    events: usize,
    /// When the last of it came, or happened, if nothing says when it came.
    latest: Option<String>,
    /// When it is judged again though nothing comes.
    awaits_until: Option<String>,
}

/// Which sessions are wanted: the words of `finis sessions`.
#[derive(Debug, Default)]
struct Wanted {
    source: Option<String>,
    status: Option<Status>,
    missing: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

pub(super) async fn list(State(shared): State<Arc<Shared>>, asked: Parameters) -> Result<Json<Page>, Problem> {
    let wanted = Wanted::of(&shared.engine, &asked)?;
    let limit = asked.number("limit", 1..=LIMIT_MAX, LIMIT)? as usize;
    let after = asked.cursor(cursor::read)?;
    let engine = shared.engine.clone();
    shared.apart(async move { Ok(Json(page(&engine, &wanted, limit, after).await?)) }).await
}

async fn page(engine: &Engine, wanted: &Wanted, limit: usize, mut after: Option<SessionKey>) -> Result<Page, LogError> {
    let mut page = Page { sessions: Vec::new(), next: None, looked_at: 0, unreadable: 0 };
    let mut events = 0;
    loop {
        let asked = KEYS.min(LOOKED_AT_MAX - page.looked_at).min(limit - page.sessions.len());
        let keys = engine.sessions(after.as_ref(), asked).await?;
        let is_last = keys.len() < asked;
        for key in keys {
            page.looked_at += 1;
            if wanted.source.as_ref().is_none_or(|source| *source == key.source()) {
                let seen = engine.view(&key, |viewed| (viewed.stored.events.len(), wanted.row(&key, viewed))).await;
                match seen {
                    Ok(Seen::Here((_, Err(Damaged))) | Seen::Foreign) | Err(LogError::Damaged { .. }) => {
                        page.unreadable += 1;
                    }
                    Ok(Seen::Here((read, Ok(row)))) => {
                        events += read;
                        page.sessions.extend(row);
                    }
                    // It went since it was listed.
                    Ok(Seen::Gone(_) | Seen::Nothing) => {}
                    Err(error) => return Err(error),
                }
            }
            after = Some(key);
            if events > EVENTS_MAX {
                break;
            }
        }
        if is_last && events <= EVENTS_MAX {
            return Ok(page);
        }
        if events > EVENTS_MAX || page.sessions.len() == limit || page.looked_at == LOOKED_AT_MAX {
            page.next = after.as_ref().map(cursor::write);
            return Ok(page);
        }
    }
}

/// Something of a session is not there to be judged.
struct Damaged;

impl Wanted {
    fn of(engine: &Engine, asked: &Parameters) -> Result<Wanted, Problem> {
        let status = |text: &str| {
            let words = STATUSES.map(Status::as_str).join(", ");
            let found = STATUSES.into_iter().find(|status| status.as_str() == text);
            found.ok_or_else(|| Problem::parameter("status", format!("`status` is one of {words}")))
        };
        let source = asked.text("source").map(str::to_owned);
        if source.as_ref().is_some_and(|source| !engine.has_source(source)) {
            return Err(Problem::parameter("source", "no source of this server has the name in `source`"));
        }
        Ok(Wanted {
            source,
            status: asked.text("status").map(status).transpose()?,
            missing: asked.text("missing").map(str::to_owned),
            since: asked.time("since")?,
            until: asked.time("until")?,
        })
    }

    /// The session as it is listed, if it is wanted.
    fn row(&self, key: &SessionKey, viewed: &Viewed<'_>) -> Result<Option<Row>, Damaged> {
        if !viewed.stored.damaged.is_empty() {
            return Err(Damaged);
        }
        let (record, latest) = (viewed.parts(), viewed.latest());
        let is_wanted = self.status.is_none_or(|status| record.verdict.status == status)
            && self.missing.as_ref().is_none_or(|kind| record.missing.contains(&kind.as_str()))
            && self.since.is_none_or(|since| latest.is_some_and(|latest| latest >= since))
            && self.until.is_none_or(|until| latest.is_none_or(|latest| latest < until));
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Ok(is_wanted.then(|| Row {
            source: key.source().to_owned(),
            subject: record.subject.map(str::to_owned),
            session: key.id().to_owned(),
            channel: record.verdict.channel.as_str(),
            status: record.verdict.status.as_str(),
            by: record.verdict.by.map(By::as_str),
            outcome: record.verdict.outcome().map(Outcome::as_str),
            missing: texts(&record.missing),
            inferred: texts(&record.inferred),
            violations: texts(&record.violations),
            conflicts: record.conflicts.iter().map(|conflict| conflict.field.to_owned()).collect(),
            events: record.events.len(),
            latest: latest.map(|at| at.to_string()),
            awaits_until: viewed.awaits_until().map(|at| at.to_string()),
        }))
    }
}
