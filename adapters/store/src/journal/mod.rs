//! The journal: a write-ahead log of segment files. So far, its bytes.

pub mod codec; // bytes, apart from any file
mod place; // where things are
mod record; // what goes in, what comes out

pub use place::{Place, Position};
pub use record::{Content, Entry, Record};
