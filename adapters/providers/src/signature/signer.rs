//! As the provider does: the headers that prove a body. For simulators and tests.

use finis_engine::Timestamp;
use finis_engine::contract::Signature;
use finis_engine::contract::signature::{Computed, Headers, Layout, Scheme};
use zeroize::Zeroizing;

use super::key::{self, SignKey, StaticKey};
use super::setup::settle;
use super::signed::{Filling, Unfillable, fill};
use super::{Options, Secret, SetupError, time};

/// The key that is written where the contract takes any.
const ANY_KEY: &str = "v1";

/// Signs as the provider of one source does.
#[derive(Debug)]
pub struct Signer {
    /// Nothing for a source that is unsigned.
    proof: Option<Proof>,
}

#[derive(Debug)]
struct Proof {
    headers: Headers,
    prefix: String,
    keys: Keys,
}

enum Keys {
    Equal(Zeroizing<Vec<u8>>),
    Computed(Box<Computed>, Vec<SignKey>),
}

/// What is to be signed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outgoing<'d> {
    /// The id of the delivery, for providers that sign one.
    pub id: Option<&'d str>,
    /// The URL that is posted to, for providers that sign it.
    pub url: Option<&'d str>,
    /// The body, byte for byte.
    pub body: &'d [u8],
}

impl Signer {
    /// Sets a source up, as [`Verifier::new`](super::Verifier::new) does; for `ed25519` the secret is
    /// the private key. With several secrets there are several signatures, as during a rotation.
    ///
    /// # Errors
    /// As there; and when there are several secrets where the header holds one signature.
    pub fn new(signature: Option<&Signature>, secrets: &[Secret], options: &Options) -> Result<Signer, SetupError> {
        let Some(Signature { headers, prefix, scheme, .. }) = settle(signature, secrets, options)? else {
            return Ok(Signer { proof: None });
        };
        let headers = headers.into_iter().next().ok_or(SetupError::NoHeader)?;
        let at_place = |place| move |problem| SetupError::Secret { place, problem };
        let single = match &scheme {
            Scheme::Equal => true,
            Scheme::Computed(computed) => {
                matches!(computed.layout, Layout::Single | Layout::Keyed { exact: true, .. })
            }
        };
        if single && secrets.len() > 1 {
            return Err(SetupError::OneSignature);
        }
        let keys = match scheme {
            Scheme::Equal => {
                let secret = secrets.first().ok_or(SetupError::NoSecret)?;
                StaticKey::new(secret).map_err(at_place(0))?;
                Keys::Equal(Zeroizing::new(secret.text().to_vec()))
            }
            Scheme::Computed(computed) => {
                let secrets = secrets.iter().enumerate();
                let keys = secrets.map(|(place, secret)| SignKey::new(&computed, secret).map_err(at_place(place)));
                let keys = keys.collect::<Result<Vec<_>, _>>()?;
                Keys::Computed(Box::new(computed), keys)
            }
        };
        Ok(Signer { proof: Some(Proof { headers, prefix, keys }) })
    }

    /// The headers that prove a body at a time, as the contract writes their names; the id's is among
    /// them. None for a source that is unsigned.
    ///
    /// # Errors
    /// When what is signed needs something that is not given.
    pub fn sign(&self, outgoing: &Outgoing<'_>, at: Timestamp) -> Result<Vec<(String, String)>, Unfillable> {
        let Some(Proof { headers, prefix, keys }) = &self.proof else { return Ok(Vec::new()) };
        let (computed, keys) = match keys {
            Keys::Equal(secret) => {
                let secret = String::from_utf8_lossy(secret);
                return Ok(vec![(headers.signature.clone(), format!("{prefix}{secret}"))]);
            }
            Keys::Computed(computed, keys) => (computed, keys),
        };
        let timestamp = computed.time.map(|time| time::write(at, time.format).ok_or(Unfillable::Time)).transpose()?;
        let Outgoing { id, url, body } = *outgoing;
        let pieces = fill(computed, Filling { body, url, id, timestamp: timestamp.as_deref() })?;
        let signatures =
            keys.iter().map(|key| format!("{prefix}{}", key::encode(&key.sign(&pieces), computed.encoding)));
        let value = match &computed.layout {
            Layout::Single => signatures.collect(),
            Layout::List { separator } => signatures.collect::<Vec<_>>().join(separator),
            Layout::Keyed { separator, timestamp: time_key, signature, .. } => {
                let time = time_key.iter().zip(&timestamp).map(|(key, time)| format!("{key}={time}"));
                let signature_key = signature.as_deref().unwrap_or(ANY_KEY);
                let signatures = signatures.map(|signature| format!("{signature_key}={signature}"));
                time.chain(signatures).collect::<Vec<_>>().join(separator)
            }
        };
        let of = |name: &Option<String>, value: Option<&str>| name.clone().zip(value.map(str::to_owned));
        let others = of(&headers.id, id).into_iter().chain(of(&headers.timestamp, timestamp.as_deref()));
        Ok(others.chain([(headers.signature.clone(), value)]).collect())
    }
}

/// Names no secret.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Keys::Equal(_) => f.write_str("Equal"),
            Keys::Computed(computed, _) => f.debug_tuple("Computed").field(computed).finish(),
        }
    }
}
