//! What is posted: an object of JSON, with no member that is not known.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// Reads a body; `form` says what it has to be.
pub(super) fn read<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>, form: &str) -> Result<T, Problem> {
    let body = bytes(body)?;
    // The error of the parser would say again what was sent.
    serde_json::from_slice(&body).map_err(|_| Problem::body(format!("the body is not {form}")))
}

/// The same, of what need not be there.
pub(super) fn read_or_default<T: DeserializeOwned + Default>(
    body: Result<Bytes, BytesRejection>,
    form: &str,
) -> Result<T, Problem> {
    let body = bytes(body)?;
    if body.is_empty() { Ok(T::default()) } else { read(Ok(body), form) }
}

fn bytes(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    body.map_err(|rejection| {
        Problem::new(rejection.status(), "bad_body", "the body is too long, or did not come whole")
    })
}
