//! What a forger may try, a careless provider may send, and a proxy may change.

use std::time::Duration;

use finis_engine::Timestamp;
use finis_providers::signature::{Outgoing, Problem, Refused, Request, SIGNATURES_MAX, Secret, Signer, Verifier};

use crate::door::{
    Pair, SCHEMES, STATIC, TIMED, URL, at, options, parse, scheme, secrets, signature_header, value, verify, word,
};

const NOW: &str = "2026-05-03T08:42:11Z";
/// It has what Synthflow signs; as a form it is one odd key.
const BODY: &[u8] = br#"{"call": {"call_id": "c-1"}, "n": 1}"#;

/// Changes the headers of a good delivery of each scheme, and says how that is answered.
#[track_caller]
fn each(change: impl Fn(&str, &mut Vec<(String, String)>), expect: &[&str]) {
    for name in SCHEMES {
        let pair = Pair::new(name);
        let mut headers = pair.sign(BODY, at(NOW));
        let whole = pair.verify(&headers, BODY, at(NOW));
        assert_eq!(word(&whole), "verified", "{name}: {whole:?}");
        change(&signature_header(name), &mut headers);
        let answer = pair.verify(&headers, BODY, at(NOW));
        assert!(expect.contains(&word(&answer)), "{name}: {headers:?}: {answer:?}");
    }
}

#[test]
fn without_the_header() {
    each(|header, headers| headers.retain(|(name, _)| name != header), &["missing header"]);
    each(|_, headers| headers.clear(), &["missing header"]);
}

#[test]
fn with_an_empty_header() {
    each(|header, headers| value(headers, header).clear(), &["malformed"]);
}

#[test]
fn with_another_secret() {
    for name in SCHEMES {
        let pair = Pair::new(name);
        let (other, _) = secrets(name, 2);
        let signer = Signer::new(Some(&pair.signature), &[other], &options(name)).unwrap();
        let id = pair.signature.headers.first().and_then(|headers| headers.id.as_ref()).map(|_| "msg_1");
        let outgoing = Outgoing { id, url: Some(URL), body: BODY };
        let headers = signer.sign(&outgoing, at(NOW)).unwrap();
        assert_eq!(pair.verify(&headers, BODY, at(NOW)), Err(Refused::NoMatch), "{name}");
    }
}

#[test]
fn with_the_same_json_written_otherwise() {
    let pretty = b"{\n  \"call\": {\n    \"call_id\": \"c-1\"\n  },\n  \"n\": 1\n}";
    // Synthflow does not sign the rest of the body; a static header signs nothing at all.
    for name in SCHEMES.iter().filter(|name| **name != "synthflow" && !STATIC.contains(name)) {
        let pair = Pair::new(name);
        let headers = pair.sign(BODY, at(NOW));
        assert_eq!(pair.verify(&headers, pretty, at(NOW)), Err(Refused::NoMatch), "{name}");
    }
}

#[test]
fn with_upper_case_digits() {
    for name in ["smallest", "retell", "fish", "ultravox", "vapi", "vapi-sha1"] {
        let pair = Pair::new(name);
        let mut headers = pair.sign(BODY, at(NOW));
        let signature = value(&mut headers, &signature_header(name));
        let digits = signature.rfind('=').map_or(0, |equals| equals + 1);
        let upper = signature[digits..].to_uppercase();
        signature.replace_range(digits.., &upper);
        let answer = pair.verify(&headers, BODY, at(NOW));
        assert!(matches!(answer, Err(Refused::Malformed { problem: Problem::NoSignature, .. })), "{name}: {answer:?}");
    }
    let upper = parse(
        "[signature]\nmac = 'hmac-sha256'\nheader = 'x-s'\nsigned = '{body}'\nencoding = 'hex-upper'\nsecret = 'raw'",
    );
    let secret = [Secret::new("s")];
    let verifier = Verifier::new(Some(&upper), &secret, &options("")).unwrap();
    let signer = Signer::new(Some(&upper), &secret, &options("")).unwrap();
    let outgoing = Outgoing { body: BODY, ..Outgoing::default() };
    let mut headers = signer.sign(&outgoing, at(NOW)).unwrap();
    assert_eq!(word(&verify(&verifier, &headers, BODY, at(NOW))), "verified");
    headers[0].1.make_ascii_lowercase();
    assert_eq!(word(&verify(&verifier, &headers, BODY, at(NOW))), "malformed");
}

#[test]
fn with_a_part_of_the_signature() {
    for cut in [1, 2, 4, 8, 24] {
        let shorten = |header: &str, headers: &mut Vec<(String, String)>| {
            let signature = value(headers, header);
            signature.truncate(signature.len().saturating_sub(cut));
        };
        each(shorten, &["malformed", "no match"]);
    }
}

