//! Notices as webhooks, signed, tried again by a published schedule.
//!
//! ```text
//! outbox ──▶ handover ──▶ Sender ──▶ outbound::Client ──▶ endpoint
//!            one consumer    signs      bounded              ├─ 2xx: dealt with
//!            each endpoint                                   ├─ 410: the endpoint is closed
//!                                                            └─ all else: again, by the schedule
//! ```
//!
//! An [`Endpoint`] is a consumer of its own, `webhook:` and its name, with a place in the outbox of its own: what
//! one does not take holds nobody else up. Within a session notices come in order, one after the other.
//!
//! As [Standard Webhooks](https://www.standardwebhooks.com) have it: `webhook-id` is the id of the notice, the
//! same over all tries, as is the body, which is the notice as JSON; `webhook-timestamp` and `webhook-signature`
//! are made for each try. A notice whose session is forgotten between two tries comes as `forgotten` from then
//! on, under its id.
//!
//! What an endpoint does not take is tried again by [`schedule::PUBLISHED`], later by up to a fifth, and ends as a
//! dead letter: parked, held and listed until somebody sends it again or lets it be. What waits a minute or
//! longer is remembered in the log with how often it was tried, so that a restart begins no schedule anew; what
//! waits shorter is tried at once after a restart, and counts from the first try again.
//!
//! [`decide`] says what becomes of a notice and is a function of values; [`Sender`] carries out.

mod decide; // what becomes of a notice
mod endpoint; // where notices go
pub mod schedule; // when they go again
mod sender; // the one who posts
mod sign; // who says so
mod tally; // how it went, in numbers

pub use decide::{Answered, Decision, RETRY_AFTER_MAX, decide, retry_after};
pub use endpoint::{CONCURRENCY, Endpoint, EndpointError, consumer_name};
pub use sender::{Chance, Rejected, Sender, deliver};
pub use sign::Signature;
pub use tally::{Sent, Tally};
