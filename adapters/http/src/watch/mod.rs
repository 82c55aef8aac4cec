//! Numbers for Prometheus, and whether it is well.
