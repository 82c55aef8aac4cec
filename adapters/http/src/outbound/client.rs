//! Requests to where a guard lets them go, bounded in time and bytes.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use super::guard::{Guard, Refused};
use super::resolve::{Guarded, Lookup, SystemLookup};
use super::roots::Roots;

/// How long a request may take, and how much may come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// To connect, names and TLS included. 5 seconds unless set.
    pub connect: Duration,
    /// All of it, to the last byte of the answer. 20 seconds unless set.
    pub total: Duration,
    /// Bytes of an answer's body that are read. 64 KiB unless set.
    pub answer_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { connect: Duration::from_secs(5), total: Duration::from_secs(20), answer_bytes_max: 64 << 10 }
    }
}

/// Sends requests to where a [`Guard`] lets them go. To be cloned at will; clones share connections.
///
/// HTTP/1.1, no proxy, no redirect, no cookies, nothing sent twice by itself, and no answer is unpacked: what
/// counts is the bytes that came.
#[derive(Clone)]
pub struct Client {
    guard: Arc<Guard>,
    http: reqwest::Client,
    limits: Limits,
}

/// Why there is no client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupError {
    reason: String,
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no requests can be sent: {}", self.reason)
    }
}

impl Error for SetupError {}

/// Why a request has no answer. Says nothing of the URL but its host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failed {
    /// It may not go there.
    Refused(Refused),
    /// It took longer than it may.
    TimedOut {
        /// How long it may take.
        limit: Duration,
    },
    /// Nobody was reached: no such name, no connection, no trust.
    Unreachable {
        /// Why.
        reason: String,
    },
    /// The answer ended in the middle, or was none.
    Broken {
        /// Why.
        reason: String,
    },
    /// The answer is longer than what is read of it.
    TooLarge {
        /// How many bytes are read.
        limit: u64,
    },
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Refused(refused) => refused.fmt(f),
            Failed::TimedOut { limit } => write!(f, "no whole answer within {} s", limit.as_secs_f64()),
            Failed::Unreachable { reason } => write!(f, "cannot be reached: {reason}"),
            Failed::Broken { reason } => write!(f, "no whole answer: {reason}"),
            Failed::TooLarge { limit } => write!(f, "the answer has more than {limit} bytes"),
        }
    }
}

impl Error for Failed {}

impl Client {
    /// A client that resolves names as the system does.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(guard: Guard, limits: Limits, roots: &Roots) -> Result<Client, SetupError> {
        Client::with_lookup(guard, limits, roots, Arc::new(SystemLookup))
    }

    /// A client that asks somebody else for addresses.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn with_lookup(
        guard: Guard,
        limits: Limits,
        roots: &Roots,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Client, SetupError> {
        let guard = Arc::new(guard);
        // Named, and not found by whatever a process installed: TLS 1.2 and up.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| SetupError { reason: error.to_string() })?
            .with_root_certificates(roots.store())
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Guarded { guard: Arc::clone(&guard), lookup })
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .user_agent(concat!("finis/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect)
            .timeout(limits.total)
            .pool_idle_timeout(Duration::from_secs(30))
            .build()
            .map_err(|error| SetupError { reason: innermost(&error) })?;
        Ok(Client { guard, http, limits })
    }

    /// Whether a request may go to a URL, as far as that can be said before its host is resolved.
    ///
    /// # Errors
    /// When it may not.
    pub fn check(&self, url: &str) -> Result<(), Refused> {
        self.guard.check(url).map(drop)
    }

    /// Posts a body.
    ///
    /// # Errors
    /// When there is no answer. An answer that says no is one.
    pub async fn post(&self, url: &str, headers: HeaderMap, body: Bytes) -> Result<Answer, Failed> {
        self.send(Method::POST, url, headers, body).await
    }

    /// Fetches what is there.
    ///
    /// # Errors
    /// When there is no answer. An answer that says no is one.
    pub async fn get(&self, url: &str, headers: HeaderMap) -> Result<Answer, Failed> {
        self.send(Method::GET, url, headers, Bytes::new()).await
    }

    async fn send(&self, method: Method, url: &str, headers: HeaderMap, body: Bytes) -> Result<Answer, Failed> {
        // Here, because a literal address asks no resolver.
        let url = self.guard.check(url).map_err(Failed::Refused)?;
        let request = self.http.request(method.clone(), url).headers(headers);
        let request = if method == Method::GET { request } else { request.body(body) };
        let response = request.send().await.map_err(|error| failed(&error, self.limits))?;
        Ok(Answer { response, limits: self.limits, read: 0 })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("guard", &self.guard).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    response: reqwest::Response,
    limits: Limits,
    read: u64,
}

impl Answer {
    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Its headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next bytes of its body, as they came; nothing at its end.
    ///
    /// # Errors
    /// When there is more than is read, when it took too long, or when it ends in the middle.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Failed> {
        let chunk = self.response.chunk().await.map_err(|error| failed(&error, self.limits))?;
        let limit = self.limits.answer_bytes_max;
        self.read = self.read.saturating_add(chunk.as_ref().map_or(0, |chunk| chunk.len() as u64));
        if self.read > limit { Err(Failed::TooLarge { limit }) } else { Ok(chunk) }
    }

    /// Reads the body to its end, or as far as is read, and lets it go.
    ///
    /// # Errors
    /// When it took too long, or ends in the middle. That there is more is no error.
    pub async fn finish(mut self) -> Result<(), Failed> {
        loop {
            match self.chunk().await {
                Ok(Some(_)) => {}
                Ok(None) | Err(Failed::TooLarge { .. }) => return Ok(()),
                Err(failed) => return Err(failed),
            }
        }
    }
}

fn failed(error: &reqwest::Error, limits: Limits) -> Failed {
    if let Some(refused) = causes(error).find_map(|cause| cause.downcast_ref::<Refused>()) {
        return Failed::Refused(refused.clone());
    }
    match (error.is_timeout(), error.is_connect()) {
        (true, true) => Failed::TimedOut { limit: limits.connect },
        (true, false) => Failed::TimedOut { limit: limits.total },
        (false, true) => Failed::Unreachable { reason: innermost(error) },
        (false, false) => Failed::Broken { reason: innermost(error) },
    }
}

/// The cause of all: the others say where it came up, and the outermost says the URL.
fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map_or_else(|| "the request could not be made".to_owned(), ToString::to_string)
}

/// What is behind an error, from the outside in.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause: &&'e (dyn Error + 'static)| (*cause).source())
}
