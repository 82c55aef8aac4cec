//! The bytes that are signed: what a contract says, filled with what a delivery has.

use std::borrow::Cow;
use std::fmt;

use finis_engine::contract::signature::{Computed, Signed};
use finis_engine::text_at;
use sha2::{Digest as _, Sha256};
use smallvec::SmallVec;
use subtle::ConstantTimeEq as _;

/// Why what is signed cannot be put together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unfillable {
    /// The URL is signed, and is not known.
    NoUrl,
    /// The body has no string at a path that is signed, or is not JSON.
    NoText {
        /// The path.
        path: String,
    },
    /// The digest in the URL is not that of the body.
    Digest,
    /// The id is none, or could be taken for more than an id.
    Id,
    /// The time cannot be written as the contract says.
    Time,
}

impl fmt::Display for Unfillable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfillable::NoUrl => f.write_str("the URL is signed, and nobody said what was posted to: give it"),
            Unfillable::NoText { path } => write!(f, "`{path}` is signed, and the body has no string there"),
            Unfillable::Digest => f.write_str("the digest in the URL is not that of the body"),
            Unfillable::Id => f.write_str("the id is signed, and is empty or holds what separates it from the rest"),
            Unfillable::Time => f.write_str("the time is signed, and is before 1970"),
        }
    }
}

impl std::error::Error for Unfillable {}

/// What a delivery has to fill in.
#[derive(Clone, Copy, Default)]
pub(super) struct Filling<'d> {
    pub(super) body: &'d [u8],
    pub(super) url: Option<&'d str>,
    pub(super) id: Option<&'d str>,
    pub(super) timestamp: Option<&'d str>,
}

/// What is signed. A delivery has an id, a time and a body at most, with something between them.
pub(super) type Pieces<'d> = SmallVec<[Cow<'d, [u8]>; 5]>;

/// Puts together what is signed, in pieces.
pub(super) fn fill<'d>(computed: &'d Computed, filling: Filling<'d>) -> Result<Pieces<'d>, Unfillable> {
    let by_digest = match (&computed.body_digest, filling.url) {
        (Some(parameter), Some(url)) => by_digest(url, parameter, filling.body)?,
        _ => false,
    };
    let mut pieces = Pieces::with_capacity(computed.signed.len());
    for (place, part) in computed.signed.iter().enumerate() {
        pieces.push(match part {
            Signed::Text(text) => Cow::Borrowed(text.as_bytes()),
            Signed::Body => Cow::Borrowed(filling.body),
            Signed::Timestamp => Cow::Borrowed(filling.timestamp.ok_or(Unfillable::Time)?.as_bytes()),
            Signed::Id => {
                // `a.1` with the time 2 would be signed as `a` with the time 1 is whose body begins `2.`.
                let after = computed.signed.get(place + 1);
                let ends_early = |id: &str| matches!(after, Some(Signed::Text(text)) if id.contains(text.as_str()));
                let id = filling.id.filter(|id| !id.is_empty() && !ends_early(id));
                Cow::Borrowed(id.ok_or(Unfillable::Id)?.as_bytes())
            }
            Signed::Url => Cow::Borrowed(filling.url.ok_or(Unfillable::NoUrl)?.as_bytes()),
            Signed::Form if by_digest => continue,
            Signed::Form => Cow::Owned(form(filling.body)),
            Signed::Path(path) => {
                let body = std::str::from_utf8(filling.body).ok();
                let text = body.and_then(|body| text_at(body, path).ok().flatten());
                Cow::Owned(text.ok_or_else(|| Unfillable::NoText { path: path.to_string() })?.into_bytes())
            }
        });
    }
    Ok(pieces)
}

/// Whether the URL has a digest of the body; it must then be right. (Twilio,
/// <https://www.twilio.com/docs/usage/security>: `bodySHA256` where the body is no form.)
fn by_digest(url: &str, parameter: &str, body: &[u8]) -> Result<bool, Unfillable> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, digest)) = pairs.find(|(key, _)| *key == parameter) else { return Ok(false) };
    let digest = hex::decode(digest).map_err(|_| Unfillable::Digest)?;
    if bool::from(Sha256::digest(body).ct_eq(digest.as_slice())) { Ok(true) } else { Err(Unfillable::Digest) }
}

/// The fields of a form: each key with its values after it, in the order of bytes, each pair once.
fn form(body: &[u8]) -> Vec<u8> {
    let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = pairs
        .map(|pair| {
            let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            (decode(&pair[..equals]), decode(pair.get(equals + 1..).unwrap_or_default()))
        })
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    // Twilio's libraries write the key anew before each of its values.
    pairs.into_iter().flat_map(|(key, value)| [key, value]).flatten().collect()
}

/// What a key or a value of a form stands for: `+` is a space, `%2B` a byte; a `%` that begins
/// nothing is itself, as it is for browsers.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        let coded = after.first_chunk::<2>().and_then(|digits| {
            let mut byte = [0];
            hex::decode_to_slice(digits, &mut byte).ok().map(|()| byte[0])
        });
        match (first, coded) {
            (b'+', _) => out.push(b' '),
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = &after[2..];
            }
            _ => out.push(*first),
        }
    }
    out
}

/// A URL, and the same without its port, or with the usual one: proxies and providers differ about
/// what is part of it.
pub(super) fn spellings(url: &str) -> Vec<String> {
    let mut spellings = vec![url.to_owned()];
    let Some((scheme, rest)) = url.split_once("://") else { return spellings };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let port = authority.rsplit_once(':').filter(|(host, port)| {
        // In `[::1]` the last colon is the host's.
        !port.is_empty()
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && (!host.starts_with('[') || host.ends_with(']'))
    });
    let usual = if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
    spellings.push(match port {
        Some((host, _)) => format!("{scheme}://{host}{path}"),
        None => format!("{scheme}://{authority}:{usual}{path}"),
    });
    spellings
}
