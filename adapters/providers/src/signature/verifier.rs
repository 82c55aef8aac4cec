//! Whether a delivery comes from where it says.

use finis_engine::Timestamp;
use finis_engine::contract::Signature;
use finis_engine::contract::signature::{Computed, Headers, Scheme, Signed};
use smallvec::{SmallVec, smallvec};

use super::header::{Chosen, Found};
use super::key::{self, Bytes, StaticKey, VerifyKey};
use super::setup::settle;
use super::signed::{Filling, Unfillable, fill, spellings};
use super::{Options, Problem, Refused, Secret, SetupError, time};

/// Verifies the deliveries of one source.
#[derive(Debug)]
pub struct Verifier {
    /// Nothing for a source that takes whatever comes.
    proof: Option<Proof>,
}

#[derive(Debug)]
struct Proof {
    headers: Vec<Headers>,
    prefix: String,
    keys: Keys,
}

#[derive(Debug)]
enum Keys {
    Equal(Vec<Key<StaticKey>>),
    Computed(Box<Computed>, Vec<Key<VerifyKey>>),
}

/// A key, and until when it counts.
#[derive(Debug)]
struct Key<K> {
    key: K,
    until: Option<Timestamp>,
}

/// A delivery as it came.
#[derive(Clone, Copy, Debug)]
pub struct Request<'d, H> {
    /// The URL as the provider sees it, from `https://` to the end of the query: only for providers
    /// that sign it. Behind a proxy it is not the one that the server sees.
    pub url: Option<&'d str>,
    /// Names and values, each header as often as it came.
    pub headers: H,
    /// The body, byte for byte.
    pub body: &'d [u8],
}

/// What is known of a delivery that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The place, from 0, of the secret that it was made with; nothing from a source that is
    /// unsigned. When it is no longer an old one, that one can go.
    pub secret: Option<usize>,
    /// The id that was signed.
    pub id: Option<String>,
    /// The time that was signed.
    pub at: Option<Timestamp>,
}

impl Verifier {
    /// Sets a source up: `signature` is its contract's.
    ///
    /// # Errors
    /// When there is no secret and `unsigned` does not say so, or when what was given does not fit
    /// the contract.
    pub fn new(signature: Option<&Signature>, secrets: &[Secret], options: &Options) -> Result<Verifier, SetupError> {
        let Some(Signature { headers, prefix, scheme, .. }) = settle(signature, secrets, options)? else {
            return Ok(Verifier { proof: None });
        };
        let keys = match scheme {
            Scheme::Equal => Keys::Equal(keys(secrets, StaticKey::new)?),
            Scheme::Computed(computed) => {
                let keys = keys(secrets, |secret| VerifyKey::new(&computed, secret))?;
                Keys::Computed(Box::new(computed), keys)
            }
        };
        Ok(Verifier { proof: Some(Proof { headers, prefix, keys }) })
    }

    /// Whether it takes whatever comes.
    #[must_use]
    pub fn is_unsigned(&self) -> bool {
        self.proof.is_none()
    }

    /// Verifies a delivery, at a time of the receiver's clock.
    ///
    /// # Errors
    /// When it must not be taken. The sender is to be told [`Refused::PUBLIC`] and no more.
    pub fn verify<N: AsRef<str>, V: AsRef<[u8]>>(
        &self,
        request: Request<'_, impl IntoIterator<Item = (N, V)>>,
        now: Timestamp,
    ) -> Result<Verified, Refused> {
        let Some(proof) = &self.proof else { return Ok(Verified { secret: None, id: None, at: None }) };
        let found = Found::new(&proof.headers, request.headers);
        let chosen = found.chosen()?;
        match &proof.keys {
            Keys::Equal(keys) => {
                let header = chosen.signature().strip_prefix(&proof.prefix).ok_or(Refused::NoMatch)?;
                let secret = which(keys, now, |key| key.matches(header.as_bytes())).ok_or(Refused::NoMatch)?;
                Ok(Verified { secret: Some(secret), id: None, at: None })
            }
            Keys::Computed(computed, keys) => {
                let (body, url) = (request.body, request.url);
                verify(computed, &proof.prefix, keys, &chosen, Filling { body, url, ..Filling::default() }, now)
            }
        }
    }
}

fn verify(
    computed: &Computed,
    prefix: &str,
    keys: &[Key<VerifyKey>],
    chosen: &Chosen<'_>,
    given: Filling<'_>,
    now: Timestamp,
) -> Result<Verified, Refused> {
    let elements = chosen.elements(&computed.layout, prefix)?;
    let timestamp = elements.timestamp.or(chosen.timestamp());
    let at = computed.time.map(|time| {
        let at = timestamp.and_then(|text| time::read(text, time.format));
        at.map(|at| (at, time)).ok_or_else(|| chosen.malformed_time())
    });
    let at = at.transpose()?;
    let signatures = elements.signatures.iter().filter_map(|text| key::decode(text, computed.encoding));
    let signatures: SmallVec<[Bytes; 2]> = signatures.collect();
    if signatures.is_empty() {
        return Err(chosen.malformed(Problem::NoSignature));
    }

    let urls: SmallVec<[Option<String>; 1]> = match given.url {
        Some(url) if computed.signed.contains(&Signed::Url) => spellings(url).into_iter().map(Some).collect(),
        _ => smallvec![None],
    };
    let mut found = None;
    for url in &urls {
        let filling = Filling { url: url.as_deref(), id: chosen.id(), timestamp, ..given };
        let pieces = fill(computed, filling).map_err(|unfillable| match unfillable {
            Unfillable::Id => chosen.malformed_id(),
            other => Refused::Unfillable(other),
        })?;
        found = found.or(which(keys, now, |key| key.matches(&pieces, &signatures)));
    }
    let secret = found.ok_or(Refused::NoMatch)?;
    if let Some((at, time)) = at {
        time::judge(at, &time, now)?;
    }
    let id = chosen.id().map(str::to_owned);
    Ok(Verified { secret: Some(secret), id, at: at.map(|(at, _)| at) })
}

fn keys<K>(
    secrets: &[Secret],
    key: impl Fn(&Secret) -> Result<K, super::SecretProblem>,
) -> Result<Vec<Key<K>>, SetupError> {
    let keys = secrets.iter().enumerate().map(|(place, secret)| match key(secret) {
        Ok(key) => Ok(Key { key, until: secret.end() }),
        Err(problem) => Err(SetupError::Secret { place, problem }),
    });
    keys.collect()
}

/// The first key that counts now and matches. All are tried, whichever it is.
fn which<K>(keys: &[Key<K>], now: Timestamp, matches: impl Fn(&K) -> bool) -> Option<usize> {
    let mut found = None;
    for (place, key) in keys.iter().enumerate() {
        let counts = key.until.is_none_or(|until| now < until);
        if counts && matches(&key.key) && found.is_none() {
            found = Some(place);
        }
    }
    found
}
