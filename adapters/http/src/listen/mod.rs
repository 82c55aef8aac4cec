//! Connections: how long they may take, how many there may be, what is no HTTP, and an end that loses nothing.
//!
//! HTTP/1.1 alone is spoken, without TLS: a proxy in front does that.
//!
//! | what a client does | what happens |
//! |---|---|
//! | nothing, or nothing more | the connection is closed: at first after [`Limits::head`], between requests after [`Limits::idle`] |
//! | headers, or a body, slower than [`Limits::head`] or [`Limits::body`] | 408, closed |
//! | takes nothing of its answer for [`Limits::write`] | closed |
//! | no request, or one that two readers could read in two ways | 400, 405, 431 or 505 with the rule's name, closed |
//! | one connection more than there may be | 503 with `Retry-After`, closed |
//!
//! An answer is never cut off by what the client still sends: that is read for a while and thrown away.

mod accept; // connections, as they come
mod connection; // one of them
mod framing; // where a request ends, and what is none
mod guard; // framing and time, between a socket and hyper
mod handler; // who answers requests
mod stop; // that it is to stop
mod tally; // what was turned away
mod turned_away; // those that are too many

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

pub use handler::Handler;
pub use tally::Tally;

/// What a connection may take. Each limit has a default.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at one time. 4,096 unless set.
    pub connections_max: usize,
    /// Connections at one time from one address: of IPv6, from one network of 64 bits. 1,024 unless set. Behind a
    /// proxy all come from one.
    pub connections_per_peer_max: usize,
    /// Bytes of a request line with its headers. 16 KiB unless set.
    pub head_bytes_max: usize,
    /// Headers of a request, at most 256. 100 unless set.
    pub headers_max: usize,
    /// Until a head is whole: from its first byte on, or from the beginning of the connection. 5 s unless set.
    pub head: Duration,
    /// Until a body is whole, from the end of its head on. 10 s unless set.
    pub body: Duration,
    /// For how long a connection stays without a request. 30 s unless set.
    pub idle: Duration,
    /// For how long a client may take no byte of an answer. 10 s unless set.
    pub write: Duration,
    /// For how long what comes after the last answer is thrown away. 1 s unless set.
    pub linger: Duration,
    /// For how long requests in flight are waited for when it is to stop. 20 s unless set.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections_max: 4096,
            connections_per_peer_max: 1024,
            head_bytes_max: 16 << 10,
            headers_max: 100,
            head: Duration::from_secs(5),
            body: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            write: Duration::from_secs(10),
            linger: Duration::from_secs(1),
            stop: Duration::from_secs(20),
        }
    }
}

/// Serves a router, or hooks alone, to whoever connects, until `stop` is ready. Then nobody more is let in, requests
/// in flight are answered, idle connections are closed, and it returns.
///
/// ```no_run
/// # async fn run(engine: finis_engine::Engine) -> std::io::Result<()> {
/// use finis_http::{listen, receive};
///
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// let hooks = receive::Hooks::new(engine.clone(), receive::Settings::default());
/// let stop = std::future::pending(); // a signal, outside of examples
/// listen::serve(listener, hooks, listen::Limits::default(), stop).await?;
/// engine.close().await;
/// # Ok(()) }
/// ```
///
/// # Errors
/// When requests were still in flight after [`Limits::stop`]: what they brought may have been taken, and nobody
/// was told.
pub async fn serve(
    listener: TcpListener,
    handler: impl Handler,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    accept::run(listener, handler, limits, Arc::default(), stop).await
}

/// As [`serve`], and counts in `tally` what it turns away.
///
/// # Errors
/// As [`serve`].
pub async fn serve_counted(
    listener: TcpListener,
    handler: impl Handler,
    limits: Limits,
    tally: Arc<Tally>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    accept::run(listener, handler, limits, tally, stop).await
}
