//! What finis promises over HTTP, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed, and says where")]

mod read; // sessions for whoever has the token
mod read_document; // real answers held against the document
mod read_fuzz; // whatever a stranger makes of the document
mod read_notices; // notices, consumers, what is parked
mod read_stream; // notices as they are said
mod read_world; // an engine that is read
