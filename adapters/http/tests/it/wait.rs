//! Waiting until something is so.

use std::time::Duration;

use crate::wire::PATIENCE;

/// Asks again and again until it is so.
pub(crate) async fn until(is_so: impl AsyncFnMut() -> bool) {
    until_it_is("what was waited for", is_so).await;
}

/// The same, and says what never came.
pub(crate) async fn until_it_is(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "it never came: {what}");
}
