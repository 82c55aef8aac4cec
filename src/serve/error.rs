//! Why a server does not run.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::engine::log::LogError;
use crate::live::OpenError;

/// Why a server did not start, or how it ended.
#[derive(Debug)]
pub enum ServeError {
    /// The store cannot be opened.
    Open(OpenError),
    /// Nobody can listen there.
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// Notices cannot be sent to an endpoint.
    Webhook {
        /// Which.
        name: String,
        /// Why.
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Recordings cannot be kept, or fetched.
    Recordings {
        /// Why.
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Connections were cut off: what they brought may have been taken, and nobody was told.
    Connections(io::Error),
    /// The store stopped taking anything.
    Log(LogError),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Open(error) => error.fmt(f),
            ServeError::Listen { address, error } if error.kind() == io::ErrorKind::AddrInUse => {
                write!(f, "cannot listen on {address}: somebody does already; stop it, or choose another port")
            }
            ServeError::Listen { address, error } if error.kind() == io::ErrorKind::AddrNotAvailable => {
                write!(f, "cannot listen on {address}: this machine has no such address; name one that it has")
            }
            ServeError::Listen { address, error } if error.kind() == io::ErrorKind::PermissionDenied => {
                write!(f, "cannot listen on {address}: this user may not; choose a port from 1024 on")
            }
            ServeError::Listen { address, error } => write!(f, "cannot listen on {address}: {error}"),
            ServeError::Webhook { name, .. } => write!(f, "webhook `{name}`"),
            ServeError::Recordings { error } => error.fmt(f),
            ServeError::Connections(error) => error.fmt(f),
            ServeError::Log(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // What it says is said already.
            ServeError::Open(error) => error.source(),
            ServeError::Webhook { error, .. } => Some(&**error),
            ServeError::Recordings { error } => error.source(),
            _ => None,
        }
    }
}
