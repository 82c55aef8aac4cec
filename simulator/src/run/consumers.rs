//! Whoever is told: one that pulls, one that is handed over to. Both keep ids with their effects, as a
//! system has to that wants each effect once.

use std::future::pending;
use std::sync::Arc;

use finis_engine::log::LogError;
use finis_engine::{DeliverError, Engine, Placed, Policy};

use super::stage::Stage;
use crate::clock::{Micros, SECOND};
use crate::mishaps::{How, Who};
use crate::story::Setup;

/// How long a consumer takes to come back.
const BACK_AFTER: Micros = SECOND;
/// How long the process is down that a handler took with it.
const DOWN: Micros = 2 * SECOND;

/// What a consumer does after something went wrong.
enum Next {
    /// It begins again, in a while.
    Again,
    /// The engine has ended.
    Ended,
}

impl From<LogError> for Next {
    fn from(error: LogError) -> Next {
        match error {
            LogError::Full { .. } | LogError::TooLarge { .. } => Next::Again,
            LogError::Stopped { .. } | LogError::Damaged { .. } => Next::Ended,
        }
    }
}

/// Pulls until the engine has ended. It dies and comes back, as a process of its own does.
pub(super) async fn pull(stage: Arc<Stage>, engine: Engine, ack_each: u64) {
    loop {
        match live(&stage, &engine, ack_each.max(1)).await {
            Ok(Next::Again) | Err(Next::Again) => stage.time.sleep(BACK_AFTER).await,
            Ok(Next::Ended) | Err(Next::Ended) => return,
        }
    }
}

/// One life of the consumer that pulls.
async fn live(stage: &Arc<Stage>, engine: &Engine, ack_each: u64) -> Result<Next, Next> {
    let who = Who::Puller;
    let mut notices = engine.notices(who.name()).await?;
    // The last that is dealt with and not acknowledged.
    let mut dealt = None;
    loop {
        let mut next = notices.try_next().await?;
        if next.is_none() {
            if let Some(seq) = dealt.take() {
                notices.ack(seq).await?;
            }
            next = notices.next().await?;
        }
        let Some(next) = next else { return Ok(Next::Ended) };
        match stage.hand(who, &next) {
            None => stage.deal(who, &next),
            Some(How::Hangs { ms }) => {
                stage.time.sleep(crate::mishaps::milliseconds(ms)).await;
                stage.deal(who, &next);
            }
            Some(how) => {
                if how == How::DiesAfter {
                    stage.deal(who, &next);
                }
                stage.stumble(who, &next);
                return Ok(Next::Again);
            }
        }
        dealt = Some(next.seq);
        if next.seq.is_multiple_of(ack_each) {
            notices.ack(next.seq).await?;
            dealt = None;
        }
    }
}

/// Is handed over to until the engine has ended.
pub(super) async fn hand_over(stage: Arc<Stage>, engine: Engine, setup: Setup) {
    let who = Who::Handler;
    let policy = Policy { at_once_max: setup.at_once_max, tries_max: setup.tries_max, ..Policy::default() };
    loop {
        let handler = {
            let stage = Arc::clone(&stage);
            move |placed: Placed| handle(Arc::clone(&stage), placed)
        };
        match engine.deliver(who.name(), policy.clone(), handler).await {
            Ok((_handover, worker)) => {
                // Whatever the log does not know of comes again in the next life.
                let _ = worker.run().await;
                return;
            }
            Err(DeliverError::Log(LogError::Full { .. })) => stage.time.sleep(BACK_AFTER).await,
            Err(_) => return,
        }
    }
}

async fn handle(stage: Arc<Stage>, placed: Placed) -> Result<(), &'static str> {
    let who = Who::Handler;
    match stage.hand(who, &placed) {
        None => {}
        Some(How::Hangs { ms }) => stage.time.sleep(crate::mishaps::milliseconds(ms)).await,
        Some(How::Fails) => {
            stage.stumble(who, &placed);
            return Err("it could not");
        }
        Some(how) => {
            if how == How::DiesAfter {
                stage.deal(who, &placed);
            }
            stage.stumble(who, &placed);
            stage.die(DOWN);
            return pending().await;
        }
    }
    stage.deal(who, &placed);
    Ok(())
}
