//! `finis contract`: check a contract, or say it in words.

use std::path::PathBuf;

use clap::Subcommand;
use finis::providers::{Catalogue, load};

use super::{Failure, Outcome, words};

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
            anstream::print!("{}", contract.describe());
            Ok(Outcome::Fine)
        }
        Command::List { contracts } => {
            let catalogue = catalogue(contracts.as_ref())?;
            let width = catalogue.iter().map(|contract| contract.provider().len()).max().unwrap_or(0);
            for contract in catalogue.iter() {
                anstream::println!("{:width$}  {}  {}", contract.provider(), contract.version(), contract.title());
            }
            Ok(Outcome::Fine)
        }
    }
}

fn check(files: &[PathBuf]) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::Fine;
    for file in files {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| Failure(format!("cannot read `{name}`: {error}")))?;
        match load(&name, &text) {
            Ok(contract) => {
                let (kinds, fields) = (contract.kinds().count(), contract.fields().count());
                let (kinds, fields) = (words::count(kinds as u64, "kind"), words::count(fields as u64, "field"));
                anstream::println!(
                    "{name}: fine: {} {}, {kinds} of event, {fields}",
                    contract.provider(),
                    contract.version()
                );
            }
            Err(error) => {
                anstream::eprintln!("{error}");
                outcome = Outcome::Objection;
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
