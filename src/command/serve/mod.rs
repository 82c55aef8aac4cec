//! `finis serve`: deliveries in over HTTP.

mod dev; // a folder to try it with
mod logs; // lines for people or for machines
mod shell; // a command line that signs when it is run
mod signals; // what the system says

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use finis::serve::{Config, Server};

use super::{Failure, Outcome, say, warn};

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// What it is told
    #[arg(long, value_name = "FILE", default_value = "finis.toml", conflicts_with = "dev")]
    config: PathBuf,

    /// Make a source in the folder finis-dev, if there is none, and say how to post to it; notices are printed
    #[arg(long)]
    dev: bool,

    /// With --dev, whose contract the source is read under
    #[arg(long, value_name = "NAME", requires = "dev")]
    provider: Option<String>,

    /// Listen here, whatever the file says; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,

    /// How to log, whatever the file says
    #[arg(long, value_name = "FORMAT")]
    log: Option<LogFormat>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people
    Human,
    /// A JSON object a line
    Json,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    let mut config = if args.dev { dev::config(args.provider.as_deref())? } else { config(args)? };
    if let Some(listen) = args.listen {
        config.listen = listen;
        config.overruled.push("listen");
    }
    if let Some(format) = args.log {
        config.log.json = format == LogFormat::Json;
        config.overruled.push("log");
    }
    logs::begin(config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure(format!("cannot begin: {error}")))?;
    runtime.block_on(serve(config, args.dev))?;
    Ok(Outcome::Fine)
}

fn config(args: &Args) -> Result<Config, Failure> {
    super::find_config(&args.config)?;
    let config = Config::read(&args.config).map_err(|error| Failure(format!("cannot serve:\n{error}")))?;
    if config.sources.is_empty() {
        warn("there is no source, so nothing can come in: add one and `finis reload`");
    }
    Ok(config)
}

async fn serve(config: Config, dev: bool) -> Result<(), Failure> {
    // Asked for before anything is opened: who stops it early is heard.
    let signals = signals::Signals::listen()?;
    let server = Server::start(config).await?;
    let address = server.address();
    let sources: Vec<&str> = server.config().sources.iter().map(|source| source.name.as_str()).collect();
    let report = server.finis().report();
    if !report.journal.damage.is_empty() {
        tracing::error!("the store is damaged: {report}");
    }
    tracing::info!(
        %address,
        read = server.read_address().map(tracing::field::display),
        watch = server.watch_address().map(tracing::field::display),
        store = %server.config().store.display(),
        sources = sources.join(" "),
        "listening"
    );
    if dev {
        say(&dev::how_to_post(server.config(), address)?)?;
        dev::print_notices(server.finis()).await?;
    }
    let stop = signals.stop(server.reloading());
    server.run(stop).await?;
    tracing::info!("stopped: all that was taken is kept");
    Ok(())
}
