//! Connections: how long they may take, how many there may be, what is no HTTP, and an end that loses nothing.
