//! What is known of a run beforehand, whoever runs it.

use std::collections::BTreeMap;

use finis_engine::Contract;

use crate::arrival::Arrival;
use crate::mishaps::Mishap;
use crate::model::{Model, Terms};
use crate::story::Story;

/// What an oracle has to know beforehand.
#[derive(Clone, Debug)]
pub struct Given<'g> {
    /// What every source is read under.
    pub contract: &'g Contract,
    /// What may be posted, by the places that the steps of a run name.
    pub arrivals: BTreeMap<usize, &'g Arrival>,
    /// What sources have settled on with their provider, by name; one that is not here, on nothing.
    pub terms: BTreeMap<String, Terms>,
    /// Nothing goes wrong with the receiver, and it has room for everybody.
    pub calm: bool,
    /// Somebody may let go of deliveries in quarantine.
    pub retains: bool,
    /// At first the contract looks for ids where none are, until somebody mends it.
    pub misreads: bool,
}

impl<'g> Given<'g> {
    /// What is known of a story.
    #[must_use]
    pub fn of(story: &'g Story, contract: &'g Contract) -> Given<'g> {
        let arrivals: BTreeMap<usize, &Arrival> = story.arrivals().collect();
        let terms = arrivals.values().map(|arrival| (arrival.source.clone(), story.setup.model_terms())).collect();
        Given {
            contract,
            arrivals,
            terms,
            calm: story.mishaps().next().is_none() && !story.setup.refuses_when_busy,
            retains: story.mishaps().any(|(_, mishap)| matches!(mishap, Mishap::Retain { .. })),
            misreads: story.setup.misreads,
        }
    }

    /// A model of a source in which nothing has come yet.
    pub(super) fn model(&self, source: &str) -> Model<'g> {
        Model::new(self.contract, self.terms.get(source).cloned().unwrap_or_default())
    }
}