#[test]
fn with_space_around_the_signature() {
    for around in ["\n", "\r\n", "\t", "\0", "\u{b}", "  "] {
        // In a list by spaces, a space ends an element and hurts none.
        let spaced = |header: &str| around == "  " && (header.starts_with("svix-") || header.starts_with("webhook-"));
        let after = |header: &str, headers: &mut Vec<(String, String)>| {
            value(headers, header).push_str(if spaced(header) { "\t" } else { around });
        };
        each(after, &["malformed", "no match"]);
        let before = |header: &str, headers: &mut Vec<(String, String)>| {
            value(headers, header).insert_str(0, if spaced(header) { "\t" } else { around });
        };
        each(before, &["malformed", "no match"]);
    }
}

#[test]
fn with_another_alphabet_of_base64() {
    for name in ["agntix", "standard", "standard-ed25519", "daily", "telnyx", "twilio", "synthflow", "vapi-template"] {
        let pair = Pair::new(name);
        let mut tried = false;
        for second in 0..60 {
            let now = at("2026-05-03T08:42:00Z").plus(Duration::from_secs(second));
            let body = format!("{{\"call\":{{\"call_id\":\"{second}\"}}}}");
            let mut headers = pair.sign(body.as_bytes(), now);
            let signature = value(&mut headers, &signature_header(name));
            if signature.contains(['+', '/']) {
                *signature = signature.replace('+', "-").replace('/', "_");
                assert_eq!(word(&pair.verify(&headers, body.as_bytes(), now)), "malformed", "{name}");
                tried = true;
                break;
            }
        }
        assert!(tried, "{name}");
    }
    each(
        |header, headers| {
            let value = value(headers, header);
            *value = value.trim_end_matches('=').to_owned() + if value.ends_with('=') { "" } else { "=" };
        },
        &["malformed", "no match"],
    );
}

#[test]
fn with_a_list_in_which_one_is_good() {
    for (name, separator) in [("standard", " "), ("agntix", " "), ("ultravox", ","), ("saaya", ","), ("fish", ",")] {
        let pair = Pair::new(name);
        let good = pair.sign(BODY, at(NOW));
        let list = |bad: usize, good_last: bool| {
            let mut headers = good.clone();
            let signature = value(&mut headers, &signature_header(name));
            let element = signature.rsplit(separator).next().unwrap().to_owned();
            let wrong = element.replace(['0', '1', 'a', 'b', 'Q'], "2");
            let wrong = wrong.replacen(&wrong[..3], &element[..3], 1);
            if good_last {
                let wrong = format!("{wrong}{separator}").repeat(bad);
                *signature = signature.replacen(&element, &format!("{wrong}{element}"), 1);
            } else {
                signature.push_str(&format!("{separator}{wrong}").repeat(bad));
            }
            word(&pair.verify(&headers, BODY, at(NOW)))
        };
        assert_eq!(list(3, true), "verified", "{name}");
        assert_eq!(list(3, false), "verified", "{name}");
        // Where the time is in the header too, it is one of the elements.
        let most = SIGNATURES_MAX - if name == "saaya" || name == "fish" { 2 } else { 1 };
        assert_eq!(list(most, false), "verified", "{name}");
        assert_eq!(list(most + 1, false), "too many", "{name}");
        assert_eq!(list(10_000, false), "too many", "{name}");
    }
}

#[test]
fn rotation_takes_the_old_secret_until_its_end() {
    for name in SCHEMES {
        let (old_private, old) = secrets(name, 1);
        let (new_private, new) = secrets(name, 2);
        let end = at(NOW).plus(Duration::from_secs(10));
        let signature = scheme(name);
        let verifier = Verifier::new(Some(&signature), &[new, old.until(end)], &options(name)).unwrap();
        let pair = Pair::new(name);
        let id = pair.signature.headers.first().and_then(|headers| headers.id.as_ref()).map(|_| "msg_1");
        let outgoing = Outgoing { id, url: Some(URL), body: BODY };
        let send = |secret: &[Secret], now: Timestamp| {
            let headers = Signer::new(Some(&signature), secret, &options(name)).unwrap().sign(&outgoing, now).unwrap();
            verify(&verifier, &headers, BODY, now).map(|verified| verified.secret)
        };
        assert_eq!(send(std::slice::from_ref(&new_private), at(NOW)), Ok(Some(0)), "{name}");
        assert_eq!(send(std::slice::from_ref(&old_private), at(NOW)), Ok(Some(1)), "{name}");
        assert_eq!(send(std::slice::from_ref(&old_private), end), Err(Refused::NoMatch), "{name}");
        if ["agntix", "standard", "standard-ed25519", "ultravox", "saaya", "fish", "elevenlabs"].contains(&name) {
            // The provider signs with both, so that either is enough.
            assert_eq!(send(&[old_private, new_private], end), Ok(Some(0)), "{name}");
        }
    }
}

