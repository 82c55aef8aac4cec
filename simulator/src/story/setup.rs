//! How the receiver of a story is set up.

use std::time::Duration;

use finis_engine::contract::UnknownKind;
use finis_engine::{Contract, Policy, Terms};
use finis_providers::signature::{self, Options, Secret, Verifier};
use serde::{Deserialize, Serialize};

use crate::faults::{Origin, Signing};
use crate::model;
use crate::random::{Purpose, Random};
use crate::world::HabitsError;

/// How a receiver is set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Setup {
    /// Whether deliveries are signed, and verified.
    pub signed: bool,
    /// Kinds that are subscribed; all of them unless set.
    pub subscribed: Option<Vec<String>>,
    /// In place of the contract's grace. Written as `1m30s` or `250ms`; a number is one of seconds.
    #[serde(with = "span", alias = "grace_s")]
    pub grace: Option<Duration>,
    /// In place of the contract's stall time, in the same way.
    #[serde(with = "span", alias = "stall_s")]
    pub stall: Option<Duration>,
    /// Deliveries that may wait for the writer.
    pub queue_max: usize,
    /// Deliveries in one commit.
    pub batch_max: usize,
    /// Sessions that are kept in memory.
    pub sessions_max: usize,
    /// Whether a delivery is refused when there is no room in the queue, rather than waiting.
    pub refuses_when_busy: bool,
    /// After how many notices the consumer that pulls acknowledges.
    pub ack_each: u64,
    /// Notices that the handler is handed at the same time.
    pub at_once_max: usize,
    /// How often a notice is tried before it is parked.
    pub tries_max: u32,
    /// Notices that the handler is looked at for ahead of the oldest that is open.
    pub window_max: usize,
    /// It begins with a contract that looks for the ids of sessions where none are: all of it goes to quarantine,
    /// until the contract is mended with the first [`Mishap::Reread`](crate::mishaps::Mishap::Reread) or
    /// [`Mishap::Mend`](crate::mishaps::Mishap::Mend).
    pub misreads: bool,
}

impl Default for Setup {
    fn default() -> Self {
        let engine = finis_engine::Settings::default();
        Setup {
            signed: false,
            subscribed: None,
            grace: None,
            stall: None,
            queue_max: engine.queue_max,
            batch_max: engine.batch_max,
            sessions_max: engine.sessions_max,
            refuses_when_busy: false,
            ack_each: 1,
            at_once_max: 16,
            tries_max: 3,
            window_max: Policy::default().window_max,
            misreads: false,
        }
    }
}

/// Why a receiver cannot be set up so.
#[derive(Clone, Debug)]
pub enum SetupError {
    /// The contract cannot be signed for.
    Signing(signature::SetupError),
    /// A kind is subscribed that the contract does not have.
    Kind(UnknownKind),
    /// The contract has no world.
    World(HabitsError),
}

