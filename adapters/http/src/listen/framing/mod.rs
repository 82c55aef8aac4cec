//! Where a request ends and the next begins, and what is no request: strict, and without a socket.
//!
//! hyper reads requests well and forgives some: a length beside a transfer encoding, lines that end with LF
//! alone, the same length twice. Where two that stand behind each other forgive differently, one request can be
//! hidden in another. So every byte passes through here first. What is let through is a subset of what hyper
//! takes, which both cut into requests alike.

mod chunks; // a body in chunks
mod head; // request line and headers
mod refusal; // what is no request

pub(super) use refusal::Refusal;

use chunks::Chunks;
use head::{Body, Scan};

/// How long a head may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadLimits {
    pub(super) bytes_max: usize,
    pub(super) headers_max: usize,
}

/// What follows from the bytes that are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// So many of them may go on, at least one.
    Pass(usize),
    /// More have to come first.
    More,
}

/// What comes next on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// A request, of which nothing is here yet.
    Between,
    /// The rest of a head.
    Head,
    /// The rest of a body.
    Body,
}

/// Follows the bytes of one connection.
#[derive(Debug)]
pub(super) struct Framing {
    limits: HeadLimits,
    state: State,
}

#[derive(Debug)]
enum State {
    Head(Scan),
    Sized(u64),
    Chunked(Chunks),
}

impl Framing {
    pub(super) fn new(limits: HeadLimits) -> Framing {
        Framing { limits, state: State::Head(Scan::default()) }
    }

    pub(super) fn stage(&self) -> Stage {
        match &self.state {
            State::Head(scan) if scan.is_empty() => Stage::Between,
            State::Head(_) => Stage::Head,
            State::Sized(_) | State::Chunked(_) => Stage::Body,
        }
    }

    /// Looks at the bytes that are here and have not gone on. A head goes on whole or not at all; a body as it
    /// comes, and never together with what follows it.
    ///
    /// # Errors
    /// When what is here is no request: nothing of this connection may go on any more.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Result<Step, Refusal> {
        if bytes.is_empty() {
            return Ok(Step::More);
        }
        match &mut self.state {
            State::Head(scan) => {
                let Some(end) = scan.end(bytes, self.limits.bytes_max)? else { return Ok(Step::More) };
                self.state = match head::check(&bytes[..end], self.limits.headers_max)? {
                    Body::None => State::Head(Scan::default()),
                    Body::Sized(length) => State::Sized(length),
                    Body::Chunked => State::Chunked(Chunks::default()),
                };
                Ok(Step::Pass(end))
            }
            State::Sized(rest) => {
                // Never more than there are bytes here.
                let here = (*rest).min(bytes.len() as u64);
                *rest -= here;
                if *rest == 0 {
                    self.state = State::Head(Scan::default());
                }
                Ok(Step::Pass(here as usize))
            }
            State::Chunked(chunks) => {
                let (here, is_over) = chunks.pass(bytes)?;
                if is_over {
                    self.state = State::Head(Scan::default());
                }
                Ok(Step::Pass(here))
            }
        }
    }
}

#[cfg(test)]
mod laws;
