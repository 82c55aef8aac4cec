//! Where notices go.

use std::fmt;
use std::time::Duration;

use finis_engine::{Policy, Schedule, StartAt};
use finis_providers::signature::{Secret, SetupError};

use super::schedule::PUBLISHED;
use super::sign::Signature;
use crate::outbound::{Client, Refused};

/// What waits so long for its next try is remembered in the log.
const ASIDE_AFTER: Duration = Duration::from_secs(60);

/// Bytes that the name of an endpoint may have.
const NAME_BYTES_MAX: usize = 64;

/// Notices that are posted to an endpoint at the same time, unless set.
pub const CONCURRENCY: usize = 8;

/// An endpoint, and how notices are sent to it. What cannot work is refused when it is made, and not at the
/// first notice.
#[derive(Debug)]
pub struct Endpoint {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) signature: Signature,
    /// Where one begins that is new. With the oldest notice, unless set.
    pub start: StartAt,
    /// Notices that are posted at the same time, each of another session. [`CONCURRENCY`] unless set; 0 counts as 1.
    pub concurrency: usize,
    /// How long to wait after the first try that failed, after the second, and so on. [`PUBLISHED`] unless set.
    pub delays: Vec<Duration>,
    /// Notices that may wait for a late try or be dead letters. With so many, what fails is tried again and
    /// again, and nothing else goes out when enough has failed. 10,000 unless set.
    pub parked_max: usize,
}

/// Why an endpoint cannot be sent to. Names no secret, and of its URL the host alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointError {
    /// Its name is empty, too long, or has other characters than letters, digits, `-`, `_` and `.`.
    Name {
        /// What was given.
        name: String,
    },
    /// Its URL is refused.
    Url(Refused),
    /// Its secrets are none.
    Secrets(SetupError),
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EndpointError::Name { name } => write!(
                f,
                "`{}` cannot be the name of an endpoint: use up to {NAME_BYTES_MAX} of a-z, A-Z, 0-9, `-`, `_` and `.`",
                name.escape_debug()
            ),
            EndpointError::Url(_) => f.write_str("its URL cannot be sent to"),
            EndpointError::Secrets(_) => f.write_str("it cannot be signed for"),
        }
    }
}

impl std::error::Error for EndpointError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            EndpointError::Name { .. } => None,
            EndpointError::Url(refused) => Some(refused),
            EndpointError::Secrets(error) => Some(error),
        }
    }
}

/// The consumer that an endpoint of this name is.
#[must_use]
pub fn consumer_name(endpoint: &str) -> String {
    format!("webhook:{endpoint}")
}

impl Endpoint {
    /// An endpoint of this name, at a URL that `client` may post to, which verifies with one of these secrets.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn new(name: &str, url: &str, secrets: &[Secret], client: &Client) -> Result<Endpoint, EndpointError> {
        let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(is_fit) {
            return Err(EndpointError::Name { name: name.chars().take(NAME_BYTES_MAX).collect() });
        }
        client.check(url).map_err(EndpointError::Url)?;
        let signature = Signature::new(secrets).map_err(EndpointError::Secrets)?;
        Ok(Endpoint {
            name: name.to_owned(),
            url: url.to_owned(),
            signature,
            start: StartAt::Oldest,
            concurrency: CONCURRENCY,
            delays: PUBLISHED.to_vec(),
            parked_max: 10_000,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The consumer that it is.
    #[must_use]
    pub fn consumer(&self) -> String {
        consumer_name(&self.name)
    }

    /// How notices are handed over to it.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            start: self.start,
            at_once_max: self.concurrency,
            tries_max: u32::try_from(self.delays.len()).unwrap_or(u32::MAX).saturating_add(1),
            schedule: Schedule::Delays(self.delays.clone().into()),
            aside_after: Some(ASIDE_AFTER),
            parked_max: self.parked_max,
            ..Policy::default()
        }
    }
}
