//! The live engine behind HTTP: what `finis serve` runs, for whoever wants the whole of it in a program of their
//! own. To mount a part of it in an application, see [`receive`].
//!
//! ```no_run
//! use finis::serve::{Config, Server};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::start(Config::read("finis.toml".as_ref())?).await?;
//! println!("listening on {}", server.address());
//! server.run(async { let _ = tokio::signal::ctrl_c().await; }).await?;
//! # Ok(()) }
//! ```

mod config; // what a server is told
#[cfg(unix)]
mod control; // what it is told while it runs
mod error; // why it does not
mod keeping; // recordings, where sources have them kept
mod server; // the parts, put together

pub use config::{
    Config, ConfigError, Hidden, LISTEN, Level, Limits, LogConfig, READ, ReadConfig, Recordings, SourceConfig,
    Surroundings, WATCH, WebhookConfig, WebhookError, parse_size, print_size,
};
#[cfg(unix)]
pub use control::{ControlError, forget, known, reload, retry_parked, retry_refused, skip_parked};
pub use error::ServeError;
pub use server::{Reload, ReloadError, Reloaded, Server};

pub use finis_http::{listen, outbound, read, receive, recordings, send, watch};
