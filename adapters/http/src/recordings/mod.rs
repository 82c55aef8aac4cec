//! Recordings fetched before their address dies.
