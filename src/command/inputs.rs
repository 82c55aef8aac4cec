//! Which exports, of which provider, on which terms: what `reconcile` and `verify` share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use clap::Args;
use finis::engine::log::SourceSettings;
use finis::engine::{Contract, Pointer, Timestamp, parse_span};
use finis::files::{Export, LINE_BYTES_MAX};
use finis::providers::Catalogue;
use finis::reconcile::{Look, Plan, Reconciliation, Sinks, Sources, StoreHeader, look};

use super::{Failure, warn};

/// Bytes of each export that are looked at to know its provider.
const HEAD_BYTES: usize = 256 << 10;

#[derive(Args)]
pub(crate) struct Inputs {
    /// Provider of the exports, as `pathors`; known by their look when left out
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,

    /// Source of lines that name none; or, as NAME=PROVIDER and any number of times, what each source is
    #[arg(long, value_name = "NAME[=PROVIDER]")]
    source: Vec<String>,

    /// Folder of contracts of your own, as TOML files; they come before those of finis
    #[arg(long, value_name = "DIR")]
    contracts: Option<PathBuf>,

    /// Where the payload stands in each line, as /request/body; `received_at`, `source` and `headers` at the top count as in a delivery
    #[arg(long, value_name = "PATH", value_parser = Pointer::parse)]
    body_at: Option<Pointer>,

    #[command(flatten)]
    terms: TermArgs,
}

/// What sources have settled on with their providers, where it is told.
#[derive(Args)]
pub(crate) struct TermArgs {
    /// Kinds that are sent to you, separated by commas; all unless told
    #[arg(long, value_name = "[SOURCE=]KINDS")]
    pub(crate) subscribe: Vec<String>,

    /// How long to wait after the end of a session for what is missing, as 90s or 2m; of campaigns and the like the contract says it
    #[arg(long, value_name = "[SOURCE=]TIME")]
    pub(crate) grace: Vec<String>,

    /// How long to wait after the last event of a session for its end, as 1h; of campaigns and the like the contract says it
    #[arg(long, value_name = "[SOURCE=]TIME")]
    pub(crate) stall: Vec<String>,
}

/// How many at once.
#[derive(Args)]
pub(crate) struct Threads {
    /// Threads to use; as many as there are processors unless told
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

impl Threads {
    pub(crate) fn count(&self) -> usize {
        self.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
    }
}

/// What is to be folded, made from a command line.
pub(crate) struct Prepared {
    pub(crate) reconciliation: Reconciliation,
    pub(crate) sinks: Sinks,
    /// How the provider was found, when nobody said it.
    pub(crate) taken: Option<Look>,
    /// The time to judge at that exports of stores say, when there are any.
    pub(crate) exported: Option<Exported>,
    /// Contracts, those of the user among them.
    pub(crate) catalogue: Catalogue,
}

/// What exports of stores say of the time to judge at.
#[derive(Clone, Copy)]
pub(crate) struct Exported {
    /// The latest of what they say.
    pub(crate) as_of: Timestamp,
    /// There are no other exports.
    pub(crate) is_all: bool,
}

/// The first lines of an export.
struct Head {
    name: String,
    bytes: Vec<u8>,
    header: Option<StoreHeader>,
}

impl Inputs {
    pub(crate) fn prepare(self, exports: Vec<PathBuf>, threads: &Threads) -> Result<Prepared, Failure> {
        let mut prepared = self.prepare_with(exports, &[])?;
        prepared.reconciliation.threads = threads.count();
        Ok(prepared)
    }

    /// As [`Inputs::prepare`], for a store that remembers what sources are read under. What is told goes before
    /// what the store remembers, and that before what exports say of themselves.
    pub(crate) fn prepare_with(
        self,
        exports: Vec<PathBuf>,
        remembered: &[SourceSettings],
    ) -> Result<Prepared, Failure> {
        if exports.iter().filter(|path| is_stdin(path)).count() > 1 {
            return Err(Failure("standard input can be read only once: name `-` once".into()));
        }
        let mut catalogue = Catalogue::shipped();
        if let Some(folder) = &self.contracts {
            catalogue.add_folder(folder)?;
        }
        let mut sinks = Sinks::default();
        let heads = heads(&exports, &mut sinks)?;
        let told = self.named(&catalogue)?;
        let settled = settled(&heads, remembered, &self.source)?;
        let named = self.with_settled(told, settled, remembered, &catalogue)?;
        let mut taken = None;
        let is_to_be_looked_at = named.is_empty()
            || remembered.is_empty() && self.source.is_empty() && heads.iter().any(|head| head.header.is_none());
        let provider = match &self.provider {
            Some(provider) => Some(contract(&catalogue, provider)?),
            None if !is_to_be_looked_at => None,
            None => {
                let plain = heads.iter().filter(|head| head.header.is_none());
                let look = look(&catalogue, self.body_at.as_ref(), plain.map(|head| head.bytes.as_slice()));
                let provider = provider_of(&look, &catalogue)?;
                taken = Some(look);
                provider
            }
        };
        let mut sources = self.sources(named, provider.map(Plan::new))?;
        self.terms.set(&mut sources)?;
        let progress = Arc::new(AtomicU64::new(0));
        let as_of = heads.iter().filter_map(|head| head.header.as_ref()?.as_of).max();
        let exported = as_of.map(|as_of| Exported { as_of, is_all: heads.iter().all(|head| head.header.is_some()) });
        let reconciliation = Reconciliation { exports, sources, body_at: self.body_at, threads: 1, progress };
        Ok(Prepared { reconciliation, sinks, taken, exported, catalogue })
    }

