//! Which store, looked into or filled: what the commands on stores share.

use std::future::Future;
use std::path::PathBuf;

use clap::Args;
use finis::engine::log::SourceSettings;
use finis::engine::{Clock as _, Source, Timestamp};
use finis::live::{StoreOpenError, StoreSettings, SystemClock};
use finis::providers::Catalogue;
use finis::store::{EmbeddedLog, Holder, Look, LookError, SnapshotError, remembered_source};

use super::words::{bad, count, shown};
use super::{Failure, warn};

/// Which store.
#[derive(Args)]
pub(crate) struct StoreArgs {
    /// Folder of the store
    #[arg(long, value_name = "DIR", env = "FINIS_STORE", default_value = "finis.db", hide_env_values = true)]
    pub(crate) store: PathBuf,
}

/// Which store, and the contracts to read it under.
#[derive(Args)]
pub(crate) struct ReadArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,

    /// Folder of contracts of your own, as TOML files; they come before those of finis
    #[arg(long, value_name = "DIR")]
    contracts: Option<PathBuf>,
}

impl StoreArgs {
    pub(crate) fn name(&self) -> String {
        shown(&self.store.display().to_string())
    }

    /// Looks into the store, without a lock and without a trace, and says what there is to know of that.
    pub(crate) async fn look(&self, catalogue: &Catalogue) -> Result<Look, Failure> {
        let look = self.look_anew(catalogue).await?;
        for (settings, today) in look.other_versions() {
            let SourceSettings { name, provider, version, .. } = settings;
            warn(&format!(
                "`{}` was last read under {provider} {version}; here it is {today}: records may differ",
                shown(name)
            ));
        }
        Ok(look)
    }

    /// The same, by whoever expects other contracts than those that the store last used.
    pub(crate) async fn look_anew(&self, catalogue: &Catalogue) -> Result<Look, Failure> {
        let look = Look::open(&self.store, catalogue).await.map_err(|error| self.why_no_look(&error))?;
        let name = self.name();
        if let Some(holder) = Holder::of(&self.store) {
            warn(&format!("{holder} has the store `{name}`: it is read from its journal alone, as it is now"));
        }
        if let Some(first) = look.log().damage().first() {
            let places = count(look.log().damage().len() as u64, "place");
            warn(&format!(
                "{} the journal is damaged in {places}, and what was lost there is not shown; the first: {first}",
                bad("Damaged:")
            ));
        }
        Ok(look)
    }

    fn why_no_look(&self, error: &LookError) -> Failure {
        match error {
            LookError::Store(store) if matches!(**store, SnapshotError::NotThere { .. }) => self.not_there(),
            error => Failure::from(error.clone()),
        }
    }

    pub(crate) fn not_there(&self) -> Failure {
        Failure(format!("there is no store at `{}`: name it with --store DIR, or with FINIS_STORE", self.name()))
    }

    /// Whether there is a store in the folder, or the beginning of one.
    pub(crate) fn is_there(&self) -> bool {
        self.store.join("journal").is_dir()
    }

    /// Opens the store to write to it; nobody else has it then. It is made when it is not there, and that is wanted.
    pub(crate) fn open(&self, make: bool) -> Result<EmbeddedLog, Failure> {
        if !make && !self.is_there() {
            return Err(self.not_there());
        }
        let (log, report) =
            EmbeddedLog::open(&self.store, &StoreSettings::default()).map_err(|error| self.why_not_open(error))?;
        if !report.journal.damage.is_empty() {
            warn(&format!("{} {report}", bad("Damaged:")));
        }
        Ok(log)
    }
}

impl StoreArgs {
    /// Why it cannot be written to.
    pub(crate) fn why_not_open(&self, error: StoreOpenError) -> Failure {
        match error {
            StoreOpenError::Held { pid, .. } => {
                let (name, holder) = (self.name(), Holder { pid });
                Failure(format!(
                    "cannot open the store at `{name}`: held by {holder}; stop it, or give another --store"
                ))
            }
            error => Failure::from(error),
        }
    }
}

impl ReadArgs {
    pub(crate) fn catalogue(&self) -> Result<Catalogue, Failure> {
        let mut catalogue = Catalogue::shipped();
        if let Some(folder) = &self.contracts {
            catalogue.add_folder(folder)?;
        }
        Ok(catalogue)
    }

    /// Whether it is to be read under contracts that a server may not have.
    pub(crate) fn brings_contracts(&self) -> bool {
        self.contracts.is_some()
    }

    /// As [`StoreArgs::look`].
    pub(crate) async fn look(&self) -> Result<Look, Failure> {
        self.store.look(&self.catalogue()?).await
    }
}

/// The sources that a store remembers and that there are contracts of. Others are left as they are.
pub(crate) fn known_sources(settings: &[SourceSettings], catalogue: &Catalogue) -> Vec<Source> {
    settings.iter().filter_map(|settings| remembered_source(settings, catalogue).ok()).collect()
}

/// The time that the system says it is.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// Runs what waits for a log or for time.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure(format!("cannot begin: {error}")))?.block_on(work)
}

/// Checks that a source which was named is one of the store.
pub(crate) fn check_source(look: &Look, source: Option<&str>) -> Result<(), Failure> {
    check_name(look.settings(), source)
}

/// As [`check_source`], with what a store remembers of its sources.
pub(crate) fn check_name(settings: &[SourceSettings], source: Option<&str>) -> Result<(), Failure> {
    check_option(settings, &format!("--source {}", source.unwrap_or_default()), source)
}

/// As [`check_name`], of a source that is named in an option: as this one was given.
pub(crate) fn check_option(settings: &[SourceSettings], option: &str, source: Option<&str>) -> Result<(), Failure> {
    if source.is_none_or(|name| settings.iter().any(|known| known.name == name)) {
        return Ok(());
    }
    let known: Vec<String> = settings.iter().map(|settings| settings.name.clone()).collect();
    Err(no_source(option, &known))
}

/// No source of a store is called as an option says, but these.
pub(crate) fn no_source(option: &str, known: &[String]) -> Failure {
    let known = if known.is_empty() { "it has none".to_owned() } else { format!("there are {}", known.join(", ")) };
    Failure(format!("{option}: no source of the store is called so: {known}"))
}
