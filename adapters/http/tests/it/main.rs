//! finis over HTTP, through its public door and over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed, and says where")]

mod hand; // a clock that is set by hand
mod listen; // connections: time, numbers, order, the end
mod listen_bad_inputs; // a corpus of them, each with its answer
mod outbound; // where requests go, and where they do not
mod outbound_corpus; // bad inputs on the way out, one file each
mod posted_to; // somebody who is posted to
mod read; // sessions for whoever has the token
mod read_document; // real answers held against the document
mod read_fuzz; // whatever a stranger makes of the document
mod read_notices; // notices, consumers, what is parked
mod read_quarantine; // what could not be read
mod read_stream; // notices as they are said
mod read_world; // an engine that is read
mod receive; // what becomes of a delivery, in status and words
mod receive_paths; // what is a hook, and what is none
mod receiver; // a receiver for these tests: an engine on a log that can be in trouble
mod recordings; // what comes of recordings, and what is on the disk then
mod recordings_world; // a host that does as it is told, and a clock that leaps
mod said; // what is said by tracing
mod send; // notices as webhooks
mod send_bounds; // answers that are none
mod send_published; // what the published packages say of our signatures
mod wait; // until something is so
mod watch; // what is said of it in numbers
mod wire; // a client that says what it wants, byte for byte
mod world; // an engine that runs
