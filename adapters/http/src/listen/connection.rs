//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::sync::Arc;

use axum::http::{HeaderValue, Request, header};
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::framing::Refusal;
use super::guard::Guard;
use super::stop::Stop;
use super::{Handler, Limits, Tally};
use crate::problem::{Answer, problem};
use crate::sparing::Sparing;

/// Headers that hyper takes unless told, and for which it has room without asking for memory.
const HEADERS_BY_DEFAULT: usize = 100;

/// Serves a connection until either side ends it. When `stop` is told, what is in flight is answered, and then
/// it ends.
pub(super) async fn serve(
    socket: TcpStream,
    handler: impl Handler,
    limits: &Limits,
    problems: &Sparing,
    tally: Arc<Tally>,
    stop: Arc<Stop>,
) {
    // The guard ends it when it is told to stop and nothing more is there to be read.
    let guard = Guard::new(socket, limits, tally, Arc::clone(&stop));
    let asked = guard.refused();
    let (handler, asked, stop) = (&handler, &*asked, &*stop);
    // Requests borrow what the connection has, so that none touches what all connections share.
    let service = service_fn(move |request: Request<Incoming>| {
        // What is refused within a body is the handler's to answer, and no request comes after it.
        let refused = asked.get().copied();
        if let Some(refusal) = refused {
            problems.tell(|unsaid| tracing::warn!(rule = refusal.rule(), unsaid, "a request was refused: {refusal}"));
        }
        async move {
            let mut response = match refused {
                Some(refusal) => answer(refusal).map(Either::Right),
                None => handler.handle(request).await.map(Either::Left),
            };
            if stop.is_told() {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
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
    if let Err(error) = builder.serve_connection(TokioIo::new(guard), service).await {
        // The other side's doing, nearly always: it went away.
        tracing::debug!("a connection ended early: {error}");
    }
}

/// What the sender of no request is told.
fn answer(refusal: Refusal) -> Answer {
    let mut response = problem(refusal.status(), refusal.rule(), &refusal.to_string());
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
