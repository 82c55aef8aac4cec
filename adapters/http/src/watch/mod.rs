//! Numbers for Prometheus, and whether it is well.
//!
//! | route | says |
//! |---|---|
//! | `GET /metrics` | the numbers of [`Stats`](finis_engine::Stats), how many sessions wait, how far each consumer is, what endpoints answer and what listeners turn away, as `OpenMetrics` text |
//! | `GET /healthz` | that the process lives: 200 as long as it answers |
//! | `GET /readyz` | whether deliveries should be sent here: 200, or 503 with what is wrong, as JSON |
//!
//! No label is ever a session, nor anything that a stranger can choose. Who may ask is for whoever mounts the
//! [router]: it asks for no token, and its place is a listener that is not open to the world.
//!
//! In the lines of a log, ids of sessions go through [`Masked`].

mod mask; // numbers of telephones, kept out of logs
mod ready; // whether deliveries should be sent here
mod scrape; // the numbers as text

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use finis_engine::Engine;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;

use crate::{listen, send};

pub use mask::{Masked, mask};
pub use ready::{Problem, problems};

use crate::recordings::Tally;
use scrape::Scrape;

/// The media type of `/metrics`.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Settings of what is watched. Each has a default.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long the log may take to say what it is asked at a scrape; what it does not say by then is left out. 2
    /// seconds unless set.
    pub answer_within: Duration,
    /// Consumers that have numbers of their own, the first by name. 100 unless set.
    pub consumers_max: usize,
    /// How long the writer may be at work on what it took until that counts as a problem. 10 seconds unless set.
    pub busy_max: Duration,
    /// For how long it counts as a problem that the log had no room. 10 seconds unless set.
    pub refusal_counts_for: Duration,
    /// How it goes with recordings; without it nothing is said of them.
    pub recordings: Option<Arc<Tally>>,
    /// Endpoints that notices are posted to, by name, with what is counted of each. None unless set.
    pub endpoints: Vec<(String, Arc<send::Tally>)>,
    /// Listeners, by name, with what each turned away. None unless set.
    pub listeners: Vec<(&'static str, Arc<listen::Tally>)>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            answer_within: Duration::from_secs(2),
            consumers_max: 100,
            busy_max: Duration::from_secs(10),
            refusal_counts_for: Duration::from_secs(10),
            recordings: None,
            endpoints: Vec::new(),
            listeners: Vec::new(),
        }
    }
}

/// Routes that tell how an engine is.
pub fn router(engine: Engine, settings: Settings) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(Watched { engine, settings: Arc::new(settings) })
}

#[derive(Clone)]
struct Watched {
    engine: Engine,
    settings: Arc<Settings>,
}

impl Watched {
    /// Everything that is wrong. The log is asked for something that it knows at once.
    async fn problems(&self) -> Vec<Problem> {
        let asked = tokio::time::timeout(self.settings.answer_within, self.engine.waiting()).await;
        let mut problems = problems(&self.engine.health(), &self.settings);
        let silent = match asked {
            Ok(Ok(_)) => return problems,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the log does not answer".to_owned(),
        };
        problems.push(Problem { problem: "log_silent", detail: silent });
        problems
    }
}

/// What `/healthz` and `/readyz` answer.
#[derive(Serialize)]
struct Answer {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Problem>,
}

async fn healthz() -> Response {
    answer(StatusCode::OK, "alive", Vec::new())
}

async fn readyz(State(watched): State<Watched>) -> Response {
    let problems = watched.problems().await;
    if problems.is_empty() {
        answer(StatusCode::OK, "ready", problems)
    } else {
        answer(StatusCode::SERVICE_UNAVAILABLE, "not_ready", problems)
    }
}

fn answer(code: StatusCode, status: &'static str, problems: Vec<Problem>) -> Response {
    (code, [(CACHE_CONTROL, "no-store")], Json(Answer { status, problems })).into_response()
}

async fn metrics(State(watched): State<Watched>) -> Response {
    let is_ready = watched.problems().await.is_empty();
    let scrape = Scrape::take(&watched.engine, &watched.settings, is_ready).await;
    match scrape.text() {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS), (CACHE_CONTROL, "no-store")], text).into_response(),
        // A text in memory takes whatever is written to it; if not, a scrape that fails is seen.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
