//! What a journal promises, through its public door.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed, and says where")]

mod codec; // bytes, there and back
mod crash; // every state that a power cut can leave
mod damage; // every byte, every file
mod errors; // every call fails once
mod full; // a disk with no space
mod model; // what is in a journal, by number
mod ordinary; // a good day
mod sim; // a disk that fails
