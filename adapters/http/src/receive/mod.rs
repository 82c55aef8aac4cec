//! `POST /hooks/{source}`: a router whose 2xx says that the delivery is safe.
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
mod room; // whether anything can be taken now

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use finis_engine::{Engine, ReceiveError};
use http_body::Body as _;

use crate::sparing::Sparing;
use answer::Refusal;
use body::Whole;
use room::Room;

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

/// What every request needs.
struct Receiver {
    engine: Engine,
    room: Room,
    problems: Sparing,
}

/// A router with the one route `POST /hooks/{source}`, to be served by [`listen`](crate::listen), or nested or
/// merged into an application's own. Like every router it is a [`tower::Service`] of requests.
///
/// An application that serves it by other means than [`listen`](crate::listen) has to see to slow senders
/// itself: this reads a body for as long as it comes.
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
    let room = Room::new(&settings);
    let receiver = Arc::new(Receiver { engine, room, problems: Sparing::default() });
    Router::new().route("/hooks/{source}", post(hook)).with_state(receiver)
}

async fn hook(State(receiver): State<Arc<Receiver>>, Path(source): Path<String>, request: Request) -> Response {
    match receiver.take(&source, request).await {
        Ok(response) => response,
        Err(refusal) => {
            receiver.problems.tell(|unsaid| refusal.log(unsaid));
            refusal.answer(receiver.room.retry_after())
        }
    }
}

impl Receiver {
    async fn take(&self, source: &str, request: Request) -> Result<Response, Refusal> {
        let (parts, body) = request.into_parts();
        // Held until the answer is known: the queue has the body for as long.
        let body = match self.body(body).await {
            Ok(body) => body,
            Err(refusal) => {
                // The engine never hears of it otherwise, and its numbers would say that nobody was turned away.
                if let Refusal::Receive(why) = &refusal {
                    self.engine.turned_away(source, why);
                }
                return Err(refusal);
            }
        };
        let headers = readable(&parts.headers);
        let outcome = self.engine.try_receive(source, &headers, &body).await;
        match outcome {
            Ok(receipt) => Ok(answer::receipt(&receipt)),
            Err(error) => {
                if let ReceiveError::Log(finis_engine::log::LogError::Full { .. }) = &error {
                    self.room.note_full();
                }
                Err(Refusal::Receive(error))
            }
        }
    }

    /// The whole body, when there is room for it.
    async fn body(&self, body: Body) -> Result<Whole<'_>, Refusal> {
        self.room.look(&self.engine, body.size_hint().lower())?;
        body::read(body, self.engine.body_bytes_max(), &self.room).await
    }
}

/// Headers whose values are text. No signature and no name of an event is anything else.
fn readable(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let text =
        headers.iter().filter_map(|(name, value)| Some((name.as_str(), std::str::from_utf8(value.as_bytes()).ok()?)));
    text.collect()
}
