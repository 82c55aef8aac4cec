//! The key space of the index. One tree; the first byte of a key says of what it is.
//!
//! | first byte | then | value |
//! |---|---|---|
//! | `m` | | the state of the index: [`super::meta`] |
//! | `s` | page (4) | sessions, and where their records lie: [`super::pages`] |
//! | `p` | tag, page (4) | where older ones lie, of a session that has many |
//! | `d` | due at (12), tag | digits of the time (1) |
//! | `o` | page (8) | where [`OUTBOX_PAGE`] notices lie, by their place in the outbox |
//! | `c` | consumer | the notice that it has acknowledged |
//! | `k` | consumer, with `00` as `00 ff`, `00 00`, seq (8) | where that notice stands with it |
//! | `n` | name of a source | what it is read under, as a head has it |
//! | `r` | came at (12), identity (16) | place (20) of a refused delivery |
//! | `i` | identity (16) | place (20) of the refused delivery, and when it came (12) |
//!
//! Integers are big-endian, so keys sort as what they stand for.

use finis_engine::Timestamp;
use finis_engine::log::{RefusedCursor, RefusedId};

use crate::tag::Tag;

pub(crate) const META: &[u8] = b"m";
const SESSIONS: u8 = b's';
pub(crate) const DUE: u8 = b'd';
pub(crate) const CONSUMER: u8 = b'c';
pub(crate) const REFUSED: u8 = b'r';
const OUTBOX: u8 = b'o';
pub(crate) const SOURCE: u8 = b'n';
const STANDING: u8 = b'k';
const PAGE: u8 = b'p';
const IDENTITY: u8 = b'i';

/// Notices of one page of the outbox.
pub(crate) const OUTBOX_PAGE: u64 = 64;

/// Bytes of [`instant`].
pub(crate) const INSTANT_BYTES: usize = 12;

/// Bytes of a consumer's name: with more, keys would be no small values any more.
pub(crate) const NAME_BYTES_MAX: usize = 1024;

pub(crate) fn sessions(page: u32) -> Vec<u8> {
    [&[SESSIONS][..], &page.to_be_bytes()].concat()
}

/// The page of a key of [`sessions`].
pub(crate) fn page_of(key: &[u8]) -> Option<u32> {
    key.strip_prefix(&[SESSIONS])?.try_into().ok().map(u32::from_be_bytes)
}

pub(crate) fn page(tag: Tag, page: u32) -> Vec<u8> {
    [&[PAGE][..], &tag.to_bytes(), &page.to_be_bytes()].concat()
}

pub(crate) fn due(at: Timestamp, tag: Tag) -> Vec<u8> {
    [&[DUE][..], &instant(at), &tag.to_bytes()].concat()
}

/// An instant, so that the order of the bytes is that of time.
pub(crate) fn instant(at: Timestamp) -> [u8; INSTANT_BYTES] {
    let (seconds, nanos) = at.unix();
    let mut bytes = [0; INSTANT_BYTES];
    // With the sign turned over, the order of the bytes is that of the numbers.
    bytes[..8].copy_from_slice(&(seconds ^ i64::MIN).to_be_bytes());
    bytes[8..].copy_from_slice(&nanos.to_be_bytes());
    bytes
}

/// The instant that [`instant`] made these of, written with so many digits.
pub(crate) fn read_instant(bytes: &[u8; INSTANT_BYTES], digits: usize) -> Option<Timestamp> {
    let (seconds, nanos) = bytes.split_first_chunk()?;
    let seconds = i64::from_be_bytes(*seconds) ^ i64::MIN;
    Timestamp::from_unix(seconds, u32::from_be_bytes(nanos.try_into().ok()?), digits)
}

/// The value of a key of [`due`].
pub(crate) fn due_value(at: Timestamp) -> [u8; 1] {
    // At most nine.
    [at.digits() as u8]
}

/// When what is due, by a key of [`due`] and its value.
pub(crate) fn read_due(key: &[u8], value: &[u8]) -> Option<(Timestamp, Tag)> {
    let (at, tag) = key.strip_prefix(&[DUE])?.split_first_chunk()?;
    let [digits @ 0..=9] = *value else { return None };
    Some((read_instant(at, usize::from(digits))?, Tag::from_bytes(tag.try_into().ok()?)))
}

pub(crate) fn outbox(page: u64) -> Vec<u8> {
    [&[OUTBOX][..], &page.to_be_bytes()].concat()
}

pub(crate) fn consumer(name: &str) -> Vec<u8> {
    [&[CONSUMER], name.as_bytes()].concat()
}

pub(crate) fn source(name: &str) -> Vec<u8> {
    [&[SOURCE], name.as_bytes()].concat()
}

/// What the keys of [`standing`] of one consumer begin with: none is the beginning of another.
pub(crate) fn standings(consumer: &str) -> Vec<u8> {
    let mut bytes = vec![STANDING];
    for byte in consumer.bytes() {
        bytes.push(byte);
        if byte == 0 {
            bytes.push(0xFF);
        }
    }
    bytes.extend_from_slice(&[0, 0]);
    bytes
}

pub(crate) fn standing(consumer: &str, seq: u64) -> Vec<u8> {
    [&standings(consumer)[..], &seq.to_be_bytes()].concat()
}

pub(crate) fn refused(cursor: RefusedCursor) -> Vec<u8> {
    [&[REFUSED][..], &instant(cursor.received_at), &cursor.id.to_bytes()].concat()
}

/// The cursor of a key of [`refused`]. Digits of the time take no part in the order, and are not kept.
pub(crate) fn read_refused(key: &[u8]) -> Option<RefusedCursor> {
    let (at, id) = key.strip_prefix(&[REFUSED])?.split_first_chunk()?;
    Some(RefusedCursor { received_at: read_instant(at, 9)?, id: RefusedId::from_bytes(id.try_into().ok()?) })
}

pub(crate) fn identity(identity: [u8; 16]) -> Vec<u8> {
    [&[IDENTITY][..], &identity].concat()
}
