//! Whether a delivery comes from where it says: one verifier, driven by what a contract says.
//!
//! A [`Verifier`] is made once for each source, of the contract's `[signature]`, the [`Secret`]s and
//! the [`Options`] of that source; what cannot work is refused then, and not at the first delivery. It
//! looks at the bytes as they came, before anybody parses them, and takes the time as an argument. A
//! [`Signer`] is its counterpart: it makes the headers that the provider would send.
//!
//! - Every comparison of something secret is in constant time, and every secret is tried, so neither
//!   the time it takes nor the answer says how near a forgery came.
//! - A secret is in no error, no log line and no `Debug`. [`Refused`] tells the operator why; the
//!   world outside gets [`Refused::PUBLIC`], whatever the reason.
//! - The time is judged last, so that [`Refused::TooOld`] and [`Refused::TooFarAhead`] are only ever
//!   said of what was really signed: they speak of clocks and replays, not of strangers.
//!
//! ```
//! use finis_engine::Timestamp;
//! use finis_providers::Catalogue;
//! use finis_providers::signature::{Options, Outgoing, Refused, Request, Secret, Signer, Verifier};
//!
//! let catalogue = Catalogue::shipped();
//! let saaya = catalogue.get("saaya").unwrap().signature();
//! let (secrets, options) = ([Secret::new("old"), Secret::new("new")], Options::default());
//! let verifier = Verifier::new(saaya, &secrets, &options).unwrap();
//!
//! let body = br#"{"type":"session.ended"}"#;
//! let now = Timestamp::parse("2026-05-03T08:42:11Z").unwrap();
//! let signer = Signer::new(saaya, &secrets[1..], &options).unwrap();
//! let headers = signer.sign(&Outgoing { body, ..Outgoing::default() }, now).unwrap();
//!
//! let request = |body| Request { url: None, headers: headers.iter().map(|(name, value)| (name, value)), body };
//! assert_eq!(verifier.verify(request(body), now).unwrap().secret, Some(1));
//! assert_eq!(verifier.verify(request(b"{}"), now), Err(Refused::NoMatch));
//! ```

mod header; // what a header says
mod key; // what computes and compares
mod refused; // why a delivery is not taken
mod secret; // what only two may know
mod setup; // what a source says of its deliveries
mod signed; // the bytes that are signed
mod signer; // as the provider does
mod time; // times that are signed
mod verifier; // whether it is so

pub use header::SIGNATURES_MAX;
pub use refused::{Problem, Refused};
pub use secret::Secret;
pub use setup::{Options, SecretProblem, SetupError};
pub use signed::Unfillable;
pub use signer::{Outgoing, Signer};
pub use verifier::{Request, Verified, Verifier};
