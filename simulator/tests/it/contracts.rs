//! Contracts that are tried: those that ship with finis, and two that nobody has habits of.

use finis_engine::Contract;
use finis_providers::{Catalogue, load};

/// The example of the documents.
const DOCUMENTS: &str = include_str!("../../../docs/contracts.md");
/// What the language has and no shipped contract uses.
const MADE_UP: &str = include_str!("../../../fuzz/made-up.toml");

/// Every contract.
pub(crate) fn all() -> Vec<Contract> {
    let mut contracts: Vec<Contract> = Catalogue::shipped().iter().cloned().collect();
    let example = DOCUMENTS.split("```").filter_map(|block| block.strip_prefix("toml\n"));
    let example = example.into_iter().find(|block| block.contains("provider = \"parley\"")).unwrap();
    contracts.push(load("parley.toml", example).unwrap());
    contracts.push(load("made-up.toml", MADE_UP).unwrap());
    contracts
}

/// The contract of Pathors.
pub(crate) fn pathors() -> Contract {
    Catalogue::shipped().get("pathors").unwrap().clone()
}
