//! A clock that stands still until it is set.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use finis_engine::{Clock, Timestamp};
use tokio::sync::watch;

pub(crate) struct Hand(watch::Sender<Timestamp>);

impl Hand {
    pub(crate) fn at(time: Timestamp) -> Arc<Hand> {
        Arc::new(Hand(watch::Sender::new(time)))
    }

    /// The time that a text says.
    pub(crate) fn said(text: &str) -> Arc<Hand> {
        Hand::at(Timestamp::parse(text).unwrap())
    }

    pub(crate) fn set(&self, text: &str) {
        self.0.send_replace(Timestamp::parse(text).unwrap());
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.0.send_modify(|now| *now = now.plus(span));
    }
}

#[async_trait]
impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    async fn sleep_until(&self, at: Timestamp) {
        // It is there as long as the clock is.
        let _ = self.0.subscribe().wait_for(|now| *now >= at).await;
    }
}
