//! What is asked, in queries and paths.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Request};
use axum::middleware::Next;
use axum::response::Response;
use finis_engine::Timestamp;
use http::request::Parts;

use super::problem::Problem;

/// Bytes of the longest name of a consumer.
const NAME_BYTES_MAX: usize = 128;

/// The parameters of a query, each once at most, and none that its route does not have.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters(Arc<BTreeMap<&'static str, String>>);

impl Parameters {
    /// Reads a query.
    pub(super) fn read(query: Option<&str>, known: &[&'static str]) -> Result<Parameters, Problem> {
        let mut read = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let Some(name) = known.iter().find(|known| **known == name) else {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let message = format!("there is a parameter that this does not have: it has {known}");
                return Err(Problem::new(http::StatusCode::BAD_REQUEST, "unknown_parameter", message));
            };
            if read.insert(*name, value.into_owned()).is_some() {
                return Err(Problem::parameter(name, format!("`{name}` is there more than once")));
            }
        }
        Ok(Parameters(Arc::new(read)))
    }

    pub(super) fn text(&self, name: &'static str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A number of these, or `default`.
    pub(super) fn number(&self, name: &'static str, fit: RangeInclusive<u64>, default: u64) -> Result<u64, Problem> {
        let Some(text) = self.text(name) else { return Ok(default) };
        // What parses as a number may begin with a plus: digits alone are what it says it takes.
        let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        number.filter(|number| fit.contains(number)).ok_or_else(|| {
            let (least, most) = (fit.start(), fit.end());
            let upper = if *most == u64::MAX { " or more".to_owned() } else { format!(" to {most}") };
            Problem::parameter(name, format!("`{name}` is a number, {least}{upper}"))
        })
    }

    pub(super) fn time(&self, name: &'static str) -> Result<Option<Timestamp>, Problem> {
        let time = self.text(name).map(Timestamp::parse).transpose();
        time.map_err(|_| Problem::parameter(name, format!("`{name}` is a time as `2026-05-03T08:42:11Z`, by RFC 3339")))
    }

    /// Where a page begins, as who listed the page before wrote it.
    pub(super) fn cursor<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Problem> {
        let cursor = self.text("cursor").map(|text| read(text).ok_or(()));
        cursor.transpose().map_err(|()| Problem::parameter("cursor", "`cursor` is not one that a page gave as `next`"))
    }

    pub(super) fn consumer(&self) -> Result<Option<&str>, Problem> {
        self.text("consumer").map(|name| check_consumer(name).map(|()| name)).transpose()
    }
}

/// Refuses what is no name of a consumer.
pub(super) fn check_consumer(name: &str) -> Result<(), Problem> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        let message = format!("the name of a consumer has 1 to {NAME_BYTES_MAX} bytes, and no control characters");
        return Err(Problem::parameter("consumer", message));
    }
    Ok(())
}

/// What a path has between its slashes.
pub(super) fn path<T>(path: Result<Path<T>, PathRejection>) -> Result<T, Problem> {
    let Path(parts) =
        path.map_err(|_| Problem::new(http::StatusCode::BAD_REQUEST, "bad_path", "the path is not UTF-8"))?;
    Ok(parts)
}

/// Reads the query of a request for whoever answers it.
pub(super) async fn check(
    known: &'static [&'static str],
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let parameters = Parameters::read(request.uri().query(), known)?;
    request.extensions_mut().insert(parameters);
    Ok(next.run(request).await)
}

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        // Every route has read them.
        Ok(parts.extensions.get::<Parameters>().cloned().unwrap_or_default())
    }
}
