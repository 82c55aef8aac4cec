//! finis-simulator
pub mod json;
pub mod model;
