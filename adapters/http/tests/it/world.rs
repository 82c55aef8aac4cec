//! An engine that runs over a log in memory, with a clock that is set by hand.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use finis_engine::log::{Log, LogError, MemoryLog};
use finis_engine::{Engine, Settings, Source, Terms, Timestamp, Unverified};
use finis_providers::Catalogue;

use crate::hand::Hand;

/// How long is waited for what must come, before it is said that it does not.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An engine with its writer, of which sessions of Pathors end.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) clock: Arc<Hand>,
    writer: tokio::task::JoinHandle<Result<(), LogError>>,
}

impl World {
    pub(crate) fn new() -> World {
        World::over(Arc::new(MemoryLog::default()), now())
    }

    fn over(log: Arc<MemoryLog>, clock: Arc<Hand>) -> World {
        let contract = Arc::new(Catalogue::shipped().get("pathors").unwrap().clone());
        let terms = Terms::new(&contract);
        let source = Source { name: "pathors".into(), contract, terms, verify: Box::new(Unverified) };
        let shared: Arc<dyn Log> = log.clone();
        let (engine, writer) = Engine::new(shared, clock.clone(), [source], Settings::default());
        World { engine, log, clock, writer: tokio::spawn(writer.run()) }
    }

    /// Ends, and begins anew with what the log has.
    pub(crate) async fn restart(self) -> World {
        self.engine.close().await;
        self.writer.await.unwrap().unwrap();
        World::over(self.log, self.clock)
    }

    /// A session comes to its end: one notice, and one more for each change that comes after it.
    pub(crate) async fn end(&self, id: &str, changes: usize) {
        let event = |kind: &str, second: usize, count: usize| {
            format!(
                r#"{{"event":"{kind}","sessionId":"{id}","timestamp":"2026-05-03T08:42:{second:02}Z","messagesCount":{count}}}"#
            )
        };
        self.receive(&event("session.ended", 0, 8)).await;
        self.receive(&event("session.finalized", 1, 8)).await;
        for change in 1..=changes {
            self.receive(&event("session.finalized", 1 + change, 8 + change)).await;
        }
    }

    pub(crate) async fn receive(&self, payload: &str) {
        self.engine.receive("pathors", &[], payload.as_bytes()).await.unwrap();
    }

    /// Until a consumer stands so: how far it is, how far behind, and what is parked.
    pub(crate) async fn stands(&self, consumer: &str, expected: &str) {
        let is_so = async {
            while self.standing(consumer).await != expected {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        // Whatever became of it, this says where it stands.
        let _ = tokio::time::timeout(PATIENCE, is_so).await;
        assert_eq!(self.standing(consumer).await, expected, "where {consumer} stands");
    }

    async fn standing(&self, consumer: &str) -> String {
        let known = self.engine.consumers().await.unwrap().into_iter().find(|known| known.consumer == consumer);
        let Some(known) = known else { return "unknown".to_owned() };
        let closed = if known.is_closed { " closed" } else { "" };
        format!("{} -{} parked {} waiting {}{closed}", known.acknowledged, known.behind, known.parked, known.waiting)
    }

    /// Why each parked notice is so.
    pub(crate) async fn reasons(&self, consumer: &str) -> Vec<String> {
        let parked = self.engine.parked(consumer).await.unwrap();
        parked.iter().map(|parked| parked.cause.reason().unwrap_or("held").to_owned()).collect()
    }
}

/// A clock that begins now, since whoever verifies a signature has a clock of their own.
fn now() -> Arc<Hand> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    Hand::at(Timestamp::from_unix(seconds.try_into().unwrap(), 0, 0).unwrap())
}
