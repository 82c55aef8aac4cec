//! A client that says what it wants, byte for byte, and reads answers strictly.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Nothing in these tests takes as long, on a machine that is not stopped.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Wire {
    socket: TcpStream,
    /// Read, and not yet part of an answer.
    rest: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By name, in lower case; without the date.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A text of its JSON.
    pub(crate) fn text(&self, name: &str) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        json[name].as_str().unwrap_or_default().to_owned()
    }
}

impl Wire {
    pub(crate) async fn open(address: SocketAddr) -> Wire {
        let socket = timeout(PATIENCE, TcpStream::connect(address)).await.unwrap().unwrap();
        Wire { socket, rest: Vec::new() }
    }

    /// Sends, as far as the other side lets it: it may have had enough.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Wire {
        let _ = timeout(PATIENCE, self.socket.write_all(bytes.as_ref())).await.unwrap();
        self
    }

    /// Says that nothing more comes.
    pub(crate) async fn finish(&mut self) -> &mut Wire {
        let _ = self.socket.shutdown().await;
        self
    }

    /// The next answer; nothing when the connection ends before it.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        timeout(PATIENCE, self.read(true)).await.expect("an answer, or an end")
    }

    /// The next answer to a `HEAD`: it says how long its body would be, and has none.
    pub(crate) async fn answer_to_head(&mut self) -> Option<Answer> {
        timeout(PATIENCE, self.read(false)).await.expect("an answer, or an end")
    }

    /// Whether it ends here, without another byte.
    pub(crate) async fn ends(&mut self) -> bool {
        self.rest.is_empty() && !matches!(timeout(PATIENCE, self.fill()).await.expect("an end"), Ok(1..))
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.socket.read_buf(&mut self.rest).await
    }

    async fn read(&mut self, has_body: bool) -> Option<Answer> {
        loop {
            if let Some((answer, end)) = parse(&self.rest, has_body) {
                self.rest.drain(..end);
                // That it may go on is no answer.
                if answer.status != 100 {
                    return Some(answer);
                }
                continue;
            }
            if !matches!(self.fill().await, Ok(1..)) {
                assert!(self.rest.is_empty(), "half an answer: {:?}", String::from_utf8_lossy(&self.rest));
                return None;
            }
        }
    }
}

fn parse(bytes: &[u8], has_body: bool) -> Option<(Answer, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ").expect("HTTP/1.1")[..3].parse().expect("a status");
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").expect("a header");
        (name.to_ascii_lowercase(), value.to_owned())
    });
    let headers: Vec<_> = headers.filter(|(name, _)| name != "date").collect();
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.parse().expect("a length"));
    let (begin, length) = (end + 4, length.filter(|_| has_body).unwrap_or(0));
    let body = bytes.get(begin..begin + length)?;
    let body = String::from_utf8(body.to_vec()).expect("text");
    Some((Answer { status, headers, body }, begin + length))
}

/// A request of one piece.
pub(crate) fn post(path: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = headers.concat();
    let head = format!("POST {path} HTTP/1.1\r\nhost: finis.test\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
