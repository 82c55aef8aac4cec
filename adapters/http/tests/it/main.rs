//! finis over HTTP, through its public door and over real sockets.

mod listen; // connections: framing, time, numbers, the end
mod listen_bad_inputs; // a corpus of them
mod receive; // what becomes of a delivery, in status and words
mod receiver; // a receiver for these tests: an engine on a log that can be in trouble
mod said;
mod wire; // a client that says what it wants, byte for byte // what is said by tracing
