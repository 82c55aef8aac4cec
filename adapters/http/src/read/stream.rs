//! Notices as they are said: server-sent events that resume where they broke off.
//!
//! The id of each is its place in the outbox, its data the notice as consumers get it everywhere. None has a
//! name, so that who listens to messages misses none. What is sent is fetched a few at a time, and only when
//! the reader has taken what was sent before: one that is slow waits for itself, and costs nobody memory.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use finis_engine::Following;
use futures_util::stream::unfold;
use http::{HeaderMap, HeaderValue};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::Shared;
use super::parameters::Parameters;
use super::problem::Problem;

/// After how long a reader that was cut off is to come again.
const COME_AGAIN: Duration = Duration::from_secs(1);

/// What a stream goes on with.
struct Open {
    following: Following,
    ending: Option<watch::Receiver<bool>>,
    /// It is told first when to come again.
    is_begun: bool,
    _place: OwnedSemaphorePermit,
}

pub(super) async fn follow(
    State(shared): State<Arc<Shared>>,
    asked: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let consumer = asked.consumer()?;
    let named = match asked.text("after") {
        Some(_) => Some(asked.number("after", 0..=u64::MAX, 0)?),
        None => None,
    };
    // A reader that comes again asks as it did at first, and says here where it is.
    let after = last_event_id(&headers)?.or(named);
    let last = shared.engine.last_seq().await?;
    if after.is_some_and(|after| after > last) {
        // A store that was set back: to wait for that place would pass over what is said until then.
        return Err(Problem::conflict("ahead", format!("no notice has that place yet: the last is {last}")));
    }
    let place = Arc::clone(&shared.streams).try_acquire_owned();
    let place = place.map_err(|_| Problem::busy("as many streams are open as there may be"))?;
    let following = match consumer {
        Some(consumer) => shared.engine.follow_consumer(consumer, after).await?,
        None => shared.engine.follow(after.unwrap_or(last)),
    };
    let open = Open { following, ending: shared.ending.clone(), is_begun: false, _place: place };
    let events = unfold(open, |mut open| async move {
        let event = open.next().await?;
        Some((Ok::<Event, Infallible>(event), open))
    });
    let heartbeat = KeepAlive::new().interval(shared.heartbeat);
    let mut response = Sse::new(events).keep_alive(heartbeat).into_response();
    // What stands between would hold events back to send several at once.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

impl Open {
    /// What is sent next; nothing when that was all.
    async fn next(&mut self) -> Option<Event> {
        if !self.is_begun {
            self.is_begun = true;
            return Some(Event::default().retry(COME_AGAIN));
        }
        let next = tokio::select! {
            biased;
            () = end(&mut self.ending) => return None,
            next = self.following.next() => next,
        };
        match next {
            Ok(next) => next.map(|placed| Event::default().id(placed.seq.to_string()).data(placed.to_json())),
            Err(error) => {
                tracing::warn!(%error, "a stream of notices broke off");
                None
            }
        }
    }
}

/// Waits until streams are to end.
async fn end(ending: &mut Option<watch::Receiver<bool>>) {
    match ending {
        // Who would say so is gone, or has said so.
        Some(ending) => drop(ending.wait_for(|is_ending| *is_ending).await),
        None => std::future::pending().await,
    }
}

/// Where a reader broke off; nothing when it has not read any.
fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    if value.is_empty() {
        return Ok(None);
    }
    let text = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let seq = text.and_then(|text| text.parse().ok());
    let wrong =
        || Problem::parameter("Last-Event-ID", "`Last-Event-ID` is the id of an event of this stream, a number");
    seq.map(Some).ok_or_else(wrong)
}
