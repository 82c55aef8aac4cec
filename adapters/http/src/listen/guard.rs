//! What stands between a socket and hyper: strict framing, and time that runs out.
//!
//! Bytes go on only when they are part of a request as it should be. What is none is put into hyper's hands as
//! a request of our own making, the last one, and [`Refused`] tells the service what to answer it with: so the
//! answer comes after all those before it, as HTTP has it.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Duration, Instant, Sleep};

use super::framing::{Framing, HeadLimits, Refusal, Stage, Step};
use super::stop::Stop;
use super::{Limits, Tally};

/// Bytes that are read from the socket at a time.
const READ_BYTES: usize = 8 << 10;

/// Bytes of what nobody reads that are taken at an end all the same.
const LINGER_BYTES_MAX: usize = 8 << 20;

/// What hyper is given in place of a head that is refused.
const LAST_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

/// Why the last request of a connection is refused, once it is.
pub(super) type Refused = Arc<OnceLock<Refusal>>;

/// A socket, watched.
pub(super) struct Guard<S> {
    socket: S,
    framing: Framing,
    limits: Limits,
    /// Bytes read from the socket that have not gone on. The first `ready` of them may.
    buffer: BytesMut,
    ready: usize,
    refused: Refused,
    tally: Arc<Tally>,
    /// What is left of the request of our own making.
    last: &'static [u8],
    stage: Stage,
    is_first: bool,
    is_over: bool,
    /// No further request is waited for. What has come already is taken.
    stop: Arc<Stop>,
    /// Our side has ended; so many bytes of what came after are thrown away.
    thrown_away: Option<usize>,
    reading: Deadline,
    writing: Deadline,
}

/// An instant that may be moved at no cost: a timer is set only when somebody has to wait, and one that is set
/// too early looks again.
#[derive(Default)]
struct Deadline {
    at: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    fn set(&mut self, after: Duration) {
        self.at = Some(Instant::now() + after);
    }

    fn set_once(&mut self, after: Duration) {
        if self.at.is_none() {
            self.set(after);
        }
    }

    fn clear(&mut self) {
        self.at = None;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if sleep.deadline() > at {
            sleep.as_mut().reset(at);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if Instant::now() >= at {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at);
        }
    }
}

impl<S> Guard<S> {
    pub(super) fn new(socket: S, limits: &Limits, tally: Arc<Tally>, stop: Arc<Stop>) -> Guard<S> {
        let head = HeadLimits { bytes_max: limits.head_bytes_max, headers_max: limits.headers_max };
        let mut reading = Deadline::default();
        reading.set(limits.head);
        Guard {
            socket,
            framing: Framing::new(head),
            limits: limits.clone(),
            buffer: BytesMut::new(),
            ready: 0,
            refused: Refused::default(),
            tally,
            last: &[],
            stage: Stage::Between,
            is_first: true,
            is_over: false,
            stop,
            thrown_away: None,
            reading,
            writing: Deadline::default(),
        }
    }

    pub(super) fn refused(&self) -> Refused {
        Arc::clone(&self.refused)
    }

    /// Whether the other side may still be sending what nobody will read.
    fn is_sending(&self) -> bool {
        !self.is_over && (self.stage != Stage::Between || !self.buffer.is_empty())
    }

    /// Looks at what is here, and sets the time for what has to come.
    fn look(&mut self) -> Result<(), Refusal> {
        // No further than to the end of a request: hyper asks again when it has answered that.
        let mut is_head = self.stage != Stage::Body;
        while let Step::Pass(more) = self.framing.step(&self.buffer[self.ready..])? {
            self.ready += more;
            is_head = false;
            if self.framing.stage() != Stage::Body {
                break;
            }
        }
        let stage = self.framing.stage();
        if is_head && self.stage == Stage::Between && stage == Stage::Head && !self.is_first {
            self.reading.set(self.limits.head);
        } else if !is_head && stage == Stage::Body && self.stage != Stage::Body {
            self.reading.set(self.limits.body);
        } else if !is_head && stage == Stage::Between {
            // It is set when hyper asks for the next request.
            self.reading.clear();
            self.is_first = false;
        }
        self.stage = stage;
        Ok(())
    }

