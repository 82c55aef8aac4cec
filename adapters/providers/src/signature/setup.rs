//! What a source says of its deliveries, and what of it cannot be.

use std::fmt;
use std::time::Duration;

use finis_engine::contract::Signature;
use finis_engine::contract::signature::{Headers, Scheme, is_header_name};

use super::Secret;

/// What a source settles for itself, beside its secrets.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The header with the signature, or with the secret: where the contract leaves it to the user,
    /// and in place of the contract's, whose fallback then does not count.
    pub header: Option<String>,
    /// How far a signed time may be off, either way, in place of what the contract says.
    pub tolerance: Option<Duration>,
    /// Take whatever comes. It has to be said: a source without a secret is refused otherwise.
    pub unsigned: bool,
}

/// Why a source cannot be verified, or not be signed for, as it is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupError {
    /// There is no secret, and nothing says that this is meant.
    NoSecret,
    /// There is a secret, and the source is said to be unsigned.
    UnsignedWithSecret,
    /// There is a secret, and the contract has no `[signature]` that would use it.
    NoSignature,
    /// The contract leaves the header to the user, who names none.
    NoHeader,
    /// No header can have this name.
    HeaderName {
        /// What was given.
        name: String,
    },
    /// A tolerance is given, and the provider signs no time.
    NoTime,
    /// A secret cannot be one of this provider.
    Secret {
        /// Which of them, from 0.
        place: usize,
        /// What is wrong with it.
        problem: SecretProblem,
    },
    /// Several secrets to sign with, and a header that holds one signature.
    OneSignature,
}

/// What is wrong with a secret. It says nothing of what the secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretProblem {
    /// There is nothing in it.
    Empty,
    /// It ends with a line break, as what is read from a file does.
    LineBreak,
    /// It is not base64, as the contract says it is.
    Base64,
    /// It begins with `whsk_`: the private key, which only the provider may have.
    Private,
    /// It begins with `whpk_`: the public key, which signs nothing.
    Public,
    /// It has not the length of an ed25519 key, or is no point of the curve.
    Key,
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetupError::NoSecret => f.write_str("no secret: give one, or say `unsigned = true` to take whatever comes"),
            SetupError::UnsignedWithSecret => {
                f.write_str("there is a secret, and `unsigned = true` would not use it: leave one of them out")
            }
            SetupError::NoSignature => f.write_str(
                "the contract has no [signature], so nothing would use the secret: add the table, or leave the secret out and say `unsigned = true`",
            ),
            SetupError::NoHeader => f.write_str("the contract leaves the header with the secret to you: name it"),
            SetupError::HeaderName { name } => {
                write!(f, "`{name}` is no name of a header: use letters, digits and `-`")
            }
            SetupError::NoTime => f.write_str("the provider signs no time, so a tolerance has no meaning: leave it out"),
            SetupError::Secret { place, problem } => write!(f, "secret {}: {problem}", place + 1),
            SetupError::OneSignature => {
                f.write_str("the header of this provider holds one signature: sign with one secret")
            }
        }
    }
}

impl std::error::Error for SetupError {}

impl fmt::Display for SecretProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SecretProblem::Empty => "it is empty: give the one that the provider shows",
            SecretProblem::LineBreak => "it ends with a line break: leave that out",
            SecretProblem::Base64 => "it is not base64, as those of this provider are: copy it whole, and nothing else",
            SecretProblem::Private => "it is a private key: to verify, give the public one, which begins with `whpk_`",
            SecretProblem::Public => "it is a public key: to sign, give the private one, which begins with `whsk_`",
            SecretProblem::Key => "it is no ed25519 key, which has 32 bytes: copy it whole, and nothing else",
        })
    }
}

impl std::error::Error for SecretProblem {}

/// What the contract and the source say together; nothing for a source that takes whatever comes.
pub(super) fn settle(
    signature: Option<&Signature>,
    secrets: &[Secret],
    options: &Options,
) -> Result<Option<Signature>, SetupError> {
    if let Some(name) = options.header.as_ref().filter(|name| !is_header_name(name)) {
        return Err(SetupError::HeaderName { name: name.clone() });
    }
    match (options.unsigned, secrets) {
        (true, []) => return Ok(None),
        (true, _) => return Err(SetupError::UnsignedWithSecret),
        (false, []) => return Err(SetupError::NoSecret),
        (false, _) => {}
    }
    let mut signature = signature.ok_or(SetupError::NoSignature)?.clone();
    if let Some(header) = &options.header {
        let first = signature.headers.first();
        let (id, timestamp) = first.map(|first| (first.id.clone(), first.timestamp.clone())).unwrap_or_default();
        signature.headers = vec![Headers { signature: header.clone(), id, timestamp }];
    }
    if signature.headers.is_empty() {
        return Err(SetupError::NoHeader);
    }
    if options.tolerance.is_some() {
        let Scheme::Computed(computed) = &mut signature.scheme else { return Err(SetupError::NoTime) };
        let time = computed.time.as_mut().ok_or(SetupError::NoTime)?;
        (time.behind, time.ahead) = (options.tolerance, options.tolerance);
    }
    Ok(Some(signature))
}
