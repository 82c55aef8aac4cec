//! What is signed verifies; what was changed by one bit does not.

use std::sync::LazyLock;

use finis_engine::Timestamp;
use finis_providers::signature::{Request, Verifier};
use proptest::prelude::*;

use crate::door::{Pair, SCHEMES, STATIC, TIMED, URL, signature_header};

static PAIRS: LazyLock<Vec<Pair>> = LazyLock::new(|| SCHEMES.iter().map(|name| Pair::new(name)).collect());

/// A body that a scheme can sign, out of any bytes.
fn body(scheme: &str, bytes: &[u8]) -> Vec<u8> {
    match scheme {
        "synthflow" => format!("{{\"call\":{{\"call_id\":\"{}\"}}}}", hex::encode(bytes)).into_bytes(),
        _ => bytes.to_vec(),
    }
}

fn instants() -> impl Strategy<Value = Timestamp> {
    (0_i64..4_000_000_000, 0_u32..1_000_000_000)
        .prop_map(|(seconds, nanos)| Timestamp::from_unix(seconds, nanos, 9).unwrap())
}

fn verified(verifier: &Verifier, headers: &[(String, Vec<u8>)], body: &[u8], now: Timestamp) -> bool {
    let headers = headers.iter().map(|(name, value)| (name, value));
    verifier.verify(Request { url: Some(URL), headers, body }, now).is_ok()
}

fn bytes(headers: Vec<(String, String)>) -> Vec<(String, Vec<u8>)> {
    headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect()
}

fn flip(bytes: &mut [u8], bit: usize) {
    let bit = bit % (bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
}

/// What a form says: two texts may be one form.
fn form(body: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut pairs: Vec<_> = body
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=').map(|half| {
                let spaced: Vec<u8> = half.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
                percent(&spaced)
            });
            (halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
        })
        .collect();
    pairs.sort();
    pairs.dedup();
    pairs
}

fn percent(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let digits = text.get(at + 1..at + 3).filter(|_| text[at] == b'%').and_then(|digits| hex::decode(digits).ok());
        out.push(digits.as_ref().map_or(text[at], |digits| digits[0]));
        at += if digits.is_some() { 3 } else { 1 };
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_signed_verifies(any in proptest::collection::vec(any::<u8>(), 0..300), now in instants()) {
        for (name, pair) in SCHEMES.iter().zip(PAIRS.iter()) {
            let body = body(name, &any);
            let headers = bytes(pair.sign(&body, now));
            prop_assert!(verified(&pair.verifier, &headers, &body, now), "{name}");
        }
    }

    #[test]
    fn a_flipped_bit_of_the_body_does_not(
        any in proptest::collection::vec(any::<u8>(), 1..300), now in instants(), bit: usize,
    ) {
        for (name, pair) in SCHEMES.iter().zip(PAIRS.iter()) {
            if STATIC.contains(name) {
                continue;
            }
            let body = body(name, &any);
            let headers = bytes(pair.sign(&body, now));
            let mut changed = body.clone();
            flip(&mut changed, bit);
            // The id alone is signed, and escapes may write it in another way.
            if *name == "synthflow" {
                let id = hex::encode(&any);
                if std::str::from_utf8(&changed).is_ok_and(|text| text.contains(&id) && text.contains("call_id")) {
                    continue;
                }
            }
            // A form is signed by what it says; keys and values run together, as the provider's do.
            if *name == "twilio" {
                let says = |body: &[u8]| form(body).into_iter().flat_map(|(key, value)| [key, value]).flatten().collect::<Vec<u8>>();
                if says(&changed) == says(&body) {
                    continue;
                }
            }
            prop_assert!(!verified(&pair.verifier, &headers, &changed, now), "{name}: {changed:?}");
        }
    }

    #[test]
    fn a_flipped_bit_of_the_signature_does_not(
        any in proptest::collection::vec(any::<u8>(), 0..60), now in instants(), bit: usize,
    ) {
        for (name, pair) in SCHEMES.iter().zip(PAIRS.iter()) {
            let body = body(name, &any);
            let mut headers = bytes(pair.sign(&body, now));
            let header = signature_header(name);
            let value = &mut headers.iter_mut().find(|(known, _)| *known == header).unwrap().1;
            // Saaya documents no key of its signature, so any is taken: only what follows it counts.
            let start = value.windows(4).position(|key| *name == "saaya" && key == b",v1=").map_or(0, |start| start + 4);
            flip(&mut value[start..], bit);
            prop_assert!(!verified(&pair.verifier, &headers, &body, now), "{name}: {headers:?}");
        }
    }

    #[test]
    fn a_flipped_bit_of_the_time_or_the_id_does_not(
        any in proptest::collection::vec(any::<u8>(), 0..60), now in instants(), bit: usize,
    ) {
        for (name, pair) in SCHEMES.iter().zip(PAIRS.iter()) {
            if !TIMED.contains(name) {
                continue;
            }
            let body = body(name, &any);
            let signed = bytes(pair.sign(&body, now));
            let header = signature_header(name);
            let others = signed.iter().filter(|(known, _)| *known != header).count();
            if others == 0 {
                // The time is the first element of the header.
                let mut headers = signed.clone();
                let value = &mut headers[0].1;
                let end = value.iter().position(|byte| *byte == b',').unwrap();
                flip(&mut value[..end], bit);
                prop_assert!(!verified(&pair.verifier, &headers, &body, now), "{name}: {headers:?}");
            }
            for place in 0..others {
                let mut headers = signed.clone();
                flip(&mut headers[place].1, bit);
                prop_assert!(!verified(&pair.verifier, &headers, &body, now), "{name}: {headers:?}");
            }
        }
    }

    #[test]
    fn nothing_panics(
        any in proptest::collection::vec(any::<u8>(), 0..80), value in proptest::collection::vec(any::<u8>(), 0..80),
        url in ".{0,40}", now in instants(),
    ) {
        for (name, pair) in SCHEMES.iter().zip(PAIRS.iter()) {
            let set = pair.signature.headers.first();
            let names = set.map(|set| [Some(set.signature.clone()), set.id.clone(), set.timestamp.clone()]);
            let names = names.into_iter().flatten().flatten();
            let headers: Vec<_> = names.map(|header| (header, value.clone())).collect();
            for url in [None, Some(url.as_str()), Some("https://[::1]:443/?bodySHA256=zz")] {
                let headers = headers.iter().map(|(name, value)| (name, value));
                let answer = pair.verifier.verify(Request { url, headers, body: &any }, now);
                prop_assert!(answer.is_err(), "{name}");
            }
        }
    }
}
