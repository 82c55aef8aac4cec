//! What is promised of signatures, through the public door.
//!
//! `fixtures/signatures/` has the schemes of providers that finis has no contract of, and deliveries
//! that were signed by others, each with what must be said of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed, and says where")]

mod attacks; // what a forger may try
mod deliveries; // what others signed
mod door; // schemes, senders and receivers
mod laws; // what is signed verifies, and nothing else
mod oracle; // the reference of Standard Webhooks
mod secrecy; // what nobody may read
mod setup; // what cannot work is refused at the start
