//! What computes a signature, and what compares: secrets in the form they are used in.

use std::borrow::Cow;
use std::fmt;

use base64::engine::general_purpose::{GeneralPurpose, PAD};
use base64::engine::{DecodePaddingMode, general_purpose::STANDARD};
use base64::{Engine as _, decoded_len_estimate};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use finis_engine::contract::draft::{Encoding, SecretForm};
use finis_engine::contract::signature::{Computed, Function};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use smallvec::{SmallVec, smallvec};
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

use super::{Secret, SecretProblem};

/// The bytes of a signature. Those of all functions have room without asking for memory.
pub(super) type Bytes = SmallVec<[u8; 64]>;

/// Secrets in base64 are shown with their padding and without it.
const SECRETS: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::STANDARD, PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// What verifies the signatures of one secret.
pub(super) enum VerifyKey {
    Hmac(HmacKey),
    Public(Box<VerifyingKey>),
}

/// What makes the signatures of one secret.
pub(super) enum SignKey {
    Hmac(HmacKey),
    Private(Box<SigningKey>),
}

/// A shared secret, and what is computed with it.
pub(super) struct HmacKey {
    function: Sha,
    bytes: Zeroizing<Vec<u8>>,
}

#[derive(Clone, Copy)]
enum Sha {
    Sha1,
    Sha256,
    Sha512,
}

/// The digest of a secret that a header is compared with. Of equal length for all, so that not even
/// the length of the secret shows in the time it takes.
pub(super) struct StaticKey(Zeroizing<[u8; 32]>);

impl VerifyKey {
    pub(super) fn new(computed: &Computed, secret: &Secret) -> Result<VerifyKey, SecretProblem> {
        let Some(function) = sha(computed.function) else {
            if secret.text().starts_with(b"whsk_") {
                return Err(SecretProblem::Private);
            }
            let bytes = secret_bytes(secret, computed.secret, b"whpk_")?;
            let bytes = <&[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| SecretProblem::Key)?;
            let key = VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak());
            return Ok(VerifyKey::Public(Box::new(key.ok_or(SecretProblem::Key)?)));
        };
        Ok(VerifyKey::Hmac(HmacKey { function, bytes: secret_bytes(secret, computed.secret, b"whsec_")? }))
    }

    /// Whether any of these signatures was made over these pieces. All are looked at.
    pub(super) fn matches(&self, pieces: &[Cow<'_, [u8]>], signatures: &[Bytes]) -> bool {
        match self {
            VerifyKey::Hmac(key) => {
                let expected = key.compute(pieces);
                let any = |any: Choice, signature: &Bytes| any | expected.as_slice().ct_eq(signature);
                signatures.iter().fold(Choice::from(0), any).into()
            }
            VerifyKey::Public(key) => {
                let signed = pieces.concat();
                signatures.iter().fold(false, |any, signature| {
                    let signature = ed25519_dalek::Signature::from_slice(signature);
                    signature.is_ok_and(|signature| key.verify_strict(&signed, &signature).is_ok()) || any
                })
            }
        }
    }
}

impl SignKey {
    pub(super) fn new(computed: &Computed, secret: &Secret) -> Result<SignKey, SecretProblem> {
        let Some(function) = sha(computed.function) else {
            if secret.text().starts_with(b"whpk_") {
                return Err(SecretProblem::Public);
            }
            let bytes = secret_bytes(secret, computed.secret, b"whsk_")?;
            // The seed, or the seed and the public key after it.
            let key = match bytes.len() {
                64 => <&[u8; 64]>::try_from(bytes.as_slice())
                    .ok()
                    .and_then(|pair| SigningKey::from_keypair_bytes(pair).ok()),
                _ => <&[u8; 32]>::try_from(bytes.as_slice()).ok().map(SigningKey::from_bytes),
            };
            return Ok(SignKey::Private(Box::new(key.ok_or(SecretProblem::Key)?)));
        };
        Ok(SignKey::Hmac(HmacKey { function, bytes: secret_bytes(secret, computed.secret, b"whsec_")? }))
    }

