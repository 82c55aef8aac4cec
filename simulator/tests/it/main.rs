//! What the simulator promises, through its public door.

mod contracts; // contracts that are tried
mod faults; // each dial does what it says
mod stories; // the model against every story of the fixtures
mod worlds; // worlds against their contracts
