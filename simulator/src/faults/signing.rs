//! As the provider signs, and as nobody should.

use std::time::Duration;

use finis_engine::contract::draft::TimeFormat;
use finis_engine::contract::signature::Scheme;
use finis_engine::{Contract, Timestamp};
use finis_providers::signature::{Options, Outgoing, Secret, SetupError, Signer};

use crate::clock::{self, Micros};
use crate::random::Random;

/// What a source signs with.
#[derive(Debug)]
pub struct Signing {
    signer: Signer,
    /// The URL that is posted to, for providers that sign it.
    url: Option<String>,
    /// How the time of signing is written, and for how long it proves a body; nothing when it always does.
    proves_for: Option<(TimeFormat, Duration)>,
}

impl Signing {
    /// Sets a source up; `options` name the header where the contract leaves it to the user.
    ///
    /// # Errors
    /// As [`Signer::new`].
    pub fn new(
        contract: &Contract,
        secret: Secret,
        options: &Options,
        url: Option<String>,
    ) -> Result<Signing, SetupError> {
        let signer = Signer::new(contract.signature(), &[secret], options)?;
        let proves_for = contract.signature().and_then(|signature| match &signature.scheme {
            Scheme::Equal => None,
            Scheme::Computed(computed) => {
                computed.time.and_then(|time| Some((time.format, options.tolerance.or(time.behind)?)))
            }
        });
        Ok(Signing { signer, url, proves_for })
    }

    /// The headers of one attempt, the signature's last. What cannot be signed, as a body that is no form
    /// where forms are, has none and is not proved.
    pub(super) fn sign(&self, id: &str, body: &[u8], at: Timestamp) -> Option<Vec<(String, String)>> {
        let outgoing = Outgoing { id: Some(id), url: self.url.as_deref(), body };
        self.signer.sign(&outgoing, at).ok()
    }

    /// Whether headers that were made at one instant still prove what they were made for at another.
    pub(super) fn still_proves(&self, signed: Micros, now: Micros) -> bool {
        self.proves_for.is_none_or(|(format, most)| {
            let written = if format == TimeFormat::Rfc3339 { signed } else { clock::cut(signed, format) };
            i128::from(now - written) <= most.as_micros() as i128
        })
    }
}

/// Headers that prove nothing: one character of the signature is another, or it is not there.
pub(super) fn forge(random: &mut Random, mut headers: Vec<(String, String)>) -> Vec<(String, String)> {
    let Some((_, signature)) = headers.last_mut() else { return headers };
    let places: Vec<usize> =
        signature.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()).map(|(place, _)| place).collect();
    // The last characters but those that only fill up: whatever stands before, these are the signature.
    let tail = &places[places.len().saturating_sub(16)..places.len().saturating_sub(4)];
    match random.pick(tail) {
        Some(place) if random.below(4) > 0 => {
            let other = if signature.as_bytes()[*place] == b'a' { "b" } else { "a" };
            signature.replace_range(*place..=*place, other);
        }
        _ => drop(headers.pop()),
    }
    headers
}
