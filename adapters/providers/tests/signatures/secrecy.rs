//! What nobody may read: secrets in errors, logs and `Debug`; reasons in what the sender is told.

use finis_providers::signature::{Options, Refused, Secret, Signer, Verifier};

use crate::door::{Pair, SCHEMES, at, options, scheme};

/// What is done to the headers of a good delivery.
type Change<'c> = dyn Fn(&mut Vec<(String, String)>) + 'c;

const NOW: &str = "2026-05-03T08:42:11Z";

#[test]
fn debug_shows_no_secret() {
    // As text, in base64 of text, and as the numbers of its bytes.
    let forms = ["canary", "Y2FuYXJ5", "99, 97, 110, 97, 114, 121"];
    let silent = |shown: String| {
        assert!(forms.iter().all(|form| !shown.contains(form)), "{shown}");
    };
    silent(format!("{:?}", Secret::new("canary").until(at(NOW))));
    for name in SCHEMES {
        let text = match name {
            "telnyx" | "standard-ed25519" => continue,
            "agntix" | "standard" | "daily" => "Y2FuYXJ5",
            _ => "canary",
        };
        let (signature, secrets) = (scheme(name), [Secret::new(text)]);
        silent(format!("{:?}", Verifier::new(Some(&signature), &secrets, &options(name)).unwrap()));
        silent(format!("{:#?}", Signer::new(Some(&signature), &secrets, &options(name)).unwrap()));
    }
}

#[test]
fn errors_echo_no_secret() {
    for name in ["agntix", "daily", "telnyx", "standard-ed25519"] {
        for text in ["canary!canary", "whsk_canary", "Y2FuYXJ5\n"] {
            let error = Verifier::new(Some(&scheme(name)), &[Secret::new(text)], &Options::default()).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("canary") && !shown.contains("Y2Fu"), "{shown}");
        }
    }
}

#[test]
fn a_refusal_echoes_nothing_of_the_delivery() {
    for name in SCHEMES {
        let pair = Pair::new(name);
        let mut headers = pair.sign(br#"{"call":{"call_id":"c"}}"#, at(NOW));
        for (_, value) in &mut headers {
            *value = format!("canary {value}");
        }
        let refused = pair.verify(&headers, b"canary", at(NOW)).unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("canary"), "{refused:?}");
    }
}

#[test]
fn the_sender_is_told_one_thing() {
    assert_eq!(Refused::PUBLIC, "the delivery could not be verified");
}

#[test]
fn the_operator_is_told_why() {
    let pair = Pair::new("standard");
    let body = b"{}";
    let good = pair.sign(body, at(NOW));
    let said = |change: &Change<'_>, now: &str| {
        let mut headers = good.clone();
        change(&mut headers);
        pair.verify(&headers, body, at(now)).unwrap_err().to_string()
    };
    let set = |place: usize, text: &'static str| {
        move |headers: &mut Vec<(String, String)>| text.clone_into(&mut headers[place].1)
    };
    let list = [
        said(&|headers| headers.clear(), NOW),
        said(&|headers| headers.push(headers[0].clone()), NOW),
        said(&set(0, "a.b"), NOW),
        said(&set(1, "soon"), NOW),
        said(&set(2, ""), NOW),
        said(&set(2, "é"), NOW),
        said(&set(2, "v2,AAAA"), NOW),
        said(&set(2, "v1,AAAA"), NOW),
        said(&|headers| headers[2].1 = "v1,AAAA ".repeat(33), NOW),
        said(&|_| (), "2026-05-03T08:47:12Z"),
        said(&|_| (), "2026-05-03T08:37:10Z"),
    ];
    assert_eq!(
        list,
        [
            "no header `webhook-signature`",
            "header `webhook-id`: it stands there twice",
            "header `webhook-id`: the id holds what separates it from the rest",
            "header `webhook-timestamp`: the time is not written as the contract says",
            "header `webhook-signature`: it is empty",
            "header `webhook-signature`: it is not ASCII",
            "header `webhook-signature`: no signature of this provider is in it",
            "no secret made this signature",
            "header `webhook-signature`: more than 32 elements",
            "signed 5m1s ago, which is too long",
            "signed 5m1s ahead of our clock",
        ]
    );
}
