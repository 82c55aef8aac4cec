//! `finis.toml`: everything that a server is told.
//!
//! A file is read whole: every fault is named with its line, its key and what to do, and a file with faults
//! changes nothing. Secrets never stand in it, only where they are.
//!
//! ```
//! use finis::serve::{Config, Surroundings};
//!
//! let text = r#"
//! [source.desk]
//! provider = "pathors"
//! header = "x-webhook-secret"
//! secret_env = "DESK_SECRET"
//! "#;
//! let variable = |name: &str| (name == "DESK_SECRET").then(|| "s3cret".into());
//! let around = Surroundings { folder: ".".into(), variable: &variable };
//! let config = Config::parse("finis.toml", text, &around).unwrap();
//! assert_eq!(config.sources[0].name, "desk");
//!
//! let error = Config::parse("finis.toml", "[listen]\nadress = \"127.0.0.1:80\"\n", &around).unwrap_err();
//! assert!(error.to_string().contains("finis.toml:2: unknown key `listen.adress`: did you mean `address`?"));
//! ```

mod hidden; // secrets, and names
mod limits; // how much, and how long
mod section; // one table, strictly
mod size; // amounts of bytes
mod source; // one source
mod webhook; // one endpoint

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use finis_engine::Retention;
use finis_http::read::Token;
use finis_providers::{Catalogue, LocatedFault};
use toml::de::DeTable;

/// Why a file cannot be used: as of a contract, every fault that was found, a line each.
pub use finis_providers::LoadError as ConfigError;
pub use hidden::{Hidden, Surroundings};
pub use limits::Limits;
pub use size::{parse_size, print_size};
pub use source::{Recordings, SourceConfig};
pub use webhook::{WebhookConfig, WebhookError};

use section::{At, Reading, Section};

/// Where a server listens unless told.
pub const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Where it is read unless told.
pub const READ: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);

/// Where it is watched unless told.
pub const WATCH: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8082);

/// The longest that anything may be waited for or kept.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// What a server is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file as the user knows it.
    pub file: String,
    /// Where it can be read again; nothing when it is no file.
    pub path: Option<PathBuf>,
    /// Tables of which somebody else decides, as a command line does: what the file says of them does not count.
    pub overruled: Vec<&'static str>,
    /// Folder of contracts of the user's own.
    pub contracts: Option<PathBuf>,
    /// All contracts there are, those among them.
    pub catalogue: Catalogue,
    /// Folder of the store.
    pub store: PathBuf,
    /// Where deliveries come in.
    pub listen: SocketAddr,
    /// Where it is read, and by whom; nothing when it cannot be.
    pub read: Option<ReadConfig>,
    /// Where its numbers are, and whether it is well; nowhere unless told.
    pub watch: Option<SocketAddr>,
    /// How much it takes.
    pub limits: Limits,
    /// For how long what is over is kept; for ever unless told.
    pub retention: Option<Retention>,
    /// Where deliveries come from, by name.
    pub sources: Vec<SourceConfig>,
    /// Where notices go, by name.
    pub webhooks: Vec<WebhookConfig>,
    /// How it logs.
    pub log: LogConfig,
}

/// Where records can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadConfig {
    /// Where it listens.
    pub address: SocketAddr,
    /// What a reader has to show: any of these.
    pub tokens: Vec<Hidden>,
}

/// How a server logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// As JSON, a line each.
    pub json: bool,
    /// What is too small to be said.
    pub level: Level,
}

/// How important a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are what they are called")]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

impl Level {
    const ALL: [(&str, Level); 4] =
        [("error", Level::Error), ("warn", Level::Warn), ("info", Level::Info), ("debug", Level::Debug)];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        // Every level has its name there.
        Level::ALL.iter().find(|(_, level)| *level == self).map_or("info", |(name, _)| name)
    }
}

