//! `[source.NAME]`: where deliveries come from.

use std::path::PathBuf;
use std::time::Duration;

use finis_http::outbound::Allowed;
use finis_providers::Catalogue;
use finis_providers::signature::Secret;

use super::LONGEST;
use super::hidden::{self, Hidden, Surroundings};
use super::section::{Section, nearest};
use crate::live::{SourceError, SourceSetup};

/// A source, as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConfig {
    /// What it is called: the last part of the path that is posted to.
    pub name: String,
    /// Whose contract it is read under.
    pub provider: String,
    /// Secrets of which any will do.
    pub secrets: Vec<Hidden>,
    /// The header with the signature or the secret, where the provider leaves it to the user.
    pub header: Option<String>,
    /// How far a signed time may be off.
    pub tolerance: Option<Duration>,
    /// Nothing proves what comes.
    pub unsigned: bool,
    /// The kinds that are sent here, when not all.
    pub subscribe: Option<Vec<String>>,
    /// How long to wait, after the end of a session, for what is missing.
    pub grace: Option<Duration>,
    /// How long to wait, after the last event of a session, for its end.
    pub stall: Option<Duration>,
    /// Where its recordings are kept; nowhere unless told.
    pub recordings: Option<Recordings>,
}

/// Where recordings are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recordings {
    /// The folder.
    pub folder: PathBuf,
    /// Bytes of the longest.
    pub bytes_max: Option<usize>,
    /// Hosts and networks that may be fetched from though they are private.
    pub allow: Vec<Allowed>,
}

impl SourceConfig {
    /// The source that is to be.
    #[must_use]
    pub fn setup(&self) -> SourceSetup {
        let mut setup = SourceSetup::new(&self.name, &self.provider);
        for secret in &self.secrets {
            setup = setup.secret(Secret::new(secret.expose()));
        }
        if let Some(header) = &self.header {
            setup = setup.header(header);
        }
        if let Some(tolerance) = self.tolerance {
            setup = setup.tolerance(tolerance);
        }
        if let Some(kinds) = &self.subscribe {
            setup = setup.subscribe(kinds.iter().map(String::as_str));
        }
        if let Some(grace) = self.grace {
            setup = setup.grace(grace);
        }
        if let Some(stall) = self.stall {
            setup = setup.stall(stall);
        }
        if self.unsigned { setup.unsigned() } else { setup }
    }
}

pub(super) fn source(
    name: &str,
    section: &Section<'_, '_>,
    catalogue: &Catalogue,
    around: &Surroundings<'_>,
) -> Option<SourceConfig> {
    let keys = ["secret", "secret_env", "secret_file"];
    if !hidden::is_name(name) {
        section.fault(format!("it is part of a path: {}", hidden::NAME_RULE));
    }
    let provider = section.text("provider");
    let secrets_before = section.faults();
    let secrets = hidden::hidden(section, keys, around);
    let are_secrets_read = section.faults() == secrets_before;
    let subscribe = section.texts("subscribe");
    let config = SourceConfig {
        name: name.to_owned(),
        provider: provider.as_ref().map(|at| at.value.to_owned()).unwrap_or_default(),
        secrets,
        header: section.text("header").map(|at| at.value.to_owned()),
        tolerance: section.span("tolerance", Duration::from_secs(1)..=Duration::from_secs(7 * 86_400)),
        unsigned: section.flag("unsigned").unwrap_or(false),
        subscribe: subscribe.map(|kinds| kinds.into_iter().map(|kind| kind.value.to_owned()).collect()),
        grace: section.span("grace", Duration::ZERO..=LONGEST),
        stall: section.span("stall", Duration::from_secs(1)..=LONGEST),
        recordings: section.section("recordings").and_then(|section| recordings(&section, around)),
    };
    let Some(provider) = provider else {
        if !section.has("provider") {
            section.fault(format!(
                "it does not say whose contract it is read under: write `provider = \"pathors\"`; there are {}",
                catalogue.names()
            ));
        }
        section.finish();
        return None;
    };
    if config.subscribe.as_ref().is_some_and(Vec::is_empty) {
        section.fault("`subscribe` is empty, so nothing could ever end a session: name kinds, or leave it out for all");
    }
    match config.setup().build(catalogue).err() {
        Some(SourceError::UnknownProvider { provider: wrong, known, .. }) => {
            let names: Vec<&str> = catalogue.iter().map(finis_engine::Contract::provider).collect();
            let remedy = nearest(&wrong, &names)
                .map_or_else(|| format!("there are {known}"), |near| format!("did you mean `{near}`?"));
            section.fault_at(&provider, format!("no contract is called `{wrong}`: {remedy}"));
        }
        Some(SourceError::Signature { error, .. }) if are_secrets_read => section.fault(remedied(&error.to_string())),
        Some(SourceError::Subscription { error, .. }) => section.fault(format!("`subscribe`: {error}")),
        // What is wrong with a secret that could not be read has been said.
        Some(SourceError::Signature { .. }) | None => {}
    }
    section.finish();
    Some(config)
}

/// The words of a fault, with how a secret is given here.
fn remedied(words: &str) -> String {
    words.replacen("give one,", "give one by `secret_env = \"NAME\"` or `secret_file = \"PATH\"`,", 1)
}

fn recordings(section: &Section<'_, '_>, around: &Surroundings<'_>) -> Option<Recordings> {
    let folder = section.text("folder").map(|at| around.path(at.value));
    if folder.is_none() && !section.has("folder") {
        section.fault("it does not say where they are kept: write `folder = \"recordings\"`");
    }
    let bytes_max = section.size("bytes_max", 1 << 10..=1 << 40);
    let allow = super::webhook::allowed(section);
    section.finish();
    Some(Recordings { folder: folder?, bytes_max, allow })
}
