//! Connections as they come: how many there may be, and what to do when the system has none to give.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use super::stop::Stop;
use super::{Handler, Limits, Tally, connection, turned_away};
use crate::sparing::Sparing;

/// How long is waited at first when no connection can be taken, and at most.
const BACK_OFF: Duration = Duration::from_millis(10);
const BACK_OFF_MAX: Duration = Duration::from_secs(1);

/// What was sent before a stop is seen within this time.
const CLOSING: Duration = Duration::from_millis(20);

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
    from: BTreeMap<Id, (IpAddr, Arc<Stop>)>,
    of: BTreeMap<IpAddr, usize>,
}

impl Connections {
    fn has_room(&self, peer: IpAddr, limits: &Limits) -> bool {
        let of_peer = self.of.get(&peer).copied().unwrap_or(0);
        self.from.len() < limits.connections_max && of_peer < limits.connections_per_peer_max
    }

    fn add(&mut self, peer: IpAddr, stop: Arc<Stop>, serving: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(serving).id();
        self.from.insert(id, (peer, stop));
        *self.of.entry(peer).or_default() += 1;
    }

    /// Has them end as soon as nothing is in flight.
    fn stop(&self) {
        self.from.values().for_each(|(_, stop)| stop.tell());
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
        let Some((peer, _)) = self.from.remove(&id) else { return };
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
    handler: impl Handler,
    limits: Limits,
    tally: Arc<Tally>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut desk = Desk {
        handler,
        limits: Arc::new(limits),
        connections: Connections::default(),
        problems: Arc::default(),
        tally,
        turning_away: Arc::new(Semaphore::new(turned_away::AT_ONCE)),
    };
    let mut back_off = None;
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            () = desk.connections.ended() => continue,
            accepted = next(&mut accept, back_off) => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                back_off = None;
                desk.let_in(socket, peer);
            }
            // They were gone before they were here.
            Err(error) if is_of_one(&error) => {}
            Err(error) => {
                if back_off.is_none() {
                    tracing::warn!("no connection can be accepted, it is tried again and again: {error}");
                }
                back_off = Some(back_off.map_or(BACK_OFF, |before: Duration| (before * 2).min(BACK_OFF_MAX)));
            }
        }
    }
    // Those that are connected already are let in; and what they, and all others, have sent already is read.
    let closing = Instant::now() + CLOSING;
    while let Ok(Ok((socket, peer))) = tokio::time::timeout_at(closing, accept.accept()).await {
        desk.let_in(socket, peer);
    }
    drop(accept);
    tokio::time::sleep(CLOSING).await;
    let Desk { mut connections, limits, .. } = desk;
    connections.stop();
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

/// What every connection is given.
struct Desk<H> {
    handler: H,
    limits: Arc<Limits>,
    connections: Connections,
    problems: Arc<Sparing>,
    tally: Arc<Tally>,
    turning_away: Arc<Semaphore>,
}

impl<H: Handler> Desk<H> {
    /// Serves a connection, if there may be one more.
    fn let_in(&mut self, socket: TcpStream, peer: SocketAddr) {
        let peer = counted_as(peer.ip());
        if !self.connections.has_room(peer, &self.limits) {
            self.tally.turned_away();
            self.problems.tell(|unsaid| tracing::warn!(unsaid, "a connection was turned away: there are too many"));
            turned_away::tell(socket, &self.turning_away);
            return;
        }
        // An answer is one small piece: without this it may wait for one of the client's.
        let _ = socket.set_nodelay(true);
        let (handler, limits) = (self.handler.clone(), Arc::clone(&self.limits));
        let (problems, tally) = (Arc::clone(&self.problems), Arc::clone(&self.tally));
        let stop = Arc::<Stop>::default();
        let told = Arc::clone(&stop);
        let serving = async move { connection::serve(socket, handler, &limits, &problems, tally, told).await };
        self.connections.add(peer, stop, serving);
    }
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
