//! Somebody who is posted to, and answers as a test wants it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::world::PATIENCE;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn id(&self) -> &str {
        self.headers["webhook-id"].to_str().unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Of which session the notice is, and its revision.
    pub(crate) fn notice(&self) -> String {
        let json = self.json();
        format!("{}{}", json["record"]["session"].as_str().unwrap_or("?"), json["revision"])
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A status, with headers.
    Status(u16, Vec<(&'static str, String)>),
    /// These bytes, as they are, and then the end.
    Raw(Vec<u8>),
    /// These bytes, and then whatever was not read makes it a reset.
    Reset(Vec<u8>),
    /// These bytes, and then these again and again, so long apart.
    Endless(Vec<u8>, Vec<u8>, Duration),
    /// Nothing, ever.
    Silence,
}

pub(crate) fn status(code: u16) -> Reply {
    Reply::Status(code, Vec::new())
}

type Answers = Arc<dyn Fn(&Seen, usize) -> Reply + Send + Sync>;

/// It ends when it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    seen: watch::Sender<Vec<Seen>>,
    connections: watch::Sender<usize>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Answers with what it is told to for a request, and how many came before it.
    pub(crate) async fn start(answers: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Receiver {
        Receiver::start_at(Ipv4Addr::LOCALHOST, None, answers).await
    }

    pub(crate) async fn start_at(
        host: Ipv4Addr,
        tls: Option<TlsAcceptor>,
        answers: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    ) -> Receiver {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, connections) = (watch::Sender::new(Vec::new()), watch::Sender::new(0));
        let (noted, counted, answers): (_, _, Answers) = (seen.clone(), connections.clone(), Arc::new(answers));
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                counted.send_modify(|count| *count += 1);
                let (noted, answers, tls) = (noted.clone(), Arc::clone(&answers), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &noted, &answers).await;
                            }
                        }
                        None => serve(stream, &noted, &answers).await,
                    }
                });
            }
        });
        Receiver { address, seen, connections, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it was asked so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.borrow()
    }

    /// What it was asked, once it is so much.
    pub(crate) async fn after(&self, count: usize) -> Vec<Seen> {
        let mut seen = self.seen.subscribe();
        let waited = tokio::time::timeout(PATIENCE, seen.wait_for(|seen| seen.len() >= count)).await;
        let seen = waited.unwrap_or_else(|_| panic!("of {count} requests there came {}", self.seen().len()));
        seen.unwrap().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, seen: &watch::Sender<Vec<Seen>>, answers: &Answers) {
    while let Some(request) = read(&mut stream).await {
        let mut before = 0;
        seen.send_modify(|seen| {
            before = seen.len();
            seen.push(request.clone());
        });
        match answers(&request, before) {
            Reply::Status(code, headers) => {
                let headers =
                    headers.iter().fold(String::new(), |head, (name, value)| head + name + ": " + value + "\r\n");
                // HTTP/1.1 has no body after 204.
                let length = if code == 204 { "" } else { "content-length: 2\r\n" };
                let body = if code == 204 { "" } else { "{}" };
                let answer = format!("HTTP/1.1 {code} \r\n{headers}{length}\r\n{body}");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
            Reply::Raw(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                return;
            }
            Reply::Reset(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.flush().await;
                return;
            }
            Reply::Endless(head, part, pause) => {
                let _ = stream.write_all(&head).await;
                while stream.write_all(&part).await.is_ok() {
                    let _ = stream.flush().await;
                    tokio::time::sleep(pause).await;
                }
                return;
            }
            Reply::Silence => {
                // Until the other side gives up.
                let _ = stream.read(&mut [0; 1]).await;
                return;
            }
        }
    }
}

/// A request with its body; nothing when there is none any more.
async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.lines();
    let line = lines.next().unwrap().to_owned();
    let headers: HeaderMap = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value.trim()).unwrap()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.to_str().unwrap().parse().unwrap());
    let mut body = bytes.split_off(head + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Seen { line, headers, body })
}
