//! Bytes of records, there and back.

use std::time::Duration;

use finis_engine::Timestamp;
use finis_engine::live::{Asset, Change, Notice, NoticeId, SessionKey};
use finis_engine::log::{Arrivals, Delivery, Refused, SourceSettings, Standing, Why};
use finis_store::body::{
    decode_event, decode_key, decode_notice, decode_refused, encode_event, encode_notice, encode_refused,
};
use finis_store::head::{Due, Head, HeadError};
use finis_store::tag::{Tag, Tags};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::model::{causes, digest, kinds};

fn keys() -> impl Strategy<Value = SessionKey> {
    (any::<String>(), any::<String>(), any::<String>())
        .prop_map(|(source, subject, id)| SessionKey::new(&source, &subject, &id))
}

fn times() -> impl Strategy<Value = Timestamp> {
    let (first, last) = (Timestamp::MIN.unix().0, Timestamp::MAX.unix().0);
    (first..=last, 0_u32..1_000_000_000, 0_usize..10)
        .prop_map(|(seconds, nanos, digits)| Timestamp::from_unix(seconds, nanos, digits).unwrap())
}

fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    vec(any::<(String, String)>(), 0..4)
}

fn tags() -> impl Strategy<Value = Tag> {
    any::<[u8; Tag::BYTES]>().prop_map(Tag::from_bytes)
}

fn dues() -> impl Strategy<Value = Due> {
    prop_oneof![Just(Due::Same), Just(Due::Never), times().prop_map(Due::At)]
}

fn deliveries() -> impl Strategy<Value = Delivery> {
    let parts = (headers(), vec(any::<u8>(), 0..60));
    parts.prop_map(|(headers, body)| Delivery { headers, body: body.into() })
}

fn standings() -> impl Strategy<Value = Standing> {
    prop_oneof![Just(Standing::Done), causes().prop_map(Standing::Parked), Just(Standing::Released)]
}

fn sources() -> impl Strategy<Value = SourceSettings> {
    let span = || (any::<u64>(), 0_u32..1_000_000_000).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos));
    let words = (any::<(String, String, String)>(), option::of(vec(any::<String>(), 0..4)));
    (words, span(), option::of(span())).prop_map(|(((name, provider, version), subscription), grace, stall)| {
        SourceSettings { name, provider, version, subscription, grace, stall }
    })
}

fn arrivals() -> impl Strategy<Value = Arrivals> {
    (times(), vec(times(), 0..24)).prop_map(|(first, others)| {
        let mut arrivals = Arrivals::of(first);
        for at in others {
            arrivals.take(at);
        }
        arrivals
    })
}

