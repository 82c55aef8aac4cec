//! What a journal promises, through its public door.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed, and says where")]

mod codec; // bytes, there and back
