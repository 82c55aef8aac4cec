//! Why there is no answer, in the one form that every part has: `{"error", "message"}`.

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::Full;
use serde::Serialize;

/// An answer of which all is here.
pub(crate) type Answer = Response<Full<Bytes>>;

/// What whoever asked is told.
#[derive(Serialize)]
struct Problem<'a> {
    /// For programs: one word that stays.
    error: &'static str,
    /// For people.
    message: &'a str,
}

/// An answer that says which rule was broken.
pub(crate) fn problem(status: StatusCode, error: &'static str, message: &str) -> Answer {
    let bytes = r#"{"error":"","message":""}"#.len() + error.len() + message.len();
    json(status, HeaderMap::new(), &Problem { error, message }, bytes)
}

/// An answer in JSON, of so many bytes as far as can be told. These are its only headers but those of its body.
pub(crate) fn json(status: StatusCode, headers: HeaderMap, value: &impl Serialize, bytes: usize) -> Answer {
    let mut text = Vec::with_capacity(bytes);
    // Strings alone: these are always JSON, and memory takes all that is written to it.
    let _ = serde_json::to_writer(&mut text, value);
    answer(status, headers, "application/json", text)
}

/// An answer with a text of this type.
pub(crate) fn answer(
    status: StatusCode,
    headers: HeaderMap,
    media_type: &'static str,
    text: impl Into<Bytes>,
) -> Answer {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}

/// Answers what there is no route for as everything else is answered: 404 `not_found`, and 405
/// `method_not_allowed` with `Allow`. For a router that is served alone: one that is merged into another leaves that to it.
pub fn with_problems(router: Router) -> Router {
    router.fallback(async || not_found()).method_not_allowed_fallback(async || method_not_allowed())
}

pub(crate) fn not_found() -> Answer {
    problem(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
}

/// It has still to be said which methods those are.
pub(crate) fn method_not_allowed() -> Answer {
    problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path takes other methods: `Allow` has them")
}
