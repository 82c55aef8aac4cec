//! As the provider signs, and as nobody should.

use std::time::Duration;

use finis_engine::contract::draft::TimeFormat;
use finis_engine::contract::signature::Scheme;
use finis_engine::{Contract, Timestamp};
use finis_providers::signature::{Options, Outgoing, Secret, SetupError, Signer};

use super::Fault;
use crate::arrival::{Arrival, Is};
use crate::clock::{self, Micros};
use crate::random::{Purpose, Random};
use crate::script::Script;

/// By so much is too late what is to be too late, on clocks that differ a little.
const A_WHILE: Duration = Duration::from_secs(3_600);

/// What a source signs with.
#[derive(Debug)]
pub struct Signing {
    signer: Signer,
    /// The URL that is posted to, for providers that sign it.
    url: Option<String>,
    /// How the time of signing is written, and for how long it proves a body; nothing when it always does.
    proves_for: Option<(TimeFormat, Duration)>,
    /// The secret itself is the header.
    shows_secret: bool,
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
        let shows_secret = contract.signature().is_some_and(|signature| matches!(signature.scheme, Scheme::Equal));
        Ok(Signing { signer, url, proves_for, shows_secret })
    }

    /// The headers of one attempt, the signature's last. What cannot be signed, as a body that is no form
    /// where forms are, has none and is not proved.
    pub(super) fn sign(&self, id: &str, body: &[u8], at: Timestamp) -> Option<Vec<(String, String)>> {
        let outgoing = Outgoing { id: Some(id), url: self.url.as_deref(), body };
        self.signer.sign(&outgoing, at).ok()
    }

    /// The headers of an arrival as if it came at another instant: what proves one keeps proving it there, what
    /// is forged stays forged, and what was replayed too late is too late again. The time in a body stays as it is.
    #[must_use]
    pub fn anew(&self, arrival: &Arrival, at: Timestamp) -> Vec<(String, String)> {
        let Is { session, event, ref faults, proved, .. } = arrival.is;
        // What is made up is a message of its own; copies are the same one again.
        let is_made_up =
            |fault: &&Fault| matches!(fault, Fault::Conflict | Fault::Correction | Fault::Unknown | Fault::Odd);
        let made_up = faults.iter().find(is_made_up);
        let id = format!("msg_{session:x}_{event:x}{}", made_up.map_or("", |_| "_other"));
        let is_forged = faults.contains(&Fault::Forge);
        let too_old = self.proves_for.filter(|_| !proved && !is_forged).map(|(_, most)| most + A_WHILE);
        let at = too_old.map_or(at, |ago| clock::timestamp(clock::micros(at) - micros_of(ago)));
        let mut signed = self.sign(&id, &arrival.body, at).unwrap_or_default();
        let mut headers = without(&arrival.headers, &signed);
        if is_forged {
            let random = &mut Random::new(session, Purpose::Forge, event as u64, u64::MAX);
            signed = forge(random, signed);
        }
        headers.extend(signed);
        headers
    }

    /// A script as it may be written down: where the secret itself is a header, without that header.
    /// [`Signing::anew`] puts it back.
    #[must_use]
    pub fn without_secret(&self, script: &Script) -> Script {
        let mut script = script.clone();
        for arrival in script.arrivals.iter_mut().filter(|_| self.shows_secret) {
            let signed = self.sign("", &arrival.body, arrival.received_at).unwrap_or_default();
            arrival.headers = without(&arrival.headers, &signed);
        }
        script
    }

    /// Whether headers that were made at one instant still prove what they were made for at another.
    pub(super) fn still_proves(&self, signed: Micros, now: Micros) -> bool {
        self.proves_for.is_none_or(|(format, most)| {
            let written = if format == TimeFormat::Rfc3339 { signed } else { clock::cut(signed, format) };
            i128::from(now - written) <= most.as_micros() as i128
        })
    }
}

/// Headers but those that a signature has.
fn without(headers: &[(String, String)], signed: &[(String, String)]) -> Vec<(String, String)> {
    let is_signature = |name: &str| signed.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    headers.iter().filter(|(name, _)| !is_signature(name)).cloned().collect()
}

fn micros_of(span: Duration) -> Micros {
    clock::length(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
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
