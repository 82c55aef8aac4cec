//! `[source.NAME]`: where deliveries come from.

use std::path::PathBuf;
use std::time::Duration;

use finis_http::outbound::{Allowed, Client, Guard, Limits, Roots, Rules, SetupError};
use finis_providers::Catalogue;
use finis_providers::signature::Secret;

use super::LONGEST;
use super::hidden::{self, Hidden, Surroundings};
use super::section::{Section, nearest};
use crate::live::{SourceError, SourceSetup};

/// Bytes of the longest recording, unless told: hours of a call.
const BYTES_MAX: usize = 256 << 20;

/// How long one try to fetch a recording may take, unless told.
const TIME_MAX: Duration = Duration::from_secs(5 * 60);

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
    /// How its recordings are kept; not at all unless told.
    pub recordings: Option<Recordings>,
}

/// How recordings are fetched and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recordings {
    /// The folder, when it is not that of the store.
    pub folder: Option<PathBuf>,
    /// Bytes of the longest, when not 256 MiB.
    pub bytes_max: Option<usize>,
    /// How long one try may take, when not 5 minutes.
    pub time_max: Option<Duration>,
    /// For how long they are kept, when they are not only to go with their session.
    pub keep: Option<Duration>,
    /// Hosts and networks that may be fetched from though they are private.
    pub allow: Vec<Allowed>,
}

impl Recordings {
    /// Bytes of the longest.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        self.bytes_max.unwrap_or(BYTES_MAX) as u64
    }

    /// How long one try may take.
    #[must_use]
    pub fn time_max(&self) -> Duration {
        self.time_max.unwrap_or(TIME_MAX)
    }

    /// What fetches them, and goes nowhere else than it may.
    ///
    /// # Errors
    /// When there cannot be such a client.
    pub fn client(&self, roots: &Roots) -> Result<Client, SetupError> {
        let guard = Guard::new(&Rules { allow: self.allow.clone(), ..Rules::default() });
        let limits = Limits { total: self.time_max(), answer_bytes_max: self.bytes_max(), ..Limits::default() };
        let limits = Limits { connect: limits.connect.min(limits.total), ..limits };
        Client::new(guard, limits, roots)
    }
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
        recordings: section.section("recordings").map(|section| recordings(&section, around)),
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

fn recordings(section: &Section<'_, '_>, around: &Surroundings<'_>) -> Recordings {
    let told = Recordings {
        folder: section.text("folder").map(|at| around.path(at.value)),
        bytes_max: section.size("bytes_max", 1 << 10..=1 << 40),
        time_max: section.span("time_max", Duration::from_secs(1)..=Duration::from_secs(60 * 60)),
        keep: section.span("keep", Duration::from_secs(60 * 60)..=LONGEST),
        allow: super::webhook::allowed(section),
    };
    section.finish();
    told
}
