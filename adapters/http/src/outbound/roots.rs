//! Whom to believe that a host is the one it says.

use std::fmt;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Authorities whose certificates are believed.
#[derive(Clone, Debug)]
pub struct Roots {
    store: RootCertStore,
}

/// Why certificates cannot be believed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootsError {
    reason: String,
}

impl Roots {
    /// Those of the system; `SSL_CERT_FILE` and `SSL_CERT_DIR` say where they are if they are elsewhere. What
    /// cannot be read of them is left out.
    #[must_use]
    pub fn system() -> Roots {
        let found = rustls_native_certs::load_native_certs();
        let mut store = RootCertStore::empty();
        let (taken, _) = store.add_parsable_certificates(found.certs);
        if taken == 0 {
            tracing::warn!(
                "the system has no root certificates, so no host can prove who it is over TLS: install them, or set SSL_CERT_FILE"
            );
        }
        Roots { store }
    }

    /// None, but for those that are added.
    #[must_use]
    pub fn none() -> Roots {
        Roots { store: RootCertStore::empty() }
    }

    /// Adds certificates in PEM, as for an authority of one's own. Says how many.
    ///
    /// # Errors
    /// When there is none in it, or one that cannot be read; none is added then.
    pub fn add_pem(&mut self, pem: &[u8]) -> Result<usize, RootsError> {
        let mut store = self.store.clone();
        let mut added = 0;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| RootsError { reason: error.to_string() })?;
            store.add(certificate).map_err(|error| RootsError { reason: error.to_string() })?;
            added += 1;
        }
        if added == 0 {
            return Err(RootsError { reason: "there is none in it".to_owned() });
        }
        self.store = store;
        Ok(added)
    }

    pub(super) fn store(&self) -> RootCertStore {
        self.store.clone()
    }
}

impl fmt::Display for RootsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no certificates can be read from the PEM: {}", self.reason)
    }
}

impl std::error::Error for RootsError {}
