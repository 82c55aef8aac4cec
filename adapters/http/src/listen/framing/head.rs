//! A head: the request line, the headers, and what they say of the body.

use httparse::{EMPTY_HEADER, Error, Request, Status};

use super::Refusal;

/// Headers beyond this many cannot be asked for.
const HEADERS_MOST: usize = 256;

/// Looks for the end of a head, each byte once however they come.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Bytes that were looked at.
    seen: usize,
    /// Where the line begins that is being read.
    line: usize,
    /// A line that is not empty was seen.
    has_line: bool,
}

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    None,
    Sized(u64),
    Chunked,
}

impl Scan {
    pub(super) fn is_empty(&self) -> bool {
        self.seen == 0
    }

    /// The end of the head, if it is here. `bytes` begin where the head does.
    pub(super) fn end(&mut self, bytes: &[u8], bytes_max: usize) -> Result<Option<usize>, Refusal> {
        // What begins like no method need not be waited for: another protocol, most likely.
        let begins_well = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'\r' | b'\n');
        if bytes.first().is_some_and(|byte| !begins_well(byte)) {
            return Err(Refusal::NotHttp);
        }
        while let Some(feed) = bytes[self.seen..].iter().position(|byte| *byte == b'\n') {
            let feed = self.seen + feed;
            if feed == self.line || bytes[feed - 1] != b'\r' {
                return Err(Refusal::LineFeed);
            }
            let is_empty = feed - 1 == self.line;
            (self.seen, self.line) = (feed + 1, feed + 1);
            if self.line > bytes_max {
                return Err(Refusal::HeadTooLarge);
            }
            // An empty line before a request is allowed, after what some clients send behind a body.
            if is_empty && self.has_line {
                return Ok(Some(self.line));
            }
            self.has_line |= !is_empty;
        }
        self.seen = bytes.len();
        if bytes.len() > bytes_max {
            return Err(Refusal::HeadTooLarge);
        }
        Ok(None)
    }
}

/// What a whole head says of the body, if it is one.
pub(super) fn check(head: &[u8], headers_max: usize) -> Result<Body, Refusal> {
    let mut headers = [EMPTY_HEADER; HEADERS_MOST];
    let mut request = Request::new(&mut headers[..headers_max.min(HEADERS_MOST)]);
    match request.parse(head) {
        Ok(Status::Complete(end)) if end == head.len() => {}
        Err(Error::TooManyHeaders) => return Err(Refusal::TooManyHeaders),
        Err(Error::Version) => return Err(Refusal::Version),
        Ok(_) | Err(_) => return Err(Refusal::NotHttp),
    }
    let is_one_dot_one = request.version == Some(1);
    if request.method == Some("CONNECT") {
        return Err(Refusal::Connect);
    }
    let (mut hosts, mut length, mut is_chunked) = (0, None, false);
    for header in &*request.headers {
        if header.name.eq_ignore_ascii_case("host") {
            hosts += 1;
        } else if header.name.eq_ignore_ascii_case("content-length") {
            let one = length.replace(plain_number(header.value).ok_or(Refusal::Length)?);
            if one.is_some() {
                return Err(Refusal::Length);
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            if is_chunked || !is_one_dot_one || !header.value.eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::Encoding);
            }
            is_chunked = true;
        }
    }
    if hosts > 1 || (hosts == 0 && is_one_dot_one) {
        return Err(Refusal::Host);
    }
    match (length, is_chunked) {
        (Some(_), true) => Err(Refusal::LengthAndEncoding),
        (None, true) => Ok(Body::Chunked),
        (Some(0) | None, false) => Ok(Body::None),
        (Some(length), false) => Ok(Body::Sized(length)),
    }
}

/// Digits alone, few enough that every reader takes them for the same number.
fn plain_number(text: &[u8]) -> Option<u64> {
    let is_plain = (1..=15).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    is_plain.then(|| text.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}
