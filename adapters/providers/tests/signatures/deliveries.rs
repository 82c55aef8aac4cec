//! Deliveries that others signed: published vectors, and what our own arithmetic in another language
//! gives.

use std::collections::BTreeMap;

use base64::Engine as _;
use finis_providers::signature::{Options, Outgoing, Request, Secret, Signer, Verifier};
use serde::Deserialize;
use sha2::Digest as _;

use crate::door::{SCHEMES, STATIC, at, fixtures, options, scheme, word};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Delivery {
    name: String,
    #[serde(rename = "source")]
    _source: String,
    scheme: String,
    secret: String,
    url: Option<String>,
    headers: BTreeMap<String, String>,
    body: String,
    now: String,
    expect: String,
}

fn deliveries() -> Vec<Delivery> {
    let text = std::fs::read_to_string(fixtures().join("deliveries.jsonl")).unwrap();
    let deliveries: Vec<Delivery> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(deliveries.len() >= 87, "only {} were found", deliveries.len());
    deliveries
}

#[test]
fn every_delivery_is_answered_as_it_must_be() {
    for delivery in deliveries() {
        let signature = scheme(&delivery.scheme);
        let secrets = [Secret::new(delivery.secret.clone())];
        let verifier = Verifier::new(Some(&signature), &secrets, &options(&delivery.scheme)).unwrap();
        let request =
            Request { url: delivery.url.as_deref(), headers: &delivery.headers, body: delivery.body.as_bytes() };
        let answer = verifier.verify(request, at(&delivery.now));
        assert_eq!(word(&answer), delivery.expect, "{}: {answer:?}", delivery.name);
    }
}

#[test]
fn every_scheme_has_a_delivery_that_others_signed() {
    let deliveries = deliveries();
    for scheme in SCHEMES.iter().filter(|scheme| !STATIC.contains(scheme)) {
        let verified = |delivery: &&Delivery| delivery.scheme == *scheme && delivery.expect == "verified";
        assert!(deliveries.iter().any(|delivery| verified(&delivery)), "{scheme}");
    }
}

/// Signs with what a delivery has, and gives what was made of the header that it proves itself by.
#[track_caller]
fn signed(name: &str, private: Option<&str>) -> (String, String) {
    let delivery = deliveries().into_iter().find(|delivery| delivery.name == name).unwrap();
    let signature = scheme(&delivery.scheme);
    let secret = Secret::new(private.unwrap_or(&delivery.secret));
    let signer = Signer::new(Some(&signature), &[secret], &Options::default()).unwrap();
    let header = |wanted: &str| {
        let mut headers = delivery.headers.iter();
        headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_str())
    };
    let set = &signature.headers[0];
    let id = set.id.as_deref().and_then(header);
    let outgoing = Outgoing { id, url: delivery.url.as_deref(), body: delivery.body.as_bytes() };
    let made = signer.sign(&outgoing, at(&delivery.now)).unwrap();
    let (_, made) = made.into_iter().find(|(name, _)| *name == set.signature).unwrap();
    (made, header(&set.signature).unwrap().to_owned())
}

#[test]
fn a_signer_makes_the_published_signatures() {
    for name in [
        "standard",
        "standard-rust",
        "svix",
        "retell",
        "daily",
        "elevenlabs",
        "twilio-form",
        "twilio-duplicate-params",
        "twilio-json",
        "twilio-port-http-1234",
        "saaya",
        "smallest",
        "smallest-legacy",
        "vapi",
        "vapi-sha1",
        "vapi-template",
        "vapi-secret",
        "vapi-bearer",
        "fish",
        "bland",
        "synthflow",
    ] {
        let (made, published) = signed(name, None);
        assert_eq!(made, published, "{name}");
    }
}

#[test]
fn a_signer_makes_the_published_signatures_of_private_keys() {
    // svix server/svix-server/src/worker.rs, test_asymmetric_key_signing.
    let svix = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    let bytes: Vec<u8> = (0..32).collect();
    let telnyx = base64::engine::general_purpose::STANDARD.encode(bytes);
    for (name, private) in [("standard-ed25519", svix), ("telnyx", &telnyx)] {
        let (made, published) = signed(name, Some(private));
        assert_eq!(made, published, "{name}");
    }
}

/// Its token is not verified yet; what the token would claim is known.
#[test]
fn livekits_digest_is_that_of_the_raw_body() {
    let text = std::fs::read_to_string(fixtures().join("livekit-hash.json")).unwrap();
    let vector: BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
    let digest = sha2::Sha256::digest(vector["body"].as_bytes());
    assert_eq!(base64::engine::general_purpose::STANDARD.encode(digest), vector["sha256"]);
}
