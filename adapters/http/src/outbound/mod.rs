//! Where requests may go, and a client that goes nowhere else.
//!
//! Whoever may say where a webhook goes, or where a recording lies, could make finis ask what only finis can
//! reach: a metadata service, an admin page on loopback, a machine of the private network. So a request goes
//! to public addresses over TLS, and elsewhere only where somebody allowed that by name.
//!
//! ```text
//! URL ──▶ Guard::check ──▶ resolve once ──▶ Guard::admit, each address ──▶ connect to one that passed
//!         scheme, host, port, literal address                              no proxy, no redirect
//! ```
//!
//! [`Guard`] decides and is a function of values. [`Client`] carries out: the address that was looked at is the
//! one that is connected to, so that a name which answers differently the second time gains nothing; answers
//! are bounded in time and in bytes, and nothing is unpacked.

mod address; // which addresses are whose
mod client; // requests, bounded
mod guard; // what is allowed
mod resolve; // names to addresses that passed
mod roots; // whom to believe

pub use address::{Special, Subnet};
pub use client::{Answer, Client, Failed, Limits, SetupError};
pub use guard::{Allowed, AllowedError, Guard, Refused, Rules};
pub use resolve::{Found, Lookup, SystemLookup};
pub use roots::{Roots, RootsError};
