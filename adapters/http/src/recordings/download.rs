//! Where bytes come from.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use finis_engine::Timestamp;
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::decide::Obstacle;
use crate::outbound::{Answer, Client, Failed};
use crate::send::retry_after;

/// The longest that nothing comes in the middle of a file.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Fetches what is at an address. A [`Client`] does, within its limits and where its guard lets it go.
pub trait Download: Send + Sync + 'static {
    /// What it is read from.
    type Body: Body;

    /// Asks for what is there. Whoever answers is told nothing but the address; `now` is for what it says of
    /// times.
    ///
    /// # Errors
    /// When there is nothing to be read.
    fn open(&self, url: &str, now: Timestamp) -> impl Future<Output = Result<(Head, Self::Body), Obstacle>> + Send;
}

/// A file that comes.
pub trait Body: Send {
    /// The next bytes of it; nothing at its end.
    ///
    /// # Errors
    /// When it ends in the middle, or is more than may come.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, Obstacle>> + Send;
}

/// What is said before a file comes.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// Headers of the answer.
    pub headers: HeaderMap,
}

impl Head {
    /// How many bytes are promised.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }
}

impl Download for Client {
    type Body = Answer;

    async fn open(&self, url: &str, now: Timestamp) -> Result<(Head, Answer), Obstacle> {
        let mut headers = HeaderMap::new();
        // What counts is the bytes of the file.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let answer = self.get(url, headers).await.map_err(|failed| obstacle(&failed))?;
        let status = answer.status();
        if status == StatusCode::OK {
            return Ok((Head { headers: answer.headers().clone() }, answer));
        }
        let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let why = if status.is_redirection() { ", and redirects are not followed" } else { "" };
        Err(Obstacle::NotYet {
            reason: format!("answered {status}{why}"),
            retry_after: asked.and_then(|value| retry_after(value, now)),
        })
    }
}

impl Body for Answer {
    async fn next(&mut self) -> Result<Option<Bytes>, Obstacle> {
        match tokio::time::timeout(SILENCE_MAX, self.chunk()).await {
            Ok(chunk) => chunk.map_err(|failed| obstacle(&failed)),
            Err(_) => Err(Obstacle::not_yet(format!("nothing came for {} s", SILENCE_MAX.as_secs()))),
        }
    }
}

fn obstacle(failed: &Failed) -> Obstacle {
    let reason = failed.to_string();
    match failed {
        Failed::Refused(_) | Failed::TooLarge { .. } => Obstacle::Never { reason },
        _ => Obstacle::not_yet(reason),
    }
}
