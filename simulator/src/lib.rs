//! finis-simulator
mod arrival;
pub mod check;
pub mod clock;
pub mod faults;
pub mod json;
pub mod model;
mod random;
pub mod world;
pub use arrival::{Arrival, Is};
pub mod script;
