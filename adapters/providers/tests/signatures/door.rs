//! Schemes by name; a provider and a receiver for each, who know the same secret.

use std::path::{Path, PathBuf};

use finis_engine::Timestamp;
use finis_engine::contract::{Signature, draft};
use finis_providers::Catalogue;
use finis_providers::signature::{
    Options, Outgoing, Refused, Request, Secret, SetupError, Signer, Unfillable, Verified, Verifier,
};
use serde::Deserialize;

/// Every scheme: the contracts that ship, then those of `fixtures/signatures/schemes/`.
pub(crate) const SCHEMES: [&str; 21] = [
    "agntix",
    "pathors",
    "saaya",
    "smallest",
    "smallest-legacy",
    "bland",
    "daily",
    "elevenlabs",
    "fish",
    "retell",
    "standard",
    "standard-ed25519",
    "synthflow",
    "telnyx",
    "twilio",
    "ultravox",
    "vapi",
    "vapi-bearer",
    "vapi-secret",
    "vapi-sha1",
    "vapi-template",
];

/// Schemes that compare a header with the secret.
pub(crate) const STATIC: [&str; 3] = ["pathors", "vapi-bearer", "vapi-secret"];

/// Schemes that sign a time.
pub(crate) const TIMED: [&str; 12] = [
    "agntix",
    "saaya",
    "daily",
    "elevenlabs",
    "fish",
    "retell",
    "standard",
    "standard-ed25519",
    "telnyx",
    "ultravox",
    "vapi",
    "vapi-template",
];

pub(crate) const URL: &str = "https://hooks.example.test/finis?source=1";

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/signatures")
}

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// The `[signature]` in a text of TOML.
#[track_caller]
pub(crate) fn parse(text: &str) -> Signature {
    #[derive(Deserialize)]
    struct File {
        signature: draft::Signature,
    }
    let file: File = toml::from_str(text).unwrap();
    Signature::new(&file.signature).unwrap()
}

#[track_caller]
pub(crate) fn scheme(name: &str) -> Signature {
    if let Some(contract) = Catalogue::shipped().get(name) {
        return contract.signature().unwrap().clone();
    }
    let path = fixtures().join(format!("schemes/{name}.toml"));
    parse(&std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// What a source must choose itself.
pub(crate) fn options(scheme: &str) -> Options {
    Options { header: (scheme == "pathors").then(|| "X-Hook-Token".to_owned()), ..Options::default() }
}

/// A secret of a scheme: what the provider signs with, and what the receiver verifies with.
pub(crate) fn secrets(scheme: &str, number: u8) -> (Secret, Secret) {
    use base64::Engine as _;
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let seed = [number; 32];
    let shared = |text: String| (Secret::new(text.clone()), Secret::new(text));
    match scheme {
        "agntix" | "standard" => shared(format!("whsec_{}", base64(&seed))),
        "daily" => shared(base64(&seed)),
        "telnyx" | "standard-ed25519" => {
            let public = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
            let (private, public) = (base64(&seed), base64(public.as_bytes()));
            if scheme == "telnyx" {
                (Secret::new(private), Secret::new(public))
            } else {
                (Secret::new(format!("whsk_{private}")), Secret::new(format!("whpk_{public}")))
            }
        }
        _ => shared(format!("a secret, number {number}")),
    }
}

/// A provider and a receiver who know a secret.
pub(crate) struct Pair {
    pub(crate) signature: Signature,
    pub(crate) signer: Signer,
    pub(crate) verifier: Verifier,
    /// Whether the provider signs an id of the delivery.
    id: bool,
}

impl Pair {
    pub(crate) fn new(name: &str) -> Pair {
        let (private, shared) = secrets(name, 1);
        let (signature, options) = (scheme(name), options(name));
        let id = signature.headers.first().is_some_and(|headers| headers.id.is_some());
        Pair {
            signer: Signer::new(Some(&signature), &[private], &options).unwrap(),
            verifier: Verifier::new(Some(&signature), &[shared], &options).unwrap(),
            signature,
            id,
        }
    }

    /// The headers that the provider sends with a body.
    pub(crate) fn sign(&self, body: &[u8], now: Timestamp) -> Vec<(String, String)> {
        self.try_sign("msg_1", body, now).unwrap()
    }

    pub(crate) fn try_sign(&self, id: &str, body: &[u8], now: Timestamp) -> Result<Vec<(String, String)>, Unfillable> {
        self.signer.sign(&Outgoing { id: self.id.then_some(id), url: Some(URL), body }, now)
    }

    pub(crate) fn verify(
        &self,
        headers: &[(String, String)],
        body: &[u8],
        now: Timestamp,
    ) -> Result<Verified, Refused> {
        verify(&self.verifier, headers, body, now)
    }
}

pub(crate) fn verify<N: AsRef<str>, V: AsRef<[u8]>>(
    verifier: &Verifier,
    headers: &[(N, V)],
    body: &[u8],
    now: Timestamp,
) -> Result<Verified, Refused> {
    let headers = headers.iter().map(|(name, value)| (name, value));
    verifier.verify(Request { url: Some(URL), headers, body }, now)
}

/// The value of a header, to be changed.
#[track_caller]
pub(crate) fn value<'h>(headers: &'h mut [(String, String)], name: &str) -> &'h mut String {
    let found = headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name));
    &mut found.unwrap_or_else(|| panic!("no header {name}")).1
}

/// The name of the header with the signature.
pub(crate) fn signature_header(name: &str) -> String {
    options(name).header.unwrap_or_else(|| scheme(name).headers[0].signature.clone())
}

/// The error of a source that cannot be set up.
#[track_caller]
pub(crate) fn setup_error(name: &str, secrets: &[&str], options: &Options) -> SetupError {
    let secrets: Vec<Secret> = secrets.iter().map(|secret| Secret::new(*secret)).collect();
    Verifier::new(Some(&scheme(name)), &secrets, options).unwrap_err()
}

/// A word for each answer, as in `deliveries.jsonl`.
pub(crate) fn word(answer: &Result<Verified, Refused>) -> &'static str {
    match answer {
        Ok(_) => "verified",
        Err(Refused::MissingHeader { .. }) => "missing header",
        Err(Refused::Malformed { .. }) => "malformed",
        Err(Refused::TooManySignatures { .. }) => "too many",
        Err(Refused::Unfillable(_)) => "unfillable",
        Err(Refused::NoMatch) => "no match",
        Err(Refused::TooOld { .. }) => "too old",
        Err(Refused::TooFarAhead { .. }) => "too far ahead",
        Err(_) => "unknown",
    }
}

#[test]
fn every_scheme_is_here() {
    let mut found: Vec<String> = std::fs::read_dir(fixtures().join("schemes"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap().replace(".toml", ""))
        .collect();
    found.extend(Catalogue::shipped().iter().map(|contract| contract.provider().to_owned()));
    found.sort();
    let mut known = SCHEMES.to_vec();
    known.sort_unstable();
    assert_eq!(found, known);
}