    fn refuse(&mut self, refusal: Refusal) {
        // Nothing is refused after that.
        let _ = self.refused.set(refusal);
        self.tally.refused(refusal);
        self.last = LAST_REQUEST;
    }

    /// A body that is refused ends for whoever reads it, who then answers.
    fn refuse_body(&self, kind: io::ErrorKind, refusal: Refusal) -> io::Error {
        self.tally.refused(refusal);
        io::Error::new(kind, refusal)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.ready > 0 {
                let some = this.ready.min(out.remaining());
                out.put_slice(&this.buffer[..some]);
                this.buffer.advance(some);
                this.ready -= some;
                return Poll::Ready(Ok(()));
            }
            if this.refused.get().is_some() {
                // After that, the end.
                let some = this.last.len().min(out.remaining());
                out.put_slice(&this.last[..some]);
                this.last = &this.last[some..];
                return Poll::Ready(Ok(()));
            }
            let was_in_body = this.stage == Stage::Body;
            if let Err(refusal) = this.look() {
                if was_in_body {
                    return Poll::Ready(Err(this.refuse_body(io::ErrorKind::InvalidData, refusal)));
                }
                this.refuse(refusal);
                continue;
            }
            if this.ready > 0 {
                continue;
            }
            if this.stage == Stage::Between {
                this.reading.set_once(this.limits.idle);
            }
            match this.fill(cx) {
                Poll::Ready(Ok(0)) => {
                    this.is_over = true;
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    let is_stopped = this.stage == Stage::Between && this.stop.poll(cx);
                    if !is_stopped {
                        ready!(this.reading.poll(cx));
                    }
                    match this.stage {
                        // An end like any other: nothing was begun.
                        Stage::Between => return Poll::Ready(Ok(())),
                        Stage::Head => this.refuse(Refusal::HeadTimeout),
                        Stage::Body => {
                            return Poll::Ready(Err(this.refuse_body(io::ErrorKind::TimedOut, Refusal::BodyTimeout)));
                        }
                    }
                }
            }
        }
    }
}

impl<S: AsyncRead + Unpin> Guard<S> {
    /// Reads more from the socket: how many bytes, none at its end.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.buffer.reserve(READ_BYTES);
        let reading = std::pin::pin!(tokio::io::AsyncReadExt::read_buf(&mut self.socket, &mut self.buffer));
        reading.poll(cx)
    }
}

impl<S: AsyncWrite + Unpin> Guard<S> {
    /// Whoever takes nothing of an answer for too long is left alone.
    fn timed<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.writing.clear();
            return polled;
        }
        self.writing.set_once(self.limits.write);
        ready!(self.writing.poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.socket).poll_write(cx, bytes);
        this.timed(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.socket).poll_write_vectored(cx, bytes);
        this.timed(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.socket).poll_flush(cx);
        this.timed(cx, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.thrown_away.is_none() {
            ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
            this.thrown_away = Some(0);
            this.reading.set(this.limits.linger);
        }
        // A socket that is closed with bytes unread resets the connection, and with it an answer that is still
        // on its way. So these are read for a while, and thrown away.
        while this.is_sending() && this.thrown_away.is_some_and(|bytes| bytes < LINGER_BYTES_MAX) {
            this.buffer.clear();
            match this.fill(cx) {
                Poll::Ready(Ok(0) | Err(_)) => this.is_over = true,
                Poll::Ready(Ok(bytes)) => this.thrown_away = this.thrown_away.map(|thrown| thrown + bytes),
                Poll::Pending => {
                    ready!(this.reading.poll(cx));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
