//! finis over HTTP: webhooks in, notices out, records to read.
//!
//! ```text
//! provider ──▶ listen ──▶ receive ──▶ Engine ──▶ send ──▶ application
//!              timers     raw body    commits    signed, again
//!                                       └──▶ read, watch ◀── people, Prometheus
//! ```
//!
//! Each part takes an [`Engine`](finis_engine::Engine) and gives a router or a task, so that an application in
//! Rust mounts the very parts that `finis serve` runs.
//!
//! | module | is |
//! |---|---|
//! | [`receive`] | `POST /hooks/{source}`: a router, or a service by itself, whose 2xx says that the delivery is safe |
//! | [`listen`] | connections: how long they may take, how many there may be, what is no HTTP, an end that loses nothing |
//! | [`read`] | sessions, timelines and notices for whoever has the token; a stream that resumes |
//! | [`outbound`] | where requests may go, and a client that goes nowhere else |
//! | [`send`] | notices as webhooks, signed, tried again by a published schedule |
//! | [`recordings`] | recordings fetched before their address dies |
//! | [`watch`] | numbers for Prometheus, and whether it is well |

pub mod listen;
pub mod outbound;
mod problem; // why there is no answer, in one form
pub mod read;
pub mod receive;
pub mod recordings;
pub mod send;
mod sparing; // log lines, not too many
pub mod watch;

pub use problem::with_problems;
