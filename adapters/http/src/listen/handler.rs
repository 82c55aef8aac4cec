//! Who answers requests.

use std::convert::Infallible;

use axum::Router;
use axum::http::{Request, Response};
use bytes::Bytes;
use http_body::Body;
use http_body_util::Full;
use hyper::body::Incoming;
use tower::Service as _;

use crate::receive::{BoxError, Hooks};

/// Who answers the requests of a listener: a [`Router`], or [`Hooks`] by itself. Any other [`tower::Service`] is the
/// fallback of a router that has no routes.
///
/// Each connection has a clone, which its requests borrow one after the other.
pub trait Handler: Clone + Send + Sync + 'static {
    /// The body of an answer.
    type Body: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;

    /// Answers one request.
    fn handle(&self, request: Request<Incoming>) -> impl Future<Output = Response<Self::Body>> + Send;
}

impl Handler for Router {
    type Body = axum::body::Body;

    async fn handle(&self, request: Request<Incoming>) -> Response<Self::Body> {
        let answer: Result<_, Infallible> = self.clone().call(request).await;
        let Ok(answer) = answer;
        answer
    }
}

impl Handler for Hooks {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<Incoming>) -> Response<Self::Body> {
        self.answer(request).await
    }
}
