//! What is told of an engine: numbers, whether it is well, and what is kept out of logs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed, and says where")]
#![allow(clippy::float_cmp, reason = "they are whole numbers, or come from the same division")]

mod dashboard; // the panels, and the numbers that they ask for
mod masks; // numbers of telephones
mod numbers; // what is counted
mod open_metrics; // a strict reader of the text form
mod readiness; // whether deliveries should be sent here
mod world; // an engine to be watched
