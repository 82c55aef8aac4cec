//! Bytes of records, there and back.

use std::time::Duration;

use finis_engine::Timestamp;
use finis_engine::live::{Asset, Change, Notice, NoticeId, SessionKey};
use finis_engine::log::{RefusedId, SourceSettings};
use finis_store::head::{Head, HeadError, decode_notice, encode_notice};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::model::{digest, kinds};

fn keys() -> impl Strategy<Value = SessionKey> {
    (any::<String>(), any::<String>(), any::<String>()).prop_map(|(source, subject, id)| SessionKey {
        source,
        subject,
        id,
    })
}

fn times() -> impl Strategy<Value = Timestamp> {
    let (first, last) = (Timestamp::MIN.unix().0, Timestamp::MAX.unix().0);
    (first..=last, 0_u32..1_000_000_000, 0_usize..10)
        .prop_map(|(seconds, nanos, digits)| Timestamp::from_unix(seconds, nanos, digits).unwrap())
}

fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    vec(any::<(String, String)>(), 0..4)
}

fn sources() -> impl Strategy<Value = SourceSettings> {
    let span = || (any::<u64>(), 0_u32..1_000_000_000).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos));
    let words = (any::<(String, String, String)>(), option::of(vec(any::<String>(), 0..4)));
    (words, span(), option::of(span())).prop_map(|(((name, provider, version), subscription), grace, stall)| {
        SourceSettings { name, provider, version, subscription, grace, stall }
    })
}

fn heads() -> impl Strategy<Value = Head> {
    let digests = || any::<u32>().prop_map(digest);
    prop_oneof![
        (keys(), digests(), option::of(times()), headers())
            .prop_map(|(key, digest, received_at, headers)| Head::Event { key, digest, received_at, headers }),
        (keys(), digests(), times()).prop_map(|(key, digest, received_at)| Head::Arrival { key, digest, received_at }),
        (keys(), times()).prop_map(|(key, due)| Head::Passed { key, due }),
        (any::<u64>(), any::<[u8; 16]>(), keys(), kinds(), any::<u32>()).prop_map(|(seq, id, key, kind, revision)| {
            Head::Notice { seq, id: NoticeId::from_bytes(id), key, kind, revision }
        }),
        (keys(), option::of(times())).prop_map(|(key, due)| Head::Due { key, due }),
        (any::<[u8; 16]>(), any::<String>(), times(), any::<String>(), headers()).prop_map(
            |(identity, source, received_at, reason, headers)| Head::Refused {
                identity: RefusedId::from_bytes(identity),
                source,
                received_at,
                reason,
                headers
            }
        ),
        any::<(String, u64)>().prop_map(|(consumer, seq)| Head::Acknowledged { consumer, seq }),
        any::<String>().prop_map(|consumer| Head::Removed { consumer }),
        times().prop_map(|at| Head::Clock { at }),
        any::<[u8; 16]>().prop_map(|identity| Head::Released { identity: RefusedId::from_bytes(identity) }),
        sources().prop_map(Head::Source),
    ]
}

fn notices() -> impl Strategy<Value = Notice> {
    let change =
        any::<(String, Option<String>, Option<String>)>().prop_map(|(part, old, new)| Change { part, old, new });
    let asset = (any::<(String, String)>(), option::of(times())).prop_map(|((field, value), until)| Asset {
        field,
        value,
        until,
    });
    let parts = (keys(), kinds(), any::<u32>(), any::<String>(), any::<u32>(), vec(change, 0..4), option::of(asset));
    parts.prop_map(|(key, kind, revision, record, events, changes, asset)| Notice {
        id: NoticeId::new(&key, kind, revision),
        key,
        kind,
        revision,
        record,
        events: events as usize,
        changes,
        asset,
    })
}

/// Equality of times does not see their digits; what is printed does.
fn printed(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

proptest! {
    #[test]
    fn a_head_comes_back(head in heads()) {
        let bytes = head.encode();
        let back = Head::decode(&bytes).unwrap();
        prop_assert_eq!(printed(&back), printed(&head));
        for length in 0..bytes.len() {
            prop_assert_eq!(Head::decode(&bytes[..length]), Err(HeadError::Malformed));
        }
        let longer = [&bytes[..], &[0]].concat();
        prop_assert_eq!(Head::decode(&longer), Err(HeadError::Malformed));
    }

    #[test]
    fn a_notice_comes_back(notice in notices(), seq in any::<u64>()) {
        let Notice { id, key, kind, revision, .. } = notice.clone();
        let head = Head::Notice { seq, id, key, kind, revision };
        let body = encode_notice(&notice);
        prop_assert_eq!(decode_notice(head.clone(), &body).map(|back| printed(&back)), Some(printed(&notice)));
        for length in 0..body.len() {
            prop_assert_eq!(decode_notice(head.clone(), &body[..length]), None);
        }
    }

    #[test]
    fn any_bytes_are_read_without_harm(mut bytes in vec(any::<u8>(), 0..200), code in 0_u8..14) {
        let _ = Head::decode(&bytes);
        bytes.splice(0..0, [1, code]);
        if let Ok(head) = Head::decode(&bytes) {
            prop_assert_eq!(head.encode(), bytes);
        }
    }
}

#[test]
fn what_came_later_is_told_from_what_is_malformed() {
    assert_eq!(Head::decode(&[2, 1]), Err(HeadError::Newer));
    assert_eq!(Head::decode(&[1, 12]), Err(HeadError::Newer));
    assert_eq!(Head::decode(&[]), Err(HeadError::Malformed));
    assert_eq!(Head::decode(&[1, 9]), Err(HeadError::Malformed));
}
