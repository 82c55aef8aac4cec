//! Bodies of the journal's records: all that can say whom a session is about, and can be erased.
//!
//! Each begins with the version, 1. A text has its length in bytes before it (4), a list its count (4);
//! what may be absent has a byte before it, 0 or 1. A key is source, subject and id; a header is a name
//! and a value; a payload is the rest.
//!
//! | of | body |
//! |---|---|
//! | an event | key, headers, payload |
//! | a notice | key, number of events (8), record, changes, asset |
//! | what was refused | source, reason, headers, payload |

use std::sync::Arc;

use finis_engine::Timestamp;
use finis_engine::live::{Asset, Change, Notice, NoticeId, NoticeKind, SessionKey};
use finis_engine::log::{Delivery, Refused};

use crate::bytes::{Bytes, Writer};
use crate::head::{Head, VERSION};

/// The body of an event.
#[must_use]
pub fn encode_event(key: &SessionKey, delivery: &Delivery) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(delivery.body.len() + 128);
    encode_event_into(key, delivery, &mut bytes);
    bytes
}

/// Appends the body of an event to what is there: for many of them, one after another.
pub(crate) fn encode_event_into(key: &SessionKey, delivery: &Delivery, bytes: &mut Vec<u8>) {
    bytes.push(VERSION);
    let mut to = Writer(bytes);
    to.key(key);
    write_headers(&mut to, &delivery.headers);
    bytes.extend_from_slice(&delivery.body);
}

/// What [`encode_event`] made a body of; nothing when it is not that.
#[must_use]
pub fn decode_event(body: &[u8]) -> Option<(SessionKey, Delivery)> {
    let mut from = Bytes(body.strip_prefix(&[VERSION])?);
    let (key, headers) = (from.key()?, read_headers(&mut from)?);
    Some((key, Delivery { headers, body: Arc::from(from.0) }))
}

/// The key that a body of an event or a notice begins with.
#[must_use]
pub fn decode_key(body: &[u8]) -> Option<SessionKey> {
    Bytes(body.strip_prefix(&[VERSION])?).key()
}

/// The body of a delivery that cannot be read.
#[must_use]
pub fn encode_refused(refused: &Refused) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(refused.delivery.body.len() + 128);
    bytes.push(VERSION);
    let mut to = Writer(&mut bytes);
    to.text(&refused.source);
    to.text(&refused.reason);
    write_headers(&mut to, &refused.delivery.headers);
    bytes.extend_from_slice(&refused.delivery.body);
    bytes
}

/// What [`encode_refused`] made a body of; nothing when it is not that.
#[must_use]
pub fn decode_refused(received_at: Timestamp, body: &[u8]) -> Option<Refused> {
    let mut from = Bytes(body.strip_prefix(&[VERSION])?);
    let (source, reason) = (from.text()?, from.text()?);
    let headers = read_headers(&mut from)?;
    Some(Refused { source, received_at, reason, delivery: Delivery { headers, body: Arc::from(from.0) } })
}

/// What a notice has beside its head.
#[must_use]
pub fn encode_notice(notice: &Notice) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(notice.record.len() + 128);
    encode_notice_into(notice, &mut bytes);
    bytes
}

/// Appends what a notice has beside its head to what is there: for many of them, one after another.
pub(crate) fn encode_notice_into(notice: &Notice, bytes: &mut Vec<u8>) {
    bytes.push(VERSION);
    let mut to = Writer(bytes);
    to.key(&notice.key);
    to.u64(notice.events as u64);
    to.text(&notice.record);
    // A record has a few dozen parts.
    to.u32(notice.changes.len() as u32);
    for change in &notice.changes {
        to.text(&change.part);
        to.option(change.old.as_deref(), Writer::text);
        to.option(change.new.as_deref(), Writer::text);
    }
    to.option(notice.asset.as_ref(), |to, asset| {
        to.text(&asset.field);
        to.text(&asset.value);
        to.option(asset.until, Writer::timestamp);
    });
}

/// The notice of a head and what [`encode_notice`] made of the rest of it; nothing when it is not that.
#[must_use]
pub fn decode_notice(head: &Head, body: &[u8]) -> Option<Notice> {
    let (Head::Notice { id, kind, revision, .. } | Head::LastWord { id, kind, revision, .. }) = *head else {
        return None;
    };
    let mut from = Bytes(body.strip_prefix(&[VERSION])?);
    let key = from.key()?;
    let events = usize::try_from(from.u64()?).ok()?;
    let record = from.text()?;
    let mut changes = Vec::new();
    for _ in 0..from.u32()? {
        let (part, old, new) = (from.text()?, from.option(Bytes::text)?, from.option(Bytes::text)?);
        changes.push(Change { part, old, new });
    }
    let asset = from.option(|from| {
        Some(Asset { field: from.text()?, value: from.text()?, until: from.option(Bytes::timestamp)? })
    })?;
    from.end(Notice { id, key, kind, revision, record, events, changes, asset })
}

/// What is left of a notice whose session was forgotten.
#[must_use]
pub fn forgotten(id: NoticeId, revision: u32) -> Notice {
    let key = SessionKey::new("", "", "");
    let (record, changes) = (String::new(), Vec::new());
    Notice { id, key, kind: NoticeKind::Forgotten, revision, record, events: 0, changes, asset: None }
}

fn write_headers(to: &mut Writer<'_>, headers: &[(String, String)]) {
    // A body has room for far fewer than 2³².
    to.u32(headers.len() as u32);
    for (name, value) in headers {
        to.text(name);
        to.text(value);
    }
}

fn read_headers(from: &mut Bytes<'_>) -> Option<Vec<(String, String)>> {
    let mut headers = Vec::new();
    for _ in 0..from.u32()? {
        headers.push((from.text()?, from.text()?));
    }
    Some(headers)
}
