//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tower::Service as _;

use super::framing::Refusal;
use super::guard::Guard;
use super::{Limits, Tally};
use crate::problem::problem;
use crate::sparing::Sparing;

/// Headers that hyper takes unless told, and for which it has room without asking for memory.
const HEADERS_BY_DEFAULT: usize = 100;

/// Serves a connection until either side ends it. When `stop` says so, what is in flight is answered, and then
/// it ends.
pub(super) async fn serve(
    socket: TcpStream,
    router: Router,
    limits: &Limits,
    problems: Arc<Sparing>,
    tally: Arc<Tally>,
    mut stop: watch::Receiver<bool>,
) {
    let guard = Guard::new(socket, limits, tally, stop.clone());
    let (asked, stopping) = (guard.refused(), stop.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        // What is refused within a body is the handler's to answer, and no request comes after it.
        let refused = asked.get().copied();
        if let Some(refusal) = refused {
            problems.tell(|unsaid| tracing::warn!(rule = refusal.rule(), unsaid, "a request was refused: {refusal}"));
        }
        let (mut router, stopping) = (router.clone(), stopping.clone());
        async move {
            let mut response = match refused {
                Some(refusal) => answer(refusal),
                None => router.call(request).await?,
            };
            if *stopping.borrow() {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<Response<Body>, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    // Whoever has no more to say may still hear. That nobody hears is noticed when it is written to.
    builder.half_close(true);
    if limits.headers_max > HEADERS_BY_DEFAULT {
        builder.max_headers(limits.headers_max);
    }
    // The guard measures time, since it knows what is being waited for.
    builder.header_read_timeout(None);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(guard), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // The guard ends it when nothing more is there to be read. It has only to be asked: whoever is idle waits
        // for the client.
        () = is_so(&mut stop) => connection.await,
    };
    if let Err(error) = ended {
        // The other side's doing, nearly always: it went away.
        tracing::debug!("a connection ended early: {error}");
    }
}

async fn is_so(stop: &mut watch::Receiver<bool>) {
    // Its sender is there for as long as any connection is.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What the sender of no request is told.
fn answer(refusal: Refusal) -> Response<Body> {
    let mut response = problem(refusal.status(), refusal.rule(), &refusal.to_string());
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