#[test]
fn at_times_that_are_off() {
    for name in TIMED {
        let pair = Pair::new(name);
        let (most, ahead) = match name {
            "elevenlabs" => (1800, None),
            "ultravox" => (60, Some(60)),
            _ => (300, Some(300)),
        };
        let signed = at(NOW);
        let headers = pair.sign(BODY, signed);
        let verify = |now| pair.verify(&headers, BODY, now).map(|verified| verified.at);
        let seconds = Duration::from_secs;
        assert_eq!(verify(signed.plus(seconds(most))), Ok(Some(signed)), "{name}");
        let by = seconds(most) + Duration::from_nanos(1);
        assert_eq!(verify(signed.plus(by)), Err(Refused::TooOld { by }), "{name}");
        let earlier = |by: Duration| {
            let (seconds, _) = signed.unix();
            let nanos = 1_000_000_000 - by.subsec_nanos();
            Timestamp::from_unix(seconds - by.as_secs() as i64 - 1, nanos % 1_000_000_000, 9)
                .map(|at| if by.subsec_nanos() == 0 { at.plus(Duration::from_secs(1)) } else { at })
                .unwrap()
        };
        if let Some(most) = ahead {
            assert_eq!(verify(earlier(seconds(most))), Ok(Some(signed)), "{name}");
            let by = seconds(most) + Duration::from_nanos(1);
            assert_eq!(verify(earlier(by)), Err(Refused::TooFarAhead { by }), "{name}");
        } else {
            assert_eq!(verify(earlier(seconds(86_400))), Ok(Some(signed)), "{name}");
        }
    }
}

#[test]
fn what_was_not_signed_is_never_too_old() {
    let pair = Pair::new("standard");
    let headers = pair.sign(BODY, at(NOW));
    assert_eq!(pair.verify(&headers, b"{}", at("2027-01-01T00:00:00Z")), Err(Refused::NoMatch));
}

#[test]
fn with_times_that_are_none() {
    for name in TIMED {
        let pair = Pair::new(name);
        let written = if name == "ultravox" { NOW.to_owned() } else { at(NOW).unix().0.to_string() };
        let now = written.as_str();
        for time in [
            "1e9",
            "-1",
            "+1777797731",
            "17777977310000000000",
            "9223372036854775807",
            "1777797731.0",
            " 1777797731",
            "0x6a",
            "١٧٧٧٧٩٧٧٣١",
            "2026-05-03 08:42:11",
            "2026-05-03T08:42:11",
            "2026-05-03T24:00:00Z",
            "now",
        ] {
            let mut headers = pair.sign(BODY, at(NOW));
            for (_, value) in &mut headers {
                // Milliseconds have three more digits.
                *value = value.replace(&format!("{now}000"), time).replace(now, time);
            }
            assert_eq!(word(&pair.verify(&headers, BODY, at(NOW))), "malformed", "{name}: {time}");
        }
    }
}

#[test]
fn with_milliseconds_for_seconds() {
    for name in ["standard", "saaya", "fish", "telnyx", "vapi"] {
        let pair = Pair::new(name);
        let mut headers = pair.sign(BODY, at(NOW));
        for (_, value) in &mut headers {
            *value = value.replace("1777797731", "1777797731000");
        }
        assert_eq!(word(&pair.verify(&headers, BODY, at(NOW))), "malformed", "{name}");
    }
    // And signed so: a provider that changes its mind is refused all the same.
    let seconds = "[signature]\nmac = 'hmac-sha256'\nheader = 's'\nsigned = '{timestamp}{body}'\nencoding = 'hex'\nsecret = 'raw'\ntimestamp_header = 't'\n";
    let millis = format!("{seconds}timestamp_unit = 'unix-ms'");
    let (reader, writer) = (parse(seconds), parse(&millis));
    let secret = [Secret::new("s")];
    let outgoing = Outgoing { body: BODY, ..Outgoing::default() };
    let cross = |reader, writer| {
        let headers = Signer::new(Some(writer), &secret, &options("")).unwrap().sign(&outgoing, at(NOW)).unwrap();
        word(&verify(&Verifier::new(Some(reader), &secret, &options("")).unwrap(), &headers, BODY, at(NOW)))
    };
    assert_eq!(cross(&reader, &writer), "malformed");
    assert_eq!(cross(&writer, &reader), "too old");
}

