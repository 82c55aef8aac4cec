//! What cannot work is refused when a source is set up, with what would be right.

use std::time::Duration;

use finis_providers::load;
use finis_providers::signature::{Options, Outgoing, Refused, Secret, SecretProblem, SetupError, Signer, Verifier};

use crate::door::{Pair, at, fixtures, options, scheme, secrets, setup_error, verify, word};

const NOW: &str = "2026-05-03T08:42:11Z";

fn secret_problem(name: &str, secret: &str) -> SecretProblem {
    match setup_error(name, &[secret], &options(name)) {
        SetupError::Secret { place: 0, problem } => problem,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn a_source_without_secret_says_that_it_is_unsigned() {
    let unsigned = Options { unsigned: true, ..Options::default() };
    for signature in [None, Some(&scheme("saaya"))] {
        assert_eq!(Verifier::new(signature, &[], &Options::default()).unwrap_err(), SetupError::NoSecret);
        let verifier = Verifier::new(signature, &[], &unsigned).unwrap();
        assert!(verifier.is_unsigned());
        let answer = verify::<&str, &str>(&verifier, &[], b"anything", at(NOW)).unwrap();
        assert_eq!((answer.secret, answer.id, answer.at), (None, None, None));
        assert!(
            Signer::new(signature, &[], &unsigned).unwrap().sign(&Outgoing::default(), at(NOW)).unwrap().is_empty()
        );
    }
    assert_eq!(setup_error("saaya", &["s"], &unsigned), SetupError::UnsignedWithSecret);
    let secret = [Secret::new("s")];
    assert_eq!(Verifier::new(None, &secret, &Options::default()).unwrap_err(), SetupError::NoSignature);
}

#[test]
fn a_header_is_chosen_where_the_contract_names_none() {
    assert_eq!(setup_error("pathors", &["s"], &Options::default()), SetupError::NoHeader);
    let named = |name: &str| Options { header: Some(name.to_owned()), ..Options::default() };
    let wrong = SetupError::HeaderName { name: "X-Token:".to_owned() };
    assert_eq!(setup_error("pathors", &["s"], &named("X-Token:")), wrong);
    let verifier = Verifier::new(Some(&scheme("pathors")), &[Secret::new("s")], &named("X-Token")).unwrap();
    assert_eq!(word(&verify(&verifier, &[("x-token", "s")], b"", at(NOW))), "verified");
    assert_eq!(word(&verify(&verifier, &[("authorization", "s")], b"", at(NOW))), "missing header");
}

#[test]
fn another_header_takes_the_place_of_the_contracts() {
    let chosen = Options { header: Some("synthflow-signature".to_owned()), ..Options::default() };
    let (signature, secret) = (scheme("synthflow"), [Secret::new("s")]);
    let outgoing = Outgoing { body: br#"{"call":{"call_id":"c-1"}}"#, ..Outgoing::default() };
    let headers = Signer::new(Some(&signature), &secret, &chosen).unwrap().sign(&outgoing, at(NOW)).unwrap();
    assert_eq!(headers[0].0, "synthflow-signature");
    let verifier = Verifier::new(Some(&signature), &secret, &chosen).unwrap();
    assert_eq!(word(&verify(&verifier, &headers, outgoing.body, at(NOW))), "verified");
    let verifier = Verifier::new(Some(&signature), &secret, &Options::default()).unwrap();
    assert_eq!(word(&verify(&verifier, &headers, outgoing.body, at(NOW))), "missing header");
}

#[test]
fn a_tolerance_of_ones_own_counts_both_ways() {
    let tight = Options { tolerance: Some(Duration::from_secs(10)), ..Options::default() };
    let (_, secret) = secrets("elevenlabs", 1);
    let verifier = Verifier::new(Some(&scheme("elevenlabs")), &[secret], &tight).unwrap();
    let headers = Pair::new("elevenlabs").sign(b"{}", at(NOW));
    for (now, expect) in [
        ("2026-05-03T08:42:21Z", "verified"),
        ("2026-05-03T08:42:22Z", "too old"),
        ("2026-05-03T08:42:01Z", "verified"),
        ("2026-05-03T08:42:00Z", "too far ahead"),
    ] {
        assert_eq!(word(&verify(&verifier, &headers, b"{}", at(now))), expect, "{now}");
    }
    for name in ["smallest", "vapi-secret"] {
        assert_eq!(setup_error(name, &["s"], &tight), SetupError::NoTime, "{name}");
    }
}

#[test]
fn secrets_must_be_of_the_providers_form() {
    let standard = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    for (name, secret, problem) in [
        ("saaya", "", SecretProblem::Empty),
        ("vapi-secret", "", SecretProblem::Empty),
        ("standard", "", SecretProblem::Empty),
        ("standard", "whsec_", SecretProblem::Empty),
        ("saaya", "from a file\n", SecretProblem::LineBreak),
        ("saaya", "from a file\r\n", SecretProblem::LineBreak),
        ("standard", &format!("{standard}\n"), SecretProblem::LineBreak),
        ("standard", "whsec_not base64", SecretProblem::Base64),
        ("standard", "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", SecretProblem::Base64),
        ("daily", standard, SecretProblem::Base64),
        ("telnyx", "AAAA", SecretProblem::Key),
        // The neutral point: everything would be signed by it.
        ("telnyx", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", SecretProblem::Key),
        ("standard-ed25519", "whsk_AAAA", SecretProblem::Private),
        ("standard-ed25519", standard, SecretProblem::Base64),
    ] {
        assert_eq!(secret_problem(name, secret), problem, "{name}: {secret}");
    }
    let public = [Secret::new("whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=")];
    let error = Signer::new(Some(&scheme("standard-ed25519")), &public, &Options::default()).unwrap_err();
    assert_eq!(error, SetupError::Secret { place: 0, problem: SecretProblem::Public });
    assert_eq!(
        error.to_string(),
        "secret 1: it is a public key: to sign, give the private one, which begins with `whsk_`"
    );
}

#[test]
fn the_faulty_one_of_several_secrets_is_named() {
    let error = setup_error("daily", &["AAAA", "AAAA", "?"], &Options::default());
    assert_eq!(error, SetupError::Secret { place: 2, problem: SecretProblem::Base64 });
    assert_eq!(
        error.to_string(),
        "secret 3: it is not base64, as those of this provider are: copy it whole, and nothing else"
    );
}

#[test]
fn several_secrets_sign_only_where_there_is_room() {
    let secrets = [Secret::new("a"), Secret::new("b")];
    for (name, fits) in
        [("smallest", false), ("retell", false), ("vapi-secret", false), ("saaya", true), ("ultravox", true)]
    {
        let signer = Signer::new(Some(&scheme(name)), &secrets, &options(name));
        assert_eq!(signer.err(), (!fits).then_some(SetupError::OneSignature), "{name}");
    }
}

#[test]
fn a_contract_says_in_words_how_it_is_signed() {
    let fine = std::fs::read_to_string(fixtures().join("../contracts-faulty/fine.toml")).unwrap();
    let (head, rest) = fine.split_once("[signature]").unwrap();
    let (_, tail) = rest.split_once("[identity]").unwrap();
    for (name, words) in [
        (
            "elevenlabs",
            "signed with HMAC-SHA256 over {timestamp}.{body}, in ElevenLabs-Signature; its time may be behind by 30m, and ahead by any time",
        ),
        (
            "synthflow",
            "signed with HMAC-SHA256 over {/call/call_id}, in HTTP_SYNTHFLOW_SIGNATURE; nothing protects the rest of the body",
        ),
        ("twilio", "signed with HMAC-SHA1 over {url}{form}, in X-Twilio-Signature"),
        (
            "telnyx",
            "signed with Ed25519 over {timestamp}|{body}, in telnyx-signature-ed25519; its time may be off by 5m",
        ),
        ("daily", "signed with HMAC-SHA256 over {timestamp}.{body}, in X-Webhook-Signature; its time may be off by 5m"),
        ("vapi-bearer", "proved by a secret in Authorization"),
    ] {
        let signature = std::fs::read_to_string(fixtures().join(format!("schemes/{name}.toml"))).unwrap();
        let contract = load(name, &format!("{head}{signature}\n[identity]{tail}")).unwrap();
        let said = contract.describe();
        assert!(said.lines().any(|line| line.trim() == words), "{name}: {said}");
    }
}

#[test]
fn sets_of_headers_may_share_some() {
    let mut signature = scheme("agntix");
    let [first, second] = signature.headers.as_mut_slice() else { panic!("two sets: {:?}", signature.headers) };
    (second.id, second.timestamp) = (first.id.clone(), first.timestamp.clone());
    let (names, (private, shared)) = ((first.signature.clone(), second.signature.clone()), secrets("agntix", 1));
    let options = Options::default();
    let signer = Signer::new(Some(&signature), &[private], &options).unwrap();
    let verifier = Verifier::new(Some(&signature), &[shared], &options).unwrap();
    let outgoing = Outgoing { id: Some("msg_1"), url: None, body: b"{}" };
    let mut headers = signer.sign(&outgoing, at(NOW)).unwrap();
    assert_eq!(verify(&verifier, &headers, b"{}", at(NOW)).unwrap().id.as_deref(), Some("msg_1"));
    for (name, _) in &mut headers {
        if *name == names.0 {
            name.clone_from(&names.1);
        }
    }
    assert_eq!(verify(&verifier, &headers, b"{}", at(NOW)).unwrap().id.as_deref(), Some("msg_1"));
    headers.retain(|(name, _)| *name != names.1);
    assert_eq!(verify(&verifier, &headers, b"{}", at(NOW)), Err(Refused::MissingHeader { header: names.0 }));
}
