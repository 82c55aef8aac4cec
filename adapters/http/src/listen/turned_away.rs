//! Connections that are too many: told so, and closed.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// So many are told at one time. Others are closed without a word.
pub(super) const AT_ONCE: usize = 64;

/// For how long, and with how many bytes of its request, it is waited until one has read what it is told.
const PATIENCE: Duration = Duration::from_secs(1);
const BYTES_MAX: usize = 64 << 10;

const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-type: application/json\r\ncontent-length: 80\r\n\r\n\
    {\"error\":\"busy\",\"message\":\"there are too many connections: send it again later\"}";

/// Answers a connection without reading its request, if not too many are being told that.
pub(super) fn tell(mut socket: TcpStream, turning_away: &Arc<Semaphore>) {
    let Ok(place) = Arc::clone(turning_away).try_acquire_owned() else { return };
    tokio::spawn(async move {
        let _place = place;
        let talk = async {
            socket.write_all(ANSWER).await?;
            socket.shutdown().await?;
            // Closed with bytes unread, the answer might be lost.
            let (mut bytes, mut read) = ([0; 1024], 0);
            while read < BYTES_MAX {
                match socket.read(&mut bytes).await? {
                    0 => break,
                    more => read += more,
                }
            }
            std::io::Result::Ok(())
        };
        // They are told, or they are not: nothing depends on it.
        let _ = tokio::time::timeout(PATIENCE, talk).await;
    });
}

#[cfg(test)]
mod tests {
    use super::ANSWER;

    #[test]
    fn the_length_is_that_of_the_body() {
        let text = std::str::from_utf8(ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
    }
}
