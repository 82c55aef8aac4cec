//! A server that has the store: it does what nobody else can do then.

use super::Failure;

#[cfg(all(feature = "serve", unix))]
pub(super) use finis::serve::{ControlError, forget, known, retry_parked, retry_refused, skip_parked};

#[cfg(not(all(feature = "serve", unix)))]
pub(super) use nobody::{ControlError, forget, known, retry_parked, retry_refused, skip_parked};

/// What it did; nothing when there is none. When it does not know what was named, `unknown` says so, with what it
/// knows.
#[cfg_attr(
    not(all(feature = "serve", unix)),
    expect(unused_variables, reason = "nobody is there who might not know what was named")
)]
pub(super) fn done<T>(
    outcome: Result<T, ControlError>,
    unknown: impl FnOnce(Vec<String>) -> Failure,
) -> Result<Option<T>, Failure> {
    match outcome {
        Ok(done) => Ok(Some(done)),
        Err(ControlError::NotThere { .. }) => Ok(None),
        #[cfg(all(feature = "serve", unix))]
        Err(ControlError::Unknown { known }) => Err(unknown(known)),
        #[cfg(all(feature = "serve", unix))]
        Err(error) => Err(error.into()),
    }
}

/// Without what asks a server, it is as if there were none.
#[cfg(not(all(feature = "serve", unix)))]
mod nobody {
    use std::path::Path;

    use finis::engine::{Filled, Retried};
    use finis::store::Erased;

    pub(crate) enum ControlError {
        NotThere {},
    }

    type Outcome<T> = Result<T, ControlError>;

    pub(crate) fn retry_parked(_: &Path, _: &str, _: Option<u64>) -> Outcome<u64> {
        Err(ControlError::NotThere {})
    }

    pub(crate) fn skip_parked(_: &Path, _: &str, _: u64) -> Outcome<bool> {
        Err(ControlError::NotThere {})
    }

    pub(crate) fn retry_refused(_: &Path) -> Outcome<(Retried, Filled)> {
        Err(ControlError::NotThere {})
    }

    pub(crate) fn known(_: &Path, _: &str, _: Option<&str>) -> Outcome<Erased> {
        Err(ControlError::NotThere {})
    }

    pub(crate) fn forget(_: &Path, _: &str, _: Option<&str>) -> Outcome<Erased> {
        Err(ControlError::NotThere {})
    }
}
