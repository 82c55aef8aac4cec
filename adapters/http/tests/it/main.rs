//! What is promised of finis over HTTP, over real sockets of loopback.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed, and says where")]

mod outbound; // where requests go, and where they do not
mod outbound_corpus; // bad inputs, one file each
mod receiver; // somebody who is posted to
mod send; // notices as webhooks
mod send_bounds; // answers that are none
mod send_published; // what the published packages say of our signatures
mod world; // an engine that runs
