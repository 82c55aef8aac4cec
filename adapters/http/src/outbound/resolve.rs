//! Names to addresses that a connection may go to.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::guard::Guard;

/// Addresses of a host, once they are known.
pub type Found = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Whoever knows the addresses of hosts.
pub trait Lookup: Send + Sync + 'static {
    /// The addresses of a host, those first that are to be tried first.
    fn lookup(&self, host: &str) -> Found;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str) -> Found {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Gives of the addresses of a host those that a guard admits, so that nothing else is connected to. Asked
/// once for each connection: what was looked at is what is connected to.
pub(super) struct Guarded {
    pub(super) guard: Arc<Guard>,
    pub(super) lookup: Arc<dyn Lookup>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, found) = (Arc::clone(&self.guard), self.lookup.lookup(name.as_str()));
        Box::pin(async move {
            let (mut admitted, mut refused) = (Vec::new(), None);
            for address in found.await? {
                match guard.admit(name.as_str(), address) {
                    // The port is the URL's.
                    Ok(()) => admitted.push(SocketAddr::new(address, 0)),
                    Err(why) => refused = refused.or(Some(why)),
                }
            }
            match refused {
                Some(refused) if admitted.is_empty() => Err(refused.into()),
                _ if admitted.is_empty() => Err(io::Error::from(io::ErrorKind::NotFound).into()),
                _ => Ok(Box::new(admitted.into_iter()) as Addrs),
            }
        })
    }
}