    pub(super) fn sign(&self, pieces: &[Cow<'_, [u8]>]) -> Bytes {
        match self {
            SignKey::Hmac(key) => key.compute(pieces),
            SignKey::Private(key) => Bytes::from_slice(&key.sign(&pieces.concat()).to_bytes()),
        }
    }
}

impl HmacKey {
    fn compute(&self, pieces: &[Cow<'_, [u8]>]) -> Bytes {
        match self.function {
            Sha::Sha1 => compute::<Hmac<Sha1>>(&self.bytes, pieces),
            Sha::Sha256 => compute::<Hmac<Sha256>>(&self.bytes, pieces),
            Sha::Sha512 => compute::<Hmac<Sha512>>(&self.bytes, pieces),
        }
    }
}

fn compute<M: Mac + KeyInit>(key: &[u8], pieces: &[Cow<'_, [u8]>]) -> Bytes {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    for piece in pieces {
        mac.update(piece);
    }
    Bytes::from_slice(&mac.finalize().into_bytes())
}

impl StaticKey {
    pub(super) fn new(secret: &Secret) -> Result<StaticKey, SecretProblem> {
        let text = secret_bytes(secret, SecretForm::Raw, b"")?;
        Ok(StaticKey(Zeroizing::new(Sha256::digest(&*text).into())))
    }

    pub(super) fn matches(&self, header: &[u8]) -> bool {
        self.0.as_slice().ct_eq(&Sha256::digest(header)).into()
    }
}

/// What the provider means by a secret.
fn secret_bytes(secret: &Secret, form: SecretForm, prefix: &[u8]) -> Result<Zeroizing<Vec<u8>>, SecretProblem> {
    let text = secret.text();
    if text.ends_with(b"\n") || text.ends_with(b"\r") {
        return Err(SecretProblem::LineBreak);
    }
    let bytes = match form {
        SecretForm::Raw => Ok(text.to_vec()),
        SecretForm::Base64 => SECRETS.decode(text),
        SecretForm::Whsec | SecretForm::Whpk => SECRETS.decode(text.strip_prefix(prefix).unwrap_or(text)),
    };
    let bytes = Zeroizing::new(bytes.map_err(|_| SecretProblem::Base64)?);
    if bytes.is_empty() { Err(SecretProblem::Empty) } else { Ok(bytes) }
}

fn sha(function: Function) -> Option<Sha> {
    match function {
        Function::HmacSha1 => Some(Sha::Sha1),
        Function::HmacSha256 => Some(Sha::Sha256),
        Function::HmacSha512 => Some(Sha::Sha512),
        Function::Ed25519 => None,
    }
}

/// Reads a signature, strictly: one text for each, so that none can be changed and still be good.
pub(super) fn decode(text: &str, encoding: Encoding) -> Option<Bytes> {
    match encoding {
        Encoding::Hex if text.bytes().any(|byte| byte.is_ascii_uppercase()) => None,
        Encoding::HexUpper if text.bytes().any(|byte| byte.is_ascii_lowercase()) => None,
        Encoding::Hex | Encoding::HexUpper => {
            let mut bytes = smallvec![0; text.len() / 2];
            hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
        }
        Encoding::Base64 => {
            let mut bytes = smallvec![0; decoded_len_estimate(text.len())];
            let length = STANDARD.decode_slice(text, &mut bytes).ok()?;
            bytes.truncate(length);
            Some(bytes)
        }
    }
}

/// Writes a signature.
pub(super) fn encode(bytes: &[u8], encoding: Encoding) -> String {
    match encoding {
        Encoding::Hex => hex::encode(bytes),
        Encoding::HexUpper => hex::encode_upper(bytes),
        Encoding::Base64 => STANDARD.encode(bytes),
    }
}

/// A key prints nothing of itself.
macro_rules! opaque {
    ($($key:ident),*) => {$(
        impl fmt::Debug for $key {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($key))
            }
        }
    )*};
}

opaque!(VerifyKey, SignKey, StaticKey);
