//! Why there is no answer: `{"error", "message"}`, and the parameter that it is about.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use finis_engine::AckError;
use finis_engine::log::LogError;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// Why there is no answer. What was sent is never said again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    body: Told,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Told {
    /// For programs.
    error: &'static str,
    /// For people.
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'static str>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: &'static str, message: impl Into<String>) -> Problem {
        Problem { status, body: Told { error, message: message.into(), parameter: None } }
    }

    /// A parameter is not what it has to be.
    pub(super) fn parameter(name: &'static str, message: impl Into<String>) -> Problem {
        let mut problem = Problem::new(StatusCode::BAD_REQUEST, "bad_parameter", message);
        problem.body.parameter = Some(name);
        problem
    }

    /// What was posted is not what it has to be.
    pub(super) fn body(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad_body", message)
    }

    pub(super) fn not_found(error: &'static str, message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, error, message)
    }

    pub(super) fn conflict(error: &'static str, message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::CONFLICT, error, message)
    }

    pub(super) fn no_token() -> Problem {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "send `Authorization: Bearer TOKEN` with a token of this server",
        )
    }

    /// There are enough at this time.
    pub(super) fn busy(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
    }

    pub(super) fn stopped() -> Problem {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopped",
            "the store takes and tells nothing until it is opened again",
        )
    }

    pub(super) fn damaged() -> Problem {
        let message = "something of it is damaged in the store: `finis doctor` says what";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", message)
    }

    pub(super) fn internal() -> Problem {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the log of the server says why")
    }
}

/// What the log of this server is told is more than what a reader is told.
impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        tracing::warn!(%error, "the store did not answer a reader");
        match error {
            LogError::Full { .. } => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "full", "the disk of the store is full")
            }
            LogError::TooLarge { .. } => Problem::body("it is larger than the store takes"),
            LogError::Stopped { .. } => Problem::stopped(),
            LogError::Damaged { .. } => Problem::damaged(),
        }
    }
}

impl From<AckError> for Problem {
    fn from(error: AckError) -> Self {
        match error {
            AckError::Log(error) => error.into(),
            AckError::Ahead { .. } => Problem::conflict("ahead", error.to_string()),
            AckError::Served => Problem::conflict("served", error.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.body)).into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"finis\""));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

/// What is answered is about people: nothing between keeps it.
pub(super) async fn keep_private(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
