//! Which request is a delivery, and what is done with it.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use finis_engine::log::LogError;
use finis_engine::{Engine, Receipt, ReceiveError};
use http_body::Body;
use http_body_util::Full;
use percent_encoding::percent_decode_str;
use tower::Service;

use super::answer::{self, Refusal};
use super::body::{self, Whole};
use super::room::Room;
use super::{BoxError, Settings};
use crate::problem::{self, Answer};
use crate::sparing::Sparing;

/// What hooks are below.
const PREFIX: &str = "/hooks/";

/// Headers of a request for whose number the same map serves the answer. A larger one is not kept.
const HEADERS_KEPT: usize = 64;

/// The receiver of `POST /hooks/{source}` by itself, without a router in front of it. To be cloned at will: all
/// clones share the room that there is.
///
/// Whatever is no hook is answered as by [`with_problems`](crate::with_problems): 404 `not_found`, and 405
/// `method_not_allowed` with `Allow`. An application with routes of its own mounts [`router`](super::router), which
/// leaves that to it.
///
/// [`listen`](crate::listen) borrows it for each request; as a [`tower::Service`] it puts each into a box.
#[derive(Clone)]
pub struct Hooks(Arc<Receiver>);

/// What every request needs.
struct Receiver {
    engine: Engine,
    room: Room,
    problems: Sparing,
}

/// Why a request is none for a hook.
#[derive(Clone, Copy)]
enum Stray {
    /// No hook is at this path.
    Path,
    /// It is no `POST`.
    Method,
    /// The name of the source is no text.
    Name,
}

impl Hooks {
    /// Hooks of all sources that the engine has.
    #[must_use]
    pub fn new(engine: Engine, settings: Settings) -> Hooks {
        let room = Room::new(&settings);
        Hooks(Arc::new(Receiver { engine, room, problems: Sparing::default() }))
    }

    /// Answers one request: [what](super) it may be answered.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let Hooks(receiver) = self;
        let (Parts { method, uri, headers, .. }, body) = request.into_parts();
        let source = match source(&method, uri.path()) {
            Ok(source) => source,
            Err(stray) => return stray.answer(),
        };
        match receiver.take(&source, &headers, body).await {
            Ok(receipt) => answer::receipt(&receipt, emptied(headers)),
            Err(refusal) => {
                receiver.problems.tell(|unsaid| refusal.log(unsaid));
                refusal.answer(receiver.room.retry_after())
            }
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Hooks
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let hooks = self.clone();
        Box::pin(async move { Ok(hooks.answer(request).await) })
    }
}

impl Receiver {
    async fn take<B>(&self, source: &str, headers: &HeaderMap, body: B) -> Result<Receipt, Refusal>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
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
        let taken = self.engine.try_receive(source, &readable(headers), &body).await;
        taken.map_err(|error| {
            if let ReceiveError::Log(LogError::Full { .. }) = &error {
                self.room.note_full();
            }
            Refusal::Receive(error)
        })
    }

    /// The whole body, when there is room for it.
    async fn body<B>(&self, body: B) -> Result<Whole<'_>, Refusal>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        self.room.look(&self.engine, body.size_hint().lower())?;
        body::read(body, self.engine.body_bytes_max(), &self.room).await
    }
}

impl Stray {
    fn answer(self) -> Answer {
        match self {
            Stray::Path => problem::not_found(),
            Stray::Method => {
                let mut answer = problem::method_not_allowed();
                answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
                answer
            }
            Stray::Name => {
                let text = "Invalid URL: Invalid UTF-8 in `source`";
                problem::answer(StatusCode::BAD_REQUEST, HeaderMap::new(), "text/plain; charset=utf-8", text)
            }
        }
    }
}

/// The source that is posted to: one segment of the path, decoded once. Nothing else of a path is decoded or
/// simplified, so that whoever stands in front of this and lets some paths through reads the same in it.
fn source<'p>(method: &Method, path: &'p str) -> Result<Cow<'p, str>, Stray> {
    let segment = path.strip_prefix(PREFIX).filter(|segment| !segment.is_empty() && !segment.contains('/'));
    let segment = segment.ok_or(Stray::Path)?;
    if method != Method::POST {
        return Err(Stray::Method);
    }
    percent_decode_str(segment).decode_utf8().map_err(|_| Stray::Name)
}

/// Headers whose values are text. No signature and no name of an event is anything else.
fn readable(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let mut readable = Vec::with_capacity(headers.len());
    let text =
        headers.iter().filter_map(|(name, value)| Some((name.as_str(), std::str::from_utf8(value.as_bytes()).ok()?)));
    readable.extend(text);
    readable
}

/// The map of a request, for its answer: hyper gives that to the next request on the connection, so that none but the
/// first needs one of its own.
fn emptied(mut headers: HeaderMap) -> HeaderMap {
    if headers.capacity() > HEADERS_KEPT {
        return HeaderMap::new();
    }
    headers.clear();
    headers
}
