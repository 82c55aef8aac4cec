//! `POST /hooks/{source}`: a service whose 2xx says that the delivery is safe.
//!
//! | answer | when |
//! |---|---|
//! | 200 `stored`, `duplicate`, `expired`, `forgotten` | it is in the log, was there before, or its session is gone for good |
//! | 202 `quarantined` | it is from the source and cannot be read: it is kept whole, the reason is said |
//! | 401 `not_verified` | nothing proves that it is from a source. Whether there is such a source is not said |
//! | 400, 408 | the body broke off, was no HTTP, or did not come in time |
//! | 405 | it is no `POST` |
//! | 413 `too_large` | the body is longer than [`Engine::body_bytes_max`]: decided by what it promises, or as soon as it is longer |
//! | 503 `busy`, `full`, `stopped` with `Retry-After` | it cannot be taken now: decided before the body is read |
//!
//! A sender is told which rule it broke, never what it sent. What a delivery is called by its headers
//! (`Content-Type`, `Content-Encoding`) decides nothing: several providers send once only, so what is from a
//! source and is not JSON is kept in quarantine and never inflated.

mod answer; // what the sender is told
mod body; // read whole, within bounds
mod hooks; // which request is a delivery, and what is done with it
mod room; // whether anything can be taken now

use std::time::Duration;

use axum::Router;
use axum::routing::post_service;
use finis_engine::Engine;

pub use hooks::Hooks;

/// Why a body of any kind cannot be read.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How deliveries are taken. Each setting has a default.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What `Retry-After` says, in whole seconds, at least one. For as long nothing is tried on a log that had
    /// no room. 1 s unless set.
    pub retry_after: Duration,
    /// Bytes of all bodies that are in memory at one time, from the first byte read until the answer is known.
    /// 64 MiB unless set.
    pub bodies_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { retry_after: Duration::from_secs(1), bodies_bytes_max: 64 << 20 }
    }
}

/// A router with the one route `POST /hooks/{source}`, to be served by [`listen`](crate::listen), or nested or
/// merged into an application's own. Like every router it is a [`tower::Service`] of requests.
///
/// An application that serves it by other means than [`listen`](crate::listen) has to see to slow senders
/// itself: this reads a body for as long as it comes.
///
/// Where nothing else is served, [`Hooks`] is the same with less to do for each request.
///
/// ```
/// use std::sync::Arc;
///
/// use axum::body::Body;
/// use axum::http::{Request, StatusCode};
/// use finis_engine::log::MemoryLog;
/// use finis_engine::{Clock, Engine, Settings as EngineSettings, Source, Terms, Timestamp, Unverified};
/// use finis_http::receive;
/// use tower::ServiceExt as _;
///
/// # struct Stopped;
/// # #[async_trait::async_trait]
/// # impl Clock for Stopped {
/// #     fn now(&self) -> Timestamp { Timestamp::parse("2026-05-03T08:42:11Z").unwrap() }
/// #     async fn sleep_until(&self, _: Timestamp) { std::future::pending().await }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let system_clock = Arc::new(Stopped);
/// let contract = finis_providers::Catalogue::shipped().get("pathors").unwrap().clone();
/// let source = Source {
///     name: "desk".to_owned(),
///     terms: Terms::new(&contract),
///     contract: Arc::new(contract),
///     verify: Box::new(Unverified), // a verifier of the provider's signatures, outside of examples
/// };
/// let log = Arc::new(MemoryLog::new()); // an `EmbeddedLog`, outside of examples
/// let (engine, writer) = Engine::new(log, system_clock, [source], EngineSettings::default());
/// tokio::spawn(writer.run());
///
/// let application = axum::Router::new()
///     .route("/", axum::routing::get(|| async { "an application" }))
///     .nest("/webhooks", receive::router(engine, receive::Settings::default()));
///
/// let event = r#"{"event":"session.ended","sessionId":"s-1","timestamp":"2026-05-03T08:42:11Z"}"#;
/// let request = Request::post("/webhooks/hooks/desk").body(Body::from(event)).unwrap();
/// let response = application.oneshot(request).await.unwrap();
/// assert_eq!(response.status(), StatusCode::OK); // and now it is in the log
/// # }
/// ```
pub fn router(engine: Engine, settings: Settings) -> Router {
    Router::new().route("/hooks/{source}", post_service(Hooks::new(engine, settings)))
}
