//! finis-simulator
pub mod clock;
pub mod json;
pub mod model;
mod random;
pub mod world;
pub use random::Chance;