fn heads() -> impl Strategy<Value = Head> {
    let digests = || any::<u32>().prop_map(digest);
    prop_oneof![
        (tags(), digests(), option::of(times()), dues()).prop_map(|(tag, digest, received_at, due)| Head::Event {
            tag,
            digest,
            received_at,
            due
        }),
        (tags(), digests(), times()).prop_map(|(tag, digest, received_at)| Head::Arrival { tag, digest, received_at }),
        (tags(), times(), dues()).prop_map(|(tag, at, due)| Head::Passed { tag, at, due }),
        (any::<u64>(), any::<[u8; 16]>(), tags(), kinds(), any::<u32>()).prop_map(|(seq, id, tag, kind, revision)| {
            Head::Notice { seq, id: NoticeId::from_bytes(id), tag, kind, revision }
        }),
        (any::<u64>(), any::<[u8; 16]>(), tags(), kinds(), any::<u32>()).prop_map(|(seq, id, tag, kind, revision)| {
            Head::LastWord { seq, id: NoticeId::from_bytes(id), tag, kind, revision }
        }),
        (tags(), dues()).prop_map(|(tag, due)| Head::Due { tag, due }),
        (any::<[u8; 16]>(), times()).prop_map(|(identity, received_at)| Head::Refused { identity, received_at }),
        any::<(String, u64)>().prop_map(|(consumer, seq)| Head::Acknowledged { consumer, seq }),
        any::<(String, u64)>().prop_map(|(consumer, seq)| Head::Done { consumer, seq }),
        (any::<(String, u64)>(), causes()).prop_map(|((consumer, seq), cause)| Head::Parked { consumer, seq, cause }),
        any::<(String, u64)>().prop_map(|(consumer, seq)| Head::Released { consumer, seq }),
        any::<(String, u64)>().prop_map(|(consumer, seq)| Head::Reset { consumer, seq }),
        (any::<(String, u64, bool)>(), vec((any::<u64>(), standings()), 0..4))
            .prop_map(|((consumer, seq, is_first), standing)| Head::Consumer { consumer, seq, is_first, standing }),
        any::<String>().prop_map(|consumer| Head::Removed { consumer }),
        times().prop_map(|at| Head::Clock { at }),
        (tags(), any::<(bool, [u32; 3], u64)>(), times()).prop_map(|(tag, (forgotten, revisions, told), at)| {
            Head::Gone { tag, why: if forgotten { Why::Forgotten } else { Why::Expired }, at, revisions, told }
        }),
        any::<(u64, u64)>().prop_map(|(last, first)| Head::Outbox { last, first }),
        any::<[u8; 16]>().prop_map(|identity| Head::Answered { identity }),
        sources().prop_map(Head::Source),
        tags().prop_map(|tag| Head::Crowded { tag }),
        (tags(), digests(), arrivals()).prop_map(|(tag, digest, arrivals)| Head::Repeated { tag, digest, arrivals }),
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
        let head = Head::Notice { seq, id, tag: Tags::new(seq).of(&key), kind, revision };
        let body = encode_notice(&notice);
        prop_assert_eq!(decode_notice(&head, &body).map(|back| printed(&back)), Some(printed(&notice)));
        prop_assert_eq!(decode_key(&body), Some(key));
        for length in 0..body.len() {
            prop_assert_eq!(decode_notice(&head, &body[..length]), None);
        }
    }

    #[test]
    fn a_delivery_comes_back(key in keys(), delivery in deliveries(), reason in any::<String>(), at in times()) {
        let body = encode_event(&key, &delivery);
        prop_assert_eq!(decode_event(&body), Some((key.clone(), delivery.clone())));
        prop_assert_eq!(decode_key(&body), Some(key.clone()));
        let payload = delivery.body.len();
        for length in 0..body.len() - payload {
            prop_assert_eq!(decode_event(&body[..length]), None);
        }
        let refused = Refused { source: key.source().to_owned(), received_at: at, reason, delivery };
        let body = encode_refused(&refused);
        prop_assert_eq!(decode_refused(at, &body), Some(refused));
        for length in 0..body.len() - payload {
            prop_assert_eq!(decode_refused(at, &body[..length]), None);
        }
    }

    /// Two sessions have two tags, and one has another in another store.
    #[test]
    fn a_tag_is_of_one_session(one in keys(), other in keys(), salts in any::<(u64, u64)>()) {
        let tags = Tags::new(salts.0);
        prop_assert_eq!(tags.of(&one) == tags.of(&other), one == other);
        prop_assert_eq!(tags.of(&one) == Tags::new(salts.1).of(&one), salts.0 == salts.1);
    }

    /// Stores that were written before have it so.
    #[test]
    fn a_tag_is_a_hash_of_the_key_as_a_body_has_it(key in keys(), salt in any::<u64>(), often in 1_usize..400) {
        let key = SessionKey::new(key.source(), key.subject(), &key.id().repeat(often));
        let body = encode_event(&key, &Delivery { headers: Vec::new(), body: Vec::new().into() });
        // The version before it, and behind it how many headers there are.
        let written = &body[1..body.len() - 4];
        let secret = blake3::derive_key("finis 1 tags of sessions", &salt.to_le_bytes());
        let hash = blake3::keyed_hash(&secret, written);
        prop_assert_eq!(&Tags::new(salt).of(&key).to_bytes()[..], &hash.as_bytes()[..16]);
    }

    #[test]
    fn any_bytes_are_read_without_harm(mut bytes in vec(any::<u8>(), 0..200), code in 0_u8..23) {
        let _ = Head::decode(&bytes);
        bytes.splice(0..0, [1, code]);
        if let Ok(head) = Head::decode(&bytes) {
            prop_assert_eq!(head.encode(), bytes);
        }
    }
}

/// The bytes of a head are what stores have on their disks.
#[test]
fn a_head_of_repeats_is_these_bytes() {
    let at = |second: i64| Timestamp::from_unix(second, 250_000_000, 3).unwrap();
    let mut arrivals = Arrivals::of(at(1));
    arrivals.take(at(258));
    let head = Head::Repeated { tag: Tag::from_bytes([7; 16]), digest: digest(9), arrivals: arrivals.clone() };
    let time = |low: u8, high: u8| [&[low, high, 0, 0, 0, 0, 0, 0][..], &[0x80, 0xB2, 0xE6, 0x0E, 3]].concat();
    let few = [&[1, 21][..], &[7; 16], &digest(9).to_bytes(), &[2], &time(1, 0), &time(2, 1), &[0]].concat();
    assert_eq!(head.encode(), few);
    (300..320).for_each(|second| arrivals.take(at(second)));
    let head = Head::Repeated { tag: Tag::from_bytes([7; 16]), digest: digest(9), arrivals };
    let many = head.encode();
    assert_eq!(many[34], 16);
    assert_eq!(many[35 + 16 * 13..], [&[1, 6, 0, 0, 0, 0, 0, 0, 0][..], &time(0x3F, 1)].concat());
    // What says that it came more often than it says is not what was ever written, nor is what has no order.
    let mut wrong = few.clone();
    *wrong.last_mut().unwrap() = 1;
    wrong.extend([&[6, 0, 0, 0, 0, 0, 0, 0][..], &time(0x3F, 1)].concat());
    assert_eq!(Head::decode(&wrong), Err(HeadError::Malformed));
    let wrong = [&few[..35], &time(2, 1), &time(1, 0), &[0]].concat();
    assert_eq!(Head::decode(&wrong), Err(HeadError::Malformed));
}

#[test]
fn what_came_later_is_told_from_what_is_malformed() {
    assert_eq!(Head::decode(&[2, 1]), Err(HeadError::Newer));
    assert_eq!(Head::decode(&[1, 22]), Err(HeadError::Newer));
    assert_eq!(Head::decode(&[]), Err(HeadError::Malformed));
    assert_eq!(Head::decode(&[1, 9]), Err(HeadError::Malformed));
}
