//! Contracts by name: ours, and the user's own before them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use finis_engine::Contract;

use crate::load::{LoadError, load};

/// The contracts that ship with finis, by file.
const SHIPPED: [(&str, &str); 5] = [
    ("agntix.toml", include_str!("../contracts/agntix.toml")),
    ("pathors.toml", include_str!("../contracts/pathors.toml")),
    ("saaya.toml", include_str!("../contracts/saaya.toml")),
    ("smallest-legacy.toml", include_str!("../contracts/smallest-legacy.toml")),
    ("smallest.toml", include_str!("../contracts/smallest.toml")),
];

/// Contracts by the name of their provider.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    contracts: BTreeMap<String, Contract>,
}

/// Why a folder of contracts cannot be used.
#[derive(Debug)]
pub enum CatalogueError {
    /// The folder, or a file in it, cannot be read.
    Read {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// A contract is faulty.
    Load(LoadError),
    /// Two files are about one provider.
    Twice {
        /// The provider.
        provider: String,
        /// The second file.
        file: String,
    },
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CatalogueError::Read { path, .. } => write!(f, "cannot read `{path}`"),
            CatalogueError::Load(error) => error.fmt(f),
            CatalogueError::Twice { provider, file } => {
                write!(f, "{file}: another file of the folder is about `{provider}` already; remove one")
            }
        }
    }
}

impl std::error::Error for CatalogueError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CatalogueError::Read { error, .. } => Some(error),
            CatalogueError::Load(_) | CatalogueError::Twice { .. } => None,
        }
    }
}

impl Catalogue {
    /// The contracts that ship with finis.
    ///
    /// # Panics
    /// Never in a build that passed its tests: they load every one of them.
    #[must_use]
    pub fn shipped() -> Catalogue {
        let contracts = SHIPPED.iter().map(|(file, text)| load(file, text).expect("the shipped contracts are tested"));
        Catalogue { contracts: contracts.map(|contract| (contract.provider().to_owned(), contract)).collect() }
    }

    /// Adds every `.toml` file of a folder; a contract of a provider that is known takes its place.
    ///
    /// # Errors
    /// When the folder cannot be read, or one of the files is no contract.
    pub fn add_folder(&mut self, folder: &Path) -> Result<(), CatalogueError> {
        let read_error = |path: &Path| {
            let path = path.display().to_string();
            move |error| CatalogueError::Read { path, error }
        };
        let mut own = BTreeMap::new();
        let entries = std::fs::read_dir(folder).map_err(read_error(folder))?;
        let mut files = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(read_error(folder))?;
        files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        files.sort();
        for path in files {
            let text = std::fs::read_to_string(&path).map_err(read_error(&path))?;
            let file = path.display().to_string();
            let contract = load(&file, &text).map_err(CatalogueError::Load)?;
            let provider = contract.provider().to_owned();
            if own.contains_key(&provider) {
                return Err(CatalogueError::Twice { provider, file });
            }
            own.insert(provider, contract);
        }
        self.contracts.extend(own);
        Ok(())
    }

    /// The contract of a provider.
    #[must_use]
    pub fn get(&self, provider: &str) -> Option<&Contract> {
        self.contracts.get(provider)
    }

    /// All contracts, by name of their provider.
    pub fn iter(&self) -> impl Iterator<Item = &Contract> {
        self.contracts.values()
    }

    /// The names of all providers, for messages.
    #[must_use]
    pub fn names(&self) -> String {
        self.contracts.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_contract_loads_under_its_own_name() {
        for (file, text) in SHIPPED {
            let contract = load(file, text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(format!("{}.toml", contract.provider()), file);
        }
        assert_eq!(Catalogue::shipped().iter().count(), SHIPPED.len());
    }
}
