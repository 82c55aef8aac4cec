//! Where requests may go, and a client that goes nowhere else.
