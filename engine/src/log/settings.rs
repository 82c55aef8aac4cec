//! What a source is read under, as a log remembers it: enough to read its sessions again without being told.

use std::time::Duration;

use crate::contract::{Contract, SubjectId, Terms, UnknownKind};

/// The settings of a source. Secrets are no part of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSettings {
    /// The name of the source.
    pub name: String,
    /// Whose contract it is read under.
    pub provider: String,
    /// The version of that contract.
    pub version: String,
    /// The kinds that it is sent, in the order of the contract's table; nothing when all there are.
    pub subscription: Option<Vec<String>>,
    /// How long a session waits, after its end, for what is missing.
    pub grace: Duration,
    /// How long a session waits for its end; nothing when for ever.
    pub stall: Option<Duration>,
}

impl SourceSettings {
    /// The settings of a source under these terms.
    #[must_use]
    pub fn new(name: &str, contract: &Contract, terms: &Terms) -> SourceSettings {
        let all = contract.kinds().count();
        let kinds = terms.subscribed().map(|kind| contract.kind_name(kind).to_owned());
        let kinds: Vec<String> = kinds.collect();
        SourceSettings {
            name: name.to_owned(),
            provider: contract.provider().to_owned(),
            version: contract.version().to_owned(),
            subscription: (kinds.len() < all).then_some(kinds),
            grace: terms.grace(SubjectId::MAIN),
            stall: terms.stall(SubjectId::MAIN),
        }
    }

    /// The terms that these are of, under a contract of the same provider.
    ///
    /// # Errors
    /// When it is subscribed to a kind that the contract does not have.
    pub fn terms(&self, contract: &Contract) -> Result<Terms, UnknownKind> {
        let mut terms = Terms::new(contract);
        if let Some(kinds) = &self.subscription {
            terms.subscribe(contract, kinds.iter().map(String::as_str))?;
        }
        terms.set_grace(self.grace);
        if let Some(stall) = self.stall {
            terms.set_stall(stall);
        }
        Ok(terms)
    }
}
