//! What the simulator promises, through its public door.

mod stories; // the model against every story of the fixtures
