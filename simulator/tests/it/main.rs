//! What the simulator promises, through its public door.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed, and says where")]

mod agreement; // the model and the engine, at every prefix
mod checks; // the law checker
mod conclusions; // what a receiver says, against what was posted
mod contracts; // contracts that are tried
mod faults; // each dial does what it says
mod grace; // how long to wait, against the live engine
mod mutants; // faults planted by hand
mod oracles; // what an oracle has to see
mod run; // the real engine, played
mod scripts; // arrivals written out
mod shrinking; // stories made smaller
mod stories; // the model against every story of the fixtures
mod worlds; // worlds against their contracts
