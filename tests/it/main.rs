//! What finis promises, through its public door: the command, given files, and what it then writes,
//! prints and answers.
//!
//! A story is a folder of `fixtures/`: what was delivered, and what must come of it. It is told
//! byte for byte, and once more with its lines in another order, twice over, compressed, and on
//! other numbers of threads, because none of that may show. Beside the stories stand the faulty
//! contracts, each with what is said of it, the lines that are no events, the options of the
//! command, and the certificates.
//!
//! `UPDATE_FIXTURES=1 cargo test --test it` writes what the command now says into the fixtures, for
//! a person to read and judge. What an oracle wrote (the records under `fixtures/pathors/`) is
//! never written over.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed, and says where")]

mod against; // hostile deliveries, posted to receivers
mod bad_lines; // lines that are no events, and exports that break off
mod bounds; // one session that does not stop
mod command; // what can be asked, and how it ends
mod consumers; // who pulls, from where on, again and no more
mod delivery; // notices handed over, again, parked, in order
mod door; // the command as a person starts it
mod embed; // the live engine and its store
mod exhaustive; // every order, subset, repeat and join
mod faulty_contracts; // mistakes in contracts, and what is said of them
mod grace; // how long to wait, by simulated worlds
mod identity; // what makes two deliveries one event
mod import; // exports into a store, and out again
mod laws; // a session is a set of events
mod live; // deliveries in, notices out
mod overlap; // judged while the last batch is appended
mod packed; // events read by comparing
mod parked; // what a consumer did not take
mod quarantine; // what can be read by now
mod readme; // what the README shows
mod rebuild; // a store judged anew, by the command
mod receiver; // a receiver of webhooks, to be tested against
mod refold; // sessions judged anew, in every state and interrupted anywhere
mod reload; // sources that change while deliveries come
mod retention; // what is over leaves
#[cfg(unix)]
mod serve; // deliveries in over HTTP, by the command
mod serve_config; // what a server is told
#[cfg(unix)]
mod serve_control; // what a server does when it is told to
#[cfg(unix)]
mod serve_dev; // a server without a file
mod serve_examples; // finis in programs of others
#[cfg(unix)]
mod serve_kill; // a server that is killed, again and again
#[cfg(unix)]
mod serve_parked; // dead letters of a server that runs
#[cfg(unix)]
mod serve_prometheus; // the numbers and the dashboard, as Prometheus has them
#[cfg(unix)]
mod serve_recordings; // recordings, fetched, kept and forgotten
mod serving; // a server that runs, and who it tells
mod sessions; // sessions of every provider, to agree, differ or clash
mod simulate; // worlds by the command
mod simulated; // hostile worlds, against the model
mod stats; // what an engine did, in numbers
mod store_commands; // a store looked into, beside whoever has it
mod store_tools; // a store erased from, checked, copied
mod stories; // deliveries in, records out
mod verify; // records held against exports
mod world; // a live engine to be tested
