//! Why there is no answer, in the one form that every part has: `{"error", "message"}`.

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

/// What whoever asked is told.
#[derive(Serialize)]
struct Problem<'a> {
    /// For programs: one word that stays.
    error: &'static str,
    /// For people.
    message: &'a str,
}

/// An answer that says which rule was broken.
pub(crate) fn problem(status: StatusCode, error: &'static str, message: &str) -> Response {
    json(status, &Problem { error, message })
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    // Strings alone: these are always JSON.
    let text = serde_json::to_string(value).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response()
}

/// Answers what there is no route for as everything else is answered: 404 `not_found`, and 405
/// `method_not_allowed` with `Allow`. For a router that is served alone: one that is merged into another leaves that to it.
pub fn with_problems(router: Router) -> Router {
    router.fallback(not_found).method_not_allowed_fallback(method_not_allowed)
}

async fn not_found() -> Response {
    problem(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
}

async fn method_not_allowed() -> Response {
    problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path takes other methods: `Allow` has them")
}
