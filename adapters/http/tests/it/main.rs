//! What is promised, over real sockets and the real engine.

mod watch;
