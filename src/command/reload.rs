//! `finis reload`: tell a running server to read its file again.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use finis::serve::{Config, reload};

use super::{Failure, Outcome, say};

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The file that the server was started with: it is checked before the server is told
    #[arg(long, value_name = "FILE", default_value = "finis.toml")]
    config: PathBuf,

    /// Folder of the server's store, when the file does not say it any more
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    let store = match &args.store {
        Some(store) => store.clone(),
        None => store_of(&args.config)?,
    };
    let text = reload(&store)?;
    say(&format!("Reloaded   {}\n", text.replace('\n', "\n           ")))?;
    Ok(Outcome::Fine)
}

fn store_of(path: &Path) -> Result<PathBuf, Failure> {
    super::find_config(path)?;
    // What is wrong with it the server would only say again.
    Config::read(path).map(|config| config.store).map_err(|error| Failure(format!("not reloaded:\n{error}")))
}