impl std::fmt::Display for SetupError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SetupError::Signing(error) => error.fmt(f),
            SetupError::Kind(error) => error.fmt(f),
            SetupError::World(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SetupError {}

/// What stories are signed with: nothing is secret about it.
const SECRETS: [&str; 2] = ["a secret of the simulator", "whsec_bm90aGluZyBpcyBzZWNyZXQgYWJvdXQgaXQ="];
/// The header, where a contract leaves it to the user.
const HEADER: &str = "x-finis-token";

impl Setup {
    /// A setup by chance: tight bounds, other terms, signed or not.
    #[must_use]
    pub fn swarm(contract: &Contract, seed: u64) -> Setup {
        let random = &mut Random::new(seed, Purpose::Setup, 0, 0);
        let mut setup = Setup { signed: random.below(2) == 0 && secret(contract).is_some(), ..Setup::default() };
        let kinds: Vec<String> = contract.kinds().map(|(_, name)| name.to_owned()).collect();
        if random.below(4) == 0 {
            let subscribed: Vec<String> = kinds.iter().filter(|_| random.below(3) > 0).cloned().collect();
            setup.subscribed = Some(subscribed).filter(|subscribed| !subscribed.is_empty());
        }
        let mut sometimes = |choices: &[u64]| if random.below(3) == 0 { random.pick(choices).copied() } else { None };
        setup.grace = sometimes(&[0, 1, 10, 60, 600, 3_600]).map(Duration::from_secs);
        setup.stall = sometimes(&[1, 10, 60, 600, 3_600]).map(Duration::from_secs);
        // As many as fit in memory fit in a usize.
        let mut bound = |choices: &[u64], usual: usize| sometimes(choices).map_or(usual, |bound| bound as usize);
        setup.queue_max = bound(&[1, 2, 5], setup.queue_max);
        setup.batch_max = bound(&[1, 2, 5], setup.batch_max);
        setup.at_once_max = bound(&[1, 2, 5], setup.at_once_max);
        setup.ack_each = sometimes(&[2, 3, 7]).unwrap_or(1);
        setup.refuses_when_busy = random.below(3) == 0;
        // What is parked at once, and what has to be read again each time, is where order is at stake.
        setup.tries_max = random.pick(&[1, 1, 2, 3, 5]).copied().unwrap_or(3);
        setup.sessions_max = random.pick(&[1, 2, 5, setup.sessions_max]).copied().unwrap_or(setup.sessions_max);
        setup
    }

    /// Where deliveries come from that a receiver of this setup takes.
    ///
    /// # Errors
    /// When the contract cannot be signed for, and it is to be.
    pub fn origin(&self, contract: &Contract, source: &str) -> Result<Origin, SetupError> {
        let signing = self.proof(contract)?.map(|(secret, options)| Signing::new(contract, secret, &options, None));
        let signing = signing.transpose().map_err(SetupError::Signing)?;
        Ok(Origin { source: source.to_owned(), signing })
    }

    /// What verifies what comes from there.
    pub(crate) fn verifier(&self, contract: &Contract) -> Result<Verifier, SetupError> {
        let verifier = match self.proof(contract)? {
            Some((secret, options)) => Verifier::new(contract.signature(), &[secret], &options),
            None => Verifier::new(None, &[], &Options { unsigned: true, ..Options::default() }),
        };
        verifier.map_err(SetupError::Signing)
    }

    fn proof(&self, contract: &Contract) -> Result<Option<(Secret, Options)>, SetupError> {
        if !self.signed {
            return Ok(None);
        }
        let proof = secret(contract).ok_or(SetupError::Signing(signature::SetupError::NoSignature))?;
        Ok(Some(proof))
    }

    /// Bounds of the engine.
    pub(crate) fn engine(&self) -> finis_engine::Settings {
        finis_engine::Settings {
            queue_max: self.queue_max,
            batch_max: self.batch_max,
            sessions_max: self.sessions_max,
            ..finis_engine::Settings::default()
        }
    }

    /// What the source has settled on, for the engine.
    ///
    /// # Errors
    /// When a kind is subscribed that the contract does not have.
    pub fn terms(&self, contract: &Contract) -> Result<Terms, SetupError> {
        let mut terms = Terms::new(contract);
        if let Some(subscribed) = &self.subscribed {
            terms.subscribe(contract, subscribed.iter().map(String::as_str)).map_err(SetupError::Kind)?;
        }
        self.grace.into_iter().for_each(|grace| terms.set_grace(grace));
        self.stall.into_iter().for_each(|stall| terms.set_stall(stall));
        Ok(terms)
    }

    /// The same, for the model.
    #[must_use]
    pub fn model_terms(&self) -> model::Terms {
        model::Terms { subscribed: self.subscribed.clone(), grace: self.grace, stall: self.stall }
    }
}

/// What a contract can be signed with.
fn secret(contract: &Contract) -> Option<(Secret, Options)> {
    let headers = [None, Some(HEADER.to_owned())];
    let ways = SECRETS.iter().flat_map(|text| headers.iter().map(move |header| (*text, header.clone())));
    let mut ways = ways.map(|(text, header)| (Secret::new(text), Options { header, ..Options::default() }));
    ways.find(|(secret, options)| Signing::new(contract, secret.clone(), options, None).is_ok())
}

/// Lengths of time, as finis writes them everywhere.
mod span {
    use std::time::Duration;

    use finis_engine::{parse_span, print_span};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Told {
        Seconds(u64),
        Span(String),
    }

    #[allow(clippy::ref_option, reason = "serde hands a field over so")]
    pub(super) fn serialize<S: Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        span.map(print_span).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(match Option::<Told>::deserialize(from)? {
            None => None,
            Some(Told::Seconds(seconds)) => Some(Duration::from_secs(seconds)),
            Some(Told::Span(text)) => Some(parse_span(&text).map_err(D::Error::custom)?),
        })
    }
}
