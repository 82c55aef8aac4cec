//! `[webhook.NAME]`: where notices go.

use std::time::Duration;

use finis_engine::{StartAt, parse_span};
use finis_http::outbound::{Allowed, Client, Guard, Limits, Roots, Rules, SetupError};
use finis_http::send::{CONCURRENCY, Endpoint, EndpointError, Signature};
use finis_providers::signature::Secret;

use super::hidden::{self, Hidden, Surroundings};
use super::section::Section;

/// Waits between two tries; more are of no use to anybody.
const DELAYS_MAX: usize = 100;

/// An endpoint, as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookConfig {
    /// What it is called. Its consumer is `webhook:NAME`.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// What notices are signed with: by each of them.
    pub secrets: Vec<Hidden>,
    /// Where it may be although nothing but this says so: hosts and subnets that are private, without TLS, or at
    /// other ports.
    pub allow: Vec<Allowed>,
    /// Where it begins when it is new.
    pub start: StartAt,
    /// Notices that are posted at one time, when not as many as [`Endpoint`] has it.
    pub concurrency: Option<usize>,
    /// How long one try may take, when not as long as [`Limits`] have it.
    pub timeout: Option<Duration>,
    /// How long to wait before each try after the first, when not as [published](finis_http::send::schedule).
    pub schedule: Option<Vec<Duration>>,
}

impl WebhookConfig {
    /// Notices that are posted at one time.
    #[must_use]
    pub fn at_once(&self) -> usize {
        self.concurrency.unwrap_or(CONCURRENCY)
    }

    /// What one try may take.
    #[must_use]
    pub fn one_try(&self) -> Limits {
        let limits = Limits::default();
        let total = self.timeout.unwrap_or(limits.total);
        Limits { total, connect: limits.connect.min(total), ..limits }
    }

    /// The endpoint, and a client that goes nowhere else than it may.
    ///
    /// # Errors
    /// When there cannot be such a client. That its URL and its secrets are fit was seen when the file was read.
    pub fn build(&self, roots: &Roots) -> Result<(Endpoint, Client), WebhookError> {
        let client = Client::new(self.guard(), self.one_try(), roots).map_err(WebhookError::Client)?;
        let secrets = self.secrets();
        let mut endpoint = Endpoint::new(&self.name, &self.url, &secrets, &client).map_err(WebhookError::Endpoint)?;
        endpoint.start = self.start;
        endpoint.concurrency = self.at_once();
        if let Some(schedule) = &self.schedule {
            endpoint.delays.clone_from(schedule);
        }
        Ok((endpoint, client))
    }

    fn guard(&self) -> Guard {
        Guard::new(&Rules { allow: self.allow.clone(), ..Rules::default() })
    }

    fn secrets(&self) -> Vec<Secret> {
        self.secrets.iter().map(|secret| Secret::new(secret.expose())).collect()
    }
}

/// Why notices cannot be sent to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookError {
    /// There is no client.
    Client(SetupError),
    /// It is not fit.
    Endpoint(EndpointError),
}

impl std::fmt::Display for WebhookError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WebhookError::Client(error) => error.fmt(f),
            WebhookError::Endpoint(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for WebhookError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // What they say is said already.
            WebhookError::Client(error) => error.source(),
            WebhookError::Endpoint(error) => error.source(),
        }
    }
}

pub(super) fn webhook(name: &str, section: &Section<'_, '_>, around: &Surroundings<'_>) -> WebhookConfig {
    let keys = ["secret", "secret_env", "secret_file"];
    if !hidden::is_name(name) {
        section.fault(hidden::NAME_RULE);
    }
    let url = section.text("url");
    if url.is_none() && !section.has("url") {
        section.fault("it does not say where notices go: write `url = \"https://…\"`");
    }
    let missing = || {
        section.fault("there is nothing to sign with: write `secret_env = \"NAME\"` or `secret_file = \"PATH\"`");
    };
    let secrets = hidden::required(hidden::hidden(section, keys, around), hidden::is_told(section, keys), missing);
    let config = WebhookConfig {
        name: name.to_owned(),
        url: url.as_ref().map(|at| at.value.to_owned()).unwrap_or_default(),
        secrets,
        allow: allowed(section),
        start: if section.word("start", &["oldest", "now"]) == Some("now") { StartAt::Now } else { StartAt::Oldest },
        concurrency: section.count("concurrency", 1..=1024),
        timeout: section.span("timeout", Duration::from_millis(100)..=Duration::from_secs(300)),
        schedule: schedule(section),
    };
    // Neither says more of the URL than host and port, nor anything of a secret.
    if let Some(at) = url
        && let Err(refused) = config.guard().check(at.value)
    {
        let words = refused.to_string();
        let remedy = if words.contains("allow") { ", as `allow = [\"HOST\"]`" } else { "" };
        section.fault_at(&at, format!("{words}{remedy}"));
    }
    if !config.secrets.is_empty()
        && let Err(error) = Signature::new(&config.secrets())
    {
        section.fault(format!("{error}: secrets of webhooks are base64, as `whsec_…`, as Standard Webhooks have them"));
    }
    section.finish();
    config
}

/// `allow`: places that are private, by name.
pub(super) fn allowed(section: &Section<'_, '_>) -> Vec<Allowed> {
    let mut all = Vec::new();
    for at in section.texts("allow").unwrap_or_default() {
        match at.value.parse() {
            Ok(allowed) => all.push(allowed),
            Err(error) => section.fault_at(&at, error),
        }
    }
    all
}

fn schedule(section: &Section<'_, '_>) -> Option<Vec<Duration>> {
    let waits = section.texts("schedule")?;
    if waits.is_empty() || waits.len() > DELAYS_MAX {
        section.fault(format!("`schedule` has to name from 1 to {DELAYS_MAX} waits, as [\"5s\", \"5m\", \"1h\"]"));
    }
    let mut all = Vec::new();
    for wait in waits {
        match parse_span(wait.value) {
            Ok(span) => all.push(span),
            Err(error) => section.fault_at(&wait, error),
        }
    }
    Some(all)
}