impl Config {
    /// Reads a file, with the variables of this process and the files that it names.
    ///
    /// # Errors
    /// When it cannot be read, or anything in it cannot be.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let file = path.display().to_string();
        let fault =
            |message: String| ConfigError { file: file.clone(), faults: vec![LocatedFault { line: 0, message }] };
        let bytes = std::fs::read(path).map_err(|error| fault(format!("cannot be read: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|_| fault("it is not UTF-8: save it as UTF-8".to_owned()))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let around = Surroundings { folder, variable: &|name| std::env::var_os(name) };
        Ok(Config { path: Some(path.to_owned()), ..Config::parse(&file, &text, &around)? })
    }

    /// Reads the text of a file, which is called `file` in messages.
    ///
    /// # Errors
    /// When anything in it cannot be.
    pub fn parse(file: &str, text: &str, around: &Surroundings<'_>) -> Result<Config, ConfigError> {
        let reading = Reading::new(text);
        let parsed = DeTable::parse(text);
        let config = match &parsed {
            Ok(table) => Some(Config::of(file, &Section::file(&reading, table.get_ref()), around)),
            Err(error) => {
                let message = error.message().lines().collect::<Vec<_>>().join("; ");
                let message = message.replace("duplicate key", "a key stands twice in one table: remove one");
                reading.fault(error.span().map_or(0, |span| span.start), format!("this is not TOML: {message}"));
                None
            }
        };
        let faults = reading.into_faults();
        match config {
            Some(config) if faults.is_empty() => Ok(config),
            _ => Err(ConfigError { file: file.to_owned(), faults }),
        }
    }

    /// What the file says, as far as it can be understood; what cannot is a fault.
    fn of(file: &str, top: &Section<'_, '_>, around: &Surroundings<'_>) -> Config {
        let mut catalogue = Catalogue::shipped();
        let contracts = top.text("contracts").map(|at| {
            let folder = around.path(at.value);
            if let Err(error) = catalogue.add_folder(&folder) {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
                top.fault_at(&at, format!("{error}{cause}"));
            }
            folder
        });
        let store = top.section("store").and_then(|section| {
            let path = section.text("path").map(|at| around.path(at.value));
            section.finish();
            path
        });
        let listen = top.section("listen").and_then(|section| {
            let address = section.parse("address", hidden::address).map(|at| at.value);
            section.finish();
            address
        });
        let read = top.section("read").map(|section| read(&section, around));
        let watch = top.section("watch").map(|section| watch(&section));
        let limits = top.section("limits").map_or_else(Limits::default, |section| limits::limits(&section));
        let retention = top.section("retention").and_then(|section| limits::retention(&section));
        let sources: Vec<SourceConfig> = top
            .sections("source")
            .into_iter()
            .filter_map(|(name, section)| source::source(name, &section, &catalogue, around))
            .collect();
        let webhooks = top.sections("webhook");
        let webhooks = webhooks.into_iter().map(|(name, section)| webhook::webhook(name, &section, around)).collect();
        let log = top.section("log").map_or_else(LogConfig::default, |section| log(&section));
        top.finish();
        Config {
            file: file.to_owned(),
            path: None,
            overruled: Vec::new(),
            contracts,
            catalogue,
            store: store.unwrap_or_else(|| around.path("finis.db")),
            listen: listen.unwrap_or(LISTEN),
            read,
            watch,
            limits,
            retention,
            sources,
            webhooks,
            log,
        }
    }

    /// The tables of what a server was started with that are not as here, and that it cannot change while it runs.
    #[must_use]
    pub fn needs_restart(&self, other: &Config) -> Vec<&'static str> {
        let parts = [
            ("store", self.store != other.store),
            ("listen", self.listen != other.listen),
            ("read", self.read != other.read),
            ("watch", self.watch != other.watch),
            ("limits", self.limits != other.limits),
            ("retention", self.retention != other.retention),
            ("webhook", self.webhooks != other.webhooks),
            ("source.NAME.recordings", recordings(self) != recordings(other)),
            ("log", self.log != other.log),
        ];
        let changed = parts.into_iter().filter(|(_, is_changed)| *is_changed).map(|(name, _)| name);
        changed.filter(|name| !other.overruled.contains(name)).collect()
    }
}

/// How recordings are kept, by the names of sources.
fn recordings(config: &Config) -> BTreeMap<&str, &Recordings> {
    config.sources.iter().filter_map(|source| Some((source.name.as_str(), source.recordings.as_ref()?))).collect()
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig { json: false, level: Level::Info }
    }
}

fn read(section: &Section<'_, '_>, around: &Surroundings<'_>) -> ReadConfig {
    let keys = ["token", "token_env", "token_file"];
    let address = section.parse("address", hidden::address);
    let missing = || {
        let open = address.as_ref().filter(|at: &&At<SocketAddr>| !hidden::is_local(at));
        let why = if open.is_some() {
            "it can be reached from elsewhere, and there is no token"
        } else {
            "there is no token"
        };
        section.fault(format!("{why}: write `token_env = \"NAME\"` or `token_file = \"PATH\"`"));
    };
    let tokens = hidden::required(hidden::hidden(section, keys, around), hidden::is_told(section, keys), missing);
    for token in &tokens {
        if let Err(error) = Token::new(token.expose()) {
            section.fault(error);
        }
    }
    let address = address.as_ref().map_or(READ, |at| at.value);
    section.finish();
    ReadConfig { address, tokens }
}

fn watch(section: &Section<'_, '_>) -> SocketAddr {
    let address = section.parse("address", hidden::address);
    let without_token = section.flag("without_token").unwrap_or(false);
    if let Some(at) = address.as_ref().filter(|at| !without_token && !hidden::is_local(at)) {
        section.fault_at(
            at,
            "it can be reached from elsewhere, and no token is asked for: if whoever reaches it may know how many calls \
             there are, write `without_token = true`",
        );
    }
    section.finish();
    address.map_or(WATCH, |at| at.value)
}

fn log(section: &Section<'_, '_>) -> LogConfig {
    let format = section.word("format", &["human", "json"]);
    let level = section.word("level", &Level::ALL.map(|(name, _)| name));
    section.finish();
    let level = level.and_then(|word| Level::ALL.iter().find(|(name, _)| *name == word)).map(|(_, level)| *level);
    LogConfig { json: format == Some("json"), level: level.unwrap_or(Level::Info) }
}
