//! The key space of the index. One tree; the first byte of a key says of what it is.
//!
//! | first byte | then | value |
//! |---|---|---|
//! | `m` | | the state of the index: [`super::meta`] |
//! | `s` | session | its newest page, and when it is due |
//! | `p` | session, page (4) | an older page of the session, full |
//! | `d` | due at (12), session | the time, with its digits |
//! | `o` | seq (8) | place of the notice |
//! | `c` | consumer | the notice that it has acknowledged |
//! | `r` | place (20) | nothing: a refused delivery, in the order of the journal |
//! | `i` | identity (16) | place of the refused delivery |
//! | `n` | name of a source | place of its settings, and the first 16 bytes of BLAKE3 over their head |
//!
//! Integers are big-endian, so keys sort as what they stand for. A session is its three parts, each
//! with `00` written as `00 ff` and `00 00` after it: sorted as its parts are, and none is the
//! beginning of another.

use finis_engine::Timestamp;
use finis_engine::live::SessionKey;
use finis_engine::log::RefusedId;

use crate::journal::Place;

pub(crate) const META: &[u8] = b"m";
pub(crate) const SESSION: u8 = b's';
pub(crate) const DUE: u8 = b'd';
pub(crate) const OUTBOX: u8 = b'o';
pub(crate) const CONSUMER: u8 = b'c';
pub(crate) const REFUSED: u8 = b'r';
pub(crate) const SOURCE: u8 = b'n';
const PAGE: u8 = b'p';
const IDENTITY: u8 = b'i';

/// Bytes of source, subject, id or consumer: with more, keys would be no small values any more.
pub(crate) const PART_BYTES_MAX: usize = 1024;

pub(crate) fn session(key: &SessionKey) -> Vec<u8> {
    let mut bytes = vec![SESSION];
    write_session(key, &mut bytes);
    bytes
}

pub(crate) fn page(key: &SessionKey, page: u32) -> Vec<u8> {
    let mut bytes = vec![PAGE];
    write_session(key, &mut bytes);
    bytes.extend_from_slice(&page.to_be_bytes());
    bytes
}

pub(crate) fn due(at: Timestamp, key: &SessionKey) -> Vec<u8> {
    let (seconds, nanos) = at.unix();
    let mut bytes = vec![DUE];
    // With the sign turned over, the order of the bytes is that of the numbers.
    bytes.extend_from_slice(&(seconds ^ i64::MIN).to_be_bytes());
    bytes.extend_from_slice(&nanos.to_be_bytes());
    write_session(key, &mut bytes);
    bytes
}

pub(crate) fn outbox(seq: u64) -> Vec<u8> {
    [&[OUTBOX][..], &seq.to_be_bytes()].concat()
}

pub(crate) fn consumer(name: &str) -> Vec<u8> {
    [&[CONSUMER], name.as_bytes()].concat()
}

pub(crate) fn refused(place: Place) -> Vec<u8> {
    [&[REFUSED][..], &place.to_bytes()].concat()
}

pub(crate) fn identity(identity: RefusedId) -> Vec<u8> {
    [&[IDENTITY][..], &identity.to_bytes()].concat()
}

pub(crate) fn source(name: &str) -> Vec<u8> {
    [&[SOURCE], name.as_bytes()].concat()
}

/// The session of a key of [`session`], or of [`due`] after its time.
pub(crate) fn session_of(key: &[u8]) -> Option<SessionKey> {
    let mut rest = match key {
        [SESSION, rest @ ..] => rest,
        [DUE, rest @ ..] => rest.get(12..)?,
        _ => return None,
    };
    let mut part = || {
        let mut bytes = Vec::new();
        loop {
            match rest {
                [0, 0, after @ ..] => {
                    rest = after;
                    return String::from_utf8(bytes).ok();
                }
                [0, 0xFF, after @ ..] => {
                    bytes.push(0);
                    rest = after;
                }
                [0, ..] | [] => return None,
                [byte, after @ ..] => {
                    bytes.push(*byte);
                    rest = after;
                }
            }
        }
    };
    let key = SessionKey { source: part()?, subject: part()?, id: part()? };
    rest.is_empty().then_some(key)
}

fn write_session(key: &SessionKey, to: &mut Vec<u8>) {
    for part in [&key.source, &key.subject, &key.id] {
        for byte in part.bytes() {
            to.push(byte);
            if byte == 0 {
                to.push(0xFF);
            }
        }
        to.extend_from_slice(&[0, 0]);
    }
}
