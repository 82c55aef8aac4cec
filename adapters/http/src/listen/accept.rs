//! Connections as they come: how many there may be, and what to do when the system has none to give.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{Id, JoinError, JoinSet};

use super::{Limits, connection, turned_away};
use crate::sparing::Sparing;

/// How long is waited at first when no connection can be taken, and at most.
const BACK_OFF: Duration = Duration::from_millis(10);
const BACK_OFF_MAX: Duration = Duration::from_secs(1);

/// Where connections come from.
pub(super) trait Accept {
    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)>;
}

impl Accept for TcpListener {
    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        TcpListener::accept(self).await
    }
}

/// Those that are served, and how many there are from where.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    from: BTreeMap<Id, IpAddr>,
    of: BTreeMap<IpAddr, usize>,
}

impl Connections {
    fn has_room(&self, peer: IpAddr, limits: &Limits) -> bool {
        let of_peer = self.of.get(&peer).copied().unwrap_or(0);
        self.from.len() < limits.connections_max && of_peer < limits.connections_per_peer_max
    }

    fn add(&mut self, peer: IpAddr, serving: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(serving).id();
        self.from.insert(id, peer);
        *self.of.entry(peer).or_default() += 1;
    }

    /// Waits for the next that is over; for ever when there are none.
    async fn ended(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => {
                tell_panic(&error);
                error.id()
            }
            None => return std::future::pending().await,
        };
        let Some(peer) = self.from.remove(&id) else { return };
        if let Some(count) = self.of.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.of.remove(&peer);
            }
        }
    }
}

/// A handler that panics takes its connection with it, and nothing else. Its words may hold anything.
fn tell_panic(error: &JoinError) {
    if error.is_panic() {
        tracing::error!("a handler panicked: its connection was closed without an answer");
    }
}

/// Runs until `stop` is ready and what was in flight then is answered.
pub(super) async fn run(
    mut accept: impl Accept,
    router: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let (stopping, watched) = watch::channel(false);
    let (limits, problems) = (Arc::new(limits), Arc::new(Sparing::default()));
    let turning_away = Arc::new(Semaphore::new(turned_away::AT_ONCE));
    let mut connections = Connections::default();
    let mut back_off = None;
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            () = connections.ended() => continue,
            accepted = next(&mut accept, back_off) => accepted,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            // They were gone before they were here.
            Err(error) if is_of_one(&error) => continue,
            Err(error) => {
                if back_off.is_none() {
                    tracing::warn!("no connection can be accepted, it is tried again and again: {error}");
                }
                back_off = Some(back_off.map_or(BACK_OFF, |before: Duration| (before * 2).min(BACK_OFF_MAX)));
                continue;
            }
        };
        back_off = None;
        let peer = counted_as(peer.ip());
        if !connections.has_room(peer, &limits) {
            problems.tell(|unsaid| tracing::warn!(unsaid, "a connection was turned away: there are too many"));
            turned_away::tell(socket, &turning_away);
            continue;
        }
        // An answer is one small piece: without this it may wait for one of the client's.
        let _ = socket.set_nodelay(true);
        let (router, limits, problems) = (router.clone(), Arc::clone(&limits), Arc::clone(&problems));
        let stop = watched.clone();
        connections.add(peer, async move { connection::serve(socket, router, &limits, &problems, stop).await });
    }
    // Nobody more gets in.
    drop(accept);
    let _ = stopping.send(true);
    let all = async {
        while !connections.from.is_empty() {
            connections.ended().await;
        }
    };
    tokio::time::timeout(limits.stop, all).await.map_err(|_| {
        let left = connections.from.len();
        io::Error::new(io::ErrorKind::TimedOut, format!("{left} connections were still busy, and were closed"))
    })
}

/// The next connection; after a while, if it has to wait.
async fn next(accept: &mut impl Accept, back_off: Option<Duration>) -> io::Result<(TcpStream, SocketAddr)> {
    if let Some(wait) = back_off {
        tokio::time::sleep(wait).await;
    }
    accept.accept().await
}

/// Whether an error says something of one connection only. Every other, such as too many open files, would come
/// again at once.
fn is_of_one(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// What an address counts as: who has one of IPv6 has a whole network of them.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests;
