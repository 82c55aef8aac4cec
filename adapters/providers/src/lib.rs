//! finis-providers: what each voice platform promises of its webhooks, one TOML file a provider.
//!
//! [`load`] turns the text of a contract into a [`Contract`] that the engine trusts, or into errors
//! that name file, line, key and remedy. [`Catalogue`] has the contracts that ship with finis, and
//! those of a folder of the user's own, which win. [`signature`] verifies deliveries by what a
//! contract says of them, and signs as a provider does.

mod catalogue; // contracts by name
mod load; // from a text to a contract
pub mod signature; // whether a delivery comes from where it says

pub use catalogue::{Catalogue, CatalogueError};
pub use finis_engine::Contract;
pub use load::{LoadError, LocatedFault, load};
