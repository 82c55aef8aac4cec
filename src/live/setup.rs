//! What a source says of itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use finis_providers::signature::{Options, Request, Secret, SetupError, Verifier};

use crate::engine::contract::UnknownKind;
use crate::engine::{Denied, Source, Terms, Timestamp, Verify};
use crate::providers::Catalogue;

/// A source that is to be.
#[derive(Debug)]
pub struct SourceSetup {
    name: String,
    provider: String,
    secrets: Vec<Secret>,
    options: Options,
    subscribe: Option<Vec<String>>,
    grace: Option<Duration>,
    stall: Option<Duration>,
}

/// Why a source cannot be as it is set up.
#[derive(Debug)]
pub enum SourceError {
    /// There is no contract of that provider.
    UnknownProvider {
        /// The source.
        name: String,
        /// What was named.
        provider: String,
        /// What there is.
        known: String,
    },
    /// Its secrets do not fit the contract; or there is none, and it is not said to be unsigned.
    Signature {
        /// The source.
        name: String,
        /// Why.
        error: SetupError,
    },
    /// It is subscribed to a kind that the contract does not know.
    Subscription {
        /// The source.
        name: String,
        /// Which.
        error: UnknownKind,
    },
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceError::UnknownProvider { name, provider, known } => {
                write!(f, "source `{name}`: no contract is called `{provider}`; there are {known}")
            }
            SourceError::Signature { name, error } => write!(f, "source `{name}`: {error}"),
            SourceError::Subscription { name, error } => write!(f, "source `{name}`: {error}"),
        }
    }
}

impl std::error::Error for SourceError {}

impl SourceSetup {
    /// A source of a provider. It needs a secret, or has to say that it is unsigned.
    #[must_use]
    pub fn new(name: impl Into<String>, provider: impl Into<String>) -> SourceSetup {
        SourceSetup {
            name: name.into(),
            provider: provider.into(),
            secrets: Vec::new(),
            options: Options::default(),
            subscribe: None,
            grace: None,
            stall: None,
        }
    }

    /// One more secret: all of them count, so that an old one can be replaced without a gap.
    #[must_use]
    pub fn secret(mut self, secret: Secret) -> SourceSetup {
        self.secrets.push(secret);
        self
    }

    /// The header with the signature or the secret, where the provider leaves it to the user.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>) -> SourceSetup {
        self.options.header = Some(name.into());
        self
    }

    /// How far a signed time may be off, either way, in place of what the contract says.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> SourceSetup {
        self.options.tolerance = Some(tolerance);
        self
    }

    /// Takes whatever comes: nothing proves that it is from the provider.
    #[must_use]
    pub fn unsigned(mut self) -> SourceSetup {
        self.options.unsigned = true;
        self
    }

    /// The kinds that the provider sends here, when not all.
    #[must_use]
    pub fn subscribe<'k>(mut self, kinds: impl IntoIterator<Item = &'k str>) -> SourceSetup {
        self.subscribe = Some(kinds.into_iter().map(str::to_owned).collect());
        self
    }

    /// How long to wait, after the end of a session, for what is missing.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> SourceSetup {
        self.grace = Some(grace);
        self
    }

    /// How long to wait, after the last event of a session, for its end.
    #[must_use]
    pub fn stall(mut self, stall: Duration) -> SourceSetup {
        self.stall = Some(stall);
        self
    }

    /// The source itself, for an engine of your own.
    ///
    /// # Errors
    /// When it cannot be as it is set up; [`SourceError`] says why.
    pub fn build(self, catalogue: &Catalogue) -> Result<Source, SourceError> {
        let SourceSetup { name, provider, secrets, options, subscribe, grace, stall } = self;
        let Some(contract) = catalogue.get(&provider) else {
            let known = catalogue.names();
            return Err(SourceError::UnknownProvider { name, provider, known });
        };
        let verifier = match Verifier::new(contract.signature(), &secrets, &options) {
            Ok(verifier) => verifier,
            Err(error) => return Err(SourceError::Signature { name, error }),
        };
        let mut terms = Terms::new(contract);
        if let Some(kinds) = subscribe
            && let Err(error) = terms.subscribe(contract, kinds.iter().map(String::as_str))
        {
            return Err(SourceError::Subscription { name, error });
        }
        if let Some(grace) = grace {
            terms.set_grace(grace);
        }
        if let Some(stall) = stall {
            terms.set_stall(stall);
        }
        Ok(Source { name, contract: Arc::new(contract.clone()), terms, verify: Box::new(Signed(verifier)) })
    }
}

/// Verifies by what the contract says.
struct Signed(Verifier);

impl Verify for Signed {
    fn verify(&self, headers: &[(&str, &str)], body: &[u8], now: Timestamp) -> Result<(), Denied> {
        let request = Request { url: None, headers: headers.iter().copied(), body };
        self.0.verify(request, now).map(drop).map_err(|refused| Denied { reason: refused.to_string() })
    }
}