#[test]
fn with_a_header_twice() {
    let twice = |header: &str, headers: &mut Vec<(String, String)>| {
        let again = headers.iter().find(|(name, _)| name == header).cloned().unwrap();
        headers.push((again.0.to_uppercase(), again.1));
    };
    each(twice, &["malformed"]);
    for (name, header) in [("agntix", "svix-id"), ("agntix", "svix-timestamp"), ("telnyx", "telnyx-timestamp")] {
        let pair = Pair::new(name);
        let mut headers = pair.sign(BODY, at(NOW));
        twice(header, &mut headers);
        let expect = Refused::Malformed { header: header.to_owned(), problem: Problem::Repeated };
        assert_eq!(pair.verify(&headers, BODY, at(NOW)), Err(expect), "{name}");
    }
}

#[test]
fn with_bytes_that_are_no_text() {
    for name in SCHEMES {
        let pair = Pair::new(name);
        for bytes in [&b"\xff\xfe"[..], "é".as_bytes(), "v1,ＡＢ".as_bytes()] {
            let headers = pair.sign(BODY, at(NOW)).into_iter().map(|(name, value)| (name, value.into_bytes()));
            let mut headers: Vec<_> = headers.collect();
            let header = signature_header(name);
            headers.iter_mut().filter(|(name, _)| *name == header).for_each(|(_, value)| value.extend(bytes));
            let answer = verify(&pair.verifier, &headers, BODY, at(NOW));
            assert_eq!(answer, Err(Refused::Malformed { header, problem: Problem::NotText }), "{name}");
        }
    }
}

#[test]
fn made_for_another_source() {
    // Another secret, and where the URL is signed, another path under the same secret.
    let pair = Pair::new("twilio");
    let headers = pair.sign(b"a=1", at(NOW));
    for url in ["https://hooks.example.test/other?source=1", "https://hooks.example.test/finis?source=2"] {
        let request =
            Request { url: Some(url), headers: headers.iter().map(|(name, value)| (name, value)), body: b"a=1" };
        assert_eq!(pair.verifier.verify(request, at(NOW)), Err(Refused::NoMatch), "{url}");
    }
}

#[test]
fn with_the_parts_divided_otherwise() {
    // Signed as id `a`, time T, body `1777797731.x`; told as id `a.T`, the later time, body `x`.
    let pair = Pair::new("standard");
    let mut headers = pair.try_sign("a", b"1777797732.x", at(NOW)).unwrap();
    *value(&mut headers, "webhook-id") = "a.1777797731".to_owned();
    *value(&mut headers, "webhook-timestamp") = "1777797732".to_owned();
    let expect = Refused::Malformed { header: "webhook-id".to_owned(), problem: Problem::Id };
    assert_eq!(pair.verify(&headers, b"x", at(NOW)), Err(expect));
    assert!(pair.try_sign("a.b", b"x", at(NOW)).is_err());
    assert!(pair.try_sign("", b"x", at(NOW)).is_err());
}

#[test]
fn the_first_set_of_headers_is_gone_by() {
    let pair = Pair::new("agntix");
    let good = pair.sign(BODY, at(NOW));
    let branded = |name: &str| name.replace("svix-", "webhook-");
    let mut both = good.clone();
    both.extend(good.iter().map(|(name, _)| (branded(name), "v1,AAAA".to_owned())));
    assert_eq!(word(&pair.verify(&both, BODY, at(NOW))), "verified");
    let mut both: Vec<_> = good.iter().map(|(name, value)| (branded(name), value.clone())).collect();
    assert_eq!(word(&pair.verify(&both, BODY, at(NOW))), "verified");
    both.push(("svix-signature".to_owned(), "v1,AAAA".to_owned()));
    assert_eq!(word(&pair.verify(&both, BODY, at(NOW))), "missing header");
}

#[test]
fn a_valid_delivery_again_is_valid_again() {
    // Replays within the tolerance are the log's matter: the same event is no second event.
    let pair = Pair::new("standard");
    let headers = pair.sign(BODY, at(NOW));
    assert_eq!(pair.verify(&headers, BODY, at(NOW)), pair.verify(&headers, BODY, at(NOW)));
    assert_eq!(word(&pair.verify(&headers, BODY, at(NOW))), "verified");
}

#[test]
fn names_of_headers_are_the_same_in_either_case() {
    each(|_, headers| headers.iter_mut().for_each(|(name, _)| name.make_ascii_uppercase()), &["verified"]);
    each(|_, headers| headers.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase()), &["verified"]);
}
