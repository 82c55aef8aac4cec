//! `finis contract`: check a contract, or say it in words.

use std::path::PathBuf;

use clap::Subcommand;
use finis::providers::{Catalogue, load};

use super::{Failure, Outcome, say, warn, words};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check contract files; every fault is named with its line and its remedy
    Check {
        /// The TOML files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Say in words what a provider promises, and what each event fills
    Show {
        /// The provider, as `pathors`
        #[arg(value_name = "NAME")]
        provider: String,
        /// Folder of contracts of your own; they come before those of finis
        #[arg(long, value_name = "DIR")]
        contracts: Option<PathBuf>,
    },
    /// List the providers that there are contracts of
    List {
        /// Folder of contracts of your own; they come before those of finis
        #[arg(long, value_name = "DIR")]
        contracts: Option<PathBuf>,
    },
}

pub(crate) fn run(command: &Command) -> Result<Outcome, Failure> {
    match command {
        Command::Check { files } => check(files),
        Command::Show { provider, contracts } => {
            let catalogue = catalogue(contracts.as_ref())?;
            let contract = catalogue.get(provider).ok_or_else(|| {
                Failure(format!("no contract is called `{provider}`: there are {}", catalogue.names()))
            })?;
            say(&contract.describe())?;
            Ok(Outcome::Fine)
        }
        Command::List { contracts } => {
            let catalogue = catalogue(contracts.as_ref())?;
            let width = catalogue.iter().map(|contract| contract.provider().len()).max().unwrap_or(0);
            for contract in catalogue.iter() {
                say(&format!("{:width$}  {}  {}\n", contract.provider(), contract.version(), contract.title()))?;
            }
            Ok(Outcome::Fine)
        }
    }
}

fn check(files: &[PathBuf]) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::Fine;
    for file in files {
        let name = file.display().to_string();
        let text = match std::fs::read(file).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => {
                warn(&format!("`{name}` is not UTF-8: save it as UTF-8"));
                outcome = outcome.max(Outcome::Objection);
                continue;
            }
            Err(error) => {
                warn(&format!("{} cannot read `{name}`: {error}", words::bad("finis:")));
                outcome = Outcome::Incomplete;
                continue;
            }
        };
        match load(&name, &text) {
            Ok(contract) => {
                let (kinds, fields) = (contract.kinds().count(), contract.fields().count());
                let (kinds, fields) = (words::count(kinds as u64, "kind"), words::count(fields as u64, "field"));
                let (provider, version) = (contract.provider(), contract.version());
                say(&format!("{name}: fine: {provider} {version}, {kinds} of event, {fields}\n"))?;
            }
            Err(error) => {
                warn(&error.to_string());
                outcome = outcome.max(Outcome::Objection);
            }
        }
    }
    Ok(outcome)
}

fn catalogue(folder: Option<&PathBuf>) -> Result<Catalogue, Failure> {
    let mut catalogue = Catalogue::shipped();
    if let Some(folder) = folder {
        catalogue.add_folder(folder)?;
    }
    Ok(catalogue)
}
