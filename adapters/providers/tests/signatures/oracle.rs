//! The reference of Standard Webhooks beside our verifier: what one takes, the other takes.

use finis_engine::Timestamp;
use proptest::prelude::*;
use standardwebhooks::Webhook;

use crate::door::{Pair, value};

/// The secret that `Pair` uses, as the reference wants it.
fn reference() -> Webhook {
    use base64::Engine as _;
    Webhook::new(&format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode([1; 32]))).unwrap()
}

/// The reference looks at the clock itself.
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_unix(i64::try_from(since.as_secs()).unwrap(), 0, 0).unwrap()
}

fn reference_takes(headers: &[(String, String)], body: &[u8]) -> bool {
    let mut map = http::HeaderMap::new();
    for (name, value) in headers {
        let Ok(value) = http::HeaderValue::from_str(value) else { return false };
        map.append(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
    }
    reference().verify(body, &map).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn each_takes_what_the_other_signs(id in "[a-zA-Z0-9_-]{1,30}", body in ".{0,60}") {
        let pair = Pair::new("standard");
        let now = now();
        let ours = pair.try_sign(&id, body.as_bytes(), now).unwrap();
        prop_assert!(reference_takes(&ours, body.as_bytes()));
        let mut theirs = ours.clone();
        *value(&mut theirs, "webhook-signature") = reference().sign(&id, now.unix().0, body.as_bytes()).unwrap();
        prop_assert_eq!(&theirs, &ours);
        prop_assert!(pair.verify(&theirs, body.as_bytes(), now).is_ok());
    }

    #[test]
    fn both_judge_a_changed_header_alike(
        change in prop_oneof![
            Just(("v1,", "v2,")), Just(("v1,", "")), Just(("v1,", "v1,,")), Just(("v1,", "v1, v1,")),
            Just(("v1,", "v2,x v1,")), Just(("v1,", " v1,")), Just(("v1,", "v1,AAAA v1,")), Just(("=", "")),
            Just(("=", "= v1,")), Just(("=", "= ")), Just(("A", "a")), Just(("+", "-")), Just(("/", "_")),
        ],
        body in "[a-z]{0,20}",
    ) {
        let pair = Pair::new("standard");
        let now = now();
        let mut headers = pair.sign(body.as_bytes(), now);
        let signature = value(&mut headers, "webhook-signature");
        *signature = signature.replacen(change.0, change.1, 1);
        let ours = pair.verify(&headers, body.as_bytes(), now);
        prop_assert_eq!(ours.is_ok(), reference_takes(&headers, body.as_bytes()), "{:?}: {:?}", headers, ours);
    }
}
