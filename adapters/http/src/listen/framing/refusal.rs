//! What is no request as it should be.

use std::fmt;

use axum::http::StatusCode;

/// Which rule of HTTP a connection broke. Nothing of what it sent is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::listen) enum Refusal {
    NotHttp,
    Version,
    Connect,
    LineFeed,
    Host,
    Length,
    LengthAndEncoding,
    Encoding,
    HeadTooLarge,
    TooManyHeaders,
    HeadTimeout,
    BodyTimeout,
    Chunk,
}

impl Refusal {
    /// All there are.
    pub(in crate::listen) const ALL: [Refusal; 13] = [
        Refusal::NotHttp,
        Refusal::Version,
        Refusal::Connect,
        Refusal::LineFeed,
        Refusal::Host,
        Refusal::Length,
        Refusal::LengthAndEncoding,
        Refusal::Encoding,
        Refusal::HeadTooLarge,
        Refusal::TooManyHeaders,
        Refusal::HeadTimeout,
        Refusal::BodyTimeout,
        Refusal::Chunk,
    ];

    pub(in crate::listen) fn status(self) -> StatusCode {
        match self {
            Refusal::NotHttp
            | Refusal::LineFeed
            | Refusal::Host
            | Refusal::Length
            | Refusal::LengthAndEncoding
            | Refusal::Encoding
            | Refusal::Chunk => StatusCode::BAD_REQUEST,
            Refusal::Connect => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::HeadTimeout | Refusal::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Refusal::HeadTooLarge | Refusal::TooManyHeaders => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Refusal::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }

    /// The rule's name, for the answer and the log.
    pub(in crate::listen) fn rule(self) -> &'static str {
        match self {
            Refusal::NotHttp => "not_http",
            Refusal::Version => "http_version",
            Refusal::Connect => "no_proxy",
            Refusal::LineFeed => "bare_line_feed",
            Refusal::Host => "one_host",
            Refusal::Length => "one_content_length",
            Refusal::LengthAndEncoding => "length_or_encoding",
            Refusal::Encoding => "transfer_encoding",
            Refusal::HeadTooLarge => "head_too_large",
            Refusal::TooManyHeaders => "too_many_headers",
            Refusal::HeadTimeout => "head_timeout",
            Refusal::BodyTimeout => "body_timeout",
            // As a handler says it, when it has begun to read.
            Refusal::Chunk => "body_broken",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::NotHttp => "this is no request of HTTP/1.1",
            Refusal::Version => "HTTP/1.1 is spoken here, and nothing else",
            Refusal::Connect => "this is no proxy",
            Refusal::LineFeed => "lines end with CR LF",
            Refusal::Host => "there must be one Host header",
            Refusal::Length => "there may be one Content-Length header, a plain number",
            Refusal::LengthAndEncoding => "a body has Content-Length or Transfer-Encoding, not both",
            Refusal::Encoding => "the one Transfer-Encoding taken here is chunked, in HTTP/1.1",
            Refusal::HeadTooLarge => "the request line and the headers are longer than is taken here",
            Refusal::TooManyHeaders => "there are more headers than are taken here",
            Refusal::HeadTimeout => "the headers did not come in time",
            Refusal::BodyTimeout => "the body did not come in time",
            Refusal::Chunk => "the body broke off, or is not as HTTP has it",
        })
    }
}

impl std::error::Error for Refusal {}
