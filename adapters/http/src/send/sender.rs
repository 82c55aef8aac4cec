//! The one who posts.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use finis_engine::{Clock, DeliverError, Engine, Failure, Handler, Handover, Placed, Then, Timestamp, Worker};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::decide::{Answered, Decision, decide, retry_after};
use super::endpoint::Endpoint;
use super::tally::Tally;
use crate::outbound::{Client, Failed};

/// Chance, from 0 to 1, anew at each call.
pub type Chance = Arc<dyn Fn() -> f64 + Send + Sync>;

/// Posts notices to one endpoint.
pub struct Sender {
    endpoint: Endpoint,
    client: Client,
    clock: Arc<dyn Clock>,
    chance: Chance,
    tally: Arc<Tally>,
}

/// Why an endpoint did not take a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    seq: u64,
    id: String,
    reason: String,
    answered: Answered,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// Sends notices to an endpoint from here on: whatever it has not taken. Nothing goes out until somebody runs the
/// worker. What is counted is in the tally.
///
/// # Errors
/// When somebody sends to that endpoint already, or the log does not answer.
pub async fn deliver(
    engine: &Engine,
    endpoint: Endpoint,
    client: Client,
    clock: Arc<dyn Clock>,
) -> Result<(Handover, Worker<Sender>, Arc<Tally>), DeliverError> {
    let (consumer, policy) = (endpoint.consumer(), endpoint.policy());
    let sender = Sender::new(endpoint, client, clock, Arc::new(fastrand::f64));
    let tally = sender.tally();
    let (handover, worker) = engine.deliver(&consumer, policy, sender).await?;
    Ok((handover, worker, tally))
}

impl Sender {
    /// One that posts to an endpoint. `clock` is what signatures tell the time by, `chance` what spreads tries.
    #[must_use]
    pub fn new(endpoint: Endpoint, client: Client, clock: Arc<dyn Clock>, chance: Chance) -> Sender {
        Sender { endpoint, client, clock, chance, tally: Arc::default() }
    }

    /// How it goes, in numbers.
    #[must_use]
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// Posts once. `Ok` is a whole answer that says yes.
    async fn post(&self, id: &str, body: String) -> Result<(), (String, Answered)> {
        let headers = self.headers(id, body.as_bytes()).map_err(|reason| (reason, Answered::Nothing))?;
        let nothing = |failed: &Failed| (failed.to_string(), Answered::Nothing);
        let answer = self.client.post(&self.endpoint.url, headers, Bytes::from(body)).await;
        let answer = answer.map_err(|failed| nothing(&failed))?;
        let status = answer.status();
        if status.is_success() {
            // Who resets the connection after its status has perhaps not done what it says.
            return answer.finish().await.map_err(|failed| nothing(&failed));
        }
        let value = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = value.and_then(|value| retry_after(value, self.clock.now()));
        let why = if status.is_redirection() { ", and redirects are not followed" } else { "" };
        let reason = format!("answered {status}{why}");
        // Only so that the connection can be used again.
        let _ = answer.finish().await;
        Err((reason, Answered::Status { status, retry_after }))
    }

    fn headers(&self, id: &str, body: &[u8]) -> Result<HeaderMap, String> {
        let signed = self.endpoint.signature.headers(id, body, self.clock.now()).map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::with_capacity(signed.len() + 1);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in signed {
            // An id, a number and base64 can stand in a header.
            let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
            headers.insert(name, HeaderValue::try_from(value).map_err(|error| error.to_string())?);
        }
        Ok(headers)
    }
}

impl Handler for Sender {
    type Error = Rejected;

    async fn handle(&self, placed: Placed) -> Result<(), Rejected> {
        let id = placed.notice.id.to_string();
        self.tally.posted();
        let posted = self.post(&id, placed.to_json()).await;
        posted.map_err(|(reason, answered)| Rejected { seq: placed.seq, id, reason, answered })?;
        self.tally.taken();
        Ok(())
    }

    fn failed(&self, rejected: Rejected, tries: u32, now: Timestamp) -> Failure {
        let Rejected { seq, id, reason, answered } = rejected;
        let (endpoint, jitter) = (self.endpoint.name(), (self.chance)());
        let told = format!("{reason} (try {tries}, at {now})");
        let then = match decide(tries, answered, now, jitter, &self.endpoint.delays) {
            // Whoever took it did not fail.
            Decision::Taken => Then::Schedule,
            Decision::Again(at) => {
                self.tally.again();
                tracing::warn!(endpoint, seq, id, tries, again = %at, "a webhook was not taken: {reason}");
                Then::At(at)
            }
            Decision::Pause(until) => {
                self.tally.again();
                tracing::warn!(endpoint, seq, id, tries, %until, "the endpoint asks to be left alone: {reason}");
                Then::Pause(until)
            }
            Decision::Dead => {
                self.tally.dead();
                tracing::error!(endpoint, seq, id, tries, "a webhook was given up, and is a dead letter: {reason}");
                Then::Park
            }
            Decision::Closed => {
                self.tally.closed();
                tracing::error!(
                    endpoint,
                    seq,
                    id,
                    "the endpoint is gone, and closed: nothing more is sent until this notice is sent again or skipped"
                );
                Then::Close
            }
        };
        Failure::new(told, then)
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("endpoint", &self.endpoint.name).finish_non_exhaustive()
    }
}
