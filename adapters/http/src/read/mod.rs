//! Sessions, timelines, notices and the quarantine for whoever has the token.
//!
//! [`router`] answers under `/v1`, and has nothing to do with `/hooks`: it is meant for a listener of its own,
//! on loopback unless somebody says otherwise. Every route asks for a bearer token, that of the document
//! (`/v1/openapi.json`, `OpenAPI` 3.1) too. The document is the contract: a test holds it against the
//! table of routes that the router is made of, in both directions, and real answers against its schemas.
//!
//! No request does work in proportion to the store: a page of sessions ends after so many were looked at,
//! whether they are wanted or not, and says where to go on. What folds sessions runs on threads for that, a few
//! at a time, so that who reads takes nothing from who writes.

mod body; // what is posted
mod consumers; // who is told, and what is parked for them
mod cursor; // where a page begins
mod notices; // what was said, and that it is dealt with
mod parameters; // what is asked, in queries and paths
mod problem; // why there is no answer
mod quarantine; // what could not be read, a page of it
mod recordings; // what came of the recordings of a session
mod routes; // every route there is
mod sessions; // sessions, a page of them
mod single; // one session: record, timeline, deliveries
mod stream; // notices as they are said
mod token; // who may read

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use finis_engine::Engine;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use crate::recordings::Archive;

pub use token::{Token, TokenError};

use problem::Problem;

/// The `OpenAPI` document that the router answers by.
pub const DOCUMENT: &str = include_str!("../../openapi.json");

/// Bytes of the longest body that is posted here: a name and a number.
const BODY_BYTES_MAX: usize = 16 << 10;

/// How the router answers. There is none without a token.
pub struct Settings {
    tokens: Vec<Token>,
    /// Answers that are worked out at the same time; others wait. 4 unless set.
    pub reads_max: NonZero<usize>,
    /// Streams that are open at the same time; more are refused. 64 unless set.
    pub streams_max: usize,
    /// After how long without a notice a stream shows that it lives. 15 s unless set.
    pub heartbeat: Duration,
    /// Streams end when this becomes true, or whoever says so is gone. Without it they end with the engine.
    pub ending: Option<watch::Receiver<bool>>,
    /// Where recordings are looked for. Nowhere unless set.
    pub recordings: Vec<Archive>,
}

impl Settings {
    /// For whoever has this token.
    #[must_use]
    pub fn new(token: Token) -> Settings {
        Settings {
            tokens: vec![token],
            // It is not zero.
            reads_max: NonZero::new(4).unwrap_or(NonZero::<usize>::MIN),
            streams_max: 64,
            heartbeat: Duration::from_secs(15),
            ending: None,
            recordings: Vec::new(),
        }
    }

    /// For whoever has this one, too: while one token takes the place of another.
    #[must_use]
    pub fn or(mut self, token: Token) -> Settings {
        self.tokens.push(token);
        self
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("reads_max", &self.reads_max)
            .field("streams_max", &self.streams_max)
            .field("heartbeat", &self.heartbeat)
            .finish_non_exhaustive()
    }
}

/// What every answer is made from.
struct Shared {
    engine: Engine,
    tokens: Vec<Token>,
    reads: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    heartbeat: Duration,
    ending: Option<watch::Receiver<bool>>,
    recordings: Vec<Archive>,
}

/// A router that answers what is asked of an engine. To be served, merged or nested within a tokio runtime.
pub fn router(engine: Engine, settings: Settings) -> Router {
    let shared = Arc::new(Shared {
        engine,
        tokens: settings.tokens,
        reads: Arc::new(Semaphore::new(settings.reads_max.get().min(Semaphore::MAX_PERMITS))),
        streams: Arc::new(Semaphore::new(settings.streams_max.min(Semaphore::MAX_PERMITS))),
        heartbeat: settings.heartbeat,
        ending: settings.ending,
        recordings: settings.recordings,
    });
    let routes = routes::ROUTES.iter().fold(Router::new(), |router, route| router.route(route.path, route.method()));
    routes
        .route_layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .route_layer(from_fn_with_state(Arc::clone(&shared), token::check))
        .route_layer(from_fn(problem::keep_private))
        .with_state(shared)
}

impl Shared {
    /// Works an answer out on a thread for that, a few at a time. It is worked out to its end though nobody
    /// waits for it any more: there is little of it.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        // Nobody closes it.
        let permit = Arc::clone(&self.reads).acquire_owned().await.map_err(|_| Problem::stopped())?;
        let runtime = Handle::current();
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            runtime.block_on(work)
        });
        done.await.unwrap_or_else(|error| {
            tracing::error!(%error, "an answer to a reader came to no end");
            Err(Problem::internal())
        })
    }
}
