//! What a person does with a receiver: through the doors that a person has.

use std::sync::Arc;

use finis_engine::contract::draft::Locator;
use finis_engine::log::{Log, LogError};
use finis_engine::{Contract, Engine, Filled, Filler, Retried, Source, retry_refused};

use crate::mishaps::Who;

/// Sets a consumer back.
pub(super) async fn rewind(engine: &Engine, who: Who, by: u64) -> Result<(), LogError> {
    let known = engine.consumers().await?.into_iter().find(|known| known.consumer == who.name());
    let Some(known) = known else { return Ok(()) };
    engine.rewind(who.name(), known.acknowledged.saturating_sub(by)).await
}

/// Lets what is parked for a consumer be handed over again.
pub(super) async fn unpark(engine: &Engine, who: Who, all: bool) -> Result<(), LogError> {
    if all {
        return engine.retry_parked(who.name()).await.map(drop);
    }
    let last = engine.parked(who.name()).await?.pop();
    match last {
        Some(parked) => engine.retry_one_parked(who.name(), parked.placed.seq).await.map(drop),
        None => Ok(()),
    }
}

/// The contract of somebody who took the ids of sessions to stand where none are.
pub(super) fn misreading(contract: &Contract) -> Option<Contract> {
    let mut draft = contract.draft().clone();
    for subject in &mut draft.subjects {
        subject.id = Locator { path: Some("/no/id/is/here".to_owned()), ..Locator::default() };
    }
    Contract::new(draft).ok()
}

/// Reads what is in quarantine again, with the log for himself.
pub(super) async fn reread(log: Arc<dyn Log>, source: Source) -> Result<(Retried, Filled), LogError> {
    let filler = Filler::new(Arc::clone(&log), [source]).await?;
    retry_refused(&*log, filler).await
}
