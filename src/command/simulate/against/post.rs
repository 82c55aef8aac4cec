//! One request and its answer. Redirects are not followed, no proxy is asked, and everything has its time.

use std::io::ErrorKind;
use std::time::Duration;

use finis_simulator::conclusions::Conclusions;
use ureq::Agent;
use ureq::http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};

use super::super::super::Failure;
use super::target::Target;

/// Bytes of an answer to a delivery that are read: what a receiver says there matters to nobody.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// Bytes of what a receiver concluded.
const CONCLUSIONS_BYTES_MAX: u64 = 256 << 20;
/// An idle connection is not used again after so long, as many receivers close theirs after five seconds.
const IDLE_MAX: Duration = Duration::from_secs(3);

/// How a delivery was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// With this status.
    Status(u16),
    /// Not in time.
    Timeout,
    /// Not at all: there was no connection, or it broke. Why.
    Broken(String),
}

impl Answer {
    /// Whether the provider takes the delivery for handed over.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self, Answer::Status(200..300))
    }
}

/// What posts.
#[derive(Debug)]
pub(super) struct Poster {
    agent: Agent,
}

impl Poster {
    /// With so many connections at once; an answer must be whole within `timeout`.
    pub(super) fn new(connections: usize, timeout: Duration) -> Poster {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(timeout))
            .max_idle_age(IDLE_MAX)
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .user_agent(concat!("finis-simulate/", env!("CARGO_PKG_VERSION")));
        Poster { agent: config.build().into() }
    }

    /// Posts a delivery.
    pub(super) fn post(&self, to: &Target, headers: &[(String, String)], body: &[u8]) -> Answer {
        let mut request = self.agent.post(&to.url).header(HOST, &to.host);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE.as_str())) {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
                return Answer::Broken(format!("the header `{name}` cannot be sent"));
            };
            request = request.header(name, value);
        }
        let answered = request.send(body).map(|mut response| {
            let status = response.status().as_u16();
            // Read, so that the connection can be used again. How it goes on does not change the answer.
            let _ = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
            status
        });
        answered.map_or_else(|error| Answer::of(&error), Answer::Status)
    }

    /// Asks a receiver what it concluded.
    ///
    /// # Errors
    /// When it does not say, or not in the form that is documented.
    pub(super) fn conclusions(&self, at: &Target) -> Result<Conclusions, Failure> {
        let cannot = |problem: String| Failure(format!("--expect {}: {problem}", at.shown));
        let response = self.agent.get(&at.url).header(HOST, &at.host).call();
        let mut response = response.map_err(|error| cannot(error.to_string()))?;
        if response.status().as_u16() != 200 {
            return Err(cannot(format!("it answers {}, and not 200 with what it concluded", response.status())));
        }
        let text = response.body_mut().with_config().limit(CONCLUSIONS_BYTES_MAX).read_to_vec();
        let text = text.map_err(|error| cannot(error.to_string()))?;
        serde_json::from_slice(&text)
            .map_err(|error| cannot(format!("{error}: the form is in docs/simulate.md, \"What a receiver says\"")))
    }

    /// Tells a receiver to forget everything.
    ///
    /// # Errors
    /// When it does not.
    pub(super) fn reset(&self, at: &Target) -> Result<(), Failure> {
        match self.post(at, &[], b"{}") {
            answer if answer.is_taken() => Ok(()),
            answer => Err(Failure(format!("--reset {}: it must answer 2xx, and did {answer}", at.shown))),
        }
    }
}

impl Answer {
    fn of(error: &ureq::Error) -> Answer {
        match error {
            ureq::Error::Timeout(_) => Answer::Timeout,
            ureq::Error::Io(error) if error.kind() == ErrorKind::TimedOut => Answer::Timeout,
            other => Answer::Broken(other.to_string()),
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Answer::Status(status) => write!(f, "{status}"),
            Answer::Timeout => f.write_str("no answer in time"),
            Answer::Broken(why) => write!(f, "no answer ({why})"),
        }
    }
}
