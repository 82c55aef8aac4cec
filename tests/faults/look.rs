//! What a store has, as the oracle wants it.

use std::time::Duration;

use finis::engine::log::LogRead;
use finis::engine::{Denied, Source, Terms, Timestamp, Verify};
use finis_simulator::run::Kept;

use crate::deliveries::{contract, terms};

/// What somebody finds who reads everything.
#[derive(Default)]
pub(crate) struct Look {
    pub(crate) kept: Kept,
    /// When it was, by what the store knows of the receiver's time: records are those of then.
    pub(crate) as_of: Option<Timestamp>,
    /// What is damaged, in words: of sessions, and of the quarantine.
    pub(crate) sessions_damaged: Vec<String>,
    pub(crate) quarantine_damaged: Vec<String>,
}

impl Look {
    /// Reads all that a log has, each session by itself.
    pub(crate) async fn at(log: &dyn LogRead, stall: Duration, what: &str) -> Look {
        let sources: Vec<Source> =
            crate::deliveries::terms(stall).into_keys().map(|name| source(name, stall)).collect();
        let mut look = Look { as_of: log.latest().await.unwrap(), ..Look::default() };
        let as_of = look.as_of.unwrap_or(Timestamp::MIN);
        for key in log.sessions(None, usize::MAX).await.unwrap() {
            let loaded = log.load(std::slice::from_ref(&key)).await;
            let stored = loaded.unwrap_or_else(|error| panic!("{what}: {key:?}: {error}")).remove(0);
            look.sessions_damaged.extend(stored.damaged.iter().cloned());
            let source = sources.iter().find(|source| source.name == key.source());
            let source = source.unwrap_or_else(|| panic!("{what}: nobody is called {key:?}"));
            let under = source.under(&key).unwrap_or_else(|| panic!("{what}: {key:?} is about nothing"));
            let record = source.restore(key.clone(), stored.clone()).record_at(under, as_of);
            look.kept.records.insert(key.clone(), record);
            look.kept.sessions.insert(key, stored);
        }
        let quarantine = log.refused(None, usize::MAX).await;
        let quarantine = quarantine.unwrap_or_else(|error| panic!("{what}: quarantine: {error}"));
        (look.kept.refused, look.quarantine_damaged) = (quarantine.deliveries, quarantine.damaged);
        look.kept.outbox = log.notices(0, usize::MAX).await.unwrap_or_else(|error| panic!("{what}: outbox: {error}"));
        look.kept.last_seq = log.last_seq().await.unwrap();
        look.kept.consumers = log.consumers().await.unwrap();
        look
    }
}

/// A source to read under; nothing comes from it.
fn source(name: String, stall: Duration) -> Source {
    struct Nobody;
    impl Verify for Nobody {
        fn verify(&self, _: &[(&str, &str)], _: &[u8], _: Timestamp) -> Result<(), Denied> {
            Err(Denied { reason: "nothing comes from here".to_owned() })
        }
    }
    let agreed = terms(stall)[&name].clone();
    let mut terms = Terms::new(contract());
    agreed.grace.into_iter().for_each(|grace| terms.set_grace(grace));
    agreed.stall.into_iter().for_each(|stall| terms.set_stall(stall));
    Source { name, contract: std::sync::Arc::new(contract().clone()), terms, verify: Box::new(Nobody) }
}
