//! The parts of a server, put together: listeners, the engine with its store, and who hands notices over.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use finis_http::outbound::{Client, Roots};
use finis_http::read::{self, Token};
use finis_http::send::{self, Endpoint};
use finis_http::{listen, receive, watch, with_problems};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch as watched};

use super::config::{Config, ConfigError};
use super::error::ServeError;
use super::keeping::{self, Fetching, Keeping};
use crate::engine::Handover;
use crate::engine::log::LogError;
use crate::live::{Finis, SetSourcesError, StoreSettings, SystemClock};
#[cfg(unix)]
use crate::providers::Catalogue;

/// A server that is bound to its addresses and has its store open.
pub struct Server {
    config: Config,
    finis: Finis,
    hooks: TcpListener,
    address: SocketAddr,
    reading: Option<(TcpListener, SocketAddr)>,
    watching: Option<(TcpListener, SocketAddr)>,
    endpoints: Vec<(Endpoint, Client)>,
    keeping: Option<Keeping>,
    reload: Reload,
}

/// What changes a server while it runs. To be cloned at will.
#[derive(Clone)]
pub struct Reload {
    finis: Finis,
    /// What the server goes by. Held while it changes, so that changes come one after the other.
    present: Arc<Mutex<Config>>,
}

/// What a change came to, by names of sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// They were not there before.
    pub added: Vec<String>,
    /// They are set up otherwise, or read under another contract.
    pub changed: Vec<String>,
    /// They are not there any more.
    pub removed: Vec<String>,
    /// They are as they were.
    pub unchanged: Vec<String>,
    /// Tables of the file that are not as they were when the server started, and that it cannot change while it
    /// runs: it goes on as it was told then.
    pub needs_restart: Vec<&'static str>,
}

