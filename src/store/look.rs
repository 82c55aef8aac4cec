//! What is in a store, as of the latest time that it knows.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use finis_store::{Snapshot, SnapshotError};

use crate::engine::contract::UnknownKind;
use crate::engine::live::SessionKey;
use crate::engine::log::{LogError, LogRead, SourceSettings};
use crate::engine::{Source, Terms, Timestamp, Unverified, Viewed};
use crate::providers::Catalogue;
use crate::reconcile::Plan;

/// A store, read from its journal alone.
pub struct Look {
    snapshot: Snapshot,
    sources: BTreeMap<String, Result<Source, LookError>>,
    settings: Vec<SourceSettings>,
    as_of: Timestamp,
}

/// Why a store cannot be looked into.
#[derive(Clone, Debug)]
pub enum LookError {
    /// There is none, or its journal cannot be read.
    Store(Arc<SnapshotError>),
    /// What was asked for cannot be read.
    Log(LogError),
    /// There is no contract for one of its sources.
    NoContract {
        /// The source.
        source: String,
        /// Its provider.
        provider: String,
        /// What there is.
        known: String,
    },
    /// A source is subscribed to a kind that the contract does not have.
    Subscription {
        /// The source.
        source: String,
        /// Which kind, and what there is.
        error: UnknownKind,
    },
    /// The store does not say what a source is read under.
    NoSettings {
        /// The source.
        source: String,
    },
}

/// What of its terms a source keeps as a store remembers them; the rest is as the contract has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptTerms {
    /// The kinds that it is sent; if not kept, all.
    pub subscription: bool,
    /// Grace and stall.
    pub deadlines: bool,
}

/// What a source is read under, of what a store remembers of it.
///
/// # Errors
/// When the catalogue has no contract for it, or one without a kind that it is subscribed to.
pub fn remembered_plan(settings: &SourceSettings, catalogue: &Catalogue, kept: KeptTerms) -> Result<Plan, LookError> {
    let source = || settings.name.clone();
    let contract = catalogue.get(&settings.provider).ok_or_else(|| LookError::NoContract {
        source: source(),
        provider: settings.provider.clone(),
        known: catalogue.names(),
    })?;
    let subscription = settings.subscription.clone().filter(|_| kept.subscription);
    let settings = SourceSettings { subscription, ..settings.clone() };
    let terms = if kept.deadlines {
        settings.terms(contract)
    } else {
        let mut terms = Terms::new(contract);
        let kinds = settings.subscription.iter().map(|kinds| kinds.iter().map(String::as_str));
        let subscribed: Result<(), UnknownKind> =
            kinds.into_iter().try_for_each(|kinds| terms.subscribe(contract, kinds));
        subscribed.map(|()| terms)
    };
    let terms = terms.map_err(|error| LookError::Subscription { source: source(), error })?;
    Ok(Plan { contract: Arc::new(contract.clone()), terms })
}

/// The source of what a store remembers of it. Nobody is verified: it takes no deliveries.
///
/// # Errors
/// As those of [`remembered_plan`].
pub fn remembered_source(settings: &SourceSettings, catalogue: &Catalogue) -> Result<Source, LookError> {
    let all = KeptTerms { subscription: true, deadlines: true };
    let Plan { contract, terms } = remembered_plan(settings, catalogue, all)?;
    Ok(Source { name: settings.name.clone(), contract, terms, verify: Box::new(Unverified) })
}

impl Look {
    /// Looks into the store in a folder.
    ///
    /// # Errors
    /// When there is none, or its journal cannot be read.
    pub async fn open(folder: &Path, catalogue: &Catalogue) -> Result<Look, LookError> {
        let snapshot = Snapshot::open(folder)?;
        let settings = snapshot.sources().await?;
        let source = |settings: &SourceSettings| (settings.name.clone(), remembered_source(settings, catalogue));
        let sources = settings.iter().map(source).collect();
        let as_of = snapshot.latest().await?.unwrap_or(Timestamp::MIN);
        Ok(Look { snapshot, sources, settings, as_of })
    }