    /// Sources that were told, and those that are settled and were not told otherwise.
    fn with_settled(
        &self,
        told: Vec<(String, Plan)>,
        settled: Vec<SourceSettings>,
        remembered: &[SourceSettings],
        catalogue: &Catalogue,
    ) -> Result<Vec<(String, Plan)>, Failure> {
        let mut named = Vec::new();
        for settings in settled {
            let SourceSettings { name, provider, version, .. } = &settings;
            let as_told = told.iter().find(|(told, _)| told == name).map(|(_, plan)| plan.contract.provider());
            let as_told = as_told.or_else(|| self.provider.as_deref().filter(|_| self.source.contains(name)));
            if let Some(told) = as_told.filter(|told| *told != provider) {
                if remembered.iter().any(|own| own.name == *name) {
                    return Err(Failure(format!(
                        "--source {name}: in the store it is of {provider}, not of {told}: name another source"
                    )));
                }
                named.push((name.clone(), Plan::new(self::contract(catalogue, told)?)));
                continue;
            }
            let contract = contract(catalogue, provider)?;
            if contract.version() != version {
                warn(&format!(
                    "`{name}` was read under {provider} {version}; here it is {}: records may differ",
                    contract.version()
                ));
            }
            let terms = settings.terms(&contract).map_err(|error| Failure(format!("source `{name}`: {error}")))?;
            named.push((name.clone(), Plan { contract: Arc::new(contract), terms }));
        }
        let is_new = |(name, _): &(String, Plan)| !named.iter().any(|(known, _)| known == name);
        let new: Vec<_> = told.into_iter().filter(is_new).collect();
        named.extend(new);
        Ok(named)
    }

    /// Sources given with their provider.
    fn named(&self, catalogue: &Catalogue) -> Result<Vec<(String, Plan)>, Failure> {
        let mut named: Vec<(String, Plan)> = Vec::new();
        for (name, provider) in self.source.iter().filter_map(|source| source.split_once('=')) {
            if named.iter().any(|(known, _)| known == name) {
                return Err(Failure(format!("--source {name}: it is given twice; give each source once")));
            }
            named.push((name.to_owned(), Plan::new(contract(catalogue, provider)?)));
        }
        Ok(named)
    }