/// Why a server was not changed. It goes on as before.
#[derive(Debug)]
pub enum ReloadError {
    /// It was not told by a file.
    NoFile,
    /// What it is told now cannot be.
    Config(ConfigError),
    /// The sources were not changed.
    Sources(SetSourcesError),
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReloadError::NoFile => f.write_str("it was started without a file, so there is nothing to read again"),
            ReloadError::Config(error) => error.fmt(f),
            ReloadError::Sources(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReloadError {}

impl Server {
    /// Binds to the addresses and opens the store. Nothing is taken before [`Server::run`]; whoever connects
    /// waits until then.
    ///
    /// # Errors
    /// When an address or the store is not to be had.
    pub async fn start(config: Config) -> Result<Server, ServeError> {
        // First, since it is quickly told when somebody listens there already.
        let (hooks, address) = bind(config.listen).await?;
        let reading = match &config.read {
            Some(read) => Some(bind(read.address).await?),
            None => None,
        };
        let watching = match config.watch {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let endpoints = endpoints(&config)?;
        let setups = config.sources.iter().map(super::SourceConfig::setup);
        let store = StoreSettings::default();
        let finis = Finis::open_as(&config.store, store, setups, &config.catalogue, config.limits.engine).await;
        let finis = finis.map_err(ServeError::Open)?;
        let keeping = match keep_recordings(&config).await {
            Ok(keeping) => keeping,
            Err(error) => {
                // Nothing was taken yet: how that ends says nothing more.
                let _ = finis.close().await;
                return Err(error);
            }
        };
        let reload = Reload { finis: finis.clone(), present: Arc::new(Mutex::new(config.clone())) };
        Ok(Server { config, finis, hooks, address, reading, watching, endpoints, keeping, reload })
    }

    /// Where deliveries come in: with the port that was chosen, when none was told.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it is read, if it is.
    #[must_use]
    pub fn read_address(&self) -> Option<SocketAddr> {
        self.reading.as_ref().map(|(_, address)| *address)
    }

    /// Where its numbers are, if they are anywhere.
    #[must_use]
    pub fn watch_address(&self) -> Option<SocketAddr> {
        self.watching.as_ref().map(|(_, address)| *address)
    }

    /// What it is told.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The engine with its store.
    #[must_use]
    pub fn finis(&self) -> &Finis {
        &self.finis
    }

    /// What changes it while it runs.
    #[must_use]
    pub fn reloading(&self) -> Reload {
        self.reload.clone()
    }

    /// Takes deliveries until `stop` is ready. Then nobody more is let in, what is in flight is kept and answered,
    /// and the store is closed.
    ///
    /// # Errors
    /// When the store stopped, or connections had to be cut off. Nothing that was answered is lost by that.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<(), ServeError> {
        let Server { config, finis, hooks, reading, watching, endpoints, keeping, reload, .. } = self;
        #[cfg(unix)]
        let control = super::control::Control::open(&config.store, reload);
        #[cfg(not(unix))]
        drop(reload);
        if let Some(retention) = config.retention {
            finis.keep_for(retention).await;
        }
        let begun = async { Ok::<_, ServeError>((hand_over(&finis, endpoints).await?, fetch(&finis, keeping).await?)) };
        let ((handovers, endpoints), fetching) = match begun.await {
            Ok(begun) => begun,
            Err(error) => {
                // Nothing was taken yet: how that ends says nothing more.
                let _ = finis.close().await;
                return Err(error);
            }
        };
        let (stopping, stopped) = watched::channel(false);
        let is_stopping = || {
            let mut stopped = stopped.clone();
            // When the other side is gone it is over, too.
            async move { drop(stopped.wait_for(|is| *is).await) }
        };
        let engine = finis.engine().clone();
        let mut serving = Vec::new();
        let mut listeners = Vec::new();
        let mut counted = |name| {
            let tally = Arc::<listen::Tally>::default();
            listeners.push((name, Arc::clone(&tally)));
            tally
        };
        let limits = || config.limits.listen.clone();
        let receiver = receive::Hooks::new(engine.clone(), config.limits.receive);
        let receiving = listen::serve_counted(hooks, receiver, limits(), counted("hooks"), is_stopping());
        serving.push(tokio::spawn(receiving));
        if let Some(((listener, _), mut settings)) = reading.zip(config.read.as_ref().and_then(reading_settings)) {
            settings.ending = Some(stopped.clone());
            settings.recordings = keeping::places(&config.store);
            let router = with_problems(read::router(engine.clone(), settings));
            let reading = listen::serve_counted(listener, router, limits(), counted("read"), is_stopping());
            serving.push(tokio::spawn(reading));
        }
        if let Some((listener, _)) = watching {
            // Of itself it says nothing: whoever is turned away there asks again.
            let recordings = fetching.as_ref().map(|fetching| Arc::clone(&fetching.tally));
            let listeners = listeners.clone();
            let settings = watch::Settings { recordings, endpoints, listeners, ..watch::Settings::default() };
            let router = with_problems(watch::router(engine.clone(), settings));
            serving.push(tokio::spawn(listen::serve(listener, router, limits(), is_stopping())));
        }
        let broken = tokio::select! {
            () = stop => None,
            reason = engine.ended() => reason,
        };
        tracing::debug!("stopping");
        stopping.send_replace(true);
        let mut served = Ok(());
        for serving in serving {
            // Servers do not panic; one that did has answered nobody.
            let outcome = serving.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
            served = served.and(outcome);
        }
        drop((handovers, fetching));
        #[cfg(unix)]
        drop(control);
        let closed = finis.close().await;
        if let Some(reason) = broken {
            return Err(ServeError::Log(LogError::Stopped { reason }));
        }
        closed.map_err(ServeError::Log)?;
        served.map_err(ServeError::Connections)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Who hands notices over, and what is counted of each endpoint.
type Sending = (Vec<Handover>, Vec<(String, Arc<send::Tally>)>);

/// Where notices go, each with its own client.
fn endpoints(config: &Config) -> Result<Vec<(Endpoint, Client)>, ServeError> {
    if config.webhooks.is_empty() {
        return Ok(Vec::new());
    }
    let roots = Roots::system();
    let build = |webhook: &super::WebhookConfig| {
        let failed = |error| ServeError::Webhook { name: webhook.name.clone(), error: Box::new(error) };
        webhook.build(&roots).map_err(failed)
    };
    config.webhooks.iter().map(build).collect()
}

/// Hands notices over to endpoints until the handovers are dropped, and counts what comes of it by endpoint.
async fn hand_over(finis: &Finis, endpoints: Vec<(Endpoint, Client)>) -> Result<Sending, ServeError> {
    let (mut handovers, mut tallies) = (Vec::new(), Vec::new());
    for (endpoint, client) in endpoints {
        let name = endpoint.name().to_owned();
        let delivering = send::deliver(finis.engine(), endpoint, client, Arc::new(SystemClock)).await;
        let failed = |error| ServeError::Webhook { name: name.clone(), error: Box::new(error) };
        let (handover, worker, tally) = delivering.map_err(failed)?;
        finis.run(worker).await;
        handovers.push(handover);
        tallies.push((name, tally));
    }
    Ok((handovers, tallies))
}

/// Opens the folders of recordings, on a thread that may wait for disks.
async fn keep_recordings(config: &Config) -> Result<Option<Keeping>, ServeError> {
    let config = config.clone();
    let opened = tokio::task::spawn_blocking(move || Keeping::open(&config)).await;
    opened.unwrap_or_else(|error| Err(ServeError::Recordings { error: Box::new(error) }))
}

/// Fetches recordings until what this gives is dropped.
async fn fetch(finis: &Finis, keeping: Option<Keeping>) -> Result<Option<Fetching>, ServeError> {
    let Some(keeping) = keeping else {
        keeping::stop(finis).await;
        return Ok(None);
    };
    keeping.start(finis).await.map(Some)
}

/// Nothing without a token.
fn reading_settings(config: &super::ReadConfig) -> Option<read::Settings> {
    // What cannot be a token was refused when the file was read.
    let mut tokens = config.tokens.iter().filter_map(|token| Token::new(token.expose()).ok());
    let first = read::Settings::new(tokens.next()?);
    Some(tokens.fold(first, read::Settings::or))
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |error| ServeError::Listen { address, error };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

impl Reload {
    /// The engine with its store.
    pub(super) fn finis(&self) -> &Finis {
        &self.finis
    }

    /// The contracts that it goes by.
    #[cfg(unix)]
    pub(super) async fn catalogue(&self) -> Catalogue {
        self.present.lock().await.catalogue.clone()
    }

    /// Reads the file again and changes what it says of sources and contracts, as [`Finis::set_sources`] has it.
    /// What comes of it is logged.
    ///
    /// # Errors
    /// When anything in the file cannot be: then nothing changes.
    pub async fn again(&self) -> Result<Reloaded, ReloadError> {
        let outcome = self.read_again().await;
        match &outcome {
            Ok(reloaded) => reloaded.log(),
            Err(ReloadError::Config(error)) => {
                for line in error.to_string().lines() {
                    tracing::error!("not reloaded: {line}");
                }
            }
            Err(error) => tracing::error!("not reloaded: {error}"),
        }
        outcome
    }

    async fn read_again(&self) -> Result<Reloaded, ReloadError> {
        let mut present = self.present.lock().await;
        let path = present.path.clone().ok_or(ReloadError::NoFile)?;
        let read = move || Config::read(&path);
        let config = match tokio::task::spawn_blocking(read).await {
            Ok(config) => config.map_err(ReloadError::Config)?,
            // It does not panic, and only a runtime that ends cancels it.
            Err(_) => return Err(ReloadError::NoFile),
        };
        let reloaded = Reloaded::of(&present, &config);
        let setups = config.sources.iter().map(super::SourceConfig::setup);
        self.finis.set_sources(setups, &config.catalogue).await.map_err(ReloadError::Sources)?;
        let Config { contracts, catalogue, mut sources, .. } = config;
        for source in &mut sources {
            // They stay as they were until it is started again, and that is said until then.
            let before = present.sources.iter().find(|before| before.name == source.name);
            source.recordings = before.and_then(|before| before.recordings.clone());
        }
        (present.contracts, present.catalogue, present.sources) = (contracts, catalogue, sources);
        Ok(reloaded)
    }
}

impl Reloaded {
    fn of(old: &Config, new: &Config) -> Reloaded {
        let mut reloaded = Reloaded { needs_restart: new.needs_restart(old), ..Reloaded::default() };
        for source in &new.sources {
            let draft =
                |config: &Config| config.catalogue.get(&source.provider).map(|contract| contract.draft().clone());
            let before = old.sources.iter().find(|before| before.name == source.name);
            let names = match before {
                None => &mut reloaded.added,
                // A draft prints all that it says.
                Some(before) if before == source && format!("{:?}", draft(old)) == format!("{:?}", draft(new)) => {
                    &mut reloaded.unchanged
                }
                Some(_) => &mut reloaded.changed,
            };
            names.push(source.name.clone());
        }
        let is_gone = |name: &&String| !new.sources.iter().any(|source| source.name == **name);
        reloaded.removed = old.sources.iter().map(|source| &source.name).filter(is_gone).cloned().collect();
        reloaded
    }

    fn log(&self) {
        let Reloaded { added, changed, removed, unchanged, needs_restart } = self;
        let some = |names: &Vec<String>| (!names.is_empty()).then(|| names.join(" "));
        tracing::info!(
            added = some(added),
            changed = some(changed),
            removed = some(removed),
            unchanged = unchanged.len(),
            "reloaded"
        );
        if !needs_restart.is_empty() {
            tracing::warn!(tables = needs_restart.join(" "), "these tables changed, and need a restart");
        }
    }
}

/// `2 sources: 1 added, 1 as before`, and what needs a restart.
impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reloaded { added, changed, removed, unchanged, needs_restart } = self;
        let all = added.len() + changed.len() + unchanged.len();
        write!(f, "{all} source{}", if all == 1 { "" } else { "s" })?;
        for (names, what) in [(added, "added"), (changed, "changed"), (removed, "removed")] {
            if !names.is_empty() {
                write!(f, "; {what} {}", names.join(", "))?;
            }
        }
        if added.is_empty() && changed.is_empty() && removed.is_empty() {
            f.write_str(", as before")?;
        }
        if !needs_restart.is_empty() {
            let tables: Vec<String> = needs_restart.iter().map(|name| format!("[{name}]")).collect();
            write!(f, "\nchanged, and needs a restart: {}", tables.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload").finish_non_exhaustive()
    }
}
