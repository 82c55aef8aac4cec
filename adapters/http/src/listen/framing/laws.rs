//! However bytes come, the same go on.

use proptest::prelude::*;

use super::*;

const LIMITS: HeadLimits = HeadLimits { bytes_max: 512, headers_max: 8 };

/// What goes on of a connection that sends these pieces, and how it ends.
fn pass<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> (Vec<u8>, Result<Stage, Refusal>) {
    let mut framing = Framing::new(LIMITS);
    let (mut here, mut passed) = (Vec::new(), Vec::new());
    for piece in pieces {
        here.extend_from_slice(piece);
        loop {
            match framing.step(&here) {
                Ok(Step::Pass(bytes)) => {
                    assert!(bytes > 0);
                    passed.extend(here.drain(..bytes));
                }
                Ok(Step::More) => break,
                Err(refusal) => return (passed, Err(refusal)),
            }
        }
    }
    (passed, Ok(framing.stage()))
}

/// Requests as they should be, and pieces of what should not be.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let texts: &[&[u8]] = &[
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
        b"3;a=b\r\nabc\r\n",
        b"0\r\n\r\n",
        b"0\r\nx: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.0\r\n",
        b"\r\n",
        b"\n",
        b"content-length: 5\r\n",
        b"transfer-encoding: chunked\r\n",
        b"a : b\r\n",
        b" folded\r\n",
        b"12345678",
        b"\0",
    ];
    prop_oneof![
        8 => proptest::sample::select(texts).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    #[test]
    fn however_it_is_cut(pieces in proptest::collection::vec(piece(), 0..12), cut in 1_usize..40) {
        let bytes = pieces.concat();
        let (whole, whole_end) = pass([bytes.as_slice()]);
        let (cut, cut_end) = pass(bytes.chunks(cut));
        // What is refused late in a body may have gone on before.
        prop_assert!(cut.starts_with(&whole) && bytes.starts_with(&cut));
        prop_assert_eq!(whole_end.is_ok(), cut_end.is_ok());
        if whole_end.is_ok() {
            prop_assert_eq!(whole, cut);
            prop_assert_eq!(whole_end, cut_end);
        }
    }
}

#[track_caller]
fn check(text: &str, expected: Result<Stage, Refusal>) {
    assert_eq!(pass([text.as_bytes()]).1, expected, "{text:?}");
}

#[test]
fn what_is_a_request() {
    check("", Ok(Stage::Between));
    check("GET / HTTP/1.1\r\nhost: a\r\n\r\n", Ok(Stage::Between));
    check("\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", Ok(Stage::Between));
    check("GET / HTTP/1.0\r\n\r\n", Ok(Stage::Between));
    check("GET / HTTP/1.1\r\nhost: a\r\n", Ok(Stage::Head));
    check("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\na", Ok(Stage::Body));
    check(
        "POST / HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: Chunked\r\n\r\nA;x\r\n0123456789\r\n0\r\nt: x\r\n\r\n",
        Ok(Stage::Between),
    );
}

#[test]
fn what_is_none() {
    for (headers, refusal) in [
        ("", Refusal::Host),
        ("host: a\r\nhost: b\r\n", Refusal::Host),
        ("host: a\r\ncontent-length: +5\r\n", Refusal::Length),
        ("host: a\r\ncontent-length: -1\r\n", Refusal::Length),
        ("host: a\r\ncontent-length: 18446744073709551616\r\n", Refusal::Length),
        ("host: a\r\ncontent-length: 5, 5\r\n", Refusal::Length),
        ("host: a\r\ncontent-length: 5\r\ncontent-length: 5\r\n", Refusal::Length),
        ("host: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n", Refusal::LengthAndEncoding),
        ("host: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n", Refusal::LengthAndEncoding),
        ("host: a\r\ntransfer-encoding: gzip, chunked\r\n", Refusal::Encoding),
        ("host: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", Refusal::Encoding),
        ("host: a\r\ntransfer-encoding: xchunked\r\n", Refusal::Encoding),
        ("host: a\n", Refusal::LineFeed),
        ("host : a\r\n", Refusal::NotHttp),
        ("host: a\r\n folded\r\n", Refusal::NotHttp),
        ("host: a\0\r\n", Refusal::NotHttp),
        ("a:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\ng:\r\nh:\r\ni:\r\n", Refusal::TooManyHeaders),
    ] {
        check(&format!("POST / HTTP/1.1\r\n{headers}\r\n"), Err(refusal));
    }
    check(&format!("GET /{} HTTP/1.1\r\n", "a".repeat(600)), Err(Refusal::HeadTooLarge));
    check("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n", Err(Refusal::Encoding));
    check("CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", Err(Refusal::Connect));
    check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Err(Refusal::Version));
    check("GET /\r\n\r\n", Err(Refusal::NotHttp));
    check("\u{16}\u{3}\u{1}", Err(Refusal::NotHttp));
}

#[test]
fn chunks_that_are_none() {
    for body in [
        "g\r\n",
        "\r\n",
        "100000000\r\n",
        "5 \r\n",
        "-5\r\n",
        "0x5\r\n",
        "5\n",
        "3\r\nabcd\r\n",
        "3\r\nabc\n",
        "0\r\n\n",
        "5;a\nb\r\n",
        "0\r\nx\ny\r\n\r\n",
    ] {
        check(&format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{body}"), Err(Refusal::Chunk));
    }
    let long = format!("5;{}\r\n", "a".repeat(5000));
    check(&format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{long}"), Err(Refusal::Chunk));
}
