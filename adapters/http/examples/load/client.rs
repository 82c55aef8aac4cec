//! Connections that send, and wait for answers.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};

use crate::deliveries::{Deliveries, Sent};
use crate::figures::Figures;

/// How long nobody has to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// When the next delivery is sent.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// When the last is answered.
    AsAnswered,
    /// By a clock: so many a second, over all connections.
    EverySecond(f64),
}

/// What is to be sent.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    pub(crate) seconds: u64,
    /// What makes the sessions of this run others than those of the last.
    pub(crate) first: u32,
}

impl Load {
    pub(crate) fn new(address: SocketAddr, connections: usize) -> Load {
        Load { address, connections, pace: Pace::AsAnswered, seconds: 10, first: 0 }
    }
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) seconds: f64,
    /// Microseconds until each 2xx.
    pub(crate) waits: Vec<u32>,
    pub(crate) acknowledged: Vec<Sent>,
    /// Answered 503 with `Retry-After`.
    pub(crate) turned_away: u64,
}

impl Outcome {
    pub(crate) fn figures(mut self) -> Figures {
        Figures::new(self.seconds, &mut self.waits, self.turned_away)
    }
}

/// Sends for a while, on all connections at once. Time begins when all are connected.
pub(crate) async fn run(load: Load) -> io::Result<Outcome> {
    let mut sockets = Vec::new();
    for _ in 0..load.connections {
        let socket = TcpStream::connect(load.address).await?;
        socket.set_nodelay(true)?;
        sockets.push(socket);
    }
    let begin = Instant::now();
    let end = begin + Duration::from_secs(load.seconds);
    let tasks = sockets.into_iter().enumerate();
    let tasks: Vec<_> = tasks.map(|(place, socket)| tokio::spawn(send(load, place, socket, begin, end))).collect();
    let mut all = Outcome::default();
    for task in tasks {
        let one = task.await.map_err(io::Error::other)??;
        all.waits.extend(one.waits);
        all.acknowledged.extend(one.acknowledged);
        all.turned_away += one.turned_away;
    }
    all.seconds = begin.elapsed().as_secs_f64();
    Ok(all)
}

async fn send(load: Load, place: usize, mut socket: TcpStream, begin: Instant, end: Instant) -> io::Result<Outcome> {
    let mut deliveries = Deliveries::new(load.address, load.first, place as u32);
    let mut outcome = Outcome::default();
    let mut answer = Vec::with_capacity(1024);
    let every = match load.pace {
        Pace::AsAnswered => None,
        Pace::EverySecond(rate) => Some(Duration::from_secs_f64(load.connections as f64 / rate)),
    };
    // Not all at the same instant.
    let mut due = begin + every.unwrap_or_default().mul_f64(place as f64 / load.connections as f64);
    loop {
        let from = match every {
            Some(every) => {
                sleep_until(due).await;
                let from = due;
                due += every;
                from
            }
            None => Instant::now(),
        };
        if from >= end || Instant::now() >= end {
            return Ok(outcome);
        }
        let (request, sent) = deliveries.next();
        socket.write_all(request).await?;
        let status = tokio::time::timeout(PATIENCE, read(&mut socket, &mut answer)).await??;
        match status {
            200 => {
                outcome.waits.push(from.elapsed().as_micros().try_into().unwrap_or(u32::MAX));
                outcome.acknowledged.push(sent);
            }
            503 if has_retry_after(&answer) => {
                outcome.turned_away += 1;
                // A provider would wait a second. This one presses on.
                sleep(Duration::from_millis(5)).await;
            }
            status => return Err(io::Error::other(format!("answered {status}: {}", String::from_utf8_lossy(&answer)))),
        }
    }
}

/// Reads one answer: its status.
async fn read(socket: &mut TcpStream, answer: &mut Vec<u8>) -> io::Result<u16> {
    answer.clear();
    loop {
        if socket.read_buf(answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&answer[..end]).map_err(io::Error::other)?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if answer.len() >= end + 4 + length.unwrap_or(0) {
            return head.get(9..12).and_then(|status| status.parse().ok()).ok_or_else(|| io::Error::other("no status"));
        }
    }
}

fn has_retry_after(answer: &[u8]) -> bool {
    answer.windows(13).any(|part| part == b"\r\nretry-after")
}
