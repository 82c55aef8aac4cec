//! `[webhook.NAME]`: where notices go.

use std::time::Duration;

use finis_engine::parse_span;

use super::hidden::{self, Hidden, Surroundings};
use super::section::Section;

/// Waits between two attempts; more are of no use to anybody.
const ATTEMPTS_MAX: usize = 100;

/// An endpoint, as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookConfig {
    /// What it is called. Its consumer is `webhook:NAME`.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// What notices are signed with: by each of them.
    pub secrets: Vec<Hidden>,
    /// Hosts and networks that may be posted to though they are private.
    pub allow: Vec<String>,
    /// Plain HTTP will do.
    pub allow_http: bool,
    /// Requests at one time.
    pub concurrency: Option<usize>,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// How long to wait before each attempt after the first; the published schedule unless told.
    pub schedule: Option<Vec<Duration>>,
}

pub(super) fn webhook(name: &str, section: &Section<'_, '_>, around: &Surroundings<'_>) -> WebhookConfig {
    let keys = ["secret", "secret_env", "secret_file"];
    if !hidden::is_name(name) {
        section.fault(hidden::NAME_RULE);
    }
    let allow_http = section.flag("allow_http").unwrap_or(false);
    let url = section.text("url");
    match &url {
        Some(at) => {
            if let Err(problem) = check_url(at.value, allow_http) {
                // It may have a secret in it, so it is not repeated.
                section.fault_at(at, problem);
            }
        }
        None if section.has("url") => {}
        None => section.fault("it does not say where notices go: write `url = \"https://…\"`"),
    }
    let missing = || {
        section.fault("there is nothing to sign with: write `secret_env = \"NAME\"` or `secret_file = \"PATH\"`");
    };
    let secrets = hidden::required(hidden::hidden(section, keys, around), hidden::is_told(section, keys), missing);
    let schedule = section.texts("schedule").map(|waits| {
        if waits.is_empty() || waits.len() > ATTEMPTS_MAX {
            section
                .fault(format!("`schedule` has to name from 1 to {ATTEMPTS_MAX} waits, as [\"5s\", \"5m\", \"1h\"]"));
        }
        let mut all = Vec::new();
        for wait in waits {
            match parse_span(wait.value) {
                Ok(span) => all.push(span),
                Err(error) => section.fault_at(&wait, error),
            }
        }
        all
    });
    let config = WebhookConfig {
        name: name.to_owned(),
        url: url.map(|at| at.value.to_owned()).unwrap_or_default(),
        secrets,
        allow: section.texts("allow").unwrap_or_default().into_iter().map(|at| at.value.to_owned()).collect(),
        allow_http,
        concurrency: section.count("concurrency", 1..=1024),
        timeout: section.span("timeout", Duration::from_millis(100)..=Duration::from_secs(300)),
        schedule,
    };
    section.finish();
    config
}

fn check_url(url: &str, allow_http: bool) -> Result<(), &'static str> {
    let uri: http::Uri = url.parse().map_err(|_| "it is no URL: write https://HOST/PATH")?;
    match (uri.scheme_str(), allow_http) {
        (Some("https"), _) | (Some("http"), true) => {}
        (Some("http"), false) => {
            return Err(
                "it is plain HTTP, which everybody on the way can read: write https://, or allow it with `allow_http = true`",
            );
        }
        _ => return Err("it is no URL of HTTP: write https://HOST/PATH"),
    }
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            Err("it has a name or a password in it, which would be shown: leave it out")
        }
        Some(authority) if !authority.host().is_empty() => Ok(()),
        _ => Err("it names no host: write https://HOST/PATH"),
    }
}