    /// The log that it reads.
    #[must_use]
    pub fn log(&self) -> &Snapshot {
        &self.snapshot
    }

    /// What its sources are read under, by name.
    #[must_use]
    pub fn settings(&self) -> &[SourceSettings] {
        &self.settings
    }

    /// The latest time that the store knows: records are judged at it.
    #[must_use]
    pub fn as_of(&self) -> Timestamp {
        self.as_of
    }

    /// Sources whose contract is of another version than what the store last used, with that of today.
    pub fn other_versions(&self) -> impl Iterator<Item = (&SourceSettings, &str)> {
        self.settings.iter().filter_map(|settings| {
            let source = self.sources.get(&settings.name)?.as_ref().ok()?;
            (source.contract.version() != settings.version).then(|| (settings, source.contract.version()))
        })
    }

    /// Reads on: what came since.
    ///
    /// # Errors
    /// When the journal cannot be read any more.
    pub fn refresh(&mut self) -> Result<(), LookError> {
        Ok(self.snapshot.refresh()?)
    }

    /// Sessions after this key, in order, up to so many: of one source, or of all.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn sessions(
        &self,
        source: Option<&str>,
        after: Option<&SessionKey>,
        limit: usize,
    ) -> Result<Vec<SessionKey>, LookError> {
        // Before all keys of a source, since no subject has an empty name.
        let first = source.map(|name| SessionKey::new(name, "", ""));
        let mut keys = self.snapshot.sessions(after.or(first.as_ref()), limit).await?;
        keys.retain(|key| source.is_none_or(|source| key.source() == source));
        Ok(keys)
    }

    /// Sessions and other subjects with this id: of one source, or of all.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn find(&self, id: &str, source: Option<&str>) -> Result<Vec<SessionKey>, LookError> {
        let mut keys = self.sessions(source, None, usize::MAX).await?;
        keys.retain(|key| key.id() == id);
        Ok(keys)
    }

    /// A session as of now.
    ///
    /// # Errors
    /// When it cannot be read, or there is no contract to read it under.
    pub async fn session(&self, key: &SessionKey) -> Result<Viewed<'_>, LookError> {
        let no_settings = || LookError::NoSettings { source: key.source().to_owned() };
        let source = self.sources.get(key.source()).ok_or_else(no_settings)?.as_ref().map_err(LookError::clone)?;
        let no_contract = || LookError::NoContract {
            source: key.source().to_owned(),
            provider: format!("{} with a subject `{}`", source.contract.provider(), key.subject()),
            known: source.contract.provider().to_owned(),
        };
        let stored = self.snapshot.load(std::slice::from_ref(key)).await?.pop().unwrap_or_default();
        source.view(key, stored, self.as_of).ok_or_else(no_contract)
    }
}

impl From<SnapshotError> for LookError {
    fn from(error: SnapshotError) -> LookError {
        LookError::Store(Arc::new(error))
    }
}

impl From<LogError> for LookError {
    fn from(error: LogError) -> LookError {
        LookError::Log(error)
    }
}

impl fmt::Display for LookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LookError::Store(error) => error.fmt(f),
            LookError::Log(error) => error.fmt(f),
            LookError::NoContract { source, provider, known } => write!(
                f,
                "the source `{source}` is of `{provider}`, and no contract is called so: there are {known}; bring your own with --contracts DIR"
            ),
            LookError::Subscription { source, error } => {
                write!(
                    f,
                    "the source `{source}`: {error}; bring the contract that it was used with, with --contracts DIR"
                )
            }
            LookError::NoSettings { source } => write!(
                f,
                "the store does not say of which provider the source `{source}` is: open it once with that source set up"
            ),
        }
    }
}

impl std::error::Error for LookError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LookError::Store(error) => std::error::Error::source(&**error),
            _ => None,
        }
    }
}