    fn sources(&self, named: Vec<(String, Plan)>, provider: Option<Plan>) -> Result<Sources, Failure> {
        let mut plain = self.source.iter().filter(|source| !source.contains('='));
        let unnamed = plain.next();
        if let Some(second) = plain.next() {
            return Err(Failure(format!(
                "--source {second}: lines that name no source have one; give several as NAME=PROVIDER"
            )));
        }
        if let Some(empty) = self.source.iter().find(|source| source.is_empty() || source.starts_with('=')) {
            return Err(Failure(format!("--source `{empty}`: a source has a name")));
        }
        Ok(match (named.as_slice(), provider, unnamed) {
            ([], Some(plan), unnamed) => {
                let name = unnamed.cloned().unwrap_or_else(|| plan.contract.provider().to_owned());
                Sources::all_of(plan, name)
            }
            ([], None, None) => Sources::named(named, None, None),
            (_, None, Some(unnamed)) if !named.iter().any(|(name, _)| name == unnamed) => {
                return Err(Failure(format!(
                    "--source {unnamed}: say of which provider it is, with --provider or as {unnamed}=PROVIDER"
                )));
            }
            ([(only, _)], None, None) => {
                let only = only.clone();
                Sources::named(named, None, Some(only))
            }
            (_, provider, unnamed) => {
                let unnamed =
                    unnamed.cloned().or_else(|| provider.as_ref().map(|plan| plan.contract.provider().to_owned()));
                Sources::named(named, provider, unnamed)
            }
        })
    }
}

impl TermArgs {
    /// Applies them, each to all sources or to the one that it names.
    ///
    /// # Errors
    /// When one cannot be read, or names a source that there is not.
    pub(crate) fn set(&self, sources: &mut Sources) -> Result<(), Failure> {
        for text in &self.subscribe {
            let kinds = |plan: &mut Plan, kinds: &str| {
                let list: Vec<&str> = kinds.split(',').map(str::trim).filter(|kind| !kind.is_empty()).collect();
                if list.is_empty() {
                    return Err("it names no kind: leave it out to be subscribed to all".into());
                }
                let provider = plan.contract.provider();
                plan.terms.subscribe(&plan.contract, list).map_err(|error| format!("{provider}: {error}"))
            };
            set(sources, "--subscribe", text, kinds)?;
        }
        for text in &self.grace {
            set(sources, "--grace", text, |plan, text| span(text).map(|span| plan.terms.set_grace(span)))?;
        }
        for text in &self.stall {
            set(sources, "--stall", text, |plan, text| span(text).map(|span| plan.terms.set_stall(span)))?;
        }
        Ok(())
    }
}

/// What the exports begin with.
fn heads(exports: &[PathBuf], sinks: &mut Sinks) -> Result<Vec<Head>, Failure> {
    let mut heads = Vec::new();
    for (place, path) in exports.iter().enumerate() {
        let mut export = Export::open(path, &Arc::default())?;
        let mut length = HEAD_BYTES;
        // At least a whole line, however long.
        while !export.peek(length).contains(&b'\n') && export.peek(length).len() >= length && length < LINE_BYTES_MAX {
            length *= 2;
        }
        let bytes = whole_lines(export.peek(length)).to_vec();
        if !path.is_file() {
            // A pipe has no second reading.
            sinks.opened.insert(place, export);
        }
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let name = path.display().to_string();
        let header = StoreHeader::parse(first).map_err(|error| Failure(format!("`{name}`: {error}")))?;
        heads.push(Head { name, bytes, header });
    }
    Ok(heads)
}

/// Settings of sources: those that a store remembers, and what the exports say of others.
fn settled(heads: &[Head], remembered: &[SourceSettings], told: &[String]) -> Result<Vec<SourceSettings>, Failure> {
    let mut settled: Vec<(Option<&str>, SourceSettings)> = remembered.iter().map(|own| (None, own.clone())).collect();
    let said = heads.iter().filter_map(|head| Some((head.name.as_str(), head.header.as_ref()?)));
    for (export, settings) in said.flat_map(|(name, header)| header.sources.iter().map(move |own| (name, own))) {
        let name = &settings.name;
        match settled.iter().find(|(_, known)| known.name == *name) {
            None => settled.push((Some(export), settings.clone())),
            Some((Some(other), known))
                if known != settings && !told.iter().any(|told| told.split('=').next() == Some(name)) =>
            {
                return Err(Failure(format!(
                    "`{other}` and `{export}` were not made under the same settings of the source `{name}`: give one of them alone"
                )));
            }
            Some(_) => {}
        }
    }
    Ok(settled.into_iter().map(|(_, settings)| settings).collect())
}

/// A time in whole seconds, or with its unit.
fn span(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => parse_span(text),
    }
}

/// Applies a setting, to all sources or to the one that it names.
fn set(
    sources: &mut Sources,
    option: &str,
    text: &str,
    apply: impl Fn(&mut Plan, &str) -> Result<(), String>,
) -> Result<(), Failure> {
    let (only, value) = text.split_once('=').map_or((None, text), |(name, value)| (Some(name), value));
    let mut applied = false;
    for (name, plan) in sources.plans_mut() {
        if only.is_none() || only == name {
            apply(plan, value).map_err(|problem| Failure(format!("{option} {text}: {problem}")))?;
            applied = true;
        }
    }
    if applied {
        return Ok(());
    }
    let only = only.unwrap_or_default();
    Err(Failure(format!("{option} {text}: there is no source `{only}`; name it with --source {only}=PROVIDER")))
}

fn contract(catalogue: &Catalogue, provider: &str) -> Result<Contract, Failure> {
    let found = catalogue.get(provider).cloned();
    found.ok_or_else(|| {
        let names = catalogue.names();
        Failure(format!("no contract is called `{provider}`: there are {names}; bring your own with --contracts DIR"))
    })
}

/// The contract of what was seen; none when there was nothing to see.
fn provider_of(look: &Look, catalogue: &Catalogue) -> Result<Option<Contract>, Failure> {
    match look {
        Look::One { provider, .. } => contract(catalogue, provider).map(Some),
        Look::None { of: 0 } => Ok(None),
        Look::None { .. } => {
            let names = catalogue.names();
            Err(Failure(format!(
                "{look}: say of which it is with --provider ({names}), or where the payload stands with --body-at"
            )))
        }
        Look::Several(_) => {
            Err(Failure(format!("{look}: say which with --provider, or give each source with --source NAME=PROVIDER")))
        }
    }
}

/// All but a last line that may be cut off, unless there is no other.
fn whole_lines(head: &[u8]) -> &[u8] {
    match head.iter().rposition(|byte| *byte == b'\n') {
        Some(end) if head.len() >= HEAD_BYTES => &head[..=end],
        _ => head,
    }
}

pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}
